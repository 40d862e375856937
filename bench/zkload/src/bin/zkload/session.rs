//! One session over one non-blocking connection: its phases, its buffers, and the checks that hold for every
//! reply.
//!
//! ```text
//! Dead --dial--> Connecting --writable--> Handshake --connect response--> Ready
//!   ^                |                        |                             |
//!   +----------------+------- drop_fd --------+-----------------------------+
//! ```
//!
//! Every message handed out has passed: frame length, order of xids, zxids that never go back. What a body
//! must hold is for the caller to know. A session outlives its connections: it is dialled again with the same
//! id. It never waits, and drops its connection only when told to.

use crate::violations::{Class, Violations};
use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::ops::Range;
use zkload::net::{ERR, Epoll, HUP, IN, OUT, dial, rd, shut, shut_rst, so_error, wr};
use zkload::os::{now, would_block};
use zkload::wire::{
    FRAME_LEN, PING, REPLY_HEADER_LEN, XID_EVENT, XID_PING, connect_req, get_i32, get_i64, header_only,
};

/// The longest frame that is taken for one.
const MAX_FRAME: i32 = 64 << 20;
/// The read buffer at first, and what is kept free behind a partial message.
const FIRST_READ: usize = 2048;
const MIN_READ: usize = 4096;
/// The read buffer grows beyond this for a larger message only.
const MAX_READ_AHEAD: usize = 1 << 16;
/// Bytes of a connect response up to the end of the password.
const CONNECT_RESPONSE_LEN: usize = 36;

/// What was asked for: it tells how to check the reply and under which name to report it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Get,
    Exists,
    Children,
    Set,
    Create,
    Delete,
    Multi,
    Sync,
    /// A create of `create-many`.
    Bulk,
    Close,
}

impl Kind {
    /// The names of all kinds, in their order.
    pub(crate) const NAMES: [&str; 10] =
        ["get", "exists", "children", "set", "create", "delete", "multi", "sync", "bulk", "close"];

    pub(crate) const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// A request without its reply.
#[derive(Clone, Copy)]
pub(crate) struct Pending {
    xid: i32,
    pub(crate) kind: Kind,
    /// Which znode it was about, in the caller's numbers.
    pub(crate) idx: u32,
    /// When it was issued, or due.
    pub(crate) at: u64,
}

/// See the diagram above.
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub(crate) enum Phase {
    Connecting,
    Handshake,
    Ready,
    Dead,
}

/// A whole message. Bodies are places in the read buffer, good until the next read: see [`Session::body`].
pub(crate) enum Message {
    /// The session is granted.
    Connected,
    Reply {
        request: Pending,
        err: i32,
        body: Range<usize>,
    },
    /// The reply to the ping that was sent at that time.
    Pong {
        sent_at: u64,
    },
    Event {
        body: Range<usize>,
    },
}

pub(crate) struct Session {
    fd: i32,
    /// The number under which epoll reports the connection.
    id: u64,
    phase: Phase,
    rbuf: Vec<u8>,
    /// The unread part of `rbuf`.
    rpos: usize,
    rend: usize,
    /// Requests are appended here and leave with `flush`.
    pub(crate) wbuf: Vec<u8>,
    wpos: usize,
    /// Whether epoll tells when there is room to write.
    armed_out: bool,
    pending: VecDeque<Pending>,
    xid: i32,
    last_zxid: i64,
    session_id: i64,
    passwd: [u8; 16],
    timeout_ms: i32,
    /// When the connection was begun, or due.
    pub(crate) dialled_at: u64,
    /// When the last request was sent, or due: pings count from here.
    pub(crate) sent_at: u64,
    /// When the unanswered ping was sent; 0: there is none.
    ping_at: u64,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            fd: -1,
            id: 0,
            phase: Phase::Dead,
            rbuf: Vec::new(),
            rpos: 0,
            rend: 0,
            wbuf: Vec::new(),
            wpos: 0,
            armed_out: false,
            pending: VecDeque::new(),
            xid: 0,
            last_zxid: 0,
            session_id: 0,
            passwd: [0; 16],
            timeout_ms: 0,
            dialled_at: 0,
            sent_at: 0,
            ping_at: 0,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.phase == Phase::Dead
    }

    /// The id that the server gave it; 0: it was never granted.
    pub(crate) fn session_id(&self) -> i64 {
        self.session_id
    }

    /// Whether it was never granted and nothing was ever asked.
    pub(crate) fn is_unused(&self) -> bool {
        self.session_id == 0 && self.xid == 0
    }

    /// How many requests are without a reply.
    pub(crate) fn outstanding(&self) -> usize {
        self.pending.len()
    }

