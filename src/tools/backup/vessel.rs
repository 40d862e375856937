//! What takes the files of a backup: a directory, or an archive that is written as one stream.

use crate::tools::{ToolError, new_file::NewFile, progress::Progress};
use std::{
    io::{self, Write},
    path::PathBuf,
};

/// Takes files, one after the other.
pub(super) trait Vessel {
    /// Begins one of so many bytes.
    fn begin(&mut self, name: &str, len: u64) -> Result<(), ToolError>;

    /// More of it.
    fn write(&mut self, bytes: &[u8]) -> Result<(), ToolError>;

    /// It is whole.
    fn end(&mut self) -> Result<(), ToolError>;

    /// A whole file.
    fn file(&mut self, name: &str, content: &[u8]) -> Result<(), ToolError> {
        self.begin(name, content.len() as u64)?;
        self.write(content)?;
        self.end()
    }
}

/// A directory. Each file is durable, under its name, when it ends.
pub(super) struct Dir {
    dir: PathBuf,
    file: Option<(NewFile, Progress)>,
}

impl Dir {
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self { dir, file: None }
    }
}

impl Vessel for Dir {
    fn begin(&mut self, name: &str, len: u64) -> Result<(), ToolError> {
        let file = NewFile::create(&self.dir.join(name))?;
        self.file = Some((file, Progress::of_bytes(format!("writing {name}"), len)));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ToolError> {
        let Some((file, progress)) = &mut self.file else { return Ok(()) };
        progress.more(bytes.len());
        file.write(bytes)
    }

    fn end(&mut self) -> Result<(), ToolError> {
        self.file.take().map_or(Ok(()), |(file, _)| file.finish(0))
    }
}

/// The blocks of an archive.
const BLOCK_LEN: usize = 512;

/// A tar archive.
pub(super) struct Archive<'w> {
    out: &'w mut dyn Write,
    /// What is still to come of the file.
    left: u64,
    len: u64,
    progress: Option<Progress>,
}

impl<'w> Archive<'w> {
    pub(super) fn new(out: &'w mut dyn Write) -> Self {
        Self { out, left: 0, len: 0, progress: None }
    }

    /// Ends the archive: without that, it was cut.
    pub(super) fn finish(self) -> Result<(), ToolError> {
        self.out.write_all(&[0; 2 * BLOCK_LEN])?;
        Ok(self.out.flush()?)
    }
}

impl Vessel for Archive<'_> {
    fn begin(&mut self, name: &str, len: u64) -> Result<(), ToolError> {
        let mut header = tar::Header::new_gnu();
        header.set_path(name)?;
        header.set_size(len);
        header.set_mode(0o600);
        header.set_cksum();
        (self.left, self.len) = (len, len);
        self.progress = Some(Progress::of_bytes(format!("sending {name}"), len));
        Ok(self.out.write_all(header.as_bytes())?)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ToolError> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(changed)?;
        self.progress.iter().for_each(|progress| progress.more(bytes.len()));
        Ok(self.out.write_all(bytes)?)
    }

    fn end(&mut self) -> Result<(), ToolError> {
        self.progress = None;
        if self.left > 0 {
            return Err(changed().into());
        }
        let over = usize::try_from(self.len % BLOCK_LEN as u64).unwrap_or(0);
        Ok(self.out.write_all(&[0; BLOCK_LEN][..(BLOCK_LEN - over) % BLOCK_LEN])?)
    }
}

/// The length was announced, and is another one now.
fn changed() -> io::Error {
    io::Error::other("the logs were cut while they were read")
}
