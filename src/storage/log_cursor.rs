//! Goes through the logs while the last of them is being written, perhaps by another process.
//!
//! Logs are not mapped here, but read in pieces: a map must not outlive a truncation, and the memory is to be bounded by one
//! piece, or one entry where that is longer.

use super::{
    disk::{Disk, list, sorted_logs},
    error::StoreError,
    log_reader::{Entry, LogReader, OpenError, entry_at, offset},
    tail,
};
use oxkeeper_codec::{
    Zxid,
    file::{ENTRY_HEADER_LEN, FILE_HEADER_LEN},
};
use std::{collections::VecDeque, io, sync::Arc};

/// So much is read at once.
const PIECE_LEN: usize = 256 << 10;

/// A place in a log: how many logs came before it, and the offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    log: usize,
    offset: u64,
}

/// Goes through the entries of several logs.
#[derive(Debug)]
pub struct LogCursor {
    disk: Arc<dyn Disk>,
    logs: VecDeque<String>,
    log: usize,
    /// Where the buffer starts in the file.
    base: u64,
    pub(super) buffer: Vec<u8>,
    /// What was consumed of the buffer.
    pos: usize,
    /// Where the last log that was left had no entry any more.
    end: Position,
}

impl LogCursor {
    /// Begins with the last log that may have this transaction.
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn open(disk: Arc<dyn Disk>, from: Zxid) -> Result<Self, StoreError> {
        let mut logs = sorted_logs(&list(&*disk)?);
        let begun = logs.partition_point(|&(first, _)| first <= from);
        let logs = logs.split_off(begun.saturating_sub(1)).into_iter().map(|(_, name)| name).collect();
        let begin = Position { log: 0, offset: FILE_HEADER_LEN as u64 };
        let mut cursor = Self { disk, logs, log: 0, base: 0, buffer: Vec::new(), pos: 0, end: begin };
        cursor.go_to(begin);
        Ok(cursor)
    }

    pub(super) fn position(&self) -> Position {
        Position { log: self.log, offset: self.base + offset(self.pos) }
    }

    pub(super) fn go_to(&mut self, Position { log, offset }: Position) {
        self.log = log;
        self.base = offset;
        self.buffer.clear();
        self.pos = 0;
    }

    /// The next whole entry, in this log or the next. What is none ends its log: whether that was its end, the
    /// next entry tells, or [`LogCursor::check_end`].
    ///
    /// # Errors
    /// The disk cannot be read.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, StoreError> {
        while self.log < self.logs.len() {
            if self.fill()? {
                let at = self.pos;
                if let Ok((header, body)) = entry_at(&self.buffer, at) {
                    let range = at + ENTRY_HEADER_LEN..at + ENTRY_HEADER_LEN + body.len();
                    self.pos = range.end + 1;
                    let offset = self.base + offset(at);
                    let body = &self.buffer[range];
                    return Ok(Some(Entry { offset, zxid: header.zxid, op: header.op, body }));
                }
            }
            self.end = self.position();
            self.go_to(Position { log: self.log + 1, offset: FILE_HEADER_LEN as u64 });
        }
        Ok(None)
    }

    /// Whether the last log ended as logs do, once [`LogCursor::next_entry`] has returned `None`: with its file, with zeros, or with
    /// what a crash has left of an entry. Where it is none of the first two, all of it is read.
    ///
    /// # Errors
    /// It is damaged there, or the disk cannot be read.
    pub fn check_end(&self) -> Result<(), StoreError> {
        let Some(name) = self.logs.get(self.end.log) else { return Ok(()) };
        let failed = |source| StoreError::io("read", self.disk.path(name), source);
        let next = self.disk.read_range(name, self.end.offset, ENTRY_HEADER_LEN).map_err(failed)?;
        if next.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        let log = self.disk.read_range(name, 0, usize::MAX).map_err(failed)?;
        let damaged = |damage| StoreError::damaged(self.disk.path(name), damage);
        let mut reader = match LogReader::new(&log) {
            Ok(reader) => reader,
            Err(OpenError::Damage(damage)) => return Err(damaged(damage)),
            Err(OpenError::Version(found)) => {
                return Err(StoreError::WrongVersion { path: self.disk.path(name), found });
            }
        };
        while reader.next_entry().map_err(damaged)?.is_some() {}
        Ok(())
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
    pub(super) fn gone(&self) -> StoreError {
        let name = self.logs.back().map_or("", |name| name.as_str());
        let source = io::Error::new(io::ErrorKind::UnexpectedEof, "transactions that it had are gone");
        StoreError::io("read", self.disk.path(name), source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        MemoryDisk,
        testing::{directory, log_file},
    };

    /// Goes to the end of these logs: how many entries there are, and whether that is really their end.
    fn walked(disk: &MemoryDisk) -> (usize, Result<(), StoreError>) {
        let mut cursor = LogCursor::open(Arc::new(disk.clone()), Zxid(1)).expect("a disk");
        let mut entries = 0;
        while cursor.next_entry().expect("a disk").is_some() {
            entries += 1;
        }
        (entries, cursor.check_end())
    }

    #[test]
    fn the_end_of_the_last_log_is_one_or_damage() {
        let entries_alone = |zxids| {
            let mut log = log_file(zxids);
            log.truncate(log.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
            log
        };
        let (whole, last) = (entries_alone(1..=5), entries_alone(6..=9));
        let with_last = |last: &[u8]| directory(&[("log.1", &whole), ("log.6", last)]);
        let (entries, end) = walked(&with_last(&last));
        assert!(entries == 9 && end.is_ok(), "{entries}, {end:?}: it ends with the file");
        let (_, end) = walked(&with_last(&[&last[..], &[0; 600]].concat()));
        assert!(end.is_ok(), "{end:?}: it ends with zeros");
        let (entries, end) = walked(&with_last(&last[..last.len() - 7]));
        assert!(entries == 8 && end.is_ok(), "{entries}, {end:?}: torn");
        let mut flipped = last;
        flipped[FILE_HEADER_LEN + 20] ^= 1;
        let (entries, end) = walked(&with_last(&flipped));
        assert_eq!(entries, 5, "of the first log alone");
        assert!(matches!(end, Err(StoreError::Damaged { .. })), "{end:?}");
    }
}
