//! The log writer: one thread that appends whole batches, syncs once for all that waits, and says what is durable.
//!
//! Invariant: `Persisted` is said only of what a sync that has returned covers. After a failure nothing is said
//! until everything that was given is durable in a fresh file. Of an observer without a disk `Persisted` says only that an entry was
//! taken: what the disk has stays whole, and of its own epoch.

use super::{
    history,
    hub::Hub,
    log_queue::{Entries, History, LogQueue, Replacement, Work},
    mailbox::Message,
    sequencing::Sequencing,
};
use crate::{
    config::{self, DynamicFiles},
    server::{
        clock,
        figures::{Basic, Count, Detailed},
    },
    storage::{Committed, Disk, EpochFile, Epochs, StoreError, TxnLog, forget_told},
    topics,
};
use oxkeeper_codec::{ServerId, Zxid};
use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Between two attempts to write to a disk that refuses.
const RETRY: Duration = Duration::from_secs(1);

/// The thread's state.
pub(crate) struct LogWriter {
    hub: Arc<Hub>,
    queue: Arc<LogQueue>,
    sequencing: Sequencing,
    log: TxnLog,
    /// Where snapshots and epochs are.
    snap_disk: Arc<dyn Disk>,
    /// The last entry that was given, or of a snapshot that took the place of all.
    last: Zxid,
    /// Where the history on the disk ends, while this member observes without a disk.
    kept: Option<Zxid>,
    /// The server stops, and an epoch was not stored: no history comes that relies on it.
    gave_up: bool,
    warn_after: Duration,
    /// Entries in one sync (`maxBatchSize`).
    max_batch: usize,
    /// When the last sync ended.
    flushed: Instant,
}

impl LogWriter {
    /// With the log, and where snapshots and epochs are. `last`: where the history ends.
    pub(crate) fn new(
        hub: Arc<Hub>,
        queue: Arc<LogQueue>,
        sequencing: Sequencing,
        (log, snap_disk): (TxnLog, Arc<dyn Disk>),
        last: Zxid,
    ) -> Self {
        let warn_after = Duration::from_millis(hub.config.storage.fsync_warning_threshold_ms);
        let max_batch = hub.config.batching.max_batch_size.and_then(|size| usize::try_from(size).ok());
        let max_batch = max_batch.unwrap_or(usize::MAX);
        let flushed = clock::now();
        let (kept, gave_up) = (None, false);
        Self { hub, queue, sequencing, log, snap_disk, last, kept, gave_up, warn_after, max_batch, flushed }
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut stop = false;
        while !stop {
            let work = self.queue.take();
            let work = self.gather(work);
            let taken = clock::now();
            let (mut queued, mut bytes) = (Vec::new(), 0);
            for item in work {
                match item {
                    Work::Append(entries, _) if self.kept.is_some() => {
                        bytes += entries.shared_bytes();
                        self.pass_over(&entries);
                    }
                    Work::Append(entries, since) => {
                        bytes += entries.shared_bytes();
                        queued.push((since, u64::try_from(entries.len()).unwrap_or(u64::MAX)));
                        match &entries {
                            Entries::Batch(batch) => {
                                batch.entries().for_each(|(zxid, body)| self.append(zxid, body));
                            }
                            Entries::Shared(shared) => {
                                shared.iter().for_each(|(zxid, body)| self.append(*zxid, body));
                            }
                        }
                    }
                    Work::StoreEpoch(file, epoch) => self.store_epoch(file, epoch),
                    Work::StoreNext(next) => {
                        self.keep_members(|files, _| files.store_next(next.as_ref()));
                        self.tell(Message::NextStored);
                    }
                    Work::Activate(membership) => {
                        self.keep_members(|files, me| files.activate(&membership, me));
                    }
                    Work::KeepNothing => self.keep_nothing(),
                    Work::Replace(replacement) => self.replace(replacement),
                    Work::Roll => self.log.roll(),
                    Work::Stop => stop = true,
                }
            }
            let appended = clock::now();
            self.queue.stored(bytes);
            self.commit(stop);
            self.flushed = clock::now();
            self.count(&queued, taken, appended);
        }
        if let Err(error) = self.log.close() {
            tracing::error!(target: topics::DATA, %error, "the log could not be closed");
        }
    }

