//! Reads snapshots of 3.4 to 3.9 (`FileSnap.deserialize`).
//!
//! ```text
//! int 'ZKSN', int version 2, long dbid -1
//! int count, then sessions:  long id, int time-out in ms
//! int count, then ACLs:      long number, vector<ACL>
//! nodes:                     ustring path ("" is the root), buffer data, long ACL number, 60 bytes StatPersisted
//! ustring "/"                the end of the nodes
//! seal:                      long Adler-32 of all before it, ustring "/"
//! since 3.6, if enabled:     long zxid, int digest version, long digest (before version 2: ustring, hex); seal
//! since 3.9, if enabled:     long last applied zxid; seal
//! ```
//!
//! Invariant: `Ok` means that every checksum was right and nothing followed. The visitor hears of content before
//! its checksum is known: on an error it has to forget all of it.

use super::{
    ahead::ahead,
    disk::Disk,
    error::{Damage, DamageKind},
    names::Compression,
    snapshot_source::{RecordError, Source, Whole},
    snapshot_writer::{SnapshotTail, ZxidDigest},
};
use oxkeeper_codec::{
    Decode, DecodeError, Reader, SessionId, Zxid,
    file::{FILE_VERSION, SNAPSHOT_MAGIC},
    records::{Acl, DataNode, FileHeader},
    txn::{LoggedCreate, LoggedTxn},
};
use simd_adler32::Adler32;
use std::borrow::Cow;

/// The parts behind the first seal are shorter than this.
const TAIL_MAX: usize = 4096;

/// So many bytes of nodes are decoded at once.
const BATCH_LEN: u64 = 128 << 10;
/// A batch has room for so many nodes from the start.
const BATCH_NODES: usize = 1024;

/// What can be done with a node or a transaction alone: while others are taken in, on another thread.
pub trait Prepare: Send {
    /// What is known of a node then.
    type Node: Send;
    /// What is known of a transaction then.
    type Txn: Send;

    /// Prepares a node.
    fn node(&self, path: &str, node: &DataNode<'_>) -> Self::Node;

    /// Prepares a transaction.
    fn txn(&self, txn: &LoggedTxn) -> Self::Txn;

    /// Prepares a transaction that creates.
    fn create(&self, create: &LoggedCreate<'_>) -> Self::Txn {
        self.txn(&create.to_logged())
    }
}

impl Prepare for () {
    type Node = ();
    type Txn = ();
    fn node(&self, _: &str, _: &DataNode<'_>) {}
    fn txn(&self, _: &LoggedTxn) {}
}

/// What a preparer knows of a node.
pub type PreparedNode<V> = <<V as SnapshotVisitor>::Preparer as Prepare>::Node;

/// Who is told what a snapshot holds, in its order.
pub trait SnapshotVisitor: Sized {
    /// Prepares nodes, and transactions.
    type Preparer: Prepare;

    /// Whoever prepares what comes now.
    fn preparer(&self) -> Self::Preparer;

    /// So many bytes were read of so many, with the logs that come next: of a snapshot whose length is known.
    fn progress(&mut self, _read: u64, _total: u64) {}

    /// A session that was open.
    fn session(&mut self, id: SessionId, timeout_ms: i32);

    /// An ACL and the number that nodes refer to it by.
    fn acl(&mut self, id: i64, acl: Vec<Acl>);

    /// These nodes come next.
    fn expect<'n>(&mut self, _nodes: impl Iterator<Item = &'n PreparedNode<Self>>)
    where
        PreparedNode<Self>: 'n,
    {
    }

    /// A node, after its parent; the root has the path "". What is borrowed has to be copied.
    ///
    /// # Errors
    /// The node cannot be; the snapshot is then taken for damaged.
    fn node(&mut self, path: &str, node: DataNode<'_>, prepared: PreparedNode<Self>) -> Result<(), String>;
}

/// A snapshot that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotError {
    /// It is not whole.
    Damage(Damage),
    /// It is whole, and has another version.
    Version(i32),
}

impl From<Damage> for SnapshotError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// Reads a whole snapshot file.
///
/// # Errors
/// It is not whole, or its version is not known.
pub fn read_snapshot(
    file: &[u8],
    compression: Compression,
    visitor: &mut impl SnapshotVisitor,
) -> Result<SnapshotTail, SnapshotError> {
    read_ahead(file, compression, Ahead::default(), visitor)
}

/// How a snapshot is read at a start.
#[derive(Clone, Copy, Default)]
pub(super) struct Ahead<'d> {
    /// Has a second thread, perhaps.
    pub(super) disk: Option<&'d dyn Disk>,
    /// So many bytes of log are read next.
    pub(super) logged: u64,
}

