//! Writing snapshots beside the traffic, in the steps of `src/server/{sequencer,snapshots}.rs`.

use super::{core::Core, disk::NodeDisk, variant::Variant};
use oxkeeper::{
    node::{Node, Recipient},
    storage::{
        Compression, Disk, SnapshotTail, SnapshotWriter, StoreError, ZxidDigest, parse_log_name, purge,
    },
    tree::Tree,
};
use oxkeeper_codec::{Zxid, file::DIGEST_VERSION};
use std::{collections::VecDeque, sync::Arc};

/// Pieces that may wait.
const ROOM: usize = 3;
/// Snapshots that are kept.
const KEEP: usize = 3;

#[derive(Debug)]
enum Step {
    Begin(Zxid),
    Piece(Vec<u8>),
    End(SnapshotTail),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    None,
    Body,
    Ending,
}

/// The sequencer's part and the writer's part.
#[derive(Debug)]
pub(crate) struct Snapshots {
    variant: Variant,
    snap_disk: NodeDisk,
    log_disk: NodeDisk,
    phase: Phase,
    steps: VecDeque<Step>,
    writer: Option<SnapshotWriter>,
}

impl Snapshots {
    /// None is under way.
    pub(crate) fn new(variant: Variant, snap_disk: &NodeDisk, log_disk: &NodeDisk) -> Self {
        let (snap_disk, log_disk) = (snap_disk.clone(), log_disk.clone());
        Self { variant, snap_disk, log_disk, phase: Phase::None, steps: VecDeque::new(), writer: None }
    }

    /// Whether none is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::None
    }

    /// Whether the sequencer has more to write.
    pub(crate) fn has_more(&self) -> bool {
        self.phase == Phase::Body
    }

    /// Whether the writer has something to do.
    pub(crate) fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// One begins, of this moment.
    pub(crate) fn begin(&mut self, zxid: Zxid) {
        self.phase = Phase::Body;
        self.steps.push_back(Step::Begin(zxid));
    }

    /// The sequencer writes a slice. Whether the writer has something to do because of it.
    pub(crate) fn advance(&mut self, core: &mut Core, node: &mut Node, tree: &Tree) -> bool {
        if self.phase != Phase::Body || self.steps.len() >= ROOM {
            return false;
        }
        let budget = usize::try_from(core.rng.below(1500)).unwrap();
        let Some(piece) = node.snapshot_piece(Recipient::Disk, tree, budget) else { return false };
        self.steps.push_back(Step::Piece(piece.bytes));
        if piece.is_last {
            let snapshotter = node.snapshot(Recipient::Disk).expect("it has just ended");
            let (zxid, digest) = (snapshotter.zxid(), snapshotter.digest().cast_signed());
            node.end_snapshot(Recipient::Disk);
            self.phase = Phase::Ending;
            let digest = ZxidDigest { zxid, version: DIGEST_VERSION, digest };
            self.steps.push_back(Step::End(SnapshotTail { digest: Some(digest), last_zxid: Some(zxid) }));
        }
        true
    }

    /// The writer does one step. Whether the sequencer should look.
    pub(crate) fn step(&mut self, core: &mut Core) -> bool {
        let Some(step) = self.steps.pop_front() else { return false };
        let result = match step {
            Step::Begin(zxid) => {
                let disk: Arc<dyn Disk> = Arc::new(self.snap_disk.clone());
                SnapshotWriter::create(disk, zxid, Compression::None).map(|writer| self.writer = Some(writer))
            }
            Step::Piece(bytes) => self.writer.as_mut().map_or(Ok(()), |writer| writer.write(&bytes)),
            Step::End(tail) => {
                self.phase = Phase::None;
                self.writer.take().map_or(Ok(()), |writer| self.end(core, writer, tail))
            }
        };
        if result.is_err() {
            self.writer = None;
        }
        true
    }

    fn end(&self, core: &mut Core, writer: SnapshotWriter, tail: SnapshotTail) -> Result<(), StoreError> {
        writer.finish(&tail)?;
        core.check.snapshots += 1;
        if self.variant == Variant::SnapshotWithoutLog {
            let mut logs: Vec<_> = self.log_disk.list().unwrap_or_default();
            logs.retain(|file| parse_log_name(&file.name).is_some());
            logs.sort_by_key(|file| parse_log_name(&file.name));
            logs.pop();
            for log in logs {
                // It may fail: the power may.
                let _ = self.log_disk.remove(&log.name);
            }
        }
        Ok(())
    }

    /// Old snapshots and logs go.
    pub(crate) fn purge(&self) {
        // A disk that fails is tried again later.
        let _ = purge(&self.snap_disk, &self.log_disk, KEEP);
    }
}
