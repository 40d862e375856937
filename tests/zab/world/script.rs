//! Runs that are written down, one step a line: nothing goes wrong but what the script says, and whoever stops loses all that
//! was not durable.

use super::{Due, World, clients::configuration, scripted};
use crate::{member::Member, rng::Rng, variant::Variant};
use oxkeeper::zab::{Action, Role};
use oxkeeper_codec::ServerId;
use std::collections::BTreeMap;

/// What a script waits for has to come within so long, in ms.
const PATIENCE_MS: i64 = 20_000;
/// So long nothing new happens to what is at rest, in ms.
const QUIET_MS: i64 = 400;

/// Which of the things that a member wants done is the one.
pub(crate) type Which = fn(&Action) -> bool;

/// Where somebody is stopped.
#[derive(Debug)]
pub(super) struct StopAt {
    member: ServerId,
    which: Which,
    end: End,
}

/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its process ends.
    Stops,
    /// Its links end.
    LosesLinks,
}

impl StopAt {
    pub(super) fn is_here(&self, member: ServerId, action: &Action) -> bool {
        self.member == member && (self.which)(action)
    }
}

impl World {
    /// The place is reached.
    pub(super) fn stop_here(&mut self) {
        let Some(StopAt { member, end, .. }) = self.stop_at.take() else { return };
        match end {
            End::Stops => self.stop(member),
            End::LosesLinks => {
                for link in self.links_of(member) {
                    self.break_link(link);
                }
            }
        }
    }
}

/// See the module.
pub(crate) struct Script(World);

impl Script {
    /// An ensemble of so many voters, all of them down.
    pub(crate) fn of(voters: i64, variant: Variant) -> Self {
        let ids: Vec<ServerId> = (1..=voters).map(ServerId).collect();
        let config = configuration(0, ids.clone(), Vec::new());
        let members: BTreeMap<_, _> =
            ids.into_iter().map(|id| (id, Member::new(id, scripted(), (config.clone(), false)))).collect();
        let mut world = World::of(Rng::new(1), variant, members);
        world.keeps_unsynced = false;
        Self(world)
    }

    /// These start.
    pub(crate) fn start(&mut self, ids: &[i64]) {
        ids.iter().for_each(|&id| self.0.launch(ServerId(id)));
        self.0.tell_reachability();
    }

    /// These stop.
    pub(crate) fn stop(&mut self, ids: &[i64]) {
        ids.iter().for_each(|&id| self.0.stop(ServerId(id)));
    }

    /// This one leads, and all that run serve.
    pub(crate) fn expect_leader(&mut self, id: i64) {
        self.expect_leader_within(PATIENCE_MS, id);
    }

    /// The same, within so long, in ms.
    pub(crate) fn expect_leader_within(&mut self, within_ms: i64, id: i64) {
        let leads = |world: &World| {
            let running = world.members.values().filter_map(|member| member.running.as_ref());
            running.clone().all(|running| running.serves)
                && world.members[&ServerId(id)]
                    .running
                    .as_ref()
                    .is_some_and(|r| r.zab.role() == Role::Leading(true))
        };
        self.wait_within(within_ms, &format!("server {id} to lead"), leads);
    }

    /// The leader proposes so many.
    pub(crate) fn propose(&mut self, count: usize) {
        for _ in 0..count {
            self.0.write();
            let now_ms = self.0.now_ms;
            self.0.run_until(now_ms + 1);
        }
    }

    /// Whatever is under way comes to its end.
    pub(crate) fn settle(&mut self) {
        let until_ms = self.0.now_ms + QUIET_MS;
        self.0.run_until(until_ms);
    }

    /// A member's disk takes nothing for a while.
    pub(crate) fn hold_disk(&mut self, id: i64) {
        self.0.members.get_mut(&ServerId(id)).unwrap().disk_failed = true;
    }

    /// It takes all again.
    pub(crate) fn release_disk(&mut self, id: i64) {
        self.0.members.get_mut(&ServerId(id)).unwrap().disk_failed = false;
        self.0.schedule_sync(ServerId(id));
    }

    /// What this one says reaches nobody, and nobody is told.
    pub(crate) fn silence(&mut self, id: i64) {
        for other in self.0.ids() {
            self.0.network.stall(ServerId(id), other);
        }
    }

    /// What one says to the other waits on its way, and nobody is told.
    pub(crate) fn stall(&mut self, from: i64, to: i64) {
        self.0.network.stall(ServerId(from), ServerId(to));
    }

    /// These two cannot reach each other.
    pub(crate) fn cut(&mut self, a: i64, b: i64) {
        self.0.network.cut(ServerId(a), ServerId(b));
        self.0.network.cut(ServerId(b), ServerId(a));
    }

    /// That is what a member is.
    pub(crate) fn expect_role(&mut self, id: i64, role: Role) {
        let is_it = |world: &World| {
            let running = world.members[&ServerId(id)].running.as_ref();
            running.is_some_and(|running| running.zab.role() == role)
        };
        self.wait_for(&format!("server {id} to be {role:?}"), is_it);
    }

    /// Everything comes through again.
    pub(crate) fn heal(&mut self) {
        self.0.heal();
    }

    /// A member ends so, right behind the first of these that it wants done.
    pub(crate) fn end_at(&mut self, id: i64, end: End, which: Which) {
        self.0.stop_at = Some(StopAt { member: ServerId(id), which, end });
        self.wait_for("the place at which somebody ends", |world| world.stop_at.is_none());
    }

    /// Until a member's disk has this current epoch.
    pub(crate) fn run_until_current_epoch(&mut self, id: i64, epoch: i64) {
        let what = format!("server {id} to have epoch {epoch} on its disk");
        self.wait_for(&what, |world| world.members[&ServerId(id)].disk.epochs().1 == epoch);
    }

    /// All run, and come to rest with the same.
    pub(crate) fn finish(mut self) {
        self.0.heal();
        self.0.ids().into_iter().for_each(|id| self.0.start(id));
        self.0.after(1, Due::Write);
        self.0.come_to_rest();
    }

    fn wait_for(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        self.wait_within(PATIENCE_MS, what, holds);
    }

    fn wait_within(&mut self, within_ms: i64, what: &str, holds: impl Fn(&World) -> bool) {
        let until_ms = self.0.now_ms + within_ms;
        while !holds(&self.0) {
            assert!(self.0.now_ms < until_ms, "script: waits in vain for {what}");
            let now_ms = self.0.now_ms;
            self.0.run_until(now_ms + 1);
        }
    }
}
