//! A member's disk in files: the log, the snapshots, the epochs and the configuration, written, cut and read by the real storage, in
//! the steps of `src/server/sequence/log_writer.rs` and `src/server/start.rs`. Its power fails at any operation, also while it starts.
//!
//! [`crate::disk::Disk`] says what a disk may hold; after every start this has to be what it says of some part of the writes that
//! waited, from the front ([`Found`]).

use crate::{
    disk::{Entry, Write},
    node_disk::NodeDisk,
    rng::Rng,
    server::{State, TREE_OPTIONS, rebuild},
    variant::Variant,
    world::{Figure, Figures},
};
use oxkeeper::{
    membership::Membership,
    recovery::Rebuild,
    session::encode_sessions,
    storage::{
        Compression, Disk as _, EpochFile, Epochs, LogOptions, ReceivedSnapshot, Recovered, RecoveryOptions,
        SnapshotReceiver, SnapshotTail, SnapshotWriter, StoreError, Truncation, TxnLog, ZxidDigest,
        forget_told, purge, recover, repair, replace_file, told_with_snapshot, vouch,
    },
    tree::Snapshotter,
};
use oxkeeper_codec::{Zxid, file::DIGEST_VERSION};
use std::{collections::VecDeque, io, sync::Arc};

/// One operation in so many fails, and with it all until somebody tries again.
const FAILS_ONE_IN: i64 = 60;
/// Operations of the disk that a write takes, about.
const OPS: i64 = 8;
/// Snapshots that are kept.
const KEEP: usize = 3;
/// The files of the configuration in force, and of the next one.
const CONFIG: &str = "zoo.cfg.dynamic";
const NEXT: &str = "zoo.cfg.dynamic.next";

/// What a start has found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) epochs: (i64, i64),
    pub(crate) last: Zxid,
    pub(crate) configs: (Membership, Option<Membership>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) figures: Figures,
    rng: Rng,
    variant: Variant,
    /// Snapshots and epochs.
    disk: NodeDisk,
    logs: NodeDisk,
    conf: NodeDisk,
    log: TxnLog,
    /// The last entry that was given, or of a snapshot that took the place of all.
    last: Zxid,
    /// Where the history on the disk ends, while this member observes without a disk.
    kept: Option<Zxid>,
    /// A snapshot that is being written, and what comes at its end.
    snapshot: Option<(SnapshotWriter, SnapshotTail)>,
    /// What was read last, until somebody takes it.
    state: Option<State>,
}

impl Files {
    /// An empty directory, with a configuration beside it.
    pub(crate) fn new(seed: u64, variant: Variant, config: &Membership) -> Self {
        let disk = NodeDisk::new("/data");
        let (logs, conf) = (disk.beside("/logs"), disk.beside("/conf"));
        replace_file(&conf, CONFIG, config.to_string().as_bytes()).unwrap();
        let mut rng = Rng::new(seed);
        let log = log(&mut rng, &logs);
        let (last, kept, snapshot, state) = (Zxid::ZERO, None, None, None);
        let figures = Figures::default();
        let mut files = Self { figures, rng, variant, disk, logs, conf, log, last, kept, snapshot, state };
        files.load().expect("the power is there");
        if variant == Variant::SyncsSkipped {
            files.disk.skip_syncs();
        }
        files
    }

    /// What the files made of the history when they were read last.
    pub(crate) fn take_state(&mut self) -> Option<State> {
        self.state.take()
    }

    /// Takes a write, as often as the disk fails. What became of it: a history that cannot be cut stays as it is.
    pub(crate) fn take(&mut self, write: Write) -> Write {
        let begins_to_pass_over = matches!(write, Write::PassOver(_)) && self.kept.is_none();
        if !write.is_entry() || begins_to_pass_over {
            self.commit();
        }
        match &write {
            // What has come is put in place as often as that fails.
            Write::Install(zxid, history, told) => {
                let mut received = self.until_it_works(|files| files.receive(*zxid, history));
                self.until_it_works(|files| files.install(&mut received, told.as_ref()));
                write
            }
            Write::Truncate(zxid) => {
                let mut truncation = Truncation::behind(*zxid);
                self.until_it_works(|files| files.cut(&mut truncation, write.clone()))
            }
            _ => self.until_it_works(|files| files.try_to_take(write.clone())),
        }
    }

    /// Where the history on the disk ends.
    pub(crate) fn last(&self) -> Zxid {
        self.kept.unwrap_or(self.last)
    }

