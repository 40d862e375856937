//! Reads that cost more than a moment, answered in steps: between two of them whoever waits for the lock has it.
//!
//! Promise: a step looks at `STEP` znodes or copies `STEP_BYTES`, whichever comes first, and one znode's data (or the names of
//! `BLOCK` children) at most beyond that. A list of children is the list at the moment of the last step: what has changed under
//! way is copied again, so that a step costs the same however long the list is, and however often it changes (in the end what
//! is left is copied in one step: no more than can change in the time of one). When all is there it is the reply, in the pieces
//! in which it was copied. The parts of a multi-read are each as of their own step, and a session's ephemerals as of theirs, as
//! the official server's are, which holds no lock over them either.

use super::{
    asker::{Asker, ReadWatch, readable},
    pieces::{BODY_MAX_BYTES, Pieces},
};
use crate::tree::{LONG, ListChange, NodeId, NodeRef, Tree};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode, Reader, Zxid, is_null,
    records::{GetChildrenRequest, GetEphemeralsRequest, MultiHeader},
    request::{OpResult, ReadOp, decode_multi, decode_multi_read, encode_result, encode_results},
};

/// Znodes that one step looks at: about 1 ms.
pub const STEP: usize = 1 << 13;
/// Bytes after which a step ends.
const STEP_BYTES: usize = 512 << 10;
/// The same where each znode has its path put together.
const STEP_OF_PATHS: usize = STEP / 4;
/// Bytes of paths after which such a step ends: the deeper a znode is, the longer is its path, and what it costs.
const STEP_PATH_BYTES: usize = STEP_BYTES / 4;
/// A list of at most so many bytes is copied into a multi-read's reply, which has few large pieces then; a longer one stays
/// where it is.
const COPIED_LIST_BYTES: usize = 1 << 20;
/// The longest reply to a multi-read, in bytes: each of its reads may ask for the largest znode there is. (The official
/// server runs out of memory, and clients take 1 MiB unless they are told otherwise.)
pub const MULTI_READ_MAX_BYTES: usize = 64 << 20;

/// Children whose names are encoded together, and again when one of them has changed.
const BLOCK: usize = 256;
/// When it was encoded as often as that, if it has changed all the time, what is left is done in one step.
const PASSES: usize = 8;

// The changes of a list that takes more than one step are known: a shorter one takes one, whatever its names.
const _: () = assert!(LONG < STEP);

/// What tells one state of a list of children from another: every change of the list changes one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListVersion {
    /// When the parent was created.
    pub czxid: Zxid,
    /// The last change of the list.
    pub pzxid: Zxid,
    /// Counts its changes.
    pub cversion: i32,
    /// How long it is.
    pub children: usize,
}

impl ListVersion {
    /// The list as it is.
    pub fn of(node: &NodeRef<'_>) -> Self {
        let stat = node.persisted();
        let (czxid, pzxid, cversion) = (stat.czxid, stat.pzxid, stat.cversion);
        Self { czxid, pzxid, cversion, children: node.num_children() }
    }
}

/// A read under way.
#[derive(Debug)]
pub struct LongRead {
    what: What,
    out: Pieces,
    /// Znodes that its steps have looked at.
    looked_at: usize,
}

#[derive(Debug)]
enum What {
    Children { path: String, watch: bool, names: Names },
    Ephemerals(Ephemerals),
    Multi(Multi),
}

/// A session's ephemerals.
#[derive(Debug)]
struct Ephemerals {
    prefix: String,
    /// Whether they are all asked for.
    all: bool,
    /// The one that was looked at last.
    last: Option<NodeId>,
    /// So many are in the reply.
    count: u32,
}

#[derive(Debug)]
struct Multi {
    parts: std::vec::IntoIter<Part>,
    /// Parts that have been judged, before anything is copied: how much they come to at least, in bytes.
    judged: usize,
    least: usize,
    under_way: Option<UnderWay>,
    /// Whether it ends with an error behind what it could do.
    stopped: bool,
}

/// One part of a multi-read.
#[derive(Debug)]
struct Part {
    path: String,
    is_list: bool,
}

/// The part of a multi-read that is being answered.
#[derive(Debug)]
struct UnderWay {
    part: Part,
    names: Names,
}

