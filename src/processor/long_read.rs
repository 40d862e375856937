//! Reads that cost more than a moment, answered in steps: between two of them whoever waits for the lock has it.
//!
//! Promise: a step looks at `STEP` znodes or copies `STEP_BYTES`, whichever comes first, and one znode's data at most
//! beyond that. A list of children is the list at the moment of the last step: what has changed under way is copied again,
//! so that a step costs the same however long the list is, and however often it changes (in the end what is left is copied in
//! one step: no more than can change in the time of one). When all is there it is put together. The parts of a multi-read are each as of their own step, and a session's
//! ephemerals as of theirs, as the official server's are, which holds no lock over them either.

use super::asker::{Asker, ReadWatch, readable};
use crate::tree::{LONG, ListChange, NodeId, NodeRef, Tree};
use oxkeeper_codec::{
    ByteStr, Code, Decode, Encode, OpCode, Reader, Zxid, is_null,
    records::{GetChildrenRequest, GetEphemeralsRequest, MultiHeader},
    request::{OpResult, ReadOp, decode_multi, decode_multi_read, encode_result, encode_results},
};

/// Znodes that one step looks at.
pub const STEP: usize = 1 << 14;
/// Bytes after which a step ends.
const STEP_BYTES: usize = 512 << 10;
/// The longest reply to a multi-read, in bytes: each of its reads may ask for the largest znode there is. (The official
/// server runs out of memory, and clients take 1 MiB unless they are told otherwise.)
pub const MULTI_READ_MAX_BYTES: usize = 64 << 20;

/// Children whose names are encoded together, and again when one of them has changed.
const BLOCK: usize = 256;
/// After as many steps as so many lists of that length take, what is left is done in one.
const PASSES: usize = 8;

// The changes of a list that takes more than one step are known.
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
    out: Vec<u8>,
}

#[derive(Debug)]
enum What {
    Children { path: String, watch: bool, names: Names },
    Ephemerals { prefix: String, all: bool, last: Option<NodeId>, count: u32 },
    Multi(Multi),
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
    /// Where its result begins.
    start: usize,
    names: Option<Names>,
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
pub(super) fn is_all(prefix: &str) -> bool {
    matches!(prefix.trim_matches(|c| c <= ' '), "" | "/")
}

/// The answer to a long read.
#[derive(Debug)]
pub struct Ended {
    /// The error of the reply.
    pub code: Code,
    /// The body, also with an error where there is one.
    pub body: Vec<u8>,
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
    /// Bytes of the names, with which the body begins.
    pub names_len: usize,
}

impl Ended {
    const fn new(code: Code, body: Vec<u8>) -> Self {
        Self { code, body, watch: None, list: None, too_long: false }
    }
}

/// The names of a znode's children, encoded in steps: block by block, and those again whose children have changed.
#[derive(Debug, Default)]
struct Names {
    /// Whose, since when it is there, and the moment (of the tree's list changes) at which the blocks were right.
    of: Option<(NodeId, Zxid, u64)>,
    /// The names of `BLOCK` children each; empty: to be encoded.
    blocks: Vec<Vec<u8>>,
    /// The block that the next step begins with.
    next: usize,
    steps: usize,
}

impl Names {
    /// One step. True: the list is whole, as it is now, and stands at the end of the buffer.
    fn advance(&mut self, node: &NodeRef<'_>, out: &mut Vec<u8>) -> bool {
        self.forget_changed(node);
        self.steps += 1;
        let (children, count, from) = (node.num_children(), self.blocks.len(), self.next);
        let goes_on = self.steps < PASSES * (children / STEP + 1);
        let mut room = if goes_on { STEP / BLOCK } else { count };
        for n in 0..count {
            let at = (from + n) % count;
            let block = &mut self.blocks[at];
            if !block.is_empty() {
                continue;
            }
            if room == 0 {
                self.next = at;
                return false;
            }
            room -= 1;
            for child in node.children_from(at * BLOCK).take(BLOCK) {
                Some(child.name()).encode(block);
            }
        }
        out.reserve(4 + self.blocks.iter().map(Vec::len).sum::<usize>());
        i32::try_from(children).unwrap_or(i32::MAX).encode(out);
        self.blocks.iter().for_each(|block| out.extend_from_slice(block));
        true
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
                                block.clear();
                            }
                        }
                    }
                }
            }
        }
        self.blocks.resize_with(node.num_children().div_ceil(BLOCK), Vec::new);
        self.of = Some((id, czxid, node.list_moment()));
    }
}

