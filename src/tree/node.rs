//! Znodes in memory, kept small: a znode that was never changed after its creation costs 30 bytes, its name and its
//! data packed beside those of others, and nothing else. One that was changed has what is its own in a place apart.
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

/// A znode that was changed since its creation, or has children, or an owner, or figures that a [`Plain`] one cannot hold.
#[derive(Debug)]
pub(super) struct Extra {
    pub(super) stat: StatPersisted,
    pub(super) children: Vec<NodeId>,
    /// CRC-32 of path and data, from which the node's digest goes on; kept as long as both stay.
    pub(super) crc: Option<u32>,
    /// Znodes below it; kept up but for the root, for which it is the number of all.
    pub(super) below: u32,
    acl: AclId,
    /// Its name and data. The slab's own business.
    place: Place,
}

const _: () = assert!(size_of::<Extra>() == 112);

/// A znode that is as it was created.
#[derive(Debug, Clone, Copy)]
#[repr(Rust, packed(2))]
struct Plain {
    czxid: Zxid,
    /// In ms since 1970, of 48 bits: the lowest 16 first.
    ctime: [u16; 3],
    acl: u16,
    /// Its name and data.
    place: Place,
}

/// What a znode is, but for its parent.
#[derive(Debug, Clone, Copy)]
enum State {
    Plain(Plain),
    /// In the [`Extra`] of this number.
    Changed(Changed),
}

/// The number of an [`Extra`], aligned as a [`Plain`] is.
#[derive(Debug, Clone, Copy)]
#[repr(Rust, packed(2))]
struct Changed(u32);

/// One znode. Everything is aligned as two bytes are: it costs no more than the sum of its fields.
#[derive(Debug, Clone, Copy)]
#[repr(Rust, packed(2))]
pub(super) struct Node {
    pub(super) parent: NodeId,
    /// Index in the parent's children.
    pub(super) slot: u32,
    state: State,
}

const VACANT: NodeId = NodeId(u32::MAX);

const _: () = assert!(size_of::<Node>() == 30);

impl Node {
    /// What stands in a free slot: a parent that no node has marks it.
    const VACANT: Self = Self { parent: VACANT, slot: 0, state: State::Changed(Changed(u32::MAX)) };

    pub(super) fn is_vacant(&self) -> bool {
        let parent = self.parent;
        parent == VACANT
    }
}

impl Plain {
    /// A znode with these fields, if it can be plain.
    fn new(stat: &StatPersisted, acl: AclId, place: Place) -> Option<Self> {
        let (czxid, time) = (stat.czxid, stat.ctime);
        let acl = acl.to_short()?;
        if !(0..1 << 48).contains(&time) || *stat != StatPersisted::created(czxid, time, 0) {
            return None;
        }
        let [a, b, c, d, e, f, _, _] = time.to_le_bytes();
        let ctime = [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]), u16::from_le_bytes([e, f])];
        Some(Self { czxid, ctime, acl, place })
    }

    fn stat(self) -> StatPersisted {
        let ctime = self.ctime;
        let time = i64::from(ctime[0]) | i64::from(ctime[1]) << 16 | i64::from(ctime[2]) << 32;
        StatPersisted::created(self.czxid, time, 0)
    }

    const fn acl(self) -> AclId {
        AclId::from_short(self.acl)
    }
}

impl Extra {
    const fn new(stat: StatPersisted, acl: AclId, place: Place) -> Self {
        Self { stat, children: Vec::new(), crc: None, below: 0, acl, place }
    }
}

/// All [`Extra`]s, in chunks.
#[derive(Debug, Default)]
struct Extras {
    chunks: Vec<Vec<Extra>>,
    free: Vec<Changed>,
}

impl Extras {
    /// In a chunk.
    const CHUNK: usize = 1 << 13;

    fn get(&self, Changed(index): Changed) -> &Extra {
        &self.chunks[index as usize / Self::CHUNK][index as usize % Self::CHUNK]
    }

    fn get_mut(&mut self, Changed(index): Changed) -> &mut Extra {
        &mut self.chunks[index as usize / Self::CHUNK][index as usize % Self::CHUNK]
    }

