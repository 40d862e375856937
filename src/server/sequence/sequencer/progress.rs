//! What the figures of a member need to know: since when it is without a leader, which transactions are under way and when
//! they were made, which learners are being brought up to date.
//!
//! Times of transactions are, as in the official server (`Request.logLatency`), those between the wall clock of the leader that
//! made them and that of this member; what a difference of the clocks makes negative is not counted.
//!
//! Promise: a transaction costs two entries in queues. Nothing here reads a clock, takes a lock or allocates for each of them.

use crate::{
    server::figures::{Basic, Count, Detail, Detailed, Sheet},
    zab::{Link, Members},
};
use oxkeeper_codec::{ServerId, Zxid};
use std::collections::{BTreeMap, VecDeque};

/// What a member does, while it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Leads,
    Follows,
    Observes,
}

/// How a learner is brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// DIFF or TRUNC.
    Transactions,
    Snapshot,
}

/// A transaction, and when its leader made it, in ms since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) zxid: Zxid,
    pub(super) at_ms: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// `None`: it does not serve.
    part: Option<Part>,
    /// Since when nobody leads, in ms of the elapsed clock.
    unavailable_since_ms: Option<i64>,
    /// When it heard of its leader's epoch, in ms of the elapsed clock.
    sync_since_ms: i64,
    /// Given to the log, which has not said that they are durable.
    unsynced: VecDeque<Made>,
    /// Not known to be committed.
    uncommitted: VecDeque<Made>,
    /// Those among them whose acknowledgements are looked at, with those who have sent one.
    sampled: VecDeque<(Made, Members)>,
    /// Each how manieth transaction is (`leader.ackLoggingFrequency`); `None`: none.
    sample: Option<u32>,
    /// Learners that are being brought up to date.
    syncing: BTreeMap<Link, Sync>,
}

impl Progress {
    pub(super) fn new(sample: Option<u32>) -> Self {
        Self { sample, ..Self::default() }
    }

    /// An election begins.
    pub(super) fn looks(&mut self, elapsed_ms: i64, sheet: &Sheet) {
        sheet.count(Count::Looked).add(1);
        self.unavailable_since_ms.get_or_insert(elapsed_ms);
    }

    /// A leader has named its epoch: this learner is brought up to date from now on.
    pub(super) const fn joins(&mut self, elapsed_ms: i64) {
        self.sync_since_ms = elapsed_ms;
    }

    /// This member serves.
    pub(super) fn serves(&mut self, part: Part, elapsed_ms: i64, sheet: &Sheet) {
        let record = |id, since_ms: i64| sheet.basic(id).record(unsigned(elapsed_ms - since_ms));
        if let Some(since_ms) = self.unavailable_since_ms.take() {
            record(Basic::UnavailableTime, since_ms);
            if part == Part::Leads {
                record(Basic::LeaderUnavailableTime, since_ms);
            }
        }
        match part {
            Part::Leads => {}
            Part::Follows => record(Basic::FollowerSyncTime, self.sync_since_ms),
            Part::Observes => record(Basic::ObserverSyncTime, self.sync_since_ms),
        }
        self.part = Some(part);
    }

    /// It does not any more.
    pub(super) fn resigns(&mut self) {
        let Self { unavailable_since_ms, sample, .. } = std::mem::take(self);
        *self = Self { unavailable_since_ms, sample, ..Self::default() };
    }

    /// This leader has made a transaction.
    pub(super) fn proposes(&mut self, made: Made, sheet: &Sheet) {
        sheet.count(Count::Proposals).add(1);
        if self.sample.is_some_and(|every| made.zxid.0 % i64::from(every) == 0) {
            self.sampled.push_back((made, Members::new()));
        }
        self.is_under_way(made);
    }

    /// This learner was given a transaction; at `wall_ms`.
    pub(super) fn is_given(&mut self, made: Made, wall_ms: i64, sheet: &Sheet) {
        if self.part == Some(Part::Follows) {
            sheet.count(Count::LearnerProposals).add(1);
            record_since(made, wall_ms, sheet.detailed(Detailed::ProposalLatency));
        }
        self.is_under_way(made);
    }

    fn is_under_way(&mut self, made: Made) {
        self.unsynced.push_back(made);
        self.uncommitted.push_back(made);
    }

