//! What a session tells its owner without being asked.

use oxkeeper_codec::{EventType, Zxid};
use std::fmt;

/// How the session is (`Watcher.Event.KeeperState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// A server has it.
    SyncConnected,
    /// A server without a quorum has it.
    ConnectedReadOnly,
    /// No server has it at the moment.
    Disconnected,
    /// It has ended, and with it its ephemerals.
    Expired,
    /// It may not say who it is.
    AuthFailed,
    /// Its owner has ended it.
    Closed,
}

/// What has happened (`Watcher.Event.EventType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// To the session alone.
    None,
    /// A znode is there.
    NodeCreated,
    /// A znode is there no more.
    NodeDeleted,
    /// The data of a znode.
    NodeDataChanged,
    /// A child came or went.
    NodeChildrenChanged,
    /// A watch on children is taken back.
    ChildWatchRemoved,
    /// A watch on data or existence is taken back.
    DataWatchRemoved,
    /// A watch for good is taken back.
    PersistentWatchRemoved,
}

impl EventKind {
    pub(super) const fn of_wire(event: EventType) -> Option<Self> {
        Some(match event {
            EventType::NODE_CREATED => Self::NodeCreated,
            EventType::NODE_DELETED => Self::NodeDeleted,
            EventType::NODE_DATA_CHANGED => Self::NodeDataChanged,
            EventType::NODE_CHILDREN_CHANGED => Self::NodeChildrenChanged,
            _ => return None,
        })
    }
}

/// An event (`WatchedEvent`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// How the session is.
    pub state: EventState,
    /// What has happened.
    pub kind: EventKind,
    /// Where, for the znodes; as the owner of the session sees it, below its chroot.
    pub path: Option<String>,
    /// By which transaction; -1 where there is none.
    pub zxid: Zxid,
}

/// As the official client shows it.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, kind, path, zxid } = self;
        let path = path.as_deref().unwrap_or("null");
        write!(f, "WatchedEvent state:{state:?} type:{kind:?} path:{path} zxid: {}", zxid.0)
    }
}
