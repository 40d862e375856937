//! The znode tree: what every member of an ensemble holds in the same state.
//!
//! It changes only by [`Tree::apply`] of transactions in zxid order, and by loading a snapshot. Applying is
//! deterministic and idempotent: a snapshot may hold later changes than its number says.
//!
//! Invariants (checked by [`Tree::check`] in tests and in the simulator): every node is reachable from the root by
//! the path that the index knows it under; each ephemeral is listed under its session and back; the digest is the
//! sum of the nodes' digests; no list of the ACL table is unused. No I/O, no clock, no randomness.

mod acl;
mod apply;
mod bulk;
mod change;
mod check;
mod config_node;
mod content;
mod digest;
mod foreseen;
mod index;
mod list_changes;
mod load;
mod node;
mod owner;
mod packed;
mod prepare;
pub mod quota;
mod replay;
mod snapshot;

pub use acl::AclId;
pub use apply::{Applied, Observer};
pub use change::{AclRef, Change, ChangeKind};
pub use digest::{crc_of_content, node_digest};
pub use foreseen::Foreseen;
pub use list_changes::{LONG, ListChange};
pub use load::{LoadError, Loader, Unresolved, is_path};
pub use node::NodeId;
pub use owner::{CONTAINER_OWNER, MAX_TTL_MS, Owner, OwnerRules};
pub use prepare::{PreparedNode, PreparedSet, PreparedTxn, Preparer};
pub use replay::Replay;
pub use snapshot::{Piece, Snapshotter};

use acl::AclTable;
use index::Index;
use list_changes::ListChanges;
use node::Slab;
use oxkeeper_codec::{
    SessionId, Zxid,
    records::{Stat, StatPersisted},
};
use prepare::Facts;
use quota::QuotaSet;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// The znode that holds the ensemble's configuration.
pub const CONFIG_PATH: &str = "/zookeeper/config";
/// Paths that cannot be deleted (`DataTree.isSpecialPath`).
pub const SPECIAL_PATHS: [&str; 4] = ["/", "/zookeeper", quota::QUOTA_ROOT, CONFIG_PATH];

/// What a tree is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeOptions {
    /// How stored owners are read.
    pub owners: OwnerRules,
    /// `digest.enabled`: whether the tree's digest is kept.
    pub digest: bool,
    /// Seed of the path hash: chosen at random by the shell, so that nobody can choose colliding paths.
    pub hash_seed: u64,
}

impl Default for TreeOptions {
    fn default() -> Self {
        Self { owners: OwnerRules::default(), digest: true, hash_seed: 0 }
    }
}

/// The tree.
#[derive(Debug)]
pub struct Tree {
    options: TreeOptions,
    nodes: Slab,
    index: Index,
    acls: AclTable,
    ephemerals: BTreeMap<SessionId, BTreeSet<NodeId>>,
    containers: BTreeSet<NodeId>,
    ttls: BTreeSet<NodeId>,
    quotas: QuotaSet,
    list_changes: ListChanges,
    digest: u64,
    last_zxid: Zxid,
    /// Sum of path lengths (in UTF-16 units, as `String.length`) and data lengths.
    data_size: i64,
}

/// A znode that may have to go by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expirable {
    /// A container.
    Container(NodeId),
    /// One with a time to live.
    Ttl(NodeId),
}

impl Expirable {
    /// The znode.
    pub const fn node(self) -> NodeId {
        match self {
            Self::Container(id) | Self::Ttl(id) => id,
        }
    }
}

/// A znode, for reading.
#[derive(Debug, Clone, Copy)]
pub struct NodeRef<'t> {
    tree: &'t Tree,
    id: NodeId,
}

