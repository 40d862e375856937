//! Znodes in memory, kept small: a znode that was never changed after its creation costs 56 bytes, its name and
//! its data in one allocation, and nothing else. What later changes add is kept apart.
//!
//! Layout of a [`Content`]: a variable-length integer `name length * 2 + (data is null)`, the name, the data.
//!
//! Invariants: ids are dense and reused; a vacant slot is never reachable; `slot` is the node's place in its
//! parent's list of children, and that list points back.

use super::acl::AclId;
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

/// Name and data of a znode in one allocation.
#[derive(Debug, Default)]
pub(super) struct Content(Box<[u8]>);

impl Content {
    pub(super) fn new(name: &str, data: Option<&[u8]>) -> Self {
        let mut head = (name.len() << 1) | usize::from(data.is_none());
        let data = data.unwrap_or_default();
        let mut bytes = Vec::with_capacity(varint_len(head) + name.len() + data.len());
        while head >= 0x80 {
            bytes.push(low_bits(head) | 0x80);
            head >>= 7;
        }
        bytes.push(low_bits(head));
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(data);
        debug_assert_eq!(bytes.len(), bytes.capacity());
        Self(bytes.into_boxed_slice())
    }

    /// Name length, whether data is null, and where the name starts.
    fn head(&self) -> (usize, bool, usize) {
        let (mut value, mut shift) = (0, 0);
        for (i, &byte) in self.0.iter().enumerate() {
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return (value >> 1, value & 1 == 1, i + 1);
            }
            shift += 7;
        }
        (0, true, self.0.len())
    }

    pub(super) fn name(&self) -> &[u8] {
        let (len, _, start) = self.head();
        &self.0[start..start + len]
    }

    pub(super) fn data(&self) -> Option<&[u8]> {
        let (len, null, start) = self.head();
        (!null).then(|| &self.0[start + len..])
    }

    pub(super) fn data_len(&self) -> usize {
        let (len, _, start) = self.head();
        self.0.len() - start - len
    }
}

const fn low_bits(value: usize) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

const fn varint_len(mut value: usize) -> usize {
    let mut len = 1;
    while value >= 0x80 {
        value >>= 7;
        len += 1;
    }
    len
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
    pub(super) children: Vec<NodeId>,
}

/// One znode.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: NodeId,
    /// Index in the parent's children.
    pub(super) slot: u32,
    /// Hash of the full path.
    pub(super) hash: u32,
    pub(super) acl: AclId,
    pub(super) czxid: Zxid,
    pub(super) ctime: i64,
    pub(super) content: Content,
    pub(super) extra: Option<Box<Extra>>,
}

const VACANT: NodeId = NodeId(u32::MAX);

const _: () = assert!(size_of::<Node>() == 56);

impl Node {
    /// What stands in a free slot: a parent that no node has marks it.
    fn vacant() -> Self {
        Self {
            parent: VACANT,
            slot: 0,
            hash: 0,
            acl: AclId::OPEN,
            czxid: Zxid::ZERO,
            ctime: 0,
            content: Content::default(),
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

/// Znodes per chunk: growing never copies what is there.
const CHUNK: usize = 1 << 10;

/// All znodes, in chunks.
#[derive(Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<Node>>,
    free: Vec<NodeId>,
    len: usize,
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

    pub(super) fn insert(&mut self, node: Node) -> NodeId {
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

    /// Takes a node out; its slot stays vacant until it is reused.
    pub(super) fn remove(&mut self, id: NodeId) -> Node {
        self.len -= 1;
        self.free.push(id);
        std::mem::replace(self.get_mut(id), Node::vacant())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_data_come_back_and_null_is_not_empty() {
        for name_len in [0, 1, 63, 64, 200, 8191, 8192, 70_000] {
            let name = "n".repeat(name_len);
            for data in [None, Some(&b""[..]), Some(b"data")] {
                let content = Content::new(&name, data);
                assert_eq!(content.name(), name.as_bytes());
                assert_eq!(content.data(), data);
                assert_eq!(content.data_len(), data.map_or(0, <[u8]>::len));
            }
        }
    }
}