    /// This member's disk has everything up to `zxid`.
    pub(super) fn synced(&mut self, zxid: Zxid, wall_ms: i64, sheet: &Sheet) {
        // Nobody acknowledges to an observer's leader.
        let acknowledges = matches!(self.part, Some(Part::Leads | Part::Follows));
        while let Some(made) = pop_up_to(&mut self.unsynced, zxid) {
            if acknowledges {
                record_since(made, wall_ms, sheet.detailed(Detailed::AckCreationLatency));
            }
        }
    }

    /// This learner has taken a COMMIT or an INFORM.
    pub(super) fn hears_commit(&self, sheet: &Sheet) {
        if matches!(self.part, Some(Part::Follows | Part::Observes)) {
            sheet.count(Count::LearnerCommits).add(1);
        }
    }

    /// Everything up to `zxid` is committed.
    pub(super) fn committed(&mut self, zxid: Zxid, wall_ms: i64, sheet: &Sheet) {
        let latency = self.part.map(|part| match part {
            Part::Leads => Detailed::QuorumAckLatency,
            Part::Follows | Part::Observes => Detailed::CommitPropagationLatency,
        });
        while let Some(made) = pop_up_to(&mut self.uncommitted, zxid) {
            if let Some(latency) = latency {
                sheet.count(Count::CommitsQueued).add(1);
                record_since(made, wall_ms, sheet.detailed(latency));
            }
        }
        while self.sampled.front().is_some_and(|(made, _)| made.zxid <= zxid) {
            self.sampled.pop_front();
        }
    }

    /// Whether an acknowledgement is looked at.
    pub(super) fn samples(&self) -> bool {
        !self.sampled.is_empty()
    }

    /// A voter's disk has everything up to `zxid`; how long that took those that are looked at goes to `record`.
    pub(super) fn acknowledged(&mut self, by: ServerId, zxid: Zxid, mut record: impl FnMut(Made)) {
        for (made, have) in self.sampled.iter_mut().take_while(|(made, _)| made.zxid <= zxid) {
            if have.insert(by) {
                record(*made);
            }
        }
    }

    /// A learner begins to be brought up to date.
    pub(super) fn sync_begins(&mut self, link: Link, sync: Sync, sheet: &Sheet) {
        sheet.count(if sync == Sync::Snapshot { Count::Snaps } else { Count::Diffs }).add(1);
        self.syncing.insert(link, sync);
        self.record_syncs(sync, sheet);
    }

    /// A learner has acknowledged something: the first time, that it is up to date.
    pub(super) fn sync_ends(&mut self, link: Link, sheet: &Sheet) {
        if let Some(sync) = self.syncing.remove(&link) {
            self.record_syncs(sync, sheet);
        }
    }

    fn record_syncs(&self, sync: Sync, sheet: &Sheet) {
        let id = if sync == Sync::Snapshot { Basic::InflightSnaps } else { Basic::InflightDiffs };
        let count = self.syncing.values().filter(|other| **other == sync).count();
        sheet.basic(id).record(super::whole(count));
    }

    /// A link has ended.
    pub(super) fn forget(&mut self, link: Link) {
        self.syncing.remove(&link);
    }
}

/// The next one, if it is not behind `zxid`.
fn pop_up_to(queue: &mut VecDeque<Made>, zxid: Zxid) -> Option<Made> {
    if queue.front()?.zxid <= zxid { queue.pop_front() } else { None }
}

/// Records how long ago a transaction was made.
pub(super) fn record_since(made: Made, wall_ms: i64, detail: &Detail) {
    if let Ok(ms) = u64::try_from(wall_ms - made.at_ms) {
        detail.record(ms);
    }
}

fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::figures::Figures;

    fn made(zxid: i64, at_ms: i64) -> Made {
        Made { zxid: Zxid(zxid), at_ms }
    }

    fn figures(sheet: &Sheet, id: Detailed) -> (u64, u64) {
        let Figures { count, sum, .. } = sheet.detailed(id).figures();
        (count, sum)
    }

    #[test]
    fn a_leader_times_its_transactions() {
        let (mut progress, sheet) = (Progress::new(Some(2)), Sheet::default());
        progress.serves(Part::Leads, 0, &sheet);
        (1..=4).for_each(|n| progress.proposes(made(n, 100 * n), &sheet));
        progress.synced(Zxid(3), 400, &sheet);
        assert_eq!(figures(&sheet, Detailed::AckCreationLatency), (3, 300 + 200 + 100));
        let mut acks = Vec::new();
        assert!(progress.samples());
        progress.acknowledged(ServerId(1), Zxid(3), |made| acks.push((1, made.zxid.0)));
        progress.acknowledged(ServerId(2), Zxid(4), |made| acks.push((2, made.zxid.0)));
        progress.acknowledged(ServerId(1), Zxid(4), |made| acks.push((1, made.zxid.0)));
        assert_eq!(acks, [(1, 2), (2, 2), (2, 4), (1, 4)], "each second one, once for each voter");
        progress.committed(Zxid(4), 390, &sheet);
        assert!(!progress.samples());
        // The fourth is from a clock that is ahead.
        assert_eq!(figures(&sheet, Detailed::QuorumAckLatency), (3, 290 + 190 + 90));
        let counts = [Count::Proposals, Count::CommitsQueued, Count::LearnerProposals, Count::LearnerCommits];
        assert_eq!(counts.map(|id| sheet.count(id).get()), [4, 4, 0, 0]);
    }

    #[test]
    fn a_learner_counts_what_comes_while_it_serves() {
        for (part, proposals, acks) in [(Part::Follows, (1, 5), (2, 45)), (Part::Observes, (0, 0), (0, 0))] {
            let (mut progress, sheet) = (Progress::new(Some(1)), Sheet::default());
            progress.is_given(made(1, 100), 110, &sheet);
            progress.hears_commit(&sheet);
            progress.serves(part, 0, &sheet);
            progress.is_given(made(2, 115), 120, &sheet);
            progress.synced(Zxid(2), 130, &sheet);
            progress.committed(Zxid(1), 140, &sheet);
            progress.hears_commit(&sheet);
            assert_eq!(figures(&sheet, Detailed::ProposalLatency), proposals, "{part:?}");
            assert_eq!(figures(&sheet, Detailed::AckCreationLatency), acks, "{part:?}");
            assert_eq!(figures(&sheet, Detailed::CommitPropagationLatency), (1, 40), "{part:?}");
            assert_eq!(sheet.count(Count::LearnerCommits).get(), 1, "{part:?}");
            progress.resigns();
            progress.committed(Zxid(2), 150, &sheet);
            assert_eq!(
                sheet.count(Count::CommitsQueued).get(),
                1,
                "{part:?}: nobody commits for a leader that is gone"
            );
        }
    }

    #[test]
    fn the_time_without_a_leader_lasts_from_the_first_election() {
        let (mut progress, sheet) = (Progress::default(), Sheet::default());
        let recorded = |sheet: &Sheet, id| {
            let Figures { count, sum, .. } = sheet.basic(id).figures();
            (count, sum)
        };
        progress.looks(10, &sheet);
        progress.resigns();
        progress.looks(20, &sheet);
        progress.joins(25);
        progress.serves(Part::Follows, 40, &sheet);
        assert_eq!(recorded(&sheet, Basic::UnavailableTime), (1, 30));
        assert_eq!(recorded(&sheet, Basic::FollowerSyncTime), (1, 15));
        assert_eq!(recorded(&sheet, Basic::LeaderUnavailableTime), (0, 0));
        progress.resigns();
        progress.looks(50, &sheet);
        progress.serves(Part::Leads, 57, &sheet);
        assert_eq!(recorded(&sheet, Basic::UnavailableTime), (2, 37));
        assert_eq!(recorded(&sheet, Basic::LeaderUnavailableTime), (1, 7));
        assert_eq!(sheet.count(Count::Looked).get(), 3);
    }

    #[test]
    fn learners_are_counted_while_they_are_brought_up_to_date() {
        let (mut progress, sheet) = (Progress::default(), Sheet::default());
        progress.sync_begins(Link(1), Sync::Transactions, &sheet);
        progress.sync_begins(Link(2), Sync::Transactions, &sheet);
        progress.sync_begins(Link(3), Sync::Snapshot, &sheet);
        progress.sync_ends(Link(1), &sheet);
        progress.sync_ends(Link(1), &sheet);
        progress.forget(Link(2));
        progress.sync_ends(Link(3), &sheet);
        assert_eq!(sheet.basic(Basic::InflightDiffs).figures(), Figures { count: 3, sum: 4, min: 1, max: 2 });
        assert_eq!(sheet.basic(Basic::InflightSnaps).figures(), Figures { count: 2, sum: 1, min: 0, max: 1 });
        assert_eq!([Count::Diffs, Count::Snaps].map(|id| sheet.count(id).get()), [2, 1]);
    }
}
