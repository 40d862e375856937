//! The part of the ZooKeeper client protocol that a load generator needs: big-endian numbers, byte strings
//! after their length, one record per frame.
//!
//! Written from the protocol's definition and on purpose not from oxkeeper's codec. Nothing here checks what
//! it reads: the getters panic beyond the end, so their callers look at lengths first.

/// `create`
pub const CREATE: i32 = 1;
/// `delete`
pub const DELETE: i32 = 2;
/// `exists`
pub const EXISTS: i32 = 3;
/// `getData`
pub const GET: i32 = 4;
/// `setData`
pub const SET: i32 = 5;
/// `sync`
pub const SYNC: i32 = 9;
/// `ping`
pub const PING: i32 = 11;
/// `getChildren2`: the children with the parent's stat
pub const CHILDREN2: i32 = 12;
/// `check`, inside a multi only
pub const CHECK: i32 = 13;
/// `multi`
pub const MULTI: i32 = 14;
/// `closeSession`
pub const CLOSE: i32 = -11;

/// The xid of watch events.
pub const XID_EVENT: i32 = -1;
/// The xid of pings and of their replies.
pub const XID_PING: i32 = -2;

/// Error code: the znode to create is there already.
pub const NODE_EXISTS: i32 = -110;
/// Event type: a znode's data has changed.
pub const EVENT_DATA_CHANGED: i32 = 3;
/// Event state: the session is connected.
pub const STATE_CONNECTED: i32 = 3;

/// Bytes of the length in front of each frame.
pub const FRAME_LEN: usize = 4;
/// Bytes of a request's xid and type.
pub const REQUEST_HEADER_LEN: usize = 8;
/// Bytes of a reply's xid, zxid and error code.
pub const REPLY_HEADER_LEN: usize = 16;
/// Bytes of a header inside a multi: type, done, err.
pub const MULTI_HEADER_LEN: usize = 9;
/// Bytes of a stat.
pub const STAT_LEN: usize = 68;

/// The four bytes at `at` as a number.
#[inline]
pub fn get_i32(b: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(b[at..at + 4].try_into().expect("four bytes"))
}

/// The eight bytes at `at` as a number.
#[inline]
pub fn get_i64(b: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(b[at..at + 8].try_into().expect("eight bytes"))
}

/// Appends a number of four bytes.
#[inline]
pub fn put_i32(w: &mut Vec<u8>, v: i32) {
    w.extend_from_slice(&v.to_be_bytes());
}

/// Appends a number of eight bytes.
#[inline]
pub fn put_i64(w: &mut Vec<u8>, v: i64) {
    w.extend_from_slice(&v.to_be_bytes());
}

/// Appends a byte string or a path after its length.
#[inline]
pub fn put_bytes(w: &mut Vec<u8>, v: &[u8]) {
    put_i32(w, v.len() as i32);
    w.extend_from_slice(v);
}

/// Opens a frame and says where it begins; `close_frame` patches its length.
#[inline]
pub fn open_frame(w: &mut Vec<u8>) -> usize {
    let at = w.len();
    w.extend_from_slice(&[0; FRAME_LEN]);
    at
}

/// Closes the frame that begins at `at`.
#[inline]
pub fn close_frame(w: &mut [u8], at: usize) {
    let len = (w.len() - at - FRAME_LEN) as i32;
    w[at..at + FRAME_LEN].copy_from_slice(&len.to_be_bytes());
}

/// Opens the frame of a request.
#[inline]
fn open_request(w: &mut Vec<u8>, xid: i32, op: i32) -> usize {
    let at = open_frame(w);
    put_i32(w, xid);
    put_i32(w, op);
    at
}

/// ConnectRequest: a new session with `session` 0, or one that is to be kept.
pub fn connect_req(w: &mut Vec<u8>, last_zxid: i64, timeout_ms: i32, session: i64, passwd: &[u8; 16]) {
    let at = open_frame(w);
    put_i32(w, 0);
    put_i64(w, last_zxid);
    put_i32(w, timeout_ms);
    put_i64(w, session);
    put_bytes(w, passwd);
    w.push(0);
    close_frame(w, at);
}

/// A request without a body: ping or closeSession.
pub fn header_only(w: &mut Vec<u8>, xid: i32, op: i32) {
    let at = open_request(w, xid, op);
    close_frame(w, at);
}

/// getData, exists or getChildren2.
pub fn path_watch(w: &mut Vec<u8>, xid: i32, op: i32, path: &[u8], watch: bool) {
    let at = open_request(w, xid, op);
    put_bytes(w, path);
    w.push(u8::from(watch));
    close_frame(w, at);
}