impl Part {
    /// How many bytes its result has at least.
    fn least(&self, tree: &Tree) -> usize {
        let node = tree.get(&self.path);
        node.map_or(0, |node| {
            if self.is_list { node.num_children() * 4 } else { node.data().map_or(0, <[u8]>::len) }
        })
    }
}

/// The parts of a multi-read up to one that it cannot do (a write, a null path), and whether there is one.
fn parts(body: &[u8]) -> Option<(Vec<Part>, bool)> {
    let mut reader = Reader::new(body).taking_nulls();
    let as_writes = decode_multi(&mut reader.clone());
    let ops = match decode_multi_read(&mut reader) {
        Ok(ops) => ops,
        Err(_) if as_writes.is_ok() => Vec::new(),
        Err(_) => return None,
    };
    let nulls_from = ops.iter().position(|op| is_null(op.path()));
    let stopped = nulls_from.is_some() || as_writes.is_ok_and(|ops| !ops.is_empty());
    let ops = &ops[..nulls_from.unwrap_or(ops.len())];
    let part =
        |op: &ReadOp<'_>| Part { path: op.path().to_owned(), is_list: matches!(op, ReadOp::GetChildren(_)) };
    Some((ops.iter().map(part).collect(), stopped))
}

/// Whether a prefix of getEphemerals stands for all (what Java's `trim` leaves of it).
fn is_all(prefix: &str) -> bool {
    matches!(prefix.trim_matches(|c| c <= ' '), "" | "/")
}

/// The answer to a long read.
#[derive(Debug)]
pub struct Ended {
    /// The error of the reply.
    pub code: Code,
    /// The body, also with an error where there is one.
    pub body: Pieces,
    /// The watch that it leaves.
    pub watch: Option<ReadWatch<'static>>,
    /// Of a list of children: what it is.
    pub list: Option<List>,
    /// The reply would have been too long, and says so instead.
    pub too_long: bool,
}

/// A list of children that a read has answered.
#[derive(Debug)]
pub struct List {
    /// The parent's path.
    pub path: String,
    /// The parent.
    pub node: NodeId,
    /// Which state of the list.
    pub version: ListVersion,
    /// So many pieces of the body are its names, and how many bytes they have.
    pub pieces: usize,
    /// Bytes of the names.
    pub names_len: usize,
}

impl Ended {
    const fn new(code: Code, body: Pieces) -> Self {
        Self { code, body, watch: None, list: None, too_long: false }
    }

    fn error(code: Code) -> Self {
        Self::new(code, Pieces::default())
    }

    fn too_long() -> Self {
        Self { too_long: true, ..Self::error(Code::MARSHALLING_ERROR) }
    }
}

/// The names of a znode's children, encoded in steps: block by block, and those again whose children have changed.
#[derive(Debug, Default)]
struct Names {
    /// Whose, since when it is there, and the moment (of the tree's list changes) at which the blocks were right.
    of: Option<(NodeId, Zxid, u64)>,
    /// The names of `BLOCK` children each; empty: to be encoded.
    blocks: Vec<Bytes>,
    /// The block that the next step begins with.
    next: usize,
    /// Blocks that were encoded, also if they have changed since.
    encoded: usize,
    /// One block, while it is encoded.
    scratch: Vec<u8>,
}

impl Names {
    /// One step. True: the list is whole, as it is now.
    fn advance(&mut self, node: &NodeRef<'_>, looked_at: &mut usize) -> bool {
        self.forget_changed(node);
        let (count, from) = (self.blocks.len(), self.next);
        let in_steps = self.encoded < PASSES * count && node.num_children() > LONG;
        let (mut room, mut room_bytes) =
            if in_steps { (STEP / BLOCK, STEP_BYTES) } else { (count, usize::MAX) };
        for n in 0..count {
            let at = (from + n) % count;
            let block = &mut self.blocks[at];
            if !block.is_empty() {
                continue;
            }
            if room == 0 || room_bytes == 0 {
                self.next = at;
                return false;
            }
            self.scratch.clear();
            for child in node.children_from(at * BLOCK).take(BLOCK) {
                Some(child.name()).encode(&mut self.scratch);
            }
            // As long as it is, and no longer: it may wait until somebody takes it.
            *block = Bytes::copy_from_slice(&self.scratch);
            self.encoded += 1;
            *looked_at += BLOCK;
            room -= 1;
            room_bytes = room_bytes.saturating_sub(block.len());
        }
        true
    }

