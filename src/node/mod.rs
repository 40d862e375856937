//! The one state machine that joins what is below it: requests and completions in, actions out.
//!
//! Everything that clients ask and that has to wait its turn stands in one queue, in the order in which it came:
//! writes (as transactions, with their zxids), and reads that stand behind a write of their own session. A
//! transaction is appended to the log when it is queued, and becomes committed when the quorum has it: on a
//! standalone server, when its own disk does. What is committed is applied from the front of the queue.
//!
//! Invariants: zxids in the queue follow each other without a gap; nothing is applied, and so nothing is answered,
//! before it is durable; replies of a session leave in the order of its requests. `Node` does not own the tree: it
//! reads the one that it is handed, and [`Node::apply`] gets it from whoever holds the right to write.
//! No I/O, no clock, no randomness, no threads.

mod authority;
mod batch;
mod connect;
mod containers;
mod ending;
mod holding;
mod local;
mod member;
mod queue;
mod read_only;
mod requests;
mod restored;
mod shared;
mod snapshots;

pub use batch::{BatchWatch, CommittedBatch, Delivery, Entry, Reason};
pub use containers::ContainerRules;
pub use local::NewSessions;
pub use member::{MemberAction, MemberEvent};
pub use requests::{Request, is_write};
pub use snapshots::Recipient;

use crate::{
    processor::{Judged, OverQuota, Processor, Rules},
    session::{ConnId, SessionIds, SessionTracker, Sessions, TimeoutBounds},
    tree::{Foreseen, Tree},
};
use authority::{Authority, Owners};
use bytes::Bytes;
use containers::ContainerCheck;
use ending::Ending;
use oxkeeper_codec::{SessionId, Zxid, txn::LoggedTxn};
use queue::{Queue, Queued};
use shared::Shared;
use snapshots::Snapshots;
use std::{collections::VecDeque, ops::Range};

/// What a node is made with.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Rules for requests.
    pub rules: Rules,
    /// `tickTime` in ms: the width of expiry buckets.
    pub tick_ms: i32,
    /// Bounds of session time-outs.
    pub timeouts: TimeoutBounds,
    /// The check for empty containers and expired TTL nodes.
    pub containers: ContainerRules,
    /// This server's id: the top byte of session ids.
    pub server_id: u8,
    /// Whether a member takes clients while it leads (`leaderServes`).
    pub leader_serves: bool,
    /// Whether connections outlive the leader.
    pub keep_connections: bool,
    /// What new sessions are.
    pub new_sessions: NewSessions,
}

/// The time, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// A clock that does not jump, in ms from any start: for time-outs.
    pub elapsed_ms: i64,
    /// The wall clock, in ms since 1970: for `ctime` and `mtime`.
    pub wall_ms: i64,
}

/// What happens to a node.
#[derive(Debug)]
pub enum Event {
    /// Clients ask. In the order in which each connection sent them.
    Requests(Vec<Request>),
    /// The quorum has everything up to here: for a server that is alone, its own disk.
    Committed(Zxid),
    /// What an ensemble does to its member.
    Member(MemberEvent),
    /// A connection is gone; its session stays until it expires.
    Disconnected {
        /// Its session.
        session: SessionId,
        /// The connection.
        conn: ConnId,
        /// When it was last heard of, in ms of the elapsed clock.
        heard_ms: i64,
    },
    /// Time has passed.
    Tick {
        /// The sessions that [`Node::due_sessions`] named: no others end.
        due: Vec<SessionId>,
        /// When those of them that have a connection were last heard of (elapsed ms).
        heard: Vec<(SessionId, i64)>,
    },
    /// The tree is another one, of a snapshot that an operator has chosen, and these are its sessions. Nothing was queued.
    Restored(Vec<(SessionId, i32)>),
    /// The log takes no more: what is queued stays undecided.
    LogFailed,
    /// The log has taken everything that it was given, and takes more.
    LogRecovered,
}

/// Entries for the log, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LogBatch {
    bytes: Vec<u8>,
    entries: Vec<(Zxid, Range<usize>)>,
}

/// What an entry has beside the body of its request, in bytes, as a rule: the transaction's header and digest.
const ENTRY_OVERHEAD: usize = 64;

impl LogBatch {
    /// Takes room for what these are about to become: a buffer that grows step by step is copied over and over.
    fn reserve(&mut self, requests: &[Request]) {
        let bodies = requests.iter().filter_map(|request| match request {
            Request::Op { header, body, .. } if is_write(header.op) => Some(body.len()),
            Request::Op { .. } | Request::Connect { .. } => None,
        });
        let (count, bytes) = bodies.fold((0, 0), |(count, bytes), len| (count + 1, bytes + len));
        self.entries.reserve(count);
        self.bytes.reserve(bytes + count * ENTRY_OVERHEAD);
    }

