//! The one writer: the sequencer with its mailbox and turn, the tree under the workers' locks, the log writer, the
//! snapshot writer, and the start that reads what they have written.
//!
//! Promise: what is acknowledged is durable and applied, in one order for everybody; no thread here waits for a
//! client. Invariant: this wing knows a connection by its id alone, and a worker by its lock, its inbox and its bell.

mod address;
mod feeder;
mod fill;
mod history;
mod hub;
mod load;
mod log_queue;
mod log_writer;
mod mailbox;
mod sequencer;
mod sequencing;
mod shard;
mod snapshots;
mod sync;
mod taken;
mod token;
#[cfg(test)]
mod token_tests;
mod turn;

pub(crate) use address::{conn_id, place_of, worker_of};
pub(crate) use feeder::Feeder;
pub(crate) use fill::Fill;
pub(crate) use hub::{HEARD_MAX_BYTES, Hub, READ_ONLY, Standing, WorkerPort};
pub(crate) use load::{Disks, Loaded, VERSION_DIR, load, open_disks, tree_options};
pub(crate) use log_queue::LogQueue;
pub(crate) use log_writer::LogWriter;
pub(crate) use mailbox::{Mailbox, Message};
pub(crate) use sequencer::{Member, Sequencer};
pub(crate) use sequencing::Sequencing;
pub(crate) use shard::{Item, Shard, TreeGuard, TreeReader, TreeWriter};
pub(crate) use snapshots::{SnapshotQueue, SnapshotThread, compression};
pub(crate) use token::share;