    /// Appends all of them to what is not theirs alone.
    fn append_to(self, out: &mut Pieces) {
        if self.blocks.iter().map(Bytes::len).sum::<usize>() > COPIED_LIST_BYTES {
            return self.blocks.into_iter().for_each(|block| out.push(block));
        }
        for block in &self.blocks {
            out.tail().extend_from_slice(block);
        }
    }

    /// Blocks that are not what they were at the last step are to be encoded again.
    fn forget_changed(&mut self, node: &NodeRef<'_>) {
        let (id, czxid) = (node.id(), node.persisted().czxid);
        let known = self.of.filter(|&(of, since, _)| (of, since) == (id, czxid));
        match known.and_then(|(.., moment)| node.list_changes(moment)) {
            None => self.blocks.clear(),
            Some(changes) => {
                for change in changes {
                    match change {
                        ListChange::Everywhere => self.blocks.clear(),
                        ListChange::At(place) => {
                            if let Some(block) = self.blocks.get_mut(place / BLOCK) {
                                *block = Bytes::new();
                            }
                        }
                    }
                }
            }
        }
        self.blocks.resize_with(node.num_children().div_ceil(BLOCK), Bytes::new);
        self.of = Some((id, czxid, node.list_moment()));
    }
}

impl LongRead {
    /// A read that is to be answered in steps. `None`: it costs a moment only, or it does not decode.
    pub fn begin(tree: &Tree, op: OpCode, body: &[u8]) -> Option<Self> {
        let what = match op {
            OpCode::GET_CHILDREN | OpCode::GET_CHILDREN2 => {
                let request = GetChildrenRequest::from_slice(body).ok()?;
                if tree.get(&request.path)?.num_children() <= STEP {
                    return None;
                }
                let (path, watch) = (request.path.into_owned(), request.watch);
                What::Children { path, watch, names: Names::default() }
            }
            OpCode::GET_EPHEMERALS => {
                let request = GetEphemeralsRequest::from_slice(body).ok()?;
                let prefix = request.prefix_path.unwrap_or_default().into_owned();
                let all = is_all(&prefix);
                What::Ephemerals(Ephemerals { prefix, all, last: None, count: 0 })
            }
            // Only its parts tell how long it takes, as those of getEphemerals: a short one ends with its first step.
            OpCode::MULTI_READ => return Self::multi(body),
            _ => return None,
        };
        Some(Self::new(what))
    }

    /// A multi-read. `None`: it does not decode.
    fn multi(body: &[u8]) -> Option<Self> {
        let (parts, stopped) = parts(body)?;
        let multi = Multi { parts: parts.into_iter(), judged: 0, least: 0, under_way: None, stopped };
        Some(Self::new(What::Multi(multi)))
    }

    fn new(what: What) -> Self {
        Self { what, out: Pieces::default(), looked_at: 0 }
    }

    /// Znodes that its steps have looked at.
    pub const fn looked_at(&self) -> usize {
        self.looked_at
    }

    /// One step. Who asks and with which op code must be as at the beginning.
    pub fn advance(&mut self, tree: &Tree, asker: Asker<'_>, op: OpCode) -> Option<Ended> {
        let ended = self.step(tree, asker, op)?;
        let too_long = ended.body.len() > BODY_MAX_BYTES;
        Some(if too_long { Ended::too_long() } else { ended })
    }

