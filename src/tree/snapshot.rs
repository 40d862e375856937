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

use super::{
    NodeId, Observer, Tree,
    acl::{AclId, AclTable},
};
use oxkeeper_codec::{Encode, Zxid, records::Acl};
use std::collections::BTreeSet;

/// The path that ends the list of znodes in a snapshot.
const END_PATH: &str = "/";

/// A list of the ACL table has so many bytes at least.
const ACL_BYTES: usize = 12;

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// It stands behind those before it.
    pub bytes: Vec<u8>,
    /// Whether it ends the list of znodes.
    pub is_last: bool,
}

/// A snapshot under way.
#[derive(Debug)]
pub struct Snapshotter {
    zxid: Zxid,
    digest: u64,
    lists: Lists,
    /// One bit a slot: written, or taken by a znode that was not there at the beginning.
    done: Vec<u64>,
    bound: u32,
    next: u32,
    ended: bool,
    /// Znodes that were written and not taken yet.
    out: Vec<u8>,
    /// Empty between two znodes: those that have to be written before one.
    lineage: Vec<NodeId>,
}

/// The ACL table of a snapshot. It stands before the znodes, and may be as long as they are many.
///
/// Each list that was there at the beginning is used by a znode of the beginning. So none is gone before a znode that uses it is
/// written, and with it the list.
#[derive(Debug)]
struct Lists {
    /// So many were new before the beginning.
    inserted: u64,
    /// Where the walk goes on; `None` at its end.
    next: Option<AclId>,
    /// Those that were written before the walk came to them.
    early: BTreeSet<AclId>,
    /// What was written and not taken yet.
    out: Vec<u8>,
}

impl Lists {
    fn begin(table: &AclTable) -> Self {
        let mut out = Vec::new();
        encode_count(table.len(), &mut out);
        Self { inserted: table.inserted(), next: Some(AclId::OPEN), early: BTreeSet::new(), out }
    }

    /// The next piece, of about so many bytes; `None` behind the last one.
    fn piece(&mut self, table: &AclTable, budget: usize) -> Option<Vec<u8>> {
        let next = self.next.take()?;
        // Lists that are passed over cost time, too.
        let mut room = (budget / ACL_BYTES).max(1);
        for (id, serial, acl) in table.from(next) {
            if room == 0 || self.out.len() >= budget {
                self.next = Some(id);
                break;
            }
            room -= 1;
            if serial < self.inserted && !self.early.contains(&id) {
                encode_list(id, acl, &mut self.out);
            }
        }
        Some(std::mem::take(&mut self.out))
    }

    /// A znode of the beginning that uses this list is about to change or to go.
    fn before_change(&mut self, table: &AclTable, id: AclId) {
        let waits = self.next.is_some_and(|next| id >= next);
        if waits && id != AclId::OPEN && self.early.insert(id) {
            encode_list(id, table.get(id), &mut self.out);
        }
    }
}

impl Snapshotter {
    /// Begins.
    pub fn begin(tree: &Tree) -> Self {
        let bound = tree.nodes.bound();
        let words = usize::try_from(bound.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            zxid: tree.last_zxid(),
            digest: tree.digest(),
            lists: Lists::begin(&tree.acls),
            done: vec![0; words],
            bound,
            next: 0,
            ended: false,
            out: Vec::new(),
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

    /// The next piece, of about so many bytes or, where znodes have changed since, more. There is none behind the last one.
    pub fn piece(&mut self, tree: &Tree, budget: usize) -> Piece {
        if let Some(bytes) = self.lists.piece(&tree.acls, budget) {
            return Piece { bytes, is_last: false };
        }
        while self.next < self.bound && self.out.len() < budget {
            self.write(tree, NodeId(self.next));
            self.next += 1;
        }
        if self.next == self.bound && !self.ended {
            self.ended = true;
            END_PATH.encode(&mut self.out);
        }
        // The next piece is likely to be as long: growing to that costs more than what it is filled with.
        let next = Vec::with_capacity(self.out.len());
        Piece { bytes: std::mem::replace(&mut self.out, next), is_last: self.ended }
    }

    /// All pieces from here on, of a tree that does not change meanwhile.
    pub fn pieces(mut self, tree: &Tree, budget: usize) -> impl Iterator<Item = Vec<u8>> {
        let mut ended = false;
        std::iter::from_fn(move || {
            let piece = (!ended).then(|| self.piece(tree, budget))?;
            ended = piece.is_last;
            Some(piece.bytes)
        })
    }

    /// Bytes that wait to be taken.
    pub const fn waiting(&self) -> usize {
        self.lists.out.len() + self.out.len()
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
        let acl = tree.nodes.acl(id);
        self.lists.before_change(&tree.acls, acl);
        encode_path(tree, id, &mut self.out);
        tree.nodes.content(id).data().encode(&mut self.out);
        acl.to_file().encode(&mut self.out);
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

fn encode_list(id: AclId, acl: &[Acl], out: &mut Vec<u8>) {
    id.to_file().encode(out);
    acl.encode(out);
}

fn encode_count(count: usize, out: &mut Vec<u8>) {
    i32::try_from(count).expect("fewer than 2^31 lists, and bytes of a path").encode(out);
}
