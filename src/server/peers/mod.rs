//! The other members: connections of the election port (3888) and of the quorum port (2888).
//!
//! One thread with a runtime of its own. It carries out what [`crate::zab`] wants done with peers, and tells what comes
//! from them; it decides nothing of the protocol.
//!
//! Invariants: a connection that says nothing, or nonsense, costs a descriptor for a bounded time, and no other connection
//! anything; what waits for a peer is bounded in bytes; an ended link is heard of no more.
#![cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the sequencer is joined to it next"))]

mod elections;
mod keeper;
mod link;
mod links;
mod options;
mod outbox;
mod packets;
mod pieces;
mod slot;
mod snapshot;
mod sockets;
mod strangers;
mod thread;
mod wing;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use options::{Address, PeerOptions, Ports};
#[cfg_attr(test, expect(unused_imports, reason = "tests have it from `pieces`"))]
pub(crate) use pieces::PieceWriter;
pub(crate) use pieces::{PieceReader, pieces};
pub(crate) use thread::Peers;
pub(crate) use words::{Command, Heard, Listener};
