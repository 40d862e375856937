//! Znodes in memory, kept small: a znode that was never changed after its creation costs 48 bytes, its name and its
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
}

const _: () = assert!(size_of::<Extra>() == 80);

/// One znode.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: NodeId,
    /// Index in the parent's children.
    pub(super) slot: u32,
    pub(super) acl: AclId,
    pub(super) czxid: Zxid,
    pub(super) ctime: i64,
    /// Its name and data. The slab's own business.
    content: Option<Place>,
    pub(super) extra: Option<Box<Extra>>,
}

const VACANT: NodeId = NodeId(u32::MAX);

const _: () = assert!(size_of::<Node>() == 48);

impl Node {
    /// A znode that is not in the slab yet.
    pub(super) fn new(parent: NodeId, slot: u32, acl: AclId, stat: &StatPersisted) -> Self {
        let (czxid, ctime) = (stat.czxid, stat.ctime);
        let mut node = Self { parent, slot, acl, czxid, ctime, content: None, extra: None };
        node.set_stat(stat);
        node
    }

    /// What stands in a free slot: a parent that no node has marks it.
    fn vacant() -> Self {
        Self {
            parent: VACANT,
            slot: 0,
            acl: AclId::OPEN,
            czxid: Zxid::ZERO,
            ctime: 0,
            content: None,
            extra: None,
        }
    }

    pub(super) fn is_vacant(&self) -> bool {
        self.parent == VACANT
    }

    pub(super) fn stat(&self) -> StatPersisted {
        let (czxid, ctime) = (self.czxid, self.ctime);
        match &self.extra {
            None => StatPersisted {
                czxid,
                mzxid: czxid,
                ctime,
                mtime: ctime,
                version: 0,
                cversion: 0,
                aversion: 0,
                ephemeral_owner: 0,
                pzxid: czxid,
            },
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

    pub(super) fn owner(&self) -> i64 {
        self.extra.as_ref().map_or(0, |extra| extra.owner)
    }

    pub(super) fn children(&self) -> &[NodeId] {
        self.extra.as_ref().map_or(&[], |extra| &extra.children)
    }

    /// Znodes below it, unless it is the root.
    pub(super) fn below(&self) -> u32 {
        self.extra.as_ref().map_or(0, |extra| extra.below)
    }

    /// The part that changes, made on first use.
    pub(super) fn extra_mut(&mut self) -> &mut Extra {
        let (czxid, ctime) = (self.czxid, self.ctime);
        self.extra.get_or_insert_with(|| {
            Box::new(Extra {
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
            })
        })
    }

    /// Takes over stored fields; a node that needs no [`Extra`] for them gets none.
    pub(super) fn set_stat(&mut self, stat: &StatPersisted) {
        self.czxid = stat.czxid;
        self.ctime = stat.ctime;
        if self.extra.is_none() && self.stat() == *stat {
            return;
        }
        let extra = self.extra_mut();
        extra.mzxid = stat.mzxid;
        extra.mtime = stat.mtime;
        extra.pzxid = stat.pzxid;
        extra.owner = stat.ephemeral_owner;
        extra.version = stat.version;
        extra.cversion = stat.cversion;
        extra.aversion = stat.aversion;
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
        let place = self.get(id).content.expect("a znode in use has a name");
        Content::read(self.contents.get(place))
    }

    pub(super) fn insert(&mut self, mut node: Node, name: &str, data: Option<&[u8]>) -> NodeId {
        node.content = Some(self.store(name.as_bytes(), data));
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
        let old = self.get(id).content.expect("a znode in use has a name");
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
        self.get_mut(id).content = Some(new);
    }

    /// Takes a node out; its slot stays vacant until it is reused.
    pub(super) fn remove(&mut self, id: NodeId) -> Node {
        self.len -= 1;
        self.free.push(id);
        let node = std::mem::replace(self.get_mut(id), Node::vacant());
        if let Some(place) = node.content {
            self.contents.remove(place);
        }
        node
    }
}
