//! Applying what is committed: one immutable batch for all workers.
//!
//! Invariant: entries stand in the order in which they took effect, each transaction's changes before its reply.
//! So a worker that goes through a batch in order lets every client see an event before any reply that shows the
//! new state.

use super::{
    Node,
    connect::connect_frame,
    queue::{Answer, Queued, Renewal},
};
use crate::{
    processor::read::{self, Asker, ReadWatch},
    session::ConnId,
    tree::{Applied, Change, PreparedTxn, Tree},
};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, Encode, OpCode, SessionId, Zxid,
    records::ReplyHeader,
    request::{OpResult, encode_result, encode_results},
    txn::{LoggedTxn, Txn},
};
use std::ops::Range;

/// What a connection is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The session is open (or renewed): `frame` is the answer.
    Connected {
        /// The connection.
        conn: ConnId,
        /// Its session.
        session: SessionId,
        /// The negotiated time-out, in ms.
        timeout_ms: i32,
        /// The answer.
        frame: Vec<u8>,
    },
    /// An answer after which the connection is closed.
    Refuse {
        /// The connection.
        conn: ConnId,
        /// The answer.
        frame: Vec<u8>,
        /// Why there is no session for it.
        reason: Reason,
    },
    /// The connection is closed with no answer.
    Close {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: Reason,
    },
    /// The session has ended: the connection is closed once everything before is sent.
    Ended {
        /// The connection.
        conn: ConnId,
    },
}

/// Why a connection has no session, or loses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its client has seen a later zxid than this server: it must go to another.
    ZxidAhead {
        /// The last zxid that the client has seen.
        seen: Zxid,
        /// The last one of this server.
        last: Zxid,
    },
    /// The session that its client asks for is not known, or is ending.
    NoSession(SessionId),
    /// The password is not the session's.
    WrongPassword(SessionId),
    /// The session goes on with another connection.
    Moved(SessionId),
    /// What came is no request of a client.
    NoRequest,
    /// The log takes no writes: nobody knows what becomes of what was asked.
    LogFailed,
    /// The ensemble has no leader.
    NoLeader,
    /// The server is in read-only mode, and its client asks for more than that, or goes on with a session of the ensemble.
    ReadOnly,
    /// The server is in read-only mode no more.
    ReadOnlyEnded,
}

impl Delivery {
    /// Whom it is for.
    pub const fn conn(&self) -> ConnId {
        match self {
            Self::Connected { conn, .. }
            | Self::Refuse { conn, .. }
            | Self::Close { conn, .. }
            | Self::Ended { conn } => *conn,
        }
    }
}

/// A watch that a read in a batch leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchWatch {
    /// The path.
    pub path: String,
    /// On children, or on data.
    pub on_children: bool,
}

/// One step of a batch, for the workers to go through in order.
#[derive(Debug)]
pub enum Entry {
    /// A transaction took effect: `changes` of the batch, for watches.
    Changes {
        /// Its zxid, which the events carry.
        zxid: Zxid,
        /// Place in [`CommittedBatch::changes`].
        changes: Range<usize>,
    },
    /// A reply to the oldest request that `conn` waits for; then the watch that it leaves.
    Reply {
        /// The connection.
        conn: ConnId,
        /// What was asked.
        op: OpCode,
        /// The frame, in [`CommittedBatch::bytes`].
        frame: Range<usize>,
        /// The rest of the frame, if others have the same.
        shared: Option<Bytes>,
        /// Set with the reply.
        watch: Option<Box<BatchWatch>>,
    },
    /// The session is open.
    Connected {
        /// The connection.
        conn: ConnId,
        /// Its session.
        session: SessionId,
        /// The negotiated time-out, in ms.
        timeout_ms: i32,
        /// The answer, in [`CommittedBatch::bytes`].
        frame: Range<usize>,
    },
    /// The session has ended: the connection is closed once everything before is sent.
    Close {
        /// The connection.
        conn: ConnId,
    },
}

