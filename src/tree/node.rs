//! Znodes in memory, kept small: a znode that was never changed after its creation costs 36 bytes, its name and its
//! data packed beside those of others, and nothing else. What later changes add is kept apart.
//!
//! Invariants: ids are dense and reused; a vacant slot is never reachable; `slot` is the node's place in its
//! parent's list of children, and that list points back.

use super::{
    acl::AclId,
    content::{Content, Head},
    packed::{Packed, Place},
};
use oxkeeper_codec::{Zxid, records::StatPersisted};

/// A znode's place in the slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    /// The root.
    pub const ROOT: Self = Self(0);
    /// No znode has an id beyond this.
    pub(super) const MAX: Self = Self(u32::MAX);

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a znode has that was changed since its creation, or has children, or an owner.
#[derive(Debug)]
pub(super) struct Extra {
    pub(super) mzxid: Zxid,
    pub(super) mtime: i64,
    pub(super) pzxid: Zxid,
    pub(super) owner: i64,
    pub(super) version: i32,
    pub(super) cversion: i32,
    pub(super) aversion: i32,
    /// CRC-32 of path and data, from which the node's digest goes on; kept as long as both stay.
    pub(super) crc: Option<u32>,
    /// Znodes below it; kept up but for the root, for which it is the number of all.
    pub(super) below: u32,
    pub(super) children: Vec<NodeId>,
    /// Its name and data. The slab's own business.
    place: Place,
}

const _: () = assert!(size_of::<Extra>() == 88);

/// Where a znode's name and data are.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// There, and nothing was ever changed.
    Plain(Place),
    /// In this [`Extra`].
    Changed(u32),
}

/// One znode. Eight bytes are aligned as four are: what it costs is no more than the sum of its fields.
#[derive(Debug, Clone, Copy)]
#[repr(Rust, packed(4))]
pub(super) struct Node {
    pub(super) parent: NodeId,
    /// Index in the parent's children.
    pub(super) slot: u32,
    pub(super) acl: AclId,
    czxid: Zxid,
    ctime: i64,
    rest: Rest,
}

const VACANT: NodeId = NodeId(u32::MAX);

const _: () = assert!(size_of::<Node>() == 36);

impl Node {
    /// What stands in a free slot: a parent that no node has marks it.
    const VACANT: Self = Self {
        parent: VACANT,
        slot: 0,
        acl: AclId::OPEN,
        czxid: Zxid::ZERO,
        ctime: 0,
        rest: Rest::Changed(u32::MAX),
    };

    pub(super) fn is_vacant(&self) -> bool {
        self.parent == VACANT
    }
}

impl Extra {
    /// Of a znode that is as it was created.
    const fn new(czxid: Zxid, ctime: i64, place: Place) -> Self {
        Self {
            mzxid: czxid,
            mtime: ctime,
            pzxid: czxid,
            owner: 0,
            version: 0,
            cversion: 0,
            aversion: 0,
            crc: None,
            below: 0,
            children: Vec::new(),
            place,
        }
    }
}

/// All [`Extra`]s, in chunks.
#[derive(Debug, Default)]
struct Extras {
    chunks: Vec<Vec<Extra>>,
    free: Vec<u32>,
}

impl Extras {
    /// In a chunk.
    const CHUNK: usize = 1 << 12;

    fn get(&self, index: u32) -> &Extra {
        &self.chunks[index as usize / Self::CHUNK][index as usize % Self::CHUNK]
    }

    fn get_mut(&mut self, index: u32) -> &mut Extra {
        &mut self.chunks[index as usize / Self::CHUNK][index as usize % Self::CHUNK]
    }

    fn insert(&mut self, extra: Extra) -> u32 {
        if let Some(index) = self.free.pop() {
            *self.get_mut(index) = extra;
            return index;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == Self::CHUNK) {
            self.chunks.push(Vec::with_capacity(Self::CHUNK));
        }
        let full = (self.chunks.len() - 1) * Self::CHUNK;
        let chunk = self.chunks.last_mut().expect("one was just pushed");
        chunk.push(extra);
        u32::try_from(full + chunk.len() - 1)
            .expect("no more than znodes, of which there are fewer than 2^32")
    }

    /// Its memory is used again; the children's list goes at once.
    fn remove(&mut self, index: u32) {
        self.get_mut(index).children = Vec::new();
        self.free.push(index);
    }
}

/// Znodes per chunk: growing never copies what is there. So large that the allocator maps each chunk by itself.
const CHUNK: usize = 1 << 14;

/// All znodes, in chunks.
#[derive(Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<Node>>,
    free: Vec<NodeId>,
    len: usize,
    contents: Packed,
    extras: Extras,
}

impl Slab {
    pub(super) fn get(&self, id: NodeId) -> &Node {
        &self.chunks[id.index() / CHUNK][id.index() % CHUNK]
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.chunks[id.index() / CHUNK][id.index() % CHUNK]
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Ids below this bound may be in use.
    pub(super) fn bound(&self) -> u32 {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        let used = full + self.chunks.last().map_or(0, Vec::len);
        u32::try_from(used).expect("fewer than 2^32 znodes: insert checks it")
    }

    /// Name and data of a node in use.
    pub(super) fn content(&self, id: NodeId) -> Content<'_> {
        Content::read(self.contents.get(self.place(id)))
    }

