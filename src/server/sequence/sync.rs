//! The locks around the tree and the sequencer. `tests/loom` puts others in their place.

pub(crate) use parking_lot::{Mutex, MutexGuard};
use std::time::Instant;

/// A condition that threads wait for.
#[derive(Debug)]
pub(super) struct Condvar(parking_lot::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(parking_lot::Condvar::new())
    }

    /// Wakes one that waits.
    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Waits to be woken, without end if `until` is none. True: the time is over.
    pub(super) fn wait_until<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        until: Option<Instant>,
    ) -> (MutexGuard<'a, T>, bool) {
        let timed_out = match until {
            Some(until) => self.0.wait_until(&mut guard, until).timed_out(),
            None => {
                self.0.wait(&mut guard);
                false
            }
        };
        (guard, timed_out)
    }
}
