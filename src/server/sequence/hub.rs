//! What the sequencer, the workers and whoever looks at them share.

use super::{fill::Fill, mailbox::Mailbox};
use crate::{
    config::Config,
    membership::{HostPort, Membership},
    server::{
        clock::Clock,
        figures::{Audit, DigestHistory, Figures, Learners, ServerStats, Sheet, WorkerStats},
    },
    storage::Disk,
    zab::{Role, Tally},
};
use oxkeeper_codec::Zxid;
use parking_lot::Mutex;
use std::sync::{Arc, atomic::AtomicBool};
use tokio::sync::Notify;

/// The mode of a member that has no leader, in the words of `srvr`.
pub(crate) const READ_ONLY: &str = "read-only";

/// How to wake a worker, and what it counts.
#[derive(Debug, Default)]
pub(crate) struct WorkerPort {
    /// Wakes it.
    pub(crate) notify: Notify,
    /// Its figures.
    pub(crate) stats: WorkerStats,
}

/// What a member is in its ensemble, for those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// What it does.
    pub(crate) role: Role,
    /// Since when, in ms of the elapsed clock.
    pub(crate) since_ms: i64,
    /// Its current epoch.
    pub(crate) epoch: i64,
    /// How many members have a vote.
    pub(crate) voters: usize,
    /// Of a leader.
    pub(crate) learners: Option<Tally>,
    /// Bytes of the last, the smallest and the largest proposal; -1 before the first one (`BufferStats`).
    pub(crate) proposals: [i64; 3],
}

impl Standing {
    /// A member that looks for a leader.
    pub(crate) const NEW: Self =
        Self { role: Role::Looking, since_ms: 0, epoch: 0, voters: 0, learners: None, proposals: [-1; 3] };

    /// A proposal of so many bytes was made.
    pub(super) fn proposed(&mut self, len: usize) {
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        let [_, min, max] = self.proposals;
        self.proposals = [len, if min < 0 { len } else { min.min(len) }, max.max(len)];
    }
}

/// Of what other members have said, so many bytes may wait to be looked at.
pub(crate) const HEARD_MAX_BYTES: usize = 2 << 20;

/// Shared by all threads of one server.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    /// Where snapshots are.
    pub(crate) snap_disk: Arc<dyn Disk>,
    pub(crate) mailbox: Mailbox,
    /// What other members have said and nobody has looked at yet.
    pub(crate) heard: Fill,
    pub(crate) stats: ServerStats,
    /// The audit log, if there is one.
    pub(crate) audit: Option<Audit>,
    pub(crate) workers: Vec<WorkerPort>,
    pub(crate) stopping: AtomicBool,
    /// What `hash` tells.
    pub(crate) digests: DigestHistory,
    /// The learners that learn from this server.
    pub(crate) learners: Arc<Learners>,
    /// What it is in its ensemble; `None`: it is alone.
    pub(crate) standing: Mutex<Option<Standing>>,
    /// The members as they are now; `None`: it is alone.
    pub(crate) membership: Mutex<Option<Membership>>,
    /// How often the history was to be replaced. Held while its files are removed or replaced: what a purge has planned is not true any more
    /// behind a replacement.
    pub(crate) replacements: Mutex<u64>,
    /// They are others: wakes whoever keeps the client port.
    pub(crate) membership_changed: Notify,
}

impl Hub {
    /// What it is, in the words of `srvr`; `None`: it does not serve clients, since there is no leader, or since it leads.
    pub(crate) fn mode(&self) -> Option<&'static str> {
        self.state().filter(|&state| state != "leader" || self.config.leader_serves())
    }

    /// The same, also of a leader that takes no clients; `None`: there is no leader.
    pub(crate) fn state(&self) -> Option<&'static str> {
        let role = self.standing.lock().map(|standing| standing.role);
        match role {
            None => Some("standalone"),
            Some(Role::ReadOnly) => Some(READ_ONLY),
            Some(Role::Leading(true)) => Some("leader"),
            Some(Role::Learning(_, true)) => Some(if self.observes() { "observer" } else { "follower" }),
            Some(Role::Looking | Role::Learning(..) | Role::Leading(_)) => None,
        }
    }

    /// Bytes of the last, the smallest and the largest proposal, of a leader.
    pub(crate) fn proposal_sizes(&self) -> Option<[i64; 3]> {
        let standing = (*self.standing.lock())?;
        matches!(standing.role, Role::Leading(_)).then_some(standing.proposals)
    }

    /// The zxid to show, if this is the tree's: a leader's is in its epoch from the beginning.
    pub(crate) fn shown_zxid(&self, last: Zxid) -> Zxid {
        match *self.standing.lock() {
            Some(Standing { role: Role::Leading(true), epoch, .. }) => last.max(Zxid::begin_of(epoch)),
            _ => last,
        }
    }

    /// Where this member takes in clients, if the members' configuration says so.
    pub(crate) fn client_place(&self) -> Option<HostPort> {
        let my_id = self.config.ensemble.as_ref()?.my_id;
        self.membership.lock().as_ref()?.member(my_id)?.client.clone()
    }

    /// Whether it is told to observe.
    pub(crate) fn observes(&self) -> bool {
        let (Some(ensemble), Some(membership)) = (&self.config.ensemble, &*self.membership.lock()) else {
            return false;
        };
        membership.observes(ensemble.my_id)
    }

    /// Requests in work on all workers.
    pub(crate) fn outstanding(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.outstanding.get()).sum()
    }

    /// Requests that all workers have received.
    pub(crate) fn received(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.received.get()).sum()
    }

    /// Replies and events that all workers have sent.
    pub(crate) fn sent(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.sent.get()).sum()
    }

    /// Authentications that have failed on all workers.
    pub(crate) fn auth_failed(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.auth_failed.get()).sum()
    }

    /// Whether sessions of the ensemble expire by this server's word: it alone knows when.
    pub(crate) fn expires_sessions(&self) -> bool {
        matches!(self.mode(), None | Some("standalone" | "leader"))
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
        let ServerStats { sequencer, log_writer, snapshots, admin, .. } = &self.stats;
        let workers = self.workers.iter().map(|worker| &worker.stats.sheet);
        workers.chain([sequencer, log_writer, snapshots, admin])
    }

    /// Connections open on all workers.
    pub(crate) fn connections(&self) -> u64 {
        self.workers.iter().map(|worker| worker.stats.connections.get()).sum()
    }
}
