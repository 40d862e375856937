//! The lock around the tree. `tests/loom` puts another in its place.

pub(super) use parking_lot::{Mutex, MutexGuard};
