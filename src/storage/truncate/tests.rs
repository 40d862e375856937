//! TRUNC and SNAP, with a fall at each step.

use super::*;
use crate::storage::{
    Disk, MemoryDisk, SnapshotTail, forget_told,
    memory::Faults,
    recover, repair,
    testing::{SMALL, Tree, body, directory, log_file, recovered, snapshot_body, txn, write_snapshot},
    told_with_snapshot,
};
use oxkeeper_codec::learner::SNAPSHOT_END;

mod copies;
mod lives;

const EPOCH: i64 = 1 << 32;

fn writer(disk: &MemoryDisk) -> TxnLog {
    TxnLog::new(Arc::new(disk.clone()), SMALL, Vec::new())
}

/// The transactions that a start finds: each has made its znode.
fn history(disk: &MemoryDisk) -> Result<Vec<i64>, String> {
    let (_, tree) = recovered(disk).map_err(|error| error.to_string())?;
    Ok(of_tree(&tree))
}

fn of_tree(tree: &Tree) -> Vec<i64> {
    let zxid = |path: &String| i64::from_str_radix(path.strip_prefix("/n")?, 16).ok();
    let mut found: Vec<_> = tree.nodes.keys().filter_map(zxid).collect();
    found.sort_unstable();
    found
}

fn cut(disk: &MemoryDisk, zxid: i64) -> Result<(Zxid, Vec<i64>), StoreError> {
    let mut tree = Tree::default();
    let done =
        Truncation::behind(Zxid(zxid)).run(&mut writer(disk), disk, RecoveryOptions::default(), &mut tree)?;
    Ok((done.last_zxid, of_tree(&tree)))
}

/// A snapshot of these transactions as a leader sends it, in small pieces.
fn receive(disk: &MemoryDisk, zxid: i64, history: &[i64]) -> Result<ReceivedSnapshot, StoreError> {
    let stream = [snapshot_body(history.iter().copied()), SNAPSHOT_END.to_vec()].concat();
    let mut receiver = SnapshotReceiver::create(Arc::new(disk.clone()), Zxid(zxid), Compression::None)?;
    let mut taken = 0;
    for piece in stream.chunks(100) {
        taken += receiver.write(piece)?;
    }
    assert_eq!(stream.len() - taken, SNAPSHOT_END.len());
    receiver.finish()
}

fn names_of(disk: &MemoryDisk) -> Vec<String> {
    disk.list().unwrap().into_iter().map(|file| file.name).collect()
}

/// Has `change` fall at each of its steps, and looks at what a start finds then.
fn at_each_step(
    before: &MemoryDisk,
    change: impl Fn(&MemoryDisk) -> Result<(), StoreError>,
    check: impl Fn(bool, &MemoryDisk, Vec<i64>),
) {
    for steps in 0.. {
        let disk = before.fork();
        disk.stop_after(steps);
        let done = change(&disk).is_ok();
        for seed in 0..6 {
            let fork = disk.fork();
            fork.crash(seed);
            let found = history(&fork).unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
            check(done, &fork, found);
        }
        if done {
            assert!(steps > 2, "several steps");
            return;
        }
    }
}

/// Three logs and two snapshots of the transactions 1 to 12.
fn three_logs() -> MemoryDisk {
    let disk =
        directory(&[("log.1", &log_file(1..=5)), ("log.6", &log_file(6..=9)), ("log.a", &log_file(10..=12))]);
    for zxid in [4, 9] {
        write_snapshot(&disk, zxid, Compression::None);
    }
    disk
}

#[test]
fn a_cut_leaves_what_is_before_it() {
    for zxid in 0..=12 {
        let disk = three_logs();
        let left: Vec<i64> = (1..=zxid).collect();
        assert_eq!(cut(&disk, zxid).unwrap(), (Zxid(zxid), left.clone()), "the state comes with it");
        assert_eq!(history(&disk), Ok(left.clone()));
        disk.crash(7);
        assert_eq!(history(&disk), Ok(left.clone()));
        let (found, _) = recovered(&disk).unwrap();
        assert!(found.repairs.logs.is_empty(), "each log has its exact length");
        assert!(names_of(&disk).iter().all(|name| {
            SnapshotName::parse(name).is_none_or(|name| name.zxid.0 <= zxid)
                && names::parse_log_name(name).is_none_or(|first| first.0 <= zxid)
        }));
        assert_eq!(cut(&disk, zxid).unwrap().1, left, "twice");
    }
}

