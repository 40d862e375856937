//! The configuration that a leader has told of together with its snapshot: a file beside it, `oxkeeper-told.<zxid hex>`, until
//! the files of the configuration have it. Official servers pass it over.
//!
//! Invariant: it counts as soon as its snapshot does, and not before. It is durable before the snapshot has a name that a start
//! takes, and names the same transaction.

use super::{
    disk::{Disk, list, remove, replace_file, sync_dir},
    error::StoreError,
    names::{self, SnapshotName},
};
use oxkeeper_codec::Zxid;

/// Keeps this text for the snapshot of this transaction, durably.
pub(super) fn keep_told(disk: &dyn Disk, zxid: Zxid, text: &str) -> Result<(), StoreError> {
    replace_file(disk, &names::told_name(zxid), text.as_bytes())
}

/// The text that came with the newest snapshot that a leader has sent, unless it was [forgotten](forget_told). Snapshots that are to be
/// installed are, already ([`super::recover`]).
///
/// # Errors
/// The disk fails.
pub fn told_with_snapshot(disk: &dyn Disk) -> Result<Option<String>, StoreError> {
    let files = list(disk)?;
    let is_there =
        |zxid| files.iter().any(|file| SnapshotName::parse(&file.name).is_some_and(|it| it.zxid == zxid));
    let told = files.iter().filter_map(|file| names::parse_told_name(&file.name));
    let Some(zxid) = told.filter(|&zxid| is_there(zxid)).max() else { return Ok(None) };
    let name = names::told_name(zxid);
    let text = disk.read(&name).map_err(|source| StoreError::io("read", disk.path(&name), source))?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// The files of the configuration have it, or a later one.
///
/// # Errors
/// The disk fails.
pub fn forget_told(disk: &dyn Disk) -> Result<(), StoreError> {
    let files = list(disk)?.into_iter().map(|file| file.name);
    let told: Vec<_> = files.filter(|name| names::parse_told_name(name).is_some()).collect();
    if told.is_empty() {
        return Ok(());
    }
    told.iter().try_for_each(|name| remove(disk, name))?;
    sync_dir(disk)
}
