//! What follows from a znode's path, data and stored fields alone: while a tree is loaded, another core computes it.

use super::{
    NodeId, Owner, TreeOptions, crc_of_content, index::PathHasher, is_path, node_digest, size_of_node,
};
use oxkeeper_codec::{
    records::{DataNode, StatPersisted, TxnHeader},
    txn::{LoggedCreate, LoggedTxn, Txn},
};

/// What a new znode adds to the tree's tables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    /// Hash of the full path.
    pub(super) hash: u32,
    /// CRC-32 of path and data, if the digest is kept and the znode counts.
    pub(super) crc: Option<u32>,
    /// Its digest; 0 if it does not count.
    pub(super) digest: u64,
    /// What it adds to the size of the data.
    pub(super) size: i64,
}

impl Facts {
    pub(super) fn of(
        hasher: &PathHasher,
        digest: bool,
        path: &str,
        data: &[u8],
        stat: &StatPersisted,
    ) -> Self {
        let crc = if digest { crc_of_content(path, data) } else { None };
        Self {
            hash: hasher.hash(path),
            crc,
            digest: node_digest(crc, stat),
            size: size_of_node(path, data.len()),
        }
    }
}

/// Prepares znodes for a [`Loader`](super::Loader) with the same options, on any thread.
#[derive(Debug)]
pub struct Preparer {
    hasher: PathHasher,
    digest: bool,
}

/// What is known of a znode before it is loaded or created.
#[derive(Debug, Clone, Copy)]
pub struct PreparedNode {
    pub(super) facts: Facts,
    /// Whether its path is one, or the root's, which is "" in files.
    pub(super) is_path: bool,
    /// Length of its parent's path, in bytes.
    pub(super) parent_len: usize,
    pub(super) parent_hash: u32,
}

/// What is known of a znode whose data is about to be set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PreparedSet {
    /// Which znode has the path by then.
    pub id: Option<NodeId>,
    /// [CRC-32](crc_of_content) of its path and the new data.
    pub crc: Option<u32>,
}

impl PreparedSet {
    /// Where nobody has looked.
    const NOTHING: Self = Self { id: None, crc: None };
}

/// What is known of a transaction before it is applied.
#[derive(Debug, Clone, Copy)]
pub struct PreparedTxn {
    /// Of the znode that it creates, if it does that and nothing else.
    pub(super) created: Option<PreparedNode>,
    /// Its parent, if it was looked for and found.
    pub(super) parent: Option<NodeId>,
    /// It was looked for, and is not there.
    pub(super) is_new: bool,
    /// Of the znode whose data it sets, if it does that and nothing else.
    pub(super) set: PreparedSet,
}

impl PreparedTxn {
    /// Where nobody has prepared it.
    pub(super) const NOTHING: Self =
        Self { created: None, parent: None, is_new: false, set: PreparedSet::NOTHING };

    /// Of one that sets data, or of any of which nothing is known.
    pub const fn of_set(set: PreparedSet) -> Self {
        Self { set, ..Self::NOTHING }
    }

    /// Whether it is known to create a znode with a good path.
    pub fn is_create(&self) -> bool {
        self.created.is_some_and(|node| node.is_path)
    }
}

impl Preparer {
    /// For trees with these options.
    pub fn new(options: &TreeOptions) -> Self {
        Self { hasher: PathHasher::with_seed(options.hash_seed), digest: options.digest }
    }

    /// All that can be said of one znode of a snapshot.
    pub fn node(&self, path: &str, node: &DataNode<'_>) -> PreparedNode {
        let known = self.known(path, node.data.unwrap_or_default(), &node.stat);
        PreparedNode { is_path: known.is_path || path.is_empty(), ..known }
    }

    fn known(&self, path: &str, data: &[u8], stat: &StatPersisted) -> PreparedNode {
        let parent_len = path.rfind('/').unwrap_or(0);
        PreparedNode {
            facts: Facts::of(&self.hasher, self.digest, path, data, stat),
            is_path: is_path(path),
            parent_len,
            parent_hash: self.hasher.hash(&path[..parent_len]),
        }
    }

    /// All that can be said of one transaction.
    pub fn txn(&self, logged: &LoggedTxn) -> PreparedTxn {
        match &logged.txn {
            Txn::Create(txn) | Txn::Create2(txn) => {
                self.created(&logged.header, &txn.path, txn.data.as_deref(), txn.ephemeral)
            }
            Txn::SetData(txn) if self.digest => {
                let crc = crc_of_content(&txn.path, txn.data.as_deref().unwrap_or_default());
                PreparedTxn::of_set(PreparedSet { crc, ..PreparedSet::NOTHING })
            }
            _ => PreparedTxn::NOTHING,
        }
    }

    /// The same of one that creates.
    pub fn create(&self, create: &LoggedCreate<'_>) -> PreparedTxn {
        self.created(&create.header, create.path, create.data, create.ephemeral)
    }

    fn created(&self, header: &TxnHeader, path: &str, data: Option<&[u8]>, ephemeral: bool) -> PreparedTxn {
        if path == "/" {
            // Another name of the root; it is there.
            return PreparedTxn::NOTHING;
        }
        let owner = Owner::of(header.client_id, ephemeral);
        let stat = StatPersisted::created(header.zxid, header.time, owner.stored());
        let created = Some(self.known(path, data.unwrap_or_default(), &stat));
        PreparedTxn { created, ..PreparedTxn::NOTHING }
    }
}