impl Entry {
    /// Whom it is for; `None`: for all.
    pub const fn conn(&self) -> Option<ConnId> {
        match self {
            Self::Changes { .. } => None,
            Self::Reply { conn, .. } | Self::Connected { conn, .. } | Self::Close { conn } => Some(*conn),
        }
    }
}

/// What one round of applying did.
#[derive(Debug, Default)]
pub struct CommittedBatch {
    /// In the order in which they took effect.
    pub entries: Vec<Entry>,
    /// Frames that the entries refer to.
    pub bytes: Vec<u8>,
    /// Changes that the entries refer to.
    pub changes: Vec<Change>,
    /// Transactions in it.
    pub txns: usize,
    /// When each of them was made, in ms since 1970.
    pub made_ms: Vec<i64>,
    /// Transactions after which the tree's digest was not the one foreseen.
    pub digest_mismatches: Vec<Zxid>,
    /// Sessions that have ended, or have come a step nearer to it, each with the changes that took its ephemerals: a place in [`CommittedBatch::changes`].
    pub ended: Vec<(SessionId, Range<usize>)>,
    /// Replies that would have been too long, and say so instead.
    pub too_long: usize,
    /// The tree's digest after each transaction whose zxid is a multiple of `DIGEST_EVERY`, unless the tree was ahead of it.
    pub digests: Vec<(Zxid, u64)>,
}

impl CommittedBatch {
    /// With room for so many places of the queue, if each is a write that changes one znode.
    fn with_room(places: usize) -> Self {
        Self {
            entries: Vec::with_capacity(2 * places),
            bytes: Vec::with_capacity(places * REPLY_BYTES),
            changes: Vec::with_capacity(places),
            made_ms: Vec::with_capacity(places),
            ..Self::default()
        }
    }
}

/// The longest reply to a write that is no multi and creates nothing, in bytes: header and stat.
const REPLY_BYTES: usize = 88;
/// A batch whose replies have so many bytes is not made larger: all of it is in memory until the last worker has
/// been through it.
const BATCH_BYTES: usize = 4 << 20;
/// Nor one with so many changes: all locks are held until all are made.
const BATCH_CHANGES: usize = 4096;
/// Between two transactions whose digests are kept (`DataTree.DIGEST_LOG_INTERVAL`).
const DIGEST_EVERY: i64 = 128;

impl Node {
    /// Applies what is committed, at most `limit` places of the queue. The caller holds the right to write `tree`,
    /// and lets the workers see the batch before it gives it up. What can wait until then is done by [`Node::settle`].
    pub fn apply(&mut self, tree: &mut Tree, limit: usize) -> CommittedBatch {
        assert!(self.may_show(), "nothing is shown to those who are held");
        self.settle(tree);
        let mut batch = CommittedBatch::with_room(limit.min(self.queue.len()));
        for _ in 0..limit {
            if batch.bytes.len() >= BATCH_BYTES || batch.changes.len() >= BATCH_CHANGES {
                break;
            }
            let Some(queued) = self.queue.pop_ready(self.committed) else { break };
            if let Queued::Txn { logged, set, answer } = queued {
                self.apply_txn(tree, &logged, PreparedTxn::of_set(set), answer, &mut batch);
                self.spent.push(logged);
            } else {
                self.answer(tree, &queued, &mut batch);
            }
        }
        self.applied = tree.last_zxid();
        for read in self.released_syncs() {
            self.answer(tree, &read, &mut batch);
        }
        if self.queue.len() == 0 {
            self.shared.clear();
        }
        batch
    }

