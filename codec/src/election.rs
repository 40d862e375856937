//! What members tell each other on the election port (`QuorumCnxManager`, `FastLeaderElection`).
//!
//! The connecting side begins with a [`Hello`]; then each side sends [`Notification`]s, each behind its length as int32.

use crate::{ByteStr, Zxid, ids::ServerId};

/// Who connects, and where it can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Its id.
    pub sid: ServerId,
    /// Its election addresses, as `host:port`; none from servers before 3.5, which send their bare id.
    pub addresses: Vec<String>,
}

/// What a member is doing, as it tells others (`QuorumPeer.ServerState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerState {
    /// It elects (0).
    Looking,
    /// It follows a leader (1).
    Following,
    /// It leads (2).
    Leading,
    /// It observes (3).
    Observing,
}

/// A vote, and what its sender is doing: int32 state, int64 leader, int64 zxid, int64 election epoch, int64 peer epoch,
/// int32 version (2), int32 length of the configuration, its text. Those of 3.4 are 40 bytes: they end with the
/// version, which nobody reads. Those of 28 bytes end with the election epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What its sender is doing.
    pub state: PeerState,
    /// Whom it votes for or follows.
    pub leader: ServerId,
    /// That member's last zxid, as the voter knows it.
    pub zxid: Zxid,
    /// The round of elections (`logicalclock`).
    pub election_epoch: i64,
    /// That member's current epoch.
    pub peer_epoch: i64,
    /// The sender's configuration, from version 2 of the message on.
    pub config: Option<ByteStr>,
}
