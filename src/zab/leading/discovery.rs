//! Discovery at a leader: a quorum promises to follow no older epoch, and proves that nobody is ahead (Zab paper, phase
//! 1; in the TLA+ specification `LeaderProcessCEPOCH` and `LeaderProcessACKEPOCH`).
//!
//! Invariant: the leader's own promise is durable before anybody hears of the epoch.
//!
//! One that votes in the next configuration alone, and is ahead, may be the only one here that has what was committed since the
//! change. It was not, and what it has beyond the leader's history was committed nowhere, where either
//! - quorums of both configurations have proved that they are not ahead, or
//! - one of the configuration in force has, and so many voters of either configuration lack the change that no quorum of that one can
//!   have acknowledged it: a change needs both, and whatever is committed behind a change, is so after it.
//!
//! Until one of them shows it waits, and is brought to the leader's history then.

use super::Sync;
use crate::zab::{Failure, Refusal, learners::Learners, quorum::Members, shared::Shared};
use oxkeeper_codec::{ServerId, Zxid};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Discovery {
    step: Step,
    /// Greater than each accepted epoch that was heard of.
    epoch: i64,
    /// Voters that have registered.
    registered: Members,
    /// Where the histories of those voters end that have promised, and are not ahead.
    proved: BTreeMap<ServerId, Zxid>,
    /// Those that are ahead, and vote in the next configuration alone.
    ahead: BTreeMap<ServerId, Zxid>,
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
            proved: BTreeMap::new(),
            ahead: BTreeMap::new(),
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
            self.proved.insert(shared.me, shared.synced);
        }
    }

    /// A learner has promised. A voter that is ahead has to lead itself; another one that is has no place here before this is over.
    pub(super) fn proved(
        &mut self,
        shared: &Shared,
        sid: ServerId,
        counts: bool,
        last_zxid: Zxid,
        current_epoch: Option<i32>,
    ) -> Result<(), Failure> {
        let Some(current_epoch) = current_epoch else { return Ok(()) };
        if (i64::from(current_epoch), last_zxid) <= (shared.current_epoch, shared.synced) {
            if counts {
                self.proved.insert(sid, last_zxid);
            }
        } else if shared.quorums().current.is_voter(sid) {
            return Err(Failure::Behind { sid, last_zxid });
        } else if counts && shared.quorums().is_voter(sid) {
            self.ahead.insert(sid, last_zxid);
        } else {
            return Err(Failure::Learner(Refusal::Ahead { sid, last_zxid }));
        }
        match self.ahead.first_key_value() {
            Some((&sid, &last_zxid)) if !self.may_go_on(shared) => Err(Failure::Behind { sid, last_zxid }),
            _ => Ok(()),
        }
    }

    /// Whether it may still show that those who are ahead have nothing that is committed.
    fn may_go_on(&self, shared: &Shared) -> bool {
        let may_come = |id| !shared.unreachable.contains(&id);
        let mut others = shared.quorums().voters();
        others.retain(|id| !self.ahead.contains_key(id) && may_come(*id));
        let may_lack = |id| !self.proved.contains_key(&id) && !self.ahead.contains_key(&id) && may_come(id);
        shared.quorums().are_met_by(&others)
            || Self::is_undone(shared, |id| self.lacks_change(shared, id) || may_lack(id))
    }

    /// Whether the change cannot have been acknowledged by a quorum of both, when these lack it.
    fn is_undone(shared: &Shared, lacks: impl Fn(ServerId) -> bool) -> bool {
        let mut others = shared.quorums().voters();
        others.retain(|&id| !lacks(id));
        !shared.quorums().are_met_by(&others)
    }

    fn lacks_change(&self, shared: &Shared, id: ServerId) -> bool {
        let change = shared.ensemble.next().map(|next| Zxid(next.version()));
        self.proved.get(&id).is_some_and(|last| change.is_some_and(|change| *last < change))
    }

    /// Whether enough have promised, and nobody can have more that is committed.
    fn is_proved(&self, shared: &Shared) -> bool {
        let proved: Members = self.proved.keys().copied().collect();
        let with_those_ahead = proved.iter().chain(self.ahead.keys()).copied().collect();
        let quorums = shared.quorums();
        quorums.are_met_by(&proved)
            || (quorums.current.is_met_by(&proved)
                && quorums.are_met_by(&with_those_ahead)
                && Self::is_undone(shared, |id| self.lacks_change(shared, id)))
    }

    pub(super) fn advance(&mut self, shared: &mut Shared, learners: &mut Learners) -> Option<Sync> {
        match self.step {
            Step::Gathering
                if shared.quorums().are_met_by(&self.registered) && self.epoch <= Zxid::EPOCH_MAX =>
            {
                self.step = Step::Promising;
                shared.store_accepted_epoch(self.epoch);
            }
            Step::Proving => {
                for (&link, learner) in learners.iter_mut() {
                    learner.ask(shared, link, self.epoch);
                }
                if self.is_proved(shared) {
                    return Some(Sync::begin(shared, self.epoch));
                }
            }
            Step::Gathering | Step::Promising => {}
        }
        None
    }
}
