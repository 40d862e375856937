//! A directory in memory for tests and for the simulator: fails on demand, and crashes.
//!
//! Deterministic: it has no clock and no chance of its own. Durable is what a sync has covered, and nothing else;
//! [`MemoryDisk::crash`] decides by its seed what becomes of the rest, within the fault model of `tail`:
//! - of what was written to a file since its last sync, all, nothing or any number of bytes from the front stays,
//!   and if not all, the 512-byte sector at the cut may be as it was before instead: zero, if it is new;
//! - of the names that were made, changed or removed since the last sync of the directory, some from the front.
//!
//! Faults that can be switched on: a disk that is full, read-only, or whose syncs fail. A sync that fails loses
//! what it should have stored: it still reads back, and is gone after a crash (as Linux does it). Syncs can be
//! made slow: then they report the time they would have taken.

use super::disk::{Disk, FileEntry, LogFile, Stored, StreamFile};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The unit that is kept or lost as a whole.
const SECTOR_LEN: usize = 512;

/// What the disk does wrong, until it is told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Bytes that files may take in all; `None` for no limit.
    pub capacity: Option<usize>,
    /// Nothing can be changed.
    pub read_only: bool,
    /// Syncs of files fail and lose what they should have stored.
    pub failing_sync: bool,
    /// Nothing can be read.
    pub failing_read: bool,
    /// How long a sync takes.
    pub sync_time: Duration,
}

/// A file's content.
#[derive(Debug, Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    current: Vec<u8>,
    /// What was written since the last sync, in order: where, and how much.
    unsynced: Vec<(usize, usize)>,
    /// As the server's note has it.
    stored: Option<Stored>,
}

/// A change of names that no sync has covered.
#[derive(Debug, Clone)]
enum NameChange {
    Link(String, usize),
    Unlink(String),
    Rename { from: String, to: String, inode: usize },
}

#[derive(Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    changes: Vec<NameChange>,
    faults: Faults,
    /// Handles from before the last crash are void.
    generation: u64,
    syncs: u64,
    /// How many more changes the disk takes.
    changes_left: Option<u64>,
}

/// The directory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    dir: PathBuf,
    state: Arc<Mutex<State>>,
}

impl MemoryDisk {
    /// An empty directory that calls itself `dir` in messages.
    pub fn new(dir: &str) -> Self {
        Self { dir: PathBuf::from(dir), state: Arc::default() }
    }

    /// Changes what the disk does wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Takes so many changes more (writes, syncs, names), and none behind them, until the next crash: to fall at each step.
    pub fn stop_after(&self, changes: u64) {
        self.lock().changes_left = Some(changes);
    }

    /// How many syncs of files have succeeded.
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Bytes that files take in all.
    pub fn used(&self) -> usize {
        self.lock().used()
    }

    /// The content of a file as a reader sees it.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(name).map(|&inode| state.inodes[inode].current.clone())
    }

    /// Puts a durable file there, for tests of damage.
    pub fn put(&self, name: &str, content: &[u8]) {
        let mut state = self.lock();
        let inode = state.inodes.len();
        let content = content.to_vec();
        state.inodes.push(Inode { durable: content.clone(), current: content, ..Inode::default() });
        state.names.insert(name.to_owned(), inode);
        state.durable_names.insert(name.to_owned(), inode);
    }

    /// A copy that shares nothing: as if the disk had been cloned. Unsynced bytes stay unsynced.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = self.lock();
        let copy = State {
            inodes: state.inodes.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            changes: state.changes.clone(),
            ..State::default()
        };
        Self { dir: self.dir.clone(), state: Arc::new(Mutex::new(copy)) }
    }

    /// The power fails and comes back: what was not synced is kept, torn or lost, as the seed wills. Faults end,
    /// and open files are void.
    pub fn crash(&self, seed: u64) {
        let mut state = self.lock();
        let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
        let kept = random.below(state.changes.len() + 1);
        let changes: Vec<_> = state.changes.drain(..).take(kept).collect();
        for change in changes {
            change.apply(&mut state.durable_names);
        }
        state.names = state.durable_names.clone();
        for inode in &mut state.inodes {
            inode.crash(&mut random);
        }
        state.faults = Faults::default();
        state.changes_left = None;
        state.generation += 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for a change of the disk.
    fn lock_for_change(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        if state.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if let Some(left) = &mut state.changes_left {
            *left = left.checked_sub(1).ok_or_else(|| io::Error::other("the disk has stopped"))?;
        }
        Ok(state)
    }

    fn create(&self, name: &str, must_be_new: bool) -> io::Result<MemoryFile> {
        let mut state = self.lock_for_change()?;
        if must_be_new && state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.change(NameChange::Link(name.to_owned(), inode));
        Ok(MemoryFile { disk: self.clone(), inode, generation: state.generation })
    }
}

