//! How much somebody may say: what comes faster waits in its socket, and costs nobody else anything.

use std::time::Duration;

/// Within each of these times, in ms,
const SPAN_MS: i64 = 1000;
/// so many bytes are listened to.
const BYTES_A_SPAN: usize = 1 << 20;
/// What is shorter than this, in bytes, counts as much: it costs more than its bytes.
const LEAST_BYTES: usize = 4 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the span that is under way began, in ms of the elapsed clock.
    since_ms: i64,
    bytes: usize,
}

impl Pace {
    pub(super) const fn new(now_ms: i64) -> Self {
        Self { since_ms: now_ms, bytes: 0 }
    }

    /// Something of that length, in bytes, was said.
    pub(super) fn said(&mut self, len: usize) {
        self.bytes = self.bytes.saturating_add(len.max(LEAST_BYTES));
    }

    /// How long nobody listens to it now, if it has said too much.
    pub(super) fn pause(&mut self, now_ms: i64) -> Option<Duration> {
        if now_ms - self.since_ms >= SPAN_MS {
            *self = Self { since_ms: now_ms, bytes: self.bytes.saturating_sub(BYTES_A_SPAN) };
        }
        let left_ms = u64::try_from(self.since_ms + SPAN_MS - now_ms).unwrap_or(1);
        (self.bytes > BYTES_A_SPAN).then(|| Duration::from_millis(left_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_too_much_waits_for_the_next_span() {
        let mut pace = Pace::new(100);
        for _ in 0..256 {
            pace.said(40);
            assert_eq!(pace.pause(300), None);
        }
        pace.said(40);
        assert_eq!(pace.pause(300), Some(Duration::from_millis(800)));
        assert_eq!(pace.pause(1100), None, "a new span");
        pace.said(3 << 20);
        assert!(pace.pause(1101).is_some() && pace.pause(2100).is_some(), "the rest is owed");
        assert_eq!(pace.pause(3100), Some(Duration::from_secs(1)));
        assert_eq!(pace.pause(4100), None);
    }
}
