//! The real disk: logs are written with `pwrite`, past the page cache where that can be done, and synced with `fdatasync`;
//! whole files are read through a map.
//!
//! A log is not written through a map. That needs a system call too, to populate the pages, without which a full or
//! failing disk is a signal; then every page costs a fault when it is first touched, and another one after each sync:
//! 1.1 times the CPU of a synced set and 1.26 times that of one without sync (`bench/README.md`).
//!
//! Invariants:
//! - a directory is locked while a [`RealDisk`] of it exists, so a second server does not start on it. The lock
//!   is on the directory itself: no file is left behind that another program could stumble over;
//! - space is allocated with `fallocate` before it is written, so a full disk is an error of `allocate`;
//! - what is written is copied before the call returns, so nothing of a log is mapped while its length changes.

use super::{
    direct::Blocks,
    disk::{Disk, FileEntry, LogFile, Stored, StreamFile},
    error::StoreError,
    map,
    mark::{self, ENDING_LEN, Mark},
    prefill::{Prefill, Zone},
};
use crate::topics;
use bytes::Bytes;
use rustix::{
    fs::{Advice, FallocateFlags, FlockOperation, fadvise, fallocate, fdatasync, flock, fsync},
    io::{Errno, pwritev, retry_on_intr},
};
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A stream goes to the disk in steps of this length: a sync of the log waits for one of them, and not for all that a
/// snapshot has written (60 ms with 10^6 znodes).
const STREAM_SYNC_LEN: usize = 512 << 10;
/// What a write is filled up to: a page of most machines, and of none more than what the writer has for itself.
const PAGE: u64 = 4096;
/// So far the note may fall behind what is synced, in bytes: the next start after a kill writes as much again, which takes
/// it some milliseconds. A note with each sync cost a few µs of the 70 or so that a sync takes.
const NOTE_BEHIND: u64 = 256 << 10;
/// Zeros that stand in for an allocation are written in pieces of this length.
const ZEROS: &[u8] = &[0; 64 << 10];

/// A directory of the file system. Where `dataDir` and `dataLogDir` are the same, share one.
#[derive(Debug)]
pub struct RealDisk {
    dir: PathBuf,
    /// Holds the lock, if there is one.
    handle: File,
    prefill: Prefill,
    /// Syncs of files that were begun, each by a thread of its own.
    begun: Mutex<HashMap<String, JoinHandle<io::Result<()>>>>,
}

