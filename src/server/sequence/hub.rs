//! What the sequencer, the workers and whoever looks at them share.

use super::mailbox::Mailbox;
use crate::{
    config::Config,
    membership,
    server::{
        clock::Clock,
        figures::{DigestHistory, Figures, ServerStats, Sheet, WorkerStats},
    },
    zab::Role,
};
use parking_lot::Mutex;
use std::sync::atomic::AtomicBool;
use tokio::sync::Notify;

/// How to wake a worker, and what it counts.
#[derive(Debug, Default)]
pub(crate) struct WorkerPort {
    /// Wakes it.
    pub(crate) notify: Notify,
    /// Its figures.
    pub(crate) stats: WorkerStats,
}

/// Shared by all threads of one server.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) mailbox: Mailbox,
    pub(crate) stats: ServerStats,
    pub(crate) workers: Vec<WorkerPort>,
    pub(crate) stopping: AtomicBool,
    /// What `hash` tells.
    pub(crate) digests: DigestHistory,
    /// What it is in its ensemble; `None`: it is alone.
    pub(crate) role: Mutex<Option<Role>>,
}

impl Hub {
    /// What it is, in the words of `srvr`; `None`: it does not serve, since there is no leader.
    pub(crate) fn mode(&self) -> Option<&'static str> {
        let role = *self.role.lock();
        match role {
            None => Some("standalone"),
            Some(Role::Leading(true)) => Some("leader"),
            Some(Role::Learning(_, true)) => Some(if self.observes() { "observer" } else { "follower" }),
            Some(Role::Looking | Role::Learning(..) | Role::Leading(_)) => None,
        }
    }

    fn observes(&self) -> bool {
        let ensemble = self.config.ensemble.as_ref();
        let member = ensemble.and_then(|ensemble| ensemble.membership.member(ensemble.my_id));
        member.is_some_and(|member| member.role == membership::Role::Observer)
    }

    /// Requests in work on all workers.
    pub(crate) fn outstanding(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.outstanding.get()).sum()
    }

    /// Bytes of requests in work on all workers.
    pub(crate) fn bytes_in_work(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.bytes_in_work.get()).sum()
    }

    /// Whether a request of so many bytes goes over the budget of large ones.
    pub(crate) fn refuses_large(&self, len: usize) -> bool {
        let throttle = &self.config.throttle;
        let Some(threshold) = throttle.large_request_threshold_bytes else { return false };
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let in_work: u64 = self.workers.iter().map(|worker| worker.stats.large_bytes.get()).sum();
        len > u64::from(threshold) && in_work + len > u64::from(throttle.large_request_max_bytes)
    }

    /// Latencies on all workers.
    pub(crate) fn latency(&self) -> Figures {
        let all = self.workers.iter().map(|worker| worker.stats.latency());
        all.fold(Figures::default(), Figures::merge)
    }

    /// The figures of all threads.
    pub(crate) fn sheets(&self) -> impl Iterator<Item = &Sheet> {
        let ServerStats { sequencer, log_writer, snapshots, .. } = &self.stats;
        self.workers.iter().map(|worker| &worker.stats.sheet).chain([sequencer, log_writer, snapshots])
    }

    /// Connections open on all workers.
    pub(crate) fn connections(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.connections.get()).sum()
    }
}
