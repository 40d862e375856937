//! What a worker's lock guards besides the tree.

use super::token;
use crate::{
    node::{CommittedBatch, Delivery},
    session::ConnId,
    tree::Tree,
    watch::WatchTable,
};
use oxkeeper_codec::SessionId;
use std::sync::Arc;

/// Read access to the tree, through one worker's lock.
pub(crate) type TreeReader = token::Reader<Tree, Shard>;
/// A worker's lock, held.
pub(crate) type TreeGuard<'a> = token::ReadGuard<'a, Tree, Shard>;
/// The right to write the tree.
pub(crate) type TreeWriter = token::Writer<Tree, Shard>;

/// What a worker's lock guards besides the tree.
#[derive(Debug)]
pub(crate) struct Shard {
    /// What the worker has to look at before it answers anything.
    pub(crate) inbox: Vec<Item>,
    /// The watches of its connections.
    pub(crate) watches: WatchTable,
}

impl Shard {
    pub(crate) const fn new(hash_seed: u64) -> Self {
        Self { inbox: Vec::new(), watches: WatchTable::new(hash_seed) }
    }
}

/// One thing in an inbox.
#[derive(Debug)]
pub(crate) enum Item {
    /// Transactions took effect. Enters while all locks are held.
    Batch(Arc<CommittedBatch>),
    /// For one connection; depends on no transaction that is not applied.
    Deliver(Delivery),
    /// These sessions are about to expire: when were they last heard of? Answered with [`super::Message::Heard`], from
    /// what the sockets hold as well, so that nobody is forgotten whom the worker had no time for.
    Look(Vec<(SessionId, ConnId)>),
    /// Which sessions were heard of since then, in ms of the elapsed clock? Answered with [`super::Message::Touched`].
    Touches(i64),
    /// There is no leader. Those of whom nothing was heard for half of their time-out may be gone: they are closed.
    CloseSilent,
    /// The tree is another one. Enters while all locks are held, in the hold in which it became so.
    Restored,
}
