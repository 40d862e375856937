//! TRUNC and SNAP: what a leader has a member forget, and what it puts in its place.
//!
//! Both change the files under the log's writer, which has nothing open meanwhile, and goes on behind the new end. Nobody
//! may write a snapshot of the old history any more, and nobody read logs.
//!
//! Invariants: where the history cannot be cut, nothing was changed; whatever is cut short, a start finds the old
//! history (of which the end may be gone already, but nothing before the cut), or all of the new one.

use super::{
    cut::{complete_installs, cut_logs, cut_snapshots, next_logged, next_snapshot},
    disk::{Disk, list, sync_dir},
    error::StoreError,
    log::TxnLog,
    names::{self, Compression, SnapshotName},
    recovery::{Recovered, RecoveryOptions, RecoverySink, follows, recover_through, vouch},
    snapshot_body::{BodyEnd, BodyError},
    snapshot_source::unpacked,
    snapshot_writer::SnapshotWriter,
    told::keep_told,
};
use oxkeeper_codec::Zxid;
use std::{
    io::{self, Read as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// So much is copied at once.
const COPY_LEN: usize = 256 << 10;
/// What a file has before the sessions ([`oxkeeper_codec::records::FileHeader`]), in bytes.
const FILE_HEADER_LEN: usize = 16;

/// TRUNC: the history is to end at a transaction of the leader's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    zxid: Zxid,
    /// What is there was seen to lead to it, and may be cut by now.
    is_begun: bool,
}

impl Truncation {
    /// Behind `zxid` nothing stays.
    pub const fn behind(zxid: Zxid) -> Self {
        Self { zxid, is_begun: false }
    }

    /// Cuts the history, durably, and rebuilds the state as it was there: `sink` hears of it as in [`super::recover`]. What is
    /// pending in the log is committed first.
    ///
    /// [`Recovered::last_zxid`] is where the history ends now: the zxid of the leader's, or the last transaction before it, if there is
    /// none of this number.
    ///
    /// # Errors
    /// [`StoreError::CutTooFar`]: no snapshot is whole and old enough, or the logs do not lead from it to there; nothing was
    /// changed. Other errors before the cut say that the state there cannot be rebuilt, and nothing was changed, either. When the
    /// disk fails in the midst of it, it may be tried again, with a `sink` that has heard nothing; nothing may be appended before.
    pub fn run(
        &mut self,
        log: &mut TxnLog,
        snap_disk: &dyn Disk,
        options: RecoveryOptions,
        sink: &mut impl RecoverySink,
    ) -> Result<Recovered, StoreError> {
        log.settle()?;
        let log_disk = Arc::clone(log.disk());
        let too_far = || StoreError::CutTooFar { dir: snap_disk.dir().to_path_buf(), wanted: self.zxid };
        let mut recovered = match recover_through(snap_disk, &*log_disk, options, Some(self.zxid), sink) {
            Err(StoreError::NoSnapshot { .. }) if !self.is_begun => return Err(too_far()),
            result => result?,
        };
        let last = recovered.last_zxid;
        // What an earlier attempt has cut, nothing follows.
        let leads_there = self.is_begun || last == self.zxid || is_followed(snap_disk, &*log_disk, last)?;
        if recovered.is_empty() || !leads_there {
            return Err(too_far());
        }
        self.is_begun = true;
        let removed = cut_logs(&*log_disk, last)?;
        recovered.logs.retain(|name| !removed.contains(name));
        cut_snapshots(snap_disk, last, &recovered.beyond)?;
        recovered.repairs.logs.clear();
        vouch(snap_disk, &*log_disk, &recovered)?;
        log.end_at(last);
        Ok(recovered)
    }
}

/// Whether the logs show that nothing is missing behind this transaction: they go on, or that was the last one of all. A
/// snapshot in between comes from a leader, who need not have had the same transactions before it.
fn is_followed(snap_disk: &dyn Disk, log_disk: &dyn Disk, last: Zxid) -> Result<bool, StoreError> {
    let snapshot = next_snapshot(snap_disk, last)?;
    Ok(match next_logged(log_disk, last)? {
        Some(next) => follows(last, next) && snapshot.is_none_or(|snapshot| snapshot >= next),
        None => snapshot.is_none(),
    })
}

/// A snapshot that is coming from a leader, under a name that no start takes. Dropped before its end, it leaves nothing.
#[derive(Debug)]
pub struct SnapshotReceiver {
    disk: Arc<dyn Disk>,
    snapshot: SnapshotName,
    temporary: String,
    writer: SnapshotWriter,
    body: BodyEnd,
}

impl SnapshotReceiver {
    /// For the snapshot that SNAP with this zxid announces.
    ///
    /// # Errors
    /// The disk fails.
    pub fn create(disk: Arc<dyn Disk>, zxid: Zxid, compression: Compression) -> Result<Self, StoreError> {
        let snapshot = SnapshotName { zxid, compression };
        // Whoever drops an earlier one of the same transaction removes that, and nothing of this one.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = names::temporary_name(&format!("{}.{number}", names::install_name(snapshot)));
        let writer = SnapshotWriter::create_as(Arc::clone(&disk), snapshot, temporary.clone())?;
        Ok(Self { disk, snapshot, temporary, writer, body: BodyEnd::new() })
    }

    /// Takes what has come, and says how many of these bytes belong to the snapshot: all, until it is
    /// [complete](SnapshotReceiver::is_complete). Behind it stands [`oxkeeper_codec::learner::SNAPSHOT_END`].
    ///
    /// # Errors
    /// The disk fails, or this is no snapshot: the link is of no use any more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, StoreError> {
        let taken = self.body.find(bytes).map_err(|BodyError { offset, len }| StoreError::BadStream {
            zxid: self.snapshot.zxid,
            offset,
            len,
        })?;
        self.writer.write(&bytes[..taken])?;
        Ok(taken)
    }

    /// Whether all of it is there.
    pub const fn is_complete(&self) -> bool {
        self.body.is_found()
    }

    /// Makes it durable, still under that name.
    ///
    /// # Errors
    /// The disk fails: there is no snapshot.
    pub fn finish(self) -> Result<ReceivedSnapshot, StoreError> {
        assert!(self.is_complete(), "the snapshot has come to its end");
        let Self { disk, snapshot, temporary, writer, .. } = self;
        writer.finish_unnamed()?;
        Ok(ReceivedSnapshot::of_file(disk, snapshot, temporary))
    }
}

