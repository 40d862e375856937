//! Who is told what: the watches of the connections of one I/O worker.
//!
//! Promises: [`WatchTable::fire`] resolves a change into the events of the official server, in its order, one event
//! a connection for each type and table (`DataTree.createNode`, `deleteNode`, `setData`; `WatchManager.triggerWatch`).
//! An event comes with all its connections at once, so that it is encoded once. Who may not READ the znode is told
//! nothing, but that is the caller's decision: one-shot watches are used up either way.
//!
//! Costs: a watch is set, taken back or fired in constant time, growing included; a connection leaves in time
//! proportional to its own watches, in steps of any size; ancestors of a changed path are looked up only while somebody watches recursively.
//!
//! Invariants: a path's list and a connection's slots mirror each other; a path is stored once, and only while it
//! is watched; recursive watches are in the data table alone. No I/O, no clock, no chance: the seed is handed in.

mod conns;
mod parted;
mod paths;
mod slab;
#[cfg(test)]
mod tests;
mod watchers;

use crate::tree::{AclRef, Change, ChangeKind};
use conns::{Conns, Slot};
use oxkeeper_codec::EventType;
use paths::{PathId, Paths};
use watchers::{Fate, Modes, Watcher};

/// A connection, as its worker numbers them. A number may be used again after [`WatchTable::remove_conn`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnKey(pub u32);

/// What removeWatches and checkWatches name (`Watcher.WatcherType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatcherKind {
    /// A one-shot watch on the list of children.
    Children,
    /// A one-shot watch on data or existence.
    Data,
    /// Any watch.
    Any,
    /// A persistent watch.
    Persistent,
    /// A persistent watch on a whole subtree.
    PersistentRecursive,
}

impl WatcherKind {
    /// The kind a client has sent; other numbers than 1 to 5 are refused (`BadArguments` is the caller's to say).
    pub const fn from_wire(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::Children),
            2 => Some(Self::Data),
            3 => Some(Self::Any),
            4 => Some(Self::Persistent),
            5 => Some(Self::PersistentRecursive),
            _ => None,
        }
    }

    /// The tables and modes that are removed.
    const fn removed(self) -> &'static [(Table, Modes)] {
        match self {
            Self::Children => &[(Table::Child, Modes::STANDARD)],
            Self::Data => &[(Table::Data, Modes::STANDARD)],
            Self::Any => &[(Table::Child, Modes::ALL), (Table::Data, Modes::ALL)],
            Self::Persistent => &[(Table::Child, Modes::PERSISTENT), (Table::Data, Modes::PERSISTENT)],
            Self::PersistentRecursive => &[(Table::Data, Modes::RECURSIVE)],
        }
    }

    /// The tables and modes that are looked for: a persistent watch is looked for in the data table alone.
    const fn sought(self) -> &'static [(Table, Modes)] {
        match self {
            Self::Persistent => &[(Table::Data, Modes::PERSISTENT)],
            other => other.removed(),
        }
    }
}

/// One event, and everybody it concerns.
#[derive(Debug, Clone, Copy)]
pub struct Fired<'a> {
    /// What happened.
    pub event: EventType,
    /// The znode the event names.
    pub path: &'a str,
    /// Who may not READ by this ACL learns nothing.
    pub acl: &'a AclRef,
    /// The connections, each once, in no particular order; never empty.
    pub conns: &'a [ConnKey],
}

/// The figures of `wchs`: those of the data table, as in the official server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Connections with a data watch, those included whose watches have all fired.
    pub connections: usize,
    /// Paths with a data watch.
    pub paths: usize,
    /// Pairs of a connection and a path.
    pub watches: usize,
}

/// Which of the two tables of the official server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    /// Watches on data and existence.
    Data,
    /// Watches on lists of children.
    Child,
}

impl Table {
    const COUNT: usize = 2;
    const BOTH: [Self; Self::COUNT] = [Self::Data, Self::Child];
}

