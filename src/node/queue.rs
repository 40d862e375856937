//! What waits for its turn.

use crate::{auth::Identities, session::ConnId, tree::PreparedSet};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, OpCode, SessionId, Zxid,
    records::RequestHeader,
    txn::{LoggedTxn, Txn},
};
use std::collections::{BTreeSet, VecDeque};

/// Whom to answer, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) conn: ConnId,
    pub(super) xid: i32,
    /// What was asked: the transaction may be another one (an error).
    pub(super) op: OpCode,
    /// A new session's answer has the read-only byte.
    pub(super) with_read_only: bool,
}

/// A client that wants a session, or to go on with one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Renewal {
    pub(super) conn: ConnId,
    pub(super) timeout_ms: i32,
    pub(super) with_read_only: bool,
}

/// One place in the queue.
#[derive(Debug)]
pub(super) enum Queued {
    /// A transaction, what is known of it ([`Judged`](crate::processor::Judged)), and who waits for it.
    Txn { logged: LoggedTxn, set: PreparedSet, answer: Option<Answer> },
    /// A read behind a write of its own session: answered from the tree as it is then.
    Read { conn: ConnId, session: SessionId, header: RequestHeader, body: Bytes, identities: Identities },
    /// An error that uses no zxid.
    Error { conn: ConnId, xid: i32, code: Code },
    /// A local session that is open from now on.
    Opened { session: SessionId, renewal: Renewal },
    /// The end of a local session, which its client has asked for.
    Closed { conn: ConnId, session: SessionId, xid: i32 },
}

/// The queue.
///
/// While the log takes nothing, transactions stand still, and nobody waits for their answers. What is asked
/// meanwhile does not wait for them: it stands in a lane of its own, which goes first. So answers keep the order of the
/// requests, before, during and after.
#[derive(Debug, Default)]
pub(super) struct Queue {
    main: VecDeque<Queued>,
    beside: VecDeque<Queued>,
}

impl Queue {
    pub(super) fn push(&mut self, queued: Queued) {
        self.main.push_back(queued);
    }

    /// Queues what must not wait for the transactions that stand still.
    pub(super) fn push_beside(&mut self, queued: Queued) {
        assert!(!matches!(queued, Queued::Txn { .. }), "transactions have one order");
        self.beside.push_back(queued);
    }

    pub(super) fn len(&self) -> usize {
        self.main.len() + self.beside.len()
    }

    /// Whether the front waits for nothing but being applied.
    pub(super) fn front_is_ready(&self, committed: Zxid) -> bool {
        match self.beside.front().or_else(|| self.main.front()) {
            Some(Queued::Txn { logged, .. }) => logged.header.zxid <= committed,
            Some(_) => true,
            None => false,
        }
    }

    pub(super) fn pop_ready(&mut self, committed: Zxid) -> Option<Queued> {
        if !self.front_is_ready(committed) {
            return None;
        }
        self.beside.pop_front().or_else(|| self.main.pop_front())
    }

    /// Takes out reads of those who wait for nothing else.
    pub(super) fn take_reads(&mut self) -> VecDeque<Queued> {
        let waits_for_more = |queued: &Queued| match queued {
            Queued::Txn { answer, .. } => answer.map(|answer| answer.conn),
            Queued::Read { .. } => None,
            Queued::Error { conn, .. }
            | Queued::Opened { renewal: Renewal { conn, .. }, .. }
            | Queued::Closed { conn, .. } => Some(*conn),
        };
        let others: BTreeSet<ConnId> = self.main.iter().filter_map(waits_for_more).collect();
        let all = std::mem::take(&mut self.main).into_iter();
        let is_free = |queued: &Queued| matches!(queued, Queued::Read { conn, .. } if !others.contains(conn));
        let (reads, rest): (VecDeque<_>, _) = all.partition(is_free);
        self.main = rest;
        reads
    }

    /// Nobody waits for an answer any more; returns those who did.
    pub(super) fn forget_replies(&mut self) -> BTreeSet<ConnId> {
        let mut conns = BTreeSet::new();
        self.main.retain_mut(|queued| match queued {
            Queued::Txn { answer, .. } => {
                conns.extend(answer.take().map(|answer| answer.conn));
                true
            }
            Queued::Read { conn, .. }
            | Queued::Error { conn, .. }
            | Queued::Opened { renewal: Renewal { conn, .. }, .. }
            | Queued::Closed { conn, .. } => {
                conns.insert(*conn);
                false
            }
        });
        conns
    }

    /// Forgets the transactions behind this one, and returns the sessions that they would have opened.
    pub(super) fn forget_behind(&mut self, last: Zxid) -> Vec<SessionId> {
        let mut unborn = Vec::new();
        self.main.retain(|queued| match queued {
            Queued::Txn { logged, .. } if logged.header.zxid > last => {
                if matches!(logged.txn, Txn::CreateSession(_)) {
                    unborn.push(logged.header.client_id);
                }
                false
            }
            _ => true,
        });
        unborn
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Sessions whose opening is queued.
    pub(super) fn sessions_opening(&self) -> BTreeSet<SessionId> {
        let opening = |queued: &Queued| match queued {
            Queued::Txn { logged, .. } if matches!(logged.txn, Txn::CreateSession(_)) => {
                Some(logged.header.client_id)
            }
            _ => None,
        };
        self.main.iter().filter_map(opening).collect()
    }
}
