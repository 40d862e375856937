//! Transaction logs and snapshots as bytes: a reader that checks what it reads, and a writer for made-up logs.

use crate::client::Outcome;
use crate::wire::{In, Out};
use std::fs;
use std::path::{Path, PathBuf};

/// The checksum of logs and snapshots.
pub(crate) fn adler32(bytes: &[u8]) -> i64 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65521;
        high = (high + low) % 65521;
    }
    i64::from(high << 16 | low)
}

/// One entry of a log.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: i64,
    pub(super) cxid: i32,
    pub(super) zxid: i64,
    pub(super) time: i64,
    pub(super) kind: i32,
    /// The record and what follows it.
    pub(super) rest: Vec<u8>,
}

/// The entries of a log; anything but whole entries and zeros is an error.
pub(super) fn read_log(path: &Path) -> Outcome<Vec<Entry>> {
    let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut from = In(&bytes);
    let head = (from.take(4).map(<[u8]>::to_vec), from.int(), from.long());
    if head != (Some(b"ZKLG".to_vec()), Some(2), Some(0)) {
        return Err(format!("{}: header {head:?}", path.display()));
    }
    let mut entries = Vec::new();
    loop {
        let mut next = || Some((from.long()?, from.buf()??));
        let Some((checksum, bytes)) = next().filter(|(_, bytes)| !bytes.is_empty()) else { break };
        if adler32(bytes) != checksum || from.take(1) != Some(b"B") {
            return Err(format!("{}: entry {} is broken", path.display(), entries.len()));
        }
        let mut entry = In(bytes);
        let mut read = || {
            let (session, cxid, zxid) = (entry.long()?, entry.int()?, entry.long()?);
            let (time, kind) = (entry.long()?, entry.int()?);
            Some(Entry { session, cxid, zxid, time, kind, rest: entry.0.to_vec() })
        };
        entries.push(read().ok_or_else(|| format!("{}: short entry", path.display()))?);
    }
    if from.0.iter().any(|byte| *byte != 0) {
        return Err(format!("{}: not only zeros behind the last entry", path.display()));
    }
    Ok(entries)
}

/// Writes a log of made-up transactions of nobody's session, numbered from a zxid; gives its bytes.
pub(super) fn forged_log(first: i64, transactions: &[(i32, Vec<u8>)]) -> Vec<u8> {
    forged_log_of(0, first, transactions)
}

/// The same of a given session.
pub(super) fn forged_log_of(session: i64, first: i64, transactions: &[(i32, Vec<u8>)]) -> Vec<u8> {
    let mut log = Out::new().raw(b"ZKLG").int(2).long(0).done();
    for (zxid, (kind, record)) in (first..).zip(transactions) {
        let time = crate::transcript::now_ms();
        let entry = Out::new().long(session).int(0).long(zxid).long(time).int(*kind).raw(record).done();
        log.extend(Out::new().long(adler32(&entry)).buf(Some(&entry)).raw(b"B").done());
    }
    log
}

/// One node of a snapshot.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) path: String,
    pub(super) data: Option<Vec<u8>>,
    pub(super) acl: i64,
    pub(super) czxid: i64,
    pub(super) version: i32,
    pub(super) cversion: i32,
    pub(super) aversion: i32,
    pub(super) owner: i64,
    pub(super) pzxid: i64,
}

/// A snapshot.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) sessions: Vec<(i64, i32)>,
    pub(super) acls: Vec<(i64, Vec<u8>)>,
    pub(super) nodes: Vec<Node>,
    /// Lengths of the parts behind the tree, each with its own seal.
    pub(super) trailers: Vec<usize>,
}

struct Reader<'a> {
    all: &'a [u8],
    from: In<'a>,
}

impl Reader<'_> {
    /// The checksum of everything before, and "/".
    fn seal(&mut self) -> Option<()> {
        let before = self.all.len() - self.from.0.len();
        let checksum = self.from.long()?;
        (checksum == adler32(&self.all[..before]) && self.from.str()? == "/").then_some(())
    }

    fn node(&mut self) -> Option<Node> {
        let path = self.from.str()?;
        if path == "/" {
            return Some(Node {
                path,
                data: None,
                acl: 0,
                czxid: 0,
                version: 0,
                cversion: 0,
                aversion: 0,
                owner: 0,
                pzxid: 0,
            });
        }
        let data = self.from.buf()?.map(<[u8]>::to_vec);
        let (acl, czxid) = (self.from.long()?, self.from.long()?);
        let _ = self.from.take(24)?;
        let (version, cversion, aversion) = (self.from.int()?, self.from.int()?, self.from.int()?);
        let (owner, pzxid) = (self.from.long()?, self.from.long()?);
        Some(Node { path, data, acl, czxid, version, cversion, aversion, owner, pzxid })
    }

    fn snapshot(&mut self) -> Option<Snapshot> {
        let mut read = Snapshot::default();
        for _ in 0..self.from.int()? {
            read.sessions.push((self.from.long()?, self.from.int()?));
        }
        for _ in 0..self.from.int()? {
            let index = self.from.long()?;
            let start = self.from.0;
            for _ in 0..self.from.int()? {
                let _ = (self.from.int()?, self.from.buf()?, self.from.buf()?);
            }
            read.acls.push((index, start[..start.len() - self.from.0.len()].to_vec()));
        }
        loop {
            let node = self.node()?;
            if node.path == "/" {
                break;
            }
            read.nodes.push(node);
        }
        self.seal()?;
        for length in [20, 8] {
            if self.from.0.is_empty() {
                break;
            }
            self.from.take(length)?;
            self.seal()?;
            read.trailers.push(length);
        }
        self.from.0.is_empty().then_some(read)
    }
}

/// Reads a snapshot and checks its header and every seal.
pub(super) fn read_snapshot(path: &Path) -> Outcome<Snapshot> {
    let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut from = In(&bytes);
    let head = (from.take(4).map(<[u8]>::to_vec), from.int(), from.long());
    if head != (Some(b"ZKSN".to_vec()), Some(2), Some(-1)) {
        return Err(format!("{}: header {head:?}", path.display()));
    }
    let mut reader = Reader { all: &bytes, from };
    let read = reader.snapshot();
    read.ok_or_else(|| format!("{}: broken, {} bytes left", path.display(), reader.from.0.len()))
}

/// Files whose name is a prefix and a hexadecimal zxid, in the order of their numbers.
pub(super) fn numbered(directory: &Path, prefix: &str) -> Vec<(i64, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<(i64, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((i64::from_str_radix(name.strip_prefix(prefix)?, 16).ok()?, entry.path()))
        })
        .collect();
    found.sort();
    found
}
