//! Autopurge (`PurgeTxnLog`): keeps the newest snapshots and every log needed to replay from the oldest of them.
//!
//! Invariants: fewer than three snapshots are never kept; a snapshot that is not whole does not count and stays, so that
//! damage never makes an older, whole one go. A packed one among those to be kept is unpacked for that: nothing else tells
//! that it was cut. What is kept is durable before anything goes.

use super::{
    disk::{Disk, FileEntry, list, remove, sorted_logs, sync_dir},
    error::StoreError,
    names::{self, Compression, SnapshotName},
    snapshot_source::unpacks_to,
};
use oxkeeper_codec::{
    Decode, Zxid,
    file::{FILE_HEADER_LEN, SNAPSHOT_MAGIC},
};
use std::io;

/// Fewer snapshots are never kept.
pub const KEEP_MIN: usize = 3;
/// The path "/", with which every snapshot ends.
const END_PATH: &[u8] = b"\0\0\0\x01/";

/// What may go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PurgePlan {
    /// In the snapshot directory.
    pub snapshots: Vec<String>,
    /// In the log directory.
    pub logs: Vec<String>,
}

impl PurgePlan {
    /// Plans from names alone: `snapshots` are those that count.
    pub fn new(snapshots: &[SnapshotName], logs: &[Zxid], keep: usize) -> Self {
        let mut newest_first = snapshots.to_vec();
        newest_first.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.zxid));
        let Some(oldest) = newest_first.iter().take(keep.max(KEEP_MIN)).next_back().map(|kept| kept.zxid)
        else {
            return Self::default();
        };
        // The last log that begins at or before the snapshot may go on behind it.
        let first_log = logs.iter().copied().filter(|&first| first <= oldest).max();
        let mut plan = Self::default();
        for snapshot in newest_first.iter().rev().filter(|snapshot| snapshot.zxid < oldest) {
            plan.snapshots.push(snapshot.file_name());
        }
        let mut old: Vec<_> = logs.iter().copied().filter(|&first| Some(first) < first_log).collect();
        old.sort();
        plan.logs = old.into_iter().map(names::log_name).collect();
        plan
    }

    /// Whether nothing may go.
    pub const fn is_empty(&self) -> bool {
        self.snapshots.is_empty() && self.logs.is_empty()
    }

    /// Removes what may go, the oldest first.
    ///
    /// # Errors
    /// The disk fails; what is left may be removed at the next time.
    pub fn carry_out(&self, snap_disk: &dyn Disk, log_disk: &dyn Disk) -> Result<(), StoreError> {
        // Logs first: a snapshot without its logs is only slower to start from, never wrong.
        for (disk, names) in [(log_disk, &self.logs), (snap_disk, &self.snapshots)] {
            for name in names {
                remove(disk, name)?;
            }
        }
        Ok(())
    }
}

/// Removes what is no longer needed, the oldest first. Returns what was removed.
///
/// # Errors
/// The disk fails; what is left may be removed at the next time.
pub fn purge(snap_disk: &dyn Disk, log_disk: &dyn Disk, keep: usize) -> Result<PurgePlan, StoreError> {
    let plan = begin_purge(snap_disk, log_disk, keep)?;
    plan.carry_out(snap_disk, log_disk)?;
    Ok(plan)
}

/// What [`purge`] would remove.
///
/// # Errors
/// The disk fails.
pub fn plan_purge(snap_disk: &dyn Disk, log_disk: &dyn Disk, keep: usize) -> Result<PurgePlan, StoreError> {
    Ok(plan(snap_disk, log_disk, keep)?.0)
}

/// The same, to be removed in this order, logs first: the snapshots that count and stay are durable now. Official servers do not see
/// to that, and a disk may have failed in it.
///
/// # Errors
/// The disk fails, or one of those is gone meanwhile: nothing may go.
pub fn begin_purge(snap_disk: &dyn Disk, log_disk: &dyn Disk, keep: usize) -> Result<PurgePlan, StoreError> {
    let (plan, snapshots) = plan(snap_disk, log_disk, keep)?;
    if !plan.is_empty() {
        let names = snapshots.into_iter().map(SnapshotName::file_name);
        for name in names.filter(|name| !plan.snapshots.contains(name)) {
            snap_disk.sync(&name).map_err(|source| StoreError::io("sync", snap_disk.path(&name), source))?;
        }
        sync_dir(snap_disk)?;
    }
    Ok(plan)
}

/// The plan, and the snapshots that count.
fn plan(
    snap_disk: &dyn Disk,
    log_disk: &dyn Disk,
    keep: usize,
) -> Result<(PurgePlan, Vec<SnapshotName>), StoreError> {
    let files = list(snap_disk)?;
    let mut named: Vec<_> =
        files.iter().filter_map(|file| Some((SnapshotName::parse(&file.name)?, file))).collect();
    named.sort_by_key(|(name, _)| std::cmp::Reverse(name.zxid));
    let mut snapshots = Vec::new();
    for (name, file) in named {
        let kept = snapshots.len() < keep.max(KEEP_MIN);
        let whole = looks_whole(snap_disk, file, name.compression)
            .and_then(|looks| Ok(looks && (!kept || is_whole(snap_disk, file, name.compression)?)));
        if whole.map_err(|source| StoreError::io("read", snap_disk.path(&file.name), source))? {
            snapshots.push(name);
        }
    }
    let logs: Vec<_> = sorted_logs(&list(log_disk)?).into_iter().map(|(first, _)| first).collect();
    Ok((PurgePlan::new(&snapshots, &logs, keep), snapshots))
}

/// A cheap look at start and end, as the official server takes it (`SnapStream.isValidSnapshot`).
fn looks_whole(disk: &dyn Disk, file: &FileEntry, compression: Compression) -> io::Result<bool> {
    let head = disk.read_range(&file.name, 0, FILE_HEADER_LEN)?;
    if head.len() < FILE_HEADER_LEN {
        return Ok(false);
    }
    Ok(match compression {
        Compression::None => {
            let end = disk.read_range(&file.name, file.len.saturating_sub(5), END_PATH.len())?;
            i32::from_slice(&head) == Ok(SNAPSHOT_MAGIC) && end == END_PATH
        }
        Compression::Gzip => head.starts_with(&[0x1f, 0x8b]),
        Compression::Snappy => head.starts_with(b"\x82SNAPPY\0"),
    })
}

/// Whether a packed snapshot is all there; of others the end was seen already.
fn is_whole(disk: &dyn Disk, file: &FileEntry, compression: Compression) -> io::Result<bool> {
    if compression == Compression::None {
        return Ok(true);
    }
    Ok(unpacks_to(&disk.read(&file.name)?, compression, END_PATH))
}

#[cfg(test)]
mod tests;
