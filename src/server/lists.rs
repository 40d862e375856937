//! Encoded lists of children, kept by each worker for the parents that are asked for again and again
//! (`maxGetChildrenResponseCacheSize`).
//!
//! Invariant: an entry is used only while the parent's creation, pzxid and counter are those it was made from; every
//! change of the list changes one of them.

use crate::{
    auth,
    processor::read::{Asker, ReadWatch, encode_names, reply},
    tree::{NodeId, NodeRef, Tree},
};
use hashbrown::HashMap;
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode, Perms, Zxid,
    records::{GetChildrenRequest, RequestHeader},
};

/// Bytes of all lists that one worker keeps.
const MAX_BYTES: usize = 16 << 20;

/// What tells one state of a list from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    czxid: Zxid,
    pzxid: Zxid,
    cversion: i32,
    children: usize,
}

impl Version {
    fn of(node: &NodeRef<'_>) -> Self {
        let stat = node.persisted();
        Self { czxid: stat.czxid, pzxid: stat.pzxid, cversion: stat.cversion, children: node.num_children() }
    }
}

#[derive(Debug)]
struct List {
    version: Version,
    bytes: Vec<u8>,
}

/// The lists of one worker.
#[derive(Debug)]
pub(super) struct ListCache {
    max_entries: usize,
    lists: HashMap<NodeId, List, foldhash::fast::FixedState>,
    bytes: usize,
    /// Lists that had to be encoded.
    pub(super) misses: u64,
}

impl ListCache {
    /// Keeps at most so many lists; `None`: none.
    pub(super) fn new(max_entries: Option<u32>) -> Self {
        let max_entries = max_entries.map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX));
        Self { max_entries, lists: HashMap::default(), bytes: 0, misses: 0 }
    }

    /// Answers getChildren and getChildren2 of a parent with at least `min_children`. `None`: somebody else has to.
    pub(super) fn answer<'a>(
        &mut self,
        tree: &Tree,
        asker: Asker<'_>,
        header: &RequestHeader,
        body: &'a [u8],
        out: &mut Vec<u8>,
        min_children: usize,
    ) -> Option<Option<ReadWatch<'a>>> {
        if !matches!(header.op, OpCode::GET_CHILDREN | OpCode::GET_CHILDREN2) || self.max_entries == 0 {
            return None;
        }
        let request = GetChildrenRequest::from_slice(body).ok()?;
        let node = tree.get(&request.path)?;
        if node.num_children() < min_children
            || !auth::check(node.acl(), Perms::READ, asker.identities, asker.auth)
        {
            return None;
        }
        let list = self.list(&node);
        reply(out, header.xid, tree.last_zxid(), Code::OK, |out| {
            out.extend_from_slice(list);
            if header.op == OpCode::GET_CHILDREN2 {
                node.stat().encode(out);
            }
        });
        Some(request.watch.then_some(ReadWatch::Child(request.path)))
    }

    fn list(&mut self, node: &NodeRef<'_>) -> &[u8] {
        let version = Version::of(node);
        if self.lists.get(&node.id()).is_none_or(|list| list.version != version) {
            self.misses += 1;
            self.keep(node, version);
        }
        self.lists.get(&node.id()).map_or(&[], |list| &list.bytes)
    }

    fn keep(&mut self, node: &NodeRef<'_>, version: Version) {
        let mut bytes = Vec::new();
        encode_names(node, &mut bytes);
        if self.lists.len() >= self.max_entries || self.bytes + bytes.len() > MAX_BYTES {
            self.lists.clear();
            self.bytes = 0;
        }
        self.bytes += bytes.len();
        if let Some(old) = self.lists.insert(node.id(), List { version, bytes }) {
            self.bytes -= old.bytes.len();
        }
    }
}
