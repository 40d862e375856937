//! What speaks to a running server, for the tools: four-letter words, and sessions.
//!
//! Promise: everything is bounded by a time-out that the caller sets. Nothing here is used by the server.

mod calls;
mod connect_string;
mod driver;
mod event;
mod failure;
mod login;
mod options;
mod path;
mod session;
mod stream;
mod transport;
mod watches;
mod word;

pub use calls::{CallError, CreateMode, Lifetime, Reconfiguration, open_acl};
pub use connect_string::{ConnectString, ConnectStringError};
pub use event::{Event, EventKind, EventState};
pub use failure::Failure;
pub use login::Login;
pub use options::{SessionOptions, SessionState};
pub use path::{PathProblem, validate};
pub use session::Session;
pub use stream::{Peer, Stream};
pub use watches::{Unwatched, WatchKind};
pub use word::{ask, mode};
