//! What a member counts, at the places where it happens: see [`Progress`](super::progress::Progress).

use super::{
    Sequencer,
    progress::{Made, Part, Sync, record_since},
};
use crate::{
    node::{Event, Now},
    server::{
        clock,
        figures::{Basic, Count},
    },
    zab::{self, Action, Failure, Link},
};
use oxkeeper_codec::{
    ServerId, Zxid,
    learner::{ToLeader, ToLearner},
};

impl Sequencer {
    /// Something has come from another member.
    pub(super) fn count_heard(&mut self, event: &zab::Event) {
        let Some(member) = &mut self.member else { return };
        match event {
            zab::Event::FromLeader(_, ToLearner::Commit(_) | ToLearner::Inform(..)) => {
                member.progress.hears_commit(&self.hub.stats.sequencer);
            }
            zab::Event::FromLeader(_, ToLearner::LeaderInfo { .. }) => {
                member.progress.joins(self.hub.clock.elapsed_ms());
            }
            zab::Event::FromLearner(link, ToLeader::Ack(zxid)) => {
                member.progress.sync_ends(*link, &self.hub.stats.sequencer);
                if member.progress.samples()
                    && let Some(voter) = member.zab.voter_at(*link)
                {
                    self.count_ack(voter, *zxid, clock::wall_ms());
                }
            }
            _ => {}
        }
    }

    /// A voter's disk, or the own one, has everything up to `zxid`.
    fn count_ack(&mut self, voter: ServerId, zxid: Zxid, wall_ms: i64) {
        let Some(member) = &mut self.member else { return };
        member.progress.acknowledged(voter, zxid, |made| {
            let mut acks = self.hub.stats.acks.lock();
            record_since(made, wall_ms, acks.entry(voter).or_default());
        });
    }

    /// The own disk has everything up to `zxid`.
    pub(super) fn count_synced(&mut self, zxid: Zxid, wall_ms: i64) {
        let Some(member) = &mut self.member else { return };
        member.progress.synced(zxid, wall_ms, &self.hub.stats.sequencer);
        if member.progress.samples() {
            let me = member.zab.me();
            self.count_ack(me, zxid, wall_ms);
        }
    }

    /// Everything up to `zxid` is committed.
    pub(super) fn commit(&mut self, zxid: Zxid) {
        let now = self.hub.clock.now();
        if let Some(member) = &mut self.member {
            member.progress.committed(zxid, now.wall_ms, &self.hub.stats.sequencer);
        }
        self.step_node_at(now, Event::Committed(zxid));
    }

    /// A learner was given a transaction.
    pub(super) fn count_given(&mut self, made: Made, now: Now) {
        if let Some(member) = &mut self.member {
            member.progress.is_given(made, now.wall_ms, &self.hub.stats.sequencer);
        }
    }

    /// A learner begins to be brought up to date.
    pub(super) fn count_sync(&mut self, link: Link, sync: Sync) {
        if let Some(member) = &mut self.member {
            member.progress.sync_begins(link, sync, &self.hub.stats.sequencer);
        }
    }

    /// The member's part is another one.
    pub(super) fn count_role(&mut self, action: &Action) {
        let observes = self.hub.observes();
        let sheet = &self.hub.stats.sequencer;
        let Some(member) = &mut self.member else { return };
        let now_ms = self.hub.clock.elapsed_ms();
        match action {
            Action::Look => member.progress.looks(now_ms, sheet),
            Action::Chosen { took_ms, .. } if !observes => {
                sheet.basic(Basic::ElectionTime).record(u64::try_from(*took_ms).unwrap_or(0));
            }
            Action::Lead(_) => member.progress.serves(Part::Leads, now_ms, sheet),
            Action::Serve => {
                let part = if observes { Part::Observes } else { Part::Follows };
                member.progress.serves(part, now_ms, sheet);
            }
            Action::Resign(failure) => {
                member.progress.resigns();
                if matches!(failure, Failure::TurnedAway(_)) {
                    sheet.count(Count::DisloyalVoters).add(1);
                }
            }
            _ => {}
        }
    }
}
