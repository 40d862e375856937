//! The trace mask that `gtmk` and `stmk` tell and set (`ZooTrace`); nothing is traced by it.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

/// The mask that nobody has set.
const DEFAULT: i64 = 306;

/// The mask; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct TraceMask(Arc<AtomicI64>);

impl Default for TraceMask {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(DEFAULT)))
    }
}

impl TraceMask {
    /// The mask.
    pub(super) fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }

    /// Another one.
    pub(super) fn set(&self, mask: i64) {
        self.0.store(mask, Relaxed);
    }
}
