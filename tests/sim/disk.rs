//! One directory of one node: a [`MemoryDisk`] whose power can fail at any operation, and broken variants of it.
//!
//! The operation in which it fails is done, or not. Once the power has failed every operation fails; [`NodeDisk::crash`]
//! decides what was stored, and the power is back. So a crash inside of a commit or of a snapshot is just a number of
//! operations.

use oxkeeper::storage::{Disk, FileEntry, LogFile, MemoryDisk, Stored, StreamFile, memory::Faults};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// The power supply, shared by the disks of a node.
#[derive(Debug, Default)]
struct Power {
    /// Operations until it fails.
    ops_left: Option<i64>,
    /// The operation that it fails in is done, and says that it is not.
    does_the_last: bool,
    is_down: bool,
    /// Broken variant: syncs do nothing, and say that all is well.
    skips_syncs: bool,
}

/// The directory.
#[derive(Debug, Clone)]
pub(crate) struct NodeDisk {
    memory: MemoryDisk,
    power: Arc<Mutex<Power>>,
}

impl NodeDisk {
    /// An empty directory.
    pub(crate) fn new(dir: &str) -> Self {
        Self { memory: MemoryDisk::new(dir), power: Arc::default() }
    }

    /// Another directory of the same node.
    pub(crate) fn beside(&self, dir: &str) -> Self {
        Self { memory: MemoryDisk::new(dir), power: Arc::clone(&self.power) }
    }

    fn power(&self) -> MutexGuard<'_, Power> {
        self.power.lock().unwrap()
    }

    /// Broken variant: from now on syncs do nothing.
    pub(crate) fn skip_syncs(&self) {
        self.power().skips_syncs = true;
    }

    /// The power fails after so many operations, in the next one. That one is done, or not; it says in both cases that it is not.
    pub(crate) fn fail_after(&self, ops: i64, does_the_last: bool) {
        let mut power = self.power();
        power.ops_left = Some(ops);
        power.does_the_last = does_the_last;
    }

    /// The power does not fail after all.
    pub(crate) fn keep_power(&self) {
        self.power().ops_left = None;
    }

    /// The power fails now.
    pub(crate) fn power_off(&self) {
        self.power().is_down = true;
    }

    /// It goes on where it was: the process alone was gone, or the disk had failed for a while. What was not synced is still there.
    pub(crate) fn restart(&self) {
        let mut power = self.power();
        power.is_down = false;
        power.ops_left = None;
    }

    /// Whether the power has failed.
    pub(crate) fn is_down(&self) -> bool {
        self.power().is_down
    }

    /// The power is back: what was not synced is lost, torn or kept.
    pub(crate) fn crash(&self, seed: u64) {
        self.memory.crash(seed);
        self.restart();
    }

    /// What the disk does wrong while the power is there.
    pub(crate) fn set_faults(&self, faults: Faults) {
        self.memory.set_faults(faults);
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.memory.used()
    }

    /// One operation, if there is power for it.
    fn does<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut power = self.power();
        let was_down = power.is_down;
        if let Some(left) = &mut power.ops_left {
            *left -= 1;
            let is_down = *left < 0;
            power.is_down |= is_down;
        }
        let (is_down, is_done) = (power.is_down, !power.is_down || !was_down && power.does_the_last);
        drop(power);
        let done = if is_done { Some(operation()) } else { None };
        done.filter(|_| !is_down).unwrap_or_else(|| Err(io::Error::other("the power has failed")))
    }

    /// A sync.
    fn syncs<T: Default>(&self, sync: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.does(|| if self.power().skips_syncs { Ok(T::default()) } else { sync() })
    }
}

impl Disk for NodeDisk {
    fn dir(&self) -> &Path {
        self.memory.dir()
    }

    fn list(&self) -> io::Result<Vec<FileEntry>> {
        self.memory.list()
    }

    fn read(&self, name: &str) -> io::Result<bytes::Bytes> {
        self.memory.read(name)
    }

    fn read_range(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.memory.read_range(name, offset, len)
    }

    fn create_log(&self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let file = self.does(|| self.memory.create_log(name))?;
        Ok(Box::new(PoweredLog { disk: self.clone(), file }))
    }

    fn create_stream(&self, name: &str) -> io::Result<Box<dyn StreamFile>> {
        let file = self.does(|| self.memory.create_stream(name))?;
        Ok(Box::new(PoweredStream { disk: self.clone(), file }))
    }

    fn stored(&self, name: &str) -> Stored {
        self.memory.stored(name)
    }

    fn write_again(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.does(|| self.memory.write_again(name, offset, bytes))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.syncs(|| self.memory.sync(name))
    }

    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        self.does(|| self.memory.truncate(name, len))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.does(|| self.memory.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.does(|| self.memory.remove(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.does(|| self.memory.sync_dir())
    }
}

/// A log of a [`NodeDisk`].
#[derive(Debug)]
struct PoweredLog {
    disk: NodeDisk,
    file: Box<dyn LogFile>,
}

impl LogFile for PoweredLog {
    fn allocate(&mut self, new_len: u64) -> io::Result<()> {
        self.disk.does(|| self.file.allocate(new_len))
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.does(|| self.file.write_at(offset, bytes))
    }

    fn sync(&mut self) -> io::Result<Duration> {
        self.disk.syncs(|| self.file.sync())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.disk.does(|| self.file.truncate(len))
    }

    fn trim(&mut self, len: u64) -> io::Result<()> {
        self.disk.does(|| self.file.trim(len))
    }
}

/// A stream of a [`NodeDisk`].
#[derive(Debug)]
struct PoweredStream {
    disk: NodeDisk,
    file: Box<dyn StreamFile>,
}

impl StreamFile for PoweredStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.does(|| self.file.write(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.syncs(|| self.file.sync())
    }
}
