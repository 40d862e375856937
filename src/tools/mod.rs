//! What operators do from the command line, beside running a server: logs, snapshots and data directories.
//!
//! Promise: a tool writes to what it is given and ends with a number for scripts: 0 for good, 1 for what went wrong or was found
//! damaged, 2 for a wrong invocation. It changes no file but those that it is told to make or to remove, and what it makes is
//! there whole or not at all. It needs no lock: a server may be running on the same files.
//!
//! Each tool has a form of its own, with `--json`, and the form of the official class that scripts know ([`official`]).

mod acl;
mod arguments;
mod backup;
mod bench;
mod clients;
mod container;
mod data_dirs;
mod dates;
mod dialling;
mod error;
mod init;
mod manual;
mod new_file;
pub mod official;
mod progress;
mod purge;
mod shell;
mod snapshot;
mod status;
mod terminal;
mod txnlog;

pub use arguments::{Tool, Tools};
pub use error::ToolError;
pub use terminal::Terminal;
