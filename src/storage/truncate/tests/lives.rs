//! Whole lives of members.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// What a member goes through.
#[derive(Debug, Clone)]
enum Step {
    Append(u8),
    NextEpoch,
    Commit,
    Roll,
    Snapshot,
    /// So many transactions go, and perhaps one more number that none has.
    Truncate(u8, bool),
    /// The leader has all but so many, and so many others of a later epoch.
    Fetch(u8, u8),
    Restart,
    Crash(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u8..5).prop_map(Step::Append),
        1 => Just(Step::NextEpoch),
        4 => Just(Step::Commit),
        1 => Just(Step::Roll),
        2 => Just(Step::Snapshot),
        2 => (0u8..9, any::<bool>()).prop_map(|(back, missing)| Step::Truncate(back, missing)),
        2 => (0u8..9, 0u8..4).prop_map(|(back, others)| Step::Fetch(back, others)),
        1 => Just(Step::Restart),
        1 => any::<u64>().prop_map(Step::Crash),
    ]
}

struct Life {
    disk: MemoryDisk,
    log: TxnLog,
    /// All that was logged, and how many of these are synced.
    history: Vec<i64>,
    synced: usize,
    last: i64,
    /// All that were ever there: what was overruled may still stand in a log, and no leader asks for it.
    ever: BTreeSet<i64>,
}

impl Life {
    fn new() -> Self {
        let disk = directory(&[]);
        let log = writer(&disk);
        Self { disk, log, history: Vec::new(), synced: 0, last: 0, ever: BTreeSet::new() }
    }

    /// After a step that the disk may have refused: the server falls, and finds one of these.
    fn fall(&mut self, seed: Option<u64>, allowed: impl Fn(&Self, &[i64]) -> bool) {
        if let Some(seed) = seed {
            self.disk.crash(seed);
        }
        let (mut found, tree) = recovered(&self.disk).unwrap();
        let history = of_tree(&tree);
        assert!(allowed(self, &history), "{history:?} of {:?}, {} synced", self.history, self.synced);
        repair(&self.disk, &self.disk, &mut found.repairs).unwrap();
        vouch(&self.disk, &self.disk, &found).unwrap();
        let is_new = found.last_zxid.0 > self.last || !self.history.starts_with(&history);
        if !is_new {
            assert!(found.last_zxid.0 <= self.last);
        }
        self.last = found.last_zxid.0;
        self.synced = history.len();
        self.history = history;
        self.log = writer(&self.disk);
    }

    fn is_prefix(&self, found: &[i64], least: usize) -> bool {
        self.history.starts_with(found) && found.len() >= least
    }

    fn append(&mut self, zxid: i64) {
        self.log.append(Zxid(zxid), &body(&txn(zxid, 30))).unwrap();
        self.history.push(zxid);
        self.ever.insert(zxid);
        self.last = zxid;
    }

    /// Does a step on a disk that takes so many changes; falls when it has refused one.
    fn step(&mut self, step: Step, stop: Option<(u64, u64)>) {
        if let Some((changes, _)) = stop
            && !matches!(step, Step::Restart)
        {
            self.disk.stop_after(changes);
        }
        let fallen = |done: bool| (!done).then(|| stop.expect("a healthy disk refuses nothing").1);
        match step {
            Step::Append(count) => (0..count).for_each(|_| self.append(self.last + 1)),
            Step::NextEpoch => self.append((((self.last >> 32) + 1) << 32) + 1),
            Step::Commit => match fallen(self.log.commit().is_ok()) {
                None => self.synced = self.history.len(),
                seed => self.fall(seed, |life, found| life.is_prefix(found, life.synced)),
            },
            Step::Roll => self.log.roll(),
            Step::Snapshot => {
                let seed = fallen(self.snapshot().is_ok());
                if seed.is_some() {
                    self.fall(seed, |life, found| life.is_prefix(found, life.synced));
                }
            }
            Step::Truncate(back, missing) => self.truncate(back, missing, fallen),
            Step::Fetch(back, others) => self.fetch(back, others, fallen),
            Step::Restart => self.fall(None, |life, found| life.is_prefix(found, life.synced)),
            Step::Crash(seed) => self.fall(Some(seed), |life, found| life.is_prefix(found, life.synced)),
        }
        if stop.is_some() {
            // What is not used up is for no other step.
            self.disk.stop_after(u64::MAX);
        }
    }

    fn snapshot(&mut self) -> Result<(), StoreError> {
        if self.synced < self.history.len() || self.last == 0 {
            return Ok(());
        }
        self.log.roll();
        let mut writer =
            SnapshotWriter::create(Arc::new(self.disk.clone()), Zxid(self.last), Compression::None)?;
        writer.write(&snapshot_body(self.history.iter().copied()))?;
        writer.finish(&SnapshotTail::default()).map(drop)
    }

    fn truncate(&mut self, back: u8, missing: bool, fallen: impl Fn(bool) -> Option<u64>) {
        let kept = self.history.len().saturating_sub(usize::from(back));
        let end = kept.checked_sub(1).map_or(0, |last| self.history[last]);
        let next = self.history.get(kept).copied().unwrap_or(i64::MAX);
        let is_free = next > end + 1 && !self.ever.contains(&(end + 1));
        let wanted = if missing && is_free { end + 1 } else { end };
        let mut tree = Tree::default();
        match Truncation::behind(Zxid(wanted)).run(
            &mut self.log,
            &self.disk,
            RecoveryOptions::default(),
            &mut tree,
        ) {
            Ok(done) => {
                assert_eq!(of_tree(&tree), self.history[..kept]);
                self.last = done.last_zxid.0;
                self.history.truncate(kept);
                self.synced = kept;
                assert_eq!(history(&self.disk).as_ref(), Ok(&self.history));
            }
            // The snapshots before it are gone, or a fetched one is the first.
            Err(StoreError::CutTooFar { .. }) => {
                self.synced = self.history.len();
                assert_eq!(history(&self.disk).as_ref(), Ok(&self.history));
            }
            Err(_) => {
                self.fall(fallen(false), |life, found| life.is_prefix(found, life.synced.min(kept)));
            }
        }
    }

    fn fetch(&mut self, back: u8, others: u8, fallen: impl Fn(bool) -> Option<u64>) {
        let kept = self.history.len().saturating_sub(usize::from(back));
        let mut new = self.history[..kept].to_vec();
        let mut zxid = new.last().copied().unwrap_or(0);
        if others > 0 {
            zxid = ((self.last >> 32) + 1) << 32;
            new.extend((1..i64::from(others)).map(|counter| zxid + counter));
            zxid += i64::from(others) - 1;
        }
        self.ever.extend(&new);
        let result = receive(&self.disk, zxid, &new).and_then(|mut new| new.install(&mut self.log, None));
        match fallen(result.is_ok()) {
            None => {
                (self.last, self.synced, self.history) = (zxid, new.len(), new);
                assert_eq!(history(&self.disk).as_ref(), Ok(&self.history));
            }
            seed => self.fall(seed, |life, found| found == new || life.is_prefix(found, life.synced)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn a_member_keeps_what_was_synced_and_not_cut(
        steps in proptest::collection::vec((step(), proptest::option::weighted(0.3, (0u64..30, any::<u64>()))), 1..50),
        seed in any::<u64>(),
    ) {
        let mut life = Life::new();
        for (step, stop) in steps {
            life.step(step, stop);
        }
        life.step(Step::Crash(seed), None);
    }
}
