//! What the C library's allocator is told.
//!
//! Left alone, glibc raises the size from which it maps blocks by themselves to that of the largest one that was ever
//! freed (up to 32 MiB). From then on large buffers come from its heaps, where one small znode behind them keeps the
//! room of all: after a burst of large requests a server held twice what it needs. With fixed bounds it goes back.
#![expect(unsafe_code, reason = "the C library's settings have no safe form")]

/// Blocks of this size and above are mapped by themselves, and go back as soon as they are freed. Above what requests
/// and batches usually need, since mapping costs more than taking from a heap.
#[cfg(target_env = "gnu")]
const MAPPED_FROM_BYTES: libc::c_int = 512 << 10;
/// A heap gives back what is free at its end once it is so much.
#[cfg(target_env = "gnu")]
const TRIMMED_FROM_BYTES: libc::c_int = 2 << 20;

/// Fixes the bounds. Elsewhere than with glibc there is nothing to do.
pub(super) fn set_up() {
    #[cfg(target_env = "gnu")]
    for (setting, bytes) in
        [(libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES), (libc::M_TRIM_THRESHOLD, TRIMMED_FROM_BYTES)]
    {
        // SAFETY: the call takes two numbers, and glibc takes its own lock.
        if unsafe { libc::mallopt(setting, bytes) } != 1 {
            tracing::warn!(
                target: crate::topics::SERVER,
                setting,
                bytes,
                "the allocator does not take the setting: more memory may be held"
            );
        }
    }
}
