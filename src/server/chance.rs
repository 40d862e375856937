//! Chance, which the core is handed.

use rustls::crypto::aws_lc_rs::default_provider;
use std::hash::{BuildHasher, RandomState};

/// A random number, from the seeds that the standard library draws for its maps.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}

/// Bytes that nobody can foresee; `None` if the system gives none.
pub(crate) fn secret<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    default_provider().secure_random.fill(&mut bytes).ok()?;
    Some(bytes)
}
