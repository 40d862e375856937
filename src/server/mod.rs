//! The shell: threads, sockets, files and clocks. It executes actions and takes no decision of the protocol.
//!
//! Threads: I/O workers (`worker`), each with its connections; the log writer; the snapshot writer; and the
//! sequencer, which has the node, and whose turn the first two take when they have something for it. `ARCHITECTURE.md`
//! draws them. While the data is loaded, one thread more holds the client port (`waiting_room`).

mod accept;
mod allocator;
mod ask;
mod clock;
mod conn;
mod drain;
mod error;
mod flush;
mod frames;
mod hub;
mod limits;
mod listen;
mod lists;
mod load;
mod local;
mod log_writer;
mod lop;
mod mailbox;
mod metrics;
mod process;
mod sequencer;
mod snapshots;
mod start;
mod stats;
mod sync;
mod throttle;
mod token;
#[cfg(test)]
mod token_tests;
mod turn;
mod waiting_room;
mod warnings;
mod words;
mod worker;

pub use error::ServerError;
pub use start::run;
