//! Liveness: when the faults are over, who can make progress must make it, within a bound.
//!
//! First a core: some members that are a quorum of every configuration that anybody knows of, well and connected with each other.
//! The others never come back: they are down, or cut off, or do not stay. Then all are well, and have to have the same.
//!
//! A member that only a part of the core reaches is not among the others. Fast leader election has no answer to it: whoever
//! reaches it votes for it as long as it is ahead, and the rest cannot follow. Nor has it one where the one who is ahead votes in
//! the next configuration only, and somebody has not heard of that: no packet tells him the address. There, nobody is outside; and if
//! what was on its way when the others left has made somebody such a one since, the core may wait for them.
//!
//! Nor has Zab one for a member without a vote that has promised a later epoch than the leader's, when it had a vote: no leader gives
//! way to it, and to go back on its promise is worse. It comes back under the next leader.

use super::{Due, World};
use crate::member::Member;
use oxkeeper::{
    membership::Membership,
    zab::{Quorum, Role},
};
use oxkeeper_codec::ServerId;
use std::collections::{BTreeMap, BTreeSet};

/// A core makes progress within this, in ms.
const CORE_WITHIN_MS: i64 = 15_000;
/// All come to rest within this, in ms.
const REST_WITHIN_MS: i64 = 5_000;
/// So many transactions are progress.
const PROGRESS: usize = 5;
/// Who restarts again and again stays for up to so long, in ms.
const STAYS_MS: i64 = 1500;
/// Between two looks, in ms.
const LOOK_MS: i64 = 50;

type Ids = BTreeSet<ServerId>;

/// What becomes of those who are not in the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outside {
    /// Their processes are gone.
    Down,
    /// They reach nobody.
    CutOff,
    /// They stop and start again and again.
    Restarting,
}

impl World {
    /// No more faults: a core makes progress.
    pub(super) fn core_goes_on(&mut self) {
        self.faults = false;
        self.network.slow = false;
        let core = self.choose_core();
        let outside = self.rng.pick(&[Outside::Down, Outside::CutOff, Outside::Restarting]);
        self.leave_outside(&core, outside);
        match self.make_progress(&core, CORE_WITHIN_MS) {
            Ok(took_ms) => self.figures.core_ms = took_ms,
            Err(_) if !self.knows_who_can_lead(&core) => {}
            Err(roles) => {
                panic!(
                    "liveness: no progress within {CORE_WITHIN_MS} ms: {roles}; outside: {outside:?} but {core:?}"
                )
            }
        }
    }

    /// Everybody is well, and finds together.
    pub(super) fn come_to_rest(&mut self) {
        self.network.slow = false;
        self.outside.clear();
        self.heal();
        let all: Ids = self.ids().into_iter().collect();
        for &id in &all {
            self.start(id);
        }
        let progress = self.make_progress(&all, REST_WITHIN_MS);
        self.figures.rest_ms = progress.unwrap_or_else(|roles| {
            panic!("liveness: no progress within {REST_WITHIN_MS} ms: {roles}; all are well")
        });
    }

    /// A quorum of whatever configuration somebody may go by, in chance order, and not many more.
    fn choose_core(&mut self) -> Ids {
        let mut quorums = Vec::new();
        for member in self.members.values() {
            let (current, next) = member.disk.configs();
            quorums.extend([Some(current), next].into_iter().flatten().map(|config| Quorum::from(&config)));
            if let Some(running) = &member.running {
                let ensemble = running.zab.ensemble();
                let known = [Some(ensemble.current()), ensemble.next()];
                quorums.extend(known.into_iter().flatten().map(Quorum::from));
            }
        }
        let mut rest = self.ids();
        let mut core = Ids::new();
        while !quorums.iter().all(|quorum| quorum.is_met_by(&core)) {
            let id = self.rng.pick(&rest);
            rest.retain(|&other| other != id);
            core.insert(id);
        }
        if self.knows_who_can_lead(&core) { core } else { self.ids().into_iter().collect() }
    }

