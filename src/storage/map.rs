//! Memory maps: the window through which a log is written, and whole files for reading.
//!
//! The only file of storage with `unsafe`. A map turns trouble with the disk into a signal that kills the process
//! (SIGBUS): when the file is shorter than the map, when a full, read-only or failing disk cannot take a page that
//! is about to change, when a page cannot be read. So, in this order: space is allocated for real before it is
//! mapped; the writer itself is the only one that shortens the file, and unmaps first; and every page is populated
//! (`MADV_POPULATE_WRITE`, `MADV_POPULATE_READ`) before it is touched, which answers with an error what would
//! have been a signal.
//!
//! Invariant: no byte of a map is touched that was not populated successfully just before.
#![expect(unsafe_code, reason = "mapping a file is unsafe: its length can change under the map")]

use bytes::Bytes;
use memmap2::{Advice, Mmap, MmapMut, MmapOptions};
use std::{fs::File, io};

/// A part of a file, mapped for writing.
#[derive(Debug)]
pub(super) struct Window {
    map: MmapMut,
    start: u64,
}

impl Window {
    /// Maps `len` bytes from `start` on, which must be allocated in the file.
    pub(super) fn open(file: &File, start: u64, len: usize) -> io::Result<Self> {
        assert!(len > 0, "an empty window is of no use");
        // SAFETY: the file was created by the caller's `RealLogFile` for itself alone, under the lock of the
        // directory; that type is the only one to shorten it, and drops the window before it does. Every access
        // below populates its pages first, so that even a file that something else has shortened gives an error.
        let map = unsafe { MmapOptions::new().offset(start).len(len).map_mut(file)? };
        Ok(Self { map, start })
    }

    /// Where the window ends in the file.
    pub(super) fn end(&self) -> u64 {
        self.start + u64::try_from(self.map.len()).unwrap_or(u64::MAX)
    }

    /// Whether a byte of the file lies in the window.
    pub(super) fn covers(&self, offset: u64) -> bool {
        (self.start..self.end()).contains(&offset)
    }

    /// Stores `bytes` at `offset` of the file; all of it must lie in the window.
    pub(super) fn store(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset - self.start).map_err(io::Error::other)?;
        assert!(at + bytes.len() <= self.map.len(), "stores stay inside of the window");
        self.map.advise_range(Advice::PopulateWrite, at, bytes.len())?;
        self.map[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

/// The whole file, mapped for reading; its pages are in memory when this returns.
pub(super) fn read_whole(file: &File) -> io::Result<Bytes> {
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: logs and snapshots are read under the lock of their directory, and recovery lets go of this map
    // before it shortens a file. What another program does to the file meanwhile is out of our hands; the pages
    // are populated before they are touched, so that a disk that cannot read them gives an error here.
    let map = unsafe { Mmap::map(file)? };
    map.advise(Advice::Sequential)?;
    match map.advise(Advice::PopulateRead) {
        // Kernels before 5.14 do not know the advice: reading is then as safe as the disk.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {}
        result => result?,
    }
    Ok(Bytes::from_owner(map))
}
