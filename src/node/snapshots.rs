//! Snapshots under way: one for this server's own disk, and one for each learner that is sent all there is.
//!
//! Each shows the tree at the moment at which it began, whatever is applied meanwhile.

use super::Node;
use crate::{
    tree::{NodeId, Observer, Snapshotter, Tree},
    zab::Link,
};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    own: Option<Snapshotter>,
    learners: Vec<(Link, Snapshotter)>,
}

impl Observer for Snapshots {
    fn before_change(&mut self, tree: &Tree, id: NodeId) {
        self.own.before_change(tree, id);
        self.learners.iter_mut().for_each(|(_, snapshotter)| snapshotter.before_change(tree, id));
    }

    fn created(&mut self, id: NodeId) {
        self.own.created(id);
        self.learners.iter_mut().for_each(|(_, snapshotter)| snapshotter.created(id));
    }
}

impl Node {
    /// Begins a snapshot of the tree as it is now. There must be none under way.
    pub fn begin_snapshot(&mut self, tree: &Tree) {
        assert!(self.snapshots.own.is_none(), "one snapshot at a time");
        self.snapshots.own = Some(self.snapshotter(tree));
    }

    fn snapshotter(&self, tree: &Tree) -> Snapshotter {
        debug_assert!(tree.last_zxid() <= self.proposed);
        // Those whose opening is applied and whose end is not.
        let unborn = self.queue.sessions_opening();
        if unborn.is_empty() {
            Snapshotter::begin(tree, self.sessions.global.iter())
        } else {
            let born: Vec<_> = self.sessions.global.iter().filter(|(id, _)| !unborn.contains(id)).collect();
            Snapshotter::begin(tree, born.into_iter())
        }
    }

    /// Writes the members into the tree; see [`Tree::write_config`].
    pub fn write_config(&mut self, tree: &mut Tree, text: &str, version: i64, time_ms: i64) {
        tree.write_config(text, version, time_ms, &mut self.snapshots);
    }

    /// The snapshot under way: [`Snapshotter::advance`] it beside the traffic.
    pub const fn snapshot(&mut self) -> Option<&mut Snapshotter> {
        self.snapshots.own.as_mut()
    }

    /// Ends the snapshot under way, finished or given up.
    pub fn end_snapshot(&mut self) {
        self.snapshots.own = None;
    }

    /// Begins a snapshot for a learner, of the tree as it is now. There must be none under way for this link.
    pub fn begin_snapshot_for(&mut self, link: Link, tree: &Tree) {
        assert!(self.snapshot_for(link).is_none(), "one snapshot a link");
        let snapshotter = self.snapshotter(tree);
        self.snapshots.learners.push((link, snapshotter));
    }

    /// The snapshot for a learner.
    pub fn snapshot_for(&mut self, link: Link) -> Option<&mut Snapshotter> {
        let mut learners = self.snapshots.learners.iter_mut();
        learners.find(|(to, _)| *to == link).map(|(_, snapshotter)| snapshotter)
    }

    /// Ends the snapshot for a learner, finished or given up.
    pub fn end_snapshot_for(&mut self, link: Link) {
        self.snapshots.learners.retain(|(to, _)| *to != link);
    }
}
