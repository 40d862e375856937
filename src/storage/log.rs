//! Writes transaction logs (`FileTxnLog`), with one sync for all that waits.
//!
//! [`TxnLog::append`] collects; [`TxnLog::commit`] writes what was collected and syncs it; only then may it be
//! acknowledged. The layout is drawn in [`super::LogReader`].
//!
//! Invariants:
//! - an entry leaves the batch only after the sync that covers it has returned, so a failure loses none: after
//!   [`TxnLog::retry`] the same entries stand in a fresh log;
//! - after any error the file is suspect: it is cut back to its last synced entry, durably, before another file is
//!   begun, so that what is behind it can never be read again;
//! - a log is never reopened: the first commit after a start begins a file, named after its first transaction, as
//!   the official server does;
//! - what recovery found torn is cut off before the first new entry, so that the official server reads the
//!   directory too; and what it read without knowing whether it is durable is written again, in its place.

use super::{
    disk::{Disk, LogFile},
    error::StoreError,
    names::{is_temporary, log_name},
    tail::checksum,
};
use crate::topics;
use oxkeeper_codec::{
    Encode, Zxid,
    file::{END_OF_ENTRY, ENTRY_HEADER_LEN, FILE_HEADER_LEN},
};
use std::{collections::VecDeque, io, sync::Arc, time::Duration};

/// The first bytes of every log: magic, version 2, dbid 0.
pub const FILE_HEADER: [u8; FILE_HEADER_LEN] = *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0";
/// More room is allocated when less than this is left, as in `FilePadding`.
const ROOM_LEFT_MIN: u64 = 4096;
/// The step when a whole `preAllocSize` is not to be had.
const SMALL_STEP: u64 = 4096;

/// A log is written again in pieces of this length.
const REWRITE_PIECE: usize = 1 << 20;

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// `preAllocSize`: room is taken in steps of so many bytes; 0 takes what is needed.
    pub prealloc_bytes: u64,
    /// `txnLogSizeLimitInKb`: a log that is longer is followed by another.
    pub size_limit_bytes: Option<u64>,
    /// `forceSync`: whether a commit waits for the disk. Without, a crash of the system loses what was acknowledged.
    pub force_sync: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { prealloc_bytes: 64 << 20, size_limit_bytes: None, force_sync: true }
    }
}

/// What has to be done to a log before new ones are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogRepair {
    /// Write the end of the last log again. Whether what was read of it is on the disk, nobody knows: the server may
    /// have been killed before its sync, or after one that failed, and then not even a second sync stores it.
    ///
    /// It is written in its place, with what it holds: whatever of that is stored already stays as it is, also when the
    /// power fails meanwhile.
    Rewrite {
        /// The file.
        name: String,
        /// What is below this is on the disk.
        from: u64,
        /// Where its last whole entry ends. What is behind it goes.
        len: u64,
    },
    /// Cut a torn tail off.
    Truncate {
        /// The file.
        name: String,
        /// Where its last whole entry ends.
        len: u64,
    },
    /// Remove a file without a whole entry.
    Remove {
        /// The file.
        name: String,
    },
}

impl LogRepair {
    /// Does it, durably but for the name of a removed file.
    pub(super) fn run(&self, disk: &dyn Disk) -> Result<(), StoreError> {
        let (action, name, result) = match self {
            Self::Rewrite { name, from, len } => ("rewrite", name, rewrite(disk, name, *from, *len)),
            Self::Truncate { name, len } => ("truncate", name, disk.truncate(name, *len)),
            Self::Remove { name } => ("remove", name, remove_if_there(disk, name)),
        };
        result.map_err(|source| StoreError::io(action, disk.path(name), source))
    }

    /// Does these in order, and takes out each that is done.
    pub(super) fn run_all(repairs: &mut Vec<Self>, disk: &dyn Disk) -> Result<(), StoreError> {
        while let Some(repair) = repairs.first() {
            repair.run(disk)?;
            repairs.remove(0);
        }
        Ok(())
    }

