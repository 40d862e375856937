//! Warnings that clients can cause as often as they like (`RateLogger`): so many a second are logged, and then how
//! many were left out.

use crate::processor::OverQuota;
use parking_lot::Mutex;

/// Lines a second, of all threads together.
const LINES: u32 = 10;
/// What [`LINES`] are counted in, in ms.
const WINDOW_MS: i64 = 1000;

/// What was logged of late.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    /// When it ends, in ms of the elapsed clock.
    ends_ms: i64,
    lines: u32,
    left_out: u64,
}

impl Window {
    /// Whether a line may be logged now; if it begins a new window, with how many were left out of the last.
    fn admit(&mut self, now_ms: i64) -> Option<u64> {
        let mut left_out = 0;
        if now_ms >= self.ends_ms {
            left_out = self.left_out;
            *self = Self { ends_ms: now_ms + WINDOW_MS, ..Self::default() };
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines > LINES {
            self.left_out += 1;
            return None;
        }
        Some(left_out)
    }
}

impl Warnings {
    fn say(&self, now_ms: i64, line: impl FnOnce()) {
        let admitted = self.0.lock().admit(now_ms);
        let Some(left_out) = admitted else { return };
        if left_out > 0 {
            tracing::warn!(left_out, "more warnings like those before were not logged");
        }
        line();
    }

    /// A reply could not be sent.
    pub(crate) fn reply_too_long(&self, now_ms: i64) {
        self.say(now_ms, || {
            tracing::warn!(
                multi_read_limit = crate::processor::read::MULTI_READ_MAX_BYTES,
                "a reply would have been too long: its client was answered with an error"
            );
        });
    }

    /// A write went beyond a quota, or would have.
    pub(crate) fn over_quota(&self, now_ms: i64, over: &OverQuota) {
        for exceeded in &over.exceeded {
            self.say(now_ms, || tracing::warn!("Quota exceeded: {exceeded}"));
        }
        self.0.lock().left_out += over.more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_so_many_a_second_and_the_rest_is_counted() {
        let mut window = Window::default();
        for second in 0..3 {
            let left_out = if second == 0 { 0 } else { 90 };
            let said: Vec<_> = (0..100).map(|n| window.admit(second * WINDOW_MS + n)).collect();
            assert_eq!(said[0], Some(left_out), "second {second}");
            assert!(said[1..10].iter().all(|said| *said == Some(0)));
            assert!(said[10..].iter().all(Option::is_none));
        }
    }
}
