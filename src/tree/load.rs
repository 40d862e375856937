//! Building a tree from a snapshot, znode by znode.
//!
//! Snapshots of the official server are fuzzy: the sessions come first, then the ACL table, then the znodes, while
//! transactions go on. A znode may refer to a list that came after the table. The transaction that gave it that list is
//! logged behind the snapshot, and gives it again in the replay; what is [unresolved](Unresolved) at its end lets nobody
//! in.
//!
//! Invariant: no znode without its list is open to anybody, neither while it is loaded nor later.

use super::{AclId, AclRef, NodeId, Tree, TreeOptions};
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
}

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
            if tree.nodes.get(id).acl == AclId::UNRESOLVED {
                tree.nodes.get_mut(id).acl = tree.acls.acquire(&nobody);
                settled.push(tree.node(id).path());
            }
        }
        settled
    }
}

impl Loader {
    /// A tree without any znode.
    pub fn new(options: TreeOptions) -> Self {
        let tree = Tree::without_nodes(options);
        Self { tree, acls: BTreeMap::new(), held: BTreeMap::new(), unresolved: Unresolved::default() }
    }

    /// One list of the snapshot's table.
    pub fn acl(&mut self, number: i64, acl: Vec<Acl>) {
        self.acls.insert(number, acl);
    }

    /// One znode, with its full path; the root's is "". Parents come first.
    ///
    /// # Errors
    /// The znode has no parent.
    pub fn node(&mut self, path: &str, node: &DataNode<'_>) -> Result<(), LoadError> {
        if !path.is_empty() && !is_path(path) {
            return Err(LoadError::NoPath(path.to_owned()));
        }
        let acl = self.acl_id(node.acl);
        let id = if let Some(twice) = self.tree.find(path) {
            // The later one counts.
            self.replace(path, twice, acl, node)
        } else if path.is_empty() {
            self.tree.insert_root(node.data, acl, &node.stat);
            NodeId::ROOT
        } else {
            let parent = path.rsplit_once('/').and_then(|(parent, _)| self.tree.find(parent));
            let parent = parent.ok_or_else(|| LoadError::NoParent(path.to_owned()))?;
            self.tree.insert_child(parent, path, node.data, acl, &node.stat)
        };
        if acl == AclId::UNRESOLVED {
            self.unresolved.0.push(id);
        }
        Ok(())
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
            let released = std::mem::replace(&mut tree.nodes.get_mut(id).acl, acl);
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
    /// There was no root.
    pub fn finish(mut self, zxid: Zxid) -> Result<(Tree, Unresolved), LoadError> {
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

impl Tree {
    /// Ephemerals of sessions that are not in `sessions`: left by a crash between two files, to be deleted before
    /// the server serves (`ZooKeeperServer.loadData`).
    pub fn orphans(&self, sessions: &BTreeSet<SessionId>) -> Vec<SessionId> {
        self.ephemerals.keys().filter(|session| !sessions.contains(session)).copied().collect()
    }
}
