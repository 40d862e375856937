//! The reply to each request: well formed and of the right size, from counters and buffers alone.
//!
//! It knows no sockets and no log: bytes come in, bytes go into the peer's buffer, and the caller is told
//! whether the request was a write. Faults are injected here, into every n-th request of a connection.

use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::Relaxed};
use zkload::wire::{
    CHECK, CHILDREN2, CLOSE, CREATE, DELETE, EVENT_DATA_CHANGED, EXISTS, GET, MULTI, SET, STATE_CONNECTED,
    SYNC, XID_EVENT, XID_PING, close_frame, get_i32, open_frame, put_bytes, put_i32, put_i64, value,
};

/// The last zxid given out, shared by all threads like everything a real server would share.
static ZXID: AtomicI64 = AtomicI64::new(1);
/// How often anything was set: the one version of all znodes.
static VERSION: AtomicI32 = AtomicI32::new(1);
/// The next session id.
static SESSION: AtomicI64 = AtomicI64::new(1);

/// Where in a request with a path the path begins.
const PATH_AT: usize = 12;

/// The one way in which the server is to misbehave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Xid,
    Zxid,
    Err,
    Length,
    Content,
    Version,
    Drop,
    Disconnect,
    Handshake,
    NoEvent,
    BadEvent,
}

impl Fault {
    /// The fault of that name; none for any other name.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "xid" => Self::Xid,
            "zxid" => Self::Zxid,
            "err" => Self::Err,
            "length" => Self::Length,
            "content" => Self::Content,
            "version" => Self::Version,
            "drop" => Self::Drop,
            "disconnect" => Self::Disconnect,
            "handshake" => Self::Handshake,
            "no-event" => Self::NoEvent,
            "bad-event" => Self::BadEvent,
            _ => Self::None,
        }
    }
}

/// What is known of one connection, and the replies that wait to be written to it.
#[derive(Default)]
pub(crate) struct Peer {
    /// Whether it has a session.
    pub(crate) up: bool,
    /// To be closed once `wbuf` is written.
    pub(crate) dead: bool,
    /// Replies and events.
    pub(crate) wbuf: Vec<u8>,
    /// The path of its data watch.
    watch: Option<Vec<u8>>,
    requests: u64,
}

/// What a request would have done to a tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    Read,
    /// Something to log.
    Write,
    /// Something to log that fires watches.
    Set,
}

/// Everything the replies are made of.
pub(crate) struct Answers {
    value: Vec<u8>,
    children: usize,
    /// The body of a reply to getChildren2, up to the stat.
    children_list: Vec<u8>,
    fault: Fault,
    fault_every: u64,
}

/// What the head and the stat of one reply say.
struct Reply {
    zxid: i64,
    version: i32,
    fault: Fault,
}

impl Answers {
    pub(crate) fn new(value_size: usize, children: usize, fault: Fault, fault_every: u64) -> Self {
        let mut children_list = Vec::new();
        put_i32(&mut children_list, children as i32);
        for i in 0..children {
            put_bytes(&mut children_list, format!("n{i:08}").as_bytes());
        }
        Self { value: value(0, value_size), children, children_list, fault, fault_every }
    }

    /// Answers one frame: the connect request or a request.
    pub(crate) fn answer(&self, peer: &mut Peer, frame: &[u8]) -> Effect {
        if !peer.up {
            peer.up = true;
            self.accept_session(&mut peer.wbuf, frame);
            return Effect::Read;
        }
        let (xid, op) = (get_i32(frame, 0), get_i32(frame, 4));
        peer.requests += 1;
        let faulty = peer.requests.is_multiple_of(self.fault_every) && xid != XID_PING && op != CLOSE;
        let fault = if faulty { self.fault } else { Fault::None };
        let write = matches!(op, CREATE | DELETE | SET | MULTI | CLOSE);
        let effect = if write { Effect::Write } else { Effect::Read };
        let zxid = if write { ZXID.fetch_add(1, Relaxed) + 1 } else { ZXID.load(Relaxed) };
        match fault {
            Fault::Drop => return effect,
            Fault::Disconnect => {
                peer.dead = true;
                return effect;
            }
            _ => {}
        }
        let version =
            if matches!(op, SET | MULTI) { VERSION.fetch_add(1, Relaxed) + 1 } else { VERSION.load(Relaxed) };
        let version = if fault == Fault::Version { 0 } else { version };
        let at = open_frame(&mut peer.wbuf);
        put_i32(&mut peer.wbuf, if fault == Fault::Xid { xid + 1 } else { xid });
        put_i64(&mut peer.wbuf, if fault == Fault::Zxid { 0 } else { zxid });
        put_i32(&mut peer.wbuf, if fault == Fault::Err { -1 } else { 0 });
        self.body(peer, op, frame, &Reply { zxid, version, fault });
        close_frame(&mut peer.wbuf, at);
        if op == SET { Effect::Set } else { effect }
    }