    /// Whether all of these know one of those who are ahead as a voter.
    fn knows_who_can_lead(&self, core: &Ids) -> bool {
        let has = |id: &ServerId| {
            let Member { disk, running, .. } = &self.members[id];
            (
                disk.epochs().1,
                running.as_ref().map_or_else(|| disk.last(), |running| running.zab.last_logged()),
            )
        };
        let first = core.iter().map(has).max();
        let known_to = |member: &Member, id| {
            let (current, next) = member.disk.configs();
            votes(id, &current, next.as_ref())
        };
        let mut ahead = core.iter().filter(|id| Some(has(id)) == first);
        ahead.any(|&id| core.iter().all(|other| known_to(&self.members[other], id)))
    }

    fn leave_outside(&mut self, core: &Ids, outside: Outside) {
        self.network.heal();
        self.outside = self.ids().into_iter().filter(|id| !core.contains(id)).collect();
        for id in self.outside.clone() {
            match outside {
                Outside::Down if self.members[&id].lives() => self.stop(id),
                Outside::Down => {}
                Outside::CutOff => self.isolate(id),
                Outside::Restarting => {
                    let pause_ms = self.rng.below(STAYS_MS);
                    self.after(pause_ms, Due::Restarts(id));
                }
            }
        }
        self.release();
        self.tell_reachability();
        core.iter().for_each(|&id| self.start(id));
    }

    /// Who is outside does not stay, whatever it does.
    pub(super) fn restart(&mut self, id: ServerId) {
        if !self.outside.contains(&id) {
            return;
        }
        if self.members[&id].lives() {
            self.stop(id);
        } else {
            self.start(id);
        }
        let pause_ms = 1 + self.rng.below(STAYS_MS);
        self.after(pause_ms, Due::Restarts(id));
    }

    /// These serve, and more is committed; returns how long it took, in ms, or what all are where it did not come about.
    fn make_progress(&mut self, who: &Ids, within_ms: i64) -> Result<i64, String> {
        let (began_ms, mut goal) = (self.now_ms, None);
        while self.now_ms < began_ms + within_ms {
            self.run_until(self.now_ms + LOOK_MS);
            let who = who.iter().copied().filter(|&id| !self.is_bound_to_wait(id)).collect();
            if self.all_serve(&who) {
                let goal = *goal.get_or_insert(self.committed + PROGRESS);
                if self.committed >= goal && self.all_have(&who, goal) {
                    return Ok(self.now_ms - began_ms);
                }
            }
        }
        let roles: BTreeMap<ServerId, Option<Role>> =
            self.members.iter().map(|(&id, m)| (id, m.running.as_ref().map(|r| r.zab.role()))).collect();
        Err(format!("{roles:?}"))
    }

    /// Whether it can follow the next leader only.
    fn is_bound_to_wait(&self, id: ServerId) -> bool {
        let mut zabs = self.members.values().filter_map(|member| Some(&member.running.as_ref()?.zab));
        let Some(leader) = zabs.find(|zab| zab.role() == Role::Leading(true)) else { return false };
        let ensemble = leader.ensemble();
        !votes(id, ensemble.current(), ensemble.next())
            && self.members[&id].disk.epochs().0 > leader.epochs().0
    }

    fn all_serve(&self, who: &Ids) -> bool {
        who.iter().all(|id| self.members[id].running.as_ref().is_some_and(|running| running.serves))
    }

    fn all_have(&self, who: &Ids, count: usize) -> bool {
        let has = |id| self.members[id].running.as_ref().is_some_and(|r| r.delivered().len() >= count);
        who.iter().all(has)
    }
}

/// Whether it has a vote in one of these configurations.
fn votes(id: ServerId, current: &Membership, next: Option<&Membership>) -> bool {
    [Some(current), next].into_iter().flatten().any(|config| Quorum::from(config).is_voter(id))
}
