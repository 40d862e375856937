//! Synchronisation at a learner: its history becomes the leader's (Zab paper, phase 2; in the TLA+ specification
//! `FollowerProcessNEWLEADER` and `FollowerProcessCOMMITLD`).
//!
//! Invariant: the ACK of NEWLEADER leaves when everything that was received before it, and then the current epoch, are
//! durable, in this order (ZOOKEEPER-4643, 4646, 4785). What is being cut or replaced is nobody's state meanwhile: packets
//! wait.

use super::{Broadcast, Feed};
use crate::zab::{Action, Failure, Link, shared::Shared};
use oxkeeper_codec::{
    Zxid,
    learner::{ToLeader, ToLearner},
};
use std::collections::VecDeque;

/// See the module.
#[derive(Debug)]
pub(super) struct Sync {
    epoch: i64,
    step: Step,
    feed: Feed,
    /// What came while the history was being replaced.
    held: VecDeque<ToLearner>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// DIFF, TRUNC or SNAP comes.
    Expected,
    /// The log is being cut, or a snapshot received and put in its place; it will end here.
    Replacing(Zxid),
    /// Transactions come, then NEWLEADER.
    CatchingUp,
    /// NEWLEADER has come; this has to be durable.
    Syncing(Zxid),
    /// The current epoch is being made durable.
    Entering,
    /// NEWLEADER is acknowledged; UPTODATE comes.
    Vouched,
}

impl Sync {
    pub(super) fn expected(epoch: i64) -> Self {
        Self { epoch, step: Step::Expected, feed: Feed::default(), held: VecDeque::new() }
    }

    pub(super) fn heard(
        &mut self,
        shared: &mut Shared,
        link: Link,
        packet: ToLearner,
    ) -> Result<Option<Broadcast>, Failure> {
        if let Step::Replacing(_) = self.step {
            self.held.push_back(packet);
            return Ok(None);
        }
        match (self.step, packet) {
            (Step::Expected, ToLearner::Diff(_)) => {
                // The leader has all that this member has; whatever was not known to be committed is so now.
                shared.commit(shared.given);
                self.step = Step::CatchingUp;
            }
            (Step::Expected, ToLearner::Trunc(zxid)) => {
                self.step = Step::Replacing(zxid);
                shared.replace(Action::Truncate(zxid));
            }
            (Step::Expected, ToLearner::Snap(zxid)) => {
                self.step = Step::Replacing(zxid);
                shared.replace(Action::Install(link, zxid));
            }
            (Step::CatchingUp, ToLearner::NewLeader { epoch, .. }) if epoch == self.epoch => {
                self.step = Step::Syncing(shared.given);
                self.synced(shared, link);
            }
            (Step::Vouched, ToLearner::UpToDate) => {
                shared.tell_leader(link, ToLeader::Ack(Zxid::begin_of(self.epoch)));
                return Ok(Some(Broadcast::begin(shared, self.epoch, std::mem::take(&mut self.feed))));
            }
            (Step::Expected, packet) => return Err(Failure::unexpected("synchronisation", &packet)),
            (_, ToLearner::Proposal(zxid, txn)) => self.feed.proposal(shared, zxid, txn)?,
            (_, ToLearner::Commit(zxid)) => self.feed.commit(shared, zxid)?,
            (_, ToLearner::Inform(zxid, txn)) => self.feed.inform(shared, zxid, txn)?,
            (Step::Vouched, ToLearner::Ping(zxid)) => {
                shared.tell_leader(link, ToLeader::Ping { zxid, touched: Vec::new() });
            }
            // An official leader takes nothing before the ACK of NEWLEADER.
            (_, ToLearner::Ping(_)) => {}
            (_, packet) => return Err(Failure::unexpected("synchronisation", &packet)),
        }
        Ok(None)
    }

    pub(super) fn synced(&mut self, shared: &mut Shared, link: Link) {
        match self.step {
            Step::Syncing(zxid) if shared.synced >= zxid => {
                self.step = Step::Entering;
                shared.store_current_epoch(self.epoch);
            }
            Step::Vouched => self.feed.acknowledge(shared, link),
            _ => {}
        }
    }

    pub(super) fn entered(&mut self, shared: &mut Shared, link: Link) {
        if self.step == Step::Entering && shared.current_epoch == self.epoch {
            self.step = Step::Vouched;
            shared.tell_leader(link, ToLeader::Ack(Zxid::begin_of(self.epoch)));
            self.feed.vouched(shared.committed);
            self.feed.acknowledge(shared, link);
        }
    }

    /// Goes on with what came meanwhile.
    pub(super) fn history_replaced(
        &mut self,
        shared: &mut Shared,
        link: Link,
        last: Zxid,
    ) -> Result<Option<Broadcast>, Failure> {
        let Step::Replacing(wanted) = self.step else { return Ok(None) };
        if last != wanted {
            return Err(Failure::WrongHistory { last, wanted });
        }
        self.step = Step::CatchingUp;
        shared.commit(last);
        for packet in std::mem::take(&mut self.held) {
            if let Some(next) = self.heard(shared, link, packet)? {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }
}
