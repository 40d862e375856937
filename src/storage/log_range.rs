//! Reads a part of the history out of the logs, for a learner that lags, while the last of them is being written.
//!
//! Logs are not mapped here, but read in pieces: a map must not outlive a truncation, and the memory is to be bounded by one
//! piece, or one entry where that is longer.
//!
//! Invariant: what is handed out follows without a hole on the transaction that was asked for, each once, up to the last;
//! nothing that a fetched snapshot may have overruled is among it.

use super::{
    disk::{Disk, list, sorted_logs},
    error::StoreError,
    log_reader::{Entry, entry_at},
    names::SnapshotName,
    recovery::follows,
    tail,
};
use bytes::Bytes;
use oxkeeper_codec::{
    OpCode, Zxid,
    file::{ENTRY_HEADER_LEN, FILE_HEADER_LEN},
};
use std::{collections::VecDeque, io, sync::Arc};

/// So much is read at once.
const PIECE_LEN: usize = 256 << 10;

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
    cursor: Cursor,
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
    let mut cursor = Cursor::open(Arc::clone(log_disk), from)?;
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
        bytes += u64::try_from(ENTRY_HEADER_LEN + body.len() + 1).unwrap_or(u64::MAX);
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

/// A place in a log: how many logs are still to come behind it, and the offset.
#[derive(Debug, Clone, Copy)]
struct Position {
    log: usize,
    offset: u64,
}

/// Goes through the entries of several logs.
#[derive(Debug)]
struct Cursor {
    disk: Arc<dyn Disk>,
    logs: VecDeque<String>,
    log: usize,
    /// Where the buffer starts in the file.
    base: u64,
    buffer: Vec<u8>,
    /// What was consumed of the buffer.
    pos: usize,
}

impl Cursor {
    /// Begins with the last log that may have this transaction.
    fn open(disk: Arc<dyn Disk>, from: Zxid) -> Result<Self, StoreError> {
        let mut logs = sorted_logs(&list(&*disk)?);
        let begun = logs.partition_point(|&(first, _)| first <= from);
        let logs = logs.split_off(begun.saturating_sub(1)).into_iter().map(|(_, name)| name).collect();
        let mut cursor = Self { disk, logs, log: 0, base: 0, buffer: Vec::new(), pos: 0 };
        cursor.go_to(Position { log: 0, offset: FILE_HEADER_LEN as u64 });
        Ok(cursor)
    }

    fn position(&self) -> Position {
        Position { log: self.log, offset: self.base + u64::try_from(self.pos).unwrap_or(u64::MAX) }
    }

    fn go_to(&mut self, Position { log, offset }: Position) {
        self.log = log;
        self.base = offset;
        self.buffer.clear();
        self.pos = 0;
    }

    /// The next whole entry, in this log or the next. What is none ends its log: whether that was its end, the
    /// next entry tells.
    fn next_entry(&mut self) -> Result<Option<Entry<'_>>, StoreError> {
        while self.log < self.logs.len() {
            if self.fill()? {
                let at = self.pos;
                if let Ok((header, body)) = entry_at(&self.buffer, at) {
                    let range = at + ENTRY_HEADER_LEN..at + ENTRY_HEADER_LEN + body.len();
                    self.pos = range.end + 1;
                    let offset = self.base + u64::try_from(at).unwrap_or(u64::MAX);
                    let body = &self.buffer[range];
                    return Ok(Some(Entry { offset, zxid: header.zxid, op: header.op, body }));
                }
            }
            self.go_to(Position { log: self.log + 1, offset: FILE_HEADER_LEN as u64 });
        }
        Ok(None)
    }

    /// Has a whole entry in the buffer, as far as its length tells; false where the file does not hold one.
    fn fill(&mut self) -> Result<bool, StoreError> {
        let mut wanted = ENTRY_HEADER_LEN;
        loop {
            if self.buffer.len() - self.pos < wanted {
                self.base = self.position().offset;
                let name = &self.logs[self.log];
                let read = self.disk.read_range(name, self.base, wanted.max(PIECE_LEN));
                self.buffer = read.map_err(|source| StoreError::io("read", self.disk.path(name), source))?;
                self.pos = 0;
                if self.buffer.len() < wanted {
                    return Ok(false);
                }
            }
            let Some((_, len)) = tail::entry_header(&self.buffer[self.pos..]) else { return Ok(false) };
            let Some(len) = usize::try_from(len).ok().filter(|&len| len > 0) else { return Ok(false) };
            if wanted > ENTRY_HEADER_LEN {
                return Ok(true);
            }
            wanted = ENTRY_HEADER_LEN + len + 1;
        }
    }

    /// What was found is not there any more.
    fn gone(&self) -> StoreError {
        let name = self.logs.back().map_or("", |name| name.as_str());
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, "transactions that it had are gone");
        StoreError::io("read", self.disk.path(name), source)
    }
}

#[cfg(test)]
mod tests;
