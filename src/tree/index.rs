//! From a path to its znode with one look-up: hashes of full paths, but no paths; a candidate is checked by
//! walking up its names.
//!
//! The table is split, so that growing never stops the world: no single growth moves more than 1/256 of it (at
//! 10^7 znodes about 40,000 entries, 1 to 2 ms).

use super::node::{Node, NodeId, Slab};
use foldhash::fast::FixedState;
use hashbrown::{HashTable, hash_table::Entry};
use std::hash::{BuildHasher, Hasher};

const PARTS: usize = 1 << 8;

/// The path index.
#[derive(Debug)]
pub(super) struct Index {
    parts: Vec<HashTable<NodeId>>,
    hasher: PathHasher,
}

/// How paths are hashed.
#[derive(Debug, Clone)]
pub(super) struct PathHasher(FixedState);

impl PathHasher {
    pub(super) fn with_seed(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    /// The hash of a path, which its node keeps.
    pub(super) fn hash(&self, path: &str) -> u32 {
        let mut hasher = self.0.build_hasher();
        hasher.write(path.as_bytes());
        let [a, b, c, d, ..] = hasher.finish().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// Spreads a node's 32-bit hash over the 64 bits that the table wants.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

const fn part_of(hash: u32) -> usize {
    (hash >> 24) as usize
}
const _: () = assert!(part_of(u32::MAX) == PARTS - 1);

impl Index {
    pub(super) fn new(seed: u64) -> Self {
        let parts = std::iter::repeat_with(HashTable::new).take(PARTS).collect();
        Self { parts, hasher: PathHasher::with_seed(seed) }
    }

    pub(super) const fn hasher(&self) -> &PathHasher {
        &self.hasher
    }

    pub(super) fn find(&self, slab: &Slab, path: &str) -> Option<NodeId> {
        self.find_hashed(slab, self.hasher.hash(path), path)
    }

    /// The same for a path whose hash is known.
    pub(super) fn find_hashed(&self, slab: &Slab, hash: u32, path: &str) -> Option<NodeId> {
        let matches = |&id: &NodeId| slab.get(id).hash == hash && has_path(slab, id, path.as_bytes());
        self.parts[part_of(hash)].find(spread(hash), matches).copied()
    }

    /// Brings the place of a path near, and the node with this hash if there is one: misses of the cache cost less where
    /// nothing else is between them.
    pub(super) fn approach<'s>(&self, slab: &'s Slab, hash: u32) -> Option<&'s Node> {
        let matches = |&id: &NodeId| slab.get(id).hash == hash;
        self.parts[part_of(hash)].find(spread(hash), matches).map(|&id| slab.get(id))
    }

    /// Adds a node with this hash of its path, which must not be there yet.
    pub(super) fn insert(&mut self, slab: &Slab, hash: u32, id: NodeId) {
        self.parts[part_of(hash)].insert_unique(spread(hash), id, |&other| spread(slab.get(other).hash));
    }

    /// Adds the nodes from `first` on, whose hashes these are, one part of the table after the other, so that it is near.
    /// False if there are two of one path: it is not known then which were added.
    pub(super) fn insert_all(&mut self, slab: &Slab, first: NodeId, hashes: &[u32]) -> bool {
        let hashed = || hashes.iter().copied().zip((first.0..).map(NodeId));
        if hashes.len() < PARTS {
            return hashed().all(|(hash, id)| self.insert_new(slab, hash, id));
        }
        let mut next = [0; PARTS];
        hashed().for_each(|(hash, _)| next[part_of(hash)] += 1);
        let mut start = 0;
        for place in &mut next {
            start += std::mem::replace(place, start);
        }
        let mut by_part = vec![(0, NodeId::ROOT); hashes.len()];
        for (hash, id) in hashed() {
            let place = &mut next[part_of(hash)];
            by_part[*place] = (hash, id);
            *place += 1;
        }
        by_part.into_iter().all(|(hash, id)| self.insert_new(slab, hash, id))
    }

    /// Adds a node, unless another one has its path.
    fn insert_new(&mut self, slab: &Slab, hash: u32, id: NodeId) -> bool {
        let is_same = |&other: &NodeId| {
            let (node, other_node) = (slab.get(id), slab.get(other));
            other_node.hash == hash
                && other_node.parent == node.parent
                && slab.content(other).name() == slab.content(id).name()
        };
        let part = &mut self.parts[part_of(hash)];
        match part.entry(spread(hash), is_same, |&other| spread(slab.get(other).hash)) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(id);
                true
            }
        }
    }

    /// Makes room for so many nodes in all, so that the table does not grow step by step.
    pub(super) fn reserve(&mut self, slab: &Slab, nodes: usize) {
        for part in &mut self.parts {
            let more = (nodes / PARTS).saturating_sub(part.len());
            part.reserve(more, |&other| spread(slab.get(other).hash));
        }
    }

    /// Gives back what [`Index::reserve`] took too much.
    pub(super) fn shrink(&mut self, slab: &Slab) {
        for part in self.parts.iter_mut().filter(|part| part.len() < part.capacity() / 4) {
            part.shrink_to(part.len(), |&other| spread(slab.get(other).hash));
        }
    }

    pub(super) fn remove(&mut self, hash: u32, id: NodeId) {
        match self.parts[part_of(hash)].find_entry(spread(hash), |&other| other == id) {
            Ok(entry) => {
                entry.remove();
            }
            Err(_) => debug_assert!(false, "a node is in the index as long as it lives"),
        }
    }
}

/// Whether the names from `id` up to the root spell `path`.
pub(super) fn has_path(slab: &Slab, mut id: NodeId, path: &[u8]) -> bool {
    let mut rest = path;
    while id != NodeId::ROOT {
        let name = slab.content(id).name();
        let Some(before) = rest.strip_suffix(name).and_then(|b| b.strip_suffix(b"/")) else {
            return false;
        };
        rest = before;
        id = slab.get(id).parent;
    }
    rest.is_empty()
}