impl LongRead {
    /// A read that is to be answered in steps. `None`: it costs a moment only, or it does not decode.
    pub fn begin(tree: &Tree, asker: Asker<'_>, op: OpCode, body: &[u8]) -> Option<Self> {
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
                if tree.ephemeral_count_of(asker.session) <= STEP {
                    return None;
                }
                let request = GetEphemeralsRequest::from_slice(body).ok()?;
                let prefix = request.prefix_path.unwrap_or_default().into_owned();
                let all = is_all(&prefix);
                What::Ephemerals { prefix, all, last: None, count: 0 }
            }
            // Only its parts tell how long it takes: a short one ends with its first step.
            OpCode::MULTI_READ => return Self::multi(body),
            _ => return None,
        };
        // The number of ephemerals goes in front when they are counted.
        let out = if matches!(what, What::Ephemerals { .. }) { vec![0; 4] } else { Vec::new() };
        Some(Self { what, out })
    }

    /// A multi-read. `None`: it does not decode.
    pub(super) fn multi(body: &[u8]) -> Option<Self> {
        let (parts, stopped) = parts(body)?;
        let multi = Multi { parts: parts.into_iter(), judged: 0, least: 0, under_way: None, stopped };
        Some(Self { what: What::Multi(multi), out: Vec::new() })
    }

    /// One step. Who asks and with which op code must be as at the beginning.
    pub fn advance(&mut self, tree: &Tree, asker: Asker<'_>, op: OpCode) -> Option<Ended> {
        match &mut self.what {
            What::Children { path, watch, names } => {
                let node = match readable(tree, asker, path) {
                    Ok(node) => node,
                    Err(code) => return Some(Ended::new(code, Vec::new())),
                };
                if !names.advance(&node, &mut self.out) {
                    return None;
                }
                let mut ended = Ended::new(Code::OK, std::mem::take(&mut self.out));
                let (names_len, version) = (ended.body.len(), ListVersion::of(&node));
                if op == OpCode::GET_CHILDREN2 {
                    node.stat().encode(&mut ended.body);
                }
                ended.watch = watch.then(|| ReadWatch::Child(path.clone().into()));
                ended.list = Some(List { path: std::mem::take(path), node: node.id(), version, names_len });
                Some(ended)
            }
            What::Ephemerals { prefix, all, last, count } => {
                let mut seen = 0;
                for node in tree.ephemerals_after(asker.session, *last).take(STEP) {
                    seen += 1;
                    *last = Some(node.id());
                    let path = node.path();
                    if *all || path.starts_with(&*prefix) {
                        *count += 1;
                        ByteStr::from(path).encode(&mut self.out);
                    }
                }
                if seen == STEP {
                    return None;
                }
                self.out[..4].copy_from_slice(&count.to_be_bytes());
                Some(Ended::new(Code::OK, std::mem::take(&mut self.out)))
            }
            What::Multi(multi) => multi.advance(tree, asker, &mut self.out),
        }
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
    fn advance(&mut self, tree: &Tree, asker: Asker<'_>, out: &mut Vec<u8>) -> Option<Ended> {
        let too_long = || Some(Ended { too_long: true, ..Ended::new(Code::MARSHALLING_ERROR, Vec::new()) });
        if self.under_way.is_none() && out.is_empty() && !self.judge(tree) {
            return None;
        }
        if self.least > MULTI_READ_MAX_BYTES {
            return too_long();
        }
        let Self { parts, under_way, stopped, .. } = self;
        let began = out.len();
        let mut looked_at = 0;
        while looked_at < STEP && out.len().saturating_sub(began) < STEP_BYTES {
            let next = || parts.next().map(|part| UnderWay { part, start: out.len(), names: None });
            let Some(mut current) = under_way.take().or_else(next) else {
                encode_results(&[], out);
                let code = if *stopped { Code::MARSHALLING_ERROR } else { Code::OK };
                return Some(Ended::new(code, std::mem::take(out)));
            };
            looked_at += 1;
            match readable(tree, asker, &current.part.path) {
                Err(code) => {
                    out.truncate(current.start);
                    encode_result(&OpResult::Error(code), out);
                }
                Ok(node) if current.part.is_list => {
                    let names = current.names.get_or_insert_with(|| {
                        MultiHeader { op: OpCode::GET_CHILDREN, done: false, err: 0 }.encode(out);
                        Names::default()
                    });
                    if !names.advance(&node, out) {
                        // As much as a step is for.
                        *under_way = Some(current);
                        return None;
                    }
                    looked_at += node.num_children();
                }
                Ok(node) => {
                    MultiHeader { op: OpCode::GET_DATA, done: false, err: 0 }.encode(out);
                    node.data().encode(out);
                    node.stat().encode(out);
                }
            }
            if out.len() > MULTI_READ_MAX_BYTES {
                return too_long();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
