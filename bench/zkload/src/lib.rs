//! Shared parts of the load generator and the limit servers: wire encoding, epoll, histogram, process sampling, JSON.
//!
//! It knows nothing of oxkeeper's own codec: what it checks replies with is written independently.
#![allow(missing_docs, reason = "serves the three programs of this package only")]

pub mod args;
pub mod hist;
pub mod json;
pub mod net;
pub mod sut;
pub mod wire;