    fn place(&self, id: NodeId) -> Place {
        match self.get(id).rest {
            Rest::Plain(place) => place,
            Rest::Changed(index) => self.extras.get(index).place,
        }
    }

    /// The part that changes, if there is one.
    pub(super) fn extra(&self, id: NodeId) -> Option<&Extra> {
        match self.get(id).rest {
            Rest::Plain(_) => None,
            Rest::Changed(index) => Some(self.extras.get(index)),
        }
    }

    /// The part that changes, made on first use.
    pub(super) fn extra_mut(&mut self, id: NodeId) -> &mut Extra {
        let node = *self.get(id);
        let index = match node.rest {
            Rest::Changed(index) => index,
            Rest::Plain(place) => {
                let index = self.extras.insert(Extra::new(node.czxid, node.ctime, place));
                self.get_mut(id).rest = Rest::Changed(index);
                index
            }
        };
        self.extras.get_mut(index)
    }

    /// Remembers the CRC of path and data, or that it is not known, if there is a place for it.
    pub(super) fn set_crc(&mut self, id: NodeId, crc: Option<u32>) {
        if let Rest::Changed(index) = self.get(id).rest {
            self.extras.get_mut(index).crc = crc;
        }
    }

    pub(super) fn stat(&self, id: NodeId) -> StatPersisted {
        let node = self.get(id);
        let (czxid, ctime) = (node.czxid, node.ctime);
        match self.extra(id) {
            None => StatPersisted::created(czxid, ctime, 0),
            Some(extra) => StatPersisted {
                czxid,
                mzxid: extra.mzxid,
                ctime,
                mtime: extra.mtime,
                version: extra.version,
                cversion: extra.cversion,
                aversion: extra.aversion,
                ephemeral_owner: extra.owner,
                pzxid: extra.pzxid,
            },
        }
    }

    /// Takes over stored fields; a node that needs no [`Extra`] for them gets none.
    pub(super) fn set_stat(&mut self, id: NodeId, stat: &StatPersisted) {
        let node = self.get_mut(id);
        (node.czxid, node.ctime) = (stat.czxid, stat.ctime);
        if self.extra(id).is_none() && self.stat(id) == *stat {
            return;
        }
        let extra = self.extra_mut(id);
        extra.mzxid = stat.mzxid;
        extra.mtime = stat.mtime;
        extra.pzxid = stat.pzxid;
        extra.owner = stat.ephemeral_owner;
        extra.version = stat.version;
        extra.cversion = stat.cversion;
        extra.aversion = stat.aversion;
    }

    pub(super) fn owner(&self, id: NodeId) -> i64 {
        self.extra(id).map_or(0, |extra| extra.owner)
    }

    pub(super) fn children(&self, id: NodeId) -> &[NodeId] {
        self.extra(id).map_or(&[], |extra| &extra.children)
    }

    /// Znodes below it, unless it is the root.
    pub(super) fn below(&self, id: NodeId) -> u32 {
        self.extra(id).map_or(0, |extra| extra.below)
    }

    /// Adds a node that stands at `slot` of its parent's children.
    pub(super) fn insert(
        &mut self,
        (parent, slot): (NodeId, u32),
        acl: AclId,
        stat: &StatPersisted,
        name: &str,
        data: Option<&[u8]>,
    ) -> NodeId {
        let rest = Rest::Plain(self.store(name.as_bytes(), data));
        let id = self.add(Node { parent, slot, acl, czxid: stat.czxid, ctime: stat.ctime, rest });
        self.set_stat(id, stat);
        id
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.len += 1;
        if let Some(id) = self.free.pop() {
            *self.get_mut(id) = node;
            return id;
        }
        let id = NodeId(self.bound());
        assert!(id.0 < u32::MAX, "the tree is full: 2^32 znodes");
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks.last_mut().expect("one was just pushed").push(node);
        id
    }

    fn store(&mut self, name: &[u8], data: Option<&[u8]>) -> Place {
        self.contents.insert([Head::new(name.len(), data.is_none()).bytes(), name, data.unwrap_or_default()])
    }

    /// Swaps a node's data, in place where the length stays.
    pub(super) fn set_data(&mut self, id: NodeId, data: Option<&[u8]>) {
        let old = self.place(id);
        let content = Content::read(self.contents.get(old));
        let bytes = data.unwrap_or_default();
        if content.data_len() == bytes.len() && content.data().is_none() == data.is_none() {
            let stored = self.contents.get_mut(old);
            let start = stored.len() - bytes.len();
            stored[start..].copy_from_slice(bytes);
            return;
        }
        let name = content.name().to_vec();
        let new = self.store(&name, data);
        self.contents.remove(old);
        match self.get(id).rest {
            Rest::Plain(_) => self.get_mut(id).rest = Rest::Plain(new),
            Rest::Changed(index) => self.extras.get_mut(index).place = new,
        }
    }

    /// Takes a node out; its slot stays vacant until it is reused.
    pub(super) fn remove(&mut self, id: NodeId) -> Node {
        self.len -= 1;
        self.free.push(id);
        self.contents.remove(self.place(id));
        let node = std::mem::replace(self.get_mut(id), Node::VACANT);
        if let Rest::Changed(index) = node.rest {
            self.extras.remove(index);
        }
        node
    }
}
