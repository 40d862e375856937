//! What a leader reads for a learner.

use super::*;
use crate::storage::{
    Compression, LogOptions, MemoryDisk, TxnLog, log_name,
    testing::{SMALL, body, directory, log_file, txn, write_snapshot},
};

const EPOCH: i64 = 1 << 32;

fn search(disk: &MemoryDisk, from: i64, until: i64, max_bytes: u64) -> LogSearch {
    let logs: Arc<dyn Disk> = Arc::new(disk.clone());
    search_log(disk, &logs, (Zxid(from), Zxid(until)), max_bytes).unwrap()
}

/// The transactions that are found; each is as it was logged.
fn found(disk: &MemoryDisk, from: i64, until: i64) -> Option<Vec<i64>> {
    let LogSearch::Found(mut range) = search(disk, from, until, u64::MAX) else { return None };
    let (mut zxids, mut bytes) = (Vec::new(), 0);
    while let Some((zxid, found)) = range.next_txn().unwrap() {
        assert_eq!(found, body(&txn(zxid.0, 20)));
        bytes += entry_len(&found);
        zxids.push(zxid.0);
    }
    assert_eq!((bytes, zxids.len()), (range.bytes, usize::try_from(range.txns).unwrap()));
    Some(zxids)
}

#[test]
fn all_behind_a_transaction_up_to_another() {
    let disk =
        directory(&[("log.1", &log_file(1..=5)), ("log.6", &log_file(6..=9)), ("log.a", &log_file([10]))]);
    write_snapshot(&disk, 5, Compression::None);
    for from in 1..10 {
        for until in from + 1..=10 {
            assert_eq!(found(&disk, from, until), Some((from + 1..=until).collect()), "{from} to {until}");
        }
    }
    assert_eq!(found(&disk, 0, 5), None, "no log has it");
    assert_eq!(found(&disk, 5, 11), None, "the last is not there");
    disk.remove("log.1").unwrap();
    assert_eq!(found(&disk, 5, 10), None);
    assert_eq!(found(&disk, 6, 10), Some(vec![7, 8, 9, 10]));
    disk.remove("log.6").unwrap();
    assert_eq!(found(&disk, 9, 10), None);
}

#[test]
fn holes_damage_and_torn_tails() {
    let log = log_file(1..=5);
    let files = |first: &[u8], next: i64| {
        directory(&[("log.1", first), (&log_name(Zxid(next)), &log_file(next..=9))])
    };
    assert_eq!(found(&files(&log, 7), 3, 9), None, "a hole");
    assert_eq!(found(&files(&log[..350], 6), 1, 9), None, "a cut log");
    let mut damaged = log.clone();
    damaged[300] ^= 1;
    assert_eq!(found(&files(&damaged, 6), 1, 9), None);
    let mut torn = log;
    torn.truncate(torn.iter().rposition(|&byte| byte != 0).unwrap());
    assert_eq!(found(&files(&torn, 5), 2, 9), Some((3..=9).collect()), "the next one goes on");
}

#[test]
fn what_a_fetched_snapshot_may_have_overruled_is_not_sent() {
    let txns = [1, 2, 3, EPOCH + 1, EPOCH + 2];
    let disk = directory(&[("log.1", &log_file(txns))]);
    assert_eq!(found(&disk, 2, EPOCH + 2), Some(vec![3, EPOCH + 1, EPOCH + 2]));
    assert_eq!(found(&disk, EPOCH, EPOCH + 2), Some(vec![EPOCH + 1, EPOCH + 2]), "the epoch begins there");
    assert_eq!(found(&disk, 2 * EPOCH, 2 * EPOCH + 1), None);
    write_snapshot(&disk, 3, Compression::None);
    write_snapshot(&disk, EPOCH, Compression::None);
    assert_eq!(found(&disk, 2, EPOCH + 2), None);
    assert_eq!(found(&disk, 2, 3), Some(vec![3]));
    assert_eq!(found(&disk, EPOCH, EPOCH + 2), Some(vec![EPOCH + 1, EPOCH + 2]));
}

#[test]
fn a_search_ends_early_where_it_is_too_much() {
    let disk = directory(&[("log.1", &log_file(1..=5))]);
    let LogSearch::Found(range) = search(&disk, 1, 5, u64::MAX) else { panic!("all are there") };
    assert!(matches!(search(&disk, 1, 5, range.bytes), LogSearch::Found(_)));
    assert!(matches!(search(&disk, 1, 5, range.bytes - 1), LogSearch::TooLong));
}

#[test]
fn a_log_that_is_being_written_and_long_entries() {
    let disk = directory(&[]);
    let options = LogOptions { prealloc_bytes: 1 << 20, ..SMALL };
    let mut log = TxnLog::new(Arc::new(disk.clone()), options, Vec::new());
    let append = |log: &mut TxnLog, zxid| {
        let len = if zxid % 3 == 0 { 700_000 } else { 100 };
        log.append(Zxid(zxid), &body(&txn(zxid, len))).unwrap();
        log.commit().unwrap();
    };
    (1..=4).for_each(|zxid| append(&mut log, zxid));
    let LogSearch::Found(mut range) = search(&disk, 1, 4, u64::MAX) else { panic!("all are there") };
    log.roll();
    (5..=9).for_each(|zxid| append(&mut log, zxid));
    let mut zxids = Vec::new();
    while let Some((zxid, body)) = range.next_txn().unwrap() {
        assert_eq!(body.len() > 700_000, zxid.0 % 3 == 0);
        assert!(range.cursor.buffer.len() <= 800_000);
        zxids.push(zxid.0);
    }
    assert_eq!(zxids, [2, 3, 4]);
    let LogSearch::Found(mut range) = search(&disk, 2, 9, u64::MAX) else { panic!("all are there") };
    assert_eq!(range.next_txn().unwrap().map(|(zxid, _)| zxid), Some(Zxid(3)));
    disk.remove("log.5").unwrap();
    assert_eq!(range.next_txn().unwrap().map(|(zxid, _)| zxid), Some(Zxid(4)));
    assert!(range.next_txn().is_err(), "purged meanwhile");
}