    /// Gives up the requests without a reply and says how many there were.
    pub(crate) fn give_up_outstanding(&mut self) -> usize {
        let n = self.pending.len();
        self.pending.clear();
        n
    }

    /// How often a session without other requests pings: each third of the negotiated timeout.
    pub(crate) fn ping_interval(&self) -> u64 {
        self.timeout_ms as u64 * 1_000_000 / 3
    }

    /// When the unanswered ping was sent, if there is one.
    pub(crate) fn unanswered_ping(&self) -> Option<u64> {
        (self.ping_at != 0).then_some(self.ping_at)
    }

    /// The bytes of a message that was just handed out.
    #[inline]
    pub(crate) fn body(&self, body: &Range<usize>) -> &[u8] {
        &self.rbuf[body.clone()]
    }

    /// Starts (or restarts, keeping the session) a connection. False: not even a start was possible.
    pub(crate) fn dial(&mut self, ep: &Epoll, id: u64, addr: &SocketAddrV4, timeout_ms: i32) -> bool {
        self.dialled_at = now();
        let Ok(fd) = dial(addr) else { return false };
        self.fd = fd;
        self.id = id;
        self.phase = Phase::Connecting;
        self.rpos = 0;
        self.rend = 0;
        self.wbuf.clear();
        self.wpos = 0;
        self.pending.clear();
        self.ping_at = 0;
        ep.add(fd, IN | OUT, id);
        self.armed_out = true;
        connect_req(&mut self.wbuf, self.last_zxid, timeout_ms, self.session_id, &self.passwd);
        true
    }

