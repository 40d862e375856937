//! What each connection watches: the other direction of [`super::paths`].
//!
//! Invariants: a slot (path, position) is there exactly if the connection stands at that position in the path's
//! list. A connection is *listed* in a table from its first watch there until it leaves or takes its last watch
//! back; watches that fire leave it listed (`WatchManager.watch2Paths` counts it for `wchs` all the while).

use super::{ConnKey, Table, parted::Parted, paths::PathId};
use foldhash::fast::FixedState;
use std::hash::BuildHasher;

/// One watched path of a connection, and the position in that path's list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) path: PathId,
    pub(super) at: u32,
}

/// The watches of one connection in one table.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Parted<Slot>,
    listed: bool,
}

impl Slots {
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.slots.iter().copied()
    }
}

/// The watches of one connection.
#[derive(Debug)]
struct Conn {
    key: ConnKey,
    tables: [Slots; Table::COUNT],
}

/// The connections that watch something.
#[derive(Debug)]
pub(super) struct Conns {
    hasher: FixedState,
    conns: Parted<Conn>,
    listed: [usize; Table::COUNT],
}

impl Conns {
    pub(super) const fn new(seed: u64) -> Self {
        Self { hasher: FixedState::with_seed(seed), conns: Parted::new(), listed: [0; Table::COUNT] }
    }

    /// How many connections are listed in a table.
    pub(super) const fn listed(&self, table: Table) -> usize {
        self.listed[table as usize]
    }

    /// The listed connections in the order of their keys.
    pub(super) fn iter_listed(&self, table: Table) -> impl Iterator<Item = (ConnKey, &Slots)> {
        let conns = self.conns.iter().map(|conn| (conn.key, &conn.tables[table as usize]));
        let mut conns: Vec<_> = conns.filter(|(_, slots)| slots.listed).collect();
        conns.sort_unstable_by_key(|(key, _)| *key);
        conns.into_iter()
    }

    fn conn(&self, key: ConnKey) -> Option<&Conn> {
        self.conns.find(self.hasher.hash_one(key), |conn| conn.key == key)
    }

    /// The position of a connection in the list of a path.
    pub(super) fn find(&self, table: Table, conn: ConnKey, path: PathId) -> Option<u32> {
        let slots = &self.conn(conn)?.tables[table as usize].slots;
        slots.find(self.hasher.hash_one(path), |slot| slot.path == path).map(|slot| slot.at)
    }

    /// Some of the paths that a connection watches, at most so many.
    pub(super) fn some(&self, table: Table, conn: ConnKey, at_most: usize) -> Vec<Slot> {
        let slots = self.conn(conn).map(|conn| &conn.tables[table as usize]);
        slots.into_iter().flat_map(Slots::iter).take(at_most).collect()
    }

    /// Adds a path that the connection does not watch yet.
    pub(super) fn insert(&mut self, table: Table, conn: ConnKey, slot: Slot) {
        if self.conn(conn).is_none() {
            let hasher = &self.hasher;
            let new = Conn { key: conn, tables: Default::default() };
            self.conns.insert(hasher.hash_one(conn), new, |conn| hasher.hash_one(conn.key));
        }
        let (hasher, slots) = self.slots_mut(table, conn);
        slots.slots.insert(hasher.hash_one(slot.path), slot, |slot| hasher.hash_one(slot.path));
        if !std::mem::replace(&mut slots.listed, true) {
            self.listed[table as usize] += 1;
        }
    }

    /// The hasher of paths, and what a connection that watches something has in a table.
    fn slots_mut(&mut self, table: Table, key: ConnKey) -> (&FixedState, &mut Slots) {
        let conn = self.conns.find_mut(self.hasher.hash_one(key), |conn| conn.key == key);
        let conn = conn.expect("every watcher in a list is known here");
        (&self.hasher, &mut conn.tables[table as usize])
    }

    /// The connection stands at another position in the list of a path.
    pub(super) fn moved(&mut self, table: Table, conn: ConnKey, slot: Slot) {
        let (hasher, Slots { slots, .. }) = self.slots_mut(table, conn);
        let known = slots.find_mut(hasher.hash_one(slot.path), |known| known.path == slot.path);
        *known.expect("every watcher in a list has its slot") = slot;
    }

    /// The connection's watch on a path is gone.
    pub(super) fn forget(&mut self, table: Table, conn: ConnKey, path: PathId) {
        let (hasher, Slots { slots, .. }) = self.slots_mut(table, conn);
        let hash = hasher.hash_one(path);
        let gone = slots.remove(hash, |slot| slot.path == path, |slot| hasher.hash_one(slot.path));
        assert!(gone.is_some(), "every watcher in a list has its slot");
    }

    /// A connection without watches in a table is listed there no longer; false if it has some.
    pub(super) fn unlist_idle(&mut self, table: Table, key: ConnKey) -> bool {
        let hasher = &self.hasher;
        let (hash, same) = (hasher.hash_one(key), |conn: &Conn| conn.key == key);
        let Some(conn) = self.conns.find_mut(hash, same) else { return true };
        let slots = &mut conn.tables[table as usize];
        if !slots.slots.is_empty() {
            return false;
        }
        if std::mem::replace(&mut slots.listed, false) {
            self.listed[table as usize] -= 1;
        }
        if conn.tables.iter().all(|slots| !slots.listed) {
            self.conns.remove(hash, same, |conn| hasher.hash_one(conn.key));
        }
        true
    }

    #[cfg(test)]
    pub(super) fn check_consistent(&self) {
        self.conns.check_consistent(|conn| self.hasher.hash_one(conn.key));
        for table in Table::BOTH {
            assert_eq!(self.iter_listed(table).count(), self.listed(table));
        }
        for conn in self.conns.iter() {
            assert!(conn.tables.iter().any(|slots| slots.listed), "{:?} watches something", conn.key);
            for (table, slots) in Table::BOTH.into_iter().zip(&conn.tables) {
                assert!(slots.listed || slots.slots.is_empty());
                slots.slots.check_consistent(|slot| self.hasher.hash_one(slot.path));
                slots
                    .iter()
                    .for_each(|slot| assert_eq!(self.find(table, conn.key, slot.path), Some(slot.at)));
            }
        }
    }
}
