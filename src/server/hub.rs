//! What all threads of a server share.

use super::{clock::Clock, limits::Limits, mailbox::Mailbox, stats::{ServerStats, WorkerStats}, token};
use crate::{
    auth::AuthConfig,
    config::Config,
    node::{CommittedBatch, Delivery},
    tree::Tree,
    watch::WatchTable,
};
use std::{
    net::{SocketAddr, TcpStream},
    sync::{Arc, atomic::AtomicBool},
};
use tokio::sync::Notify;

/// Read access to the tree, through one worker's lock.
pub(super) type TreeReader = token::Reader<Tree, Shard>;
/// The right to write the tree.
pub(super) type TreeWriter = token::Writer<Tree, Shard>;

/// What a worker's lock guards besides the tree.
#[derive(Debug)]
pub(super) struct Shard {
    /// What the worker has to look at before it answers anything.
    pub(super) inbox: Vec<Item>,
    /// The watches of its connections.
    pub(super) watches: WatchTable,
}

/// A question that a worker answers from its own state.
pub(super) type WorkerQuery = Box<dyn FnOnce(&mut super::worker::State, &mut Shard) + Send>;

/// One thing in an inbox.
pub(super) enum Item {
    /// Transactions took effect. Enters while all locks are held.
    Batch(Arc<CommittedBatch>),
    /// For one connection; depends on no transaction that is not applied.
    Deliver(Delivery),
    /// A new connection.
    Accepted(TcpStream, SocketAddr),
    /// A question.
    Query(WorkerQuery),
    /// The server stops.
    Stop,
}

impl std::fmt::Debug for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Batch(_) => "Batch",
            Self::Deliver(_) => "Deliver",
            Self::Accepted(..) => "Accepted",
            Self::Query(_) => "Query",
            Self::Stop => "Stop",
        })
    }
}

/// How to reach a worker.
#[derive(Debug, Default)]
pub(super) struct WorkerPort {
    /// Wakes it.
    pub(super) notify: Notify,
    /// Its figures.
    pub(super) stats: WorkerStats,
}

/// Shared by all threads of one server.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) config: Config,
    pub(super) auth: AuthConfig,
    pub(super) clock: Clock,
    pub(super) mailbox: Mailbox,
    pub(super) stats: ServerStats,
    pub(super) limits: Limits,
    pub(super) workers: Vec<WorkerPort>,
    pub(super) stopping: AtomicBool,
}

impl Hub {
    /// Requests in work on all workers.
    pub(super) fn outstanding(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.outstanding.get()).sum()
    }

    /// Connections open on all workers.
    pub(super) fn connections(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.connections.get()).sum()
    }
}
