//! Figures that are counted where things happen: plain stores by one thread, read by any.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A figure that one thread writes and any may read.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds to the figure. Only one thread may call this.
    pub(super) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Takes from the figure. Only one thread may call this.
    pub(super) fn subtract(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }

    /// Adds to the figure, from any thread.
    pub(super) fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The figure.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Back to zero.
    pub(super) fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// Latencies in ms: number, sum, shortest and longest (`AvgMinMaxCounter`).
#[derive(Debug)]
pub(super) struct Latency {
    count: Counter,
    sum: Counter,
    min: AtomicI64,
    max: AtomicI64,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            count: Counter::default(),
            sum: Counter::default(),
            min: AtomicI64::new(i64::MAX),
            max: AtomicI64::new(0),
        }
    }
}

/// What a [`Latency`] has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LatencySummary {
    /// How many.
    pub count: u64,
    /// All together, in ms.
    pub sum_ms: u64,
    /// The shortest, in ms; 0 if there was none.
    pub min_ms: i64,
    /// The longest, in ms.
    pub max_ms: i64,
}

impl Latency {
    /// Counts one. Only one thread may call this.
    pub(super) fn record(&self, ms: i64) {
        self.count.add(1);
        self.sum.add(u64::try_from(ms).unwrap_or(0));
        if ms < self.min.load(Relaxed) {
            self.min.store(ms, Relaxed);
        }
        if ms > self.max.load(Relaxed) {
            self.max.store(ms, Relaxed);
        }
    }

    /// Forgets all.
    pub(super) fn reset(&self) {
        self.count.reset();
        self.sum.reset();
        self.min.store(i64::MAX, Relaxed);
        self.max.store(0, Relaxed);
    }

    /// What it has seen.
    pub(super) fn summary(&self) -> LatencySummary {
        let count = self.count.get();
        let min_ms = if count == 0 { 0 } else { self.min.load(Relaxed) };
        LatencySummary { count, sum_ms: self.sum.get(), min_ms, max_ms: self.max.load(Relaxed) }
    }
}

impl LatencySummary {
    /// Both together.
    #[must_use]
    pub(super) fn merge(self, other: Self) -> Self {
        let min_ms = match (self.count, other.count) {
            (0, _) => other.min_ms,
            (_, 0) => self.min_ms,
            _ => self.min_ms.min(other.min_ms),
        };
        Self {
            count: self.count + other.count,
            sum_ms: self.sum_ms + other.sum_ms,
            min_ms,
            max_ms: self.max_ms.max(other.max_ms),
        }
    }
}

/// Figures of one worker.
#[derive(Debug, Default)]
pub(super) struct WorkerStats {
    /// Requests received (`packets_received`).
    pub received: Counter,
    /// Replies and events sent (`packets_sent`).
    pub sent: Counter,
    /// From request to reply.
    pub latency: Latency,
    /// Connections open now.
    pub connections: Counter,
    /// Requests in work now.
    pub outstanding: Counter,
    /// Bytes of requests in work now.
    pub bytes_in_work: Counter,
    /// Bytes of large requests in work now.
    pub large_bytes: Counter,
}

impl WorkerStats {
    /// What `srst` has begin anew. Only the worker may call this.
    pub(super) fn reset(&self) {
        self.received.reset();
        self.sent.reset();
        self.latency.reset();
    }

    /// A request of `len` bytes is handed to the sequencer; `large`: it counts as large.
    pub(super) fn began(&self, len: u32, large: bool) {
        self.outstanding.add(1);
        self.bytes_in_work.add(u64::from(len));
        if large {
            self.large_bytes.add(u64::from(len));
        }
    }

    /// It is answered, or nobody waits for it any more.
    pub(super) fn finished(&self, len: u32, large: bool) {
        self.outstanding.subtract(1);
        self.bytes_in_work.subtract(u64::from(len));
        if large {
            self.large_bytes.subtract(u64::from(len));
        }
    }
}

/// Figures of the whole server.
#[derive(Debug, Default)]
pub(super) struct ServerStats {
    /// fsyncs that took longer than `fsync.warningthresholdms`.
    pub fsync_threshold_exceeded: Counter,
    /// Transactions after which the tree's digest was not the one foreseen.
    pub digest_mismatches: Counter,
    /// Syncs of the log.
    pub syncs: Counter,
    /// Snapshots written.
    pub snapshots: Counter,
    /// Connections refused over a limit.
    pub connections_rejected: Counter,
    /// Requests answered THROTTLEDOP.
    pub throttled_ops: Counter,
    /// Connections closed over the budget for large requests.
    pub large_requests_rejected: Counter,
}
