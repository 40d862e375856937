//! The real disk in a scratch directory.

use super::*;
use crate::storage::{
    Compression, LogOptions, MemoryDisk, SnapshotTail, SnapshotWriter, TxnLog, replace_file,
    testing::{body, last_zxid, recovered, snapshot_body, txn},
};
use oxkeeper_codec::Zxid;
use std::os::unix::fs::MetadataExt;

fn scratch() -> (tempfile::TempDir, Arc<RealDisk>) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::open(&dir.path().join("data/version-2")).unwrap());
    (dir, disk)
}

fn snapshot_zero(disk: &Arc<RealDisk>) {
    let mut writer = SnapshotWriter::create(disk.clone(), Zxid(0), Compression::None).unwrap();
    writer.write(&snapshot_body([])).unwrap();
    writer.finish(&SnapshotTail::default()).unwrap();
}

#[test]
fn logs_and_snapshots_round_trip() {
    let (_dir, disk) = scratch();
    snapshot_zero(&disk);
    let mut log = TxnLog::new(disk.clone(), LogOptions::default(), Vec::new());
    // 12 MB, in batches of seven.
    for zxid in 1..=1200i64 {
        log.append(Zxid(zxid), &body(&txn(zxid, 10_000))).unwrap();
        if zxid % 7 == 0 {
            log.commit().unwrap();
        }
    }
    log.commit().unwrap();
    let (found, tree) = recovered(&*disk).unwrap();
    assert_eq!((found.last_zxid, tree.zxids.len()), (Zxid(1200), 1200));
    log.close().unwrap();
    assert_eq!(last_zxid(&*disk), Ok(1200));
}

#[test]
fn a_log_is_the_same_as_in_memory() {
    let (_dir, disk) = scratch();
    let memory = Arc::new(MemoryDisk::new("/d"));
    let mut logs = [
        TxnLog::new(
            disk.clone(),
            LogOptions { prealloc_bytes: 8 << 20, ..LogOptions::default() },
            Vec::new(),
        ),
        TxnLog::new(
            memory.clone(),
            LogOptions { prealloc_bytes: 8 << 20, ..LogOptions::default() },
            Vec::new(),
        ),
    ];
    for log in &mut logs {
        for zxid in 1..=500 {
            log.append(Zxid(zxid), &body(&txn(zxid, 10_000))).unwrap();
            log.commit().unwrap();
        }
    }
    assert!(disk.read("log.1").unwrap() == memory.content("log.1").unwrap());
}

#[test]
fn room_is_really_allocated() {
    let (_dir, disk) = scratch();
    let mut file = disk.create_log("log.1").unwrap();
    file.allocate(16 << 20).unwrap();
    let metadata = fs::metadata(disk.path("log.1")).unwrap();
    assert_eq!(metadata.len(), 16 << 20);
    assert!(metadata.blocks() * 512 >= 16 << 20, "no hole");
}

#[test]
fn zeros_written_ahead_never_touch_what_was_appended() {
    let (_dir, disk) = scratch();
    let mut file = disk.create_log("log.1").unwrap();
    let len: usize = 24 << 20;
    file.allocate(len as u64).unwrap();
    let mut at = 0;
    let mut step = 1;
    // Only a log that is synced has zeros written ahead.
    file.sync().unwrap();
    // Steps of any size, slower and faster than the thread.
    while at + step < len {
        file.write_at(at as u64, &vec![0xaa; step]).unwrap();
        at += step;
        step = (step * 7 + 13) % 150_000 + 1;
    }
    file.sync().unwrap();
    drop(file);
    let content = disk.read("log.1").unwrap();
    assert!(content[..at].iter().all(|&byte| byte == 0xaa));
    assert!(content[at..].iter().all(|&byte| byte == 0));
}

