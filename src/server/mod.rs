//! The shell: threads, sockets, files and clocks. It executes actions and takes no decision of the protocol.
//!
//! Threads: I/O workers (`io`), each with its connections; the log writer; the snapshot writer; and the sequencer
//! (`sequence`), which has the node, and whose turn the first two take when they have something for it.
//! `ARCHITECTURE.md` draws them. While the data is loaded, one thread more holds the client port.
//!
//! Wings, each with one face, its `mod.rs`; arrows go one way: `start → operators → io → sequence → peers → figures`.

mod admin;
mod allocator;
mod chance;
mod clock;
mod embedded;
mod ending;
mod error;
mod figures;
mod io;
mod jaas;
mod join;
mod kerberos;
mod operators;
mod owner;
mod peers;
mod ports;
mod process;
mod security;
mod sequence;
mod start;
mod supervisor;
mod threads;

pub use embedded::Embedded;
pub use error::ServerError;
pub use owner::permission_hint;
pub use process::take_file_size_limit_as_error;
pub use start::run;