impl Tree {
    /// The tree of a server that never had data: `/`, `/zookeeper`, `/zookeeper/quota`, `/zookeeper/config`.
    pub fn new(options: TreeOptions) -> Self {
        let mut tree = Self::without_nodes(options);
        let zero = StatPersisted::created(Zxid::ZERO, 0, 0);
        tree.insert_root(Some(b""), AclId::OPEN, &zero);
        tree.insert_child(NodeId::ROOT, "/zookeeper", Some(b""), AclId::OPEN, &zero);
        let zookeeper = tree.find("/zookeeper").expect("just inserted");
        tree.insert_child(zookeeper, quota::QUOTA_ROOT, Some(b""), AclId::OPEN, &zero);
        tree.add_config_node();
        tree
    }

    fn without_nodes(options: TreeOptions) -> Self {
        Self {
            options,
            nodes: Slab::default(),
            index: Index::new(options.hash_seed),
            acls: AclTable::new(),
            ephemerals: BTreeMap::new(),
            containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
            quotas: QuotaSet::default(),
            list_changes: ListChanges::default(),
            digest: 0,
            last_zxid: Zxid::ZERO,
            data_size: 0,
        }
    }

    /// What the tree was made with.
    pub const fn options(&self) -> TreeOptions {
        self.options
    }

    fn find(&self, path: &str) -> Option<NodeId> {
        // The root's own path is "", and "/" is its alias.
        self.index.find(&self.nodes, if path == "/" { "" } else { path })
    }

