//! Writing snapshots beside the traffic, and purging old ones: one thread, fed with pieces by the sequencer.

use super::{
    hub::Hub,
    mailbox::Message,
    taken::{Askers, TakenSnapshot},
};
use crate::{
    config::{Config, SnapshotCompression},
    server::{
        clock,
        figures::{Basic, Count},
    },
    storage::{
        Compression, Disk, PurgePlan, SnapshotTail, SnapshotWriter, StoreError, ZxidDigest, begin_purge,
    },
    topics,
    tree::Snapshotter,
};
use oxkeeper_codec::{Zxid, file::DIGEST_VERSION};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// Pieces that may wait; more, and the sequencer holds back.
const ROOM: usize = 8;

/// One step of a snapshot.
#[derive(Debug)]
pub(crate) enum Step {
    /// Begins the snapshot of this zxid, for these besides.
    Begin(Zxid, Askers),
    /// A piece of its body.
    Piece(Vec<u8>),
    /// The body is complete.
    End(SnapshotTail),
    /// It is given up.
    Abandon,
    /// The server stops.
    Stop,
}

/// The thread's queue.
#[derive(Debug, Default)]
pub(crate) struct SnapshotQueue {
    steps: Mutex<VecDeque<Step>>,
    arrived: Condvar,
}

impl SnapshotQueue {
    /// Leaves a step.
    pub(crate) fn send(&self, step: Step) {
        self.steps.lock().push_back(step);
        self.arrived.notify_one();
    }

    /// Whether another piece may be left.
    pub(crate) fn has_room(&self) -> bool {
        self.steps.lock().len() < ROOM
    }

    /// The next step; `None` after `wait` without one. Tells whether there is room again.
    fn take(&self, wait: Duration) -> (Option<Step>, bool) {
        let mut steps = self.steps.lock();
        if steps.is_empty() {
            self.arrived.wait_for(&mut steps, wait);
        }
        let was_full = steps.len() >= ROOM;
        let step = steps.pop_front();
        (step, was_full)
    }
}

/// The snapshot under way, if there is one.
struct UnderWay {
    writer: Option<SnapshotWriter>,
    zxid: Zxid,
    askers: Askers,
    began: Instant,
}

impl UnderWay {
    /// Whoever asked hears of it, or that there is none. Nobody may wait any more.
    fn tell(&mut self, name: Option<&str>) {
        let taken = name.map(|name| TakenSnapshot { name: name.to_owned(), zxid: self.zxid });
        self.askers.drain(..).for_each(|asker| drop(asker.send(taken.clone())));
    }
}

/// The thread's state.
pub(crate) struct SnapshotThread {
    hub: Arc<Hub>,
    queue: Arc<SnapshotQueue>,
    snap_disk: Arc<dyn Disk>,
    log_disk: Arc<dyn Disk>,
}

/// The compression that the storage layer is told.
pub(crate) const fn compression(configured: SnapshotCompression) -> Compression {
    match configured {
        SnapshotCompression::None => Compression::None,
        SnapshotCompression::Gzip => Compression::Gzip,
        SnapshotCompression::Snappy => Compression::Snappy,
    }
}

/// What stands behind the znodes of a snapshot.
pub(super) fn tail(config: &Config, snapshotter: &Snapshotter) -> SnapshotTail {
    let zxid = snapshotter.zxid();
    let digest = ZxidDigest { zxid, version: DIGEST_VERSION, digest: snapshotter.digest().cast_signed() };
    SnapshotTail {
        digest: config.tree.digest_enabled.then_some(digest),
        last_zxid: config.storage.serialize_last_processed_zxid.then_some(zxid),
    }
}

