//! Why a server does not start.

use crate::storage::StoreError;
use std::{io, path::PathBuf};

/// A start that failed: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory is not there, and may not be created.
    #[error("the data directory {dir} cannot be used: {source}")]
    DataDir {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The data cannot be read without loss.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client port cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another server running there?")]
    Listen {
        /// Address and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The system refuses something that a server needs.
    #[error("cannot {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A thread ended that should not.
    #[error("the thread {0} has failed; see the log")]
    Thread(&'static str),
}
