//! Snapshots under way: one for this server's own disk, and one for each learner that is sent all there is.
//!
//! Each shows sessions and tree at the moment at which it began, whatever is applied meanwhile.

use super::Node;
use crate::{
    session::{SessionList, SessionTracker},
    tree::{NodeId, Observer, Piece, Snapshotter, Tree},
    zab::Link,
};
use oxkeeper_codec::SessionId;

/// Whom a snapshot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipient {
    /// This server's own disk.
    Disk,
    /// A learner.
    Learner(Link),
}

/// Those under way.
#[derive(Debug, Default)]
pub(super) struct Snapshots(Vec<Snapshot>);

#[derive(Debug)]
struct Snapshot {
    recipient: Recipient,
    sessions: SessionList,
    tree: Snapshotter,
}

impl Snapshots {
    fn of(&self, recipient: Recipient) -> Option<&Snapshot> {
        self.0.iter().find(|snapshot| snapshot.recipient == recipient)
    }

    /// The session is about to be forgotten.
    pub(super) fn before_end(&mut self, sessions: &SessionTracker, session: SessionId) {
        self.0.iter_mut().for_each(|snapshot| snapshot.sessions.before_end(sessions, session));
    }
}

impl Observer for Snapshots {
    fn before_change(&mut self, tree: &Tree, id: NodeId) {
        self.0.iter_mut().for_each(|snapshot| snapshot.tree.before_change(tree, id));
    }

    fn created(&mut self, id: NodeId) {
        self.0.iter_mut().for_each(|snapshot| snapshot.tree.created(id));
    }
}

impl Node {
    /// Begins a snapshot of the sessions and the tree as they are now.
    ///
    /// # Panics
    /// One is under way for this recipient.
    pub fn begin_snapshot(&mut self, recipient: Recipient, tree: &Tree) {
        assert!(self.snapshot(recipient).is_none(), "one snapshot at a time for {recipient:?}");
        debug_assert!(tree.last_zxid() <= self.proposed);
        // Those whose opening is applied and whose end is not.
        let sessions = SessionList::begin(&self.sessions.global, self.queue.sessions_opening());
        self.snapshots.0.push(Snapshot { recipient, sessions, tree: Snapshotter::begin(tree) });
    }

    /// What the snapshot for this recipient shows of the tree, if one is under way.
    pub fn snapshot(&self, recipient: Recipient) -> Option<&Snapshotter> {
        self.snapshots.of(recipient).map(|snapshot| &snapshot.tree)
    }

    /// The next piece of the snapshot for this recipient, of about so many bytes; `None` if there is none under way.
    pub fn snapshot_piece(&mut self, recipient: Recipient, tree: &Tree, budget: usize) -> Option<Piece> {
        let snapshot = self.snapshots.0.iter_mut().find(|snapshot| snapshot.recipient == recipient)?;
        let sessions = snapshot.sessions.piece(&self.sessions.global, budget);
        let sessions = sessions.map(|bytes| Piece { bytes, is_last: false });
        Some(sessions.unwrap_or_else(|| snapshot.tree.piece(tree, budget)))
    }

    /// Ends the snapshot for this recipient, finished or given up.
    pub fn end_snapshot(&mut self, recipient: Recipient) {
        self.snapshots.0.retain(|snapshot| snapshot.recipient != recipient);
    }

    /// Writes the members into the tree; see [`Tree::write_config`].
    pub fn write_config(&mut self, tree: &mut Tree, text: &str, version: i64, time_ms: i64) {
        tree.write_config(text, version, time_ms, &mut self.snapshots);
    }
}
