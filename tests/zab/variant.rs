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
}
