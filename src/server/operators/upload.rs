//! A file that somebody has sent: it is gone when nobody needs it any more.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file, which goes with this.
#[derive(Debug)]
pub(super) struct Upload(PathBuf);

impl Upload {
    /// The file that is there.
    pub(super) const fn of(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Whoever has used it may have moved it away.
        _ = fs::remove_file(&self.0);
    }
}
