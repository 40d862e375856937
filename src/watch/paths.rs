//! The paths that are watched, each stored once under a small number.
//!
//! Invariants: the index has exactly the paths of the slab; a path is there as long as it has a watcher in either
//! table (the caller releases it with its last one).

use super::{Table, parted::Parted, slab::Slab, watchers::Watchers};
use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// The number of a watched path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PathId(u32);

/// A path and who watches it.
#[derive(Debug)]
pub(super) struct WatchedPath {
    pub(super) text: Box<str>,
    lists: [Watchers; Table::COUNT],
}

impl WatchedPath {
    pub(super) const fn list(&self, table: Table) -> &Watchers {
        &self.lists[table as usize]
    }
}

/// An entry of the index. It keeps the hash so that growing touches no path.
#[derive(Debug, Clone, Copy)]
struct Known {
    hash: u32,
    id: PathId,
}

/// The watched paths.
#[derive(Debug)]
pub(super) struct Paths {
    hasher: FixedState,
    index: Parted<Known>,
    slab: Slab<WatchedPath>,
}

/// The index takes its slot from the low bits and its tag from the high ones.
const fn widen(hash: u32) -> u64 {
    (hash as u64) << 32 | hash as u64
}

impl Paths {
    pub(super) const fn new(seed: u64) -> Self {
        Self { hasher: FixedState::with_seed(seed), index: Parted::new(), slab: Slab::new() }
    }

    fn hash(&self, path: &str) -> u32 {
        (self.hasher.hash_one(path) >> 32) as u32
    }

    pub(super) fn find(&self, path: &str) -> Option<PathId> {
        self.find_hashed(path, self.hash(path))
    }

    fn find_hashed(&self, path: &str, hash: u32) -> Option<PathId> {
        let same = |known: &Known| known.hash == hash && *self.slab.at(known.id.0).text == *path;
        self.index.find(widen(hash), same).map(|known| known.id)
    }

    /// The number of a path, a new one if it has none; the caller adds a watcher to a new path.
    pub(super) fn intern(&mut self, path: &str) -> PathId {
        let hash = self.hash(path);
        if let Some(id) = self.find_hashed(path, hash) {
            return id;
        }
        let id = PathId(self.slab.insert(WatchedPath { text: path.into(), lists: Default::default() }));
        self.index.insert(widen(hash), Known { hash, id }, |known| widen(known.hash));
        id
    }

    pub(super) fn at(&self, id: PathId) -> &WatchedPath {
        self.slab.at(id.0)
    }

    pub(super) fn list_mut(&mut self, id: PathId, table: Table) -> &mut Watchers {
        &mut self.slab.at_mut(id.0).lists[table as usize]
    }

    /// Forgets a path that nobody watches any more, in either table.
    pub(super) fn release_unwatched(&mut self, id: PathId) {
        if !self.at(id).lists.iter().all(Watchers::is_empty) {
            return;
        }
        let hash = self.hash(&self.at(id).text);
        let known = self.index.remove(widen(hash), |known| known.id == id, |known| widen(known.hash));
        assert!(known.is_some(), "the index has every path of the slab");
        self.slab.remove(id.0);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PathId, &WatchedPath)> {
        self.slab.iter().map(|(id, path)| (PathId(id), path))
    }

    #[cfg(test)]
    pub(super) fn check_consistent(&self) {
        self.slab.check_consistent();
        self.index.check_consistent(|known| widen(known.hash));
        assert_eq!(self.index.len(), self.iter().count());
        for (id, path) in self.iter() {
            assert_eq!(self.find(&path.text), Some(id));
            assert!(!path.lists.iter().all(Watchers::is_empty), "{} is watched by nobody", path.text);
            path.lists.iter().for_each(Watchers::check_consistent);
        }
    }
}
