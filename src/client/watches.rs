//! The watches of a session: what an event concerns, what is left after it, and what has to be brought back to another server
//! (`ZKWatchManager`).
//!
//! Invariant: paths are those of the server, with the chroot.

use super::event::EventKind;
use oxkeeper_codec::{
    ByteStr, Zxid,
    records::{SetWatches, SetWatches2},
};
use std::collections::BTreeSet;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchKind {
    /// The data of a znode.
    Data,
    /// The creation of a znode.
    Exist,
    /// The children of a znode.
    Child,
    /// A znode, for good.
    Persistent,
    /// A znode and everything below it, for good.
    PersistentRecursive,
}

/// Which watches are taken back (`Watcher.WatcherType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwatched {
    /// Those on children.
    Children,
    /// Those on data and existence.
    Data,
    /// All.
    Any,
    /// Those for good.
    Persistent,
    /// Those for good on a znode and everything below it.
    PersistentRecursive,
}

impl Unwatched {
    /// Its number in a request.
    pub const fn number(self) -> i32 {
        match self {
            Self::Children => 1,
            Self::Data => 2,
            Self::Any => 3,
            Self::Persistent => 4,
            Self::PersistentRecursive => 5,
        }
    }
}

/// All watches of a session.
#[derive(Debug, Default)]
pub(super) struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

impl Watches {
    pub(super) fn add(&mut self, kind: WatchKind, path: String) {
        match kind {
            WatchKind::Data => self.data.insert(path),
            WatchKind::Exist => self.exist.insert(path),
            WatchKind::Child => self.child.insert(path),
            WatchKind::Persistent => self.persistent.insert(path),
            WatchKind::PersistentRecursive => self.recursive.insert(path),
        };
    }

    /// Whether anybody waits for this event; who waits for one alone does no more.
    pub(super) fn fire(&mut self, kind: EventKind, path: &str) -> bool {
        let once: &mut [&mut BTreeSet<String>] = match kind {
            EventKind::NodeCreated | EventKind::NodeDataChanged => &mut [&mut self.data, &mut self.exist],
            EventKind::NodeChildrenChanged => &mut [&mut self.child],
            EventKind::NodeDeleted => &mut [&mut self.data, &mut self.exist, &mut self.child],
            _ => return true,
        };
        let fired = once.iter_mut().filter_map(|paths| paths.take(path)).count() > 0;
        let below = || ancestors(path).any(|path| self.recursive.contains(path));
        fired || self.persistent.contains(path) || (kind != EventKind::NodeChildrenChanged && below())
    }

    /// Takes watches back: the events that say so.
    pub(super) fn remove(&mut self, which: Unwatched, path: &str) -> Vec<EventKind> {
        let is = |kind| which == kind || which == Unwatched::Any;
        let mut removed = Vec::new();
        if is(Unwatched::Children) && self.child.remove(path) {
            removed.push(EventKind::ChildWatchRemoved);
        }
        if is(Unwatched::Data) && (self.data.remove(path) | self.exist.remove(path)) {
            removed.push(EventKind::DataWatchRemoved);
        }
        let persistent = is(Unwatched::Persistent) && self.persistent.remove(path);
        let recursive = is(Unwatched::PersistentRecursive) && self.recursive.remove(path);
        if persistent || recursive {
            removed.push(EventKind::PersistentWatchRemoved);
        }
        removed
    }

    /// What brings them to another server, in requests of a size that every server takes: each with whether it needs
    /// `SetWatches2` (3.6 and later).
    pub(super) fn bring_back(&self, since: Zxid) -> Vec<SetWatches2> {
        let all = [&self.data, &self.exist, &self.child, &self.persistent, &self.recursive];
        let mut paths = all
            .iter()
            .enumerate()
            .flat_map(|(kind, paths)| paths.iter().map(move |path| (kind, path)))
            .peekable();
        let mut requests = Vec::new();
        while paths.peek().is_some() {
            let mut lists: [Vec<ByteStr>; 5] = Default::default();
            let mut bytes = 0;
            while bytes < REQUEST_BYTES
                && let Some((kind, path)) = paths.next()
            {
                bytes += path.len();
                lists[kind].push(path.as_str().into());
            }
            let [data, exist, child, persistent, recursive] = lists.map(Some);
            requests.push(SetWatches2 {
                relative_zxid: since,
                data_watches: data,
                exist_watches: exist,
                child_watches: child,
                persistent_watches: persistent,
                persistent_recursive_watches: recursive,
            });
        }
        requests
    }
}

/// So many bytes of paths are in one request, as officially.
const REQUEST_BYTES: usize = 128 * 1024;

/// The request of before 3.6, where that is enough.
pub(super) fn in_the_old_form(request: &SetWatches2) -> Option<SetWatches> {
    let none = |list: &Option<Vec<ByteStr>>| list.as_ref().is_none_or(Vec::is_empty);
    (none(&request.persistent_watches) && none(&request.persistent_recursive_watches)).then(|| SetWatches {
        relative_zxid: request.relative_zxid,
        data_watches: request.data_watches.clone(),
        exist_watches: request.exist_watches.clone(),
        child_watches: request.child_watches.clone(),
    })
}

/// The path and all above it.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rfind('/')? {
        0 if path.len() > 1 => Some("/"),
        0 => None,
        at => Some(&path[..at]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_concerns_those_who_wait_for_it_once() {
        let mut watches = Watches::default();
        watches.add(WatchKind::Data, "/a".to_owned());
        watches.add(WatchKind::Child, "/a".to_owned());
        watches.add(WatchKind::Exist, "/b".to_owned());
        assert!(!watches.fire(EventKind::NodeDataChanged, "/c"));
        assert!(watches.fire(EventKind::NodeDataChanged, "/a"));
        assert!(!watches.fire(EventKind::NodeDataChanged, "/a"));
        assert!(watches.fire(EventKind::NodeCreated, "/b"));
        assert!(watches.fire(EventKind::NodeDeleted, "/a"), "the one on children");
        assert!(watches.bring_back(Zxid::ZERO).is_empty());
    }

    #[test]
    fn those_for_good_stay_and_cover_what_is_below() {
        let mut watches = Watches::default();
        watches.add(WatchKind::PersistentRecursive, "/".to_owned());
        watches.add(WatchKind::Persistent, "/p".to_owned());
        for _ in 0..2 {
            assert!(watches.fire(EventKind::NodeDataChanged, "/x/y"));
            assert!(!watches.fire(EventKind::NodeChildrenChanged, "/x"), "told by the child itself");
            assert!(watches.fire(EventKind::NodeChildrenChanged, "/p"));
        }
        assert_eq!(watches.remove(Unwatched::Any, "/p"), [EventKind::PersistentWatchRemoved]);
        assert_eq!(watches.remove(Unwatched::Any, "/p"), []);
        assert!(in_the_old_form(&watches.bring_back(Zxid(7))[0]).is_none());
    }

    #[test]
    fn many_are_brought_back_in_pieces() {
        let mut watches = Watches::default();
        (0..20_000).for_each(|n| watches.add(WatchKind::Data, format!("/some/znode/{n:010}")));
        let requests = watches.bring_back(Zxid(7));
        assert!(requests.len() > 1);
        let count = |request: &SetWatches2| request.data_watches.as_ref().map_or(0, Vec::len);
        assert_eq!(requests.iter().map(count).sum::<usize>(), 20_000);
        assert_eq!(in_the_old_form(&requests[0]).unwrap().relative_zxid, Zxid(7));
    }
}
