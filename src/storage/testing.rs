//! What the tests of storage, and of what relies on it, share: transactions, a small tree as sink, whole directories in memory.
//!
//! Only compiled for tests.

use super::{
    Compression, Disk, LogOptions, MemoryDisk, Recovered, RecoveryOptions, RecoverySink, SnapshotTail,
    SnapshotVisitor, SnapshotWriter, StoreError, TxnLog, ZxidDigest, recover,
};
use bytes::Bytes;
use oxkeeper_codec::{
    ByteStr, Encode, OpCode, Perms, SessionId, Zxid,
    records::{Acl, CreateSessionTxn, CreateTxn, DataNode, Id, StatPersisted, TxnDigest, TxnHeader},
    txn::{LoggedTxn, Txn},
};
use std::{collections::BTreeMap, sync::Arc};

/// A transaction that opens session 1, as it is logged.
pub(crate) fn opens_session(zxid: Zxid) -> Vec<u8> {
    let header = TxnHeader { client_id: SessionId(1), cxid: 0, zxid, time: 0, op: OpCode::CREATE_SESSION };
    let txn = Txn::CreateSession(CreateSessionTxn { time_out: 1000 });
    let mut body = Vec::new();
    LoggedTxn { header, txn, digest: None }.encode(&mut body);
    body
}

/// A transaction that creates `/n<zxid>` with so much data.
pub(super) fn txn(zxid: i64, data_len: usize) -> LoggedTxn {
    let path = format!("/n{zxid:x}");
    let data = (0..data_len).map(|i| u8::try_from(i % 251 + 1).unwrap()).collect::<Vec<_>>();
    let create = CreateTxn {
        path: ByteStr::from(path),
        data: Some(Bytes::from(data)),
        acl: vec![world()],
        ephemeral: false,
        parent_cversion: 1,
    };
    with_record(zxid, Txn::Create(create))
}

pub(super) fn with_record(zxid: i64, txn: Txn) -> LoggedTxn {
    let header = TxnHeader {
        client_id: SessionId(0x1234_5678_9abc),
        cxid: 7,
        zxid: Zxid(zxid),
        time: 1_700_000_000_000,
        op: txn.op(),
    };
    LoggedTxn { header, txn, digest: Some(TxnDigest { version: 2, tree_digest: zxid * 31 }) }
}

pub(super) fn body(txn: &LoggedTxn) -> Vec<u8> {
    let mut out = Vec::new();
    txn.encode(&mut out);
    out
}

pub(super) fn world() -> Acl {
    Acl {
        perms: Perms::ALL,
        id: Id { scheme: ByteStr::from_static("world"), id: ByteStr::from_static("anyone") },
    }
}

/// Options for small logs.
pub(super) const SMALL: LogOptions =
    LogOptions { prealloc_bytes: 4096, size_limit_bytes: None, force_sync: true };

/// A log with these transactions, each with 20 bytes of data, as it lies on the disk.
pub(super) fn log_file(zxids: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let txns: Vec<_> = zxids.into_iter().map(|zxid| txn(zxid, 20)).collect();
    log_of(&txns)
}

pub(super) fn log_of(txns: &[LoggedTxn]) -> Vec<u8> {
    let disk = MemoryDisk::new("/d");
    let mut log = TxnLog::new(Arc::new(disk.clone()), SMALL, Vec::new());
    for txn in txns {
        log.append(txn.header.zxid, &body(txn)).unwrap();
    }
    log.commit().unwrap();
    let name = log.current_name().unwrap().to_owned();
    disk.content(&name).unwrap()
}

