//! Discovery at a leader: a quorum promises to follow no older epoch, and proves that nobody is ahead (Zab paper, phase
//! 1; in the TLA+ specification `LeaderProcessCEPOCH` and `LeaderProcessACKEPOCH`).
//!
//! Invariant: the leader's own promise is durable before anybody hears of the epoch.

use super::{Learners, Sync};
use crate::zab::{Failure, Refusal, quorum::Members, shared::Shared};
use oxkeeper_codec::{ServerId, Zxid};

/// See the module.
#[derive(Debug)]
pub(super) struct Discovery {
    step: Step,
    /// Greater than each accepted epoch that was heard of.
    epoch: i64,
    /// Voters that have registered.
    registered: Members,
    /// Voters that have promised, and are not ahead.
    proved: Members,
    /// Those who are ahead, and were sent away.
    ahead: Members,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A quorum has to register.
    Gathering,
    /// The leader's own promise is being made durable.
    Promising,
    /// A quorum has to promise.
    Proving,
}

impl Discovery {
    pub(super) fn begin(shared: &Shared) -> Self {
        Self {
            step: Step::Gathering,
            epoch: shared.accepted_epoch + 1,
            registered: Members::from([shared.me]),
            proved: Members::new(),
            ahead: Members::new(),
        }
    }

    /// The epoch, once it is chosen.
    pub(super) const fn epoch(&self) -> Option<i64> {
        match self.step {
            Step::Promising | Step::Proving => Some(self.epoch),
            Step::Gathering => None,
        }
    }

    pub(super) fn registered(&mut self, sid: ServerId, accepted_epoch: i64, counts: bool) {
        if self.step == Step::Gathering {
            self.epoch = self.epoch.max(accepted_epoch + 1);
            if counts {
                self.registered.insert(sid);
            }
        }
    }

    /// The leader's own promise is durable.
    pub(super) fn accepted(&mut self, shared: &Shared) {
        if self.step == Step::Promising && shared.accepted_epoch == self.epoch {
            self.step = Step::Proving;
            self.proved.insert(shared.me);
        }
    }

    /// A learner has promised. A voter that is ahead has to lead itself; another one that is has no place here, unless quorums come
    /// about without it: then what it has beyond them is committed nowhere.
    pub(super) fn proved(
        &mut self,
        shared: &Shared,
        sid: ServerId,
        counts: bool,
        last_zxid: Zxid,
        current_epoch: Option<i32>,
    ) -> Result<(), Failure> {
        let Some(current_epoch) = current_epoch else { return Ok(()) };
        if (i64::from(current_epoch), last_zxid) > (shared.current_epoch, shared.synced) {
            self.ahead.insert(sid);
            let others = shared.quorums().voters().difference(&self.ahead).copied().collect();
            let is_needed = shared.quorums().current.is_voter(sid) || !shared.quorums().are_met_by(&others);
            return Err(if is_needed && shared.quorums().is_voter(sid) {
                Failure::Behind { sid, last_zxid }
            } else {
                Failure::Learner(Refusal::Ahead { sid, last_zxid })
            });
        }
        if counts {
            self.proved.insert(sid);
        }
        Ok(())
    }

    pub(super) fn advance(&mut self, shared: &mut Shared, learners: &mut Learners) -> Option<Sync> {
        match self.step {
            Step::Gathering if shared.quorums().are_met_by(&self.registered) => {
                self.step = Step::Promising;
                shared.store_accepted_epoch(self.epoch);
            }
            Step::Proving => {
                for (&link, learner) in learners {
                    learner.ask(shared, link, self.epoch);
                }
                if shared.quorums().are_met_by(&self.proved) {
                    return Some(Sync::begin(shared, self.epoch));
                }
            }
            Step::Gathering | Step::Promising => {}
        }
        None
    }
}
