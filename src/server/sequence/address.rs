//! Where a connection is: the parts of a [`ConnId`], which are worker (8 bits), generation (24) and place (32).
//!
//! A place is used again once its connection is gone, with another generation. Only the worker's connections tell
//! whether a [`ConnId`] still has its place; a place alone names nobody.

use crate::session::ConnId;

/// The id of the connection in this place of a worker.
pub(crate) const fn conn_id(worker: usize, generation: u32, place: u32) -> ConnId {
    ConnId(((worker as u64) << 56) | (((generation & 0x00ff_ffff) as u64) << 32) | place as u64)
}

/// Which worker has it.
pub(crate) const fn worker_of(conn: ConnId) -> usize {
    (conn.0 >> 56) as usize
}

/// Its place there.
pub(crate) const fn place_of(conn: ConnId) -> usize {
    (conn.0 & 0xffff_ffff) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_ids_come_apart_again() {
        let id = conn_id(3, 0x0102_0304, 7);
        assert_eq!((worker_of(id), place_of(id)), (3, 7));
        assert_ne!(id, conn_id(3, 0x0002_0305, 7));
    }
}