/// The body of a snapshot: a session, an ACL, the root, and one node `/n<i>` for each number.
pub(super) fn snapshot_body(nodes: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let mut out = Vec::new();
    1i32.encode(&mut out);
    SessionId(0x77).encode(&mut out);
    30_000i32.encode(&mut out);
    1i32.encode(&mut out);
    1i64.encode(&mut out);
    vec![world()].encode(&mut out);
    let stat = StatPersisted {
        czxid: Zxid(0),
        mzxid: Zxid(0),
        ctime: 0,
        mtime: 0,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: 0,
        pzxid: Zxid(0),
    };
    let mut node = |path: &str, data: Option<&[u8]>| {
        path.encode(&mut out);
        DataNode { data, acl: 1, stat: stat.clone() }.encode(&mut out);
    };
    node("", Some(b""));
    for i in nodes {
        node(&format!("/n{i:x}"), (i % 3 != 0).then_some(&[1, 2, 3]));
    }
    "/".encode(&mut out);
    out
}

/// Writes a snapshot of nodes `1..=zxid`.
pub(super) fn write_snapshot(disk: &MemoryDisk, zxid: i64, compression: Compression) {
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), Zxid(zxid), compression).unwrap();
    let count = zxid & 0xffff_ffff;
    for piece in snapshot_body(1..=count).chunks(100) {
        writer.write(piece).unwrap();
    }
    let digest = ZxidDigest { zxid: Zxid(zxid), version: 2, digest: 99 };
    writer
        .finish(&SnapshotTail { digest: (zxid > 0).then_some(digest), last_zxid: Some(Zxid(zxid)) })
        .unwrap();
}

/// The nodes, by path, with the zxid of the transaction that made them (0: from the snapshot).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<String, i64>,
    pub(super) sessions: BTreeMap<i64, i32>,
    pub(super) acls: BTreeMap<i64, Vec<Acl>>,
    pub(super) tail: SnapshotTail,
    pub(super) zxids: Vec<i64>,
}

impl SnapshotVisitor for Tree {
    fn session(&mut self, id: SessionId, timeout_ms: i32) {
        self.sessions.insert(id.0, timeout_ms);
    }
    fn acl(&mut self, id: i64, acl: Vec<Acl>) {
        self.acls.insert(id, acl);
    }
    type Preparer = ();
    fn preparer(&self) {}
    fn node(&mut self, path: &str, _: DataNode<'_>, (): ()) -> Result<(), String> {
        let old = self.nodes.insert(path.to_owned(), 0);
        if old.is_some() { Err(format!("{path} is there twice")) } else { Ok(()) }
    }
}

impl RecoverySink for Tree {
    fn restart(&mut self) {
        *self = Self::default();
    }
    fn snapshot_end(&mut self, _: Zxid, tail: SnapshotTail) -> Result<(), String> {
        self.tail = tail;
        Ok(())
    }
    fn txn(&mut self, txn: LoggedTxn, (): ()) -> Result<(), String> {
        self.zxids.push(txn.header.zxid.0);
        match &txn.txn {
            Txn::Create(create) if create.path == "/forbidden" => return Err("no".into()),
            Txn::Create(create) => drop(self.nodes.insert(create.path.to_string(), txn.header.zxid.0)),
            _ => {}
        }
        assert!(txn.header.op != OpCode::MULTI, "not used here");
        Ok(())
    }
}

/// Recovers a directory that holds both snapshots and logs.
pub(super) fn recovered(disk: &dyn Disk) -> Result<(Recovered, Tree), StoreError> {
    let mut tree = Tree::default();
    recover(disk, disk, RecoveryOptions::default(), &mut tree).map(|recovered| (recovered, tree))
}

/// What a start says, or the text of its refusal.
pub(super) fn last_zxid(disk: &dyn Disk) -> Result<i64, String> {
    recovered(disk).map(|(recovered, _)| recovered.last_zxid.0).map_err(|error| error.to_string())
}

/// `snapshot.0` and these files.
pub(super) fn directory(files: &[(&str, &[u8])]) -> MemoryDisk {
    let disk = MemoryDisk::new("/d");
    write_snapshot(&disk, 0, Compression::None);
    for (name, content) in files {
        disk.put(name, content);
    }
    disk
}
