//! Starting from what the disks hold, as `src/server/start.rs` does.

use super::{check::TREE_OPTIONS, disk::NodeDisk, variant::Variant};
use oxkeeper::{
    recovery::Rebuild,
    session::encode_sessions,
    storage::{
        Compression, LogRepair, Recovered, RecoveryOptions, RecoverySink, SnapshotTail, SnapshotVisitor,
        SnapshotWriter, StoreError, ZxidDigest, recover, repair, vouch,
    },
    tree::{PreparedNode, PreparedTxn, Preparer, Snapshotter, Tree},
};
use oxkeeper_codec::{
    SessionId, Zxid,
    file::DIGEST_VERSION,
    records::{Acl, DataNode},
    txn::LoggedTxn,
};
use std::{collections::BTreeMap, sync::Arc};

/// Broken variant: does not hear of the sessions of a snapshot.
struct Forgetful<'a>(&'a mut Rebuild);

impl SnapshotVisitor for Forgetful<'_> {
    fn session(&mut self, _: SessionId, _: i32) {}

    fn acl(&mut self, id: i64, acl: Vec<Acl>) {
        self.0.acl(id, acl);
    }

    type Preparer = Preparer;

    fn preparer(&self) -> Preparer {
        self.0.preparer()
    }

    fn node(&mut self, path: &str, node: DataNode<'_>, prepared: PreparedNode) -> Result<(), String> {
        self.0.node(path, node, prepared)
    }
}

impl RecoverySink for Forgetful<'_> {
    fn restart(&mut self) {
        self.0.restart();
    }

    fn snapshot_end(&mut self, zxid: Zxid, tail: SnapshotTail) -> Result<(), String> {
        self.0.snapshot_end(zxid, tail)
    }

    fn txn(&mut self, txn: LoggedTxn, prepared: PreparedTxn) -> Result<(), String> {
        self.0.txn(txn, prepared)
    }

    fn end(&mut self) {
        self.0.end();
    }
}

/// What the disks hold.
pub(crate) type Loaded = (Tree, BTreeMap<SessionId, i32>, Recovered);

/// Reads what is there; on empty disks, writes the first snapshot. `None`: the disk or the power fails.
pub(crate) fn load(snap: &NodeDisk, log: &NodeDisk, variant: Variant) -> Option<Loaded> {
    let mut rebuild = Rebuild::new(TREE_OPTIONS);
    let options = RecoveryOptions::default();
    let recovered = if variant == Variant::SessionForgotten {
        recover(snap, log, options, &mut Forgetful(&mut rebuild))
    } else {
        recover(snap, log, options, &mut rebuild)
    };
    let mut recovered =
        recovered.unwrap_or_else(|error| panic!("the data is refused after a crash: {error}"));
    assert!(recovered.rejected.is_empty(), "every snapshot is whole: {:?}", recovered.rejected);
    assert!(rebuild.digest_mismatches.is_empty(), "digests of files and trees agree");
    // As a server's start: what the log writer can do later waits, and nobody starts with what may not be on the disk.
    if repair(snap, log, &mut recovered.repairs).is_err() {
        recovered.repairs.logs = LogRepair::postponed(std::mem::take(&mut recovered.repairs.logs))?;
    }
    vouch(snap, log, &recovered).ok()?;
    let (tree, sessions) = rebuild.finish_keeping_orphans();
    assert_eq!(tree.last_zxid(), recovered.last_zxid);
    if recovered.is_empty() && write_first_snapshot(snap, &tree).is_err() {
        return None;
    }
    Some((tree, sessions, recovered))
}

fn write_first_snapshot(disk: &NodeDisk, tree: &Tree) -> Result<(), StoreError> {
    let zxid = tree.last_zxid();
    let digest = ZxidDigest { zxid, version: DIGEST_VERSION, digest: tree.digest().cast_signed() };
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), zxid, Compression::None)?;
    let mut sessions = Vec::new();
    encode_sessions(std::iter::empty(), &mut sessions);
    writer.write(&sessions)?;
    Snapshotter::begin(tree).pieces(tree, usize::MAX).try_for_each(|piece| writer.write(&piece))?;
    writer.finish(&SnapshotTail { digest: Some(digest), last_zxid: Some(zxid) }).map(drop)
}