    /// The accepted and the current epoch, as their files have them.
    pub(crate) fn epochs(&self) -> (i64, i64) {
        let read = |file: EpochFile| file.read(&self.disk).unwrap().expect("a start writes it");
        (read(EpochFile::Accepted), read(EpochFile::Current))
    }

    /// All that was taken is durable.
    pub(crate) fn commit(&mut self) {
        let through = self.until_it_works(|files| files.log.retry()).through;
        assert!(through.is_none_or(|zxid| zxid == self.last()), "what is durable is said");
    }

    /// Nothing is wrong but that the disk does not work.
    fn is_down_after<T>(&self, result: &Result<T, StoreError>) {
        if let Err(error) = result {
            assert!(self.disk.is_down(), "nothing is wrong but the disk: {error}");
        }
    }

    fn until_it_works<T>(&mut self, mut work: impl FnMut(&mut Self) -> Result<T, StoreError>) -> T {
        loop {
            self.may_fail();
            let result = work(self);
            self.is_down_after(&result);
            self.disk.restart();
            if let Ok(done) = result {
                return done;
            }
            self.figures.count(Figure::TriesFailed, 1);
        }
    }

    fn may_fail(&mut self) {
        if self.rng.one_in(FAILS_ONE_IN) {
            self.fail_within(OPS);
        }
    }

    /// The disk fails within so many operations.
    fn fail_within(&mut self, ops: i64) {
        self.disk.fail_after(self.rng.below(ops), self.rng.one_in(2));
    }

    fn try_to_take(&mut self, write: Write) -> Result<Write, StoreError> {
        match &write {
            Write::Append((zxid, txn)) => {
                self.log.append(*zxid, txn)?;
                self.last = *zxid;
            }
            Write::PassOver(zxid) => {
                if self.kept.is_none() {
                    self.log.settle()?;
                    self.kept = Some(self.last);
                }
                self.last = *zxid;
            }
            Write::AcceptedEpoch(epoch) => EpochFile::Accepted.store(&self.disk, *epoch)?,
            Write::CurrentEpoch(epoch) => match self.kept.filter(|&kept| kept < self.last) {
                None => EpochFile::Current.store(&self.disk, *epoch)?,
                Some(kept) => Epochs::read(&self.disk, kept)?.settle(&self.disk)?,
            },
            Write::Next(next) => {
                self.store_config(NEXT, next.as_ref())?;
                forget_told(&self.disk)?;
            }
            Write::Config(config) => {
                self.store_config(CONFIG, Some(config))?;
                if self.read_config(NEXT)?.is_some_and(|next| next.version() <= config.version()) {
                    self.store_config(NEXT, None)?;
                }
                forget_told(&self.disk)?;
            }
            Write::Truncate(zxid) => return self.cut(&mut Truncation::behind(*zxid), write),
            Write::Install(zxid, history, told) => {
                let mut received = self.receive(*zxid, history)?;
                self.install(&mut received, told.as_ref())?;
            }
            Write::GoBack => {
                self.abandon_snapshot();
                // It is already, where something was passed over.
                self.log.settle()?;
                let last = self.read_again()?.last_zxid;
                self.log.end_at(last);
                (self.last, self.kept) = (last, None);
                Epochs::read(&self.disk, last)?.settle(&self.disk)?;
            }
            Write::GiveUp => {}
            Write::AppendUnsynced(_) | Write::CurrentEpochUnheard(_) => {
                unreachable!("of another broken variant")
            }
        }
        Ok(write)
    }

    fn cut(&mut self, truncation: &mut Truncation, write: Write) -> Result<Write, StoreError> {
        self.abandon_snapshot();
        let mut rebuild = Rebuild::new(TREE_OPTIONS);
        match truncation.run(&mut self.log, &self.disk, RecoveryOptions::default(), &mut rebuild) {
            Err(StoreError::CutTooFar { .. }) => {
                let mut rebuild = Rebuild::new(TREE_OPTIONS);
                let found = recover(&self.disk, &self.logs, RecoveryOptions::default(), &mut rebuild)?;
                assert_eq!(found.last_zxid, self.last(), "nothing is cut of what stays the history");
                self.figures.count(Figure::CutsRefused, 1);
                Ok(Write::GiveUp)
            }
            result => {
                self.keep(rebuild, &result?);
                Ok(write)
            }
        }
    }

