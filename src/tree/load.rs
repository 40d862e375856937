//! Building a tree from a snapshot, znode by znode.

use super::{AclId, NodeId, Tree, TreeOptions};
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
    /// A znode refers to a list that the snapshot does not have.
    #[error("znode {path:?} has ACL number {acl}, which is not in the snapshot's table")]
    NoAcl {
        /// The znode.
        path: String,
        /// The number.
        acl: i64,
    },
    /// The snapshot has no root.
    #[error("the snapshot has no root znode")]
    NoRoot,
}

/// world:anyone READ: the ACL of the configuration's znode.
pub(super) fn world_readable() -> Acl {
    let id = Id { scheme: ByteStr::from_static("world"), id: ByteStr::from_static("anyone") };
    Acl { perms: Perms::READ, id }
}

/// A tree that is being loaded.
#[derive(Debug)]
pub struct Loader {
    tree: Tree,
    /// Lists by their number in the file.
    acls: BTreeMap<i64, Vec<Acl>>,
    /// Numbers that a znode used already.
    ids: BTreeMap<i64, AclId>,
}

impl Loader {
    /// A tree without any znode.
    pub fn new(options: TreeOptions) -> Self {
        Self { tree: Tree::without_nodes(options), acls: BTreeMap::new(), ids: BTreeMap::new() }
    }

    /// One list of the snapshot's table.
    pub fn acl(&mut self, number: i64, acl: Vec<Acl>) {
        self.acls.insert(number, acl);
    }

    /// One znode, with its full path; the root's is "". Parents come first.
    ///
    /// # Errors
    /// The znode has no parent or no ACL.
    pub fn node(&mut self, path: &str, node: &DataNode<'_>) -> Result<(), LoadError> {
        let acl = self.acl_id(path, node.acl)?;
        if let Some(twice) = self.tree.find(path) {
            // A snapshot of the official server may hold a znode twice; the later one counts.
            return self.replace(path, twice, acl, node);
        }
        if path.is_empty() {
            self.tree.insert_root(node.data, acl, &node.stat);
            return Ok(());
        }
        let parent = path.rsplit_once('/').and_then(|(parent, _)| self.tree.find(parent));
        let parent = parent.ok_or_else(|| LoadError::NoParent(path.to_owned()))?;
        self.tree.insert_child(parent, path, node.data, acl, &node.stat);
        Ok(())
    }

    fn acl_id(&mut self, path: &str, number: i64) -> Result<AclId, LoadError> {
        if number == AclId::OPEN.to_file() {
            return Ok(AclId::OPEN);
        }
        // A znode that came twice may have taken the last use of its list with it.
        if let Some(list) = self.ids.get(&number).and_then(|&id| self.tree.acls.find(id)) {
            let list = super::AclRef::clone(list);
            return Ok(self.tree.acls.acquire(&list));
        }
        let acl =
            self.acls.get(&number).ok_or_else(|| LoadError::NoAcl { path: path.to_owned(), acl: number })?;
        let id = self.tree.acls.acquire(acl);
        self.ids.insert(number, id);
        Ok(id)
    }

    fn replace(&mut self, path: &str, id: NodeId, acl: AclId, node: &DataNode<'_>) -> Result<(), LoadError> {
        let tree = &mut self.tree;
        if id == NodeId::ROOT || tree.node(id).num_children() > 0 {
            // Its children hang on it already: only what is its own is replaced.
            tree.digest_remove(path, id);
            tree.unlist_owner(id);
            let old_len = tree.nodes.content(id).data_len();
            tree.nodes.set_data(id, node.data);
            let old = tree.nodes.get_mut(id);
            old.set_stat(&node.stat);
            if let Some(extra) = &mut old.extra {
                extra.crc = None;
            }
            let released = std::mem::replace(&mut old.acl, acl);
            tree.data_size +=
                super::size_of_node("", node.data.map_or(0, <[u8]>::len)) - super::size_of_node("", old_len);
            tree.acls.release(released);
            tree.list_owner(id);
            tree.digest_add(path, id);
            return Ok(());
        }
        let parent = tree.nodes.get(id).parent;
        tree.remove_node(path, id);
        tree.insert_child(parent, path, node.data, acl, &node.stat);
        Ok(())
    }

    /// The tree as of `zxid`.
    ///
    /// # Errors
    /// There was no root.
    pub fn finish(mut self, zxid: Zxid) -> Result<Tree, LoadError> {
        if self.tree.node_count() == 0 {
            return Err(LoadError::NoRoot);
        }
        self.tree.last_zxid = zxid;
        self.tree.set_up_quotas();
        Ok(self.tree)
    }
}

impl Tree {
    /// Ephemerals of sessions that are not in `sessions`: left by a crash between two files, to be deleted before
    /// the server serves (`ZooKeeperServer.loadData`).
    pub fn orphans(&self, sessions: &BTreeSet<SessionId>) -> Vec<SessionId> {
        self.ephemerals.keys().filter(|session| !sessions.contains(session)).copied().collect()
    }
}
