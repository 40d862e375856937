//! How full something is, for those who wait until it is less full.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// See the module. Counts bytes.
#[derive(Debug)]
pub(crate) struct Fill {
    bytes: AtomicUsize,
    full_bytes: usize,
    /// Somebody was told that it is full.
    refused: AtomicBool,
}

impl Fill {
    /// Beyond so many bytes it is full.
    pub(crate) const fn new(full_bytes: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), full_bytes, refused: AtomicBool::new(false) }
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, SeqCst);
    }

    pub(crate) fn take(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, SeqCst);
    }

    /// Whether it is full. Whoever is told so waits until [`Fill::has_room_again`].
    pub(crate) fn is_full(&self) -> bool {
        if self.bytes.load(SeqCst) <= self.full_bytes {
            return false;
        }
        self.refused.store(true, SeqCst);
        // Whoever has taken the rest meanwhile may have seen nobody wait.
        self.bytes.load(SeqCst) > self.full_bytes
    }

    /// Whether somebody was told that it is full, and it is not any more: true once. Asked whenever some was taken.
    pub(crate) fn has_room_again(&self) -> bool {
        self.refused.load(SeqCst)
            && self.bytes.load(SeqCst) <= self.full_bytes / 2
            && self.refused.swap(false, SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_refused_is_told_once() {
        let fill = Fill::new(10);
        fill.add(10);
        assert!(!fill.is_full() && !fill.has_room_again());
        fill.add(1);
        assert!(fill.is_full() && !fill.has_room_again());
        fill.take(5);
        assert!(!fill.is_full() && !fill.has_room_again(), "not yet half of it");
        fill.take(1);
        assert!(fill.has_room_again() && !fill.has_room_again());
    }
}
