//! From a path to its znode with one look-up: hashes of full paths, but no paths; a candidate is checked by
//! walking up its names.
//!
//! The hashes are divided among 256 parts. A part is an open-addressing table in the order of its hashes: where an entry
//! belongs grows with its hash, and it stands there or behind, next to those that took its place. So a look-up ends early
//! even where the table is nearly full, and a part grows by an eighth, without looking at a znode. Its memory
//! comes in pages of one size, which leave no holes in the allocator's memory.
//!
//! Growing never stops the world: no single growth moves more than about 1/256 of the entries (at 10^7 znodes about
//! 40,000, well below 1 ms).
//!
//! Invariants: the entries of a part stand in the order of their hashes, none before its home, and with no gap between
//! its home and itself.

use super::node::{NodeId, Slab};
use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hasher};

const PARTS: usize = 1 << 8;
/// Entries in a page.
const PAGE: usize = 1 << 7;
/// So many slots at the end of a part are nobody's home, at first.
const SPILL: usize = PAGE / 2;
/// Entries that come together are merged with those of a part if they are one for so many of them, at least.
const MERGED_FROM: usize = 16;

/// The path index.
#[derive(Debug)]
pub(super) struct Index {
    parts: Vec<Part>,
    hasher: PathHasher,
}

/// How paths are hashed.
#[derive(Debug, Clone)]
pub(super) struct PathHasher(FixedState);