    /// What a start hands to [`TxnLog::new`] of those that the disk has failed in; `None`: they cannot wait, since what was read of
    /// a log may not be on the disk, and nothing but writing it again stores it.
    ///
    /// Half-written files stay until the next start: a name of theirs may be in use by then.
    pub fn postponed(mut repairs: Vec<Self>) -> Option<Vec<Self>> {
        let cannot_wait = |repair: &Self| matches!(repair, Self::Rewrite { from, len, .. } if from < len);
        repairs.retain(|repair| !matches!(repair, Self::Remove { name } if is_temporary(name)));
        (!repairs.iter().any(cannot_wait)).then_some(repairs)
    }
}

/// What is behind the entries goes last: as long as it is there, the next start knows that it has this to do.
fn rewrite(disk: &dyn Disk, name: &str, from: u64, len: u64) -> io::Result<()> {
    let mut at = from;
    while at < len {
        let piece = usize::try_from(len - at).unwrap_or(REWRITE_PIECE).min(REWRITE_PIECE);
        let bytes = disk.read_range(name, at, piece)?;
        if bytes.len() < piece {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        disk.write_again(name, at, &bytes)?;
        at += u64::try_from(piece).map_err(io::Error::other)?;
    }
    disk.truncate(name, len)
}

fn remove_if_there(disk: &dyn Disk, name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// What a commit has made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The last transaction of it; `None` if there was nothing to commit.
    pub through: Option<Zxid>,
    /// How many entries.
    pub entries: usize,
    /// How many bytes.
    pub bytes: usize,
    /// How long the disk took to sync, as the disk reports it; for the warning and the metrics.
    pub sync_time: Duration,
}

/// Entries that are not durable yet, laid out as in the file.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Of each entry: its transaction, and where it ends in `bytes`.
    entries: VecDeque<(Zxid, usize)>,
    /// A new file begins before the entry of this index.
    roll_at: Option<usize>,
}

impl Batch {
    /// Forgets the first `count` entries: they are durable.
    fn drain(&mut self, count: usize) {
        assert!(count <= self.entries.len(), "only what was in the batch is durable");
        let end = self.end_of(count);
        self.bytes.drain(..end);
        self.entries.drain(..count);
        for (_, entry_end) in &mut self.entries {
            *entry_end -= end;
        }
        self.roll_at = self.roll_at.and_then(|at| at.checked_sub(count)).filter(|&at| at > 0);
    }

    fn end_of(&self, count: usize) -> usize {
        count.checked_sub(1).map_or(0, |last| self.entries[last].1)
    }
}

/// The log that entries go to.
#[derive(Debug)]
struct OpenLog {
    name: String,
    file: Box<dyn LogFile>,
    /// Where the last synced entry ends; 0 before the first sync.
    synced_len: u64,
    allocated_len: u64,
}

/// The writer of a directory's logs.
#[derive(Debug)]
pub struct TxnLog {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    repairs: Vec<LogRepair>,
    current: Option<OpenLog>,
    batch: Batch,
    /// An error was reported; `current`, if any, is suspect.
    failed: bool,
    last_appended: Option<Zxid>,
}

impl TxnLog {
    /// A writer for this directory. `repairs` come from recovery and are made before the first file is begun.
    pub fn new(disk: Arc<dyn Disk>, options: LogOptions, repairs: Vec<LogRepair>) -> Self {
        let batch = Batch::default();
        Self { disk, options, repairs, current: None, batch, failed: false, last_appended: None }
    }

    /// Adds an entry: `body` is header, record and digest of the transaction `zxid`. Nothing is written yet; also
    /// while the log has failed, entries may be added.
    ///
    /// Transactions rise. An error transaction that repeats a zxid, as an official leader may propose it, changes
    /// nothing and is not to be logged.
    ///
    /// # Errors
    /// The body is empty or longer than an entry can be.
    pub fn append(&mut self, zxid: Zxid, body: &[u8]) -> Result<(), StoreError> {
        assert!(self.last_appended.is_none_or(|last| zxid > last), "transactions are logged in order");
        let len = i32::try_from(body.len()).ok().filter(|&len| len > 0);
        let Some(len) = len else { return Err(StoreError::TooLarge { len: body.len() }) };
        let batch = &mut self.batch;
        batch.bytes.reserve(ENTRY_HEADER_LEN + body.len() + 1);
        checksum(body).encode(&mut batch.bytes);
        len.encode(&mut batch.bytes);
        batch.bytes.extend_from_slice(body);
        batch.bytes.push(END_OF_ENTRY);
        batch.entries.push_back((zxid, batch.bytes.len()));
        self.last_appended = Some(zxid);
        Ok(())
    }

