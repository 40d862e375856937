//! Transaction logs and snapshots in Apache's formats: writing, recovery, retention.
//!
//! Everything here works on one small [`Disk`] trait, so that the simulator runs the very same code on a
//! seeded disk ([`memory`]) as the server on a real one ([`real`]).
//!
//! Invariants:
//! - what [`TxnLog::commit`] reported is found again by [`recover`], after any crash of the fault model that
//!   `tail` writes down;
//! - nothing is skipped in silence: what recovery leaves out is a torn, never acknowledged tail and is reported;
//!   all other damage is a [`StoreError`] that names file, offset and reason;
//! - no clock, no thread and no `unsafe` outside of [`real`] and what it is made of (`map`, `mark`, `prefill`).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod ahead;
mod cut;
mod direct;
mod disk;
mod epochs;
mod error;
mod log;
mod log_cursor;
mod log_range;
mod log_reader;
mod map;
mod mark;
pub mod memory;
mod names;
mod pieces;
mod prefill;
mod purge;
mod raw_log;
pub mod real;
mod recovery;
mod schedule;
mod snappy;
mod snapshot_body;
mod snapshot_reader;
mod snapshot_source;
mod snapshot_writer;
mod tail;
#[cfg(test)]
pub(crate) mod testing;
mod told;
mod truncate;

pub use disk::{Disk, FileEntry, LogFile, Stored, StreamFile, replace_file};
pub use epochs::{EpochFile, Epochs};
pub use error::{Damage, DamageKind, StoreError};
pub use log::{Committed, FILE_HEADER as LOG_FILE_HEADER, LogOptions, LogRepair, TxnLog};
pub use log_cursor::LogCursor;
pub use log_range::{LogRange, LogSearch, search_log};
pub use log_reader::{Entry, LogEnd, LogReader, OpenError};
pub use memory::MemoryDisk;
pub use names::{Compression, SnapshotName, log_name, parse_log_name, upload_name};
pub use purge::{KEEP_MIN, PurgePlan, begin_purge, plan_purge, purge};
pub use raw_log::{RawEnd, RawEntries, RawEntry, RawStep};
pub use real::RealDisk;
pub use recovery::{
    PreparedTxn, Recovered, RecoveryOptions, RecoverySink, RejectedSnapshot, Repairs, SnapshotUsed, follows,
    load_alone, recover, repair, vouch,
};
pub use schedule::{ScheduleOptions, SnapshotSchedule};
pub use snapshot_reader::{Prepare, PreparedNode, SnapshotError, SnapshotVisitor, read_snapshot};
pub use snapshot_writer::{SnapshotTail, SnapshotWriter, SnapshotWritten, ZxidDigest};
pub use told::{forget_told, told_with_snapshot};
pub use truncate::{ReceivedSnapshot, SnapshotReceiver, Truncation};