impl SnapshotThread {
    pub(crate) fn new(
        hub: Arc<Hub>,
        queue: Arc<SnapshotQueue>,
        snap_disk: Arc<dyn Disk>,
        log_disk: Arc<dyn Disk>,
    ) -> Self {
        Self { hub, queue, snap_disk, log_disk }
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(self) {
        let mut under_way = UnderWay { writer: None, zxid: Zxid(0), askers: Vec::new(), began: clock::now() };
        let purge_every = self.hub.config.storage.purge_interval_ms.map(Duration::from_millis);
        let mut next_purge = purge_every.map(|_| clock::now());
        loop {
            let wait =
                next_purge.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(clock::now()));
            let (step, was_full) = self.queue.take(wait);
            if was_full {
                self.hub.mailbox.send(Message::SnapshotRoom);
            }
            match step {
                Some(Step::Stop) => return,
                Some(step) => self.step(&mut under_way, step),
                None => {}
            }
            if let (Some(at), Some(every)) = (next_purge, purge_every)
                && clock::now() >= at
            {
                next_purge = Some(clock::now() + every);
                self.purge();
            }
        }
    }

    fn step(&self, under_way: &mut UnderWay, step: Step) {
        let result = match step {
            Step::Begin(zxid, askers) => {
                under_way.tell(None);
                (under_way.zxid, under_way.askers, under_way.began) = (zxid, askers, clock::now());
                self.begin(zxid).map(|begun| under_way.writer = Some(begun))
            }
            Step::Piece(bytes) => under_way.writer.as_mut().map_or(Ok(()), |writer| writer.write(&bytes)),
            Step::End(tail) => match under_way.writer.take() {
                Some(finished) => self.end(finished, tail).map(|name| {
                    self.count(under_way.began);
                    under_way.tell(Some(&name));
                }),
                None => {
                    under_way.tell(None);
                    self.hub.mailbox.send(Message::SnapshotEnded);
                    Ok(())
                }
            },
            Step::Abandon => {
                under_way.writer = None;
                under_way.tell(None);
                self.hub.mailbox.send(Message::SnapshotEnded);
                Ok(())
            }
            Step::Stop => Ok(()),
        };
        if let Err(error) = result {
            tracing::error!(target: topics::DATA, %error, "the snapshot could not be written; the next one will be tried in time");
            under_way.writer = None;
            under_way.tell(None);
            self.hub.stats.snapshots.count(Count::SnapshotErrors).add(1);
        }
    }

    fn count(&self, began: Instant) {
        let took = clock::now() - began;
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.hub.stats.snapshots.basic(Basic::SnapshotTime).record(took_ms);
    }

    fn begin(&self, zxid: Zxid) -> Result<SnapshotWriter, StoreError> {
        let compression = compression(self.hub.config.storage.snapshot_compression);
        SnapshotWriter::create(Arc::clone(&self.snap_disk), zxid, compression)
    }

    /// The name of its file.
    fn end(&self, writer: SnapshotWriter, tail: SnapshotTail) -> Result<String, StoreError> {
        let written = writer.finish(&tail);
        self.hub.mailbox.send(Message::SnapshotEnded);
        let written = written?;
        tracing::info!(target: topics::DATA, file = written.name, bytes = written.unpacked_len, "snapshot written");
        Ok(written.name)
    }

    fn purge(&self) {
        let keep = usize::try_from(self.hub.config.storage.purge_retain_count).unwrap_or(usize::MAX);
        match self.plan_and_purge(keep) {
            Ok(plan) if plan.is_empty() => {}
            Ok(plan) => {
                tracing::info!(target: topics::DATA, snapshots = plan.snapshots.len(), logs = plan.logs.len(), "purged")
            }
            Err(error) => {
                tracing::error!(target: topics::DATA, %error, "old snapshots and logs could not be purged")
            }
        }
    }

    /// Whoever replaces the history does not wait for the plan, for which snapshots may have to be unpacked; a plan that one has overtaken is
    /// left to the next purge.
    fn plan_and_purge(&self, keep: usize) -> Result<PurgePlan, StoreError> {
        let before = *self.hub.replacements.lock();
        let plan = begin_purge(&*self.snap_disk, &*self.log_disk, keep);
        let replacements = self.hub.replacements.lock();
        if *replacements != before {
            // Files may have gone meanwhile, which is no fault.
            return Ok(PurgePlan::default());
        }
        let plan = plan?;
        plan.carry_out(&*self.snap_disk, &*self.log_disk)?;
        Ok(plan)
    }
}
