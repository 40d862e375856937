//! Chance, which the core is handed.

use std::hash::{BuildHasher, RandomState};

/// A random number, from the seeds that the standard library draws for its maps.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}