impl State {
    fn used(&self) -> usize {
        self.names.values().map(|&inode| self.inodes[inode].current.len()).sum()
    }

    fn change(&mut self, change: NameChange) {
        change.clone().apply(&mut self.names);
        self.changes.push(change);
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn readable(&self, name: &str) -> io::Result<&Inode> {
        if self.faults.failing_read {
            return Err(io::Error::other("the disk cannot be read"));
        }
        Ok(&self.inodes[self.inode(name)?])
    }

    /// Lengthens a file with zeros.
    fn grow(&mut self, inode: usize, len: usize) -> io::Result<()> {
        let more = len.saturating_sub(self.inodes[inode].current.len());
        if self.faults.capacity.is_some_and(|capacity| self.used() + more > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let current = &mut self.inodes[inode].current;
        current.resize(current.len() + more, 0);
        Ok(())
    }

    fn write(&mut self, inode: usize, offset: usize, bytes: &[u8]) {
        let inode = &mut self.inodes[inode];
        inode.current[offset..offset + bytes.len()].copy_from_slice(bytes);
        inode.unsynced.push((offset, bytes.len()));
    }

    fn sync(&mut self, inode: usize) -> io::Result<Duration> {
        let failing = self.faults.failing_sync || self.faults.read_only;
        let Inode { durable, current, unsynced, .. } = &mut self.inodes[inode];
        let written = std::mem::take(unsynced);
        if failing {
            return Err(io::Error::other("the disk cannot store"));
        }
        durable.resize(current.len(), 0);
        for (offset, len) in written {
            // What an earlier sync has lost stays lost: only new pages are stored.
            let range = offset.min(current.len())..(offset + len).min(current.len());
            durable[range.clone()].copy_from_slice(&current[range]);
        }
        self.syncs += 1;
        Ok(self.faults.sync_time)
    }
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Link(name, inode) => drop(names.insert(name, inode)),
            Self::Unlink(name) => drop(names.remove(&name)),
            Self::Rename { from, to, inode } => {
                names.remove(&from);
                names.insert(to, inode);
            }
        }
    }
}

impl Inode {
    /// So much of it is durable, as far as the server notes that of the file.
    fn note(&mut self, len: usize) {
        if let Some(Stored::Through(noted)) = &mut self.stored {
            *noted = u64::try_from(len).unwrap_or(u64::MAX);
        }
    }

    fn crash(&mut self, random: &mut Random) {
        let mut survivor = std::mem::take(&mut self.durable);
        // Another boot.
        self.stored = self.stored.map(|_| Stored::AsRead);
        if random.below(2) == 0 && survivor.len() < self.current.len() {
            survivor.resize(self.current.len(), 0);
        }
        let len = self.current.len();
        for (offset, written) in &mut self.unsynced {
            *offset = (*offset).min(len);
            *written = (*written).min(len - *offset);
        }
        let written: usize = self.unsynced.iter().map(|&(_, len)| len).sum();
        let mut left = match random.below(4) {
            0 => 0,
            1 => written,
            _ => random.below(written + 1),
        };
        for (offset, len) in std::mem::take(&mut self.unsynced) {
            let kept = len.min(left);
            left -= kept;
            let end = if kept == 0 { 0 } else { offset + kept };
            // With what earlier writes have left there: what holds already what is written again goes on holding it.
            let before = if kept < len { survivor.clone() } else { Vec::new() };
            survivor.resize(survivor.len().max(end), 0);
            survivor[offset.min(end)..end].copy_from_slice(&self.current[offset.min(end)..end]);
            if kept < len && random.below(2) == 0 {
                let sector = (end / SECTOR_LEN * SECTOR_LEN).clamp(offset.min(end), end);
                let old =
                    before.get(sector..).unwrap_or_default().iter().copied().chain(std::iter::repeat(0));
                for (byte, old) in survivor[sector..end].iter_mut().zip(old) {
                    *byte = old;
                }
            }
        }
        self.current.clone_from(&survivor);
        self.durable = survivor;
    }
}

