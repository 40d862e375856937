//! One client connection, as its worker sees it.

use super::{audit::Asked, front::Secured, login::Login, long::Long, outbox::Outbox, sealed::Sealed};
use crate::{auth::Identities, server::figures::Client, session::ConnId, watch::ConnKey};
use bytes::Bytes;
use oxkeeper_codec::{OpCode, SessionId, Zxid};
use std::{
    collections::VecDeque,
    io::IoSlice,
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
pub(crate) enum Phase {
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
pub(crate) struct Waiting {
    /// When it came, in ms of the elapsed clock.
    pub(super) since_ms: i64,
    /// Its number.
    pub(super) xid: i32,
    /// Its size in bytes.
    pub(super) len: u32,
    /// How long its reply may be expected to be, in bytes.
    pub(super) expected: u32,
    /// Whether it counts as a large one.
    pub(crate) large: bool,
    /// Its body, which begins with the path, if it may exceed a quota.
    pub(super) under_quota: Option<Bytes>,
    /// What the audit log will tell of, if there is one.
    pub(super) audited: Option<Box<Asked>>,
}

impl Waiting {
    /// Whether it counts as in work (`ServerCnxn.incrOutstandingAndCheckThrottle`).
    pub(crate) const fn counts(&self) -> bool {
        self.xid > 0
    }
}

/// Requests whose replies are not sent yet, oldest first.
#[derive(Debug, Default)]
pub(crate) struct InWork {
    queue: VecDeque<Waiting>,
    /// Those of them that count.
    counting: usize,
    /// Bytes of replies that are to be expected.
    expected: usize,
}

impl InWork {
    pub(crate) fn push(&mut self, waiting: Waiting) {
        self.counting += usize::from(waiting.counts());
        self.expected += waiting.expected as usize;
        self.queue.push_back(waiting);
    }

    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.queue.pop_front()?;
        self.counting -= usize::from(waiting.counts());
        self.expected -= waiting.expected as usize;
        Some(waiting)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of replies that are to be expected.
    pub(super) const fn expected(&self) -> usize {
        self.expected
    }

    /// How many of them count as in work.
    pub(crate) const fn counting(&self) -> usize {
        self.counting
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.queue.iter()
    }
}

/// What four-letter words tell about a connection.
#[derive(Debug, Clone)]
pub(crate) struct ConnStats {
    pub(crate) established_ms: i64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) last_op: OpCode,
    pub(crate) last_xid: i64,
    pub(crate) last_zxid: Zxid,
    pub(crate) last_response_ms: i64,
    pub(crate) last_latency_ms: i64,
    pub(crate) min_latency_ms: i64,
    pub(crate) max_latency_ms: i64,
    pub(crate) total_latency_ms: i64,
    pub(crate) latencies: i64,
}

impl ConnStats {
    pub(crate) const fn new(established_ms: i64) -> Self {
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
    pub(crate) fn replied(&mut self, op: OpCode, xid: i32, zxid: Zxid, now_ms: i64, latency_ms: i64) {
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
    pub(crate) const fn reset(&mut self) {
        *self = Self { established_ms: self.established_ms, ..Self::new(0) };
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) id: ConnId,
    /// What its watches have.
    pub(crate) key: ConnKey,
    pub(super) stream: Rc<TcpStream>,
    pub(crate) peer: SocketAddr,
    pub(crate) phase: Phase,
    /// Its session, also while it is closing.
    pub(crate) session: Option<SessionId>,
    pub(crate) timeout_ms: i32,
    pub(super) identities: Identities,
    /// Its login by SASL, once it has begun.
    pub(super) login: Option<Box<Login>>,
    /// Bytes that are not a whole frame yet, or that wait until the connection may go on.
    pub(super) input: Vec<u8>,
    /// What is to be sent.
    pub(super) output: Outbox,
    /// Its TLS, if it has some.
    pub(super) sealed: Option<Box<Sealed>>,
    /// Requests that the sequencer has.
    pub(crate) waiting: InWork,
    /// The request that is being answered in steps.
    pub(super) long: Option<Box<Long>>,
    /// Whether it waits for requests in work before it reads on.
    pub(crate) held_back: bool,
    /// Whether the next request in its input waits for all those in work to be answered.
    pub(super) stands_behind: bool,
    /// Since when its input waits for requests of others to end, in ms of the elapsed clock.
    pub(super) held_since_ms: Option<i64>,
    /// Whether it stands in the list of those that do.
    pub(super) throttled: bool,
    /// Whether its client has asked for the end of its session.
    pub(super) ends_session: bool,
    /// Whether its client is gone, and has left its session.
    pub(super) is_gone: bool,
    /// Whether it stands in the list of connections that have something to send.
    pub(super) dirty: bool,
    /// Bytes that lay in its socket when it was last looked at, unless it was read since.
    pub(super) unread: u64,
    /// When it was last heard of, in ms of the elapsed clock.
    pub(crate) heard_ms: i64,
    /// Ends its life even if the client takes nothing more, once it is closing.
    pub(super) lingering: Option<Pin<Box<Sleep>>>,
    /// Wakes its task.
    pub(super) waker: Option<Waker>,
    pub(crate) stats: ConnStats,
}

impl Conn {
    pub(crate) fn new(
        id: ConnId,
        key: ConnKey,
        stream: Rc<TcpStream>,
        peer: SocketAddr,
        now_ms: i64,
    ) -> Self {
        Self {
            id,
            key,
            stream,
            peer,
            phase: Phase::Fresh,
            session: None,
            timeout_ms: 0,
            identities: Identities::new(peer.ip()),
            login: None,
            input: Vec::new(),
            output: Outbox::default(),
            sealed: None,
            waiting: InWork::default(),
            long: None,
            held_back: false,
            stands_behind: false,
            held_since_ms: None,
            throttled: false,
            ends_session: false,
            is_gone: false,
            dirty: false,
            lingering: None,
            unread: 0,
            heard_ms: now_ms,
            waker: None,
            stats: ConnStats::new(now_ms),
        }
    }

    /// The connection, as the log names it.
    pub(super) const fn client(&self) -> Client {
        Client { peer: self.peer, session: self.session }
    }

    /// Its client is gone: nothing more comes, or nothing more can be sent.
    pub(super) const fn note_gone(&mut self) {
        self.is_gone |= matches!(self.phase, Phase::Open(_)) && !self.ends_session;
    }

    /// Bytes that wait to be sent; what is sealed already counts as one.
    pub(crate) fn unsent(&self) -> usize {
        let sealed =
            self.sealed.as_ref().is_some_and(|sealed| sealed.has_unsent(self.phase == Phase::Closing));
        self.output.unsent() + usize::from(sealed)
    }

    /// It has TLS, and the identities that go with that.
    pub(super) fn secure(&mut self, Secured { sealed, identities }: Secured) {
        for id in identities {
            self.identities.add(id);
        }
        self.sealed = Some(sealed);
    }

    /// Whether it has TLS.
    pub(crate) const fn is_secure(&self) -> bool {
        self.sealed.is_some()
    }

    /// Notes that it is alive if its socket holds more than when it was last looked at.
    pub(super) fn look(&mut self, now_ms: i64) {
        let unread = rustix::io::ioctl_fionread(&*self.stream).unwrap_or(0);
        if std::mem::replace(&mut self.unread, unread) != unread && unread > 0 {
            self.heard_ms = now_ms;
        }
    }

    /// Sends as much as the socket takes, or as is enough for once. False: the connection is broken.
    pub(super) fn flush(&mut self) -> bool {
        let write = |pieces: &[IoSlice<'_>]| match pieces {
            // What is usual is a system call that costs less.
            [one] => self.stream.try_write(one),
            many => self.stream.try_write_vectored(many),
        };
        match &mut self.sealed {
            None => self.output.send(write).is_ok(),
            Some(sealed) => sealed.send(&mut self.output, self.phase == Phase::Closing, write).is_ok(),
        }
    }

    /// Whether it has been closing for so long that what is still unsent is given up. Its task is woken when it has.
    pub(super) fn lingers_too_long(&mut self, cx: &mut Context<'_>) -> bool {
        let lingering = self.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        lingering.as_mut().poll(cx).is_ready()
    }

    /// Lets its task look again if it has input that it was not allowed to answer.
    /// Whether a step of its login is being taken elsewhere.
    pub(super) fn is_logging_in(&self) -> bool {
        matches!(self.login.as_deref(), Some(Login::Away))
    }

    pub(super) fn wake_if_held_back(&self) {
        if !self.input.is_empty() || self.held_back {
            self.wake();
        }
    }

    /// Lets its task look again.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}