    /// The znode at a path; "" and "/" are the root.
    pub fn get(&self, path: &str) -> Option<NodeRef<'_>> {
        self.find(path).map(|id| self.node(id))
    }

    /// The znode with this id, which must be in use.
    pub const fn node(&self, id: NodeId) -> NodeRef<'_> {
        NodeRef { tree: self, id }
    }

    /// Number of znodes (the root counts once; the official server counts it twice).
    pub const fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The last transaction that was applied.
    pub const fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// The digest of all znodes; 0 when it is not kept.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Lengths of all paths and data, in bytes (`approximate_data_size`).
    pub const fn data_size(&self) -> i64 {
        self.data_size
    }

    /// Number of ephemerals.
    pub fn ephemeral_count(&self) -> usize {
        self.ephemerals.values().map(BTreeSet::len).sum()
    }

    /// Paths of a session's ephemerals.
    pub fn ephemerals_of(&self, session: SessionId) -> impl Iterator<Item = String> {
        self.ephemerals.get(&session).into_iter().flatten().map(|&id| self.node(id).path())
    }

    /// Number of a session's ephemerals.
    pub fn ephemeral_count_of(&self, session: SessionId) -> usize {
        self.ephemerals.get(&session).map_or(0, BTreeSet::len)
    }

    /// A session's ephemerals in the order of their ids, from the one after `after` on.
    pub fn ephemerals_after(
        &self,
        session: SessionId,
        after: Option<NodeId>,
    ) -> impl Iterator<Item = NodeRef<'_>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = self.ephemerals.get(&session).into_iter();
        ids.flat_map(move |ids| ids.range((from, Bound::Unbounded))).map(|&id| self.node(id))
    }

    /// Sessions that have or had ephemerals, in order, with their paths.
    pub fn ephemerals(&self) -> impl Iterator<Item = (SessionId, Vec<String>)> {
        self.ephemerals
            .iter()
            .map(|(&session, ids)| (session, ids.iter().map(|&id| self.node(id).path()).collect()))
    }

    /// Sessions that have or had ephemerals, in order, from the one after `after` on.
    pub fn ephemeral_owners(&self, after: Bound<SessionId>) -> impl Iterator<Item = SessionId> {
        self.ephemerals.range((after, Bound::Unbounded)).map(|(&session, _)| session)
    }

    /// Containers and TTL nodes, which the container check looks at, in order, from the one after `after` on.
    pub fn expirable(&self, after: Option<Expirable>) -> impl Iterator<Item = Expirable> {
        let from = |kind: fn(NodeId) -> Expirable| match after {
            Some(after) if kind(after.node()) == after => Bound::Excluded(after.node()),
            // Past all of the first kind, or before all of the second.
            Some(Expirable::Ttl(_)) => Bound::Excluded(NodeId::MAX),
            Some(Expirable::Container(_)) | None => Bound::Unbounded,
        };
        let range = |kind| (from(kind), Bound::Unbounded);
        let containers =
            self.containers.range(range(Expirable::Container)).copied().map(Expirable::Container);
        containers.chain(self.ttls.range(range(Expirable::Ttl)).copied().map(Expirable::Ttl))
    }

    /// Number of access control lists in use.
    pub fn acl_count(&self) -> usize {
        self.acls.len()
    }

    /// The longest subtree with a quota that `path` is in.
    pub fn quota_for<'p>(&self, path: &'p str) -> Option<&'p str> {
        self.quotas.covering(path)
    }

    fn insert_root(&mut self, data: Option<&[u8]>, acl: AclId, stat: &StatPersisted) {
        assert_eq!(self.nodes.len(), 0, "the root comes first");
        let facts = self.facts("", data, stat);
        let id = self.insert_node(NodeId::ROOT, 0, "", data, acl, stat, &facts);
        self.index.insert(facts.hash, id);
        assert_eq!(id, NodeId::ROOT);
    }

    /// Adds a znode below `parent`. `acl` is already counted.
    fn insert_child(
        &mut self,
        parent: NodeId,
        path: &str,
        data: Option<&[u8]>,
        acl: AclId,
        stat: &StatPersisted,
    ) -> NodeId {
        let facts = self.facts(path, data, stat);
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        self.insert_known(parent, name, data, acl, stat, &facts)
    }

    fn facts(&self, path: &str, data: Option<&[u8]>, stat: &StatPersisted) -> Facts {
        Facts::of(self.index.hasher(), self.options.digest, path, data.unwrap_or_default(), stat)
    }

    /// The same, where the facts are known.
    fn insert_known(
        &mut self,
        parent: NodeId,
        name: &str,
        data: Option<&[u8]>,
        acl: AclId,
        stat: &StatPersisted,
        facts: &Facts,
    ) -> NodeId {
        let id = self.insert_unindexed(parent, name, data, acl, stat, facts);
        self.index.insert(facts.hash, id);
        id
    }

    /// The same, but that the path index does not know it.
    fn insert_unindexed(
        &mut self,
        parent: NodeId,
        name: &str,
        data: Option<&[u8]>,
        acl: AclId,
        stat: &StatPersisted,
        facts: &Facts,
    ) -> NodeId {
        let slot = u32::try_from(self.nodes.children(parent).len()).expect("fewer than 2^32 znodes");
        let id = self.insert_node(parent, slot, name, data, acl, stat, facts);
        self.nodes.extra_mut(parent).children.push(id);
        self.list_changes.pushed(parent, slot);
        self.count_below(parent, |below| below + 1);
        if stat.ephemeral_owner != 0 {
            self.list_owner(id);
        }
        id
    }

    /// One znode has come or gone somewhere below `id`: its ancestors count it. (As many steps as the path has parts.)
    fn count_below(&mut self, mut id: NodeId, change: fn(u32) -> u32) {
        while id != NodeId::ROOT {
            let extra = self.nodes.extra_mut(id);
            extra.below = change(extra.below);
            id = self.nodes.get(id).parent;
        }
    }

    /// Lists a znode under its owner.
    fn list_owner(&mut self, id: NodeId) {
        match self.node(id).owner() {
            Owner::Nobody => {}
            Owner::Container => {
                self.containers.insert(id);
            }
            Owner::Ttl(_) => {
                self.ttls.insert(id);
            }
            Owner::Session(session) => {
                self.ephemerals.entry(session).or_default().insert(id);
            }
        }
    }

    /// Takes a znode off its owner's list.
    fn unlist_owner(&mut self, id: NodeId) {
        match self.node(id).owner() {
            Owner::Nobody => {}
            Owner::Container => {
                self.containers.remove(&id);
            }
            Owner::Ttl(_) => {
                self.ttls.remove(&id);
            }
            Owner::Session(session) => {
                if let Some(ids) = self.ephemerals.get_mut(&session) {
                    ids.remove(&id);
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a node comes to be")]
    fn insert_node(
        &mut self,
        parent: NodeId,
        slot: u32,
        name: &str,
        data: Option<&[u8]>,
        acl: AclId,
        stat: &StatPersisted,
        facts: &Facts,
    ) -> NodeId {
        let id = self.nodes.insert((parent, slot), acl, stat, name, data);
        self.nodes.set_crc(id, facts.crc);
        self.data_size += facts.size;
        self.digest = self.digest.wrapping_add(facts.digest);
        id
    }

    /// Takes a znode out of the tree and of every table. It must have no children.
    fn remove_node(&mut self, path: &str, id: NodeId) {
        assert!(self.nodes.children(id).is_empty(), "a znode with children is not deleted: {path}");
        self.digest_remove(path, id);
        self.unlist_owner(id);
        self.data_size -= size_of_node(path, self.nodes.content(id).data_len());
        self.acls.release(self.nodes.acl(id));
        let node = self.nodes.remove(id);
        self.index.remove(path, id);
        let siblings = &mut self.nodes.extra_mut(node.parent).children;
        siblings.swap_remove(node.slot as usize);
        let last = siblings.len();
        if let Some(&moved) = siblings.get(node.slot as usize) {
            self.nodes.get_mut(moved).slot = node.slot;
        }
        self.list_changes.removed(node.parent, node.slot, last);
        self.count_below(node.parent, |below| below - 1);
    }

    /// The digest of one node as it is now. Keeps the CRC of path and data for the next time if there is a place.
    fn digest_of(&mut self, path: &str, id: NodeId) -> u64 {
        if let Some(extra) = self.nodes.extra(id)
            && extra.crc.is_some()
        {
            return node_digest(extra.crc, &extra.stat);
        }
        let crc = crc_of_content(path, self.nodes.content(id).data().unwrap_or_default());
        self.nodes.set_crc(id, crc);
        node_digest(crc, &self.nodes.stat(id))
    }

    fn digest_add(&mut self, path: &str, id: NodeId) {
        if self.options.digest {
            self.digest = self.digest.wrapping_add(self.digest_of(path, id));
        }
    }

    fn digest_remove(&mut self, path: &str, id: NodeId) {
        if self.options.digest {
            self.digest = self.digest.wrapping_sub(self.digest_of(path, id));
        }
    }
}

/// What a znode adds to `approximate_data_size`.
fn size_of_node(path: &str, data_len: usize) -> i64 {
    let units = if path.is_ascii() { path.len() } else { path.encode_utf16().count() };
    i64::try_from(units + data_len).unwrap_or(i64::MAX)
}

impl<'t> NodeRef<'t> {
    /// Its id, valid until it is deleted.
    pub const fn id(&self) -> NodeId {
        self.id
    }

    /// Its name: what follows the last slash of its path.
    pub fn name(&self) -> &'t [u8] {
        self.tree.nodes.content(self.id).name()
    }

    /// Its full path; the root's is "/".
    pub fn path(&self) -> String {
        let mut path = Vec::new();
        self.append_path(&mut path);
        String::from_utf8(path).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
    }

    /// Appends its full path, and nothing is allocated for it.
    pub fn append_path(&self, out: &mut Vec<u8>) {
        if self.id == NodeId::ROOT {
            return out.push(b'/');
        }
        let nodes = &self.tree.nodes;
        let parents = std::iter::successors(Some(self.id), |&id| Some(nodes.get(id).parent));
        let names = parents.take_while(|&id| id != NodeId::ROOT).map(|id| nodes.content(id).name());
        let len: usize = names.clone().map(|name| name.len() + 1).sum();
        let (start, mut end) = (out.len(), out.len() + len);
        out.resize(end, b'/');
        for name in names {
            out[end - name.len()..end].copy_from_slice(name);
            end -= name.len() + 1;
        }
        debug_assert_eq!(end, start, "the names and their slashes are the path");
    }

    /// Its data; null and empty are told apart.
    pub fn data(&self) -> Option<&'t [u8]> {
        self.tree.nodes.content(self.id).data()
    }

    fn data_len(&self) -> usize {
        self.tree.nodes.content(self.id).data_len()
    }

    /// Its ACL.
    pub fn acl(&self) -> &'t AclRef {
        self.tree.acls.get(self.tree.nodes.acl(self.id))
    }

    /// Whether everybody may do everything with it.
    pub fn is_open(&self) -> bool {
        self.tree.nodes.acl(self.id) == AclId::OPEN
    }

    /// Its stored fields.
    pub fn persisted(&self) -> StatPersisted {
        self.tree.nodes.stat(self.id)
    }

    /// Whose it is.
    pub fn owner(&self) -> Owner {
        self.tree.options.owners.read(self.tree.nodes.owner(self.id))
    }

    /// CRC-32 of its path and data, from which its digest goes on. `path` is its own path.
    pub fn content_crc(&self, path: &str) -> Option<u32> {
        let cached = self.tree.nodes.extra(self.id).and_then(|extra| extra.crc);
        cached.or_else(|| crc_of_content(path, self.data().unwrap_or_default()))
    }

    /// Number of its children.
    pub fn num_children(&self) -> usize {
        self.tree.nodes.children(self.id).len()
    }

    /// Its children, in no particular order.
    pub fn children(&self) -> impl ExactSizeIterator<Item = NodeRef<'t>> {
        let tree = self.tree;
        self.tree.nodes.children(self.id).iter().map(move |&id| tree.node(id))
    }

    /// Its children from this place in their list on, which holds until the list changes.
    pub fn children_from(&self, place: usize) -> impl Iterator<Item = NodeRef<'t>> {
        let tree = self.tree;
        let ids = self.tree.nodes.children(self.id).get(place..).unwrap_or_default();
        ids.iter().map(move |&id| tree.node(id))
    }

    /// A moment, for [`NodeRef::list_changes`].
    pub const fn list_moment(&self) -> u64 {
        self.tree.list_changes.count()
    }

    /// What has changed in its list of children since a moment at which it had [`LONG`] children or more. `None`: too much
    /// has happened since.
    pub fn list_changes(&self, moment: u64) -> Option<impl Iterator<Item = ListChange>> {
        self.tree.list_changes.since(moment, self.id)
    }

    /// Number of its descendants. It is kept: asking costs nothing.
    pub fn descendants(&self) -> usize {
        if self.id == NodeId::ROOT {
            return self.tree.node_count() - 1;
        }
        self.tree.nodes.below(self.id) as usize
    }

    /// What clients are told about it.
    pub fn stat(&self) -> Stat {
        let stored = self.persisted();
        let num_children = i32::try_from(self.num_children()).unwrap_or(i32::MAX);
        Stat {
            czxid: stored.czxid,
            mzxid: stored.mzxid,
            ctime: stored.ctime,
            mtime: stored.mtime,
            version: stored.version,
            // Creations and deletions of children, from creations and what is left of them.
            cversion: stored.cversion.wrapping_mul(2).wrapping_sub(num_children),
            aversion: stored.aversion,
            ephemeral_owner: match self.owner() {
                Owner::Session(session) => session.0,
                Owner::Nobody | Owner::Container | Owner::Ttl(_) => 0,
            },
            data_length: i32::try_from(self.data_len()).unwrap_or(i32::MAX),
            num_children,
            pzxid: stored.pzxid,
        }
    }
}

#[cfg(test)]
mod tests;