impl PathHasher {
    pub(super) fn with_seed(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    /// The hash of a path.
    pub(super) fn hash(&self, path: &str) -> u32 {
        let mut hasher = self.0.build_hasher();
        hasher.write(path.as_bytes());
        let [a, b, c, d, ..] = hasher.finish().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// A slot of a part. A free one stands behind all others: it has the highest hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    hash: u32,
    /// [`NodeId::MAX`], which no znode has: the slot is free.
    id: NodeId,
}

impl Entry {
    const FREE: Self = Self { hash: u32::MAX, id: NodeId::MAX };

    fn is_free(self) -> bool {
        self.id == NodeId::MAX
    }
}

/// One part of the hashes.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "a page stays where it is when more come, and all are of one size")]
struct Part {
    pages: Vec<Box<[Entry; PAGE]>>,
    /// Slots where entries are at home; the others, at the end, are for those that were pushed along.
    homes: usize,
    len: usize,
}

const fn part_of(hash: u32) -> usize {
    (hash >> 24) as usize
}
const _: () = assert!(part_of(u32::MAX) == PARTS - 1);

fn free_page() -> Box<[Entry; PAGE]> {
    Box::new([Entry::FREE; PAGE])
}

/// So many homes has a part for this number of entries, at least: 8 for 7, and whole pages with the spill.
fn homes_for(len: usize) -> usize {
    if len == 0 { 0 } else { ((len * 8).div_ceil(7) + SPILL).next_multiple_of(PAGE) - SPILL }
}

/// So many are added to a number of homes at once: an eighth, in whole pages with the spill.
fn growth(homes: usize) -> usize {
    if homes == 0 { homes_for(1) } else { ((homes + SPILL) / PAGE / 8).max(1) * PAGE }
}

impl Part {
    fn slots(&self) -> usize {
        self.pages.len() * PAGE
    }

    fn at(&self, slot: usize) -> Entry {
        self.pages[slot / PAGE][slot % PAGE]
    }

    fn slot_mut(&mut self, slot: usize) -> &mut Entry {
        &mut self.pages[slot / PAGE][slot % PAGE]
    }

    /// Where an entry belongs: the low 24 bits of its hash, scaled to the slots.
    fn home(&self, hash: u32) -> usize {
        let low = u64::from(hash & 0x00ff_ffff);
        usize::try_from((low * self.homes as u64) >> 24).expect("less than the number of homes")
    }

    /// The first slot at or behind the home of `hash` that is free or has this hash or a higher one; the number of slots if
    /// there is none.
    fn seek(&self, hash: u32) -> usize {
        let home = self.home(hash);
        let (mut page, mut from) = (home / PAGE, home % PAGE);
        while let Some(entries) = self.pages.get(page) {
            if let Some(i) = entries[from..].iter().position(|entry| entry.hash >= hash) {
                return page * PAGE + from + i;
            }
            (page, from) = (page + 1, 0);
        }
        self.slots()
    }

    fn find(&self, hash: u32, mut matches: impl FnMut(NodeId) -> bool) -> Option<usize> {
        let equal = |&slot: &usize| {
            let entry = self.at(slot);
            entry.hash == hash && !entry.is_free()
        };
        (self.seek(hash)..self.slots()).take_while(equal).find(|&slot| matches(self.at(slot).id))
    }

    /// Inserts it. Pushes those behind it along.
    fn insert(&mut self, mut new: Entry) {
        self.reserve(self.len + 1);
        self.len += 1;
        let slot = self.seek(new.hash);
        let (mut page, mut from) = (slot / PAGE, slot % PAGE);
        loop {
            if page == self.pages.len() {
                self.pages.push(free_page());
            }
            let entries = &mut self.pages[page][from..];
            let free = entries.iter().position(|&entry| entry.is_free());
            let last = free.unwrap_or(entries.len() - 1);
            let pushed_out = entries[last];
            entries.copy_within(..last, 1);
            entries[0] = new;
            if free.is_some() {
                return;
            }
            new = pushed_out;
            (page, from) = (page + 1, 0);
        }
    }

    /// Inserts all of these, which are in the order of their hashes. False, and nothing is known of the part, if one
    /// `is_same` as another one.
    fn insert_all(&mut self, new: &[Entry], is_same: impl Fn(NodeId, NodeId) -> bool) -> bool {
        if new.len() < self.len / MERGED_FROM {
            return new.iter().all(|&entry| {
                let is_new = self.find(entry.hash, |other| is_same(entry.id, other)).is_none();
                if is_new {
                    self.insert(entry);
                }
                is_new
            });
        }
        self.merge(new, is_same)
    }

    /// The same, where all others move, too.
    fn merge(&mut self, new: &[Entry], is_same: impl Fn(NodeId, NodeId) -> bool) -> bool {
        let old = self.entries();
        let (mut all, mut next) = (Vec::with_capacity(old.len() + new.len()), 0);
        for &entry in new {
            let before = old[next..].iter().take_while(|old| old.hash <= entry.hash).count();
            all.extend_from_slice(&old[next..next + before]);
            next += before;
            let mut equal = all.iter().rev().take_while(|other: &&Entry| other.hash == entry.hash);
            if equal.any(|other| is_same(entry.id, other.id)) {
                return false;
            }
            all.push(entry);
        }
        all.extend_from_slice(&old[next..]);
        self.homes = self.homes_with_room(all.len());
        self.fill(&all);
        true
    }

    /// The number of homes, or what it has to grow to for so many entries in all: by an eighth at least, so that many small
    /// steps are no more work than one.
    fn homes_with_room(&self, len: usize) -> usize {
        let homes = homes_for(len);
        if homes <= self.homes { self.homes } else { homes.max(self.homes + growth(self.homes)) }
    }

    /// Makes room for so many entries in all.
    fn reserve(&mut self, len: usize) {
        let homes = self.homes_with_room(len);
        if homes != self.homes {
            self.resize(homes);
        }
    }

    /// Gives back room that growing alone would not have made.
    fn shrink(&mut self) {
        let homes = homes_for(self.len);
        if self.homes > homes + growth(homes) {
            self.resize(homes);
        }
    }

    fn resize(&mut self, homes: usize) {
        let entries = self.entries();
        self.homes = homes;
        self.fill(&entries);
    }

    /// All entries, in order.
    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.len);
        for page in &self.pages {
            entries.extend(page.iter().filter(|entry| !entry.is_free()));
        }
        entries
    }