    fn step(&mut self, tree: &Tree, asker: Asker<'_>, op: OpCode) -> Option<Ended> {
        let Self { what, out, looked_at } = self;
        match what {
            What::Children { path, watch, names } => {
                let node = match readable(tree, asker, path) {
                    Ok(node) => node,
                    Err(code) => return Some(Ended::error(code)),
                };
                if !names.advance(&node, looked_at) {
                    return None;
                }
                encode_count(node.num_children(), out);
                names.blocks.drain(..).for_each(|block| out.push(block));
                let (pieces, names_len) = (out.done().len(), out.len());
                if op == OpCode::GET_CHILDREN2 {
                    node.stat().encode(out.tail());
                }
                let mut ended = Ended::new(Code::OK, std::mem::take(out));
                ended.watch = watch.then(|| ReadWatch::Child(path.clone().into()));
                let (path, version) = (std::mem::take(path), ListVersion::of(&node));
                ended.list = Some(List { path, node: node.id(), version, pieces, names_len });
                Some(ended)
            }
            What::Ephemerals(ephemerals) => {
                let whole = ephemerals.advance(tree, asker, out, looked_at);
                whole.then(|| Ended::new(Code::OK, ephemerals.counted(std::mem::take(out))))
            }
            What::Multi(multi) => multi.advance(tree, asker, out, looked_at),
        }
    }
}
impl Ephemerals {
    /// One step. True: that was the last.
    fn advance(&mut self, tree: &Tree, asker: Asker<'_>, out: &mut Pieces, looked_at: &mut usize) -> bool {
        let out = out.tail();
        let (mut room, mut room_bytes) = (STEP_OF_PATHS, STEP_PATH_BYTES);
        for node in tree.ephemerals_after(asker.session, self.last) {
            if room == 0 || room_bytes == 0 {
                return false;
            }
            self.last = Some(node.id());
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            node.append_path(out);
            let path = &out[start + 4..];
            let len = path.len();
            room -= 1;
            room_bytes = room_bytes.saturating_sub(len);
            *looked_at += STEP / STEP_OF_PATHS;
            if self.all || path.starts_with(self.prefix.as_bytes()) {
                self.count += 1;
                let len = i32::try_from(len).unwrap_or(i32::MAX);
                out[start..start + 4].copy_from_slice(&len.to_be_bytes());
            } else {
                out.truncate(start);
            }
        }
        true
    }

    /// The reply: how many there are, and their paths.
    fn counted(&self, paths: Pieces) -> Pieces {
        let mut counted = Pieces::from(self.count.to_be_bytes().to_vec());
        paths.into_iter().for_each(|piece| counted.push(piece));
        counted
    }
}

impl Multi {
    /// Whether it is to go on: there is nothing left to judge. One that comes to too much is refused before it is copied.
    fn judge(&mut self, tree: &Tree) -> bool {
        let Some(rest) = self.parts.as_slice().get(self.judged..) else { return true };
        let some = &rest[..rest.len().min(STEP)];
        self.least += some.iter().map(|part| part.least(tree)).sum::<usize>();
        self.judged += some.len();
        some.len() < STEP || self.least > MULTI_READ_MAX_BYTES
    }

    /// One step. Errors stay with their part and do not stop the rest.
    fn advance(
        &mut self,
        tree: &Tree,
        asker: Asker<'_>,
        out: &mut Pieces,
        looked_at: &mut usize,
    ) -> Option<Ended> {
        let (began, began_at) = (out.len(), *looked_at);
        if self.under_way.is_none() && out.is_empty() && !self.judge(tree) {
            *looked_at += STEP;
            return None;
        }
        if self.least > MULTI_READ_MAX_BYTES {
            return Some(Ended::too_long());
        }
        let Self { parts, under_way, stopped, .. } = self;
        while *looked_at - began_at < STEP && out.len() - began < STEP_BYTES {
            let next = || parts.next().map(|part| UnderWay { part, names: Names::default() });
            let Some(mut current) = under_way.take().or_else(next) else {
                encode_results(&[], out.tail());
                let code = if *stopped { Code::MARSHALLING_ERROR } else { Code::OK };
                return Some(Ended::new(code, std::mem::take(out)));
            };
            *looked_at += 1;
            match readable(tree, asker, &current.part.path) {
                Err(code) => encode_result(&OpResult::Error(code), out.tail()),
                Ok(node) if current.part.is_list => {
                    if !current.names.advance(&node, looked_at) {
                        // As much as a step is for.
                        *under_way = Some(current);
                        return None;
                    }
                    MultiHeader { op: OpCode::GET_CHILDREN, done: false, err: 0 }.encode(out.tail());
                    encode_count(node.num_children(), out);
                    current.names.append_to(out);
                }
                Ok(node) => {
                    let out = out.tail();
                    MultiHeader { op: OpCode::GET_DATA, done: false, err: 0 }.encode(out);
                    node.data().encode(out);
                    node.stat().encode(out);
                }
            }
            if out.len() > MULTI_READ_MAX_BYTES {
                return Some(Ended::too_long());
            }
        }
        None
    }
}

/// How many names follow.
fn encode_count(count: usize, out: &mut Pieces) {
    i32::try_from(count).unwrap_or(i32::MAX).encode(out.tail());
}

#[cfg(test)]
mod tests;