    /// Answers what uses no zxid, from the tree as it is now.
    pub(super) fn answer(&mut self, tree: &Tree, queued: &Queued, batch: &mut CommittedBatch) {
        let start = batch.bytes.len();
        match *queued {
            Queued::Read { conn, session, ref header, ref body, ref identities } => {
                let asker = Asker { session, identities, auth: &self.options.rules.auth };
                let (watch, shared) = match read::large_data(tree, asker, header.op, body) {
                    Some((node, watch)) => {
                        let shared = self.shared.data(&node);
                        let reply = ReplyHeader { xid: header.xid, zxid: tree.last_zxid(), err: Code::OK };
                        read::reply_head(&mut batch.bytes, reply, shared.len());
                        (watch, Some(shared))
                    }
                    None => {
                        let answered = read::answer(tree, asker, header, body, &mut batch.bytes);
                        batch.too_long += usize::from(answered.too_long);
                        (answered.watch, None)
                    }
                };
                let (frame, watch) = (start..batch.bytes.len(), watch.map(own_watch));
                batch.entries.push(Entry::Reply { conn, op: header.op, frame, shared, watch });
            }
            Queued::Error { conn, xid, code } => {
                read::reply(&mut batch.bytes, xid, tree.last_zxid(), code, |_| {});
                let frame = start..batch.bytes.len();
                let op = OpCode::ERROR;
                batch.entries.push(Entry::Reply { conn, op, frame, shared: None, watch: None });
            }
            Queued::Opened { session, renewal } => self.opened(session, renewal, batch),
            Queued::Closed { conn, session, xid } => {
                read::reply(&mut batch.bytes, xid, tree.last_zxid(), Code::OK, |_| {});
                let (op, frame) = (OpCode::CLOSE_SESSION, start..batch.bytes.len());
                batch.entries.push(Entry::Reply { conn, op, frame, shared: None, watch: None });
                self.sessions.remove(session);
                batch.entries.push(Entry::Close { conn });
            }
            Queued::Txn { .. } => unreachable!("transactions are applied"),
        }
    }

    /// A session is open: its client hears it.
    fn opened(&self, session: SessionId, renewal: Renewal, batch: &mut CommittedBatch) {
        let Renewal { conn, timeout_ms, with_read_only } = renewal;
        let start = batch.bytes.len();
        batch.bytes.extend(connect_frame(session, timeout_ms, with_read_only, self.is_read_only()));
        let frame = start..batch.bytes.len();
        batch.entries.push(Entry::Connected { conn, session, timeout_ms, frame });
    }

    /// Forgets what is applied: it is pending no more. A long transaction makes that long; so nobody needs to be kept from
    /// reading meanwhile. Does nothing where nothing was applied since, and comes by itself before the next step.
    pub fn settle(&mut self, tree: &Tree) {
        if !self.spent.is_empty() {
            self.spent.clear();
            if self.decides() {
                self.processor.applied(tree, tree.last_zxid());
            }
        }
    }

