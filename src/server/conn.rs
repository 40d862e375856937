//! One client connection, as its worker sees it.

use crate::{auth::Identities, session::ConnId, watch::ConnKey};
use bytes::Bytes;
use oxkeeper_codec::{OpCode, SessionId, Zxid};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};
use tokio::{net::TcpStream, time::Sleep};

/// How long a connection that is to be closed waits for its client to take what was said.
const LINGER: Duration = Duration::from_secs(5);

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is known yet: a four-letter word or a handshake comes first.
    Fresh,
    /// The handshake is with the sequencer; what the client sends meanwhile waits.
    Connecting,
    /// A four-letter word is being answered.
    Answering,
    /// It has a session.
    Open(SessionId),
    /// Nothing more is read: it ends once everything is sent.
    Closing,
}

/// A request whose reply is not sent yet.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// When it came, in ms of the elapsed clock.
    pub(super) since_ms: i64,
    /// Its number.
    pub(super) xid: i32,
    /// Its size in bytes.
    pub(super) len: u32,
    /// Whether it counts as a large one.
    pub(super) large: bool,
    /// Whether it is to be answered THROTTLEDOP.
    pub(super) throttled: bool,
    /// Its body, which begins with the path, if it may exceed a quota.
    pub(super) under_quota: Option<Bytes>,
}

impl Waiting {
    /// Whether it counts as in work (`ServerCnxn.incrOutstandingAndCheckThrottle`).
    pub(super) const fn counts(&self) -> bool {
        self.xid > 0
    }
}

/// Requests whose replies are not sent yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct InWork {
    queue: VecDeque<Waiting>,
    /// Those of them that count.
    counting: usize,
}

impl InWork {
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.counting += usize::from(waiting.counts());
        self.queue.push_back(waiting);
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.queue.pop_front()?;
        self.counting -= usize::from(waiting.counts());
        Some(waiting)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// How many of them count as in work.
    pub(super) const fn counting(&self) -> usize {
        self.counting
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.queue.iter()
    }
}

/// What four-letter words tell about a connection.
#[derive(Debug, Clone)]
pub(super) struct ConnStats {
    pub(super) established_ms: i64,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) last_op: OpCode,
    pub(super) last_xid: i64,
    pub(super) last_zxid: Zxid,
    pub(super) last_response_ms: i64,
    pub(super) last_latency_ms: i64,
    pub(super) min_latency_ms: i64,
    pub(super) max_latency_ms: i64,
    pub(super) total_latency_ms: i64,
    pub(super) latencies: i64,
}

impl ConnStats {
    pub(super) const fn new(established_ms: i64) -> Self {
        Self {
            established_ms,
            received: 0,
            sent: 0,
            last_op: OpCode::NOTIFICATION,
            last_xid: -1,
            last_zxid: Zxid(-1),
            last_response_ms: 0,
            last_latency_ms: 0,
            min_latency_ms: i64::MAX,
            max_latency_ms: 0,
            total_latency_ms: 0,
            latencies: 0,
        }
    }

    /// A reply was made. Those to `auth` and `sasl` are not looked at, as in the official server.
    pub(super) fn replied(&mut self, op: OpCode, xid: i32, zxid: Zxid, now_ms: i64, latency_ms: i64) {
        if matches!(op, OpCode::AUTH | OpCode::SASL) {
            return;
        }
        self.last_op = op;
        // The official server shows the xids of requests only, not those below 0.
        if xid >= 0 {
            self.last_xid = i64::from(xid);
        }
        self.last_zxid = zxid;
        self.last_response_ms = now_ms;
        self.last_latency_ms = latency_ms;
        self.min_latency_ms = self.min_latency_ms.min(latency_ms);
        self.max_latency_ms = self.max_latency_ms.max(latency_ms);
        self.total_latency_ms += latency_ms;
        self.latencies += 1;
    }

    /// Back to the beginning (`crst`).
    pub(super) const fn reset(&mut self) {
        *self = Self { established_ms: self.established_ms, ..Self::new(0) };
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) id: ConnId,
    pub(super) stream: Rc<TcpStream>,
    pub(super) peer: SocketAddr,
    pub(super) phase: Phase,
    /// Its session, also while it is closing.
    pub(super) session: Option<SessionId>,
    pub(super) timeout_ms: i32,
    pub(super) identities: Identities,
    /// Bytes that are not a whole frame yet, or that wait until the connection may go on.
    pub(super) input: Vec<u8>,
    /// Bytes to be sent, from `sent_to` on.
    pub(super) output: Vec<u8>,
    pub(super) sent_to: usize,
    /// Requests that the sequencer has.
    pub(super) waiting: InWork,
    /// Whether it waits for requests in work before it reads on.
    pub(super) held_back: bool,
    /// Since when its input waits for requests of others to end, in ms of the elapsed clock.
    pub(super) held_since_ms: Option<i64>,
    /// Whether it stands in the list of those that do.
    pub(super) throttled: bool,
    /// Whether it stands in the list of connections to be flushed.
    pub(super) dirty: bool,
    /// When it was last heard of, in ms of the elapsed clock.
    pub(super) heard_ms: i64,
    /// Ends its life even if the client takes nothing more, once it is closing.
    pub(super) lingering: Option<Pin<Box<Sleep>>>,
    /// Wakes its task.
    pub(super) waker: Option<Waker>,
    pub(super) stats: ConnStats,
}

impl Conn {
    pub(super) fn new(id: ConnId, stream: TcpStream, peer: SocketAddr, now_ms: i64) -> Self {
        Self {
            id,
            stream: Rc::new(stream),
            peer,
            phase: Phase::Fresh,
            session: None,
            timeout_ms: 0,
            identities: Identities::new(peer.ip()),
            input: Vec::new(),
            output: Vec::new(),
            sent_to: 0,
            waiting: InWork::default(),
            held_back: false,
            held_since_ms: None,
            throttled: false,
            dirty: false,
            lingering: None,
            heard_ms: now_ms,
            waker: None,
            stats: ConnStats::new(now_ms),
        }
    }

    /// Bytes that wait to be sent.
    pub(super) const fn unsent(&self) -> usize {
        self.output.len() - self.sent_to
    }

    /// Whether it has been closing for so long that what is still unsent is given up. Its task is woken when it has.
    pub(super) fn lingers_too_long(&mut self, cx: &mut Context<'_>) -> bool {
        let lingering = self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        lingering.as_mut().poll(cx).is_ready()
    }

    /// Lets its task look again if it has input that it was not allowed to answer.
    pub(super) fn wake_if_held_back(&self) {
        if !self.input.is_empty() || self.held_back {
            self.wake();
        }
    }

    /// Lets its task look again.
    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// The parts of a [`ConnId`]: worker (8 bits), generation (24), slot (32).
pub(super) const fn conn_id(worker: usize, generation: u32, slot: ConnKey) -> ConnId {
    ConnId(((worker as u64) << 56) | (((generation & 0x00ff_ffff) as u64) << 32) | slot.0 as u64)
}

/// Which worker has it.
pub(super) const fn worker_of(conn: ConnId) -> usize {
    (conn.0 >> 56) as usize
}

/// Its slot there.
pub(super) const fn slot_of(conn: ConnId) -> ConnKey {
    ConnKey((conn.0 & 0xffff_ffff) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_ids_come_apart_again() {
        let id = conn_id(3, 0x0102_0304, ConnKey(7));
        assert_eq!((worker_of(id), slot_of(id)), (3, ConnKey(7)));
        assert_ne!(id, conn_id(3, 0x0002_0305, ConnKey(7)));
    }
}
