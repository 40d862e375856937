//! What leader and learner tell each other on the quorum port, as values: one type for each direction.
//!
//! On the wire each is a `QuorumPacket` (`zookeeper.jute`): int32 type, int64 zxid, buffer data, vector of ids (null but
//! in REQUEST), with no length in front. The comments name type (`Leader.java`) and data.

use crate::{ByteStr, OpCode, SessionId, Zxid, ids::ServerId, records::Id};
use bytes::Bytes;

/// The version of the protocol that all servers since 3.4 speak.
pub const PROTOCOL_VERSION: i32 = 0x10000;

/// What a learner tells its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToLeader {
    /// FOLLOWERINFO (11) or OBSERVERINFO (16). zxid: the accepted epoch with counter 0; data: 12 or 20 bytes, int64
    /// server id, int32 protocol version, int64 configuration version (3.5 and later).
    Info(LearnerInfo),
    /// ACKEPOCH (18). zxid: the last logged; data: int32 current epoch, or -1 if the epoch had been accepted before.
    AckEpoch {
        /// The learner's last logged zxid.
        last_zxid: Zxid,
        /// Its current epoch; `None`: this does not count as an acknowledgement of the epoch.
        current_epoch: Option<i32>,
    },
    /// ACK (3): everything up to the zxid is durable here. With counter 0: of NEWLEADER, or of UPTODATE.
    Ack(Zxid),
    /// PING (5), an answer. zxid: the leader's; data: int64 session, int32 time-out in ms, for each session heard from.
    Ping {
        /// What the leader's had.
        zxid: Zxid,
        /// Sessions, and their time-outs in ms.
        touched: Vec<(SessionId, i32)>,
    },
    /// REQUEST (1). zxid: -1; data: int64 session, int32 cxid, int32 op, body; the identities beside it.
    Request(ForwardedRequest),
    /// REVALIDATE (6). data: int64 session, int32 time-out in ms.
    Revalidate {
        /// The session that a client wants to go on with.
        session: SessionId,
        /// The negotiated time-out in ms.
        timeout_ms: i32,
    },
}

/// Who wants to learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnerInfo {
    /// Without a vote in what it is told (OBSERVERINFO).
    pub observer: bool,
    /// The last epoch that it has promised to follow.
    pub accepted_epoch: i64,
    /// Its id.
    pub sid: ServerId,
    /// [`PROTOCOL_VERSION`].
    pub protocol_version: i32,
    /// The version of its configuration; `None` from servers before 3.5.
    pub config_version: Option<i64>,
}

/// A client's request that a learner hands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedRequest {
    /// The client's session.
    pub session: SessionId,
    /// The client's number for it.
    pub cxid: i32,
    /// What it asks.
    pub op: OpCode,
    /// What follows the request header. For createSession: int32 time-out in ms.
    pub body: Bytes,
    /// The client's identities; null for createSession.
    pub identities: Option<Vec<Id>>,
}

/// What a leader tells its learner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToLearner {
    /// LEADERINFO (17). zxid: the new epoch with counter 0; data: int32 protocol version.
    LeaderInfo {
        /// The new epoch.
        epoch: i64,
        /// [`PROTOCOL_VERSION`].
        protocol_version: i32,
    },
    /// DIFF (13): transactions follow. zxid: where the learner will be then.
    Diff(Zxid),
    /// TRUNC (14): the learner has to forget everything behind the zxid.
    Trunc(Zxid),
    /// SNAP (15): a snapshot follows, raw, and the text `BenWasHere`. zxid: the snapshot's.
    Snap(Zxid),
    /// NEWLEADER (10). zxid: the epoch with counter 0; data: the configuration, or null from servers before 3.5.
    NewLeader {
        /// The epoch.
        epoch: i64,
        /// The text of the configuration.
        config: Option<ByteStr>,
    },
    /// UPTODATE (12): the learner serves from now on.
    UpToDate,
    /// PROPOSAL (2). data: header and transaction, as in the log.
    Proposal(Zxid, Bytes),
    /// COMMIT (4).
    Commit(Zxid),
    /// COMMITANDACTIVATE (9). data: int64, who leads the new configuration.
    CommitAndActivate(Zxid, ServerId),
    /// INFORM (8), to observers: committed. data: as of a proposal.
    Inform(Zxid, Bytes),
    /// INFORMANDACTIVATE (19). data: int64, who leads, then as of a proposal.
    InformAndActivate(Zxid, ServerId, Bytes),
    /// PING (5). zxid: the newest proposal.
    Ping(Zxid),
    /// REVALIDATE (6), an answer. data: int64 session, bool.
    Revalidated {
        /// The session.
        session: SessionId,
        /// Whether it lives, and belongs to the asking server now.
        valid: bool,
    },
    /// SYNC (7): the oldest sync request that the learner handed on is answered here. zxid 0, data null.
    Sync,
}
