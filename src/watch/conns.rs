//! What each connection watches: the other direction of [`super::paths`].
//!
//! Invariants: a slot (path, position) is there exactly if the connection stands at that position in the path's
//! list. A connection is *listed* in a table from its first watch there until it leaves or takes its last watch
//! back; watches that fire leave it listed (`WatchManager.watch2Paths` counts it for `wchs` all the while).

use super::{ConnKey, Table, paths::PathId};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
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
    slots: HashTable<Slot>,
    listed: bool,
}

impl Slots {
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.slots.iter().copied()
    }
}

/// The watches of one connection.
#[derive(Debug, Default)]
pub(super) struct Conn {
    tables: [Slots; Table::COUNT],
}

impl Conn {
    pub(super) const fn table(&self, table: Table) -> &Slots {
        &self.tables[table as usize]
    }
}

/// The connections that watch something.
#[derive(Debug)]
pub(super) struct Conns {
    hasher: FixedState,
    conns: HashMap<ConnKey, Conn, FixedState>,
    listed: [usize; Table::COUNT],
}

impl Conns {
    pub(super) const fn new(seed: u64) -> Self {
        let conns = HashMap::with_hasher(FixedState::with_seed(seed));
        Self { hasher: FixedState::with_seed(seed), conns, listed: [0; Table::COUNT] }
    }

    /// How many connections are listed in a table.
    pub(super) const fn listed(&self, table: Table) -> usize {
        self.listed[table as usize]
    }

    /// The listed connections in the order of their keys.
    pub(super) fn iter_listed(&self, table: Table) -> impl Iterator<Item = (ConnKey, &Slots)> {
        let mut conns: Vec<_> = self.conns.iter().map(|(key, conn)| (*key, conn.table(table))).collect();
        conns.retain(|(_, slots)| slots.listed);
        conns.sort_unstable_by_key(|(key, _)| *key);
        conns.into_iter()
    }

    /// The position of a connection in the list of a path.
    pub(super) fn find(&self, table: Table, conn: ConnKey, path: PathId) -> Option<u32> {
        let slots = &self.conns.get(&conn)?.table(table).slots;
        slots.find(self.hasher.hash_one(path), |slot| slot.path == path).map(|slot| slot.at)
    }

    /// Adds a path that the connection does not watch yet.
    pub(super) fn insert(&mut self, table: Table, conn: ConnKey, slot: Slot) {
        let hasher = &self.hasher;
        let slots = &mut self.conns.entry(conn).or_default().tables[table as usize];
        self.listed[table as usize] += usize::from(!slots.listed);
        slots.listed = true;
        slots.slots.insert_unique(hasher.hash_one(slot.path), slot, |slot| hasher.hash_one(slot.path));
    }

    /// The hasher of paths, and what a connection that watches something has in a table.
    fn slots_mut(&mut self, table: Table, conn: ConnKey) -> (&FixedState, &mut Slots) {
        let conn = self.conns.get_mut(&conn).expect("every watcher in a list is known here");
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
        match slots.find_entry(hasher.hash_one(path), |slot| slot.path == path) {
            Ok(entry) => drop(entry.remove()),
            Err(_) => unreachable!("every watcher in a list has its slot"),
        }
        if slots.capacity() / 16 > slots.len() {
            slots.shrink_to(slots.len() * 2, |slot| hasher.hash_one(slot.path));
        }
    }

    /// The connection has taken a watch back; with its last one it is listed no longer.
    pub(super) fn unlist_idle(&mut self, table: Table, conn: ConnKey) {
        let (_, slots) = self.slots_mut(table, conn);
        if slots.slots.is_empty() && slots.listed {
            slots.listed = false;
            self.listed[table as usize] -= 1;
        }
        if self.conns.get(&conn).is_some_and(|conn| conn.tables.iter().all(|slots| !slots.listed)) {
            self.conns.remove(&conn);
        }
    }

    /// Forgets a connection and hands out what it watched.
    pub(super) fn take(&mut self, conn: ConnKey) -> Option<Conn> {
        let conn = self.conns.remove(&conn)?;
        for (listed, slots) in self.listed.iter_mut().zip(&conn.tables) {
            *listed -= usize::from(slots.listed);
        }
        Some(conn)
    }

    #[cfg(test)]
    pub(super) fn check_consistent(&self) {
        for table in Table::BOTH {
            assert_eq!(self.iter_listed(table).count(), self.listed(table));
        }
        for (key, conn) in &self.conns {
            assert!(conn.tables.iter().any(|slots| slots.listed), "{key:?} watches something");
            assert!(conn.tables.iter().all(|slots| slots.listed || slots.slots.is_empty()));
            for (table, slots) in Table::BOTH.into_iter().zip(&conn.tables) {
                slots.iter().for_each(|slot| assert_eq!(self.find(table, *key, slot.path), Some(slot.at)));
            }
        }
    }
}