    /// Waits for more to share the sync with (`SyncRequestProcessor.shouldFlush`, `getRemainingDelay`): until
    /// `flushDelay` has passed since the last sync, there is `maxBatchSize`, or nothing comes for
    /// `maxWriteQueuePollTime`.
    fn gather(&self, mut work: Vec<Work>) -> Vec<Work> {
        let batching = &self.hub.config.batching;
        let until = self.flushed + Duration::from_millis(batching.flush_delay_ms);
        let poll = Duration::from_millis(batching.max_poll_ms);
        while entries(&work) < self.max_batch && work.iter().all(Work::may_wait) {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                break;
            }
            let mut more = self.queue.take_within(left.min(poll));
            if more.is_empty() {
                break;
            }
            work.append(&mut more);
        }
        work
    }

    /// Counts one wake-up: batches by when they were handed over, with their transactions; then when they were taken and
    /// appended.
    fn count(&self, queued: &[(Instant, u64)], taken: Instant, appended: Instant) {
        if queued.is_empty() {
            return;
        }
        let entries = queued.iter().map(|(_, entries)| entries).sum();
        let (sheet, synced) = (&self.hub.stats.log_writer, clock::now());
        sheet.basic(Basic::SyncQueueSize).record(entries);
        sheet.basic(Basic::SyncProcessTime).record_shared(ms(appended - taken), entries);
        sheet.detailed(Detailed::SyncFlushTime).record(ms(synced - appended));
        for &(since, entries) in queued {
            sheet.detailed(Detailed::SyncQueueTime).record_times(ms(taken - since), entries);
            sheet.detailed(Detailed::SyncQueueAndFlushTime).record_times(ms(synced - since), entries);
        }
    }

    /// Appends an entry; what goes beyond `maxBatchSize` is synced before.
    fn append(&mut self, zxid: Zxid, body: &[u8]) {
        if self.log.pending() >= self.max_batch {
            self.commit(false);
        }
        if let Err(error) = self.log.append(zxid, body) {
            // The largest packet is far below the largest entry.
            panic!("the transaction {zxid} cannot be logged: {error}");
        }
        self.last = zxid;
    }

    /// From now on the disk gets none of the entries. What it has is left closed.
    fn keep_nothing(&mut self) {
        self.commit(false);
        self.until_it_works("the log", |writer| writer.log.settle());
        self.kept = Some(self.last);
        tracing::info!(target: topics::DATA, zxid = %self.last, "observing without a disk (syncEnabled=false): what comes behind this transaction is in memory only");
    }

    /// The disk gets none of these.
    fn pass_over(&mut self, entries: &Entries) {
        if let Entries::Shared(shared) = entries
            && let Some(&(zxid, _)) = shared.last()
        {
            self.last = zxid;
            self.persisted(zxid);
        }
    }

    /// Stores an epoch once everything before is durable. Where the disk has not got all that belongs to it, it keeps the epoch of
    /// what it has.
    fn store_epoch(&mut self, file: EpochFile, epoch: i64) {
        self.commit(false);
        let behind = self.kept.filter(|&kept| kept < self.last && file == EpochFile::Current);
        let mut has_failed = false;
        let stored = self.until_it_works(file.name(), |writer| {
            let stored = match behind {
                None => file.store(&*writer.snap_disk, epoch),
                Some(kept) => {
                    Epochs::read(&*writer.snap_disk, kept).and_then(|it| it.settle(&*writer.snap_disk))
                }
            };
            // A leader that promises for an operator's snapshot keeps the others waiting no more than for the snapshot.
            if stored.is_err() && !std::mem::replace(&mut has_failed, true) {
                writer.hub.mailbox.send(Message::LogFailed);
            }
            stored
        });
        if has_failed && stored.is_some() {
            self.hub.mailbox.send(Message::LogRecovered);
        }
        match stored {
            Some(()) => self.tell(Message::EpochStored(file, epoch)),
            None => self.gave_up = true,
        }
    }

    /// Writes files of the configuration, once everything before is durable; what a leader has told before is in them, then.
    fn keep_members(&mut self, write: impl Fn(&DynamicFiles, ServerId) -> io::Result<()>) {
        self.commit(false);
        if self.write_files(write) {
            self.until_it_works("the configuration", |writer| forget_told(&*writer.snap_disk));
        }
    }

    /// Writes files of the configuration. Where they may not be written, as on a mounted template, it goes on without, as the
    /// official server does: what is known then is what the others tell.
    fn write_files(&mut self, write: impl Fn(&DynamicFiles, ServerId) -> io::Result<()>) -> bool {
        let hub = Arc::clone(&self.hub);
        let Some(config::Ensemble { files: Some(files), my_id, .. }) = &hub.config.ensemble else {
            return false;
        };
        while let Err(error) = write(files, *my_id) {
            tracing::error!(target: topics::PEERS, %error, "the files of the configuration beside zoo.cfg cannot be written: a start would begin with the old ones");
            let invalid = error.kind() == io::ErrorKind::InvalidData;
            if invalid || DynamicFiles::is_forbidden(&error) || hub.stopping.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(RETRY);
        }
        true
    }

    /// Makes the history that of the leader, or of the files. A disk that fails in it is told as one that takes no entry: whoever leads,
    /// and is to have an operator's snapshot, does not keep the others waiting.
    fn replace(&mut self, replacement: Option<Replacement>) {
        if self.gave_up {
            return;
        }
        self.commit(false);
        let (mut state, mut epochs) = (None, None);
        if let Some(mut replacement) = replacement {
            let goes_back = matches!(replacement, Replacement::GoBack);
            let mut has_failed = false;
            let done = self.until_it_works("the history", |writer| {
                let Self { hub, snap_disk, log, .. } = writer;
                let mut replacements = hub.replacements.lock();
                *replacements += 1;
                match history::replace(&hub.config, &**snap_disk, log, &mut replacement) {
                    Err(error @ StoreError::CutTooFar { .. }) => Ok(Err(error)),
                    Err(error) => {
                        // Nobody could take over from a server that is alone.
                        if hub.config.ensemble.is_some() && !std::mem::replace(&mut has_failed, true) {
                            hub.mailbox.send(Message::LogFailed);
                        }
                        Err(error)
                    }
                    Ok(state) => Ok(Ok(state)),
                }
            });
            if has_failed && done.is_some() {
                self.hub.mailbox.send(Message::LogRecovered);
            }
            match done {
                Some(Ok(replaced)) => {
                    self.last = replaced.tree.last_zxid();
                    self.kept = self.kept.filter(|_| !goes_back).map(|_| self.last);
                    state = Some(replaced);
                    if goes_back {
                        epochs = self.until_it_works("the epochs", |writer| {
                            let epochs = Epochs::read(&*writer.snap_disk, writer.last)?;
                            epochs.settle(&*writer.snap_disk).map(|()| epochs)
                        });
                    }
                }
                Some(Err(error)) => {
                    tracing::error!(target: topics::DATA, %error, "the leader wants the history cut where it cannot be");
                }
                // The server stops.
                None => return,
            }
        }
        self.tell(Message::Replaced(History { last: self.last, state, epochs }));
    }

    /// Does it again and again, unless the server stops.
    fn until_it_works<T>(
        &mut self,
        what: &str,
        mut work: impl FnMut(&mut Self) -> Result<T, StoreError>,
    ) -> Option<T> {
        loop {
            match work(self) {
                Ok(done) => return Some(done),
                Err(error) => {
                    tracing::error!(target: topics::DATA, %error, "{what} cannot be stored; trying again");
                }
            }
            if self.hub.stopping.load(Ordering::Relaxed) {
                return None;
            }
            std::thread::sleep(RETRY);
        }
    }

    fn tell(&self, message: Message) {
        self.hub.mailbox.leave(message);
        self.sequencing.take_turn();
    }

    fn commit(&mut self, stopping: bool) {
        let began = clock::now();
        let result = self.log.commit();
        match result {
            Ok(committed) => self.committed(committed, clock::now() - began),
            Err(error) => self.recover(&error, stopping),
        }
    }

    /// `took`: a disk that stands still may hold up the write already, and not only the sync.
    fn committed(&self, committed: Committed, took: Duration) {
        if took > self.warn_after && committed.entries > 0 {
            self.hub.stats.slow_syncs.add(1);
            tracing::warn!(
                target: topics::DATA,
                commit_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                sync_ms = u64::try_from(committed.sync_time.as_millis()).unwrap_or(u64::MAX),
                entries = committed.entries,
                bytes = committed.bytes,
                "writing and syncing the transaction log took long; this holds up every write"
            );
        }
        if committed.entries > 0 {
            let sheet = &self.hub.stats.log_writer;
            let entries = u64::try_from(committed.entries).unwrap_or(u64::MAX);
            sheet.count(Count::SyncQueued).add(entries);
            sheet.basic(Basic::SyncBatchSize).record(entries);
            sheet.basic(Basic::FsyncTime).record(ms(committed.sync_time));
        }
        if let Some(zxid) = committed.through {
            self.persisted(zxid);
        }
    }

    /// Has it applied. Where there are cores for it, the next sync does not wait for that.
    fn persisted(&self, zxid: Zxid) {
        // A worker has one, and the thread for other members.
        let busy = if self.hub.config.ensemble.is_some() { 2 } else { 1 };
        if self.hub.workers.len() <= busy || self.queue.is_empty() {
            self.hub.mailbox.leave(Message::Persisted(zxid));
            self.sequencing.take_turn();
        } else {
            self.hub.mailbox.send(Message::Persisted(zxid));
        }
    }

    /// Tries again until the disk takes what it was given.
    fn recover(&mut self, error: &StoreError, stopping: bool) {
        tracing::error!(target: topics::DATA, %error, pending = self.log.pending(), "the transaction log cannot be written: writes are refused, reads go on");
        self.hub.stats.log_writer.count(Count::Unrecoverable).add(1);
        self.hub.mailbox.send(Message::LogFailed);
        loop {
            let stop = self.hub.stopping.load(Ordering::Relaxed);
            if stopping || stop {
                tracing::error!(
                    target: topics::DATA,
                    pending = self.log.pending(),
                    "stopping with entries that the disk did not take; none of them was acknowledged"
                );
                return;
            }
            std::thread::sleep(RETRY);
            let began = clock::now();
            match self.log.retry() {
                Ok(committed) => {
                    tracing::info!(target: topics::DATA, "the transaction log takes writes again");
                    self.committed(committed, clock::now() - began);
                    self.hub.mailbox.send(Message::LogRecovered);
                    return;
                }
                Err(error) => {
                    tracing::debug!(target: topics::DATA, %error, "the transaction log still cannot be written")
                }
            }
        }
    }
}

/// How many entries are to be appended.
fn entries(work: &[Work]) -> usize {
    work.iter().map(|work| if let Work::Append(entries, _) = work { entries.len() } else { 0 }).sum()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
