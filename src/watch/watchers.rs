//! Who watches one path in one table.
//!
//! Promises: one watcher is stored in place, more of them as one array; each has a position, and removing one moves
//! at most one other, which is reported. Invariants: a connection stands in a list once, with at least one mode; a
//! crowd has two watchers or more and knows how many of them are recursive.

use super::{ConnKey, slab::small};

/// In which ways one connection watches one path (`WatchStats`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Modes(u8);

impl Modes {
    /// Fires once.
    pub(super) const STANDARD: Self = Self(1);
    /// Stays.
    pub(super) const PERSISTENT: Self = Self(2);
    /// Stays, and covers all descendants.
    pub(super) const RECURSIVE: Self = Self(4);
    /// All of them.
    pub(super) const ALL: Self = Self(7);

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn shares(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) const fn is_recursive(self) -> bool {
        self.shares(Self::RECURSIVE)
    }
}

/// One connection that watches a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watcher {
    pub(super) conn: ConnKey,
    pub(super) modes: Modes,
}

/// Two watchers or more.
#[derive(Debug)]
pub(super) struct Crowd {
    list: Vec<Watcher>,
    recursive: u32,
}

/// The watchers of one path in one table.
#[derive(Debug, Default)]
pub(super) enum Watchers {
    #[default]
    None,
    One(Watcher),
    Many(Box<Crowd>),
}

const _: () = assert!(size_of::<Watchers>() == 16, "every watched path pays for two of them");

impl Watchers {
    pub(super) fn as_slice(&self) -> &[Watcher] {
        match self {
            Self::None => &[],
            Self::One(watcher) => std::slice::from_ref(watcher),
            Self::Many(crowd) => &crowd.list,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Adds a connection that is not in the list yet, and tells its position.
    pub(super) fn push(&mut self, watcher: Watcher) -> u32 {
        assert!(!watcher.modes.is_empty(), "a watcher has a mode");
        match std::mem::take(self) {
            Self::None => *self = Self::One(watcher),
            Self::One(first) => {
                let recursive = [first, watcher].iter().filter(|w| w.modes.is_recursive()).count();
                *self =
                    Self::Many(Box::new(Crowd { list: vec![first, watcher], recursive: small(recursive) }));
            }
            Self::Many(mut crowd) => {
                crowd.recursive += u32::from(watcher.modes.is_recursive());
                crowd.list.push(watcher);
                *self = Self::Many(crowd);
            }
        }
        small(self.as_slice().len() - 1)
    }

    /// Changes the modes of the watcher at a position.
    pub(super) fn set_modes(&mut self, at: u32, modes: Modes) {
        assert!(!modes.is_empty(), "a watcher has a mode");
        match self {
            Self::None => unreachable!("nobody is at position {at} of an empty list"),
            Self::One(watcher) => watcher.modes = modes,
            Self::Many(crowd) => {
                let watcher = &mut crowd.list[at as usize];
                crowd.recursive -= u32::from(watcher.modes.is_recursive());
                crowd.recursive += u32::from(modes.is_recursive());
                watcher.modes = modes;
            }
        }
    }

    /// Removes the watcher at a position; the connection returned, if any, has moved there.
    pub(super) fn swap_remove(&mut self, at: u32) -> Option<ConnKey> {
        let Self::Many(crowd) = self else {
            assert!(matches!(self, Self::One(_)) && at == 0, "somebody is at position {at}");
            *self = Self::None;
            return None;
        };
        let gone = crowd.list.swap_remove(at as usize);
        crowd.recursive -= u32::from(gone.modes.is_recursive());
        let moved = crowd.list.get(at as usize).map(|w| w.conn);
        self.settle();
        moved
    }

    /// Uses the one-shot watches up. `each` hears of every watcher in turn: the connection, and its new position if
    /// it stays and has moved, or that it has left.
    pub(super) fn use_up(&mut self, mut each: impl FnMut(ConnKey, Fate)) {
        let list = match self {
            Self::None => return,
            Self::One(watcher) => std::slice::from_mut(watcher),
            Self::Many(crowd) => &mut crowd.list[..],
        };
        let mut kept = 0;
        for at in 0..list.len() {
            let Watcher { conn, modes } = list[at];
            let modes = modes.without(Modes::STANDARD);
            let fate = match modes.is_empty() {
                true => Fate::Leaves,
                false if kept == at => Fate::Stays,
                false => Fate::Moves(small(kept)),
            };
            each(conn, fate);
            if fate != Fate::Leaves {
                list[kept] = Watcher { conn, modes };
                kept += 1;
            }
        }
        match self {
            Self::Many(crowd) => crowd.list.truncate(kept),
            _ if kept == 0 => *self = Self::None,
            _ => {}
        }
        self.settle();
    }

    /// The connections that watch recursively.
    pub(super) fn recursive(&self) -> impl Iterator<Item = ConnKey> {
        let (list, expected) = match self {
            Self::Many(crowd) => (&crowd.list[..], crowd.recursive as usize),
            few => (few.as_slice(), few.as_slice().len()),
        };
        list.iter().filter(|w| w.modes.is_recursive()).take(expected).map(|w| w.conn)
    }

    /// A crowd that has become small is stored as what it is.
    fn settle(&mut self) {
        let Self::Many(crowd) = self else { return };
        match crowd.list[..] {
            [] => *self = Self::None,
            [watcher] => *self = Self::One(watcher),
            _ if crowd.list.capacity() / 8 > crowd.list.len() => crowd.list.shrink_to(crowd.list.len() * 2),
            _ => {}
        }
    }

    #[cfg(test)]
    pub(super) fn check_consistent(&self) {
        assert!(self.as_slice().iter().all(|w| !w.modes.is_empty()));
        if let Self::Many(crowd) = self {
            assert!(crowd.list.len() > 1);
            assert_eq!(
                crowd.recursive as usize,
                crowd.list.iter().filter(|w| w.modes.is_recursive()).count()
            );
        }
    }
}

/// What becomes of a watcher when its path fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It had a one-shot watch only.
    Leaves,
    /// It stays where it is.
    Stays,
    /// It stays, at another position.
    Moves(u32),
}