    fn apply_txn(
        &mut self,
        tree: &mut Tree,
        logged: &LoggedTxn,
        prepared: PreparedTxn,
        answer: Option<Answer>,
        batch: &mut CommittedBatch,
    ) {
        let zxid = logged.header.zxid;
        let first_change = batch.changes.len();
        let mut applied = tree.apply_prepared(logged, &prepared, &mut self.snapshots, &mut batch.changes);
        batch.txns += 1;
        batch.made_ms.push(logged.header.time);
        let matches = tree.digest_matches(logged);
        let is_its_own = self.foreseen.judge(zxid, matches, &mut batch.digest_mismatches);
        if zxid.0 % DIGEST_EVERY == 0 && tree.options().digest && is_its_own {
            batch.digests.push((zxid, tree.digest()));
        }
        let changes = first_change..batch.changes.len();
        if !changes.is_empty() {
            if self.ends_session(logged) {
                batch.ended.push((logged.header.client_id, changes.clone()));
            }
            batch.entries.push(Entry::Changes { zxid, changes });
        }
        self.learn_session(logged);
        if let Some(answer) = answer.or_else(|| self.waits_for(logged)) {
            let start = batch.bytes.len();
            if answer.op == OpCode::CREATE_SESSION {
                let Txn::CreateSession(txn) = &logged.txn else {
                    unreachable!("creating a session cannot fail")
                };
                let Answer { conn, with_read_only, .. } = answer;
                let renewal = Renewal { conn, timeout_ms: txn.time_out, with_read_only };
                self.opened(logged.header.client_id, renewal, batch);
            } else if applied.code == Code::SESSION_MOVED {
                // The client asks elsewhere by now (`FinalRequestProcessor`, ZOOKEEPER-710).
                self.useless(answer.conn, Reason::Moved(logged.header.client_id));
            } else {
                applied.code = self.code_for_client(logged, applied.code);
                encode_reply(answer, logged, &applied, &mut batch.bytes);
                let frame = start..batch.bytes.len();
                let (conn, op) = (answer.conn, answer.op);
                batch.entries.push(Entry::Reply { conn, op, frame, shared: None, watch: None });
            }
        }
        if matches!(logged.txn, Txn::CloseSession(_)) {
            let session = logged.header.client_id;
            self.owned_by(session, None);
            self.snapshots.before_end(&self.sessions.global, session);
            batch.entries.extend(self.sessions.remove(session).map(|conn| Entry::Close { conn }));
        }
        // Reads that their sessions have asked behind it see the tree as it is now.
        for read in self.released(logged.header.client_id) {
            self.answer(tree, &read, batch);
        }
    }
}

fn own_watch(watch: ReadWatch<'_>) -> Box<BatchWatch> {
    let (path, on_children) = match watch {
        ReadWatch::Data(path) => (path, false),
        ReadWatch::Child(path) => (path, true),
    };
    Box::new(BatchWatch { path: path.into_owned(), on_children })
}

/// The reply to a write, from what became of its transaction.
fn encode_reply(answer: Answer, logged: &LoggedTxn, applied: &Applied, out: &mut Vec<u8>) {
    // A multi that failed says so in its results.
    let is_multi = answer.op == OpCode::MULTI && !applied.multi.is_empty();
    let code = if is_multi { Code::OK } else { applied.code };
    read::reply(out, answer.xid, logged.header.zxid, code, |out| match answer.op {
        OpCode::MULTI => {
            applied.multi.iter().for_each(|part| encode_result(&result_of(part), out));
            encode_results(&[], out);
        }
        OpCode::CREATE => {
            if let Some(path) = &applied.path {
                path.encode(out);
            }
        }
        OpCode::CREATE2 | OpCode::CREATE_CONTAINER | OpCode::CREATE_TTL => {
            if let (Some(path), Some(stat)) = (&applied.path, &applied.stat) {
                path.encode(out);
                stat.encode(out);
            }
        }
        OpCode::RECONFIG => {
            // The new configuration, as a read would show it.
            if let (Txn::Reconfig(made), Some(stat)) = (&logged.txn, &applied.stat) {
                made.data.encode(out);
                stat.encode(out);
            }
        }
        OpCode::SET_DATA | OpCode::SET_ACL => {
            if let Some(stat) = &applied.stat {
                stat.encode(out);
            }
        }
        _ => {}
    });
}

fn result_of((op, applied): &(OpCode, Applied)) -> OpResult {
    match (*op, &applied.path, &applied.stat) {
        (OpCode::ERROR, ..) => OpResult::Error(applied.code),
        (OpCode::CREATE, Some(path), _) => OpResult::Create(path.clone()),
        (_, Some(path), Some(stat)) => OpResult::Create2(path.clone(), stat.clone()),
        (OpCode::SET_DATA, _, Some(stat)) => OpResult::SetData(stat.clone()),
        (OpCode::CHECK, ..) => OpResult::Check,
        (OpCode::DELETE, ..) => OpResult::Delete,
        _ => OpResult::Error(applied.code),
    }
}
