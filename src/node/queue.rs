//! What waits for its turn.

use crate::session::ConnId;
use oxkeeper_codec::{
    Code, OpCode, SessionId, Zxid,
    records::RequestHeader,
    txn::{LoggedTxn, Txn},
};
use std::collections::{BTreeSet, VecDeque};

use super::requests::RequestBody;
use crate::auth::Identities;

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

/// One place in the queue.
#[derive(Debug)]
pub(super) enum Queued {
    /// A transaction, and who waits for it.
    Txn { logged: LoggedTxn, answer: Option<Answer> },
    /// A read behind a write of its own session: answered from the tree as it is then.
    Read {
        conn: ConnId,
        session: SessionId,
        header: RequestHeader,
        body: RequestBody,
        identities: Identities,
    },
    /// What the connection's worker answers, when its turn has come.
    Local { conn: ConnId, header: RequestHeader, body: RequestBody },
    /// An error that uses no zxid.
    Error { conn: ConnId, xid: i32, code: Code },
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Queued>);

impl Queue {
    pub(super) fn push(&mut self, queued: Queued) {
        self.0.push_back(queued);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the front waits for nothing but being applied.
    pub(super) fn front_is_ready(&self, committed: Zxid) -> bool {
        match self.0.front() {
            Some(Queued::Txn { logged, .. }) => logged.header.zxid <= committed,
            Some(_) => true,
            None => false,
        }
    }

    pub(super) fn pop_ready(&mut self, committed: Zxid) -> Option<Queued> {
        if self.front_is_ready(committed) { self.0.pop_front() } else { None }
    }

    /// Swaps the first two, for a broken variant.
    pub(super) fn swap_front(&mut self) {
        if self.0.len() > 1 {
            self.0.swap(0, 1);
        }
    }

    /// Nobody waits for an answer any more; returns those who did.
    pub(super) fn forget_replies(&mut self) -> BTreeSet<ConnId> {
        let mut conns = BTreeSet::new();
        self.0.retain_mut(|queued| match queued {
            Queued::Txn { answer, .. } => {
                conns.extend(answer.take().map(|answer| answer.conn));
                true
            }
            Queued::Read { conn, .. } | Queued::Local { conn, .. } | Queued::Error { conn, .. } => {
                conns.insert(*conn);
                false
            }
        });
        conns
    }

    /// Sessions whose opening is queued.
    pub(super) fn sessions_opening(&self) -> BTreeSet<SessionId> {
        let opening = |queued: &Queued| match queued {
            Queued::Txn { logged, .. } if matches!(logged.txn, Txn::CreateSession(_)) => {
                Some(logged.header.client_id)
            }
            _ => None,
        };
        self.0.iter().filter_map(opening).collect()
    }
}
