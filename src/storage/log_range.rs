//! Reads a part of the history out of the logs, for a learner that lags, while the last of them is being written.
//!
//! Invariant: what is handed out follows without a hole on the transaction that was asked for, each once, up to the last;
//! nothing that a fetched snapshot may have overruled is among it.

use super::{
    disk::{Disk, list},
    error::StoreError,
    log_cursor::LogCursor,
    log_reader::{Entry, entry_len},
    names::SnapshotName,
    recovery::follows,
};
use bytes::Bytes;
use oxkeeper_codec::{OpCode, Zxid};
use std::sync::Arc;

/// What the logs have behind a transaction.
#[derive(Debug)]
pub enum LogSearch {
    /// All of it.
    Found(LogRange),
    /// They do not have that transaction, or not all behind it up to the last.
    Missing,
    /// It is more than was allowed.
    TooLong,
}

/// Transactions in the logs, to be read in order.
#[derive(Debug)]
pub struct LogRange {
    cursor: LogCursor,
    /// The last one that was handed out.
    last: Zxid,
    until: Zxid,
    /// How many bytes the entries take in the files, without what is allocated behind them.
    pub bytes: u64,
    /// How many there are.
    pub txns: u64,
}

/// Looks for all transactions behind `from` up to `until`, which is synced. The logs have `from` if one of them has an entry of
/// it; or if it is counter 0 of an epoch, and they have the first transaction of that. With more than `max_bytes` of
/// them the search ends early.
///
/// # Errors
/// The disk cannot be read.
pub fn search_log(
    snap_disk: &dyn Disk,
    log_disk: &Arc<dyn Disk>,
    (from, until): (Zxid, Zxid),
    max_bytes: u64,
) -> Result<LogSearch, StoreError> {
    let mut cursor = LogCursor::open(Arc::clone(log_disk), from)?;
    let mut is_there = from.counter() == 0 && from > Zxid::ZERO;
    let mut start = None;
    let (mut last, mut bytes, mut txns) = (from, 0, 0);
    let mut overruled = fetched_before(snap_disk, from, until)?;
    while last < until {
        let before = cursor.position();
        let Some(Entry { zxid, op, body, .. }) = cursor.next_entry()? else { return Ok(LogSearch::Missing) };
        is_there |= zxid == from;
        if zxid <= last {
            // Before what was asked for, or an error that repeats a number.
            if txns > 0 && op != OpCode::ERROR {
                return Ok(LogSearch::Missing);
            }
            continue;
        }
        if !is_there || !follows(last, zxid) {
            return Ok(LogSearch::Missing);
        }
        overruled.retain(|&snapshot| snapshot != zxid);
        if overruled.iter().any(|&snapshot| snapshot < zxid) {
            return Ok(LogSearch::Missing);
        }
        start.get_or_insert(before);
        bytes += entry_len(body);
        txns += 1;
        last = zxid;
        if bytes > max_bytes {
            return Ok(LogSearch::TooLong);
        }
    }
    let Some(start) = start.filter(|_| last == until) else { return Ok(LogSearch::Missing) };
    cursor.go_to(start);
    Ok(LogSearch::Found(LogRange { cursor, last: from, until, bytes, txns }))
}

/// The snapshots in between. Those of which the logs do not have the transaction were fetched from a leader, and may have
/// overruled what was logged before.
fn fetched_before(disk: &dyn Disk, from: Zxid, until: Zxid) -> Result<Vec<Zxid>, StoreError> {
    let files = list(disk)?;
    let zxids = files.iter().filter_map(|file| Some(SnapshotName::parse(&file.name)?.zxid));
    Ok(zxids.filter(|&zxid| from < zxid && zxid <= until).collect())
}

impl LogRange {
    /// The next transaction: header, record and digest; `None` behind the last.
    ///
    /// # Errors
    /// The disk cannot be read, or the logs have changed since the search: some were purged, say. Who was to have them
    /// needs a snapshot.
    pub fn next_txn(&mut self) -> Result<Option<(Zxid, Bytes)>, StoreError> {
        while self.last < self.until {
            let Some(Entry { zxid, body, .. }) = self.cursor.next_entry()? else {
                return Err(self.cursor.gone());
            };
            if zxid > self.last {
                let body = Bytes::copy_from_slice(body);
                self.last = zxid;
                return Ok(Some((zxid, body)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
