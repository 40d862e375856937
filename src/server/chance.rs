//! Chance, which the core is handed.

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::crypto::aws_lc_rs::default_provider;
use std::hash::{BuildHasher, RandomState};

/// A random number, from the seeds that the standard library draws for its maps.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0u8)
}

/// Length of a nonce, in bytes. In base64 it has 40 characters, as that of Java.
const NONCE_LEN: usize = 30;

/// Text that nobody can foresee, for one login; `None` if the system gives no random numbers.
pub(crate) fn nonce() -> Option<String> {
    let mut bytes = [0; NONCE_LEN];
    default_provider().secure_random.fill(&mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}
