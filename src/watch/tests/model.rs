//! The rules in the plainest form: maps of sets, nothing shared, nothing counted.

use super::*;
use std::collections::BTreeMap;

/// How a path is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Standard,
    Persistent,
    Recursive,
}

/// One table: who watches what, in which modes.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) watches: BTreeMap<(String, ConnKey), BTreeSet<Mode>>,
    pub(super) listed: BTreeSet<ConnKey>,
}

impl Rows {
    fn add(&mut self, path: &str, conn: ConnKey, mode: Mode) {
        self.watches.entry((path.to_owned(), conn)).or_default().insert(mode);
        self.listed.insert(conn);
    }

    fn has(&self, path: &str, conn: ConnKey, mode: Option<Mode>) -> bool {
        let modes = self.watches.get(&(path.to_owned(), conn));
        modes.is_some_and(|modes| mode.is_none_or(|mode| modes.contains(&mode)))
    }

    fn remove(&mut self, path: &str, conn: ConnKey, mode: Option<Mode>) -> bool {
        let found = self.has(path, conn, mode);
        if let Some(modes) = self.watches.get_mut(&(path.to_owned(), conn)) {
            modes.retain(|m| mode.is_some_and(|mode| mode != *m));
        }
        self.watches.retain(|_, modes| !modes.is_empty());
        if found && !self.has(path, conn, None) && !self.watches.keys().any(|(_, c)| *c == conn) {
            self.listed.remove(&conn);
        }
        found
    }

    fn trigger(&mut self, path: &str) -> BTreeSet<ConnKey> {
        let mut told = BTreeSet::new();
        for ((watched, conn), modes) in &mut self.watches {
            let above =
                path.strip_prefix(watched.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'));
            let above = above && (watched == "/" || !watched.ends_with('/')) && !watched.is_empty();
            if watched == path {
                told.insert(*conn);
                modes.remove(&Mode::Standard);
            } else if above && modes.contains(&Mode::Recursive) {
                told.insert(*conn);
            }
        }
        self.watches.retain(|_, modes| !modes.is_empty());
        told
    }
}

/// Both tables.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) data: Rows,
    pub(super) child: Rows,
}

impl Model {
    pub(super) fn add_data(&mut self, path: &str, conn: ConnKey) {
        self.data.add(path, conn, Mode::Standard);
    }

    pub(super) fn add_child(&mut self, path: &str, conn: ConnKey) {
        self.child.add(path, conn, Mode::Standard);
    }

    pub(super) fn add_persistent(&mut self, path: &str, conn: ConnKey) {
        self.data.add(path, conn, Mode::Persistent);
        self.child.add(path, conn, Mode::Persistent);
    }

    pub(super) fn add_recursive(&mut self, path: &str, conn: ConnKey) {
        self.data.add(path, conn, Mode::Recursive);
    }

    pub(super) fn remove(&mut self, path: &str, kind: WatcherKind, conn: ConnKey) -> bool {
        let both = |mode| (mode, mode);
        let (data, child) = match kind {
            WatcherKind::Children => return self.child.remove(path, conn, Some(Mode::Standard)),
            WatcherKind::Data => return self.data.remove(path, conn, Some(Mode::Standard)),
            WatcherKind::PersistentRecursive => return self.data.remove(path, conn, Some(Mode::Recursive)),
            WatcherKind::Persistent => both(Some(Mode::Persistent)),
            WatcherKind::Any => both(None),
        };
        let removed = self.data.remove(path, conn, data);
        self.child.remove(path, conn, child) || removed
    }

    pub(super) fn contains(&self, path: &str, kind: WatcherKind, conn: ConnKey) -> bool {
        match kind {
            WatcherKind::Children => self.child.has(path, conn, Some(Mode::Standard)),
            WatcherKind::Data => self.data.has(path, conn, Some(Mode::Standard)),
            WatcherKind::Persistent => self.data.has(path, conn, Some(Mode::Persistent)),
            WatcherKind::PersistentRecursive => self.data.has(path, conn, Some(Mode::Recursive)),
            WatcherKind::Any => self.data.has(path, conn, None) || self.child.has(path, conn, None),
        }
    }

    pub(super) fn remove_conn(&mut self, conn: ConnKey) {
        for rows in [&mut self.data, &mut self.child] {
            rows.watches.retain(|(_, c), _| *c != conn);
            rows.listed.remove(&conn);
        }
    }

    pub(super) fn fire(&mut self, change: &Change) -> Vec<Told> {
        let path = change.path.to_string();
        let parent = match path.rsplit_once('/') {
            Some(("", _)) => "/".to_owned(),
            Some((parent, _)) => parent.to_owned(),
            None => unreachable!("changes have absolute paths"),
        };
        let mut told = Vec::new();
        let mut tell = |event, path: &str, acl: &AclRef, conns: BTreeSet<ConnKey>| {
            if !conns.is_empty() {
                told.push((event, path.to_owned(), acl.clone(), conns));
            }
        };
        let first = self.data.trigger(&path);
        match change.kind {
            ChangeKind::Created => tell(EventType::NODE_CREATED, &path, &change.acl, first),
            ChangeKind::DataChanged => tell(EventType::NODE_DATA_CHANGED, &path, &change.acl, first),
            ChangeKind::Deleted => {
                let second = &self.child.trigger(&path) - &first;
                tell(EventType::NODE_DELETED, &path, &change.acl, first);
                tell(EventType::NODE_DELETED, &path, &change.acl, second);
            }
        }
        if let Some(acl) = &change.parent_acl {
            tell(EventType::NODE_CHILDREN_CHANGED, &parent, acl, self.child.trigger(&parent));
        }
        told
    }
}
