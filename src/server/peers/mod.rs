//! The other members: connections of the election port (3888) and of the quorum port (2888).
//!
//! One thread with a runtime of its own. It carries out what [`crate::zab`] wants done with peers, and tells what comes
//! from them; it decides nothing of the protocol.
//!
//! Invariants: a connection that says nothing, or nonsense, costs a descriptor for a bounded time, and no other connection
//! anything; what waits for a peer is bounded in bytes, and so is what was heard and not looked at; an ended link is heard of no more.

mod elections;
mod jaas;
mod keeper;
mod link;
mod links;
mod listening;
mod login;
mod moving;
mod options;
mod outbox;
mod pace;
mod packets;
mod pieces;
mod slot;
mod snapshot;
mod sockets;
mod strangers;
mod stream;
mod thread;
mod wing;
mod words;

#[cfg(test)]
mod tests;

pub(crate) use jaas::PeerLogin;
pub(crate) use options::{PeerOptions, PeerTls};
pub(crate) use pieces::{PieceReader, PieceWriter, piece_stream};
pub(crate) use thread::Peers;
pub(crate) use words::{Command, Heard, Listener};
