//! Takes the end of the history away, so that no start can bring it back; and lets a fetched snapshot take its place.
//!
//! Invariants: whenever it is cut short, a start finds the whole history or one that ends at some place not before the
//! cut, and never a hole; from the moment that a fetched snapshot has its [`names::install_name`], durably, it is what a start
//! finds, and nothing that was logged before. No log is open meanwhile.

use super::{
    disk::{Disk, list, remove, sorted_logs, sync_dir},
    error::StoreError,
    log_reader::LogReader,
    names::{self, SnapshotName},
};
use oxkeeper_codec::Zxid;

/// Removes all that the logs have behind this transaction, durably. The log that it stands in gets its exact length
/// (`FileTxnLog.truncate`); damage behind it goes, too.
///
/// Logs go from the newest to the oldest, and all of them before the snapshots: a start takes logs that end before the
/// newest snapshot begins, but none that begin behind a hole. Returns the logs that are gone.
pub(super) fn cut_logs(disk: &dyn Disk, last: Zxid) -> Result<Vec<String>, StoreError> {
    let mut logs = sorted_logs(&list(disk)?);
    let behind = logs.split_off(logs.partition_point(|&(first, _)| first <= last));
    let mut removed: Vec<String> = behind.into_iter().rev().map(|(_, name)| name).collect();
    removed.iter().try_for_each(|name| remove(disk, name))?;
    // Also where nothing was left to remove: an attempt before may have failed behind that.
    sync_dir(disk)?;
    let Some((_, name)) = logs.pop() else { return Ok(removed) };
    match end_of(disk, &name, last)? {
        None => {
            remove(disk, &name)?;
            sync_dir(disk)?;
            removed.push(name);
        }
        // Also where it ends there already: whoever cut it may have been killed before that was durable.
        Some(end) => disk
            .truncate(&name, end)
            .map_err(|source| StoreError::io("truncate", disk.path(&name), source))?,
    }
    Ok(removed)
}

/// Where the entries of a log end that are not behind this transaction; `None` if there are none.
fn end_of(disk: &dyn Disk, name: &str, last: Zxid) -> Result<Option<u64>, StoreError> {
    let data = disk.read(name).map_err(|source| StoreError::io("read", disk.path(name), source))?;
    let Ok(mut reader) = LogReader::new(&data) else { return Ok(None) };
    let mut end = None;
    while let Ok(Some(entry)) = reader.next_entry()
        && entry.zxid <= last
    {
        end = Some(reader.so_far().offset);
    }
    Ok(end)
}

/// The first transaction in the logs behind this one.
pub(super) fn next_logged(disk: &dyn Disk, last: Zxid) -> Result<Option<Zxid>, StoreError> {
    let logs = sorted_logs(&list(disk)?);
    let begun = logs.partition_point(|&(first, _)| first <= last);
    if let Some((_, name)) = logs[..begun].last() {
        let data = disk.read(name).map_err(|source| StoreError::io("read", disk.path(name), source))?;
        if let Ok(mut reader) = LogReader::new(&data) {
            while let Ok(Some(entry)) = reader.next_entry() {
                if entry.zxid > last {
                    return Ok(Some(entry.zxid));
                }
            }
        }
    }
    Ok(logs.get(begun).map(|&(first, _)| first))
}

/// The first snapshot behind this transaction.
pub(super) fn next_snapshot(disk: &dyn Disk, last: Zxid) -> Result<Option<Zxid>, StoreError> {
    let zxids = list(disk)?.into_iter().filter_map(|file| Some(SnapshotName::parse(&file.name)?.zxid));
    Ok(zxids.filter(|&zxid| zxid > last).min())
}

/// Removes the snapshots behind this transaction, and these, durably. The newest goes last: whatever is older may have
/// been overruled by it, when it came from a leader.
pub(super) fn cut_snapshots(disk: &dyn Disk, last: Zxid, also: &[String]) -> Result<(), StoreError> {
    let mut snapshots: Vec<(Zxid, String)> = list(disk)?
        .into_iter()
        .filter_map(|file| Some((SnapshotName::parse(&file.name)?.zxid, file.name)))
        .filter(|(zxid, name)| *zxid > last || also.contains(name))
        .collect();
    snapshots.sort();
    snapshots.iter().try_for_each(|(_, name)| remove(disk, name))?;
    sync_dir(disk)
}

/// Has each snapshot that is to be installed take the place of what is behind its transaction. Done again, it does nothing. That it is to
/// be is durable before anything else is touched: whoever gave it that name may have been killed before it was.
pub(super) fn complete_installs(snap_disk: &dyn Disk, log_disk: &dyn Disk) -> Result<(), StoreError> {
    let mut installs: Vec<(SnapshotName, String)> = list(snap_disk)?
        .into_iter()
        .filter_map(|file| Some((names::parse_install_name(&file.name)?, file.name)))
        .collect();
    if installs.is_empty() {
        return Ok(());
    }
    sync_dir(snap_disk)?;
    installs.sort_by_key(|(snapshot, _)| snapshot.zxid);
    for (snapshot, name) in installs {
        cut_logs(log_disk, snapshot.zxid)?;
        cut_snapshots(snap_disk, snapshot.zxid, &others_of(snap_disk, snapshot)?)?;
        let file_name = snapshot.file_name();
        snap_disk
            .rename(&name, &file_name)
            .map_err(|source| StoreError::io("install", snap_disk.path(&file_name), source))?;
        sync_dir(snap_disk)?;
    }
    Ok(())
}

/// Snapshots of the same transaction that are packed in another way.
fn others_of(disk: &dyn Disk, snapshot: SnapshotName) -> Result<Vec<String>, StoreError> {
    let is_other = |name: &String| {
        SnapshotName::parse(name).is_some_and(|other| other.zxid == snapshot.zxid && other != snapshot)
    };
    Ok(list(disk)?.into_iter().map(|file| file.name).filter(is_other).collect())
}