/// Splitmix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
        usize::try_from((z ^ (z >> 31)) % end).unwrap_or(0)
    }
}

impl Disk for MemoryDisk {
    fn dir(&self) -> &Path {
        &self.dir
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        let state = self.lock();
        let entry = |(name, &inode): (&String, &usize)| FileEntry {
            name: name.clone(),
            len: u64::try_from(state.inodes[inode].current.len()).unwrap_or(u64::MAX),
        };
        Ok(state.names.iter().map(entry).collect())
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        self.lock().readable(name).map(|inode| Bytes::copy_from_slice(&inode.current))
    }

    fn read_range(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let content = &state.readable(name)?.current;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        Ok(content[start..content.len().min(start.saturating_add(len))].to_vec())
    }

    fn create_log(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let file = self.create(name, true)?;
        self.lock().inodes[file.inode].stored = Some(Stored::Through(0));
        Ok(Box::new(file))
    }

    fn create_stream(&self, name: &str) -> io::Result<Box<dyn StreamFile>> {
        Ok(Box::new(self.create(name, false)?))
    }

    fn stored(&self, name: &str) -> Stored {
        let state = self.lock();
        let inode = state.inode(name).ok();
        inode.and_then(|inode| state.inodes[inode].stored).unwrap_or(Stored::Unknown)
    }

    fn write_again(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock_for_change()?;
        let inode = state.inode(name)?;
        assert!(state.inodes[inode].current[index(offset)..].starts_with(bytes), "what it holds");
        state.write(inode, index(offset), bytes);
        drop(state);
        self.sync(name)
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        if state.changes_left == Some(0) {
            return Err(io::Error::other("the disk has stopped"));
        }
        let inode = state.inode(name)?;
        if state.faults.read_only && state.inodes[inode].unsynced.is_empty() {
            return Ok(());
        }
        let synced = state.sync(inode).map(|_| ());
        if synced.is_err() {
            let inode = &mut state.inodes[inode];
            inode.current.clone_from(&inode.durable);
        }
        synced
    }

    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        let mut state = self.lock_for_change()?;
        let inode = state.inode(name)?;
        state.inodes[inode].current.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        state.sync(inode)?;
        state.inodes[inode].note(index(len));
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock_for_change()?;
        let inode = state.inode(from)?;
        state.change(NameChange::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock_for_change()?;
        state.inode(name)?;
        state.change(NameChange::Unlink(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.lock_for_change()?;
        if state.faults.failing_sync {
            return Err(io::Error::other("the disk cannot store"));
        }
        state.changes.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }
}

/// An open file of a [`MemoryDisk`].
#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    inode: usize,
    generation: u64,
}

impl MemoryFile {
    fn with<T>(&self, change: impl FnOnce(&mut State, usize) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.lock_for_change()?;
        assert!(state.generation == self.generation, "a file that was open in a crash is not used again");
        change(&mut state, self.inode)
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("memory holds it")
}

impl LogFile for MemoryFile {
    fn allocate(&mut self, new_len: u64) -> io::Result<()> {
        self.with(|state, inode| state.grow(inode, index(new_len)))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(|state, inode| {
            let end = index(offset) + bytes.len();
            assert!(end <= state.inodes[inode].current.len(), "nothing is written where no room was taken");
            state.write(inode, index(offset), bytes);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<Duration> {
        self.with(|state, inode| {
            let written = state.inodes[inode].unsynced.iter().map(|&(offset, len)| offset + len).max();
            let took = state.sync(inode)?;
            if let Some(end) = written {
                state.inodes[inode].note(end);
            }
            Ok(took)
        })
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.with(|state, inode| {
            state.inodes[inode].current.truncate(index(len));
            state.sync(inode)?;
            state.inodes[inode].note(index(len));
            Ok(())
        })
    }

    fn trim(&mut self, len: u64) -> io::Result<()> {
        self.with(|state, inode| {
            state.inodes[inode].current.truncate(index(len));
            Ok(())
        })
    }
}

impl StreamFile for MemoryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with(|state, inode| {
            let start = state.inodes[inode].current.len();
            state.grow(inode, start + bytes.len())?;
            state.write(inode, start, bytes);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(State::sync).map(|_| ())
    }
}
