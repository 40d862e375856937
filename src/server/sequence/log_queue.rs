//! What the log writer is given to do.

use crate::{node::LogBatch, server::clock};
use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// Work for the log writer.
#[derive(Debug)]
pub(super) enum Work {
    /// With the time at which it was handed over.
    Append(LogBatch, Instant),
    Roll,
    Stop,
}

/// The log writer's queue.
#[derive(Debug, Default)]
pub(crate) struct LogQueue {
    work: Mutex<Vec<Work>>,
    arrived: Condvar,
}

impl LogQueue {
    fn send(&self, work: Work) {
        self.work.lock().push(work);
        self.arrived.notify_one();
    }

    /// Appends entries and makes them durable.
    pub(crate) fn append(&self, batch: LogBatch) {
        self.send(Work::Append(batch, clock::now()));
    }

    /// Begins a new file with the next entry: a snapshot begins.
    pub(super) fn roll(&self) {
        self.send(Work::Roll);
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
