//! The table of damage: what is served, and what is refused.

use super::*;
use crate::storage::{
    Compression, MemoryDisk, TxnLog,
    memory::Faults,
    testing::{
        SMALL, Tree, body, directory, last_zxid, log_file, log_of, recovered, txn, with_record,
        write_snapshot,
    },
};
use oxkeeper_codec::{Code, txn::Txn};
use std::sync::Arc;

const EPOCH: i64 = 1 << 32;

fn log_name(first: i64) -> String {
    names::log_name(Zxid(first))
}

fn refused(disk: &MemoryDisk, reasons: &[&str]) {
    let before: Vec<_> = disk.list().unwrap();
    let error = last_zxid(disk).expect_err("refused");
    for reason in reasons {
        assert!(error.contains(reason), "{error:?} lacks {reason:?}");
    }
    assert_eq!(disk.list().unwrap(), before, "nothing is changed");
}

#[test]
fn an_empty_directory_is_empty() {
    let disk = MemoryDisk::new("/d");
    let (recovered, tree) = recovered(&disk).unwrap();
    assert!(recovered.is_empty());
    assert_eq!(recovered.last_zxid, Zxid::ZERO);
    assert_eq!(tree, Tree::default());
}

#[test]
fn snapshot_and_logs_since() {
    let disk = directory(&[("log.1", &log_file(1..=5)), ("log.6", &log_file(6..=9))]);
    write_snapshot(&disk, 4, Compression::None);
    let (mut recovered, tree) = recovered(&disk).unwrap();
    assert_eq!(recovered.snapshot.as_ref().unwrap().name, "snapshot.4");
    assert_eq!(tree.zxids, [5, 6, 7, 8, 9]);
    assert_eq!(tree.nodes.len(), 10);
    assert_eq!((recovered.last_zxid, recovered.txns), (Zxid(9), 5));
    let rewrite = |repair: &LogRepair| matches!(repair, LogRepair::Rewrite { name, .. } if name == "log.6");
    assert!(recovered.repairs.logs.iter().all(rewrite), "{:?}", recovered.repairs);
    repair(&disk, &disk, &mut recovered.repairs).unwrap();
    let (again, _) = self::recovered(&disk).unwrap();
    assert_eq!((again.last_zxid, again.repairs), (Zxid(9), Repairs::default()));
}

#[test]
fn a_snapshot_behind_all_logs() {
    let disk = directory(&[("log.1", &log_file(1..=5))]);
    write_snapshot(&disk, 50, Compression::Snappy);
    assert_eq!(last_zxid(&disk), Ok(50));
    write_snapshot(&disk, 60, Compression::Gzip);
    disk.put("log.3d", &log_file(61..=62));
    assert_eq!(last_zxid(&disk), Ok(62));
}

#[test]
fn the_newest_snapshot_damaged_the_one_before() {
    let disk = directory(&[("log.1", &log_file(1..=9))]);
    write_snapshot(&disk, 4, Compression::None);
    write_snapshot(&disk, 8, Compression::None);
    let mut newest = disk.content("snapshot.8").unwrap();
    newest[100] ^= 1;
    disk.put("snapshot.8", &newest);
    let (recovered, tree) = recovered(&disk).unwrap();
    assert_eq!(recovered.snapshot.unwrap().name, "snapshot.4");
    assert_eq!(recovered.rejected[0].name, "snapshot.8");
    assert_eq!(tree.zxids, [5, 6, 7, 8, 9]);
}

#[test]
fn a_damaged_snapshot_beyond_the_logs_is_refused() {
    let disk = directory(&[("log.1", &log_file(1..=5))]);
    write_snapshot(&disk, 8, Compression::None);
    let mut newest = disk.content("snapshot.8").unwrap();
    for len in [0, 3, 60, newest.len() - 1] {
        disk.put("snapshot.8", &newest[..len]);
        refused(&disk, &["snapshot.8 at offset", "0x5"]);
    }
    newest[60] ^= 1;
    disk.put("snapshot.8", &newest);
    refused(&disk, &["snapshot.8", "checksum", "0x5"]);
    let empty = MemoryDisk::new("/d");
    write_snapshot(&empty, 0, Compression::None);
    empty.put("snapshot.100000000", &newest[..60]);
    refused(&empty, &["snapshot.100000000 at offset", "0x0"]);
}

