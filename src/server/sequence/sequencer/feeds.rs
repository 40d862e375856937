//! Snapshots for learners: each of the moment at which its own began, written in slices beside the traffic.

use super::{
    Sequencer,
    progress::Sync,
    snapshot::{SNAPSHOT_BACKLOG_BYTES, SNAPSHOT_PAUSE},
};
use crate::{
    node::Recipient,
    server::{
        clock,
        peers::{Command, piece_stream},
    },
    topics,
    tree::Snapshotter,
    zab::Link,
};
use oxkeeper_codec::{
    Zxid,
    learner::{SNAPSHOT_END, ToLearner},
};
use std::time::Instant;

/// What a znode has in a snapshot beside path and data, in bytes: lengths, ACL and stat.
const NODE_BYTES: u64 = 76;

impl Sequencer {
    /// About as many bytes would a snapshot have.
    pub(super) fn snapshot_bytes(&self) -> u64 {
        let tree = self.tree.tree();
        let nodes = u64::try_from(tree.node_count()).unwrap_or(u64::MAX);
        u64::try_from(tree.data_size()).unwrap_or(0) + nodes * NODE_BYTES
    }

    /// Begins to send all that there is.
    pub(super) fn send_snapshot(&mut self, link: Link, zxid: Zxid) {
        self.apply_at_any_rate();
        assert_eq!(self.tree.tree().last_zxid(), zxid, "a snapshot shows what is committed, and no more");
        let Some(member) = &mut self.member else { return };
        if member.feeds.len() >= member.feeds_at_once {
            self.sent_away(link, &"as many learners as may be are sent a snapshot already (leader.maxConcurrentSnapSyncs): it has to come again");
            return self.end_link(link);
        }
        let (writer, reader) = piece_stream();
        member.telling.push(Command::ToLearners(vec![link], ToLearner::Snap(zxid)));
        member.telling.push(Command::Stream(link, reader));
        member.feeds.push((link, writer));
        self.count_sync(link, Sync::Snapshot);
        self.node.begin_snapshot(Recipient::Learner(link), self.tree.tree());
        tracing::info!(target: topics::PEERS, link = link.0, %zxid, "sending a snapshot to a learner");
    }

    /// Writes a slice of so many bytes for each learner that is sent a snapshot and takes it. Whether there was any.
    pub(super) fn advance_feeds(&mut self, slice_bytes: usize) -> bool {
        let Some(member) = &mut self.member else { return false };
        let mut advanced = false;
        let (mut ended, mut broken) = (Vec::new(), Vec::new());
        for (link, pieces) in &member.feeds {
            let recipient = Recipient::Learner(*link);
            if !pieces.has_room() {
                let waiting = self.node.snapshot(recipient).map_or(0, Snapshotter::waiting);
                if waiting > SNAPSHOT_BACKLOG_BYTES {
                    broken.push(*link);
                }
                continue;
            }
            let Some(mut piece) = self.node.snapshot_piece(recipient, self.tree.tree(), slice_bytes) else {
                continue;
            };
            advanced = true;
            if piece.is_last {
                piece.bytes.extend_from_slice(SNAPSHOT_END);
            }
            // Whoever is gone is said to be so by its link.
            if !pieces.send(piece.bytes.into()) || piece.is_last {
                ended.push(*link);
            }
        }
        ended.into_iter().for_each(|link| self.end_feed(link));
        for link in broken {
            self.sent_away(
                link,
                &"it does not take its snapshot as fast as the state changes: it has to come again",
            );
            self.end_link(link);
        }
        advanced
    }

    /// When the next slice is due.
    pub(super) fn feeds_deadline(&self) -> Option<Instant> {
        let feeds = &self.member.as_ref()?.feeds;
        let goes_on = feeds.iter().any(|(_, pieces)| pieces.has_room());
        goes_on.then(|| clock::now() + SNAPSHOT_PAUSE)
    }

    /// Nobody is sent a snapshot any more.
    pub(super) fn end_feeds(&mut self) {
        let feeds = self.member.as_mut().map(|member| std::mem::take(&mut member.feeds));
        feeds.into_iter().flatten().for_each(|(link, _)| self.node.end_snapshot(Recipient::Learner(link)));
    }

    pub(super) fn end_feed(&mut self, link: Link) {
        if let Some(member) = &mut self.member {
            member.feeds.retain(|(to, _)| *to != link);
            self.node.end_snapshot(Recipient::Learner(link));
        }
    }
}