/// The size of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    paths: usize,
    watches: usize,
}

/// The watches of one worker's connections.
#[derive(Debug)]
pub struct WatchTable {
    paths: Paths,
    conns: Conns,
    sizes: [Size; Table::COUNT],
    /// Pairs of a connection and a path with a recursive watch.
    recursive: usize,
    /// Whom the event at hand concerns; kept for its memory.
    told: Vec<ConnKey>,
    /// Whom the event after it concerns.
    next: Vec<ConnKey>,
}

impl Default for WatchTable {
    fn default() -> Self {
        Self::new(0)
    }
}

impl WatchTable {
    /// An empty table. The seed makes its hash hard to guess for those who choose the paths.
    pub const fn new(seed: u64) -> Self {
        Self {
            paths: Paths::new(seed),
            conns: Conns::new(seed),
            sizes: [Size { paths: 0, watches: 0 }; Table::COUNT],
            recursive: 0,
            told: Vec::new(),
            next: Vec::new(),
        }
    }

    /// Sets a one-shot watch on data or existence.
    pub fn add_data(&mut self, path: &str, conn: ConnKey) {
        self.add(Table::Data, path, conn, Modes::STANDARD);
    }

    /// Sets a one-shot watch on the list of children.
    pub fn add_child(&mut self, path: &str, conn: ConnKey) {
        self.add(Table::Child, path, conn, Modes::STANDARD);
    }

    /// Sets a persistent watch on data, existence and the list of children.
    pub fn add_persistent(&mut self, path: &str, conn: ConnKey) {
        self.add(Table::Child, path, conn, Modes::PERSISTENT);
        self.add(Table::Data, path, conn, Modes::PERSISTENT);
    }

    /// Sets a persistent watch on data and existence of a znode and all its descendants.
    pub fn add_recursive(&mut self, path: &str, conn: ConnKey) {
        self.add(Table::Data, path, conn, Modes::RECURSIVE);
    }

    /// Takes watches back; false if there was none of that kind.
    pub fn remove(&mut self, path: &str, kind: WatcherKind, conn: ConnKey) -> bool {
        let mut removed = false;
        for (table, modes) in kind.removed() {
            removed |= self.remove_modes(*table, path, conn, *modes);
        }
        removed
    }

    /// Whether the connection has a watch of that kind.
    pub fn contains(&self, path: &str, kind: WatcherKind, conn: ConnKey) -> bool {
        let Some(id) = self.paths.find(path) else { return false };
        kind.sought().iter().any(|(table, modes)| {
            let at = self.conns.find(*table, conn, id);
            at.is_some_and(|at| self.watcher(*table, id, at).modes.shares(*modes))
        })
    }

    /// Forgets a connection that has closed.
    pub fn remove_conn(&mut self, conn: ConnKey) {
        while !self.remove_some(conn, 1024) {}
    }

    /// The same in small steps: takes at most so many watches away, and says whether none is left. Until then the
    /// connection's number must not be used again.
    pub fn remove_some(&mut self, conn: ConnKey, at_most: usize) -> bool {
        assert!(at_most > 0, "a step of nothing leads nowhere");
        let mut left = at_most;
        let mut done = true;
        for table in Table::BOTH {
            for Slot { path, at } in self.conns.some(table, conn, left) {
                assert_eq!(self.watcher(table, path, at).conn, conn, "lists and slots mirror each other");
                self.conns.forget(table, conn, path);
                self.unlink(table, path, at);
                left -= 1;
            }
            done &= self.conns.unlist_idle(table, conn);
        }
        done
    }

