//! What the log writer is given to do.

use super::fill::Fill;
use crate::{
    membership::Membership,
    node::LogBatch,
    server::clock,
    storage::{EpochFile, Epochs, ReceivedSnapshot, Truncation},
    tree::Tree,
};
use bytes::Bytes;
use oxkeeper_codec::{SessionId, Zxid};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Work for the log writer.
#[derive(Debug)]
pub(super) enum Work {
    /// With the time at which it was handed over.
    Append(Entries, Instant),
    Roll,
    /// Makes this the epoch in that file, once all before is durable.
    StoreEpoch(EpochFile, i64),
    /// Keeps the next configuration, or removes it.
    StoreNext(Option<Membership>),
    /// Has the next start begin with this configuration.
    Activate(Membership),
    /// Passes over what comes: this member observes, and its disk gets nothing of it.
    KeepNothing,
    /// Replaces the history; `None`: not at all, since the leader is gone.
    Replace(Option<Replacement>),
    Stop,
}

impl Work {
    /// Whether it may share a sync with what comes later.
    pub(super) const fn may_wait(&self) -> bool {
        matches!(self, Self::Append(..) | Self::Roll)
    }
}

/// Entries for the log.
#[derive(Debug)]
pub(super) enum Entries {
    /// Of a server that is alone.
    Batch(LogBatch),
    /// Of a member: shared with those who send and keep them.
    Shared(Vec<(Zxid, Bytes)>),
}

impl Entries {
    /// Bytes of a member's entries.
    pub(super) fn shared_bytes(&self) -> usize {
        match self {
            Self::Batch(_) => 0,
            Self::Shared(entries) => entries.iter().map(|(_, body)| body.len()).sum(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.len(),
            Self::Shared(entries) => entries.len(),
        }
    }
}

/// How a member's history becomes that of its leader, or of its disk.
#[derive(Debug)]
pub(super) enum Replacement {
    /// It is cut.
    Truncate(Truncation),
    /// This takes its place, and with it comes the configuration that the leader has told of.
    Install(ReceivedSnapshot, Option<Membership>),
    /// It is what the disk has, and the disk gets all that comes behind it.
    GoBack,
}

/// The history after a replacement.
#[derive(Debug)]
pub(crate) struct History {
    /// Its end.
    pub(super) last: Zxid,
    /// What it makes; `None`: it is what it was.
    pub(super) state: Option<State>,
    /// After [`Replacement::GoBack`], the epochs that the disk has.
    pub(super) epochs: Option<Epochs>,
}

/// What the files make.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) tree: Box<Tree>,
    pub(super) sessions: BTreeMap<SessionId, i32>,
    /// Transactions behind the snapshot, and their bytes.
    pub(super) logged: (u64, u64),
}

/// With so much on its way to the disk, in bytes, a learner takes no more from its leader.
const FULL_BYTES: usize = 32 << 20;

/// The log writer's queue.
#[derive(Debug)]
pub(crate) struct LogQueue {
    work: Mutex<Vec<Work>>,
    arrived: Condvar,
    /// Entries of a member that wait.
    entries: Fill,
}

impl Default for LogQueue {
    fn default() -> Self {
        Self { work: Mutex::default(), arrived: Condvar::new(), entries: Fill::new(FULL_BYTES) }
    }
}

impl LogQueue {
    fn send(&self, work: Work) {
        self.work.lock().push(work);
        self.arrived.notify_one();
    }

    /// Whether more is on its way to the disk than is good. Whoever is told so waits until [`LogQueue::has_room_again`].
    pub(crate) fn is_full(&self) -> bool {
        self.entries.is_full()
    }

    /// Whether somebody was told that it is full, and it is not any more: true once.
    pub(super) fn has_room_again(&self) -> bool {
        self.entries.has_room_again()
    }

    /// So many bytes are with the log, which writes them next.
    pub(super) fn stored(&self, bytes: usize) {
        self.entries.take(bytes);
    }

    /// Appends entries and makes them durable.
    pub(super) fn append(&self, entries: Entries) {
        self.entries.add(entries.shared_bytes());
        self.send(Work::Append(entries, clock::now()));
    }

    /// Begins a new file with the next entry: a snapshot begins.
    pub(super) fn roll(&self) {
        self.send(Work::Roll);
    }

    /// Stores an epoch once everything before is durable.
    pub(super) fn store_epoch(&self, file: EpochFile, epoch: i64) {
        self.send(Work::StoreEpoch(file, epoch));
    }

    /// Keeps the next configuration durably, or removes it.
    pub(super) fn store_next(&self, next: Option<Membership>) {
        self.send(Work::StoreNext(next));
    }

    /// Has the next start begin with this configuration.
    pub(super) fn activate(&self, membership: Membership) {
        self.send(Work::Activate(membership));
    }

    /// Passes over what comes, until the history [goes back](Replacement::GoBack).
    pub(super) fn keep_nothing(&self) {
        self.send(Work::KeepNothing);
    }

    /// Replaces the history, or says where it ends. Nobody writes a snapshot meanwhile.
    pub(super) fn replace(&self, replacement: Option<Replacement>) {
        self.send(Work::Replace(replacement));
    }

    /// Ends once everything before is durable.
    pub(crate) fn stop(&self) {
        self.send(Work::Stop);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.work.lock().is_empty()
    }

    pub(super) fn take(&self) -> Vec<Work> {
        let mut work = self.work.lock();
        while work.is_empty() {
            self.arrived.wait(&mut work);
        }
        std::mem::take(&mut work)
    }

    /// Takes what there is after at most `wait`; nothing may have come by then.
    pub(super) fn take_within(&self, wait: Duration) -> Vec<Work> {
        let mut work = self.work.lock();
        if work.is_empty() {
            self.arrived.wait_for(&mut work, wait);
        }
        std::mem::take(&mut work)
    }
}
