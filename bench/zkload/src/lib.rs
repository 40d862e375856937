//! What the three programs of this package share: options, wire encoding, sockets, clocks, a histogram,
//! samples of processes, JSON.
//!
//! It depends on nothing but std and the C library, and knows nothing of oxkeeper's own codec: what replies
//! are checked with is written independently. Nothing in here decides what load to make or what counts as
//! wrong.

pub mod args;
pub mod hist;
pub mod json;
pub mod net;
pub mod os;
pub mod sut;
pub mod wire;
