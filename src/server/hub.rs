//! What all threads of a server share.

use super::{
    clock::Clock,
    conn::slot_of,
    limits::Limits,
    mailbox::Mailbox,
    metrics::{Figures, Sheet},
    stats::{ServerStats, WorkerStats},
    token,
    words::DigestHistory,
};
use crate::{
    auth::AuthConfig,
    config::Config,
    node::{CommittedBatch, Delivery},
    session::ConnId,
    tree::Tree,
    watch::WatchTable,
};
use parking_lot::Mutex;
use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64},
    },
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
    /// By slot: the connection, and when it was last heard of (ms of the elapsed clock).
    pub(super) heard: Vec<(ConnId, i64)>,
}

impl Shard {
    pub(super) const fn new(hash_seed: u64) -> Self {
        Self { inbox: Vec::new(), watches: WatchTable::new(hash_seed), heard: Vec::new() }
    }

    /// The connection was heard of.
    pub(super) fn note_heard(&mut self, conn: ConnId, now_ms: i64) {
        let slot = slot_of(conn).0 as usize;
        if slot >= self.heard.len() {
            self.heard.resize(slot + 1, (ConnId(0), 0));
        }
        self.heard[slot] = (conn, now_ms);
    }

    /// When the connection was last heard of, in ms; `None` if its slot has another by now.
    pub(super) fn last_heard(&self, conn: ConnId) -> Option<i64> {
        self.heard.get(slot_of(conn).0 as usize).filter(|(id, _)| *id == conn).map(|(_, heard_ms)| *heard_ms)
    }
}

/// A question that a worker answers from its own state.
pub(super) type WorkerQuery = Box<dyn FnOnce(&mut super::worker::State, &mut Shard) + Send>;

/// One thing in an inbox.
#[derive(Debug)]
pub(super) enum Item {
    /// Transactions took effect. Enters while all locks are held.
    Batch(Arc<CommittedBatch>),
    /// For one connection; depends on no transaction that is not applied.
    Deliver(Delivery),
}

/// What a worker is told that has nothing to do with the tree.
pub(super) enum Mail {
    /// A new connection.
    Accepted(TcpStream, SocketAddr),
    /// A question.
    Query(WorkerQuery),
    /// The server stops.
    Stop,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
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
    /// Mail, in no order with the inbox.
    pub(super) mail: Mutex<Vec<Mail>>,
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
    /// Whether nothing more is read from connections: the server is about to stop.
    pub(super) draining: AtomicBool,
    pub(super) stopping: AtomicBool,
    /// The port that clients are taken in on.
    pub(super) port: u16,
    /// What `gtmk` and `stmk` tell and set; nothing is traced by it.
    pub(super) trace_mask: AtomicI64,
    /// What `hash` tells.
    pub(super) digests: DigestHistory,
}

impl Hub {
    /// Requests in work on all workers.
    pub(super) fn outstanding(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.outstanding.get()).sum()
    }

    /// Bytes of requests in work on all workers.
    pub(super) fn bytes_in_work(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.bytes_in_work.get()).sum()
    }

    /// Whether a request of so many bytes goes over the budget of large ones.
    pub(super) fn refuses_large(&self, len: usize) -> bool {
        let throttle = &self.config.throttle;
        let Some(threshold) = throttle.large_request_threshold_bytes else { return false };
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let in_work: u64 = self.workers.iter().map(|worker| worker.stats.large_bytes.get()).sum();
        len > u64::from(threshold) && in_work + len > u64::from(throttle.large_request_max_bytes)
    }

    /// Leaves mail for a worker.
    pub(super) fn post(&self, worker: usize, mail: Mail) {
        self.workers[worker].mail.lock().push(mail);
        self.workers[worker].notify.notify_one();
    }

    /// Latencies on all workers.
    pub(super) fn latency(&self) -> Figures {
        let all = self.workers.iter().map(|worker| worker.stats.latency());
        all.fold(Figures::default(), Figures::merge)
    }

    /// The figures of all threads.
    pub(super) fn sheets(&self) -> impl Iterator<Item = &Sheet> {
        let ServerStats { sequencer, log_writer, snapshots, .. } = &self.stats;
        self.workers.iter().map(|worker| &worker.stats.sheet).chain([sequencer, log_writer, snapshots])
    }

    /// Connections open on all workers.
    pub(super) fn connections(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.connections.get()).sum()
    }
}
