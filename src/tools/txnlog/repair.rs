//! A log written again with other checksums (`TxnLogToolkit -r`).

use super::Log;
use crate::{
    storage::RawEntry,
    tools::{
        ToolError,
        new_file::{NewFile, with_suffix},
    },
};
use oxkeeper_codec::file::{END_OF_ENTRY, FILE_HEADER_LEN};
use std::path::{Path, PathBuf};

/// Logs grow in steps of this length, in bytes (`preAllocSize`).
const ROOM: u64 = 64 << 20;
/// A log that comes so close to the end of its room gets more.
const MARGIN: u64 = 4096;

/// What is being written.
#[derive(Debug)]
pub(crate) struct Repair {
    path: PathBuf,
    file: NewFile,
    /// Where the next entry comes.
    pos: u64,
    /// How much room there is.
    room: u64,
    fixed: u64,
}

/// What a mended log is called.
pub(crate) fn fixed_name(log: &Path) -> PathBuf {
    with_suffix(log, ".fixed")
}

impl Repair {
    /// Begins with the header of `log`, at `FILE.fixed` or `output`, where nothing may be yet.
    pub(crate) fn begin(log: &Log, output: Option<&Path>) -> Result<Self, ToolError> {
        let path = output.map_or_else(|| fixed_name(&log.path), Path::to_path_buf);
        let mut file = NewFile::create(&path)?;
        file.write(log.head(FILE_HEADER_LEN))?;
        let pos = FILE_HEADER_LEN as u64;
        Ok(Self { path, file, pos, room: pos, fixed: 0 })
    }

    /// Appends an entry with this checksum.
    pub(crate) fn write(&mut self, entry: &RawEntry<'_>, checksum: i64) -> Result<(), ToolError> {
        self.make_room();
        self.fixed += u64::from(entry.stored != checksum);
        let len = i32::try_from(entry.body.len()).unwrap_or(i32::MAX);
        self.file.write(&checksum.to_be_bytes())?;
        self.file.write(&len.to_be_bytes())?;
        self.file.write(entry.body)?;
        self.file.write(&[END_OF_ENTRY])?;
        self.pos += (entry.end() - entry.offset) as u64;
        Ok(())
    }

    /// As logs are given room (`FilePadding`).
    fn make_room(&mut self) {
        if self.pos + MARGIN < self.room {
            return;
        }
        self.room = if self.pos > self.room { (self.pos + ROOM) / ROOM * ROOM } else { self.room + ROOM };
    }

    /// Makes it durable. Returns how many checksums were set, and where it is.
    pub(crate) fn finish(self) -> Result<(u64, PathBuf), ToolError> {
        self.file.finish(self.room)?;
        Ok((self.fixed, self.path))
    }
}