/// The same, on two threads if the disk has them.
pub(super) fn read_ahead(
    file: &[u8],
    compression: Compression,
    ahead: Ahead<'_>,
    visitor: &mut impl SnapshotVisitor,
) -> Result<SnapshotTail, SnapshotError> {
    let mut source = Source::new(file, compression)?;
    let FileHeader { magic, version, .. } = source.record(|reader| Ok(FileHeader::decode(reader)?))?;
    if magic != SNAPSHOT_MAGIC {
        return Err(Damage { offset: 0, kind: DamageKind::Magic(magic) }.into());
    }
    for _ in 0..read_count(&mut source)? {
        let (id, timeout_ms) =
            source.record(|reader| Ok((SessionId::decode(reader)?, i32::decode(reader)?)))?;
        visitor.session(id, timeout_ms);
    }
    for _ in 0..read_count(&mut source)? {
        let (id, acl) = source.record(|reader| Ok((i64::decode(reader)?, Vec::<Acl>::decode(reader)?)))?;
        visitor.acl(id, acl);
    }
    read_nodes(&mut source, ahead, visitor)?;
    read_seal(&mut source)?;
    let tail = read_tail(&mut source)?;
    if version != FILE_VERSION {
        return Err(SnapshotError::Version(version));
    }
    Ok(tail)
}

fn read_count(source: &mut Source<'_>) -> Result<i32, Damage> {
    source.record(|reader| Ok(i32::decode(reader)?))
}

fn read_nodes(
    source: &mut Source<'_>,
    Ahead { disk, logged }: Ahead<'_>,
    visitor: &mut impl SnapshotVisitor,
) -> Result<(), Damage> {
    let preparer = visitor.preparer();
    if let Some(whole) = source.whole() {
        let mut batches = Batches { whole, preparer, ended: false };
        return ahead(disk, &mut batches, |batches| take_nodes(batches, logged, visitor));
    }
    let mut read_one = |reader: &mut Reader<'_>| {
        let Some((path, node)) = read_node(reader)? else { return Ok(false) };
        let prepared = preparer.node(&path, &node);
        visitor.node(&path, node, prepared).map_err(RecordError::Rejected)?;
        Ok(true)
    };
    while source.record(&mut read_one)? {}
    Ok(())
}

/// The next node with its path; `None` at the end of the nodes.
fn read_node<'a>(reader: &mut Reader<'a>) -> Result<Option<(Cow<'a, str>, DataNode<'a>)>, DecodeError> {
    let path = Cow::<str>::decode(reader)?;
    if path == "/" {
        return Ok(None);
    }
    Ok(Some((path, DataNode::decode(reader)?)))
}

/// A decoded node.
struct Node<'a, P> {
    offset: u64,
    path: Cow<'a, str>,
    node: DataNode<'a>,
    prepared: P,
}

/// Some nodes, and what is wrong behind them.
struct Batch<'a, P> {
    nodes: Vec<Node<'a, P>>,
    damage: Option<Damage>,
    /// Where it ends, and the file.
    progress: (u64, u64),
}

/// Makes the batches, and the checksum of what is in them.
struct Batches<'s, 'a, P> {
    whole: Whole<'s, 'a>,
    preparer: P,
    ended: bool,
}

impl<'a, P: Prepare> Iterator for Batches<'_, 'a, P> {
    type Item = Batch<'a, P::Node>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut nodes = Vec::with_capacity(BATCH_NODES);
        let mut damage = None;
        let end = self.whole.offset() + BATCH_LEN;
        while !self.ended && self.whole.offset() < end {
            let offset = self.whole.offset();
            match self.whole.record(read_node) {
                Ok(Some((path, node))) => {
                    let prepared = self.preparer.node(&path, &node);
                    nodes.push(Node { offset, path, node, prepared });
                }
                Ok(None) => self.ended = true,
                Err(found) => {
                    damage = Some(found);
                    self.ended = true;
                }
            }
        }
        self.whole.hash();
        Some(Batch { nodes, damage, progress: self.whole.progress() })
    }
}

