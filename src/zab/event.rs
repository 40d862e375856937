//! What happens to a member, and what it wants done.

use super::{Failure, Link, Members, Refusal, Stored};
use crate::membership::Membership;
use bytes::Bytes;
use oxkeeper_codec::{
    ServerId, SessionId, Zxid,
    election::Notification,
    learner::{ForwardedRequest, ToLeader, ToLearner},
};

/// A snapshot that takes the place of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// It has come over this link, or will.
    pub link: Link,
    /// The last zxid in it.
    pub zxid: Zxid,
    /// The configuration that the leader has told of, if it is later than the one in force here. The snapshot may hold the
    /// transaction that makes it: whoever starts with the snapshot, after whatever crash, knows it as the next one
    /// ([`Ensemble::new`](super::Ensemble::new)).
    pub told: Option<Membership>,
}

/// What happens to a member.
#[derive(Debug)]
pub enum Event {
    /// Time has passed, perhaps up to [`Zab::deadline_ms`](super::Zab::deadline_ms).
    Wake,
    /// The election port of a member is reached.
    Reachable(ServerId),
    /// It is not, or no more.
    Unreachable(ServerId),
    /// A member says whom it votes for or follows.
    Notified(ServerId, Notification),
    /// The port is reached: after [`Action::Dial`] or [`Action::DialMaster`].
    Dialled(Link),
    /// It cannot be reached.
    NotDialled(ServerId),
    /// A connection on the quorum port.
    Arrived(Link),
    /// The leader says something. After SNAP, all that follows the snapshot.
    FromLeader(Link, ToLearner),
    /// A learner says something.
    FromLearner(Link, ToLeader),
    /// A snapshot, or much of the log, is moving over a link: it lives, though nothing else is heard of it.
    Moving(Link),
    /// A link has ended.
    Closed(Link),
    /// The log is durable up to here.
    Synced(Zxid),
    /// After [`Action::StoreAcceptedEpoch`]: it is durable.
    AcceptedEpochStored(i64),
    /// After [`Action::StoreCurrentEpoch`]: it is durable.
    CurrentEpochStored(i64),
    /// After [`Action::StoreNext`]: it is durable.
    NextStored,
    /// After [`Action::Truncate`] or [`Action::Install`], always: it is done and durable, or was given up, and the history
    /// ends here.
    HistoryReplaced(Zxid),
    /// After [`Action::GoBack`]: that is what the disk has.
    WentBack(Stored),
    /// This leader's history is being replaced by what an operator has given, with [`Zab::restores_at`](super::Zab::restores_at) as
    /// its only transaction. What that holds has numbers of epochs up to this one: those to come are later. Nothing can be proposed any
    /// more; [`Event::Restored`] follows, and then [`Event::HistoryReplaced`].
    Restoring(i64),
    /// It is, durably. The others have to begin anew: this member leads no more.
    Restored,
    /// After [`Action::SearchLog`].
    LogSearched {
        /// For whom.
        link: Link,
        /// Whether the log files have all behind the zxid that was asked for, up to what is in memory.
        found: bool,
    },
    /// The disk has failed: nothing can be vouched for.
    DiskFailed,
    /// It takes everything again.
    DiskRecovered,
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Tell these members how the vote is.
    Notify(Members, Notification),
    /// Connect to the quorum port of the leader; again and again, while its election port can be reached.
    Dial(ServerId),
    /// Connect to the observer master port of this member; a few times, then the next one is tried.
    DialMaster(ServerId),
    /// Take connections on the quorum port.
    Listen,
    /// Take connections on the observer master port.
    ListenForObservers,
    /// End this link. No event follows.
    HangUp(Link),
    /// There is no leader any more: end all links, take no more. No events follow.
    HangUpAll,
    /// Send to the leader.
    ToLeader(Link, ToLeader),
    /// Send to each of these.
    ToLearners(Vec<Link>, ToLearner),
    /// Look whether the log files have the transaction of this zxid and all behind it.
    SearchLog(Link, Zxid),
    /// Send what the log files have behind `from` up to `until`, each followed by its COMMIT.
    SendLog {
        /// To whom.
        link: Link,
        /// Not with it.
        from: Zxid,
        /// The last.
        until: Zxid,
    },
    /// Send SNAP with this zxid, and a snapshot of the tree as it is when all up to it is applied.
    SendSnapshot(Link, Zxid),
    /// Make this the accepted epoch.
    StoreAcceptedEpoch(i64),
    /// Make this the current epoch.
    StoreCurrentEpoch(i64),
    /// Make this the configuration that comes next, or none: what stands beside the one in force, in `.dynamic.next`.
    StoreNext(Option<Membership>),
    /// This configuration is in force: the files, the tree and those who talk with other members follow. The next one
    /// is forgotten unless it is later than this. No event follows.
    Activate(Membership),
    /// Append this to the log.
    Append(Zxid, Bytes),
    /// Apply all up to here.
    Commit(Zxid),
    /// Forget everything behind this zxid, in the log and in memory.
    Truncate(Zxid),
    /// Put a snapshot in the place of all that there is.
    Install(Install),
    /// From now on nothing reaches the disk but promises, configurations and what takes the place of the history: entries are
    /// synced, and a current epoch is stored, as soon as they are taken. What the disk has stays a history of its own, with its own
    /// epoch.
    KeepNothing,
    /// Forget everything that the disk has not got, and keep again all that comes. [`Event::WentBack`] follows.
    GoBack,
    /// This member leads: what clients ask becomes proposals of this epoch.
    Lead(i64),
    /// This member follows or observes, and serves clients.
    Serve,
    /// There is no leader any more: nothing that waits is decided here.
    Resign(Failure),
    /// Serve those who only read: there is no leader, and has not been for a while.
    ServeReadOnly,
    /// Serve them no more: there may be a leader.
    EndReadOnly,
    /// A new election has begun.
    Look,
    /// One was chosen, in so many ms.
    Chosen {
        /// Who.
        leader: ServerId,
        /// How long it took, in ms.
        took_ms: i64,
    },
    /// A learner was sent away.
    Refused(Link, Refusal),
    /// Two processes say that they are this member.
    SameId(Link, ServerId),
    /// The leader wants to hear: answer with the sessions that were heard from.
    Pinged(Link, Zxid),
    /// Sessions that a learner has heard from, with their time-outs in ms.
    Touched(Link, Vec<(SessionId, i32)>),
    /// A learner's client wants to go on with a session.
    Revalidate {
        /// Who asks.
        link: Link,
        /// The session.
        session: SessionId,
        /// Its time-out in ms.
        timeout_ms: i32,
    },
    /// The answer of the leader.
    Revalidated(SessionId, bool),
    /// What a learner's client asks.
    Forwarded(Link, ForwardedRequest),
    /// The oldest sync request that was handed on is answered.
    SyncedWithLeader,
}
