//! Building a tree from a snapshot, znode by znode.
//!
//! Snapshots of the official server are fuzzy: the sessions come first, then the ACL table, then the znodes, while
//! transactions go on. A znode may refer to a list that came after the table. The transaction that gave it that list is
//! logged behind the snapshot, and gives it again in the replay; what is [unresolved](Unresolved) at its end lets nobody
//! in.
//!
//! Invariant: no znode without its list is open to anybody, neither while it is loaded nor later.

use super::{
    AclId, AclRef, NodeId, PreparedNode, Tree, TreeOptions,
    bulk::{Bulk, Twice},
};
use oxkeeper_codec::{
    ByteStr, Perms, SessionId, Zxid,
    records::{Acl, DataNode, Id},
};
use std::collections::{BTreeMap, BTreeSet};

/// Why a snapshot's znodes do not make a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A znode stands before its parent, or without one.
    #[error("znode {0:?} comes without its parent")]
    NoParent(String),
    /// What stands for a path is none.
    #[error("{0:?} is no path of a znode")]
    NoPath(String),
    /// The snapshot has no root.
    #[error("the snapshot has no root znode")]
    NoRoot,
    /// A path comes twice. Only a [careful](Loader::careful) loader knows what the tree is then.
    #[error("a znode comes twice")]
    Twice,
}

impl From<Twice> for LoadError {
    fn from(_: Twice) -> Self {
        Self::Twice
    }
}

/// world:anyone READ: the ACL of the configuration's znode.
pub(super) fn world_readable() -> Acl {
    let id = Id { scheme: ByteStr::from_static("world"), id: ByteStr::from_static("anyone") };
    Acl { perms: Perms::READ, id }
}

/// Whether files may hold a znode of this path: absolute, and every name in it has a character. (What clients may ask for
/// is narrower; it also changed over the versions.)
pub fn is_path(path: &str) -> bool {
    path == "/" || path.strip_prefix('/').is_some_and(|names| names.split('/').all(|name| !name.is_empty()))
}

/// A tree that is being loaded.
#[derive(Debug)]
pub struct Loader {
    tree: Tree,
    /// Lists by their number in the file.
    acls: BTreeMap<i64, Vec<Acl>>,
    /// Their numbers here, of those that a znode named already. One use of each is held until the end: a znode that
    /// comes twice may take the last other one with it.
    held: BTreeMap<i64, AclId>,
    unresolved: Unresolved,
    /// As long as no path may come twice.
    bulk: Option<Bulk>,
    /// The index has room for so many znodes.
    reserved: usize,
}

/// Room for znodes that are yet to come is made for so many times those that are there, at most: it takes memory at once,
/// some nine bytes each, and what is behind a snapshot in the logs may create nothing.
const FORESIGHT: usize = 2;

/// Znodes whose list was not in the snapshot's table.
#[derive(Debug, Default)]
pub struct Unresolved(Vec<NodeId>);

impl Unresolved {
    /// After the replay: those that still have no list get one that lets nobody in. Returns their paths.
    pub fn settle(self, tree: &mut Tree) -> Vec<String> {
        let nobody = AclRef::clone(tree.acls.nobody());
        let mut settled = Vec::new();
        for id in self.0 {
            // One that was deleted is vacant or another znode by now, with a list.
            if !tree.nodes.get(id).is_vacant() && tree.nodes.acl(id) == AclId::UNRESOLVED {
                let acl = tree.acls.acquire(&nobody);
                tree.nodes.set_acl(id, acl);
                settled.push(tree.node(id).path());
            }
        }
        settled
    }
}

impl Loader {
    /// A tree without any znode. Each path may come once.
    pub fn new(options: TreeOptions) -> Self {
        Self { bulk: Some(Bulk::default()), ..Self::careful(options) }
    }

    /// The same, where paths may come again: the later znode counts.
    pub fn careful(options: TreeOptions) -> Self {
        let tree = Tree::without_nodes(options);
        let unresolved = Unresolved::default();
        Self { tree, acls: BTreeMap::new(), held: BTreeMap::new(), unresolved, bulk: None, reserved: 0 }
    }

    /// So many bytes of the files were read, of so many in all: makes room for what may be expected.
    pub fn progress(&mut self, read: u64, total: u64) {
        let count = self.tree.node_count();
        if count < self.reserved || read == 0 {
            return;
        }
        // Some more, since a little too few is a table that is moved twice.
        let foreseen = u128::try_from(count).unwrap_or(0) * u128::from(total) / u128::from(read) * 9 / 8;
        self.reserved = usize::try_from(foreseen).unwrap_or(usize::MAX).min(count * FORESIGHT);
        self.tree.index.reserve(self.reserved);
    }

    /// One list of the snapshot's table.
    pub fn acl(&mut self, number: i64, acl: Vec<Acl>) {
        self.acls.insert(number, acl);
    }

