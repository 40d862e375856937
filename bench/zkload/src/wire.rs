//! ZooKeeper client protocol, the part a load generator needs. Big-endian, int32 length frames.
pub const CREATE: i32 = 1;
pub const DELETE: i32 = 2;
pub const EXISTS: i32 = 3;
pub const GET: i32 = 4;
pub const SET: i32 = 5;
pub const SYNC: i32 = 9;
pub const PING: i32 = 11;
pub const CHILDREN2: i32 = 12;
pub const CHECK: i32 = 13;
pub const MULTI: i32 = 14;
pub const CLOSE: i32 = -11;
pub const XID_EVENT: i32 = -1;
pub const XID_PING: i32 = -2;
pub const STAT_LEN: usize = 68;

#[inline]
pub fn gi(b: &[u8], o: usize) -> i32 {
    i32::from_be_bytes(b[o..o + 4].try_into().expect("four bytes"))
}
#[inline]
pub fn gl(b: &[u8], o: usize) -> i64 {
    i64::from_be_bytes(b[o..o + 8].try_into().expect("eight bytes"))
}
#[inline]
pub fn pi(w: &mut Vec<u8>, v: i32) {
    w.extend_from_slice(&v.to_be_bytes());
}
#[inline]
pub fn pl(w: &mut Vec<u8>, v: i64) {
    w.extend_from_slice(&v.to_be_bytes());
}
#[inline]
pub fn pb(w: &mut Vec<u8>, v: &[u8]) {
    pi(w, v.len() as i32);
    w.extend_from_slice(v);
}

/// Opens a frame; `close_frame` patches its length.
#[inline]
pub fn open_frame(w: &mut Vec<u8>) -> usize {
    let at = w.len();
    w.extend_from_slice(&[0; 4]);
    at
}
#[inline]
pub fn close_frame(w: &mut [u8], at: usize) {
    let n = (w.len() - at - 4) as i32;
    w[at..at + 4].copy_from_slice(&n.to_be_bytes());
}

pub fn connect_req(w: &mut Vec<u8>, last_zxid: i64, timeout: i32, session: i64, passwd: &[u8; 16]) {
    let f = open_frame(w);
    pi(w, 0);
    pl(w, last_zxid);
    pi(w, timeout);
    pl(w, session);
    pb(w, passwd);
    w.push(0);
    close_frame(w, f);
}
pub fn header_only(w: &mut Vec<u8>, xid: i32, op: i32) {
    let f = open_frame(w);
    pi(w, xid);
    pi(w, op);
    close_frame(w, f);
}
/// get / exists / getChildren2
pub fn path_watch(w: &mut Vec<u8>, xid: i32, op: i32, path: &[u8], watch: bool) {
    let f = open_frame(w);
    pi(w, xid);
    pi(w, op);
    pb(w, path);
    w.push(watch as u8);
    close_frame(w, f);
}
pub fn sync(w: &mut Vec<u8>, xid: i32, path: &[u8]) {
    let f = open_frame(w);
    pi(w, xid);
    pi(w, SYNC);
    pb(w, path);
    close_frame(w, f);
}
pub fn set(w: &mut Vec<u8>, xid: i32, path: &[u8], data: &[u8], version: i32) {
    let f = open_frame(w);
    pi(w, xid);
    pi(w, SET);
    pb(w, path);
    pb(w, data);
    pi(w, version);
    close_frame(w, f);
}
pub fn create(w: &mut Vec<u8>, xid: i32, path: &[u8], data: &[u8], flags: i32) {
    let f = open_frame(w);
    pi(w, xid);
    pi(w, CREATE);
    pb(w, path);
    pb(w, data);
    pi(w, 1);
    pi(w, 31);
    pb(w, b"world");
    pb(w, b"anyone");
    pi(w, flags);
    close_frame(w, f);
}
pub fn delete(w: &mut Vec<u8>, xid: i32, path: &[u8]) {
    let f = open_frame(w);
    pi(w, xid);
    pi(w, DELETE);
    pb(w, path);
    pi(w, -1);
    close_frame(w, f);
}
/// multi = [check(path, any version), setData(path, data)]
pub fn multi_check_set(w: &mut Vec<u8>, xid: i32, path: &[u8], data: &[u8]) {
    let f = open_frame(w);
    pi(w, xid);
    pi(w, MULTI);
    pi(w, CHECK);
    w.push(0);
    pi(w, -1);
    pb(w, path);
    pi(w, -1);
    pi(w, SET);
    w.push(0);
    pi(w, -1);
    pb(w, path);
    pb(w, data);
    pi(w, -1);
    pi(w, -1);
    w.push(1);
    pi(w, -1);
    close_frame(w, f);
}

/// The value of znode `idx`: its 8-digit number, then a fixed filler; so a reply that belongs to
/// another znode, or a damaged one, is seen.
pub fn value(idx: usize, size: usize) -> Vec<u8> {
    let mut v = Vec::with_capacity(size);
    let d = format!("{idx:08}");
    for i in 0..size {
        v.push(if i < 8 { d.as_bytes()[i] } else { (i as u32 * 31 + 7) as u8 });
    }
    v
}

pub struct StatView<'a>(pub &'a [u8]);
impl StatView<'_> {
    pub fn mzxid(&self) -> i64 {
        gl(self.0, 8)
    }
    pub fn version(&self) -> i32 {
        gi(self.0, 32)
    }
    pub fn data_len(&self) -> i32 {
        gi(self.0, 52)
    }
    pub fn num_children(&self) -> i32 {
        gi(self.0, 56)
    }
}
