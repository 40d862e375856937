//! Deliberately broken servers: each is one wrong decision of the shell, of recovery or of the disk. The simulator has
//! to catch every one of them.

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Nothing.
    Sound,
    /// Transactions count as durable when they are handed to the log.
    ReplyBeforeSync,
    /// The disk says that it has synced, and has not.
    SyncSkipped,
    /// A failed sync is taken for a successful one.
    FailedSyncAcknowledged,
    /// A finished snapshot lets every log but the newest go.
    SnapshotWithoutLog,
    /// Sessions in snapshots are not read.
    SessionForgotten,
    /// A write is applied twice, by transactions that say "one more".
    AppliedTwice,
    /// Of what a batch does, two neighbours change places.
    OrderSwapped,
    /// The events of a batch are told after its replies.
    EventsAfterReplies,
    /// A worker answers reads before it looks into its inbox.
    InboxIgnored,
    /// A batch is not left in an inbox because no watch is set yet; but what waits there sets one.
    FirstWatchForgotten,
    /// A read does not wait for the write before it.
    ReadOvertakesWrite,
    /// The workers do not say whom they have heard of.
    NobodyHeard,
    /// One-shot watches stay after they have fired.
    WatchesStay,
}
