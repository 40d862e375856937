//! What storage needs of a disk: one instance per directory.
//!
//! Invariants: a name is a plain file name without a path; nothing here is durable before the sync that covers it
//! has returned; after an error of a [`LogFile`] its unsynced content is unknown.

use super::error::StoreError;
use bytes::Bytes;
use oxkeeper_codec::Zxid;
use std::{fmt, io, path::Path, path::PathBuf, time::Duration};

/// A file of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name, without the directory.
    pub name: String,
    /// Its length, in bytes.
    pub len: u64,
}

/// How much of a log that was found is on the disk as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Nobody says. A sync that failed may have left it in memory alone.
    Unknown,
    /// What is below this length was synced. What is behind it may not have been.
    Through(u64),
    /// All of it, once it is synced: no sync of it has failed since it came into memory.
    AsRead,
}

/// One directory of a disk.
pub trait Disk: Send + Sync + fmt::Debug {
    /// The directory, for messages, and to tell whether two disks are one.
    fn dir(&self) -> &Path;

    /// Its plain files, in no particular order.
    ///
    /// # Errors
    /// The directory cannot be read.
    fn list(&self) -> io::Result<Vec<FileEntry>>;

    /// The whole content of a file. It may be a mapping: let go of it before the file is truncated, and copy what
    /// is to be kept.
    ///
    /// # Errors
    /// The file cannot be read.
    fn read(&self, name: &str) -> io::Result<Bytes>;

    /// Up to `len` bytes from `offset` on; fewer at the end of the file.
    ///
    /// # Errors
    /// The file cannot be read.
    fn read_range(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Creates a log, which must not exist, for one writer.
    ///
    /// # Errors
    /// The file exists or cannot be created; it may be there after that, empty.
    fn create_log(&self, name: &str) -> io::Result<Box<dyn LogFile>>;

    /// Creates a file for one stream of bytes; an older one of that name is emptied.
    ///
    /// # Errors
    /// The file cannot be created.
    fn create_stream(&self, name: &str) -> io::Result<Box<dyn StreamFile>>;

    /// How much of a log that nobody has open is on the disk.
    fn stored(&self, name: &str) -> Stored;

    /// Writes what a file holds in its place again, and stores it, whatever became of it before.
    ///
    /// # Errors
    /// As before, it is not known whether it is stored. The file is as long as it was.
    fn write_again(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Begins with what [`Disk::sync`] of this file will wait for, beside what the caller does.
    fn begin_sync(&self, _name: &str) {}

    /// Runs two pieces of work at one time, `other` on another thread, and returns when both are done. False where there
    /// is no core for it, and neither was run.
    fn both(&self, _other: &mut (dyn FnMut() + Send), _here: &mut dyn FnMut()) -> bool {
        false
    }

    /// Makes a file that was found durable.
    ///
    /// # Errors
    /// It is not. What is read from it afterwards is what the disk has.
    fn sync(&self, name: &str) -> io::Result<()>;

    /// Shortens a file, and makes it durable.
    ///
    /// # Errors
    /// It is not known whether the file is shorter now.
    fn truncate(&self, name: &str, len: u64) -> io::Result<()>;

    /// Gives a file another name, replacing what has that name; durable once [`Disk::sync_dir`] returns.
    ///
    /// # Errors
    /// It is not known which name it has now.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; durable once [`Disk::sync_dir`] returns.
    ///
    /// # Errors
    /// It is not known whether the file is still there; `NotFound`: it is not.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all creations, renames and removals so far durable.
    ///
    /// # Errors
    /// It is not known which of them are.
    fn sync_dir(&self) -> io::Result<()>;

    /// The full path of a file, for messages.
    fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }
}

/// A log that is being written. There is only one writer, and nothing else changes the file meanwhile.
pub trait LogFile: Send + fmt::Debug {
    /// Makes room up to `new_len` bytes, really taken from the disk and read as zeros. Never shortens.
    ///
    /// # Errors
    /// There is no room (`StorageFull`), or the disk fails; what was there before is still there.
    fn allocate(&mut self, new_len: u64) -> io::Result<()>;

    /// Writes inside of what was allocated.
    ///
    /// # Errors
    /// Any part of it may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written so far durable, and says how long that took.
    ///
    /// # Errors
    /// What was written since the last successful sync may or may not be on the disk, now or ever.
    fn sync(&mut self) -> io::Result<Duration>;

    /// Shortens the file durably. Only reading it by name is allowed afterwards.
    ///
    /// # Errors
    /// It is not known whether the file is shorter now.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// Gives unused room back; nothing is written afterwards.
    ///
    /// # Errors
    /// The room is not given back; nothing else is wrong.
    fn trim(&mut self, len: u64) -> io::Result<()>;
}

/// A file that is written from front to back.
pub trait StreamFile: Send + fmt::Debug {
    /// Appends all of `bytes`.
    ///
    /// # Errors
    /// Any part of it may have been written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// It is not known what is on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// Writes a small file so that a crash leaves the old content or the new: temporary name, sync, rename, sync of
/// the directory. Used for `currentEpoch` and `acceptedEpoch`.
///
/// # Errors
/// The old content is still there, unless the last step failed: then it is one of the two.
pub fn replace_file(disk: &dyn Disk, name: &str, content: &[u8]) -> Result<(), StoreError> {
    let temporary = super::names::temporary_name(name);
    let steps = || {
        let mut file = disk.create_stream(&temporary)?;
        file.write(content)?;
        file.sync()?;
        drop(file);
        disk.rename(&temporary, name)?;
        disk.sync_dir()
    };
    steps().map_err(|source| StoreError::io("write", disk.path(name), source))
}

/// The files of a directory.
pub(super) fn list(disk: &dyn Disk) -> Result<Vec<FileEntry>, StoreError> {
    disk.list().map_err(|source| StoreError::io("list", disk.dir().to_path_buf(), source))
}

/// The logs by the first transaction that their names tell.
pub(super) fn sorted_logs(files: &[FileEntry]) -> Vec<(Zxid, String)> {
    let named = |file: &FileEntry| Some((super::names::parse_log_name(&file.name)?, file.name.clone()));
    let mut logs: Vec<_> = files.iter().filter_map(named).collect();
    logs.sort();
    logs
}

/// Removes a file.
pub(super) fn remove(disk: &dyn Disk, name: &str) -> Result<(), StoreError> {
    disk.remove(name).map_err(|source| StoreError::io("remove", disk.path(name), source))
}

/// Makes all creations, renames and removals so far durable.
pub(super) fn sync_dir(disk: &dyn Disk) -> Result<(), StoreError> {
    disk.sync_dir().map_err(|source| StoreError::io("sync", disk.dir().to_path_buf(), source))
}