    fn insert(&mut self, extra: Extra) -> Changed {
        if let Some(number) = self.free.pop() {
            *self.get_mut(number) = extra;
            return number;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == Self::CHUNK) {
            self.chunks.push(Vec::with_capacity(Self::CHUNK));
        }
        let full = (self.chunks.len() - 1) * Self::CHUNK;
        let chunk = self.chunks.last_mut().expect("one was just pushed");
        chunk.push(extra);
        let number = u32::try_from(full + chunk.len() - 1);
        Changed(number.expect("no more than znodes, of which there are fewer than 2^32"))
    }

    /// Its memory is used again; the children's list goes at once.
    fn remove(&mut self, number: Changed) {
        self.get_mut(number).children = Vec::new();
        self.free.push(number);
    }
}

/// Znodes per chunk: growing never copies what is there. So large that the allocator maps each chunk by itself.
const CHUNK: usize = 1 << 15;

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
        match self.get(id).state {
            State::Plain(plain) => plain.place,
            State::Changed(number) => self.extras.get(number).place,
        }
    }

    /// What is kept apart of it, if anything is.
    pub(super) fn extra(&self, id: NodeId) -> Option<&Extra> {
        match self.get(id).state {
            State::Plain(_) => None,
            State::Changed(number) => Some(self.extras.get(number)),
        }
    }

    /// What is kept apart of it, from now on at least.
    pub(super) fn extra_mut(&mut self, id: NodeId) -> &mut Extra {
        let number = match self.get(id).state {
            State::Changed(number) => number,
            State::Plain(plain) => self.set_apart(id, plain),
        };
        self.extras.get_mut(number)
    }

    #[cold]
    fn set_apart(&mut self, id: NodeId, plain: Plain) -> Changed {
        let number = self.extras.insert(Extra::new(plain.stat(), plain.acl(), plain.place));
        self.get_mut(id).state = State::Changed(number);
        number
    }

    /// Remembers the CRC of path and data, or that it is not known, if there is a place for it.
    pub(super) fn set_crc(&mut self, id: NodeId, crc: Option<u32>) {
        if let State::Changed(number) = self.get(id).state {
            self.extras.get_mut(number).crc = crc;
        }
    }

    pub(super) fn stat(&self, id: NodeId) -> StatPersisted {
        match self.get(id).state {
            State::Plain(plain) => plain.stat(),
            State::Changed(number) => self.extras.get(number).stat.clone(),
        }
    }

    /// Takes over stored fields.
    pub(super) fn set_stat(&mut self, id: NodeId, stat: &StatPersisted) {
        self.extra_mut(id).stat = stat.clone();
    }

    pub(super) fn acl(&self, id: NodeId) -> AclId {
        match self.get(id).state {
            State::Plain(plain) => plain.acl(),
            State::Changed(number) => self.extras.get(number).acl,
        }
    }

    /// Swaps the number of its list; returns the old one.
    pub(super) fn set_acl(&mut self, id: NodeId, acl: AclId) -> AclId {
        if let State::Plain(plain) = self.get(id).state
            && let Some(short) = acl.to_short()
        {
            self.get_mut(id).state = State::Plain(Plain { acl: short, ..plain });
            return plain.acl();
        }
        std::mem::replace(&mut self.extra_mut(id).acl, acl)
    }

    pub(super) fn owner(&self, id: NodeId) -> i64 {
        self.extra(id).map_or(0, |extra| extra.stat.ephemeral_owner)
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
        let place = self.store(name.as_bytes(), data);
        let state = match Plain::new(stat, acl, place) {
            Some(plain) => State::Plain(plain),
            None => State::Changed(self.extras.insert(Extra::new(stat.clone(), acl, place))),
        };
        self.add(Node { parent, slot, state })
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
        match &mut self.get_mut(id).state {
            State::Plain(plain) => plain.place = new,
            &mut State::Changed(number) => self.extras.get_mut(number).place = new,
        }
    }

    /// Takes a node out; its slot stays vacant until it is reused.
    pub(super) fn remove(&mut self, id: NodeId) -> Node {
        self.len -= 1;
        self.free.push(id);
        self.contents.remove(self.place(id));
        let node = std::mem::replace(self.get_mut(id), Node::VACANT);
        if let State::Changed(number) = node.state {
            self.extras.remove(number);
        }
        node
    }
}