#[test]
fn a_cut_that_falls_leaves_a_prefix() {
    for zxid in 0..=12 {
        at_each_step(
            &three_logs(),
            |disk| cut(disk, zxid).map(drop),
            |done, fork, found| {
                let last = found.last().copied().unwrap_or(0);
                assert_eq!(found, (1..=last).collect::<Vec<_>>());
                assert!(last == zxid || last > zxid && !done, "{last} of {zxid}");
                assert_eq!(cut(fork, zxid).unwrap().0, Zxid(zxid), "done again");
            },
        );
    }
}

/// The leader's transaction is one that this member has never had: its own history, with a snapshot, goes on behind it.
#[test]
fn a_cut_that_is_tried_again_goes_on() {
    for failing in 0.. {
        let disk = directory(&[("log.1", &log_file(1..=5)), ("log.100000001", &log_file([EPOCH + 1]))]);
        write_snapshot(&disk, EPOCH + 1, Compression::None);
        let mut log = writer(&disk);
        let mut truncation = Truncation::behind(Zxid(7));
        let mut attempt = || {
            let mut tree = Tree::default();
            let done = truncation.run(&mut log, &disk, RecoveryOptions::default(), &mut tree);
            done.map(|done| (done.last_zxid, of_tree(&tree)))
        };
        disk.stop_after(failing);
        let first = attempt();
        disk.stop_after(u64::MAX);
        let expected = (Zxid(5), vec![1, 2, 3, 4, 5]);
        assert_eq!(attempt().unwrap(), expected, "behind {failing} operations");
        log.append(Zxid(6), &body(&txn(6, 9))).unwrap();
        log.commit().unwrap();
        assert_eq!(history(&disk), Ok((1..=6).collect()));
        if first.is_ok() {
            assert!(failing > 2, "it takes some");
            break;
        }
    }
}

#[test]
fn the_log_goes_on_behind_the_cut() {
    let disk = three_logs();
    let mut log = writer(&disk);
    let append = |log: &mut TxnLog, zxid| log.append(Zxid(zxid), &body(&txn(zxid, 9))).unwrap();
    (13..=15).for_each(|zxid| append(&mut log, zxid));
    log.commit().unwrap();
    append(&mut log, 16);
    let mut tree = Tree::default();
    let options = RecoveryOptions::default();
    let done = Truncation::behind(Zxid(14)).run(&mut log, &disk, options, &mut tree).unwrap();
    assert_eq!((done.last_zxid, of_tree(&tree).len()), (Zxid(14), 14));
    append(&mut log, 15);
    log.commit().unwrap();
    assert_eq!(log.current_name(), Some("log.f"));
    // The log that was just begun has this name, and goes whole.
    Truncation::behind(Zxid(14)).run(&mut log, &disk, options, &mut tree).unwrap();
    append(&mut log, EPOCH + 1);
    log.commit().unwrap();
    let expected: Vec<i64> = (1..=14).chain([EPOCH + 1]).collect();
    assert_eq!(history(&disk), Ok(expected));
}

#[test]
fn a_transaction_that_is_not_there_is_told_by_the_end() {
    let disk = directory(&[("log.1", &log_file([1, 2, 3, EPOCH + 1, EPOCH + 2]))]);
    assert_eq!(cut(&disk.fork(), EPOCH + 9).unwrap().0, Zxid(EPOCH + 2));
    assert_eq!(cut(&disk.fork(), EPOCH).unwrap().0, Zxid(3));
    assert_eq!(cut(&disk, 5).unwrap().0, Zxid(3));
    assert_eq!(history(&disk), Ok(vec![1, 2, 3]));
}