    /// Holds these entries, which are in order, and no others.
    fn fill(&mut self, entries: &[Entry]) {
        self.len = entries.len();
        for page in &mut self.pages {
            page.fill(Entry::FREE);
        }
        let mut next = 0;
        for &entry in entries {
            let slot = self.home(entry.hash).max(next);
            next = slot + 1;
            if slot >= self.slots() {
                self.pages.resize_with(slot / PAGE + 1, free_page);
            }
            *self.slot_mut(slot) = entry;
        }
        let pages = (self.homes + SPILL).max(next).div_ceil(PAGE);
        self.pages.resize_with(pages, free_page);
    }

    fn remove(&mut self, slot: usize) {
        self.len -= 1;
        let mut gap = slot;
        while gap + 1 < self.slots() {
            let next = self.at(gap + 1);
            if next.is_free() || self.home(next.hash) == gap + 1 {
                break;
            }
            *self.slot_mut(gap) = next;
            gap += 1;
        }
        *self.slot_mut(gap) = Entry::FREE;
    }
}

impl Index {
    pub(super) fn new(seed: u64) -> Self {
        let parts = std::iter::repeat_with(Part::default).take(PARTS).collect();
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
        self.find_where(hash, |id| has_path(slab, id, path.as_bytes()))
    }

    /// Brings the place of a path near: misses of the cache cost less where nothing else is between them. Returns a node
    /// with this hash, if there is one.
    pub(super) fn approach(&self, hash: u32) -> Option<NodeId> {
        self.find_where(hash, |_| true)
    }

    fn find_where(&self, hash: u32, matches: impl FnMut(NodeId) -> bool) -> Option<NodeId> {
        let part = &self.parts[part_of(hash)];
        part.find(hash, matches).map(|slot| part.at(slot).id)
    }

    /// Adds a node with this hash of its path, which must not be there yet.
    pub(super) fn insert(&mut self, hash: u32, id: NodeId) {
        self.parts[part_of(hash)].insert(Entry { hash, id });
    }

    /// Adds the nodes from `first` on, whose hashes these are, in the order of the table, so that it is near. False if there
    /// are two of one path: it is not known then which were added.
    pub(super) fn insert_all(&mut self, slab: &Slab, first: NodeId, hashes: &[u32]) -> bool {
        let mut entries: Vec<_> =
            hashes.iter().zip(first.0..).map(|(&hash, id)| Entry { hash, id: NodeId(id) }).collect();
        entries.sort_unstable_by_key(|entry| entry.hash);
        entries.chunk_by(|a, b| part_of(a.hash) == part_of(b.hash)).all(|of_part| {
            let part = &mut self.parts[part_of(of_part[0].hash)];
            part.insert_all(of_part, |new, other| is_twin(slab, new, other))
        })
    }

    /// Makes room for so many nodes in all, so that the parts do not grow step by step.
    pub(super) fn reserve(&mut self, nodes: usize) {
        self.parts.iter_mut().for_each(|part| part.reserve(nodes / PARTS));
    }

    /// Gives back what [`Index::reserve`] took too much.
    pub(super) fn shrink(&mut self) {
        self.parts.iter_mut().for_each(Part::shrink);
    }

    pub(super) fn remove(&mut self, path: &str, id: NodeId) {
        let hash = self.hasher.hash(path);
        let part = &mut self.parts[part_of(hash)];
        match part.find(hash, |other| other == id) {
            Some(slot) => part.remove(slot),
            None => debug_assert!(false, "a node is in the index as long as it lives"),
        }
    }
}