#[test]
fn a_snapshot_that_was_being_written_when_the_server_fell() {
    // The official server writes it in its place, and has logged what it would hold.
    let disk = directory(&[("log.1", &log_file(1..=5)), ("log.6", &log_file(6..=8))]);
    write_snapshot(&disk, 5, Compression::None);
    let whole = disk.content("snapshot.5").unwrap();
    for len in [0, 3, 60, whole.len() - 1] {
        disk.put("snapshot.5", &whole[..len]);
        assert_eq!(last_zxid(&disk), Ok(8), "cut at {len}");
    }
}

#[test]
fn no_snapshot_is_whole() {
    let disk = MemoryDisk::new("/d");
    disk.put("snapshot.0", b"ZK");
    disk.put("snapshot.5", b"");
    refused(&disk, &["snapshot.0", "snapshot.5", "Not able to find valid snapshots"]);
}

#[test]
fn logs_without_a_snapshot() {
    let disk = MemoryDisk::new("/d");
    disk.put("log.1", &log_file(1..=5));
    refused(&disk, &["snapshot.trust.empty", "No snapshot found"]);
    let trust = RecoveryOptions { trust_empty_snapshot: true };
    let mut tree = Tree::default();
    let recovered = recover(&disk, &disk, trust, &mut tree).unwrap();
    assert_eq!((recovered.last_zxid, tree.zxids.len()), (Zxid(5), 5));
    assert!(recovered.snapshot.is_none() && !recovered.is_empty());
    disk.put("log.1", &log_file(2..=5));
    assert!(matches!(recover(&disk, &disk, trust, &mut tree), Err(StoreError::Hole { .. })));
}

#[test]
fn a_log_without_an_entry_is_served_without_it() {
    let log = log_file(6..=6);
    for len in [0, 3, 15, 16, 40] {
        for padding in [0, 5000] {
            let mut torn = log[..len].to_vec();
            torn.resize(len + padding, 0);
            let disk = directory(&[("log.1", &log_file(1..=5)), ("log.6", &torn)]);
            let (recovered, _) = recovered(&disk).unwrap_or_else(|e| panic!("{len}+{padding}: {e}"));
            assert_eq!(recovered.last_zxid, Zxid(5));
            assert!(recovered.repairs.logs.contains(&LogRepair::Remove { name: "log.6".into() }));
            let only = directory(&[("log.1", &torn)]);
            assert_eq!(last_zxid(&only), Ok(0));
        }
    }
}

#[test]
fn an_empty_log_without_a_snapshot() {
    let disk = MemoryDisk::new("/d");
    disk.put("log.1", b"ZKL");
    assert_eq!(last_zxid(&disk), Ok(0));
    disk.put("log.5", b"ZKL");
    refused(&disk, &["No snapshot found"]);
}

#[test]
fn every_cut_of_the_newest_log_is_served_and_repaired() {
    let (old, new) = (log_file(1..=2), log_file(3..=5));
    for cut in 0..700.min(new.len()) {
        let disk = directory(&[("log.1", &old), ("log.3", &new[..cut])]);
        let (found, tree) = recovered(&disk).unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        let last = found.last_zxid.0;
        assert_eq!(tree.zxids, (1..=last).collect::<Vec<_>>());
        let mut log = TxnLog::new(Arc::new(disk.clone()), SMALL, found.repairs.logs);
        log.append(Zxid(last + 1), &body(&txn(last + 1, 9))).unwrap();
        log.commit().unwrap();
        let (again, _) = recovered(&disk).unwrap();
        assert_eq!(again.last_zxid.0, last + 1, "cut at {cut}");
        let newest = |repair: &LogRepair| matches!(repair, LogRepair::Rewrite { name, .. } if *name == log_name(last + 1));
        assert!(again.repairs.logs.iter().all(newest), "cut at {cut}: repaired once and for all");
    }
}

