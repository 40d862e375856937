//! Pauses of observers, for those who have many of them: they do not all come back to a leader at the same moment.
//!
//! Officially each pause is drawn anew (`Observer.waitForReconnectDelayHelper`). Here it follows from the member's id and from how many
//! there were before, which spreads them as well.

use oxkeeper_codec::ServerId;

/// How long at most, in ms; 0 for not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObserverPauses {
    /// Between the end of a link and the election that follows (`observer.election.DelayMs`).
    pub election_ms: u64,
    /// Before the leader, or the first of the observer masters, is dialled (`observer.reconnectDelayMs`).
    pub reconnect_ms: u64,
}

impl ObserverPauses {
    /// Observers come back at once.
    pub const NONE: Self = Self { election_ms: 0, reconnect_ms: 0 };
}

/// The pauses that there were.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pauses(u64);

impl Pauses {
    /// The next one, in ms: less than `most_ms`, or 0.
    pub(super) fn next(&mut self, me: ServerId, most_ms: u64) -> i64 {
        if most_ms == 0 {
            return 0;
        }
        self.0 += 1;
        // Weyl's sequence: neighbours in it are far from each other.
        let seed = me.0.unsigned_abs().rotate_left(32) ^ self.0;
        let drawn = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32) % most_ms;
        i64::try_from(drawn).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observers_are_spread() {
        let first: std::collections::BTreeSet<_> =
            (1..=50).map(|id| Pauses::default().next(ServerId(id), 1000) / 100).collect();
        assert!(first.len() >= 8, "{first:?}");
        let mut pauses = Pauses::default();
        let one: std::collections::BTreeSet<_> =
            (0..50).map(|_| pauses.next(ServerId(7), 1000) / 100).collect();
        assert!(one.len() >= 8, "{one:?}");
        assert_eq!(pauses.next(ServerId(7), 0), 0);
    }
}
