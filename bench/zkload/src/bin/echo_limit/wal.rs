//! The ideal group commit: one append and one fdatasync for all writes of a turn, in a file that never grows.

use std::fs::File;
use std::os::unix::fs::FileExt;
use zkload::os::zero_fill;

/// Each commit begins at a multiple of this, as a log that survives torn sectors would.
const SECTOR: u64 = 512;

/// A log that goes round in a preallocated file.
pub(crate) struct Wal {
    file: File,
    len: u64,
    sync: bool,
    pending: Vec<u8>,
    at: u64,
    /// Where the preallocated part ends: 0 before the first commit.
    end: u64,
}

impl Wal {
    /// A log of `len` bytes in `file`; without `sync` commits are only written.
    pub(crate) fn new(file: File, len: u64, sync: bool) -> Self {
        Self { file, len, sync, pending: Vec::new(), at: 0, end: 0 }
    }

    /// Adds a record to the next commit.
    pub(crate) fn append(&mut self, record: &[u8]) {
        self.pending.extend_from_slice(record);
    }

    /// Makes everything appended since the last commit durable.
    pub(crate) fn commit(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        if self.at + self.pending.len() as u64 > self.end {
            // zero-filled preallocation, so that a commit changes no file metadata; then wrap round
            if self.end == 0 {
                zero_fill(&self.file, self.len).expect("wal");
                self.file.sync_all().expect("wal");
                self.end = self.len;
            }
            self.at = 0;
        }
        self.file.write_all_at(&self.pending, self.at).expect("wal");
        if self.sync {
            self.file.sync_data().expect("wal");
        }
        self.at = (self.at + self.pending.len() as u64).next_multiple_of(SECTOR);
        self.pending.clear();
    }
}
