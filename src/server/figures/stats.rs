//! Figures of the server and its workers, for the shell's own decisions and for monitoring.

use super::{
    catalog::{Count, Detailed},
    namespaces::Namespaces,
    sheet::Sheet,
    summary::{Counter, Detail, Figures, Summary},
    warnings::Warnings,
};
use oxkeeper_codec::{ServerId, frame::PREFIX_LEN};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Figures of one worker, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerStats {
    /// Requests received (`packets_received`).
    pub(crate) received: Counter,
    /// Replies and events sent (`packets_sent`).
    pub(crate) sent: Counter,
    /// Connections open now.
    pub(crate) connections: Counter,
    /// Requests in work now.
    pub(crate) outstanding: Counter,
    /// Bytes of requests in work now.
    pub(crate) bytes_in_work: Counter,
    /// Bytes of large requests in work now.
    pub(crate) large_bytes: Counter,
    /// Connections that the request throttle holds back now.
    pub(crate) held: Counter,
    /// Authentications that failed.
    pub(crate) auth_failed: Counter,
    /// Sizes of replies, in bytes without their length prefix.
    pub(crate) response_sizes: Summary,
    /// The size of the last one.
    pub(crate) last_response: Counter,
    /// When it was made, in ms of the elapsed clock.
    pub(crate) last_response_ms: Counter,
    /// The rest.
    pub(crate) sheet: Sheet,
}

/// How a reply counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replied {
    /// To a write.
    pub(crate) write: bool,
    /// Since the request, in ms.
    pub(crate) latency_ms: i64,
    /// The whole frame, in bytes.
    pub(crate) frame_len: usize,
    /// When, in ms of the elapsed clock.
    pub(crate) now_ms: i64,
}

impl WorkerStats {
    /// What `srst` has begin anew. Only the worker may call this.
    pub(crate) fn reset(&self) {
        self.received.reset();
        self.sent.reset();
        self.response_sizes.reset();
        self.sheet.reset();
    }

    /// A reply is made.
    pub(crate) fn replied(&self, reply: Replied) {
        let Replied { write, latency_ms, frame_len, now_ms } = reply;
        self.sent.add(1);
        let latency = if write { Detailed::UpdateLatency } else { Detailed::ReadLatency };
        self.sheet.detailed(latency).record(u64::try_from(latency_ms).unwrap_or(0));
        self.response(frame_len, now_ms);
        // The official server counts those of requests alone, without their prefixes.
        let bytes = frame_len.saturating_sub(PREFIX_LEN);
        self.sheet.count(Count::ResponseBytes).add(u64::try_from(bytes).unwrap_or(0));
    }

    /// A reply of so many bytes is made, whose latency is not looked at.
    pub(crate) fn response(&self, frame_len: usize, now_ms: i64) {
        let size = u64::try_from(frame_len.saturating_sub(PREFIX_LEN)).unwrap_or(0);
        self.response_sizes.record(size);
        self.last_response.set(size);
        self.last_response_ms.set(u64::try_from(now_ms).unwrap_or(0));
    }

    /// Latencies of all requests.
    pub(crate) fn latency(&self) -> Figures {
        let of = |id| self.sheet.detailed(id).figures();
        of(Detailed::ReadLatency).merge(of(Detailed::UpdateLatency))
    }

    /// A request of `len` bytes is handed to the sequencer; `large`: it counts as large.
    pub(crate) fn began(&self, len: u32, large: bool) {
        self.outstanding.add(1);
        self.bytes_in_work.add(u64::from(len));
        if large {
            self.large_bytes.add(u64::from(len));
        }
    }

    /// It is answered, or nobody waits for it any more.
    pub(crate) fn finished(&self, len: u32, large: bool) {
        self.outstanding.subtract(1);
        self.bytes_in_work.subtract(u64::from(len));
        if large {
            self.large_bytes.subtract(u64::from(len));
        }
    }
}

impl ServerStats {
    /// Counts for the admin server, whose threads are several.
    pub(crate) fn count_admin(&self, count: impl FnOnce(&Sheet)) {
        let _held = self.admin_lock.lock();
        count(&self.admin);
    }
}

/// Figures of the threads that are no workers.
#[derive(Debug, Default)]
pub(crate) struct ServerStats {
    /// The sequencer's.
    pub(crate) sequencer: Sheet,
    /// The log writer's.
    pub(crate) log_writer: Sheet,
    /// The snapshot thread's.
    pub(crate) snapshots: Sheet,
    /// The admin server's; whoever counts holds the lock.
    pub(crate) admin: Sheet,
    pub(crate) admin_lock: Mutex<()>,
    /// Times that writing and syncing the log took long; the log writer's.
    pub(crate) slow_syncs: Counter,
    /// Bytes written, by namespace; the sequencer's, once a batch.
    pub(crate) writes: Mutex<Namespaces>,
    /// Of a leader: ms from when a transaction was made until a voter has acknowledged it, by voter; the sequencer's, for one
    /// transaction in many (`leader.ackLoggingFrequency`).
    pub(crate) acks: Mutex<BTreeMap<ServerId, Detail>>,
    /// What keeps clients from flooding the log.
    pub(crate) warnings: Warnings,
}
