//! The writer on a disk that fails, fills up and crashes.

use super::*;
use crate::storage::{
    MemoryDisk,
    memory::Faults,
    repair,
    testing::{SMALL, body, directory, last_zxid, recovered, txn},
    vouch,
};
use proptest::prelude::*;

fn writer(disk: &MemoryDisk) -> TxnLog {
    TxnLog::new(Arc::new(disk.clone()), SMALL, Vec::new())
}

fn append(log: &mut TxnLog, zxids: impl IntoIterator<Item = i64>) {
    for zxid in zxids {
        log.append(Zxid(zxid), &body(&txn(zxid, 100))).unwrap();
    }
}

/// What a start finds after the power failed, whatever became of unsynced bytes.
fn after_crash(disk: &MemoryDisk, seed: u64) -> Result<i64, String> {
    let fork = disk.fork();
    fork.crash(seed);
    last_zxid(&fork)
}

#[test]
fn one_sync_for_all_that_waits() {
    let disk = directory(&[]);
    let mut log = writer(&disk);
    let before = disk.syncs();
    append(&mut log, 1..=50);
    assert_eq!(log.pending(), 50);
    let committed = log.commit().unwrap();
    assert_eq!((committed.through, committed.entries, log.pending()), (Some(Zxid(50)), 50, 0));
    assert_eq!(disk.syncs() - before, 1);
    assert_eq!(log.commit().unwrap().through, None);
    assert_eq!(disk.syncs() - before, 1, "nothing to commit, nothing to sync");
}

/// A disk may have made the file and said that it had not.
#[test]
fn a_log_that_was_begun_and_is_empty_is_begun_again_and_none_that_holds_something() {
    for (content, begins) in [("", true), ("Z", false)] {
        let disk = directory(&[("log.1", content.as_bytes())]);
        let mut log = writer(&disk);
        append(&mut log, [1]);
        assert_eq!(log.commit().is_ok(), begins);
        assert_eq!(disk.content("log.1").unwrap().len() > content.len(), begins);
    }
}

