//! Bringing watches back (`DataTree.setWatches`): what has happened since is told at once. A pure function of the tree
//! and the request; neither paths nor ACLs are looked at.

use crate::tree::{NodeRef, Tree};
use oxkeeper_codec::{
    ByteStr, Code, Decode, EventType, OpCode, Reader,
    records::{SetWatches, SetWatches2},
};

/// What becomes of one watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It is told this, and gone.
    Told(EventType),
    /// Set on data or existence.
    Data,
    /// Set on children.
    Child,
    /// Set for good.
    Persistent,
    /// Set for good on all of the subtree.
    Recursive,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAgain {
    /// The watches in their order, up to one that is null.
    pub watches: Vec<(ByteStr, Again)>,
    /// The error of the reply.
    pub code: Code,
}

/// Judges a request of this op code by the tree as it is.
pub fn set_again(tree: &Tree, op: OpCode, body: &[u8]) -> SetAgain {
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
    let mut watches = Vec::new();
    let judged = request.is_ok_and(|request| judge(tree, request, &mut watches).is_some());
    SetAgain { watches, code: if judged { Code::OK } else { Code::MARSHALLING_ERROR } }
}

/// `None` at the first list or path that is null: the official server falls over it there.
fn judge(tree: &Tree, request: SetWatches2, watches: &mut Vec<(ByteStr, Again)>) -> Option<()> {
    let since = request.relative_zxid;
    let gone = Again::Told(EventType::NODE_DELETED);
    for path in request.data_watches? {
        let again = match found(tree, &path)? {
            Some(node) if node.persisted().mzxid > since => Again::Told(EventType::NODE_DATA_CHANGED),
            found => found.map_or(gone, |_| Again::Data),
        };
        watches.push((path, again));
    }
    for path in request.exist_watches? {
        let again = found(tree, &path)?.map_or(Again::Data, |_| Again::Told(EventType::NODE_CREATED));
        watches.push((path, again));
    }
    for path in request.child_watches? {
        let again = match found(tree, &path)? {
            Some(node) if node.persisted().pzxid > since => Again::Told(EventType::NODE_CHILDREN_CHANGED),
            found => found.map_or(gone, |_| Again::Child),
        };
        watches.push((path, again));
    }
    watches.extend(request.persistent_watches?.into_iter().map(|path| (path, Again::Persistent)));
    watches.extend(request.persistent_recursive_watches?.into_iter().map(|path| (path, Again::Recursive)));
    Some(())
}

/// The znode, if it is there; `None` for a path that is null.
fn found<'t>(tree: &'t Tree, path: &ByteStr) -> Option<Option<NodeRef<'t>>> {
    if path.is_null() { None } else { Some(tree.get(path)) }
}