#[test]
fn a_torn_tail_and_damage_behind_the_cut_go_with_it() {
    let log = log_file(1..=5);
    for len in (700..log.len().min(1200)).step_by(13) {
        let disk = directory(&[("log.1", &log[..len])]);
        assert_eq!(cut(&disk, 2).unwrap().0, Zxid(2), "{len}");
        assert_eq!(history(&disk), Ok(vec![1, 2]));
    }
    let mut damaged = log.clone();
    let end = damaged.iter().rposition(|&byte| byte != 0).unwrap();
    damaged[end - 30] ^= 1;
    let disk = directory(&[("log.1", &damaged)]);
    assert!(matches!(cut(&disk, 5), Err(StoreError::Damaged { .. })), "it may be the one");
    assert_eq!(cut(&disk, 4).unwrap().0, Zxid(4));
    assert_eq!(history(&disk), Ok(vec![1, 2, 3, 4]));
}

#[test]
fn too_far_back_changes_nothing() {
    let disk = three_logs();
    for name in ["snapshot.0", "log.1"] {
        disk.remove(name).unwrap();
    }
    let before = disk.list().unwrap();
    let error = cut(&disk, 3).unwrap_err();
    assert!(matches!(error, StoreError::CutTooFar { .. }) && error.to_string().contains("0x3"), "{error}");
    // The older snapshot is damaged, and nothing leads to the cut without it.
    disk.put("snapshot.4", b"ZKSN");
    assert!(matches!(cut(&disk, 5), Err(StoreError::NoValidSnapshot { .. })));
    assert_eq!(disk.list().unwrap().len(), before.len());
    assert_eq!(history(&disk).unwrap().len(), 12);
}

#[test]
fn where_logs_are_missing_before_a_newer_snapshot_nothing_is_cut() {
    // 4 and 5 are in no log; or the leader whose snapshot it is had others.
    for (log, wanted) in [(1..=3, 5), (1..=5, 7)] {
        let disk = directory(&[("log.1", &log_file(log)), ("log.100000001", &log_file([EPOCH + 1]))]);
        write_snapshot(&disk, EPOCH, Compression::None);
        let before = disk.list().unwrap();
        assert!(matches!(cut(&disk, wanted), Err(StoreError::CutTooFar { .. })));
        assert_eq!(disk.list().unwrap(), before);
    }
}

#[test]
fn a_real_disk_is_cut_read_again_and_gets_another_state_while_it_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(crate::storage::RealDisk::open(dir.path()).unwrap());
    for (name, content) in [("log.1", log_file(1..=5)), ("log.6", log_file(6..=9))] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let memory = directory(&[]);
    std::fs::write(dir.path().join("snapshot.0"), memory.content("snapshot.0").unwrap()).unwrap();
    let mut log = TxnLog::new(Arc::clone(&disk), SMALL, Vec::new());
    log.append(Zxid(10), &body(&txn(10, 9))).unwrap();
    log.commit().unwrap();
    for zxid in [10, 9, 7, 3] {
        let mut tree = Tree::default();
        let done = Truncation::behind(Zxid(zxid))
            .run(&mut log, &*disk, RecoveryOptions::default(), &mut tree)
            .unwrap();
        assert_eq!((done.last_zxid, of_tree(&tree)), (Zxid(zxid), (1..=zxid).collect()));
        assert_eq!(recovered(&*disk).unwrap().0.last_zxid, Zxid(zxid));
    }
    let mut receiver = SnapshotReceiver::create(Arc::clone(&disk), Zxid(EPOCH), Compression::Snappy).unwrap();
    receiver.write(&snapshot_body([1, 2])).unwrap();
    receiver.finish().unwrap().install(&mut log, None).unwrap();
    log.append(Zxid(EPOCH + 1), &body(&txn(EPOCH + 1, 9))).unwrap();
    log.commit().unwrap();
    let (found, tree) = recovered(&*disk).unwrap();
    assert_eq!((found.last_zxid, of_tree(&tree)), (Zxid(EPOCH + 1), vec![1, 2, EPOCH + 1]));
    assert_eq!(found.snapshot.unwrap().name, "snapshot.100000000.snappy");
}

