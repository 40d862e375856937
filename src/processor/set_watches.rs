//! Bringing watches back (`DataTree.setWatches`): what has happened since is told at once, unless it happened to a znode
//! that the asker may not read (as from 3.9.6 and 3.8.7 on). Pure functions of the tree and the request; paths are not
//! looked at.

use super::asker::{Asker, may};
use crate::tree::Tree;
use oxkeeper_codec::{
    ByteStr, Code, Decode, EventType, OpCode, Perms, Reader, Zxid,
    records::{SetWatches, SetWatches2},
};

/// What becomes of one watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It is told this, and gone.
    Told(EventType),
    /// It is gone, and told nothing: what happened is not for the asker to know.
    Silent,
    /// Set on data or existence.
    Data,
    /// Set on children.
    Child,
    /// Set for good.
    Persistent,
    /// Set for good on all of the subtree.
    Recursive,
}

/// A request to bring watches back, worked off a watch at a time.
#[derive(Debug)]
pub struct SetAgain {
    since: Zxid,
    watches: std::vec::IntoIter<(List, ByteStr)>,
    code: Code,
}

/// The lists of the request, in the order in which they are gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Data,
    Exist,
    Child,
    Persistent,
    Recursive,
}

impl SetAgain {
    /// The watches of a request of this op code, up to the first list or path that is null: the official server falls
    /// over it there.
    pub fn new(op: OpCode, body: &[u8]) -> Self {
        let mut reader = Reader::new(body).taking_nulls();
        let request = if op == OpCode::SET_WATCHES {
            SetWatches::decode(&mut reader).map(|request| SetWatches2 {
                relative_zxid: request.relative_zxid,
                data_watches: request.data_watches,
                exist_watches: request.exist_watches,
                child_watches: request.child_watches,
                persistent_watches: Some(Vec::new()),
                persistent_recursive_watches: Some(Vec::new()),
            })
        } else {
            SetWatches2::decode(&mut reader)
        };
        let refused = |since, watches: Vec<_>| Self {
            since,
            watches: watches.into_iter(),
            code: Code::MARSHALLING_ERROR,
        };
        let Ok(request) = request else { return refused(Zxid::ZERO, Vec::new()) };
        let lists = [
            (List::Data, request.data_watches),
            (List::Exist, request.exist_watches),
            (List::Child, request.child_watches),
            (List::Persistent, request.persistent_watches),
            (List::Recursive, request.persistent_recursive_watches),
        ];
        let mut watches = Vec::new();
        for (list, paths) in lists {
            let Some(paths) = paths else { return refused(request.relative_zxid, watches) };
            for path in paths {
                // A path that is never looked up may be null.
                if path.is_null() && !matches!(list, List::Persistent | List::Recursive) {
                    return refused(request.relative_zxid, watches);
                }
                watches.push((list, path));
            }
        }
        Self { since: request.relative_zxid, watches: watches.into_iter(), code: Code::OK }
    }

    /// The next watch, and what becomes of it by the tree as it is.
    pub fn next(&mut self, tree: &Tree, asker: Asker<'_>) -> Option<(ByteStr, Again)> {
        let (list, path) = self.watches.next()?;
        let node = tree.get(&path);
        let changed = |zxid: Zxid, event| (zxid > self.since).then_some(event);
        let told = match (list, &node) {
            (List::Persistent, _) => return Some((path, Again::Persistent)),
            (List::Recursive, _) => return Some((path, Again::Recursive)),
            (List::Data | List::Child, None) => return Some((path, Again::Told(EventType::NODE_DELETED))),
            (List::Exist, None) => None,
            (List::Exist, Some(_)) => Some(EventType::NODE_CREATED),
            (List::Data, Some(node)) => changed(node.persisted().mzxid, EventType::NODE_DATA_CHANGED),
            (List::Child, Some(node)) => changed(node.persisted().pzxid, EventType::NODE_CHILDREN_CHANGED),
        };
        let may_know = node.is_none_or(|node| may(asker, &node, Perms::READ));
        let again = match told {
            Some(event) if may_know => Again::Told(event),
            Some(_) => Again::Silent,
            None if list == List::Child => Again::Child,
            None => Again::Data,
        };
        Some((path, again))
    }

    /// The error of the reply.
    pub const fn code(&self) -> Code {
        self.code
    }
}
