//! Writing the tree out in slices, beside the traffic, as it was at one moment.
//!
//! A [`Snapshotter`] walks the slab; in between, transactions go on. A znode that is about to change or to go is
//! written first, as it was; one that came later is not written ([`Observer`]). So the result is the tree at the
//! zxid at which the snapshot began, exactly, and every parent stands before its children.
//!
//! Which znodes are new is not to be read from their czxid: a tree that was loaded from a fuzzy snapshot without its log
//! has znodes from beyond its own zxid.
//!
//! Invariant: each znode of the beginning is written once.

use super::{NodeId, Observer, Tree};
use oxkeeper_codec::{Encode, SessionId, Zxid};

/// The path that ends the list of znodes in a snapshot.
const END_PATH: &str = "/";

/// Bytes of a session in the file.
const SESSION_BYTES: usize = 12;
/// About as many bytes has a list of the ACL table.
const ACL_BYTES: usize = 64;

/// A snapshot under way.
#[derive(Debug)]
pub struct Snapshotter {
    zxid: Zxid,
    digest: u64,
    /// One bit a slot: written, or taken by a znode that was not there at the beginning.
    done: Vec<u64>,
    bound: u32,
    next: u32,
    ended: bool,
    /// What was written and not taken yet.
    out: Vec<u8>,
    /// Empty between two znodes: those that have to be written before one.
    lineage: Vec<NodeId>,
}

impl Snapshotter {
    /// Begins: sessions (with time-outs in ms) and the ACL table are written as they are now.
    pub fn begin(tree: &Tree, sessions: impl ExactSizeIterator<Item = (SessionId, i32)>) -> Self {
        let bound = tree.nodes.bound();
        // Nobody grows a buffer of millions step by step while others wait.
        let mut out = Vec::with_capacity(sessions.len() * SESSION_BYTES + tree.acls.len() * ACL_BYTES);
        encode_count(sessions.len(), &mut out);
        for (session, timeout_ms) in sessions {
            session.encode(&mut out);
            timeout_ms.encode(&mut out);
        }
        encode_count(tree.acls.len(), &mut out);
        for (id, acl) in tree.acls.iter() {
            id.to_file().encode(&mut out);
            acl.encode(&mut out);
        }
        let words = usize::try_from(bound.div_ceil(64)).unwrap_or(usize::MAX);
        let done = vec![0; words];
        Self {
            zxid: tree.last_zxid(),
            digest: tree.digest(),
            done,
            bound,
            next: 0,
            ended: false,
            out,
            lineage: Vec::new(),
        }
    }

    /// The moment that the snapshot shows.
    pub const fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// The tree's digest at that moment.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Writes znodes until about `budget` bytes are waiting to be taken, or all are written.
    /// Returns whether all are.
    pub fn advance(&mut self, tree: &Tree, budget: usize) -> bool {
        while self.next < self.bound && self.out.len() < budget {
            self.write(tree, NodeId(self.next));
            self.next += 1;
        }
        if self.next == self.bound && !self.ended {
            self.ended = true;
            END_PATH.encode(&mut self.out);
        }
        self.ended
    }

    /// What was written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        // The next piece is likely to be as long: growing to that costs more than what it is filled with.
        let next = Vec::with_capacity(self.out.len());
        std::mem::replace(&mut self.out, next)
    }

    /// Bytes that wait to be taken.
    pub const fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Marks a slot; whether it was not marked before.
    fn mark(&mut self, id: NodeId) -> bool {
        let (word, bit) = (id.index() / 64, 1 << (id.index() % 64));
        let new = self.done[word] & bit == 0;
        self.done[word] |= bit;
        new
    }

    /// Writes a znode of the beginning, its ancestors first, unless it is written already.
    fn write(&mut self, tree: &Tree, id: NodeId) {
        let mut at = id;
        while at.0 < self.bound && !tree.nodes.get(at).is_vacant() && self.mark(at) {
            self.lineage.push(at);
            at = tree.nodes.get(at).parent;
        }
        while let Some(id) = self.lineage.pop() {
            self.write_one(tree, id);
        }
    }

    fn write_one(&mut self, tree: &Tree, id: NodeId) {
        encode_path(tree, id, &mut self.out);
        tree.nodes.content(id).data().encode(&mut self.out);
        tree.nodes.acl(id).to_file().encode(&mut self.out);
        tree.nodes.stat(id).encode(&mut self.out);
    }
}

impl Observer for Snapshotter {
    fn before_change(&mut self, tree: &Tree, id: NodeId) {
        if !self.ended {
            self.write(tree, id);
        }
    }

    fn created(&mut self, id: NodeId) {
        if id.0 < self.bound {
            self.mark(id);
        }
    }
}

impl Observer for Option<Snapshotter> {
    fn before_change(&mut self, tree: &Tree, id: NodeId) {
        if let Some(snapshotter) = self {
            snapshotter.before_change(tree, id);
        }
    }

    fn created(&mut self, id: NodeId) {
        if let Some(snapshotter) = self {
            snapshotter.created(id);
        }
    }
}

/// The full path as a string of the file, "" for the root: written from its end, on the way up.
fn encode_path(tree: &Tree, id: NodeId, out: &mut Vec<u8>) {
    let lineage = || {
        std::iter::successors(Some(id), |&id| Some(tree.nodes.get(id).parent))
            .take_while(|&id| id != NodeId::ROOT)
            .map(|id| tree.nodes.content(id).name())
    };
    let len = lineage().map(|name| 1 + name.len()).sum();
    encode_count(len, out);
    let mut end = out.len() + len;
    out.resize(end, b'/');
    for name in lineage() {
        out[end - name.len()..end].copy_from_slice(name);
        end -= name.len() + 1;
    }
}

fn encode_count(count: usize, out: &mut Vec<u8>) {
    i32::try_from(count).expect("fewer than 2^31 sessions or lists").encode(out);
}