/// Hands the nodes over.
fn take_nodes<V: SnapshotVisitor>(
    batches: &mut dyn Iterator<Item = Batch<'_, PreparedNode<V>>>,
    logged: u64,
    visitor: &mut V,
) -> Result<(), Damage> {
    for Batch { nodes, damage, progress: (read, total) } in batches {
        visitor.expect(nodes.iter().map(|node| &node.prepared));
        for Node { offset, path, node, prepared } in nodes {
            let rejected = |reason| Damage { offset, kind: DamageKind::Rejected(reason) };
            visitor.node(&path, node, prepared).map_err(rejected)?;
        }
        if let Some(damage) = damage {
            return Err(damage);
        }
        visitor.progress(read, total.saturating_add(logged));
    }
    Ok(())
}

/// The seal behind the nodes.
fn read_seal(source: &mut Source<'_>) -> Result<(), Damage> {
    let (offset, hash) = (source.offset(), source.checksum());
    let whole = source.record(|reader| Ok(is_seal(reader, &hash)?))?;
    if whole { Ok(()) } else { Err(Damage { offset, kind: DamageKind::Seal }) }
}

fn is_seal(reader: &mut Reader<'_>, hash: &Adler32) -> Result<bool, DecodeError> {
    let stored = i64::decode(reader)?;
    let path = Cow::<str>::decode(reader)?;
    Ok(stored == i64::from(hash.finish()) && path == "/")
}

/// What follows the first seal: a digest, a last zxid, both or neither, told apart by their own seals.
fn read_tail(source: &mut Source<'_>) -> Result<SnapshotTail, Damage> {
    while source.rest().len() <= TAIL_MAX && source.refill()? {}
    let hash = source.checksum();
    let rest = source.rest();
    let parts = [(true, true), (true, false), (false, true), (false, false)];
    let read = |(digest, last_zxid)| {
        Tail { input: Reader::new(rest), all: rest, hash: hash.clone() }.read(digest, last_zxid)
    };
    let kind = if rest.len() > TAIL_MAX { DamageKind::TrailingBytes } else { DamageKind::Seal };
    parts.into_iter().find_map(read).ok_or_else(|| Damage { offset: source.offset(), kind })
}

/// One way to read the bytes behind the first seal.
struct Tail<'a> {
    input: Reader<'a>,
    all: &'a [u8],
    /// Of everything before.
    hash: Adler32,
}

impl Tail<'_> {
    fn read(mut self, digest: bool, last_zxid: bool) -> Option<SnapshotTail> {
        let digest = if digest { Some(self.sealed(read_digest)?) } else { None };
        let last_zxid = if last_zxid { Some(self.sealed(read_zxid)?) } else { None };
        // A server that has no digest yet writes zeros.
        let digest = digest.filter(|digest| digest.zxid > Zxid::ZERO);
        (self.input.remaining() == 0).then_some(SnapshotTail { digest, last_zxid })
    }

    /// A record and its seal.
    fn sealed<T>(&mut self, decode: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>) -> Option<T> {
        let start = self.input.offset();
        let value = decode(&mut self.input).ok()?;
        let sealed = self.input.offset();
        self.hash.write(&self.all[start..sealed]);
        let whole = is_seal(&mut self.input, &self.hash).ok()?;
        self.hash.write(&self.all[sealed..self.input.offset()]);
        whole.then_some(value)
    }
}

fn read_zxid(reader: &mut Reader<'_>) -> Result<Zxid, DecodeError> {
    Zxid::decode(reader)
}

/// `DataTree.ZxidDigest`; versions before 2 hold the digest as text.
fn read_digest(reader: &mut Reader<'_>) -> Result<ZxidDigest, DecodeError> {
    let zxid = Zxid::decode(reader)?;
    let version = i32::decode(reader)?;
    let digest = if version < 2 {
        let text = Option::<Cow<'_, str>>::decode(reader)?;
        text.and_then(|text| i64::from_str_radix(&text, 16).ok()).unwrap_or(0)
    } else {
        i64::decode(reader)?
    };
    Ok(ZxidDigest { zxid, version, digest })
}

#[cfg(test)]
mod tests;
