//! What the broken variants do otherwise.

use super::{Due, World};
use crate::{
    disk::{Entry, Write},
    member::{Member, Running},
    variant::Variant,
};
use oxkeeper::{
    node::{self, MemberEvent},
    zab::{Action, Event, Link, Role, Stored},
};
use oxkeeper_codec::{
    ServerId, Zxid,
    learner::{ToLeader, ToLearner},
};

/// So late comes what belongs to an earlier role, in ms.
const STALE_AFTER_MS: i64 = 30;

impl World {
    /// Of what a member wants done.
    pub(super) fn spoil(&mut self, id: ServerId, mut actions: Vec<Action>) -> Vec<Action> {
        match self.variant {
            Variant::CommitLost => {
                actions.retain(|action| {
                    !matches!(action, Action::ToLearners(_, ToLearner::Commit(_))) || !self.rng.one_in(20)
                });
            }
            Variant::ProposalLost => actions.retain(|action| !is_proposal(action) || !self.rng.one_in(20)),
            Variant::ProposalsSwapped => {
                let first =
                    actions.windows(3).position(|three| is_proposal(&three[0]) && is_proposal(&three[2]));
                if let Some(first) = first {
                    actions.swap(first, first + 2);
                }
            }
            Variant::DiffCutShort => {
                let last =
                    actions.windows(3).position(|three| is_proposal(&three[0]) && is_new_leader(&three[2]));
                if let Some(last) = last {
                    actions.drain(last..last + 2);
                }
            }
            Variant::ForgetsUncommitted => {
                if let Some(end) = actions.iter().position(is_new_leader) {
                    let first = actions[..end].iter().rposition(|action| !is_proposal(action));
                    actions.drain(first.map_or(0, |before| before + 1)..end);
                }
            }
            Variant::HoleInRecent => {
                if let Some(running) = &self.members[&id].running {
                    let forgotten = &running.kept.synchronised;
                    actions.retain(|action| !fed(action).is_some_and(|zxid| forgotten.contains(&zxid)));
                }
            }
            _ => {}
        }
        actions
    }

    /// Of what happens to a member.
    pub(super) fn spoil_event(&mut self, id: ServerId, event: Event) -> Event {
        let Some(running) = &self.members[&id].running else { return event };
        let Event::HistoryReplaced(_) = event else { return event };
        let last = running.history.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
        let is_interrupted = running.zab.role() == Role::Looking;
        if self.variant == Variant::TruncInterrupted && is_interrupted && !running.installing {
            Event::HistoryReplaced(last)
        } else {
            event
        }
    }

    /// Whoever has shown what it has not delivered crashes at once: only so it may be that nobody else has it.
    pub(super) fn spoil_after_read(&mut self, id: ServerId) {
        let member = &self.members[&id];
        let Some(running) = &member.running else { return };
        let Some(server) = &running.server else { return };
        let shown = running.history.partition_point(|(zxid, _)| *zxid <= server.state().0);
        if self.variant == Variant::ShownBeforeSettled && shown > member.delivered {
            self.crash(id);
        }
    }

    /// Whoever puts a snapshot in place that came with a configuration crashes at once: that is stored soon after.
    pub(super) fn spoil_install(&mut self, id: ServerId) {
        let is_told = |write: &Write| matches!(write, Write::Install(_, _, Some(_)));
        if self.variant == Variant::ToldNotKept && self.members[&id].disk.waiting().any(is_told) {
            self.crash(id);
        }
    }

    /// Whether nobody tells a member that its leader does not come.
    pub(super) fn is_kept_back(&self, event: &Event) -> bool {
        self.variant == Variant::NeverGivesUp && matches!(event, Event::NotDialled(_))
    }

    /// Whether a member is not woken when its time is over.
    pub(super) fn waits_for_ever(&self, running: &Running) -> bool {
        self.variant == Variant::NeverGivesUp && matches!(running.zab.role(), Role::Learning(..))
    }

    /// Whether a member's memory stays as it is when its log was cut.
    pub(super) fn keeps_memory(&self, id: ServerId) -> bool {
        let Some(running) = &self.members[&id].running else { return false };
        let is_interrupted = running.zab.role() == Role::Looking;
        match self.variant {
            Variant::TruncInterrupted => is_interrupted && !running.installing,
            Variant::SnapshotBehindCut => !running.installing,
            Variant::MemoryBehindLog => is_interrupted && !running.installing,
            Variant::KeepsWhatNobodyKept => running.keeps && self.members[&id].disk.is_behind(),
            _ => false,
        }
    }

