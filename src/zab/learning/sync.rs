//! Synchronisation at a learner: its history becomes the leader's (Zab paper, phase 2; in the TLA+ specification
//! `FollowerProcessNEWLEADER` and `FollowerProcessCOMMITLD`).
//!
//! Invariant: the ACK of NEWLEADER leaves when everything that was received before it, and then the current epoch, are
//! durable, in this order (ZOOKEEPER-4643, 4646, 4785). What is being cut or replaced is nobody's state meanwhile: packets
//! wait. A snapshot is put in place when NEWLEADER has told the configuration that it may hold: whoever has a change in his
//! history knows what it makes, for he may lead next.
//!
//! An official leader begins to forward before it looks how far the snapshot goes that it sends (`LearnerHandler.syncFollower`, `run`,
//! 3.9), so that proposals and commits may come, ahead of NEWLEADER, that the snapshot has already: these are passed over.

use super::{Broadcast, Feed};
use crate::{
    membership::Membership,
    zab::{Failure, Install, Link, shared::Shared},
};
use oxkeeper_codec::{
    Zxid,
    learner::{ToLeader, ToLearner},
};
use std::collections::VecDeque;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Sync {
    epoch: i64,
    /// Nothing but a snapshot will do.
    needs_snapshot: bool,
    step: Step,
    feed: Feed,
    /// How far the snapshot goes that was put in place; zero without.
    snapshot: Zxid,
    /// What came while the history was being replaced.
    held: VecDeque<ToLearner>,
    /// The configuration that NEWLEADER has told.
    told: Option<Membership>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// DIFF, TRUNC or SNAP comes.
    Expected,
    /// A snapshot with this zxid comes, then NEWLEADER.
    Receiving(Zxid),
    /// It is being put in the place of the history.
    Installing(Zxid),
    /// The history is being cut behind this.
    Cutting(Zxid),
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
    pub(super) fn expected(epoch: i64, needs_snapshot: bool) -> Self {
        Self {
            epoch,
            needs_snapshot,
            step: Step::Expected,
            feed: Feed::default(),
            snapshot: Zxid::ZERO,
            held: VecDeque::new(),
            told: None,
        }
    }

    pub(super) fn heard(
        &mut self,
        shared: &mut Shared,
        link: Link,
        packet: ToLearner,
    ) -> Result<Option<Broadcast>, Failure> {
        if let Step::Receiving(_) | Step::Installing(_) | Step::Cutting(_) = self.step {
            self.hold(shared, link, packet)?;
            return Ok(None);
        }
        match (self.step, packet) {
            (Step::Expected, ToLearner::Diff(wanted)) if self.needs_snapshot => {
                return Err(Failure::CutTooFar { last: shared.given, wanted });
            }
            (Step::Expected, ToLearner::Diff(_)) => {
                // The leader has all that this member has; whatever was not known to be committed is so now.
                shared.commit(shared.given);
                self.step = Step::CatchingUp;
            }
            (Step::Expected, ToLearner::Trunc(zxid)) => {
                self.step = Step::Cutting(zxid);
                shared.truncate(zxid);
            }
            (Step::Expected, ToLearner::Snap(zxid)) => self.step = Step::Receiving(zxid),
            (Step::CatchingUp, ToLearner::NewLeader { epoch, config }) if epoch == self.epoch => {
                self.told = shared.ensemble.told_by_leader(epoch, config.as_ref())?;
                if self.told.is_some() {
                    shared.expect(self.told.clone());
                }
                self.step = Step::Syncing(shared.given);
                self.synced(shared, link);
            }
            (Step::Vouched, ToLearner::UpToDate) => {
                self.activate(shared)?;
                shared.tell_leader(link, ToLeader::Ack(Zxid::begin_of(self.epoch)));
                return Ok(Some(Broadcast::begin(shared, self.epoch, std::mem::take(&mut self.feed))));
            }
            (Step::Expected, packet) => return Err(Failure::unexpected("synchronisation", &packet)),
            (Step::CatchingUp, packet) if self.is_in_snapshot(&packet) => {}
            (_, ToLearner::Proposal(zxid, txn)) => self.feed.proposal(shared, zxid, txn)?,
            (_, ToLearner::Commit(zxid)) => self.feed.commit(shared, zxid)?,
            (_, ToLearner::Inform(zxid, txn)) => self.feed.inform(shared, zxid, txn)?,
            (_, ToLearner::CommitAndActivate(zxid, leader)) => {
                self.feed.commit_and_activate(shared, zxid, leader)?;
            }
            (_, ToLearner::InformAndActivate(zxid, leader, txn)) => {
                self.feed.inform_and_activate(shared, (zxid, leader), txn)?;
            }
            (Step::Vouched, ToLearner::Ping(zxid)) => {
                shared.tell_leader(link, ToLeader::Ping { zxid, touched: Vec::new() });
            }
            // An official leader takes nothing before the ACK of NEWLEADER.
            (_, ToLearner::Ping(_)) => {}
            (_, packet) => return Err(Failure::unexpected("synchronisation", &packet)),
        }
        Ok(None)
    }

    /// Whether this is of a transaction that the snapshot has.
    fn is_in_snapshot(&self, packet: &ToLearner) -> bool {
        match packet {
            ToLearner::Proposal(zxid, _)
            | ToLearner::Commit(zxid)
            | ToLearner::Inform(zxid, _)
            | ToLearner::CommitAndActivate(zxid, _)
            | ToLearner::InformAndActivate(zxid, _, _) => *zxid <= self.snapshot,
            _ => false,
        }
    }

    /// What comes while there is no history to add it to waits.
    fn hold(&mut self, shared: &mut Shared, link: Link, packet: ToLearner) -> Result<(), Failure> {
        if let (Step::Receiving(zxid), ToLearner::NewLeader { epoch, config }) = (self.step, &packet) {
            let told = shared.ensemble.told_by_leader(*epoch, config.as_ref())?;
            let told = told.filter(|told| told.version() > shared.ensemble.version());
            self.step = Step::Installing(zxid);
            shared.install(Install { link, zxid, told });
        }
        self.held.push_back(packet);
        Ok(())
    }

    /// What NEWLEADER has told is in force, unless it is a change that is still under way: then its commit says so.
    fn activate(&mut self, shared: &mut Shared) -> Result<(), Failure> {
        let told = self.told.take().filter(|told| !self.feed.waits_for(Zxid(told.version())));
        let change = told.and_then(|told| shared.activate(told));
        match change {
            Some(change) if shared.begins_anew(&change, shared.vote.leader, None) => {
                Err(Failure::Reconfigured)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn synced(&mut self, shared: &mut Shared, link: Link) {
        match self.step {
            Step::Syncing(zxid) if shared.synced >= zxid && !shared.is_storing_next() => {
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
            shared.needs_snapshot = false;
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
        match self.step {
            Step::Cutting(wanted) if last != wanted => {
                shared.needs_snapshot = true;
                return Err(Failure::CutTooFar { last, wanted });
            }
            Step::Installing(wanted) if last != wanted => {
                return Err(Failure::WrongHistory { last, wanted });
            }
            Step::Cutting(_) => {}
            Step::Installing(snapshot) => self.snapshot = snapshot,
            _ => return Ok(None),
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
