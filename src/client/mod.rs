//! What speaks to a running server, for the tools.
//!
//! Promise: everything is bounded by a time-out that the caller sets. Nothing here is used by the server.

mod stream;
mod word;

pub use stream::{Peer, Stream};
pub use word::{ask, mode};
