//! Synchronisation at a leader: a quorum takes over its history (Zab paper, phase 2; in the TLA+ specification
//! `LeaderProcessACKLD`).
//!
//! All that the leader's log holds is part of that history, whoever proposed it: it is committed when a quorum has
//! acknowledged NEWLEADER.

use super::following;
use crate::zab::{learners::Learners, shared::Shared};
use oxkeeper_codec::Zxid;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Sync {
    pub(super) epoch: i64,
    /// Whether the leader's own current epoch is durable: its acknowledgement of NEWLEADER.
    entered: bool,
}

impl Sync {
    pub(super) fn begin(shared: &mut Shared, epoch: i64) -> Self {
        // What is sent as committed is so once this phase is over; before, no learner serves.
        shared.commit(shared.given);
        if shared.ensemble.version() == 0 && shared.ensemble.next().is_none() {
            // ZOOKEEPER-1783: from now on it comes before any that nobody was established with.
            let established = shared.ensemble.current().clone().with_version(Zxid::begin_of(epoch).0);
            shared.expect(Some(established));
        }
        shared.store_current_epoch(epoch);
        Self { epoch, entered: false }
    }

    pub(super) const fn entered(&mut self, shared: &Shared) {
        self.entered |= shared.current_epoch == self.epoch;
    }

    pub(super) fn is_done(&self, shared: &Shared, learners: &Learners) -> bool {
        self.entered && !shared.is_storing_next() && shared.quorums().are_met_by(&following(learners, shared))
    }
}