/// A snapshot from a leader, whole and durable, and not the state yet. Dropped before it was to be installed, it leaves nothing; after
/// an attempt that has failed, a start may find it installed.
#[derive(Debug)]
pub struct ReceivedSnapshot {
    disk: Arc<dyn Disk>,
    snapshot: SnapshotName,
    /// Its name, as long as it is to have no effect.
    temporary: Option<String>,
    /// The disk was told to give it its next name, and has said that it did not.
    was_tried: bool,
}

impl ReceivedSnapshot {
    /// A file of the disk that holds a whole snapshot, durably, under a name that no start takes.
    pub const fn of_file(disk: Arc<dyn Disk>, snapshot: SnapshotName, name: String) -> Self {
        Self { disk, snapshot, temporary: Some(name), was_tried: false }
    }

    /// A copy of a whole snapshot: without what a file has behind the znodes, which names its last transaction, so that it can be
    /// that of another one ([`ReceivedSnapshot::becomes`]).
    ///
    /// # Errors
    /// The disk fails, or the snapshot is not whole.
    pub fn copy_of(disk: &Arc<dyn Disk>, file: &[u8], name: SnapshotName) -> Result<Self, StoreError> {
        let mut receiver = SnapshotReceiver::create(Arc::clone(disk), name.zxid, name.compression)?;
        let path = disk.path(&receiver.temporary);
        let failed = |source| StoreError::io("copy", path.clone(), source);
        let mut buffer = vec![0; COPY_LEN];
        let mut body = unpacked(file, name.compression).map_err(failed)?;
        body.read_exact(&mut buffer[..FILE_HEADER_LEN]).map_err(failed)?;
        while !receiver.is_complete() {
            match body.read(&mut buffer) {
                Ok(0) => return Err(failed(io::ErrorKind::UnexpectedEof.into())),
                Ok(len) => _ = receiver.write(&buffer[..len])?,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(failed(source)),
            }
        }
        receiver.finish()
    }

    /// It will be the state behind this transaction.
    pub const fn becomes(&mut self, zxid: Zxid) {
        self.snapshot.zxid = zxid;
    }

    /// Its transaction.
    pub const fn zxid(&self) -> Zxid {
        self.snapshot.zxid
    }

    /// Puts it in the place of all that there is, durably: what is behind its transaction in logs and snapshots goes. What is
    /// pending in the log is committed first. [`super::recover`] finds this state afterwards, and with it
    /// [`super::told_with_snapshot`] what the leader has told of the configuration.
    ///
    /// # Errors
    /// The disk fails. A start finds the old state or the new one. It may be tried again; nothing may be appended before.
    pub fn install(&mut self, log: &mut TxnLog, told: Option<&str>) -> Result<(), StoreError> {
        log.settle()?;
        let (disk, log_disk) = (&*self.disk, Arc::clone(log.disk()));
        complete_installs(disk, &*log_disk)?;
        if let Some(temporary) = &self.temporary {
            if let Some(told) = told {
                keep_told(disk, self.snapshot.zxid, told)?;
            }
            let files = list(disk)?;
            let is_there = |name: &str| files.iter().any(|file| file.name == name);
            let was_done = self.was_tried && !is_there(temporary) && is_there(&self.snapshot.file_name());
            if !was_done {
                self.was_tried = true;
                let name = names::install_name(self.snapshot);
                disk.rename(temporary, &name)
                    .map_err(|source| StoreError::io("install", disk.path(&name), source))?;
            }
            self.temporary = None;
        }
        complete_installs(disk, &*log_disk)?;
        // What an attempt before has done need not be durable. Were the snapshot to be installed once more, it would take what
        // is appended from now on.
        sync_dir(disk)?;
        log.end_at(self.snapshot.zxid);
        Ok(())
    }
}

impl Drop for ReceivedSnapshot {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Best effort: what stays is removed at the next start.
            let _ = self.disk.remove(temporary);
        }
    }
}

#[cfg(test)]
mod tests;
