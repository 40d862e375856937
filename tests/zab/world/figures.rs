//! What runs came to.

use super::With;
use std::fmt;

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Figure {
    Committed,
    Crashes,
    Leaders,
    Diffs,
    Truncs,
    Snaps,
    LogDiffs,
    DiskFailures,
    Changes,
    HandOvers,
    Stalls,
    Duplicates,
    Losses,
    ClockFaults,
    Reads,
    Mastered,
    ReadOnly,
    WithoutDisk,
    WentBack,
    Restores,
    Connects,
    Answers,
    Locks,
    ReadOnlyConnects,
    LocksAtFirst,
    LocalRefusals,
    Kept,
    ReadsHeld,
    Snapshots,
    Told,
    CutsRefused,
    StartsCutShort,
    TriesFailed,
}

/// The figures from here on are of clients with sessions, and those of changes are not.
const OF_SESSIONS: usize = Figure::Connects as usize;
/// Those from here on are of disks in files.
const OF_FILES: usize = Figure::Snapshots as usize;

const NAMES: [&str; 33] = [
    "committed",
    "crashes",
    "leaders",
    "DIFF",
    "TRUNC",
    "SNAP",
    "DIFF from log files",
    "disk failures",
    "changes of the configuration",
    "leaders removed",
    "stalls",
    "connections twice",
    "votes lost",
    "clocks that jump or drift",
    "reads",
    "observers at followers",
    "times read-only",
    "observers without a disk",
    "observers that got a vote",
    "snapshots of an operator",
    "sessions opened or renewed",
    "answers",
    "locks",
    "of the sessions at members that only read",
    "locks of sessions that were local at first",
    "locks refused to local sessions",
    "connections that have outlived a leader",
    "reads without a leader",
    "snapshots beside the traffic",
    "configurations with a SNAP",
    "histories that could not be cut",
    "starts cut short",
    "operations that failed for a while",
];

/// See the module.
#[derive(Debug)]
pub(crate) struct Figures {
    counts: [usize; NAMES.len()],
    /// The longest that a core has taken to make progress, in ms.
    pub(super) core_ms: i64,
    /// The longest that all have taken to come to rest, in ms.
    pub(super) rest_ms: i64,
}

impl Default for Figures {
    fn default() -> Self {
        Self { counts: [0; NAMES.len()], core_ms: 0, rest_ms: 0 }
    }
}

impl Figures {
    pub(crate) fn count(&mut self, figure: Figure, by: usize) {
        self.counts[figure as usize] += by;
    }

    /// Takes in what another run came to.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.core_ms = self.core_ms.max(other.core_ms);
        self.rest_ms = self.rest_ms.max(other.rest_ms);
    }

    /// Panics if something that has to be tested never happened.
    pub(crate) fn assert_all_happened(&self, with: With) {
        // With a node nobody changes the configuration, and few histories are cut.
        let rare = [
            Figure::Changes,
            Figure::HandOvers,
            Figure::WentBack,
            Figure::Restores,
            Figure::Told,
            Figure::CutsRefused,
        ];
        let rare = rare.map(|figure| figure as usize);
        for (at, (name, count)) in NAMES.iter().zip(self.counts).enumerate() {
            let is_looked_at = match at {
                OF_FILES.. => with.files(),
                OF_SESSIONS.. => with.nodes(),
                _ => true,
            };
            let is_expected = is_looked_at && !(with.nodes() && rare.contains(&at));
            assert!(count > 0 || !is_expected, "{name} never happened");
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in NAMES.iter().zip(self.counts) {
            write!(f, "{count} {name}, ")?;
        }
        write!(f, "progress of a core within {} ms, rest within {} ms", self.core_ms, self.rest_ms)
    }
}
