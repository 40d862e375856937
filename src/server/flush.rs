//! Sending what connections have to say.

use super::worker::State;
use crate::session::ConnId;
use std::io;

/// A buffer that grew beyond this is given back to the allocator once it is empty.
const KEPT_BUFFER_BYTES: usize = 64 * 1024;
/// Buffers that wait to be used again.
const KEPT_BUFFERS: usize = 64;

/// Sends as much as the socket takes. False: the connection is broken.
pub(super) fn flush(state: &mut State, id: ConnId) -> bool {
    let Some(conn) = state.conn_by_id(id) else { return false };
    while conn.unsent() > 0 {
        match conn.stream.try_write(&conn.output[conn.sent_to..]) {
            Ok(0) => return false,
            Ok(sent) => conn.sent_to += sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => return false,
        }
    }
    let mut buffer = std::mem::take(&mut conn.output);
    conn.sent_to = 0;
    if buffer.capacity() <= KEPT_BUFFER_BYTES && state.buffers.len() < KEPT_BUFFERS {
        buffer.clear();
        state.buffers.push(buffer);
    }
    true
}

/// Sends for every connection that has something to say. One that cannot send all, or is to be closed, is left to
/// its own task.
pub(super) fn flush_dirty(state: &mut State) {
    let mut dirty = std::mem::take(&mut state.dirty);
    for &slot in &dirty {
        let Some(conn) = state.conn(slot) else { continue };
        conn.dirty = false;
        let id = conn.id;
        let alive = flush(state, id);
        let Some(conn) = state.conn(slot) else { continue };
        if !alive {
            conn.output.clear();
            conn.sent_to = 0;
            conn.phase = super::conn::Phase::Closing;
        }
        if !alive || conn.unsent() > 0 || conn.phase == super::conn::Phase::Closing {
            conn.wake();
        }
    }
    dirty.clear();
    state.dirty = dirty;
}
