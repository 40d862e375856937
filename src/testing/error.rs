//! Why a server for a test is not to be had.

use crate::{config::Refusal, server::ServerError};
use std::{io, time::Duration};

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum TestingError {
    /// A setting is none, or has a value that it cannot have.
    #[error("{}", .0.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Refusal),
    /// It does not start, or a part of it has failed.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A directory or a port.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// It runs, or does not, and the other was needed.
    #[error("the server {0}")]
    State(&'static str),
    /// Members do not find together.
    #[error("the members {members:?} do not serve within {within:?}")]
    Late {
        /// Their numbers, from 1.
        members: Vec<usize>,
        /// So long they had.
        within: Duration,
    },
}

impl From<Refusal> for TestingError {
    fn from(refusal: Refusal) -> Self {
        Self::Settings(refusal)
    }
}

impl TestingError {
    pub(super) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}