/// Whether two nodes have the same path.
fn is_twin(slab: &Slab, id: NodeId, other: NodeId) -> bool {
    let parent = |id| slab.get(id).parent;
    parent(id) == parent(other) && slab.content(id).name() == slab.content(other).name()
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    impl Part {
        fn check(&self) {
            let taken: Vec<usize> = (0..self.slots()).filter(|&slot| !self.at(slot).is_free()).collect();
            assert_eq!(taken.len(), self.len);
            assert!(taken.is_sorted_by_key(|&slot| self.at(slot).hash));
            for &slot in &taken {
                let home = self.home(self.at(slot).hash);
                assert!(home <= slot && (home..slot).all(|before| !self.at(before).is_free()));
            }
        }
    }

    /// Hashes of one part: spread, at its very ends, and equal ones.
    fn hashes() -> impl Strategy<Value = u32> {
        prop_oneof![8 => 0..1u32 << 24, 2 => 0..8u32, 2 => (1u32 << 24) - 200..1 << 24]
    }

    /// So many entries in order, with ids that no others have.
    fn batch(id: NodeId, hash: u32, len: usize) -> Vec<Entry> {
        let id = |i: u32| NodeId(1 << 31 | id.0 << 10 | i);
        let hash = |i: u32| hash.wrapping_add(i.wrapping_mul(77_777)) & 0x00ff_ffff;
        let mut entries: Vec<_> = (0..).take(len).map(|i| Entry { hash: hash(i), id: id(i) }).collect();
        entries.sort_by_key(|entry| entry.hash);
        entries
    }

    proptest! {
        #[test]
        fn what_was_inserted_is_found_until_it_is_removed(
            steps in prop::collection::vec((0..40u8, any::<prop::sample::Index>(), hashes()), 0..3000),
        ) {
            let mut part = Part::default();
            let mut model: Vec<(u32, NodeId)> = Vec::new();
            for (id, (what, which, hash)) in (0..).map(NodeId).zip(steps) {
                if what == 0 {
                    part.reserve(which.index(2 * model.len() + 1));
                    part.check();
                } else if what == 1 {
                    part.shrink();
                    part.check();
                } else if what == 2 {
                    let new = batch(id, hash, which.index(300));
                    prop_assert!(part.insert_all(&new, |_, _| false));
                    part.check();
                    let twin = new.get(..1).unwrap_or_default();
                    prop_assert_eq!(twin.is_empty(), part.merge(twin, |new, old| new == old));
                    part.check();
                    model.extend(new.iter().map(|entry| (entry.hash, entry.id)));
                } else if what > 10 || model.is_empty() {
                    prop_assert_eq!(part.find(hash, |other| other == id), None);
                    part.insert(Entry { hash, id });
                    model.push((hash, id));
                } else {
                    let (hash, id) = model.swap_remove(which.index(model.len()));
                    let slot = part.find(hash, |other| other == id).unwrap();
                    part.remove(slot);
                    prop_assert_eq!(part.find(hash, |other| other == id), None);
                }
            }
            part.check();
            part.shrink();
            part.check();
            for &(hash, id) in &model {
                let slot = part.find(hash, |other| other == id).unwrap();
                prop_assert_eq!(part.at(slot), Entry { hash, id });
            }
        }
    }

    #[test]
    fn a_part_is_dense_at_every_size() {
        let (mut part, mut seen, mut hash) = (Part::default(), BTreeSet::new(), 1u32);
        for id in (0..50_000).map(NodeId) {
            hash = hash.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15) ^ (hash >> 15);
            seen.insert(hash);
            part.insert(Entry { hash: hash & 0x00ff_ffff, id });
            assert!(part.len < 2000 || part.slots() * 10 < part.len * 14, "{} of {}", part.len, part.slots());
        }
        part.reserve(200_000);
        let roomy = part.slots();
        part.reserve(100_000);
        assert_eq!(part.slots(), roomy);
        assert!(roomy * 7 >= 200_000 * 8);
        part.shrink();
        assert!(part.slots() * 10 < part.len * 12, "{} of {}", part.len, part.slots());
        part.check();
        assert!(seen.len() > 49_000);
    }
}
