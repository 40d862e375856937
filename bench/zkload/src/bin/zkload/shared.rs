//! What the load threads and the thread that directs them tell each other, without a lock.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::*};

/// How far a run is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
pub(crate) enum Stage {
    WarmUp,
    /// What is answered counts.
    Measure,
    /// Nothing is issued; what is outstanding is waited for.
    Drain,
}

#[derive(Default)]
pub(crate) struct Shared {
    stage: AtomicU8,
    ops: AtomicU64,
    bulk: AtomicU64,
    finished: AtomicUsize,
    abort: AtomicBool,
}

impl Shared {
    pub(crate) fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, SeqCst);
    }

    /// The stage; after an abort that is the end for every thread.
    #[inline]
    pub(crate) fn stage(&self) -> Stage {
        if self.abort.load(Relaxed) {
            return Stage::Drain;
        }
        match self.stage.load(Relaxed) {
            0 => Stage::WarmUp,
            1 => Stage::Measure,
            _ => Stage::Drain,
        }
    }

    /// Ends the run early, for all threads.
    pub(crate) fn abort(&self) {
        self.abort.store(true, SeqCst);
    }

    /// Takes one of `ops` operations; false: all are taken.
    #[inline]
    pub(crate) fn take_op(&self, ops: u64) -> bool {
        self.ops.fetch_add(1, Relaxed) < ops
    }

    /// The number of the next znode that nobody creates yet.
    pub(crate) fn next_bulk(&self) -> u64 {
        self.bulk.fetch_add(1, Relaxed)
    }

    /// Says that the calling thread has nothing left to do or to wait for.
    pub(crate) fn finish(&self) {
        self.finished.fetch_add(1, SeqCst);
    }

    /// How many threads have finished.
    pub(crate) fn finished(&self) -> usize {
        self.finished.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abort_overrides_the_stage() {
        let shared = Shared::default();
        assert_eq!(shared.stage(), Stage::WarmUp);
        for stage in [Stage::Measure, Stage::Drain, Stage::Measure] {
            shared.set_stage(stage);
            assert_eq!(shared.stage(), stage);
        }
        shared.abort();
        assert_eq!(shared.stage(), Stage::Drain);
    }
}
