//! A snapshot on a disk that crashes, fails or fills up.

use super::*;
use crate::storage::{
    MemoryDisk,
    memory::Faults,
    testing::{directory, last_zxid, log_file, snapshot_body},
};

/// Writes `snapshot.5` in small pieces and calls `each` after every one of them.
fn write(disk: &MemoryDisk, mut each: impl FnMut()) -> Result<SnapshotWritten, StoreError> {
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), Zxid(5), Compression::None)?;
    each();
    for piece in snapshot_body(1..=5).chunks(50) {
        writer.write(piece)?;
        each();
    }
    writer.finish(&SnapshotTail::default())
}

#[test]
fn a_crash_leaves_the_whole_snapshot_or_none() {
    let disk = directory(&[("log.1", &log_file(1..=5))]);
    let crashes = |disk: &MemoryDisk| {
        (0..50)
            .map(|seed| {
                let fork = disk.fork();
                fork.crash(seed);
                assert_eq!(last_zxid(&fork), Ok(5));
                fork.content("snapshot.5").is_some()
            })
            .collect::<Vec<_>>()
    };
    let written = write(&disk, || assert!(!crashes(&disk).contains(&true), "not whole yet")).unwrap();
    assert_eq!(written.name, "snapshot.5");
    assert!(!crashes(&disk).contains(&false), "whole, durable and named");
}

#[test]
fn a_full_or_failing_disk_leaves_nothing() {
    let full = |disk: &MemoryDisk| Faults { capacity: Some(disk.used() + 100), ..Faults::default() };
    let failing = |_: &MemoryDisk| Faults { failing_sync: true, ..Faults::default() };
    let read_only = |_: &MemoryDisk| Faults { read_only: true, ..Faults::default() };
    let cases: [&dyn Fn(&MemoryDisk) -> Faults; 3] = [&full, &failing, &read_only];
    for faults in cases {
        let disk = directory(&[("log.1", &log_file(1..=5))]);
        let before = disk.list().unwrap();
        disk.set_faults(faults(&disk));
        let error = write(&disk, || ()).unwrap_err();
        assert!(error.to_string().contains("/d/snapshot.5"), "{error}");
        assert_eq!(disk.list().unwrap(), before);
        disk.set_faults(Faults::default());
        write(&disk, || ()).unwrap();
        assert_eq!(last_zxid(&disk), Ok(5));
    }
}