    /// Tells the events of a change, in order, and uses up the one-shot watches they met.
    pub fn fire(&mut self, change: &Change, emit: &mut dyn FnMut(Fired<'_>)) {
        if self.is_empty() {
            return;
        }
        let (mut told, mut next) = (std::mem::take(&mut self.told), std::mem::take(&mut self.next));
        let (path, acl) = (change.path.as_str(), &change.acl);
        let mut tell = |event, path, acl, conns: &[ConnKey]| {
            if !conns.is_empty() {
                emit(Fired { event, path, acl, conns });
            }
        };
        self.trigger(Table::Data, path, &mut told);
        match change.kind {
            ChangeKind::Created => tell(EventType::NODE_CREATED, path, acl, &told),
            ChangeKind::DataChanged => tell(EventType::NODE_DATA_CHANGED, path, acl, &told),
            ChangeKind::Deleted => {
                tell(EventType::NODE_DELETED, path, acl, &told);
                self.trigger(Table::Child, path, &mut next);
                leave_out(&mut next, &mut told);
                tell(EventType::NODE_DELETED, path, acl, &next);
            }
        }
        if let (Some(acl), Some(parent)) = (&change.parent_acl, parent(path)) {
            self.trigger(Table::Child, parent, &mut next);
            tell(EventType::NODE_CHILDREN_CHANGED, parent, acl, &next);
        }
        (self.told, self.next) = (told, next);
    }

    /// Whether nobody watches anything.
    pub fn is_empty(&self) -> bool {
        self.watch_count() == 0
    }

    /// The watches of both tables, a connection and path of each table counted once (`DataTree.getWatchCount`).
    pub fn watch_count(&self) -> usize {
        self.sizes.iter().map(|size| size.watches).sum()
    }

    /// The figures of `wchs`.
    pub const fn summary(&self) -> Summary {
        let Size { paths, watches } = self.sizes[Table::Data as usize];
        Summary { connections: self.conns.listed(Table::Data), paths, watches }
    }

    /// The connections with data watches, by key, each with its paths (`wchc`). Connections whose watches have all
    /// fired are there, without paths.
    pub fn by_connection(&self) -> impl Iterator<Item = (ConnKey, impl Iterator<Item = &str>)> {
        let conns = self.conns.iter_listed(Table::Data);
        conns.map(|(conn, slots)| (conn, slots.iter().map(|slot| &*self.paths.at(slot.path).text)))
    }

    /// The paths with data watches, each with its connections (`wchp`).
    pub fn by_path(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = ConnKey>)> {
        let watched = self.paths.iter().filter(|(_, path)| !path.list(Table::Data).is_empty());
        watched.map(|(_, path)| (&*path.text, path.list(Table::Data).as_slice().iter().map(|w| w.conn)))
    }

    fn watcher(&self, table: Table, path: PathId, at: u32) -> Watcher {
        self.paths.at(path).list(table).as_slice()[at as usize]
    }

    fn add(&mut self, table: Table, path: &str, conn: ConnKey, mode: Modes) {
        let id = self.paths.intern(path);
        if let Some(at) = self.conns.find(table, conn, id) {
            let modes = self.watcher(table, id, at).modes;
            self.recursive += usize::from(mode.is_recursive() && !modes.is_recursive());
            self.paths.list_mut(id, table).set_modes(at, modes.with(mode));
            return;
        }
        let list = self.paths.list_mut(id, table);
        let size = &mut self.sizes[table as usize];
        size.paths += usize::from(list.is_empty());
        size.watches += 1;
        self.recursive += usize::from(mode.is_recursive());
        let at = list.push(Watcher { conn, modes: mode });
        self.conns.insert(table, conn, Slot { path: id, at });
    }

    fn remove_modes(&mut self, table: Table, path: &str, conn: ConnKey, gone: Modes) -> bool {
        let Some(id) = self.paths.find(path) else { return false };
        let Some(at) = self.conns.find(table, conn, id) else { return false };
        let modes = self.watcher(table, id, at).modes;
        let left = modes.without(gone);
        if left.is_empty() {
            self.conns.forget(table, conn, id);
            self.conns.unlist_idle(table, conn);
            self.unlink(table, id, at);
        } else {
            self.recursive -= usize::from(modes.is_recursive() && !left.is_recursive());
            self.paths.list_mut(id, table).set_modes(at, left);
        }
        left != modes
    }

    /// Takes a watcher, whose slot is gone already, out of a path's list.
    fn unlink(&mut self, table: Table, id: PathId, at: u32) {
        self.recursive -= usize::from(self.watcher(table, id, at).modes.is_recursive());
        if let Some(moved) = self.paths.list_mut(id, table).swap_remove(at) {
            self.conns.moved(table, moved, Slot { path: id, at });
        }
        self.shrink(table, id, 1);
    }

    /// Counts watchers that have left a path's list, and forgets the path with its last one.
    fn shrink(&mut self, table: Table, id: PathId, gone: usize) {
        let size = &mut self.sizes[table as usize];
        size.watches -= gone;
        if self.paths.at(id).list(table).is_empty() {
            size.paths -= 1;
            self.paths.release_unwatched(id);
        }
    }

    /// Collects whom an event on a path concerns, each connection once, and uses up one-shot watches.
    fn trigger(&mut self, table: Table, path: &str, conns: &mut Vec<ConnKey>) {
        conns.clear();
        if let Some(id) = self.paths.find(path) {
            self.use_up(table, id, conns);
        }
        if table == Table::Child || self.recursive == 0 {
            return;
        }
        let mut lists = usize::from(!conns.is_empty());
        for ancestor in std::iter::successors(parent(path), |path| parent(path)) {
            let Some(id) = self.paths.find(ancestor) else { continue };
            let before = conns.len();
            conns.extend(self.paths.at(id).list(table).recursive());
            lists += usize::from(conns.len() > before);
        }
        if lists > 1 {
            conns.sort_unstable();
            conns.dedup();
        }
    }

    fn use_up(&mut self, table: Table, id: PathId, told: &mut Vec<ConnKey>) {
        let list = self.paths.list_mut(id, table);
        if list.is_empty() {
            return;
        }
        let conns = &mut self.conns;
        let mut gone = 0;
        list.use_up(|conn, fate| {
            told.push(conn);
            match fate {
                Fate::Stays => {}
                Fate::Moves(at) => conns.moved(table, conn, Slot { path: id, at }),
                Fate::Leaves => {
                    conns.forget(table, conn, id);
                    gone += 1;
                }
            }
        });
        self.shrink(table, id, gone);
    }

    /// Everything that must hold between two calls.
    #[cfg(test)]
    fn check_consistent(&self) {
        self.paths.check_consistent();
        self.conns.check_consistent();
        let mut recursive = 0;
        for table in Table::BOTH {
            let mut size = Size::default();
            for (id, path) in self.paths.iter() {
                let list = path.list(table).as_slice();
                size.paths += usize::from(!list.is_empty());
                size.watches += list.len();
                recursive += list.iter().filter(|w| w.modes.is_recursive()).count();
                for (at, watcher) in list.iter().enumerate() {
                    assert_eq!(self.conns.find(table, watcher.conn, id), Some(slab::small(at)));
                }
            }
            let slots = self.conns.iter_listed(table).map(|(_, slots)| slots.iter().count());
            assert_eq!(slots.sum::<usize>(), size.watches);
            assert_eq!(size, self.sizes[table as usize]);
        }
        assert_eq!(recursive, self.recursive);
    }
}

/// The path above; the root has none, nor has what is no path.
fn parent(path: &str) -> Option<&str> {
    match path.rfind('/')? {
        0 if path.len() == 1 => None,
        0 => Some("/"),
        slash => Some(&path[..slash]),
    }
}

/// Leaves out of `conns` who is among `told`.
fn leave_out(conns: &mut Vec<ConnKey>, told: &mut [ConnKey]) {
    if conns.is_empty() || told.is_empty() {
        return;
    }
    told.sort_unstable();
    conns.retain(|conn| told.binary_search(conn).is_err());
}