#[test]
fn every_flipped_bit_before_the_tail_is_refused() {
    let log = log_file(1..=3);
    let end = LogReader::new(&log).map(|mut reader| {
        while reader.next_entry().unwrap().is_some() {}
        usize::try_from(reader.end().unwrap().offset).unwrap()
    });
    for bit in (0..end.unwrap() * 8).filter(|bit| !(64..128).contains(bit)) {
        let mut damaged = log.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        for newest in [true, false] {
            let disk = directory(&[("log.1", &damaged)]);
            if !newest {
                disk.put("log.4", &log_file(4..=5));
            }
            let error = last_zxid(&disk).expect_err(&format!("bit {bit}"));
            assert!(error.contains("/d/log.1") && error.contains("offset"), "bit {bit}: {error}");
        }
    }
}

#[test]
fn the_database_number_of_a_log_is_not_looked_at() {
    let mut log = log_file(1..=3);
    log[15] = 9;
    assert_eq!(last_zxid(&directory(&[("log.1", &log)])), Ok(3));
}

#[test]
fn a_wrong_version_is_refused() {
    let mut log = log_file(1..=3);
    log[7] = 1;
    refused(&directory(&[("log.1", &log)]), &["/d/log.1", "version 1", "offset 4"]);
}

#[test]
fn a_missing_first_log_is_refused() {
    refused(&directory(&[("log.3", &log_file(3..=5))]), &["/d/log.3", "offset 16", "0x3"]);
}

#[test]
fn a_hole_between_logs_is_refused() {
    let disk = directory(&[("log.1", &log_file(1..=3)), ("log.7", &log_file(7..=8))]);
    refused(&disk, &["/d/log.7", "offset 16", "0x3", "0x7"]);
    write_snapshot(&disk, 6, Compression::None);
    assert_eq!(last_zxid(&disk), Ok(8), "a hole that no start needs is none");
}

#[test]
fn a_hole_inside_of_a_log_is_refused() {
    refused(&directory(&[("log.1", &log_file([1, 2, 4]))]), &["/d/log.1", "0x2", "0x4"]);
}

#[test]
fn damage_in_a_log_that_is_not_needed_does_no_harm() {
    let disk = directory(&[("log.1", b"rubbish, and long enough for a header"), ("log.6", &log_file(6..=8))]);
    write_snapshot(&disk, 5, Compression::None);
    assert_eq!(last_zxid(&disk), Ok(8));
}

#[test]
fn a_torn_older_log_is_served_if_the_next_continues() {
    let torn = &log_file(1..=4)[..350];
    let last = last_zxid(&directory(&[("log.1", torn)])).unwrap();
    assert!((1..4).contains(&last));
    let next = format!("log.{:x}", last + 1);
    let disk = directory(&[("log.1", torn), (&next, &log_file(last + 1..=9))]);
    assert_eq!(last_zxid(&disk), Ok(9), "as the official server leaves it after a crash");
    let disk = directory(&[("log.1", torn), ("log.5", &log_file(5..=9))]);
    refused(&disk, &["/d/log.5"]);
}

#[test]
fn epochs_of_a_former_ensemble() {
    let txns = [1, 2, EPOCH + 1, EPOCH + 2, 3 * EPOCH + 1];
    assert_eq!(last_zxid(&directory(&[("log.1", &log_file(txns))])), Ok(3 * EPOCH + 1));
    refused(&directory(&[("log.1", &log_file([1, EPOCH + 2]))]), &["/d/log.1"]);
    let disk = MemoryDisk::new("/d");
    write_snapshot(&disk, EPOCH, Compression::None);
    disk.put("log.100000001", &log_file([EPOCH + 1]));
    assert_eq!(last_zxid(&disk), Ok(EPOCH + 1));
}