#[test]
fn the_layout_is_the_official_one() {
    let disk = directory(&[]);
    let mut log = writer(&disk);
    append(&mut log, [0x1f]);
    log.commit().unwrap();
    let file = disk.content("log.1f").unwrap();
    let body = body(&txn(0x1f, 100));
    assert_eq!(file[..16], *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0");
    assert_eq!(file[16..24], checksum(&body).to_be_bytes());
    assert_eq!(file[24..28], i32::try_from(body.len()).unwrap().to_be_bytes());
    assert_eq!(file[28..28 + body.len()], body);
    assert_eq!(file[28 + body.len()], 0x42);
    assert!(file[29 + body.len()..].iter().all(|&byte| byte == 0));
}

#[test]
fn room_is_taken_in_steps() {
    let disk = directory(&[]);
    let options = LogOptions { prealloc_bytes: 64 << 10, ..SMALL };
    let mut log = TxnLog::new(Arc::new(disk.clone()), options, Vec::new());
    append(&mut log, [1]);
    log.commit().unwrap();
    assert_eq!(disk.content("log.1").unwrap().len(), 64 << 10);
    append(&mut log, 2..=330);
    log.commit().unwrap();
    assert_eq!(disk.content("log.1").unwrap().len() % (64 << 10), 0);
    log.close().unwrap();
    assert!(disk.content("log.1").unwrap().len() < 80 << 10, "unused room is given back");
    assert_eq!(last_zxid(&disk), Ok(330));
}

#[test]
fn rolls_when_asked_and_at_the_size_limit() {
    let disk = directory(&[]);
    let options = LogOptions { size_limit_bytes: Some(1000), ..SMALL };
    let mut log = TxnLog::new(Arc::new(disk.clone()), options, Vec::new());
    append(&mut log, 1..=2);
    log.roll();
    append(&mut log, 3..=4);
    log.commit().unwrap();
    log.roll();
    append(&mut log, 5..=20);
    log.commit().unwrap();
    append(&mut log, [21]);
    log.commit().unwrap();
    for name in ["log.1", "log.3", "log.5", "log.15"] {
        assert!(disk.content(name).is_some(), "{name}");
    }
    assert_eq!(last_zxid(&disk), Ok(21));
}

#[test]
fn without_force_sync_nothing_waits_for_the_disk() {
    let disk = directory(&[]);
    let before = disk.syncs();
    let mut log = TxnLog::new(Arc::new(disk.clone()), LogOptions { force_sync: false, ..SMALL }, Vec::new());
    append(&mut log, 1..=3);
    assert_eq!(log.commit().unwrap().sync_time, Duration::ZERO);
    assert_eq!(disk.syncs(), before);
    assert_eq!(last_zxid(&disk), Ok(3));
}

#[test]
fn the_time_of_a_sync_is_reported() {
    let disk = directory(&[]);
    let slow = Duration::from_millis(1500);
    disk.set_faults(Faults { sync_time: slow, ..Faults::default() });
    let mut log = writer(&disk);
    append(&mut log, [1]);
    assert_eq!(log.commit().unwrap().sync_time, slow);
}

#[test]
fn an_empty_or_huge_entry_is_refused() {
    let disk = directory(&[]);
    assert!(matches!(writer(&disk).append(Zxid(1), &[]), Err(StoreError::TooLarge { len: 0 })));
}

/// Fails a commit in this way, then heals the disk: everything is there, in a file of its own.
fn survives(faults: Faults) {
    let disk = directory(&[]);
    let mut log = writer(&disk);
    append(&mut log, 1..=3);
    log.commit().unwrap();
    disk.set_faults(faults);
    append(&mut log, 4..=100);
    log.commit().unwrap_err();
    assert!(log.is_failed());
    assert!(matches!(log.commit(), Err(StoreError::Failed { .. })));
    log.retry().unwrap_err();
    append(&mut log, [101]);
    log.retry().unwrap_err();
    for seed in 0..20 {
        assert!(after_crash(&disk, seed).unwrap() >= 3, "what was acknowledged stays");
    }
    disk.set_faults(Faults::default());
    let committed = log.retry().unwrap();
    assert_eq!((committed.through, committed.entries, log.is_failed()), (Some(Zxid(101)), 98, false));
    assert_eq!(log.current_name(), Some("log.4"));
    append(&mut log, [102]);
    log.commit().unwrap();
    assert_eq!(last_zxid(&disk), Ok(102), "what failed is not read twice");
    for seed in 0..20 {
        assert_eq!(after_crash(&disk, seed), Ok(102));
    }
}

#[test]
fn survives_a_full_disk() {
    let used = {
        let disk = directory(&[]);
        let mut log = writer(&disk);
        append(&mut log, 1..=3);
        log.commit().unwrap();
        disk.used()
    };
    survives(Faults { capacity: Some(used + 5000), ..Faults::default() });
}

#[test]
fn survives_a_failing_sync() {
    survives(Faults { failing_sync: true, ..Faults::default() });
}

#[test]
fn survives_a_read_only_disk() {
    survives(Faults { read_only: true, ..Faults::default() });
}

#[test]
fn the_first_commit_of_all_fails() {
    let disk = directory(&[]);
    for faults in [
        Faults { capacity: Some(0), ..Faults::default() },
        Faults { failing_sync: true, ..Faults::default() },
    ] {
        let disk = disk.fork();
        disk.set_faults(faults);
        let mut log = writer(&disk);
        append(&mut log, 1..=3);
        log.commit().unwrap_err();
        log.retry().unwrap_err();
        disk.set_faults(Faults::default());
        log.retry().unwrap();
        assert_eq!(after_crash(&disk, 1), Ok(3));
    }
}

#[test]
fn a_nearly_full_disk_is_used_to_the_end() {
    let disk = directory(&[]);
    let options = LogOptions { prealloc_bytes: 1 << 20, ..SMALL };
    disk.set_faults(Faults { capacity: Some(disk.used() + (20 << 10)), ..Faults::default() });
    let mut log = TxnLog::new(Arc::new(disk.clone()), options, Vec::new());
    let mut zxid = 0;
    loop {
        zxid += 1;
        append(&mut log, [zxid]);
        if log.commit().is_err() {
            break;
        }
    }
    assert!(zxid > 80, "most of 20 KiB was used: {zxid}");
    assert_eq!(last_zxid(&disk), Ok(zxid - 1));
}

#[test]
fn repairs_come_first_and_are_tried_again() {
    let disk = directory(&[("log.1", b"ZK")]);
    let repairs = recovered(&disk).unwrap().0.repairs.logs;
    let mut log = TxnLog::new(Arc::new(disk.clone()), SMALL, repairs);
    disk.set_faults(Faults { read_only: true, ..Faults::default() });
    append(&mut log, [1]);
    log.commit().unwrap_err();
    disk.set_faults(Faults::default());
    log.retry().unwrap();
    assert_eq!(after_crash(&disk, 3), Ok(1));
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Commit,
    Roll,
    Fault(u8),
    Crash(u64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..3000).prop_map(Step::Append),
        4 => Just(Step::Commit),
        1 => Just(Step::Roll),
        1 => (0u8..4).prop_map(Step::Fault),
        2 => any::<u64>().prop_map(Step::Crash),
        1 => Just(Step::Restart),
    ]
}

/// A server's life: what it acknowledged, and what it logged.
struct Life {
    disk: MemoryDisk,
    log: TxnLog,
    acknowledged: i64,
    last: i64,
}

