//! Which files go.

use super::*;
use crate::storage::{
    MemoryDisk,
    testing::{last_zxid, log_file, write_snapshot},
};

fn plan(snapshots: &[i64], logs: &[i64], keep: usize) -> PurgePlan {
    let snapshots: Vec<_> = snapshots
        .iter()
        .map(|&zxid| SnapshotName { zxid: Zxid(zxid), compression: Compression::None })
        .collect();
    PurgePlan::new(&snapshots, &logs.iter().copied().map(Zxid).collect::<Vec<_>>(), keep)
}

#[test]
fn keeps_what_replay_from_the_oldest_kept_snapshot_needs() {
    let plan = plan(&[0, 10, 20, 30, 40], &[1, 8, 21, 31, 41], 3);
    assert_eq!(plan.snapshots, ["snapshot.0", "snapshot.a"]);
    assert_eq!(plan.logs, ["log.1"]);
}

#[test]
fn never_fewer_than_three_snapshots() {
    assert_eq!(plan(&[1, 2, 3], &[1, 2, 3], 1), PurgePlan::default());
    assert_eq!(plan(&[1, 2, 3, 4], &[], 0).snapshots, ["snapshot.1"]);
    assert_eq!(plan(&[], &[1, 2, 3], 3), PurgePlan::default());
}

#[test]
fn the_rest_still_starts_even_when_two_snapshots_are_damaged() {
    let disk = MemoryDisk::new("/d");
    for zxid in [0, 10, 20, 30, 40] {
        write_snapshot(&disk, zxid, Compression::None);
        disk.put(&names::log_name(Zxid(zxid + 1)), &log_file(zxid + 1..=zxid + 10));
    }
    purge(&disk, &disk, 3).unwrap();
    assert_eq!(last_zxid(&disk), Ok(50));
    disk.put("snapshot.28", b"damaged");
    disk.put("snapshot.1e", b"damaged");
    assert_eq!(last_zxid(&disk), Ok(50));
    assert!(disk.content("snapshot.a").is_none());
}

#[test]
fn a_damaged_snapshot_does_not_count() {
    let disk = MemoryDisk::new("/d");
    for zxid in [10, 20, 30] {
        write_snapshot(&disk, zxid, Compression::Gzip);
    }
    disk.put("snapshot.28", b"");
    disk.put("snapshot.29", b"0123456789abcdefghi");
    assert_eq!(purge(&disk, &disk, 3).unwrap(), PurgePlan::default());
}

#[test]
fn a_packed_snapshot_that_was_cut_does_not_count() {
    for compression in [Compression::Gzip, Compression::Snappy] {
        let disk = MemoryDisk::new("/d");
        for zxid in [10, 20, 30, 40] {
            write_snapshot(&disk, zxid, compression);
        }
        let newest = SnapshotName { zxid: Zxid(40), compression }.file_name();
        let content = disk.content(&newest).unwrap();
        for cut in 0..content.len() {
            disk.put(&newest, &content[..cut]);
            assert_eq!(purge(&disk, &disk, 3).unwrap(), PurgePlan::default(), "{newest} cut at {cut}");
        }
        disk.put(&newest, &content);
        let oldest = SnapshotName { zxid: Zxid(10), compression }.file_name();
        assert_eq!(purge(&disk, &disk, 3).unwrap().snapshots, [oldest]);
    }
}

/// As an official server writes them: nothing is synced.
#[test]
fn what_is_kept_is_durable_before_anything_goes() {
    let disk = MemoryDisk::new("/d");
    disk.put("log.1", &log_file(1..=50));
    write_snapshot(&disk, 0, Compression::None);
    for zxid in [10, 20, 30, 40] {
        let name = format!("snapshot.{zxid:x}");
        let other = MemoryDisk::new("/other");
        write_snapshot(&other, zxid, Compression::None);
        disk.create_stream(&name).unwrap().write(&other.content(&name).unwrap()).unwrap();
    }
    let plan = purge(&disk, &disk, 3).unwrap();
    assert_eq!(plan.snapshots, ["snapshot.0", "snapshot.a"]);
    for seed in 0..20 {
        let fork = disk.fork();
        fork.crash(seed);
        assert_eq!(last_zxid(&fork), Ok(50));
    }
}