#[test]
fn an_error_may_repeat_a_zxid_and_nothing_else_may() {
    let mut error = with_record(3, Txn::error(Code::MARSHALLING_ERROR));
    let log = log_file(1..=2);
    let repeat = |txn| {
        let disk = directory(&[("log.1", &log)]);
        disk.put("log.3", &log_of(&[with_record(3, Txn::error(Code::NO_NODE))]));
        disk.put("log.4", &log_of(&[txn]));
        disk
    };
    let (recovered, tree) = recovered(&repeat(error.clone())).unwrap();
    assert_eq!((recovered.repeated_errors, tree.zxids), (1, vec![1, 2, 3]));
    error = txn(3, 5);
    refused(&repeat(error), &["/d/log.4", "offset 16", "0x3"]);
}

#[test]
fn a_transaction_that_cannot_be_applied_is_refused() {
    let mut bad = txn(2, 0);
    if let Txn::Create(create) = &mut bad.txn {
        create.path = oxkeeper_codec::ByteStr::from_static("/forbidden");
    }
    refused(&directory(&[("log.1", &log_of(&[txn(1, 0), bad]))]), &["/d/log.1", "cannot be applied: no"]);
}

#[test]
fn files_in_the_wrong_directory_are_refused() {
    let (snaps, logs) = (MemoryDisk::new("/snaps"), MemoryDisk::new("/logs"));
    let start = || recover(&snaps, &logs, RecoveryOptions::default(), &mut Tree::default());
    write_snapshot(&snaps, 0, Compression::None);
    logs.put("log.1", &log_file(1..=2));
    assert_eq!(start().unwrap().last_zxid, Zxid(2));
    snaps.put("log.1", b"");
    assert!(start().unwrap_err().to_string().contains("/snaps"));
    snaps.remove("log.1").unwrap();
    logs.put("snapshot.1", b"");
    assert!(start().unwrap_err().to_string().contains("dataLogDir"));
}

#[test]
fn half_written_snapshots_are_left_out_and_removed() {
    let disk = directory(&[("oxkeeper-tmp.snapshot.9", b"half"), ("snapshot.9.tmp", b"official half")]);
    let (mut recovered, _) = recovered(&disk).unwrap();
    assert_eq!(recovered.last_zxid, Zxid::ZERO);
    repair(&disk, &disk, &mut recovered.repairs).unwrap();
    assert!(disk.content("oxkeeper-tmp.snapshot.9").is_none());
}

#[test]
fn a_disk_that_cannot_be_read_is_no_damage() {
    let disk = directory(&[]);
    disk.set_faults(Faults { failing_read: true, ..Default::default() });
    assert!(matches!(recovered(&disk), Err(StoreError::Io { .. })));
}

#[test]
fn what_was_read_and_never_stored_is_written_anew() {
    let disk = directory(&[]);
    let mut log = TxnLog::new(Arc::new(disk.clone()), SMALL, Vec::new());
    log.append(Zxid(1), &body(&txn(1, 9))).unwrap();
    log.commit().unwrap();
    disk.set_faults(Faults { failing_sync: true, ..Default::default() });
    log.append(Zxid(2), &body(&txn(2, 9))).unwrap();
    log.commit().unwrap_err();
    drop(log);
    disk.set_faults(Faults::default());
    // Only the process fell: the second entry reads back, and is not on the disk.
    let (mut found, _) = recovered(&disk).unwrap();
    assert_eq!(found.last_zxid, Zxid(2));
    let unrepaired = disk.fork();
    unrepaired.crash(0);
    assert_eq!(last_zxid(&unrepaired), Ok(1));
    repair(&disk, &disk, &mut found.repairs).unwrap();
    for seed in 0..20 {
        let fork = disk.fork();
        fork.crash(seed);
        assert_eq!(last_zxid(&fork), Ok(2));
    }
}

#[test]
fn a_log_that_was_closed_needs_no_repair() {
    let disk = directory(&[]);
    let mut log = TxnLog::new(Arc::new(disk.clone()), SMALL, Vec::new());
    log.append(Zxid(1), &body(&txn(1, 9))).unwrap();
    log.close().unwrap();
    assert_eq!(recovered(&disk).unwrap().0.repairs, Repairs::default());
}

