//! What a worker's lock guards besides the tree.

use super::{address::place_of, token};
use crate::{
    node::{CommittedBatch, Delivery},
    session::ConnId,
    tree::Tree,
    watch::WatchTable,
};
use std::sync::Arc;

/// Read access to the tree, through one worker's lock.
pub(crate) type TreeReader = token::Reader<Tree, Shard>;
/// A worker's lock, held.
pub(crate) type TreeGuard<'a> = token::ReadGuard<'a, Tree, Shard>;
/// The right to write the tree.
pub(super) type TreeWriter = token::Writer<Tree, Shard>;

/// What a worker's lock guards besides the tree.
#[derive(Debug)]
pub(crate) struct Shard {
    /// What the worker has to look at before it answers anything.
    pub(crate) inbox: Vec<Item>,
    /// The watches of its connections.
    pub(crate) watches: WatchTable,
    /// By place: the connection, and when it was last heard of (ms of the elapsed clock).
    pub(crate) heard: Vec<(ConnId, i64)>,
}

impl Shard {
    pub(crate) const fn new(hash_seed: u64) -> Self {
        Self { inbox: Vec::new(), watches: WatchTable::new(hash_seed), heard: Vec::new() }
    }

    /// The connection was heard of.
    pub(crate) fn note_heard(&mut self, conn: ConnId, now_ms: i64) {
        let place = place_of(conn);
        if place >= self.heard.len() {
            self.heard.resize(place + 1, (ConnId(0), 0));
        }
        self.heard[place] = (conn, now_ms);
    }

    /// When the connection was last heard of, in ms; `None` if its place has another by now.
    pub(super) fn last_heard(&self, conn: ConnId) -> Option<i64> {
        self.heard.get(place_of(conn)).filter(|(id, _)| *id == conn).map(|(_, heard_ms)| *heard_ms)
    }
}

/// One thing in an inbox.
#[derive(Debug)]
pub(crate) enum Item {
    /// Transactions took effect. Enters while all locks are held.
    Batch(Arc<CommittedBatch>),
    /// For one connection; depends on no transaction that is not applied.
    Deliver(Delivery),
}
