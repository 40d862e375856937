//! Directories written by each official release are read, and hold what their clients saw.
//!
//! `tests/storage_official/<version>` is a `version-2` directory of that server after `kill -9`, with the padding of
//! its logs shortened, and `tree.tsv`: what a client read just before: path, czxid, mzxid, version, ephemeral
//! owner, length and Adler-32 of the data (or `-` where it was not allowed to read).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use oxkeeper::storage::{
    LogRepair, MemoryDisk, Recovered, RecoveryOptions, RecoverySink, SnapshotTail, SnapshotVisitor, recover,
};
use oxkeeper_codec::{
    SessionId, Zxid,
    records::{Acl, CreateTxn, DataNode, SetDataTxn, TxnHeader},
    txn::{LoggedTxn, Txn},
};
use std::{collections::BTreeMap, fs, path::Path};

#[derive(Clone, Debug)]
struct Node {
    data: Vec<u8>,
    czxid: i64,
    mzxid: i64,
    version: i32,
    owner: i64,
}

/// Just enough of a tree to hold these directories.
#[derive(Default)]
struct Tree {
    nodes: BTreeMap<String, Node>,
    sessions: BTreeMap<i64, i32>,
    acls: usize,
    tail: SnapshotTail,
}

impl SnapshotVisitor for Tree {
    fn session(&mut self, id: SessionId, timeout_ms: i32) {
        self.sessions.insert(id.0, timeout_ms);
    }
    fn acl(&mut self, _: i64, acl: Vec<Acl>) {
        assert!(!acl.is_empty());
        self.acls += 1;
    }
    type Preparer = ();
    fn preparer(&self) {}
    fn node(&mut self, path: &str, node: DataNode<'_>, (): ()) -> Result<(), String> {
        let DataNode { data, stat, .. } = node;
        let path = if path.is_empty() { "/" } else { path };
        let node = Node {
            data: data.unwrap_or_default().to_vec(),
            czxid: stat.czxid.0,
            mzxid: stat.mzxid.0,
            version: stat.version,
            owner: stat.ephemeral_owner,
        };
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }
}

impl Tree {
    fn apply(&mut self, header: &TxnHeader, txn: &Txn) {
        match txn {
            Txn::Create(create) | Txn::Create2(create) => self.create(header, create),
            Txn::SetData(SetDataTxn { path, data, version }) => {
                if let Some(node) = self.nodes.get_mut(path.as_str()) {
                    node.data = data.as_deref().unwrap_or_default().to_vec();
                    node.mzxid = header.zxid.0;
                    node.version = *version;
                }
            }
            Txn::Delete(delete) => drop(self.nodes.remove(delete.path.as_str())),
            Txn::CreateSession(session) => drop(self.sessions.insert(header.client_id.0, session.time_out)),
            Txn::CloseSession(_) => {
                self.sessions.remove(&header.client_id.0);
                self.nodes.retain(|_, node| node.owner != header.client_id.0);
            }
            Txn::Multi(txns) if !txns.iter().any(|txn| matches!(txn, Txn::Error(_))) => {
                txns.iter().for_each(|txn| self.apply(header, txn));
            }
            _ => {}
        }
    }

    fn create(&mut self, header: &TxnHeader, create: &CreateTxn) {
        let node = Node {
            data: create.data.as_deref().unwrap_or_default().to_vec(),
            czxid: header.zxid.0,
            mzxid: header.zxid.0,
            version: 0,
            owner: if create.ephemeral { header.client_id.0 } else { 0 },
        };
        // A fuzzy snapshot may hold it already.
        self.nodes.entry(create.path.to_string()).or_insert(node);
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
        self.apply(&txn.header, &txn.txn);
        Ok(())
    }
}

fn fixture(version: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage_official").join(version)
}

fn directory(version: &str) -> MemoryDisk {
    let disk = MemoryDisk::new(version);
    for entry in fs::read_dir(fixture(version)).unwrap() {
        let entry = entry.unwrap();
        disk.put(entry.file_name().to_str().unwrap(), &fs::read(entry.path()).unwrap());
    }
    disk
}

fn check(version: &str) -> (Recovered, Tree) {
    let disk = directory(version);
    let mut tree = Tree::default();
    let recovered = recover(&disk, &disk, RecoveryOptions::default(), &mut tree).unwrap();
    let expected = fs::read_to_string(fixture(version).join("tree.tsv")).unwrap();
    let mut seen = 0;
    for line in expected.lines() {
        let (path, rest) = line.split_once('\t').unwrap();
        let node = tree.nodes.get(path).unwrap_or_else(|| panic!("{version}: {path} is missing"));
        let hash = simd_adler32::adler32(&node.data.as_slice());
        let Node { data, czxid, mzxid, version: changes, owner } = node;
        let found = format!("{czxid}\t{mzxid}\t{changes}\t{owner}\t{}\t{hash}", data.len());
        assert!(rest == "-" || rest == found, "{version}: {path}: {found} is not {rest}");
        seen += 1;
    }
    let others = tree.nodes.keys().filter(|path| path.starts_with("/zookeeper")).count();
    assert_eq!(tree.nodes.len(), seen + others, "{version}: no node too many");
    assert!(recovered.rejected.is_empty());
    let only_rewrites =
        recovered.repairs.logs.iter().all(|repair| matches!(repair, LogRepair::Rewrite { .. }));
    assert!(only_rewrites, "{version}: whole, but not closed");
    (recovered, tree)
}

#[test]
fn every_release_is_read() {
    for version in ["3.4.14", "3.5.10", "3.6.4", "3.7.2", "3.8.4", "3.9.5"] {
        let (recovered, tree) = check(version);
        assert!(recovered.txns > 0 && recovered.snapshot.is_some(), "{version}");
        assert!(tree.sessions.len() >= 2, "{version}: two clients were connected");
    }
}

#[test]
fn packed_snapshots_are_read() {
    for (version, end) in [("3.9.5-gz", ".gz"), ("3.9.5-snappy", ".snappy")] {
        let (recovered, tree) = check(version);
        assert!(recovered.snapshot.unwrap().name.ends_with(end));
        assert!(tree.tail.digest.is_some() && tree.tail.last_zxid.is_some());
    }
}

#[test]
fn what_follows_the_nodes_depends_on_the_release() {
    for (version, digest, last_zxid) in [
        ("3.4.14", false, false),
        ("3.5.10", false, false),
        ("3.6.4", true, false),
        ("3.7.2", true, false),
        ("3.8.4", true, false),
        ("3.9.5", true, true),
        ("3.9.5-nodigest", false, true),
    ] {
        let (_, tree) = check(version);
        let found = (tree.tail.digest.is_some(), tree.tail.last_zxid.is_some());
        assert_eq!(found, (digest, last_zxid), "{version}");
    }
}

#[test]
fn every_older_snapshot_leads_to_the_same_tree() {
    for version in ["3.5.10", "3.9.5", "3.9.5-gz"] {
        let (newest, _) = check(version);
        let disk = directory(version);
        disk.put(&newest.snapshot.unwrap().name, b"damaged");
        let mut tree = Tree::default();
        let older = recover(&disk, &disk, RecoveryOptions::default(), &mut tree).unwrap();
        assert_eq!(older.rejected.len(), 1);
        assert!(older.txns > newest.txns);
        assert_eq!(older.last_zxid, newest.last_zxid);
    }
}