impl Life {
    fn commit(&mut self) {
        let result = if self.log.is_failed() { self.log.retry() } else { self.log.commit() };
        if let Ok(Committed { through: Some(through), .. }) = result {
            self.acknowledged = through.0;
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append(len) => {
                self.last += 1;
                self.log.append(Zxid(self.last), &body(&txn(self.last, len))).unwrap();
            }
            Step::Commit => self.commit(),
            Step::Roll => self.log.roll(),
            Step::Fault(which) => self.disk.set_faults(Faults {
                capacity: (which == 1).then(|| self.disk.used() + 2000),
                read_only: which == 2,
                failing_sync: which == 3,
                ..Faults::default()
            }),
            Step::Crash(seed) => {
                self.disk.crash(seed);
                self.start();
            }
            // Only the process falls: what it wrote is there, synced or not.
            Step::Restart => self.start(),
        }
    }

    fn start(&mut self) {
        let (mut found, tree) = recovered(&self.disk).unwrap();
        assert!((self.acknowledged..=self.last).contains(&found.last_zxid.0), "nothing acknowledged is lost");
        assert_eq!(tree.zxids, (1..=found.last_zxid.0).collect::<Vec<_>>());
        self.last = found.last_zxid.0;
        let repairs = match repair(&self.disk, &self.disk, &mut found.repairs) {
            Ok(()) => {
                self.acknowledged = self.last;
                Vec::new()
            }
            Err(_) => match LogRepair::postponed(found.repairs.logs) {
                Some(left) => left,
                // It ends, as a server's start does, and is tried again when the disk works.
                None => {
                    self.disk.set_faults(Faults::default());
                    return self.start();
                }
            },
        };
        self.log = TxnLog::new(Arc::new(self.disk.clone()), SMALL, repairs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_acknowledged_entry_is_lost(steps in proptest::collection::vec(step(), 1..60), seed in any::<u64>()) {
        let disk = directory(&[]);
        let log = writer(&disk);
        let mut life = Life { disk, log, acknowledged: 0, last: 0 };
        for step in steps {
            life.step(step);
        }
        life.disk.crash(seed);
        life.start();
    }
}

#[test]
fn a_log_is_written_again_without_room() {
    let disk = directory(&[]);
    let mut log = writer(&disk);
    append(&mut log, 1..=50);
    log.commit().unwrap();
    let name = log.current_name().unwrap().to_owned();
    let len = log.current_len();
    let content = disk.content(&name).unwrap();
    let before = disk.used();
    let rewrite = |from| LogRepair::Rewrite { name: name.clone(), from, len };
    disk.set_faults(Faults { failing_sync: true, ..Faults::default() });
    assert!(rewrite(0).run(&disk).is_err());
    let end = usize::try_from(len).unwrap();
    assert_eq!(disk.content(&name).unwrap()[..end], content[..end], "it holds what it held");
    disk.set_faults(Faults { capacity: Some(before), ..Faults::default() });
    for from in [0, 20, len] {
        rewrite(from).run(&disk).unwrap();
    }
    assert_eq!(disk.content(&name).unwrap(), content[..end]);
}

#[test]
fn only_what_was_never_synced_is_written_again() {
    let disk = directory(&[]);
    let mut log = writer(&disk);
    append(&mut log, 1..=50);
    log.commit().unwrap();
    let synced_len = log.current_len();
    append(&mut log, 51..=52);
    disk.set_faults(Faults { failing_sync: true, ..Faults::default() });
    log.commit().unwrap_err();
    disk.set_faults(Faults::default());
    // Killed before it could cut the file: what no sync will ever store still reads back.
    let (mut found, _) = recovered(&disk).unwrap();
    assert_eq!(found.last_zxid, Zxid(52));
    let [LogRepair::Rewrite { from, .. }] = found.repairs.logs[..] else { panic!("{:?}", found.repairs) };
    assert_eq!(from, synced_len);
    repair(&disk, &disk, &mut found.repairs).unwrap();
    vouch(&disk, &disk, &found).unwrap();
    disk.crash(1);
    assert_eq!(last_zxid(&disk), Ok(52));
}

#[test]
fn a_clean_stop_without_syncs_stores_the_log() {
    let disk = directory(&[]);
    let options = LogOptions { force_sync: false, ..SMALL };
    let mut log = TxnLog::new(Arc::new(disk.clone()), options, Vec::new());
    append(&mut log, 1..=5);
    log.commit().unwrap();
    let killed = disk.fork();
    log.close().unwrap();
    disk.crash(3);
    assert_eq!(last_zxid(&disk), Ok(5));
    // After a kill the start does it.
    let (mut found, _) = recovered(&killed).unwrap();
    repair(&killed, &killed, &mut found.repairs).unwrap();
    vouch(&killed, &killed, &found).unwrap();
    killed.crash(3);
    assert_eq!(last_zxid(&killed), Ok(5));
}
