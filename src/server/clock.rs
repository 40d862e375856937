//! The server's clocks: the only place that reads them.
#![expect(clippy::disallowed_methods, reason = "this is where the shell reads its clocks")]

use crate::node::Now;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock that starts with the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts now.
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Milliseconds since the start.
    pub(super) fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Both clocks.
    pub(super) fn now(&self) -> Now {
        Now { elapsed_ms: self.elapsed_ms(), wall_ms: wall_ms() }
    }

    /// What to add to [`Clock::elapsed_ms`] for the time since 1970, in ms.
    pub(super) fn wall_offset_ms(&self) -> i64 {
        let now = self.now();
        now.wall_ms - now.elapsed_ms
    }

    /// The instant at which [`Clock::elapsed_ms`] is `ms`.
    pub(super) fn instant_at(&self, ms: i64) -> Instant {
        self.start + std::time::Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }
}

/// Now, for waits.
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970.
pub(super) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
