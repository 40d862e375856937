//! Deliberately broken surroundings: each does one thing that the protocol must be able to rely on wrongly. The
//! simulator has to catch every one of them.

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Nothing.
    Sound,
    /// The log says that it is durable, and a crash takes what it was given since.
    LogNotDurable,
    /// A crash takes the accepted epoch back by one.
    AcceptedEpochNotDurable,
    /// A crash takes the current epoch back to what it was before.
    CurrentEpochNotDurable,
    /// TRUNC leaves the log as it is.
    TruncationForgotten,
    /// A snapshot that was put in place is gone after a crash.
    SnapshotNotDurable,
    /// One COMMIT in a while is not sent.
    CommitLost,
    /// One PROPOSAL in a while is not sent.
    ProposalLost,
    /// Two neighbours in what a leader sends change places.
    ProposalsSwapped,
    /// A member is told that its log is durable when it was given the entry.
    AcknowledgedEarly,
    /// Of what a learner lacks, the last transaction is not sent, nor its commit.
    DiffCutShort,
    /// A crash takes the next configuration back to what it was before.
    NextNotDurable,
    /// A leader takes its own log for a quorum.
    CommitsAlone,
    /// A learner waits for its leader for ever.
    NeverGivesUp,
    /// ZOOKEEPER-4394: with NEWLEADER a learner forgets what was proposed and is not committed.
    ForgetsUncommitted,
    /// ZOOKEEPER-4643: the current epoch reaches the disk before the history that belongs to it.
    EpochBeforeHistory,
    /// ZOOKEEPER-4646: NEWLEADER is acknowledged while the history still waits for the disk.
    NewLeaderAckedEarly,
    /// ZOOKEEPER-4685: a learner acknowledges proposals before NEWLEADER.
    ProposalAckedFirst,
    /// ZOOKEEPER-4712: what a role has not written when it ends is written by the next one, some time.
    WritesOutliveRole,
    /// ZOOKEEPER-4785: what came with DIFF is written, and not synced.
    DiffNotSynced,
    /// ZOOKEEPER-4925: a leader does not remember what it was brought to its own leader's history with.
    HoleInRecent,
    /// ZOOKEEPER-5094: a TRUNC that is interrupted cuts the log, and not the memory.
    TruncInterrupted,
    /// ZOOKEEPER-2845: a member that looks for a leader goes on with what it had applied, whatever its log holds.
    MemoryBehindLog,
    /// ZOOKEEPER-3911: what came with DIFF is given to the log when the member serves.
    DiffLoggedLate,
    /// ZOOKEEPER-4837: after TRUNC the memory comes from a snapshot that is later than the cut.
    SnapshotBehindCut,
    /// An observer without a disk gets a vote, and goes on with what it has in memory.
    KeepsWhatNobodyKept,
    /// A member's node knows as committed what it has proposed.
    CommittedWhenProposed,
    /// After TRUNC and SNAP the tree is the old one.
    TreeNotReplaced,
    /// Syncs of files do nothing.
    SyncsSkipped,
    /// The configuration that a leader tells with a snapshot is not kept with it.
    ToldNotKept,
    /// A start relies on what it has read, whether the disk has it or not.
    NotVouched,
    /// Clients that are held see what their member takes for committed before there is a quorum.
    ShownBeforeSettled,
}
