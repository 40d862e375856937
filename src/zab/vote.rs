//! Votes and their order.

use super::quorum::{Members, Quorums};
use oxkeeper_codec::{
    ServerId, Zxid,
    election::{Notification, PeerState},
};
use std::collections::BTreeMap;

/// For whom, and what that member has on its disk. The greater of two is the better leader
/// (`FastLeaderElection.totalOrderPredicate`): the later current epoch, then the later zxid, then the higher id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vote {
    /// The candidate's current epoch.
    pub peer_epoch: i64,
    /// The last zxid that is durable in its log.
    pub zxid: Zxid,
    /// The candidate.
    pub leader: ServerId,
}

impl Vote {
    /// What one says that has no vote: less than any other.
    pub const NONE: Self = Self { peer_epoch: i64::MIN, zxid: Zxid(i64::MIN), leader: ServerId(i64::MIN) };

    /// For whom a member says that it votes, or whom it has for its leader.
    pub(super) const fn of(said: &Notification) -> Self {
        Self { peer_epoch: said.peer_epoch, zxid: said.zxid, leader: said.leader }
    }
}

/// A vote as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ballot {
    pub(super) vote: Vote,
    pub(super) round: i64,
    pub(super) state: PeerState,
}

impl Ballot {
    pub(super) const fn of(said: &Notification) -> Self {
        Self { vote: Vote::of(said), round: said.election_epoch, state: said.state }
    }

    /// Whether both are for the same leadership. Of members that elect, everything has to be the same; of those that
    /// have a leader, who it is and in which epoch: the rest is what each of them remembers (ZOOKEEPER-1805).
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        if self.state == PeerState::Looking || other.state == PeerState::Looking {
            self.vote == other.vote && self.round == other.round
        } else {
            self.vote.leader == other.vote.leader && self.vote.peer_epoch == other.vote.peer_epoch
        }
    }
}

/// The last ballot of each voter.
#[derive(Debug, Clone, Default)]
pub(super) struct Ballots(BTreeMap<ServerId, Ballot>);

impl Ballots {
    pub(super) fn put(&mut self, from: ServerId, ballot: Ballot) {
        self.0.insert(from, ballot);
    }

    pub(super) fn get(&self, from: ServerId) -> Option<&Ballot> {
        self.0.get(&from)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What each votes for.
    pub(super) fn votes(&self) -> impl Iterator<Item = Vote> {
        self.0.values().map(|ballot| ballot.vote)
    }

    /// Who agrees with it.
    pub(super) fn for_same(&self, ballot: &Ballot) -> Members {
        self.0.iter().filter(|(_, other)| other.agrees_with(ballot)).map(|(&id, _)| id).collect()
    }

    /// Whether a quorum agrees with it.
    pub(super) fn are_for(&self, ballot: &Ballot, quorums: &Quorums) -> bool {
        quorums.are_met_by(&self.for_same(ballot))
    }
}