/// sync
pub fn sync(w: &mut Vec<u8>, xid: i32, path: &[u8]) {
    let at = open_request(w, xid, SYNC);
    put_bytes(w, path);
    close_frame(w, at);
}

/// setData; -1: whatever the version.
pub fn set(w: &mut Vec<u8>, xid: i32, path: &[u8], data: &[u8], version: i32) {
    let at = open_request(w, xid, SET);
    put_bytes(w, path);
    put_bytes(w, data);
    put_i32(w, version);
    close_frame(w, at);
}

/// create, open to everybody; flags 0: a plain persistent znode.
pub fn create(w: &mut Vec<u8>, xid: i32, path: &[u8], data: &[u8], flags: i32) {
    let at = open_request(w, xid, CREATE);
    put_bytes(w, path);
    put_bytes(w, data);
    put_i32(w, 1); // one ACL entry, all permissions
    put_i32(w, 31);
    put_bytes(w, b"world");
    put_bytes(w, b"anyone");
    put_i32(w, flags);
    close_frame(w, at);
}

/// delete, whatever the version.
pub fn delete(w: &mut Vec<u8>, xid: i32, path: &[u8]) {
    let at = open_request(w, xid, DELETE);
    put_bytes(w, path);
    put_i32(w, -1);
    close_frame(w, at);
}

/// The header of one operation, or with type -1 of the end, of a multi request.
#[inline]
fn put_multi_header(w: &mut Vec<u8>, op: i32, done: bool) {
    put_i32(w, op);
    w.push(u8::from(done));
    put_i32(w, -1);
}

/// multi = [check(path, any version), setData(path, data)]
pub fn multi_check_set(w: &mut Vec<u8>, xid: i32, path: &[u8], data: &[u8]) {
    let at = open_request(w, xid, MULTI);
    put_multi_header(w, CHECK, false);
    put_bytes(w, path);
    put_i32(w, -1);
    put_multi_header(w, SET, false);
    put_bytes(w, path);
    put_bytes(w, data);
    put_i32(w, -1);
    put_multi_header(w, -1, true);
    close_frame(w, at);
}

/// Where in the frame of `set` the data begins.
pub const fn set_data_at(path_len: usize) -> usize {
    FRAME_LEN + REQUEST_HEADER_LEN + 4 + path_len + 4
}

/// Where in the frame of `multi_check_set` the data begins.
pub const fn multi_data_at(path_len: usize) -> usize {
    let check = MULTI_HEADER_LEN + 4 + path_len + 4;
    FRAME_LEN + REQUEST_HEADER_LEN + check + MULTI_HEADER_LEN + 4 + path_len + 4
}

/// The value of znode `idx`: its 8-digit number, then a fixed filler; so a reply that belongs to
/// another znode, or a damaged one, is seen.
pub fn value(idx: usize, size: usize) -> Vec<u8> {
    let digits = format!("{idx:08}");
    let mut v = Vec::with_capacity(size);
    for i in 0..size {
        v.push(if i < 8 { digits.as_bytes()[i] } else { (i as u32 * 31 + 7) as u8 });
    }
    v
}

/// Reads single fields of the stat at the head of its bytes.
pub struct StatView<'a>(pub &'a [u8]);

impl<'a> StatView<'a> {
    /// The stat that a reply ends with, if the reply is long enough for one.
    pub fn at_end(body: &'a [u8]) -> Option<Self> {
        body.len().checked_sub(STAT_LEN).map(|at| StatView(&body[at..]))
    }

    /// How often the data was set.
    pub fn version(&self) -> i32 {
        get_i32(self.0, 32)
    }

    /// Bytes of data.
    pub fn data_len(&self) -> i32 {
        get_i32(self.0, 52)
    }

    /// How many children there are.
    pub fn num_children(&self) -> i32 {
        get_i32(self.0, 56)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_begins_where_the_offsets_say() {
        let (path, data) = (b"/a/n00000007", value(7, 20));
        let (mut one, mut two) = (Vec::new(), Vec::new());
        set(&mut one, 1, path, &data, -1);
        multi_check_set(&mut two, 1, path, &data);
        for (frame, at) in [(one, set_data_at(path.len())), (two, multi_data_at(path.len()))] {
            assert_eq!(get_i32(&frame, 0) as usize, frame.len() - FRAME_LEN);
            assert_eq!(get_i32(&frame, at - 4) as usize, data.len());
            assert_eq!(frame[at..at + data.len()], data);
        }
    }

    #[test]
    fn a_value_carries_its_number_and_is_cut_to_any_size() {
        assert_eq!(value(42, 8), b"00000042");
        assert_eq!(value(42, 3), b"000");
        assert_eq!(value(1, 100)[8..], value(2, 100)[8..]);
    }
}
