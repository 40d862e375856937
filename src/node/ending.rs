//! The end of sessions.
//!
//! A session with a few ephemerals ends with one transaction, which takes them along. One with many ends in steps: some
//! of its ephemerals are deleted, and when that is applied some more; the session itself goes with the last. In between
//! others have their turn. (The official server lists all of them in one transaction. Both ways whoever reads meanwhile
//! may see some of them gone and others not.)

use super::{Node, Now, queue::Answer};
use crate::{
    auth::Identities,
    processor::{Known, Proposal},
    tree::Tree,
};
use oxkeeper_codec::{
    SessionId, Zxid,
    txn::{LoggedTxn, Txn},
};

/// A session that ends in steps.
#[derive(Debug)]
pub(super) struct Ending {
    session: SessionId,
    /// The number of the request, 0 for an expiry.
    xid: i32,
    /// Who waits for the end.
    pub(super) answer: Option<Answer>,
    /// The last step: the next one waits until it is applied.
    after: Zxid,
}

impl Node {
    /// Queues the end of a session that is closing, or its first step; returns how many ephemerals go with it.
    pub(super) fn end_session(
        &mut self,
        now: Now,
        tree: &Tree,
        session: SessionId,
        answer: Option<Answer>,
    ) -> usize {
        self.end_session_as(now, tree, session, answer.map_or(0, |answer| answer.xid), answer)
    }

    /// The same, for the request of that number.
    pub(super) fn end_session_as(
        &mut self,
        now: Now,
        tree: &Tree,
        session: SessionId,
        xid: i32,
        answer: Option<Answer>,
    ) -> usize {
        let identities = Identities::none();
        let proposal = Proposal {
            zxid: self.proposed.next(),
            time_ms: now.wall_ms,
            session,
            xid,
            identities: &identities,
            known: Known::Nowhere,
        };
        if let Some((logged, ephemerals)) = self.processor.delete_some_ephemerals(tree, &proposal) {
            self.ending.push_back(Ending { session, xid, answer, after: proposal.zxid });
            self.propose(logged, None);
            return ephemerals;
        }
        let (logged, ephemerals) = self.processor.close_session(tree, &proposal);
        self.propose(logged, answer);
        ephemerals
    }

    /// Whether a transaction is the end of a session, or a step to it that was taken here.
    pub(super) fn ends_session(&self, logged: &LoggedTxn) -> bool {
        let is_step = || {
            let LoggedTxn { header, .. } = logged;
            self.ending.iter().any(|ending| (ending.session, ending.after) == (header.client_id, header.zxid))
        };
        match logged.txn {
            Txn::CloseSession(_) => true,
            Txn::Multi(_) => is_step(),
            _ => false,
        }
    }

    /// Whether a session waits for its next step only.
    pub fn can_continue_ending(&self) -> bool {
        !self.log_failed && self.ending.front().is_some_and(|ending| ending.after <= self.applied)
    }

    /// The next step of the session that has waited longest.
    pub(super) fn continue_ending(&mut self, now: Now, tree: &Tree) {
        if self.can_continue_ending()
            && let Some(Ending { session, xid, answer, .. }) = self.ending.pop_front()
        {
            self.end_session_as(now, tree, session, xid, answer);
        }
    }
}