#[test]
fn a_snapshot_that_shows_more_than_its_name_is_no_base() {
    let disk = three_logs();
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), Zxid(8), Compression::None).unwrap();
    writer.write(&snapshot_body(1..=10)).unwrap();
    let digest = crate::storage::ZxidDigest { zxid: Zxid(10), version: 2, digest: 1 };
    writer.finish(&SnapshotTail { digest: Some(digest), last_zxid: Some(Zxid(10)) }).unwrap();
    assert_eq!(cut(&disk, 9).unwrap().1.len(), 9);
    assert!(disk.content("snapshot.8").is_some(), "there was a newer one that is exact");
    assert_eq!(cut(&disk, 8).unwrap().1.len(), 8);
    assert_eq!(history(&disk).unwrap().len(), 8, "it is gone");
}

#[test]
fn a_fetched_snapshot_takes_the_place_of_all() {
    // Later than all; in the midst; before the oldest snapshot; of an epoch that has just begun.
    for (zxid, new) in [(14, 1..=14), (10, 1..=10), (2, 1..=2), (EPOCH, 1..=7), (EPOCH + 3, 1..=7)] {
        let (old, new): (Vec<i64>, Vec<i64>) = ((1..=12).collect(), new.collect());
        let before = three_logs();
        if zxid == 2 {
            before.remove("snapshot.0").unwrap();
            before.sync_dir().unwrap();
        }
        at_each_step(
            &before,
            |disk| receive(disk, zxid, &new)?.install(&mut writer(disk), Some("told")),
            |done, fork, found| {
                assert!(found == new || found == old && !done, "{found:?}");
                let (mut found, _) = recovered(fork).unwrap();
                let is_new = found.last_zxid == Zxid(zxid);
                repair(fork, fork, &mut found.repairs).unwrap();
                vouch(fork, fork, &found).unwrap();
                assert_eq!(history(fork), Ok(if is_new { new.clone() } else { old.clone() }));
                assert_eq!(told_with_snapshot(fork).unwrap().as_deref(), is_new.then_some("told"));
                forget_told(fork).unwrap();
                let names = names_of(fork);
                assert!(!names.iter().any(|name| name.starts_with("oxkeeper")), "{names:?}");
                // What follows does not meet the old transactions.
                let mut log = writer(fork);
                let next = found.last_zxid.next();
                log.append(next, &body(&txn(next.0, 9))).unwrap();
                log.commit().unwrap();
                assert_eq!(history(fork).unwrap().last(), Some(&next.0));
            },
        );
    }
}

/// The next start goes on where a process was killed, with names that no disk has; then the power fails.
#[test]
fn an_install_that_was_killed_and_goes_on_at_the_next_start_leaves_the_old_state_or_the_new() {
    let (old, new): (Vec<i64>, Vec<i64>) = ((1..=12).collect(), vec![1, 2, 10]);
    for killed_after in 0.. {
        let disk = three_logs();
        disk.stop_after(killed_after);
        let done = receive(&disk, 10, &new).and_then(|mut it| it.install(&mut writer(&disk), None)).is_ok();
        for steps in 0..20 {
            let disk = disk.fork();
            disk.stop_after(steps);
            let started = recovered(&disk).and_then(|(mut found, _)| {
                repair(&disk, &disk, &mut found.repairs)?;
                vouch(&disk, &disk, &found)
            });
            assert!(started.is_ok() || steps < 19);
            for seed in 0..4 {
                let fork = disk.fork();
                fork.crash(seed);
                let found = history(&fork).unwrap();
                assert!(found == new || found == old && !done, "{killed_after}, {steps}, {seed}: {found:?}");
            }
        }
        if done {
            assert!(killed_after > 5, "several steps");
            return;
        }
    }
}

