//! Loading without the path index: a snapshot's znodes come behind their parents, and most have the parent of one that came
//! shortly before. So parents are looked for among those, in memory that is near; the index is filled in large pieces,
//! which are in its order, and asked only for a parent that was not seen yet.
//!
//! Invariants: the znodes that came last are pending, all others are in the index; no path is in it twice. That a path comes twice is
//! noticed when it is filled, at the latest when the [end](Bulk::fill) is reached: nothing is known of the tree then.

use super::{NodeId, PreparedNode, Tree, index::has_path};
use hashbrown::HashTable;

/// So many znodes are put into the index at once, at least.
const PIECE: usize = 1 << 16;
/// And one for each two that are there already, since each piece moves all of them.
const PIECE_SHARE: usize = 2;
/// So many parents are known at most.
const PARENTS_MAX: usize = 1 << 16;

/// A path has come twice.
#[derive(Debug)]
pub(super) struct Twice;

/// What is known of the znodes that are not in the index.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    /// Hashes of their paths. They have the last ids.
    pending: Vec<u32>,
    /// Some that have children, with the hashes of their paths.
    parents: HashTable<(u32, NodeId)>,
}

impl Bulk {
    /// A znode's parent; `None` if there is none.
    pub(super) fn parent(
        &mut self,
        tree: &mut Tree,
        path: &str,
        node: &PreparedNode,
    ) -> Result<Option<NodeId>, Twice> {
        let (hash, parent) = (node.parent_hash, &path.as_bytes()[..node.parent_len]);
        let nodes = &tree.nodes;
        let is_it = |&(of, id): &(u32, NodeId)| of == hash && has_path(nodes, id, parent);
        if let Some(&(_, id)) = self.parents.find(hash.into(), is_it) {
            return Ok(Some(id));
        }
        let last = self.pending.last().zip(nodes.bound().checked_sub(1));
        let last = last.map(|(&of, id)| (of, NodeId(id))).filter(is_it);
        let found = match last {
            Some((_, id)) => Some(id),
            None => {
                self.fill(tree)?;
                tree.find_parent(path, node)
            }
        };
        if let Some(id) = found {
            if self.parents.len() == PARENTS_MAX {
                self.parents.clear();
            }
            self.parents.insert_unique(hash.into(), (hash, id), |&(of, _)| of.into());
        }
        Ok(found)
    }

    /// One more znode is in the slab, with this hash of its path.
    pub(super) fn inserted(&mut self, tree: &mut Tree, hash: u32) -> Result<(), Twice> {
        self.pending.push(hash);
        let piece = PIECE.max(tree.node_count() / PIECE_SHARE);
        if self.pending.len() >= piece { self.fill(tree) } else { Ok(()) }
    }

    /// Puts all znodes into the index.
    pub(super) fn fill(&mut self, tree: &mut Tree) -> Result<(), Twice> {
        let pending = u32::try_from(self.pending.len()).expect("fewer than 2^32 znodes");
        let first = NodeId(tree.nodes.bound() - pending);
        let all_new = tree.index.insert_all(&tree.nodes, first, &self.pending);
        self.pending.clear();
        if all_new { Ok(()) } else { Err(Twice) }
    }
}