#[test]
fn what_gives_room_goes_first_whatever_becomes_of_the_logs() {
    let (snap, log) = (directory(&[]), MemoryDisk::new("/logs"));
    snap.put(&names::temporary_name("snapshot.5"), &[1; 5000]);
    let mut open = log_file(1..=5);
    open.resize(open.len() + 5000, 0);
    log.put("log.1", &open);
    let mut found = recover(&snap, &log, RecoveryOptions::default(), &mut Tree::default()).unwrap();
    log.set_faults(Faults { read_only: true, ..Faults::default() });
    repair(&snap, &log, &mut found.repairs).unwrap_err();
    assert_eq!(snap.list().unwrap().len(), 1, "only snapshot.0 is left");
    assert_eq!(found.repairs.leftovers, Vec::<String>::new());
    let left = found.repairs.logs;
    assert!(matches!(&left[..], [LogRepair::Rewrite { .. }]), "{left:?}");
    assert_eq!(LogRepair::postponed(left), None, "what was read of the log may not be on the disk");
}

#[test]
fn a_leftover_that_cannot_be_removed_is_no_reason_to_be_without_the_logs() {
    let (snap, log) = (directory(&[]), MemoryDisk::new("/logs"));
    let leftover = names::temporary_name("snapshot.5");
    snap.put(&leftover, b"half");
    log.put("log.1", &[log_file(1..=5), vec![0; 5000]].concat());
    let mut found = recover(&snap, &log, RecoveryOptions::default(), &mut Tree::default()).unwrap();
    snap.set_faults(Faults { read_only: true, ..Faults::default() });
    repair(&snap, &log, &mut found.repairs).unwrap_err();
    assert_eq!(found.repairs, Repairs { leftovers: vec![leftover], ..Repairs::default() });
    assert_eq!(LogRepair::postponed(found.repairs.logs), Some(Vec::new()), "the start goes on");
    assert!(log.content("log.1").unwrap().len() < 5000, "what is behind its entries is gone");
}

#[test]
fn what_a_start_may_leave_to_the_log_writer() {
    let remove = |name: String| LogRepair::Remove { name };
    let rewrite = |from| LogRepair::Rewrite { name: log_name(1), from, len: 100 };
    let cut = LogRepair::Truncate { name: log_name(1), len: 100 };
    let temporary = remove(names::temporary_name("log.9"));
    // By its next file a half-written one may be of the present.
    let left = LogRepair::postponed(vec![temporary.clone(), remove(log_name(9)), cut.clone(), rewrite(100)]);
    assert_eq!(left, Some(vec![remove(log_name(9)), cut, rewrite(100)]));
    assert_eq!(LogRepair::postponed(vec![temporary, rewrite(99)]), None);
}

#[test]
fn a_snapshot_and_logs_that_nobody_has_synced_are_stored_before_they_are_vouched_for() {
    // As the official server leaves them, but for the log that is cut: rolled, and whole.
    let disk = directory(&[]);
    let unsynced = |name: &str, content: &[u8]| {
        let mut file = disk.create_stream(name).unwrap();
        file.write(content).unwrap();
    };
    write_snapshot(&disk, 5, Compression::None);
    let snapshot = disk.content("snapshot.5").unwrap();
    disk.remove("snapshot.5").unwrap();
    unsynced("snapshot.5", &snapshot);
    unsynced("log.6", &log_file(6..=7));
    unsynced("log.8", &log_file(8..=9));
    let (mut found, _) = recovered(&disk).unwrap();
    assert_eq!(found.logs, ["log.6", "log.8"]);
    repair(&disk, &disk, &mut found.repairs).unwrap();
    vouch(&disk, &disk, &found).unwrap();
    for seed in 0..20 {
        let fork = disk.fork();
        fork.crash(seed);
        assert_eq!(last_zxid(&fork), Ok(9));
        assert_eq!(recovered(&fork).unwrap().0.snapshot.unwrap().name, "snapshot.5");
    }
}