impl RealDisk {
    /// Opens a directory, which is durably created with all its parents if it is not there, and locks it.
    ///
    /// # Errors
    /// It cannot be created or opened, or is [in use](StoreError::InUse).
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::io("open", dir.to_path_buf(), source);
        create_dir(dir).map_err(failed)?;
        let handle = File::open(dir).map_err(failed)?;
        match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(StoreError::InUse { dir: dir.to_path_buf() }),
            Err(error) => {
                // Some network file systems lock no directories.
                tracing::warn!(target: topics::DATA, dir = %dir.display(), %error, "cannot lock: make sure that no other server uses it");
            }
        }
        Self::with(dir, handle).map_err(failed)
    }

    /// Opens a directory that is there, without a lock: a server may be using it. For tools that read, or remove what
    /// that server does not need.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_beside(dir: &Path) -> Result<Self, StoreError> {
        let open = || Self::with(dir, File::open(dir)?);
        open().map_err(|source| StoreError::io("open", dir.to_path_buf(), source))
    }

    fn with(dir: &Path, handle: File) -> io::Result<Self> {
        let prefill = Prefill::start()?;
        Ok(Self { dir: dir.to_path_buf(), handle, prefill, begun: Mutex::default() })
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<String, JoinHandle<io::Result<()>>>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a file durable that somebody else wrote.
fn sync_found(path: &Path) -> io::Result<()> {
    Ok(fdatasync(File::open(path)?)?)
}

/// After a sync that failed: the kernel says so once, and then takes its pages for stored. Whoever reads next has to read
/// the disk.
fn forget_pages(path: &Path) {
    let _ = File::open(path).map(|file| fadvise(&file, 0, None, Advice::DontNeed));
}

impl Disk for RealDisk {
    fn dir(&self) -> &Path {
        &self.dir
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let metadata = match fs::metadata(entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                result => result?,
            };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                entries.push(FileEntry { name, len: metadata.len() });
            }
        }
        Ok(entries)
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        map::read_whole(&File::open(self.path(name))?)
    }

    fn read_range(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let file = File::open(self.path(name))?;
        let left = file.metadata()?.len().saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(left).unwrap_or(len).min(len)];
        // A log that is being rolled gives its unused room back, perhaps just now.
        let mut filled = 0;
        while filled < bytes.len() {
            match file
                .read_at(&mut bytes[filled..], offset + u64::try_from(filled).map_err(io::Error::other)?)
            {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn create_log(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let path = self.path(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        let zone = Zone::open(&path)?;
        Ok(Box::new(RealLogFile {
            file,
            zone: Arc::new(zone),
            prefill: self.prefill.clone(),
            mark: Mark::of(&self.dir, name),
            blocks: Blocks::default(),
            waited: Duration::ZERO,
            allocated_len: 0,
            written_len: 0,
            ending: Vec::with_capacity(ENDING_LEN),
            synced_len: None,
            noted_len: None,
        }))
    }

    fn create_stream(&self, name: &str) -> io::Result<Box<dyn StreamFile>> {
        Ok(Box::new(RealStream { file: File::create(self.path(name))?, unsynced: 0 }))
    }

    fn stored(&self, name: &str) -> Stored {
        mark::stored(&self.dir, name, |offset, len| self.read_range(name, offset, len))
    }

    fn write_again(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        let file = OpenOptions::new().write(true).open(&path)?;
        file.write_all_at(bytes, offset)?;
        file.sync_data().inspect_err(|_| forget_pages(&path))
    }

    fn begin_sync(&self, name: &str) {
        let path = self.path(name);
        let thread = thread::Builder::new().name("sync".into()).spawn(move || sync_found(&path));
        if let Ok(thread) = thread {
            self.begun().insert(name.to_owned(), thread);
        }
    }

    fn both(&self, other: &mut (dyn FnMut() + Send), here: &mut dyn FnMut()) -> bool {
        if thread::available_parallelism().map_or(1, usize::from) < 2 {
            return false;
        }
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("read-ahead".into());
            let begun = thread.spawn_scoped(scope, other).is_ok();
            if begun {
                here();
            }
            begun
        })
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let begun = self.begun().remove(name);
        let path = self.path(name);
        let synced = match begun.map(JoinHandle::join) {
            Some(Ok(synced)) => synced,
            Some(Err(_)) | None => sync_found(&path),
        };
        synced.inspect_err(|_| forget_pages(&path))
    }

    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        let is_noted = matches!(self.stored(name), Stored::Through(_));
        let path = self.path(name);
        let file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(len)?;
        fsync(&file).inspect_err(|_| forget_pages(&path))?;
        if let (true, Some(mark)) = (is_noted, Mark::of(&self.dir, name)) {
            let from = len.saturating_sub(ENDING_LEN as u64);
            // Without a note the next start has more to do.
            let _ = self.read_range(name, from, ENDING_LEN).and_then(|ending| mark.note(len, &ending));
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(fsync(&self.handle)?)
    }
}

/// A log of a [`RealDisk`].
#[derive(Debug)]
struct RealLogFile {
    file: File,
    zone: Arc<Zone>,
    prefill: Prefill,
    mark: Option<Mark>,
    blocks: Blocks,
    /// How long the disk has taken since the last sync for what was written past the page cache.
    waited: Duration,
    allocated_len: u64,
    written_len: u64,
    /// The last bytes before that, for the note.
    ending: Vec<u8>,
    /// How much of it is synced. If it never was, zeros that are written ahead save nothing.
    synced_len: Option<u64>,
    /// How much of it the note says is.
    noted_len: Option<u64>,
}

#[expect(clippy::disallowed_methods, reason = "a real disk is outside of the core, and times itself")]
fn now() -> Instant {
    Instant::now()
}

