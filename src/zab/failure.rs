//! Why a role ends, and why a learner is sent away.

use oxkeeper_codec::{PacketType, ServerId, Zxid, learner::ToLearner};

/// Why there is no leader any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The leader said nothing in time.
    #[error("the leader is silent")]
    LeaderSilent,
    /// The connection to it has ended, or could not be made.
    #[error("the leader cannot be reached any more")]
    LeaderGone,
    /// The one that was chosen goes with another, or elects again: it will not lead.
    #[error("server {0}, which was chosen, goes with another leader or elects again")]
    LeaderElsewhere(ServerId),
    /// The one that was chosen has started anew since, and elects.
    #[error("server {0}, which was chosen, has started anew")]
    LeaderAnew(ServerId),
    /// Its epoch is older than one that was promised to another.
    #[error(
        "the leader has epoch {leader:#x}, but {accepted:#x} was promised already: a later epoch has to begin"
    )]
    OldEpoch {
        /// The leader's.
        leader: i64,
        /// The promised one.
        accepted: i64,
    },
    /// A packet that has no meaning now.
    #[error("{packet:?} in {phase}")]
    Unexpected {
        /// Where.
        phase: &'static str,
        /// What.
        packet: PacketType,
    },
    /// A proposal that does not follow the last one.
    #[error("a proposal with zxid {zxid} behind {last}")]
    Gap {
        /// The last.
        last: Zxid,
        /// The one that came.
        zxid: Zxid,
    },
    /// A commit of something else than the oldest proposal.
    #[error("commit of {zxid}, but the oldest proposal is {expected:?}")]
    WrongCommit {
        /// What was committed.
        zxid: Zxid,
        /// What should have been.
        expected: Option<Zxid>,
    },
    /// The history cannot be cut where the leader wants it: a snapshot begins behind that. It will be asked for one.
    #[error("the history cannot be cut to {wanted}, it ends with {last}: a snapshot is needed")]
    CutTooFar {
        /// The end that there is.
        last: Zxid,
        /// The one that was wanted.
        wanted: Zxid,
    },
    /// After SNAP the history ends elsewhere.
    #[error("the history ends with {last}, the leader wanted {wanted}")]
    WrongHistory {
        /// The end that there is.
        last: Zxid,
        /// The one that was wanted.
        wanted: Zxid,
    },
    /// No quorum has come in time.
    #[error("no quorum of followers within initLimit")]
    NoQuorumInTime,
    /// Too few followers are left.
    #[error("no quorum of followers any more")]
    NoQuorum,
    /// A voter has more than this leader.
    #[error("server {sid} is ahead of this leader, with zxid {last_zxid}")]
    Behind {
        /// Who.
        sid: ServerId,
        /// Its last zxid.
        last_zxid: Zxid,
    },
    /// The epoch has no numbers left.
    #[error("the epoch has no zxid left")]
    EpochExhausted,
    /// The disk has failed.
    #[error("the disk has failed")]
    Disk,
    /// A voter has promised to follow no epoch as old as this leader's: to a leader that came to nothing. It can come
    /// back only in a later one.
    #[error("server {sid} has promised epoch {accepted:#x} to another: a later epoch has to begin")]
    LaterPromise {
        /// Who.
        sid: ServerId,
        /// What it has promised.
        accepted: i64,
    },
    /// One of those who elected this leader elects again, and it has waited for long enough.
    #[error("server {0}, which has elected this leader, elects again (leader.maxTimeToWaitForEpoch)")]
    TurnedAway(ServerId),
    /// Of those who elected this leader, too few are left.
    #[error("too few of those who elected this leader can still follow it")]
    NoHope,
    /// A configuration that makes no sense.
    #[error("the configuration of {zxid} cannot be read: {problem}")]
    Configuration {
        /// Where it stands.
        zxid: Zxid,
        /// What is wrong.
        problem: String,
    },
    /// A new configuration gives this member another part, or another leader.
    #[error("the configuration has changed: this member has another part in it, or another leader")]
    Reconfigured,
    /// This leader leads no more in the new configuration.
    #[error("the configuration has changed: another member leads")]
    HandedOver,
    /// What an operator has given takes the place of all data, and the others have to take it from this member.
    #[error("an operator's snapshot takes the place of all data: the members begin anew with it")]
    Restored,
    /// One learner is at fault: only its link ends.
    #[error("a learner is refused: {0}")]
    Learner(Refusal),
}

impl Failure {
    pub(super) fn unexpected(phase: &'static str, packet: &ToLearner) -> Self {
        Self::Unexpected { phase, packet: packet.kind() }
    }
}

/// Why a learner is sent away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its configuration is later than the leader's.
    #[error("server {sid} has a later configuration, version {version:#x}")]
    LaterConfiguration {
        /// Who.
        sid: ServerId,
        /// Its version.
        version: i64,
    },
    /// It asks an observer master, and does not observe.
    #[error("server {0} is no observer, and this one serves observers alone (observerMasterPort)")]
    NoObserver(ServerId),
    /// It has more than the leader: without a vote, or nobody has proposed it.
    #[error("server {sid} is ahead of this leader, with zxid {last_zxid}")]
    Ahead {
        /// Who.
        sid: ServerId,
        /// Its last zxid.
        last_zxid: Zxid,
    },
    /// It says that it has promised the last epoch there is, behind which nobody can lead.
    #[error(
        "server {0} says that it has promised the last epoch there is: its file acceptedEpoch is damaged"
    )]
    LastEpoch(ServerId),
    /// A packet that has no meaning now.
    #[error("{packet:?} in {phase}")]
    Unexpected {
        /// Where.
        phase: &'static str,
        /// What.
        packet: PacketType,
    },
}
