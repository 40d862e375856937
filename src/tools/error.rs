//! What goes wrong with a tool.

use crate::storage::StoreError;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a tool ends early.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// A file cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what the tool is for.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// A server cannot be used.
    #[error("{server}: {problem}")]
    Server {
        /// Which one.
        server: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The data directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is written cannot be read any more.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl ToolError {
    pub(super) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_path_buf(), source }
    }

    pub(super) fn content(path: &Path, problem: impl ToString) -> Self {
        Self::Content { path: path.to_path_buf(), problem: problem.to_string() }
    }

    /// How the process ends.
    pub const fn code(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }

    /// Whether nobody reads what is written: `| head` is no error worth a word.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Reads a whole file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, ToolError> {
    std::fs::read(path).map_err(|source| ToolError::file("read", path, source))
}