    /// How many entries wait for a commit.
    pub fn pending(&self) -> usize {
        self.batch.entries.len()
    }

    /// How many bytes wait for a commit.
    pub fn pending_bytes(&self) -> usize {
        self.batch.bytes.len()
    }

    /// The next entry begins a new file: a snapshot begins.
    pub fn roll(&mut self) {
        if self.batch.entries.is_empty() && !self.failed {
            self.finish_current();
        } else if !self.batch.entries.is_empty() {
            self.batch.roll_at = Some(self.batch.entries.len());
        }
    }

    /// Writes and syncs all that was appended. With nothing appended, nothing is done.
    ///
    /// # Errors
    /// Nothing of what is still [pending](TxnLog::pending) may be acknowledged, and [`TxnLog::retry`] has to succeed
    /// before this is called again.
    pub fn commit(&mut self) -> Result<Committed, StoreError> {
        if self.failed {
            return Err(StoreError::Failed { dir: self.disk.dir().to_path_buf() });
        }
        let result = self.commit_all();
        self.failed = result.is_err();
        result
    }

    /// Whether the last commit failed.
    pub const fn is_failed(&self) -> bool {
        self.failed
    }

    /// After a failure: cuts the suspect file back to its last synced entry and commits what is pending to a fresh
    /// one. May be called again and again.
    ///
    /// # Errors
    /// The disk still fails. Everything is as before: nothing pending may be acknowledged.
    pub fn retry(&mut self) -> Result<Committed, StoreError> {
        if self.failed {
            self.drop_suspect()?;
        }
        self.failed = false;
        self.commit()
    }

    /// Length of the entries in the current log, in bytes; 0 if the next commit begins one.
    pub fn current_len(&self) -> u64 {
        self.current.as_ref().map_or(0, |log| log.synced_len)
    }

    /// Name of the current log.
    pub fn current_name(&self) -> Option<&str> {
        self.current.as_ref().map(|log| log.name.as_str())
    }

    /// Commits what is pending and gives unused room back. A log that was written without syncs is synced now: a next
    /// start takes what is closed for stored.
    ///
    /// # Errors
    /// As [`TxnLog::commit`].
    pub fn close(mut self) -> Result<Committed, StoreError> {
        let committed = self.commit()?;
        self.close_current()?;
        Ok(committed)
    }

