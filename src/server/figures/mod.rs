//! Figures for monitoring, under the names of the official server (`ServerMetrics`), and the warnings that are counted.
//!
//! Promise: counting costs a few plain stores, no lock and no shared cache line: each thread writes a [`Sheet`] of
//! its own, and whoever wants to know adds the sheets up.
//!
//! Invariant: what `catalog` names is printed always, also while it is zero, as the official server does. This wing
//! knows no thread and no connection.

mod audit;
mod catalog;
mod closing;
mod digests;
mod learners;
mod limiter;
mod namespaces;
mod peer_warnings;
mod sheet;
mod shorten;
mod stats;
mod summary;
mod warnings;

pub(crate) use audit::{Audit, Audited, Outcome};
pub(crate) use catalog::{ABSENT, Basic, Count, Detailed};
pub(crate) use closing::Closing;
pub(crate) use digests::DigestHistory;
pub(crate) use learners::{LearnerFigures, Learners};
pub(crate) use namespaces::{Namespaces, bytes_of_list, path_of, read_bytes};
pub(crate) use peer_warnings::PeerWarnings;
pub(crate) use sheet::Sheet;
pub(crate) use stats::{Replied, ServerStats, WorkerStats};
pub(crate) use summary::{Detail, Figures, Histogram};
pub(crate) use warnings::{Client, SlowRequest, Warnings};