    /// Closes the connection without a word.
    pub(crate) fn drop_fd(&mut self, ep: &Epoll) {
        self.close_with(ep, shut);
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(&mut self, ep: &Epoll) {
        self.close_with(ep, shut_rst);
    }

    fn close_with(&mut self, ep: &Epoll, close: fn(i32)) {
        if self.fd >= 0 {
            ep.del(self.fd);
            close(self.fd);
        }
        self.fd = -1;
        self.phase = Phase::Dead;
        self.rbuf = Vec::new();
    }

    /// Handles readiness of the connection up to the read. False: it broke.
    #[inline]
    pub(crate) fn pump(&mut self, ep: &Epoll, events: u32) -> bool {
        if self.phase == Phase::Connecting && events & (OUT | ERR | HUP) != 0 {
            if so_error(self.fd) != 0 {
                return false;
            }
            self.phase = Phase::Handshake;
        }
        if events & OUT != 0 && !self.flush(ep) {
            return false;
        }
        events & (IN | ERR | HUP) == 0 || self.fill()
    }

    /// Writes what it can. False: the connection is broken.
    pub(crate) fn flush(&mut self, ep: &Epoll) -> bool {
        while self.wpos < self.wbuf.len() {
            let n = wr(self.fd, &self.wbuf[self.wpos..]);
            if n > 0 {
                self.wpos += n as usize;
            } else if n < 0 && would_block() {
                if !self.armed_out {
                    ep.modify(self.fd, IN | OUT, self.id);
                    self.armed_out = true;
                }
                return true;
            } else {
                return false;
            }
        }
        self.wbuf.clear();
        self.wpos = 0;
        if self.armed_out {
            ep.modify(self.fd, IN, self.id);
            self.armed_out = false;
        }
        true
    }

    /// Reads once. False: the connection is closed or broken.
    fn fill(&mut self) -> bool {
        if self.rpos == self.rend {
            self.rpos = 0;
            self.rend = 0;
        } else if self.rpos > 0 && self.rbuf.len() - self.rend < MIN_READ {
            self.move_to_front();
        }
        if self.rbuf.is_empty() {
            self.rbuf.resize(FIRST_READ, 0);
        }
        if self.rbuf.len() == self.rend {
            self.double_rbuf();
        }
        let n = rd(self.fd, &mut self.rbuf[self.rend..]);
        if n <= 0 {
            return n < 0 && would_block();
        }
        self.rend += n as usize;
        if self.rend == self.rbuf.len() && self.rbuf.len() < MAX_READ_AHEAD {
            self.double_rbuf();
        }
        true
    }

    fn double_rbuf(&mut self) {
        let len = self.rbuf.len() * 2;
        self.rbuf.resize(len, 0);
    }

    fn move_to_front(&mut self) {
        self.rbuf.copy_within(self.rpos..self.rend, 0);
        self.rend -= self.rpos;
        self.rpos = 0;
    }

    /// Takes the next whole message off the buffer and checks its header.
    #[inline]
    pub(crate) fn next(&mut self, violations: &mut Violations) -> Option<Message> {
        loop {
            let frame = self.next_frame(violations)?;
            if self.phase == Phase::Handshake {
                return self.connect_response(frame, violations);
            }
            let message = self.message(frame, violations);
            if message.is_some() {
                return message;
            }
        }
    }

    #[inline]
    fn next_frame(&mut self, violations: &mut Violations) -> Option<Range<usize>> {
        let have = self.rend - self.rpos;
        if have < FRAME_LEN {
            return None;
        }
        let len = get_i32(&self.rbuf, self.rpos);
        if !(0..=MAX_FRAME).contains(&len) {
            violations.add(Class::Length, || format!("frame length {len}"));
            self.rpos = self.rend;
            return None;
        }
        let whole = FRAME_LEN + len as usize;
        if have < whole {
            if self.rbuf.len() - self.rpos < whole {
                self.move_to_front();
                if self.rbuf.len() < whole {
                    self.rbuf.resize(whole.next_power_of_two(), 0);
                }
            }
            return None;
        }
        let start = self.rpos + FRAME_LEN;
        self.rpos += whole;
        Some(start..self.rpos)
    }

    fn connect_response(&mut self, frame: Range<usize>, violations: &mut Violations) -> Option<Message> {
        let b = &self.rbuf[frame];
        if b.len() < CONNECT_RESPONSE_LEN {
            violations.add(Class::Handshake, || format!("connect response of {} bytes", b.len()));
            return None;
        }
        let (timeout_ms, id) = (get_i32(b, 4), get_i64(b, 8));
        if timeout_ms <= 0 || id == 0 {
            violations.add(Class::Handshake, || {
                format!("session refused or expired (timeout {timeout_ms}, id {id:#x})")
            });
            return None;
        }
        if self.session_id != 0 && self.session_id != id {
            violations.add(Class::Handshake, || "session id changed on reconnect".into());
        }
        self.timeout_ms = timeout_ms;
        self.session_id = id;
        if get_i32(b, 16) == 16 {
            self.passwd.copy_from_slice(&b[20..CONNECT_RESPONSE_LEN]);
        } else {
            violations.add(Class::Handshake, || format!("password of {} bytes", get_i32(b, 16)));
        }
        self.phase = Phase::Ready;
        Some(Message::Connected)
    }

    /// None: it was nothing to hand out, and counted as a violation.
    #[inline]
    fn message(&mut self, frame: Range<usize>, violations: &mut Violations) -> Option<Message> {
        let b = &self.rbuf[frame.clone()];
        if b.len() < REPLY_HEADER_LEN {
            violations.add(Class::Length, || format!("reply of {} bytes", b.len()));
            return None;
        }
        let (xid, zxid, err) = (get_i32(b, 0), get_i64(b, 4), get_i32(b, 12));
        let body = frame.start + REPLY_HEADER_LEN..frame.end;
        if xid == XID_EVENT {
            return Some(Message::Event { body });
        }
        if zxid < self.last_zxid {
            let last = self.last_zxid;
            violations.add(Class::Zxid, || format!("zxid went back: {zxid:#x} after {last:#x} (xid {xid})"));
        } else {
            self.last_zxid = zxid;
        }
        if xid == XID_PING {
            if self.ping_at == 0 {
                violations.add(Class::Xid, || "ping reply without a ping".into());
                return None;
            }
            return Some(Message::Pong { sent_at: std::mem::take(&mut self.ping_at) });
        }
        let Some(request) = self.pending.pop_front() else {
            violations.add(Class::Xid, || format!("reply xid {xid} with nothing outstanding"));
            return None;
        };
        if request.xid != xid {
            violations.add(Class::Xid, || format!("reply xid {xid}, expected {}", request.xid));
        }
        Some(Message::Reply { request, err, body })
    }

    /// Notes a request that the caller then appends to `wbuf` with the xid that this gives out.
    #[inline]
    pub(crate) fn push(&mut self, kind: Kind, idx: u32, at: u64) -> i32 {
        self.xid += 1;
        self.pending.push_back(Pending { xid: self.xid, kind, idx, at });
        self.sent_at = at;
        self.xid
    }

    /// Appends a ping if a third of the timeout has passed without a request and none is unanswered.
    pub(crate) fn ping_if_due(&mut self, t: u64) {
        if self.is_ready() && self.ping_at == 0 && t.saturating_sub(self.sent_at) > self.ping_interval() {
            header_only(&mut self.wbuf, XID_PING, PING);
            self.ping_at = t;
            self.sent_at = t;
        }
    }
}