    /// A member has heard that its log is durable up to here.
    pub(super) fn spoil_after_sync(&mut self, id: ServerId, zxid: Zxid) {
        let Some(running) = &self.members[&id].running else { return };
        match self.variant {
            Variant::CommitsAlone => {
                let vouched = |link: &Link| self.network.links[link].vouched;
                let links: Vec<Link> = self.links_of(id).into_iter().filter(vouched).collect();
                for link in links {
                    self.step(id, Event::FromLearner(link, ToLeader::Ack(zxid)));
                }
            }
            Variant::ProposalAckedFirst if self.is_synchronising(id) => {
                if let Some(link) = running.zab.leader_link() {
                    self.do_one(id, Action::ToLeader(link, ToLeader::Ack(zxid)));
                }
            }
            _ => {}
        }
    }

    /// Whether a member is being brought to its leader's history.
    fn is_synchronising(&self, id: ServerId) -> bool {
        let running = self.members[&id].running.as_ref();
        running.is_some_and(|running| matches!(running.zab.role(), Role::Learning(_, false)))
    }

    /// Has the log take one more.
    pub(super) fn append(&mut self, id: ServerId, entry: Entry) {
        let (zxid, start) = (entry.0, self.members[&id].start);
        let synchronises = self.is_synchronising(id);
        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
        if !running.keeps {
            return self.write_to_disk(id, Write::PassOver(zxid));
        }
        match self.variant {
            Variant::DiffLoggedLate if synchronises => running.kept.unlogged.push(entry),
            Variant::DiffNotSynced if synchronises => self.write_to_disk(id, Write::AppendUnsynced(entry)),
            _ => {
                if synchronises {
                    running.kept.synchronised.insert(zxid);
                }
                self.write_to_disk(id, Write::Append(entry));
            }
        }
        let is_told_early = match self.variant {
            Variant::AcknowledgedEarly => true,
            Variant::NewLeaderAckedEarly | Variant::EpochBeforeHistory | Variant::DiffLoggedLate => {
                synchronises
            }
            _ => false,
        };
        if is_told_early {
            self.after(0, Due::Event(id, start, Event::Synced(zxid)));
        }
    }

    /// Has the current epoch made durable.
    pub(super) fn enter(&mut self, id: ServerId, epoch: i64) {
        let disk = &mut self.members.get_mut(&id).unwrap().disk;
        match self.variant {
            Variant::NewLeaderAckedEarly => {
                disk.write_first(Write::CurrentEpoch(epoch));
                self.schedule_sync(id);
            }
            Variant::EpochBeforeHistory => {
                disk.write_first(Write::CurrentEpochUnheard(epoch));
                self.write_to_disk(id, Write::CurrentEpoch(epoch));
            }
            _ => self.write_to_disk(id, Write::CurrentEpoch(epoch)),
        }
    }

    /// A member takes what it has in memory for what its disk has.
    pub(super) fn go_on_from_memory(&mut self, id: ServerId) {
        let Member { running: Some(running), start, .. } = &self.members[&id] else { return };
        let (accepted_epoch, current_epoch) = running.zab.epochs();
        let stored = Stored { accepted_epoch, current_epoch, last_zxid: running.zab.last_logged() };
        self.after(1, Due::Event(id, *start, Event::WentBack(stored)));
    }

    /// A member has given its role up.
    pub(super) fn spoil_resignation(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        let start = member.start;
        let Some(running) = &mut member.running else { return };
        match self.variant {
            Variant::MemoryBehindLog => {
                running
                    .history
                    .truncate(running.history.partition_point(|(zxid, _)| *zxid <= running.committed));
                let last = running.history.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
                self.after(0, Due::Event(id, start, Event::HistoryReplaced(last)));
            }
            Variant::ShownBeforeSettled => self.node(id, node::Event::Member(MemberEvent::Settled)),
            Variant::WritesOutliveRole => {
                let stale = member.disk.set_aside();
                if !stale.is_empty() {
                    let last = member.disk.last();
                    self.after(0, Due::Event(id, start, Event::HistoryReplaced(last)));
                    self.after(STALE_AFTER_MS, Due::Stale(id, start, stale));
                }
            }
            _ => {}
        }
    }
}

const fn is_proposal(action: &Action) -> bool {
    matches!(action, Action::ToLearners(_, ToLearner::Proposal(..)))
}

const fn is_new_leader(action: &Action) -> bool {
    matches!(action, Action::ToLearners(_, ToLearner::NewLeader { .. }))
}

/// Which transaction is proposed or committed with this.
const fn fed(action: &Action) -> Option<Zxid> {
    match action {
        Action::ToLearners(_, ToLearner::Proposal(zxid, _) | ToLearner::Commit(zxid)) => Some(*zxid),
        _ => None,
    }
}