    fn receive(&self, zxid: Zxid, history: &[Entry]) -> Result<ReceivedSnapshot, StoreError> {
        let mut receiver = SnapshotReceiver::create(Arc::new(self.disk.clone()), zxid, Compression::None)?;
        let (body, tail) = snapshot_of(history);
        assert_eq!(tail.last_zxid, Some(zxid), "a snapshot is sent of what is committed");
        assert_eq!(receiver.write(&body)?, body.len());
        receiver.finish()
    }

    fn install(
        &mut self,
        received: &mut ReceivedSnapshot,
        told: Option<&Membership>,
    ) -> Result<(), StoreError> {
        self.abandon_snapshot();
        self.figures.count(Figure::Told, usize::from(told.is_some()));
        let told = told.filter(|_| self.variant != Variant::ToldNotKept).map(Membership::to_string);
        received.install(&mut self.log, told.as_deref())?;
        self.read_again().map(drop)
    }

    /// Reads what is there while the log is settled.
    fn read_again(&mut self) -> Result<Recovered, StoreError> {
        let mut rebuild = Rebuild::new(TREE_OPTIONS);
        let mut recovered = recover(&self.disk, &self.logs, RecoveryOptions::default(), &mut rebuild)?;
        assert!(recovered.rejected.is_empty(), "every snapshot is whole: {:?}", recovered.rejected);
        if self.variant != Variant::NotVouched {
            repair(&self.disk, &self.logs, &mut recovered.repairs)?;
            vouch(&self.disk, &self.logs, &recovered)?;
        }
        self.keep(rebuild, &recovered);
        Ok(recovered)
    }

    fn keep(&mut self, rebuild: Rebuild, recovered: &Recovered) {
        assert!(rebuild.digest_mismatches.is_empty(), "digests of files and trees agree");
        let state = rebuild.finish_keeping_orphans();
        assert_eq!(state.0.last_zxid(), recovered.last_zxid);
        self.last = recovered.last_zxid;
        self.kept = self.kept.map(|_| self.last);
        self.state = Some(state);
    }

    fn store_config(&self, name: &str, config: Option<&Membership>) -> Result<(), StoreError> {
        let failed = |source| StoreError::Io { action: "remove", path: self.conf.path(name), source };
        match config {
            Some(config) => replace_file(&self.conf, name, config.to_string().as_bytes()),
            None => match self.conf.remove(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => self.conf.sync_dir().map_err(failed),
            },
        }
    }