    /// Commits what is pending, makes the repairs, and closes the file: none is open before the next commit.
    ///
    /// # Errors
    /// As [`TxnLog::commit`]. It may be tried again.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        self.commit()?;
        LogRepair::run_all(&mut self.repairs, &*self.disk)?;
        self.close_current()
    }

    /// The history ends here now: entries go on behind it.
    pub const fn end_at(&mut self, last: Zxid) {
        self.last_appended = Some(last);
    }

    /// Where the logs are.
    pub const fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    fn close_current(&mut self) -> Result<(), StoreError> {
        if let (false, Some(log)) = (self.options.force_sync, &mut self.current) {
            let synced = log.file.sync().and_then(|_| self.disk.sync_dir());
            synced.map_err(|source| StoreError::io("sync the log", self.disk.path(&log.name), source))?;
        }
        self.finish_current();
        Ok(())
    }

    fn commit_all(&mut self) -> Result<Committed, StoreError> {
        let mut done = Committed { through: None, entries: 0, bytes: 0, sync_time: Duration::ZERO };
        while !self.batch.entries.is_empty() {
            let roll_at = self.batch.roll_at;
            self.commit_front(roll_at.unwrap_or(self.batch.entries.len()), &mut done)?;
            if roll_at.is_some()
                || self.options.size_limit_bytes.is_some_and(|limit| self.current_len() > limit)
            {
                self.finish_current();
            }
        }
        assert!(self.batch.bytes.is_empty(), "everything was written");
        // One huge transaction should not hold its room for ever.
        self.batch.bytes.shrink_to(1 << 20);
        Ok(done)
    }

    /// Writes and syncs the first `count` entries to the current log.
    fn commit_front(&mut self, count: usize, done: &mut Committed) -> Result<(), StoreError> {
        assert!(count > 0, "a commit of nothing needs no file");
        let (first, through) = (self.batch.entries[0].0, self.batch.entries[count - 1].0);
        if self.current.is_none() {
            self.begin_file(first)?;
        }
        let bytes = &self.batch.bytes[..self.batch.end_of(count)];
        let log = self.current.as_mut().expect("begun above");
        let sync_time = log
            .write(bytes, &self.options)
            .map_err(|source| StoreError::io("write the log", self.disk.path(&log.name), source))?;
        done.through = Some(through);
        done.entries += count;
        done.bytes += bytes.len();
        done.sync_time += sync_time;
        self.batch.drain(count);
        Ok(())
    }

    fn begin_file(&mut self, first: Zxid) -> Result<(), StoreError> {
        LogRepair::run_all(&mut self.repairs, &*self.disk)?;
        let name = log_name(first);
        let failed = |source| StoreError::io("begin the log", self.disk.path(&name), source);
        let file = match self.disk.create_log(&name) {
            // It was begun before, and the disk has failed in that.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && self.is_empty(&name) => {
                self.disk.remove(&name).and_then(|()| self.disk.create_log(&name))
            }
            result => result,
        };
        let file = file.map_err(failed)?;
        self.current = Some(OpenLog { name: name.clone(), file, synced_len: 0, allocated_len: 0 });
        if self.options.force_sync {
            self.disk.sync_dir().map_err(failed)?;
        }
        Ok(())
    }

    fn is_empty(&self, name: &str) -> bool {
        self.disk.read_range(name, 0, 1).is_ok_and(|first| first.is_empty())
    }

    fn drop_suspect(&mut self) -> Result<(), StoreError> {
        let Some(log) = &mut self.current else { return Ok(()) };
        let result = if log.synced_len == 0 {
            remove_if_there(&*self.disk, &log.name).and_then(|()| self.disk.sync_dir())
        } else {
            log.file.truncate(log.synced_len)
        };
        result.map_err(|source| StoreError::io("truncate the log", self.disk.path(&log.name), source))?;
        self.current = None;
        Ok(())
    }

    fn finish_current(&mut self) {
        let Some(mut log) = self.current.take() else { return };
        if let Err(error) = log.file.trim(log.synced_len) {
            // Zeros behind the last entry are as good an end as the end of the file.
            tracing::debug!(target: topics::DATA, log = %self.disk.path(&log.name).display(), %error, "unused room stays allocated");
        }
    }
}

impl OpenLog {
    /// Writes behind the last entry and syncs.
    fn write(&mut self, bytes: &[u8], options: &LogOptions) -> io::Result<Duration> {
        let header: &[u8] = if self.synced_len == 0 { &FILE_HEADER } else { &[] };
        let len = u64::try_from(header.len() + bytes.len()).map_err(io::Error::other)?;
        self.reserve(self.synced_len + len, options.prealloc_bytes)?;
        if header.is_empty() {
            self.file.write_at(self.synced_len, bytes)?;
        } else {
            self.file.write_at(0, &[header, bytes].concat())?;
        }
        let sync_time = if options.force_sync { self.file.sync()? } else { Duration::ZERO };
        self.synced_len += len;
        assert!(self.synced_len <= self.allocated_len, "nothing is written where no room was taken");
        Ok(sync_time)
    }

    /// Takes room for the file up to `needed_len`, in whole steps if there is so much.
    fn reserve(&mut self, needed_len: u64, step: u64) -> io::Result<()> {
        let step = step.max(SMALL_STEP);
        if needed_len + ROOM_LEFT_MIN > self.allocated_len || needed_len > self.allocated_len {
            let wanted = (needed_len + ROOM_LEFT_MIN).next_multiple_of(step).max(self.allocated_len);
            match self.file.allocate(wanted) {
                Ok(()) => self.allocated_len = wanted,
                Err(_) if needed_len <= self.allocated_len => {}
                Err(error) => self.reserve_little(needed_len, wanted, error)?,
            }
        }
        Ok(())
    }

    /// The disk is nearly full: what is there is used to the end.
    fn reserve_little(&mut self, needed_len: u64, refused_len: u64, error: io::Error) -> io::Result<()> {
        let wanted = needed_len.next_multiple_of(SMALL_STEP);
        if wanted >= refused_len {
            return Err(error);
        }
        self.file.allocate(wanted)?;
        self.allocated_len = wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
