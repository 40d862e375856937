//! A file that is made: there whole, or not at all.

use super::ToolError;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// What was written goes to the disk in pieces of so many bytes: others that sync meanwhile wait for no more than one.
const PIECE_LEN: usize = 8 << 20;

/// A file under a name of its own until it is whole. Dropped before that, it goes.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    part: PathBuf,
    writer: Option<BufWriter<File>>,
    /// Since the last piece.
    written: usize,
}

/// The same path with something behind its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Gives a file or a directory another name in its directory, durably.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(dir)?.sync_all()
}

impl NewFile {
    /// Begins a file that must not exist yet.
    pub(super) fn create(path: &Path) -> Result<Self, ToolError> {
        if path.exists() {
            return Err(ToolError::file("create", path, ErrorKind::AlreadyExists.into()));
        }
        Self::replace(path)
    }

    /// Begins a file that takes the place of one of that name.
    pub(super) fn replace(path: &Path) -> Result<Self, ToolError> {
        let part = with_suffix(path, ".part");
        let open = OpenOptions::new().write(true).create(true).truncate(true).open(&part);
        let file = open.map_err(|source| ToolError::file("create", &part, source))?;
        Ok(Self {
            path: path.to_path_buf(),
            part,
            writer: Some(BufWriter::with_capacity(1 << 20, file)),
            written: 0,
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ToolError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let mut write = || {
            for piece in bytes.chunks(PIECE_LEN) {
                writer.write_all(piece)?;
                self.written += piece.len();
                if self.written >= PIECE_LEN {
                    self.written = 0;
                    writer.flush()?;
                    writer.get_ref().sync_data()?;
                }
            }
            Ok(())
        };
        write().map_err(|source| ToolError::file("write", &self.part, source))
    }

    /// Makes it durable under its name, with zeros up to `len` bytes where it is shorter.
    pub(super) fn finish(mut self, len: u64) -> Result<(), ToolError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let (path, part) = (self.path.clone(), self.part.clone());
        let steps = || {
            let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
            if file.metadata()?.len() < len {
                file.set_len(len)?;
            }
            file.sync_all()?;
            rename(&part, &path)
        };
        steps().map_err(|source| ToolError::file("write", &self.path, source))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Once renamed, there is nothing of that name.
        drop(fs::remove_file(&self.part));
    }
}
