//! When a snapshot is due (`SyncRequestProcessor.shouldSnapshot`): counts what was logged since the last one.
//!
//! Invariant: no chance of its own; random numbers are handed in, so that members of an ensemble do not all write
//! at the same time and a simulation can be repeated.

/// `snapCount` and `snapSizeLimitInKb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleOptions {
    /// Transactions; at least 2.
    pub snap_count: u64,
    /// Bytes of transactions; 0 for no limit.
    pub snap_size_bytes: u64,
}

impl Default for ScheduleOptions {
    fn default() -> Self {
        Self { snap_count: 100_000, snap_size_bytes: 4_294_967_296 }
    }
}

/// Counts towards the next snapshot.
#[derive(Debug, Clone)]
pub struct SnapshotSchedule {
    options: ScheduleOptions,
    entries: u64,
    bytes: u64,
    entry_limit: u64,
    byte_limit: u64,
}

impl SnapshotSchedule {
    /// Starts to count; `random` is two arbitrary numbers.
    pub fn new(options: ScheduleOptions, random: [u64; 2]) -> Self {
        let mut schedule = Self { options, entries: 0, bytes: 0, entry_limit: 0, byte_limit: 0 };
        schedule.reset(random);
        schedule
    }

    /// A snapshot begins: counts from zero to a new limit.
    pub fn reset(&mut self, random: [u64; 2]) {
        let limit = |full: u64, random: u64| full / 2 + random % (full / 2).max(1);
        self.entries = 0;
        self.bytes = 0;
        self.entry_limit = limit(self.options.snap_count.max(2), random[0]);
        self.byte_limit = limit(self.options.snap_size_bytes, random[1]);
        assert!(self.entry_limit < self.options.snap_count.max(2), "between half and all of snapCount");
    }

    /// So much was logged. Returns whether a snapshot is due.
    pub fn logged(&mut self, entries: u64, bytes: u64) -> bool {
        self.entries = self.entries.saturating_add(entries);
        self.bytes = self.bytes.saturating_add(bytes);
        self.is_due()
    }

    /// Whether more than one of the limits was logged since the last snapshot.
    pub const fn is_due(&self) -> bool {
        self.entries > self.entry_limit || (self.options.snap_size_bytes > 0 && self.bytes > self.byte_limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_between_half_and_all_of_the_count() {
        let options = ScheduleOptions { snap_count: 10, snap_size_bytes: 0 };
        for random in 0..20 {
            let mut schedule = SnapshotSchedule::new(options, [random, 0]);
            let due = (1..).find(|_| schedule.logged(1, 1_000_000)).unwrap();
            assert_eq!(due, 6 + random % 5);
        }
    }

    #[test]
    fn due_by_size() {
        let options = ScheduleOptions { snap_count: 1000, snap_size_bytes: 100 };
        let mut schedule = SnapshotSchedule::new(options, [0, 10]);
        assert!(!schedule.logged(1, 60));
        assert!(schedule.logged(1, 1));
        schedule.reset([0, 0]);
        assert!(!schedule.is_due());
    }

    #[test]
    fn tiny_limits_do_not_panic() {
        let mut schedule =
            SnapshotSchedule::new(ScheduleOptions { snap_count: 0, snap_size_bytes: 1 }, [7, 7]);
        assert!(schedule.logged(2, 0));
    }
}