/// A log that was not closed, of which nobody says how much is stored: what shows that stays until all of it is.
#[test]
fn a_repair_that_fails_is_not_forgotten_by_the_next_start() {
    let disk = directory(&[]);
    let mut file = disk.create_stream("log.1").unwrap();
    file.write(&[log_file(1..=5), vec![0; 5000]].concat()).unwrap();
    drop(file);
    let (mut found, _) = recovered(&disk).unwrap();
    disk.set_faults(Faults { failing_sync: true, ..Faults::default() });
    repair(&disk, &disk, &mut found.repairs).unwrap_err();
    disk.set_faults(Faults::default());
    let (mut found, _) = recovered(&disk).unwrap();
    repair(&disk, &disk, &mut found.repairs).unwrap();
    vouch(&disk, &disk, &found).unwrap();
    for seed in 0..20 {
        let fork = disk.fork();
        fork.crash(seed);
        assert_eq!(last_zxid(&fork), Ok(found.last_zxid.0), "what was vouched for");
    }
}

/// What a start says of these two files, with one thread and with two.
fn read_both_ways(dir: &std::path::Path, snapshot: &[u8], log: &[u8]) {
    let files = [("snapshot.384", snapshot), ("log.385", log)];
    let real = crate::storage::RealDisk::open(dir).unwrap();
    let memory = MemoryDisk::new(dir.to_str().unwrap());
    for (name, content) in files {
        std::fs::write(dir.join(name), content).unwrap();
        memory.put(name, content);
    }
    let read = |disk: &dyn Disk| {
        let mut tree = Tree::default();
        let result = recover(disk, disk, RecoveryOptions::default(), &mut tree);
        let result = result.map(|recovered| Recovered { repairs: Repairs::default(), ..recovered });
        (result.map_err(|error| error.to_string()), tree)
    };
    assert_eq!(read(&real), read(&memory));
}

#[test]
fn two_threads_read_what_one_does_and_name_the_same_damage() {
    const SNAPSHOT: i64 = 900;
    let dir = tempfile::tempdir().unwrap();
    let disk = MemoryDisk::new("/d");
    // Several batches of each.
    let mut writer =
        crate::storage::SnapshotWriter::create(Arc::new(disk.clone()), Zxid(SNAPSHOT), Compression::None)
            .unwrap();
    writer.write(&crate::storage::testing::snapshot_body(1..=5000)).unwrap();
    let snapshot = disk.content(&writer.finish(&SnapshotTail::default()).unwrap().name).unwrap();
    let txns = |last: i64| (SNAPSHOT + 1..=last).map(|zxid| txn(zxid, 200)).collect::<Vec<_>>();
    let log = log_of(&txns(SNAPSHOT + 2000));
    read_both_ways(dir.path(), &snapshot, &log);
    for part in 1..16 {
        let flipped = |file: &[u8]| {
            let mut file = file.to_vec();
            let at = file.len() / 16 * part;
            file[at] ^= 0x10;
            file
        };
        read_both_ways(dir.path(), &flipped(&snapshot), &log);
        read_both_ways(dir.path(), &snapshot[..snapshot.len() / 16 * part], &log);
        read_both_ways(dir.path(), &snapshot, &flipped(&log));
        read_both_ways(dir.path(), &snapshot, &log[..log.len() / 16 * part]);
    }
    // What a sink refuses: a node that is there twice, and a transaction in the midst of others.
    let mut forbidden = txns(SNAPSHOT + 1999);
    let Txn::Create(create) = &mut forbidden[1000].txn else { panic!("a create") };
    create.path = "/forbidden".into();
    read_both_ways(dir.path(), &snapshot, &log_of(&forbidden));
    let hole: Vec<_> = txns(SNAPSHOT + 1999).into_iter().filter(|txn| txn.header.zxid.0 != 1500).collect();
    read_both_ways(dir.path(), &snapshot, &log_of(&hole));
}