    /// These znodes come next.
    pub fn expect<'n>(&self, nodes: impl Iterator<Item = &'n PreparedNode>) {
        if self.bulk.is_none() {
            self.tree.approach(nodes);
        }
    }

    /// One znode, with its full path; the root's is "". Parents come first. A [`Preparer`](super::Preparer) with the options of
    /// this tree has prepared it.
    ///
    /// # Errors
    /// The znode has no parent, or one has come twice.
    pub fn node(
        &mut self,
        path: &str,
        node: &DataNode<'_>,
        prepared: &PreparedNode,
    ) -> Result<(), LoadError> {
        if !prepared.is_path {
            return Err(LoadError::NoPath(path.to_owned()));
        }
        let acl = self.acl_id(node.acl);
        let id = match self.bulk.as_mut() {
            Some(bulk) => insert_once(&mut self.tree, bulk, path, acl, node, prepared)?,
            None => self.insert_or_replace(path, acl, node, prepared)?,
        };
        if acl == AclId::UNRESOLVED {
            self.unresolved.0.push(id);
        }
        Ok(())
    }

    fn insert_or_replace(
        &mut self,
        path: &str,
        acl: AclId,
        node: &DataNode<'_>,
        prepared: &PreparedNode,
    ) -> Result<NodeId, LoadError> {
        if let Some(twice) = self.tree.find_known(path, prepared) {
            // The later one counts.
            return Ok(self.replace(path, twice, acl, node));
        }
        if path.is_empty() {
            self.tree.insert_root(node.data, acl, &node.stat);
            return Ok(NodeId::ROOT);
        }
        let parent = self.tree.find_parent(path, prepared);
        let parent = parent.ok_or_else(|| LoadError::NoParent(path.to_owned()))?;
        let name = &path[prepared.parent_len + 1..];
        Ok(self.tree.insert_known(parent, name, node.data, acl, &node.stat, &prepared.facts))
    }

    /// The number here of the list with this number in the file; one more znode uses it.
    fn acl_id(&mut self, number: i64) -> AclId {
        if number == AclId::OPEN.to_file() {
            return AclId::OPEN;
        }
        let id = match (self.held.get(&number), self.acls.get(&number)) {
            (Some(&id), _) => id,
            (None, Some(acl)) => {
                let id = self.tree.acls.acquire(acl);
                self.held.insert(number, id);
                id
            }
            (None, None) => AclId::UNRESOLVED,
        };
        self.tree.acls.acquire_again(id);
        id
    }

    fn replace(&mut self, path: &str, id: NodeId, acl: AclId, node: &DataNode<'_>) -> NodeId {
        let tree = &mut self.tree;
        if id == NodeId::ROOT || tree.node(id).num_children() > 0 {
            // Its children hang on it already: only what is its own is replaced.
            tree.digest_remove(path, id);
            tree.unlist_owner(id);
            let old_len = tree.nodes.content(id).data_len();
            tree.nodes.set_data(id, node.data);
            tree.nodes.set_stat(id, &node.stat);
            tree.nodes.set_crc(id, None);
            let released = tree.nodes.set_acl(id, acl);
            tree.data_size +=
                super::size_of_node("", node.data.map_or(0, <[u8]>::len)) - super::size_of_node("", old_len);
            tree.acls.release(released);
            tree.list_owner(id);
            tree.digest_add(path, id);
            return id;
        }
        let parent = tree.nodes.get(id).parent;
        tree.remove_node(path, id);
        tree.insert_child(parent, path, node.data, acl, &node.stat)
    }

    /// The tree as of `zxid`, and what has to be [settled](Unresolved::settle) once the transactions behind that
    /// are applied.
    ///
    /// # Errors
    /// There was no root, or a znode has come twice.
    pub fn finish(mut self, zxid: Zxid) -> Result<(Tree, Unresolved), LoadError> {
        if let Some(bulk) = &mut self.bulk {
            bulk.fill(&mut self.tree)?;
        }
        if self.tree.node_count() == 0 {
            return Err(LoadError::NoRoot);
        }
        for id in self.held.into_values() {
            self.tree.acls.release(id);
        }
        self.tree.last_zxid = zxid;
        self.tree.set_up_quotas();
        Ok((self.tree, self.unresolved))
    }
}

/// Takes in a znode of a path that is taken for new.
fn insert_once(
    tree: &mut Tree,
    bulk: &mut Bulk,
    path: &str,
    acl: AclId,
    node: &DataNode<'_>,
    prepared: &PreparedNode,
) -> Result<NodeId, LoadError> {
    if path.is_empty() {
        if tree.node_count() > 0 {
            return Err(LoadError::Twice);
        }
        tree.insert_root(node.data, acl, &node.stat);
        return Ok(NodeId::ROOT);
    }
    let parent = bulk.parent(tree, path, prepared)?;
    let parent = parent.ok_or_else(|| LoadError::NoParent(path.to_owned()))?;
    let name = &path[prepared.parent_len + 1..];
    let id = tree.insert_unindexed(parent, name, node.data, acl, &node.stat, &prepared.facts);
    bulk.inserted(tree, prepared.facts.hash)?;
    Ok(id)
}

impl Tree {
    /// These znodes come next: what their places are found by, and their parents.
    pub(super) fn approach<'n>(&self, nodes: impl Iterator<Item = &'n PreparedNode>) {
        for node in nodes {
            let parent = self.index.approach(node.parent_hash);
            std::hint::black_box(parent.and_then(|parent| self.nodes.children(parent).last()));
            std::hint::black_box(self.index.approach(node.facts.hash));
        }
    }

    pub(super) fn find_parent(&self, path: &str, prepared: &PreparedNode) -> Option<NodeId> {
        self.index.find_hashed(&self.nodes, prepared.parent_hash, &path[..prepared.parent_len])
    }

    pub(super) fn find_known(&self, path: &str, prepared: &PreparedNode) -> Option<NodeId> {
        self.index.find_hashed(&self.nodes, prepared.facts.hash, path)
    }

    /// Gives back the room that was made for znodes that did not come.
    pub fn shrink(&mut self) {
        self.index.shrink();
    }

    /// Ephemerals of sessions that are not in `sessions`: left by a crash between two files, to be deleted before
    /// the server serves (`ZooKeeperServer.loadData`).
    pub fn orphans(&self, sessions: &BTreeSet<SessionId>) -> Vec<SessionId> {
        self.ephemerals.keys().filter(|session| !sessions.contains(session)).copied().collect()
    }
}
