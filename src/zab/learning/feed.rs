//! What a leader feeds: proposals and commits, in order, from the first of a synchronisation to the end of the link.

use crate::zab::{Failure, Link, shared::Shared};
use bytes::Bytes;
use oxkeeper_codec::{ServerId, Zxid, learner::ToLeader};
use std::collections::VecDeque;

/// Proposals that are under way here.
#[derive(Debug, Clone, Default)]
pub(super) struct Feed {
    /// Given to the log, not committed.
    uncommitted: VecDeque<Zxid>,
    /// Given to the log, to be acknowledged one by one.
    unacknowledged: VecDeque<Zxid>,
}

impl Feed {
    /// A proposal. Its zxid is the next one, or begins a later epoch: a gap would be a hole in this member's history.
    pub(super) fn proposal(&mut self, shared: &mut Shared, zxid: Zxid, txn: Bytes) -> Result<(), Failure> {
        shared.expect_made_by(zxid, &txn)?;
        append(shared, zxid, txn)?;
        self.uncommitted.push_back(zxid);
        self.unacknowledged.push_back(zxid);
        Ok(())
    }

    /// The oldest proposal is committed.
    pub(super) fn commit(&mut self, shared: &mut Shared, zxid: Zxid) -> Result<(), Failure> {
        match self.uncommitted.pop_front() {
            Some(first) if first == zxid => {
                shared.commit(zxid);
                Ok(())
            }
            expected => Err(Failure::WrongCommit { zxid, expected }),
        }
    }

    /// A transaction that is committed already.
    pub(super) fn inform(&mut self, shared: &mut Shared, zxid: Zxid, txn: Bytes) -> Result<(), Failure> {
        if let Some(&expected) = self.uncommitted.front() {
            return Err(Failure::WrongCommit { zxid, expected: Some(expected) });
        }
        append(shared, zxid, txn)?;
        shared.commit(zxid);
        Ok(())
    }

    /// The oldest proposal is committed, and with it a configuration is in force. An error, if this member has another part in it or
    /// another leader: it begins anew, under the one that was named.
    pub(super) fn commit_and_activate(
        &mut self,
        shared: &mut Shared,
        zxid: Zxid,
        designated: ServerId,
    ) -> Result<(), Failure> {
        self.commit(shared, zxid)?;
        activate(shared, zxid, designated)
    }

    /// The same of a transaction that is committed already.
    pub(super) fn inform_and_activate(
        &mut self,
        shared: &mut Shared,
        (zxid, designated): (Zxid, ServerId),
        txn: Bytes,
    ) -> Result<(), Failure> {
        shared.expect_made_by(zxid, &txn)?;
        self.inform(shared, zxid, txn)?;
        activate(shared, zxid, designated)
    }

    /// Whether the transaction of this zxid is proposed, and not known to be committed.
    pub(super) fn waits_for(&self, zxid: Zxid) -> bool {
        self.uncommitted.contains(&zxid)
    }

    /// The acknowledgement of NEWLEADER stands for all that was committed before it.
    pub(super) fn vouched(&mut self, committed: Zxid) {
        while self.unacknowledged.front().is_some_and(|first| *first <= committed) {
            self.unacknowledged.pop_front();
        }
    }

    /// Acknowledges what has become durable, each by itself: the official leader counts no other.
    pub(super) fn acknowledge(&mut self, shared: &mut Shared, link: Link) {
        while let Some(&first) = self.unacknowledged.front()
            && first <= shared.durable()
        {
            self.unacknowledged.pop_front();
            if !shared.observes() {
                shared.tell_leader(link, ToLeader::Ack(first));
            }
        }
    }
}

/// What was proposed with `zxid` is in force.
fn activate(shared: &mut Shared, zxid: Zxid, designated: ServerId) -> Result<(), Failure> {
    if shared.ensemble.next().is_none_or(|next| Zxid(next.version()) != zxid) {
        return Ok(());
    }
    let change = shared.activate_next();
    if change.is_some_and(|change| shared.begins_anew(&change, shared.vote.leader, Some(designated))) {
        shared.successor = Some(designated);
        return Err(Failure::Reconfigured);
    }
    Ok(())
}

fn append(shared: &mut Shared, zxid: Zxid, txn: Bytes) -> Result<(), Failure> {
    let last = shared.given;
    if zxid != last.next() && (zxid.epoch() <= last.epoch() || zxid.counter() == 0) {
        return Err(Failure::Gap { last, zxid });
    }
    shared.append(zxid, txn);
    Ok(())
}