    fn accept_session(&self, w: &mut Vec<u8>, frame: &[u8]) {
        let at = open_frame(w);
        let id = SESSION.fetch_add(1, Relaxed);
        put_i32(w, 0);
        put_i32(w, get_i32(frame, 12).clamp(4000, 40000));
        put_i64(w, if self.fault == Fault::Handshake { 0 } else { id });
        put_bytes(w, &[7u8; 16]);
        w.push(0);
        close_frame(w, at);
    }

    fn body(&self, peer: &mut Peer, op: i32, frame: &[u8], reply: &Reply) {
        let path_len = if frame.len() > PATH_AT { get_i32(frame, 8).max(0) as usize } else { 0 };
        let w = &mut peer.wbuf;
        match op {
            GET => {
                self.get(w, &frame[PATH_AT..PATH_AT + path_len], reply);
                if frame[PATH_AT + path_len] != 0 {
                    peer.watch = Some(frame[PATH_AT..PATH_AT + path_len].to_vec());
                }
            }
            EXISTS => self.stat(w, reply),
            SET => {
                self.stat(w, reply);
                if reply.fault == Fault::Length {
                    w.pop();
                }
            }
            CHILDREN2 => {
                w.extend_from_slice(&self.children_list);
                put_stat(w, reply, 0, self.children as i32);
            }
            MULTI => self.multi(w, reply),
            CREATE | SYNC => put_bytes(w, &frame[PATH_AT..PATH_AT + path_len]),
            CLOSE => peer.dead = true,
            _ => {}
        }
    }

    /// The value with the znode's number from the end of its path, and the stat.
    fn get(&self, w: &mut Vec<u8>, path: &[u8], reply: &Reply) {
        put_bytes(w, &self.value);
        let at = w.len() - self.value.len();
        if self.value.len() >= 8 && path.len() >= 8 {
            w[at..at + 8].copy_from_slice(&path[path.len() - 8..]);
        }
        if reply.fault == Fault::Content {
            w[at + self.value.len() / 2] ^= 1;
        }
        self.stat(w, reply);
        if reply.fault == Fault::Length {
            w.pop();
        }
    }

    /// The results of a check and of a set.
    fn multi(&self, w: &mut Vec<u8>, reply: &Reply) {
        for op in [CHECK, SET] {
            put_i32(w, op);
            w.push(0);
            put_i32(w, 0);
            if op == SET {
                self.stat(w, reply);
            }
        }
        put_i32(w, -1);
        w.push(1);
        put_i32(w, -1);
    }

    /// The stat of a znode that holds the value.
    fn stat(&self, w: &mut Vec<u8>, reply: &Reply) {
        put_stat(w, reply, self.value.len() as i32, 0);
    }

    /// Sends the one event that a watch is good for. False: there is no watch, or the fault is to say
    /// nothing.
    pub(crate) fn fire(&self, peer: &mut Peer, index: usize) -> bool {
        let Some(path) = peer.watch.take() else { return false };
        if self.fault == Fault::NoEvent && index.is_multiple_of(7) {
            return false;
        }
        let w = &mut peer.wbuf;
        let at = open_frame(w);
        put_i32(w, XID_EVENT);
        put_i64(w, -1);
        put_i32(w, 0);
        put_i32(w, if self.fault == Fault::BadEvent { 2 } else { EVENT_DATA_CHANGED });
        put_i32(w, STATE_CONNECTED);
        put_bytes(w, &path);
        close_frame(w, at);
        true
    }
}

fn put_stat(w: &mut Vec<u8>, reply: &Reply, data_len: i32, children: i32) {
    put_i64(w, 1); // czxid
    put_i64(w, reply.zxid);
    put_i64(w, 0); // times
    put_i64(w, 0);
    put_i32(w, reply.version);
    put_i32(w, 0); // versions of children and ACL
    put_i32(w, 0);
    put_i64(w, 0); // no ephemeral owner
    put_i32(w, data_len);
    put_i32(w, children);
    put_i64(w, 1); // pzxid
}
