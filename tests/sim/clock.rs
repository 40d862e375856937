//! The clocks: one true time, in ms, and what each node takes it for.

use oxkeeper::node::Now;

/// Wall clock at the true time 0, in ms since 1970.
const WALL_START_MS: i64 = 1_700_000_000_000;

/// The clocks of one node.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NodeClock {
    started_ms: i64,
    skew_ms: i64,
}

impl NodeClock {
    /// The node starts: its elapsed clock begins at 0.
    pub(crate) const fn restart(&mut self, true_ms: i64) {
        self.started_ms = true_ms;
    }

    /// The wall clock jumps.
    pub(crate) const fn jump(&mut self, by_ms: i64) {
        self.skew_ms += by_ms;
    }

    /// Both clocks.
    pub(crate) const fn now(&self, true_ms: i64) -> Now {
        Now { elapsed_ms: true_ms - self.started_ms, wall_ms: WALL_START_MS + true_ms + self.skew_ms }
    }
}
