//! Writes zeros ahead of a log's writer, in a thread of its own.
//!
//! Allocated space that was never written is marked so in the file system, and the first sync of each piece of it
//! has to change that mark: 3,172 syncs a second against 4,759 into a file of zeros, measured on ext4. The thread
//! pays for that beforehand.
//!
//! Where the file system takes them (`O_DIRECT`), the zeros go past the page cache: copying them there cost up to an
//! eighth of the CPU of a synced set, most of it for pages that were never used before. Nobody reads a log back while it
//! is written, so what is durable is also dropped from the page cache a little behind the writer, and its pages are used
//! again.
//!
//! Invariants: a file is divided by its *frontier*: below it only the writer writes, at and above it only this
//! thread, a chunk at a time; the writer moves the frontier on before it writes, and waits for a chunk that is in
//! its way. The frontier is a multiple of 64 KiB, so the two never share a page. What goes wrong here costs speed
//! and nothing else: the thread syncs through a file handle of its own, so no error of the writer's is used up.

use super::direct::ALIGNMENT;
use rustix::{
    fs::{Advice, OFlags, fadvise, fdatasync},
    io::Errno,
};
use std::{
    fs::{File, OpenOptions},
    io,
    num::NonZeroU64,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

/// What the frontier is a multiple of: at least a page on every platform.
const GRAIN: u64 = 64 << 10;
/// So much is written and synced at once; a sync of the writer's may have to wait for it (with 1 MiB a set in a hundred
/// took 4 ms instead of 2).
const CHUNK: u64 = 256 << 10;
/// So far ahead of the writer zeros are written.
const AHEAD: u64 = 8 << 20;
/// So far behind the writer pages are dropped: what it wrote there is synced.
const BEHIND: u64 = 1 << 20;

/// One log as writer and thread see it.
#[derive(Debug)]
pub(super) struct Zone {
    file: File,
    /// Whether what is written through that goes past the page cache.
    is_direct: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    frontier: u64,
    /// The thread is writing up to here, from the frontier on.
    busy_until: Option<u64>,
    /// The writer has claimed everything up to here, and may still be writing the last of it.
    claimed: u64,
    /// Zeros are wanted up to here.
    wanted: u64,
    /// Room is allocated up to here.
    allocated: u64,
    queued: bool,
    closed: bool,
}

impl Zone {
    /// For the log at `path`, with a handle of its own.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let direct = OFlags::DIRECT.bits().cast_signed();
        let (file, is_direct) = match OpenOptions::new().write(true).custom_flags(direct).open(path) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                (OpenOptions::new().write(true).open(path)?, false)
            }
            result => (result?, true),
        };
        Ok(Self { file, is_direct, state: Mutex::default(), changed: Condvar::new() })
    }

    /// The writer writes whole blocks past the page cache, below what it has claimed. False: this file cannot be written so.
    pub(super) fn write_direct(&self, offset: u64, blocks: &[u8]) -> io::Result<bool> {
        if !self.is_direct {
            return Ok(false);
        }
        match self.file.write_all_at(blocks, offset) {
            // Its blocks are longer.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(false),
            result => result.map(|()| true),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while_busy_below<'a>(&self, mut state: MutexGuard<'a, State>, end: u64) -> MutexGuard<'a, State> {
        while state.busy_until.is_some() && state.frontier < end {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// The writer takes everything below `end`. Returns whether the thread has work to do.
    fn claim(&self, end: u64) -> bool {
        let mut state = self.wait_while_busy_below(self.lock(), end);
        state.frontier = state.frontier.max(end.next_multiple_of(GRAIN));
        state.claimed = end;
        state.wanted = (end + AHEAD).min(state.allocated);
        let due = !state.closed && !state.queued && state.frontier + AHEAD / 2 < state.wanted;
        state.queued |= due;
        due
    }

    /// Room was allocated up to here.
    pub(super) fn allocated(&self, len: u64) {
        let mut state = self.lock();
        state.allocated = state.allocated.max(len);
    }

    /// No zeros are written from now on.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        drop(self.wait_while_busy_below(state, u64::MAX));
    }

    /// Writes zeros until enough are there, and drops what lies behind the writer.
    fn fill(&self, zeros: &[u8]) {
        while let Some((from, to)) = self.next_chunk() {
            let len = usize::try_from(to - from).unwrap_or(0).min(zeros.len());
            let written = self.file.write_all_at(&zeros[..len], from);
            self.chunk_done(to, written.is_ok());
            if written.is_err() || fdatasync(&self.file).is_err() {
                self.lock().closed = true;
            }
            self.drop_behind();
        }
    }

    fn drop_behind(&self) {
        let end = self.lock().claimed.saturating_sub(BEHIND);
        if let Some(len) = NonZeroU64::new(end) {
            // Pages that are gone already cost a look at the tree of pages.
            let _ = fadvise(&self.file, 0, Some(len), Advice::DontNeed);
        }
    }

    fn next_chunk(&self) -> Option<(u64, u64)> {
        let mut state = self.lock();
        let from = state.frontier;
        let to = (from + CHUNK).min(state.wanted / GRAIN * GRAIN);
        if state.closed || to <= from {
            state.queued = false;
            return None;
        }
        state.busy_until = Some(to);
        Some((from, to))
    }

    fn chunk_done(&self, to: u64, ok: bool) {
        let mut state = self.lock();
        assert!(state.busy_until == Some(to), "one thread, one chunk at a time");
        state.busy_until = None;
        if ok {
            state.frontier = state.frontier.max(to);
        }
        state.closed |= !ok;
        self.changed.notify_all();
    }
}

/// The thread; it ends when this and every copy of it is dropped.
#[derive(Debug, Clone)]
pub(super) struct Prefill {
    jobs: mpsc::Sender<Arc<Zone>>,
}

impl Prefill {
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Arc<Zone>>();
        thread::Builder::new().name("log-prefill".into()).spawn(move || {
            let zeros = vec![0; usize::try_from(CHUNK).unwrap_or(0) + ALIGNMENT];
            let zeros = &zeros[zeros.as_ptr().align_offset(ALIGNMENT)..];
            while let Ok(zone) = queue.recv() {
                zone.fill(zeros);
            }
        })?;
        Ok(Self { jobs })
    }

    /// The writer is about to write below `end`: it may, once this returns.
    pub(super) fn claim(&self, zone: &Arc<Zone>, end: u64) {
        if zone.claim(end) {
            // Without the thread there are no zeros, and the log is right all the same.
            let _ = self.jobs.send(Arc::clone(zone));
        }
    }
}