#[test]
fn the_note_follows_the_syncs_at_a_distance_and_catches_up_at_the_end() {
    let (_dir, disk) = scratch();
    let mut file = disk.create_log("log.1").unwrap();
    file.allocate(1 << 20).unwrap();
    let mut at = 0;
    let mut write = |file: &mut Box<dyn LogFile>, len: u64| {
        file.write_at(at, &vec![0xaa; usize::try_from(len).unwrap()]).unwrap();
        at += len;
    };
    for (len, noted) in
        [(1000, 1000), (1000, 1000), (NOTE_BEHIND, NOTE_BEHIND + 2000), (10, NOTE_BEHIND + 2000)]
    {
        write(&mut file, len);
        file.sync().unwrap();
        assert_eq!(disk.stored("log.1"), Stored::Through(noted));
    }
    write(&mut file, 10);
    file.trim(NOTE_BEHIND + 2020).unwrap();
    assert_eq!(disk.stored("log.1"), Stored::Through(NOTE_BEHIND + 2000), "its end was not synced");
    file.sync().unwrap();
    file.trim(NOTE_BEHIND + 2020).unwrap();
    assert_eq!(disk.stored("log.1"), Stored::Through(NOTE_BEHIND + 2020));
}

#[test]
fn truncated_while_zeros_are_written() {
    let (_dir, disk) = scratch();
    for round in 0..20 {
        let name = format!("log.{round}");
        let mut file = disk.create_log(&name).unwrap();
        file.allocate(16 << 20).unwrap();
        file.sync().unwrap();
        file.write_at(0, &[1; 100]).unwrap();
        file.truncate(50).unwrap();
        assert_eq!(disk.read(&name).unwrap(), vec![1; 50]);
    }
}

#[test]
fn a_second_server_does_not_start_on_the_directory() {
    let (dir, disk) = scratch();
    let path = dir.path().join("data/version-2");
    assert!(matches!(RealDisk::open(&path), Err(StoreError::InUse { .. })));
    assert_eq!(disk.list().unwrap(), [], "the lock leaves no file behind");
    drop(disk);
    RealDisk::open(&path).unwrap();
}

#[test]
fn a_log_is_never_overwritten() {
    let (_dir, disk) = scratch();
    fs::write(disk.path("log.1"), "precious").unwrap();
    let mut log = TxnLog::new(disk.clone(), LogOptions::default(), Vec::new());
    log.append(Zxid(1), &body(&txn(1, 1))).unwrap();
    log.commit().unwrap_err();
    log.retry().unwrap_err();
    assert_eq!(fs::read(disk.path("log.1")).unwrap(), b"precious");
}

#[test]
fn a_file_shortened_by_someone_else_is_an_error_and_no_signal() {
    let (_dir, disk) = scratch();
    let mut file = disk.create_log("log.1").unwrap();
    file.allocate(1 << 20).unwrap();
    file.write_at(0, &[1; 10]).unwrap();
    OpenOptions::new().write(true).open(disk.path("log.1")).unwrap().set_len(0).unwrap();
    // The write lengthens the file again.
    file.write_at(500_000, &[2; 10]).unwrap();
    file.sync().unwrap();
    assert_eq!(disk.read_range("log.1", 500_000, 10).unwrap(), [2; 10]);
}

#[test]
fn files_are_replaced_as_a_whole() {
    let (_dir, disk) = scratch();
    for content in ["1", "22"] {
        replace_file(&*disk, "currentEpoch", content.as_bytes()).unwrap();
        assert_eq!(disk.read("currentEpoch").unwrap(), content);
    }
    assert_eq!(disk.list().unwrap().len(), 1);
}

#[test]
fn an_abandoned_snapshot_leaves_nothing_behind() {
    let (_dir, disk) = scratch();
    let mut writer = SnapshotWriter::create(disk.clone(), Zxid(7), Compression::Gzip).unwrap();
    writer.write(&[0; 100]).unwrap();
    drop(writer);
    assert_eq!(disk.list().unwrap(), []);
}

#[test]
fn directories_are_created_down_to_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b/c");
    create_dir(&deep).unwrap();
    create_dir(&deep).unwrap();
    assert!(deep.is_dir());
    fs::write(dir.path().join("file"), "").unwrap();
    let error = create_dir(&dir.path().join("file/d")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
}