/// Each of its steps fails once, with logs and snapshots in places of their own: no name of one becomes durable with the other's.
#[test]
fn an_install_that_is_tried_again_takes_nothing_that_is_appended_behind_it() {
    for steps in 0.. {
        let (snaps, logs) = (directory(&[]), MemoryDisk::new("/logs"));
        logs.put("log.1", &log_file(1..=12));
        let mut received = receive(&snaps, 10, &[1, 2, 10]).unwrap();
        let mut log = writer(&logs);
        snaps.stop_after(steps);
        let done = received.install(&mut log, None).is_ok();
        snaps.stop_after(u64::MAX);
        if !done {
            received.install(&mut log, None).unwrap();
        }
        log.append(Zxid(11), &body(&txn(11, 9))).unwrap();
        log.commit().unwrap();
        for seed in 0..6 {
            let (snaps, logs) = (snaps.fork(), logs.fork());
            snaps.crash(seed);
            logs.crash(seed);
            let mut tree = Tree::default();
            recover(&snaps, &logs, RecoveryOptions::default(), &mut tree).unwrap();
            assert_eq!(of_tree(&tree), [1, 2, 10, 11], "after {steps} steps");
        }
        if done {
            assert!(steps > 3, "several steps");
            return;
        }
    }
}

#[test]
fn a_snapshot_that_is_not_installed_leaves_nothing() {
    let disk = three_logs();
    let before = disk.list().unwrap();
    drop(receive(&disk, 20, &[1, 2]).unwrap());
    let mut receiver = SnapshotReceiver::create(Arc::new(disk.clone()), Zxid(20), Compression::Gzip).unwrap();
    receiver.write(&[0, 0]).unwrap();
    drop(receiver);
    let mut receiver = SnapshotReceiver::create(Arc::new(disk.clone()), Zxid(20), Compression::None).unwrap();
    let error = receiver.write(&[0xff; 40]).unwrap_err();
    assert!(matches!(error, StoreError::BadStream { offset: 4, len: -1, .. }), "{error}");
    drop(receiver);
    assert_eq!(disk.list().unwrap(), before);
}

#[test]
fn an_install_that_was_cut_short_is_read_from_a_disk_that_takes_nothing() {
    let disk = three_logs();
    let received = receive(&disk, 5, &[1, 2, 3]).unwrap();
    disk.rename(received.temporary.as_ref().unwrap(), &names::install_name(received.snapshot)).unwrap();
    disk.sync_dir().unwrap();
    std::mem::forget(received);
    disk.set_faults(Faults { read_only: true, ..Faults::default() });
    let (mut found, tree) = recovered(&disk).unwrap();
    assert_eq!((found.last_zxid, of_tree(&tree), found.txns), (Zxid(5), vec![1, 2, 3], 0));
    repair(&disk, &disk, &mut found.repairs).unwrap_err();
    vouch(&disk, &disk, &found).unwrap_err();
    disk.set_faults(Faults::default());
    vouch(&disk, &disk, &found).unwrap();
    assert_eq!(history(&disk), Ok(vec![1, 2, 3]));
}

#[test]
fn an_overruled_tail_is_not_brought_back_by_a_damaged_snapshot() {
    // As an official member leaves it: 4 and 5 were never committed, and the leader of the next epoch sent SNAP.
    let disk = directory(&[("log.1", &log_file(1..=5)), ("log.100000001", &log_file([EPOCH + 1]))]);
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), Zxid(EPOCH), Compression::None).unwrap();
    writer.write(&snapshot_body(1..=3)).unwrap();
    writer.finish(&SnapshotTail::default()).unwrap();
    assert_eq!(history(&disk), Ok(vec![1, 2, 3, EPOCH + 1]));
    let whole = disk.content("snapshot.100000000").unwrap();
    disk.put("snapshot.100000000", &whole[..whole.len() - 1]);
    let error = history(&disk).unwrap_err();
    assert!(error.contains("snapshot.100000000") && error.contains("fetched from a leader"), "{error}");
}
