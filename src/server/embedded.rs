//! A server inside of another program.

use super::{
    ServerError,
    start::{Prepared, Server},
};
use crate::config::Config;
use std::net::SocketAddr;

/// A server in this process. It takes no signals and does not touch the program's logging: what it has to say goes to whoever
/// listens to `tracing`. A defect in one of its threads ends the process, as it would end a server of its own.
pub struct Embedded {
    server: Server,
}

impl Embedded {
    /// Starts it. One that is alone serves when this returns, and a member of an ensemble has its ports.
    ///
    /// # Errors
    /// What the operator of a server would be told.
    pub fn start(config: Config) -> Result<Self, ServerError> {
        Ok(Self { server: Server::start(Prepared::new(config)?)? })
    }

    /// Where clients connect in plain text, if they can: the port that was found where 0 was asked for.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.server.address
    }

    /// Ends it as SIGTERM does: what is in work is answered first.
    ///
    /// # Errors
    /// A part of it has failed.
    pub fn stop(self) -> Result<(), ServerError> {
        self.server.stop()
    }

    /// Ends it as SIGKILL does, as far as others see: nobody is answered or told. What it has written is in its files.
    ///
    /// # Errors
    /// A part of it has failed.
    pub fn kill(self) -> Result<(), ServerError> {
        self.server.kill()
    }
}
