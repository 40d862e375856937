//! Servers for integration tests, in the process of the test.
//!
//! ```
//! let server = oxkeeper::testing::TestingServer::start()?;
//! // Any client: server.connect_string() is "127.0.0.1:" and a free port.
//! # assert!(server.connect_string().starts_with("127.0.0.1:"));
//! # Ok::<(), oxkeeper::testing::TestingError>(())
//! ```
//!
//! Promise: a server serves when it is handed out, on loopback and on ports that nobody else had; when it is dropped, its threads,
//! ports and files are gone. What it logs goes to whoever listens to `tracing`. A defect in a server ends the process of the test.

mod control;
mod ensemble;
mod error;
mod ports;
mod relay;
mod server;

pub use control::{Wanted, control};
pub use ensemble::TestingEnsemble;
pub use error::TestingError;
pub use ports::Reserved;
pub use server::{Builder, TestingServer};