impl RealLogFile {
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.zone.close();
        self.file.set_len(len)
    }

    /// Writes past the page cache, if that can be done. A log that is never synced does not wait for the disk.
    fn write_direct(&mut self, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        if self.synced_len.is_none() {
            return Ok(false);
        }
        let Some((start, blocks)) = self.blocks.holding(offset, bytes) else { return Ok(false) };
        if start + blocks.len() as u64 > self.allocated_len {
            return Ok(false);
        }
        let began = now();
        let done = self.zone.write_direct(start, blocks)?;
        self.waited += now() - began;
        Ok(done)
    }

    fn write_cached(&self, offset: u64, end: u64, bytes: &[u8]) -> io::Result<()> {
        // Up to the end of the page: with a part of it the kernel would first have to read the rest.
        let whole = end.next_multiple_of(PAGE).min(self.allocated_len);
        let padding = &ZEROS[..usize::try_from(whole - end).map_err(io::Error::other)?];
        let pieces = [IoSlice::new(bytes), IoSlice::new(padding)];
        let written = retry_on_intr(|| pwritev(&self.file, &pieces, offset))?;
        if let Some(rest) = bytes.get(written..) {
            self.file.write_all_at(rest, offset + u64::try_from(written).map_err(io::Error::other)?)?;
        }
        Ok(())
    }

    /// Notes how much is synced, if nothing is noted yet, or the note is behind by more than so many bytes.
    fn note(&mut self, behind: u64) {
        let (Some(mark), Some(synced_len)) = (&self.mark, self.synced_len) else { return };
        let is_due = self.noted_len.is_none_or(|noted_len| synced_len > noted_len + behind);
        // What is written and not synced has taken the place of the ending that a note tells.
        if is_due && synced_len == self.written_len {
            // Without a note the next start has more to do.
            let _ = mark.note(synced_len, &self.ending);
            self.noted_len = Some(synced_len);
        }
    }

    /// Remembers how the file ends.
    fn written(&mut self, end: u64, bytes: &[u8]) {
        self.written_len = end;
        let kept = ENDING_LEN.saturating_sub(bytes.len()).min(self.ending.len());
        self.ending.drain(..self.ending.len() - kept);
        self.ending.extend_from_slice(&bytes[bytes.len().saturating_sub(ENDING_LEN)..]);
    }
}

impl LogFile for RealLogFile {
    fn allocate(&mut self, new_len: u64) -> io::Result<()> {
        if new_len <= self.allocated_len {
            return Ok(());
        }
        if let Err(error) = take_room(&self.file, self.allocated_len, new_len) {
            // ext4 keeps what it could have, which is all that the disk has left.
            self.file.set_len(self.allocated_len)?;
            return Err(error);
        }
        self.allocated_len = new_len;
        self.zone.allocated(new_len);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset + u64::try_from(bytes.len()).map_err(io::Error::other)?;
        assert!(end <= self.allocated_len, "nothing is written where no room was taken");
        if self.synced_len.is_some() {
            self.prefill.claim(&self.zone, end);
        }
        if !self.write_direct(offset, bytes)? {
            self.write_cached(offset, end, bytes)?;
        }
        self.blocks.written(offset, bytes);
        self.written(end, bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<Duration> {
        let began = now();
        fdatasync(&self.file)?;
        let took = std::mem::take(&mut self.waited) + (now() - began);
        self.synced_len = Some(self.written_len);
        self.note(NOTE_BEHIND);
        Ok(took)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        Ok(fsync(&self.file)?)
    }

    fn trim(&mut self, len: u64) -> io::Result<()> {
        self.note(0);
        self.set_len(len)
    }
}

impl Drop for RealLogFile {
    fn drop(&mut self) {
        self.zone.close();
    }
}

/// Creates a directory and those above it, and makes all of them durable. One that is empty may have been created by
/// a start that fell before it could do so.
fn create_dir(dir: &Path) -> io::Result<()> {
    /// `version-2` in `dataDir`.
    const USUAL_LEVELS: usize = 2;
    let missing = dir.ancestors().take_while(|dir| !is_there(dir)).count();
    fs::create_dir_all(dir)?;
    if missing > 0 {
        return dir.ancestors().take(missing + 1).try_for_each(sync_path);
    }
    if fs::read_dir(dir)?.next().is_none() {
        // Whoever created them may have had rights above that this process has not.
        dir.ancestors().take(USUAL_LEVELS + 1).for_each(|dir| drop(sync_path(dir)));
    }
    Ok(())
}

/// Whether there is something of this name; an empty one is the working directory.
fn is_there(path: &Path) -> bool {
    path.as_os_str().is_empty() || fs::metadata(path).is_ok()
}

fn sync_path(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}

/// Has the file system give room from `from` to `to`.
fn take_room(file: &File, from: u64, to: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), from, to - from) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP) => write_zeros(file, from, to),
        Err(error) => Err(error.into()),
    }
}

/// Where space cannot be allocated, it is written.
fn write_zeros(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut at = from;
    while at < to {
        let len = usize::try_from(to - at).unwrap_or(ZEROS.len()).min(ZEROS.len());
        file.write_all_at(&ZEROS[..len], at)?;
        at += u64::try_from(len).map_err(io::Error::other)?;
    }
    Ok(())
}

/// A file of a [`RealDisk`] that is written from front to back.
#[derive(Debug)]
struct RealStream {
    file: File,
    /// Bytes since the last sync.
    unsynced: usize,
}

impl StreamFile for RealStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len();
        if self.unsynced >= STREAM_SYNC_LEN {
            self.unsynced = 0;
            fdatasync(&self.file)?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[cfg(test)]
mod tests;
