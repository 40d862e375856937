//! Memory maps: whole files for reading.
//!
//! The only file of storage with `unsafe`. A map turns trouble with the disk into a signal that kills the process
//! (SIGBUS): when the file is shorter than the map, when a page cannot be read. So every page is populated
//! (`MADV_POPULATE_READ`) before the map is handed out, which answers with an error what would have been a signal; and
//! recovery, its only user, lets go of a map before it shortens the file.
#![expect(unsafe_code, reason = "mapping a file is unsafe: its length can change under the map")]

use bytes::Bytes;
use memmap2::{Advice, Mmap};
use std::{fs::File, io};

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