    fn read_config(&self, name: &str) -> Result<Option<Membership>, StoreError> {
        match self.conf.read(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { action: "read", path: self.conf.path(name), source }),
            Ok(text) => Ok(Some(Membership::parse(std::str::from_utf8(&text).unwrap()).unwrap())),
        }
    }

    /// Begins a snapshot of what is committed, or ends the one that is under way. The disk may fail: then there is none.
    pub(crate) fn snapshot(&mut self, committed: &[Entry]) {
        self.may_fail();
        let result = match self.snapshot.take() {
            Some((writer, tail)) => writer.finish(&tail).map(|_| self.figures.count(Figure::Snapshots, 1)),
            None => self.begin_snapshot(committed),
        };
        self.is_down_after(&result);
        if self.rng.one_in(3) {
            self.is_down_after(&purge(&self.disk, &self.logs, KEEP));
        }
        self.disk.restart();
    }

    fn begin_snapshot(&mut self, committed: &[Entry]) -> Result<(), StoreError> {
        if !committed.is_empty() {
            self.snapshot = Some(self.written(committed)?);
            self.log.roll();
        }
        Ok(())
    }

    /// A snapshot of this history, but for its end.
    fn written(&self, history: &[Entry]) -> Result<(SnapshotWriter, SnapshotTail), StoreError> {
        let (zxid, (body, tail)) =
            (history.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid), snapshot_of(history));
        let mut writer = SnapshotWriter::create(Arc::new(self.disk.clone()), zxid, Compression::None)?;
        writer.write(&body)?;
        Ok((writer, tail))
    }

    /// The history is to be replaced, or nothing of it kept: nobody may write a snapshot of the old one.
    pub(crate) fn abandon_snapshot(&mut self) {
        self.snapshot = None;
    }

    /// The process ends, or the machine: somewhere in what waits, or before it. What the next start finds.
    pub(crate) fn crash<'a>(&mut self, waiting: impl ExactSizeIterator<Item = &'a Write>) -> Found {
        let mut waiting: VecDeque<Write> = waiting.cloned().collect();
        // Sometimes the disk fails before, for a while.
        for _ in 0..self.rng.pick(&[1, 1, 2]) {
            self.disk.restart();
            self.fail_within(OPS * (i64::try_from(waiting.len()).unwrap() + 1));
            let done = self.go_on(&mut waiting);
            self.is_down_after(&done);
        }
        self.disk.power_off();
        self.snapshot = None;
        loop {
            self.power_is_back();
            if self.rng.one_in(3) {
                self.fail_within(2 * OPS);
            }
            match self.load() {
                Ok(found) => {
                    self.disk.restart();
                    return found;
                }
                Err(error) => {
                    assert!(self.disk.is_down(), "the data is refused after a crash: {error}");
                    self.figures.count(Figure::StartsCutShort, 1);
                }
            }
        }
    }

    /// Takes what waits while the disk works, and ends the snapshot that is under way, or not.
    fn go_on(&mut self, waiting: &mut VecDeque<Write>) -> Result<(), StoreError> {
        self.log.retry()?;
        while let Some(write) = waiting.front() {
            let write = write.clone();
            if !write.is_entry() || self.rng.one_in(3) {
                self.log.commit()?;
            }
            self.try_to_take(write)?;
            waiting.pop_front();
        }
        self.log.commit()?;
        match self.snapshot.take_if(|_| self.rng.one_in(2)) {
            Some((writer, tail)) => writer.finish(&tail).map(drop),
            None => Ok(()),
        }
    }

    /// Of a process that was killed all is there that it has written, of a machine what the disk has of it.
    fn power_is_back(&mut self) {
        if self.rng.one_in(3) {
            self.disk.restart();
        } else {
            [&self.disk, &self.logs, &self.conf].into_iter().for_each(|disk| disk.crash(self.rng.next()));
        }
    }

    /// Starts with what is there.
    fn load(&mut self) -> Result<Found, StoreError> {
        (self.kept, self.state) = (None, None);
        self.log = log(&mut self.rng, &self.logs);
        let recovered = self.read_again()?;
        let last = recovered.last_zxid;
        if recovered.is_empty() {
            let (writer, tail) = self.written(&[])?;
            writer.finish(&tail)?;
        }
        let epochs = Epochs::read(&self.disk, last)?;
        epochs.settle(&self.disk)?;
        if self.variant != Variant::NotVouched {
            self.conf.sync_dir().map_err(|source| StoreError::Io {
                action: "store",
                path: self.conf.dir().to_path_buf(),
                source,
            })?;
        }
        let config = self.read_config(CONFIG)?.expect("it was there before the first start");
        let told = told_with_snapshot(&self.disk)?.map(|text| Membership::parse(&text).unwrap());
        let next = self.read_config(NEXT)?.into_iter().chain(told).max_by_key(Membership::version);
        let next = next.filter(|next| next.version() > config.version());
        Ok(Found { epochs: (epochs.accepted, epochs.current), last, configs: (config, next) })
    }

    /// Whether the history was read, and nobody has taken it.
    pub(crate) const fn has_read(&self) -> bool {
        self.state.is_some()
    }

    /// Whether what was read last is this history.
    pub(crate) fn has_made(&self, history: &[Entry]) -> bool {
        let Some((tree, sessions)) = &self.state else { return false };
        let (expected, expected_sessions) = rebuild(history);
        tree.digest() == expected.digest() && *sessions == expected_sessions
    }
}

fn log(rng: &mut Rng, disk: &NodeDisk) -> TxnLog {
    let options = LogOptions {
        prealloc_bytes: 4096,
        size_limit_bytes: rng.one_in(2).then(|| rng.below(3000).unsigned_abs()),
        force_sync: true,
    };
    TxnLog::new(Arc::new(disk.clone()), options, Vec::new())
}

/// The snapshot of a history: its body, and what comes behind it.
fn snapshot_of(history: &[Entry]) -> (Vec<u8>, SnapshotTail) {
    let (tree, sessions) = rebuild(history);
    let mut body = Vec::new();
    encode_sessions(sessions.into_iter(), &mut body);
    Snapshotter::begin(&tree).pieces(&tree, usize::MAX).for_each(|piece| body.extend(piece));
    let zxid = tree.last_zxid();
    let digest = ZxidDigest { zxid, version: DIGEST_VERSION, digest: tree.digest().cast_signed() };
    (body, SnapshotTail { digest: Some(digest), last_zxid: Some(zxid) })
}
