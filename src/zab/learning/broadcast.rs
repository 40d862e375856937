//! Broadcast at a learner: proposals are logged and acknowledged, commits applied (Zab paper, phase 3; in the TLA+
//! specification `FollowerProcessPROPOSE` and `FollowerProcessCOMMIT`).
//!
//! A commit does not wait for this member's own disk: the quorum has it. Its own ACK goes when its own sync is done.

use super::Feed;
use crate::zab::{Action, Failure, Link, shared::Shared};
use oxkeeper_codec::learner::ToLearner;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Broadcast {
    feed: Feed,
}

impl Broadcast {
    pub(super) fn begin(shared: &mut Shared, epoch: i64, feed: Feed) -> Self {
        // All members tell those who elect the same (ZOOKEEPER-1732).
        shared.vote.peer_epoch = epoch;
        shared.act(Action::Serve);
        Self { feed }
    }

    pub(super) fn heard(
        &mut self,
        shared: &mut Shared,
        link: Link,
        packet: ToLearner,
    ) -> Result<(), Failure> {
        match packet {
            ToLearner::Proposal(zxid, txn) => self.feed.proposal(shared, zxid, txn),
            ToLearner::Commit(zxid) => self.feed.commit(shared, zxid),
            ToLearner::Inform(zxid, txn) => self.feed.inform(shared, zxid, txn),
            ToLearner::Ping(zxid) => {
                shared.act(Action::Pinged(link, zxid));
                Ok(())
            }
            ToLearner::Revalidated { session, valid } => {
                shared.act(Action::Revalidated(session, valid));
                Ok(())
            }
            ToLearner::Sync => {
                shared.act(Action::SyncedWithLeader);
                Ok(())
            }
            ToLearner::CommitAndActivate(zxid, leader) => self.feed.commit_and_activate(shared, zxid, leader),
            ToLearner::InformAndActivate(zxid, leader, txn) => {
                self.feed.inform_and_activate(shared, (zxid, leader), txn)
            }
            packet => Err(Failure::unexpected("broadcast", &packet)),
        }
    }

    pub(super) fn synced(&mut self, shared: &mut Shared, link: Link) {
        self.feed.acknowledge(shared, link);
    }
}
