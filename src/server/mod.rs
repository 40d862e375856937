//! Stands in for the server until that is merged: it refuses to start.

use crate::config::Config;

/// Why the server did not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// This branch has no server.
    #[error("this build has no server")]
    NotBuilt,
}

/// Runs a standalone server until it is told to stop.
pub fn run(_config: Config) -> Result<(), ServerError> {
    Err(ServerError::NotBuilt)
}