    fn push(&mut self, logged: &LoggedTxn) {
        let start = self.bytes.len();
        logged.encode(&mut self.bytes);
        self.entries.push((logged.header.zxid, start..self.bytes.len()));
    }

    /// Zxids and bodies (`LoggedTxn`), in order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (Zxid, &[u8])> {
        self.entries.iter().map(|(zxid, range)| (*zxid, &self.bytes[range.clone()]))
    }

    /// The same, to be sent and kept as well as written: all share one buffer.
    pub fn into_shared(self) -> impl ExactSizeIterator<Item = (Zxid, Bytes)> {
        let bytes = Bytes::from(self.bytes);
        self.entries.into_iter().map(move |(zxid, range)| (zxid, bytes.slice(range)))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing to append.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all bodies.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// What is to be done. The order in which actions come is the order in which they must be done.
#[derive(Debug)]
pub enum Action {
    /// Append these entries and make them durable; when a quorum has them, say [`Event::Committed`].
    Append(LogBatch),
    /// Hand these to their connections now: they depend on nothing that is queued.
    Deliver(Vec<Delivery>),
    /// Log that these quotas were exceeded. A client can have it done at will.
    OverQuota(OverQuota),
    /// What a member of an ensemble wants done.
    Member(MemberAction),
}

/// What one tick does about sessions that end, in ephemerals that go: the rest waits for the next one, which is due at
/// once, and lets others in between.
const EXPIRY_WORK_A_TICK: usize = 4096;
/// What a session counts beside its ephemerals: it becomes a transaction.
const SESSION_WORK: usize = 8;

/// The state machine.
#[derive(Debug)]
pub struct Node {
    options: NodeOptions,
    processor: Processor,
    sessions: Sessions,
    ids: SessionIds,
    queue: Queue,
    authority: Authority,
    /// The last zxid that was given out.
    proposed: Zxid,
    /// The last zxid that the quorum has.
    committed: Zxid,
    /// The last zxid that the tree has.
    applied: Zxid,
    foreseen: Foreseen,
    /// Sessions that end in several steps.
    ending: VecDeque<Ending>,
    snapshots: Snapshots,
    shared: Shared,
    containers: ContainerCheck,
    log_failed: bool,
    /// When the last tick was, in ms of the elapsed clock.
    ticked_ms: i64,
    appending: LogBatch,
    delivering: Vec<Delivery>,
    member_actions: Vec<MemberAction>,
    /// Transactions that are applied, until they are forgotten ([`Node::settle`]).
    spent: Vec<LoggedTxn>,
}

impl Node {
    /// A node on recovered data: the tree, and the sessions (with time-outs in ms) that were open.
    pub fn new(
        options: NodeOptions,
        tree: &Tree,
        sessions: impl IntoIterator<Item = (SessionId, i32)>,
        now: Now,
    ) -> Self {
        let mut tracked = Sessions::new(options.tick_ms);
        let mut ids = SessionIds::new(options.server_id, now.wall_ms);
        for (id, timeout_ms) in sessions {
            tracked.global.track(id, timeout_ms, now.elapsed_ms);
            ids.skip(id);
        }
        let last = tree.last_zxid();
        Self {
            processor: Processor::new(options.rules.clone(), tree),
            sessions: tracked,
            ids,
            queue: Queue::default(),
            authority: Authority::Own(Owners::new()),
            proposed: last,
            committed: last,
            applied: last,
            foreseen: Foreseen::default(),
            ending: VecDeque::new(),
            snapshots: Snapshots::default(),
            shared: Shared::default(),
            containers: ContainerCheck::new(options.containers, now.elapsed_ms),
            log_failed: false,
            ticked_ms: now.elapsed_ms,
            appending: LogBatch::default(),
            delivering: Vec::new(),
            member_actions: Vec::new(),
            spent: Vec::new(),
            options,
        }
    }

    /// Takes in one event. `tree` is the one that [`Node::apply`] changes.
    pub fn step(&mut self, now: Now, tree: &Tree, event: Event) -> Vec<Action> {
        self.settle(tree);
        match event {
            Event::Requests(requests) => {
                self.appending.reserve(&requests);
                for request in requests {
                    self.request(now, tree, request);
                }
            }
            Event::Committed(zxid) => {
                assert!(
                    zxid <= self.proposed,
                    "{zxid} is committed, but the last proposed is {}",
                    self.proposed
                );
                self.committed = self.committed.max(zxid);
            }
            Event::Disconnected { session, conn, heard_ms } => {
                self.sessions.touch(session, heard_ms);
                if self.sessions.conn(session) == Some(conn) {
                    self.sessions.attach(session, None);
                }
            }
            Event::Tick { due, heard } => self.tick(now, tree, due, heard),
            Event::Member(event) => self.member(now, tree, event),
            Event::Restored(sessions) => self.restored(now, tree, sessions),
            Event::LogFailed => self.log_failed(),
            Event::LogRecovered => self.log_failed = false,
        }
        self.continue_ending(now, tree);
        self.actions()
    }

    fn actions(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        if !self.delivering.is_empty() {
            actions.push(Action::Deliver(std::mem::take(&mut self.delivering)));
        }
        if !self.appending.is_empty() {
            actions.push(Action::Append(std::mem::take(&mut self.appending)));
        }
        self.take_member_actions(&mut actions);
        let over_quota = self.processor.take_over_quota();
        if !over_quota.exceeded.is_empty() {
            actions.push(Action::OverQuota(over_quota));
        }
        actions
    }

    /// Sessions that expire unless they were heard of; say so with the next [`Event::Tick`]. Not all at once: while
    /// some are left, [`Node::next_tick_ms`] has passed.
    pub fn due_sessions(&self, now: Now) -> Vec<SessionId> {
        let ends_local = self.serves() || self.is_read_only();
        let ends_global = self.decides() && !self.log_failed;
        let local = self.sessions.local.due(now.elapsed_ms).filter(|_| ends_local);
        let global = self.sessions.global.due(now.elapsed_ms).filter(|_| ends_global);
        local.chain(global).take(EXPIRY_WORK_A_TICK / SESSION_WORK).collect()
    }

    fn tick(&mut self, now: Now, tree: &Tree, due: Vec<SessionId>, heard: Vec<(SessionId, i64)>) {
        self.ticked_ms = now.elapsed_ms;
        for (session, heard_ms) in heard {
            self.sessions.touch(session, heard_ms);
        }
        if matches!(&self.authority, Authority::Holding(holding) if holding.until_ms <= now.elapsed_ms) {
            self.let_go();
        }
        self.expire_local(now, &due);
        if self.log_failed || !self.decides() {
            return;
        }
        let mut work = 0;
        for session in due {
            if work >= EXPIRY_WORK_A_TICK {
                break;
            }
            // Whoever became due since was not asked about.
            if self.sessions.global.is_due(session, now.elapsed_ms) {
                self.sessions.set_closing(session);
                work += SESSION_WORK + self.end_session(now, tree, session, None);
            }
        }
        self.check_containers(now, tree);
    }

    /// When the next [`Event::Tick`] is due, in ms of the elapsed clock.
    pub fn next_tick_ms(&self) -> i64 {
        if let Authority::Holding(holding) = &self.authority {
            return holding.until_ms;
        }
        if self.log_failed || !self.decides() {
            // Nothing can end here now; whatever is due stays due.
            return self.ticked_ms + i64::from(self.options.tick_ms);
        }
        if self.can_continue_ending() {
            return self.ticked_ms;
        }
        let containers = self.containers.next_ms();
        let trackers = [&self.sessions.global, &self.sessions.local];
        trackers.into_iter().filter_map(SessionTracker::next_deadline_ms).fold(containers, i64::min)
    }

    /// The undecided requests' connections are closed: their clients have to find out what became of them.
    fn log_failed(&mut self) {
        self.log_failed = true;
        let mut conns = self.queue.forget_replies();
        conns.extend(
            self.ending.iter_mut().filter_map(|ending| ending.answer.take()).map(|answer| answer.conn),
        );
        let close = |conn| Delivery::Close { conn, reason: Reason::LogFailed };
        self.delivering.extend(conns.into_iter().map(close));
    }

    /// Queues a transaction and appends it to the log.
    fn propose(&mut self, judged: impl Into<Judged>, answer: Option<queue::Answer>) {
        let Judged { logged, set } = judged.into();
        assert_eq!(logged.header.zxid, self.proposed.next(), "zxids follow each other");
        self.proposed = logged.header.zxid;
        self.appending.push(&logged);
        self.queue.push(Queued::Txn { logged, set, answer });
    }

    /// Whether the front of the queue can be applied.
    pub fn can_apply(&self) -> bool {
        self.may_show() && self.queue.front_is_ready(self.committed)
    }

    /// The sessions, for four-letter words.
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// The last zxid that was given out.
    pub const fn last_proposed(&self) -> Zxid {
        self.proposed
    }

    /// Transactions that are queued and not applied.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod holding_tests;
#[cfg(test)]
mod member_tests;
#[cfg(test)]
mod mode_tests;
#[cfg(test)]
mod tests;
