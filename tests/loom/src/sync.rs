//! loom's locks, in the form of the server's.

use std::{sync::LazyLock, time::Instant};

/// The time at which everything happens.
#[expect(clippy::disallowed_methods, reason = "any instant will do")]
pub(crate) static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A lock that loom watches.
#[derive(Debug)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

/// It, held.
pub(crate) type MutexGuard<'a, T> = loom::sync::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
}

/// A condition that loom watches.
#[derive(Debug)]
pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    /// Waits to be woken; time stands still at [`NOW`].
    pub(crate) fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        until: Option<Instant>,
    ) -> (MutexGuard<'a, T>, bool) {
        match until {
            Some(until) if until <= *NOW => (guard, true),
            _ => (self.0.wait(guard).unwrap(), false),
        }
    }
}
