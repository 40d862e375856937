//! From a path to its znode with one look-up: hashes of full paths, but no paths; a candidate is checked by
//! walking up its names.
//!
//! The table is split, so that growing never stops the world: no single growth moves more than 1/256 of it (at
//! 10^7 znodes about 40,000 entries, 1 to 2 ms).

use super::node::{NodeId, Slab};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

const PARTS: usize = 1 << 8;

/// The path index.
#[derive(Debug)]
pub(super) struct Index {
    parts: Vec<HashTable<NodeId>>,
    state: FixedState,
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
        Self { parts, state: FixedState::with_seed(seed) }
    }

    /// The hash of a path, which its node keeps.
    pub(super) fn hash(&self, path: &str) -> u32 {
        let mut hasher = self.state.build_hasher();
        hasher.write(path.as_bytes());
        let [a, b, c, d, ..] = hasher.finish().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    pub(super) fn find(&self, slab: &Slab, path: &str) -> Option<NodeId> {
        let hash = self.hash(path);
        let matches = |&id: &NodeId| slab.get(id).hash == hash && has_path(slab, id, path.as_bytes());
        self.parts[part_of(hash)].find(spread(hash), matches).copied()
    }

    /// Adds a node whose `hash` is set. The path must not be there yet.
    pub(super) fn insert(&mut self, slab: &Slab, id: NodeId) {
        let hash = slab.get(id).hash;
        self.parts[part_of(hash)].insert_unique(spread(hash), id, |&other| spread(slab.get(other).hash));
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
fn has_path(slab: &Slab, mut id: NodeId, path: &[u8]) -> bool {
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
