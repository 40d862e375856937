//! What a start makes of the files: the newest whole snapshot, and every transaction since.
//!
//! Nothing is written here. What has to be cut off or removed before new logs are begun is returned as
//! [`Repairs`], so that a server can also start on a disk that is read-only for the moment, unless what was read of a log may not be
//! on that disk ([`LogRepair::postponed`](super::LogRepair::postponed)).
//!
//! Which files are needed: the newest snapshot that is whole, `snapshot.S`; of the logs the last one whose name is
//! at most S + 1, and all behind it. Their transactions must continue without a hole: each is one more than the
//! one before, or the first of a later epoch (`E << 32 | 1`: the log of a former ensemble). Older files may be damaged or
//! missing. A torn tail is accepted in every log, as long as the next one continues without a hole: the official
//! server begins a new log after each crash and leaves the torn one as it is.
//!
//! What the official server leaves behind in the course of its life, and is accepted: an error transaction that repeats
//! an earlier zxid (`PrepRequestProcessor` gives a request that cannot be decoded the last zxid again); logs
//! that end before the snapshot begins (a member that fetched its snapshot from the leader).
//!
//! Invariants: the sink hears of each transaction behind the snapshot exactly once, in order; on `Ok`, nothing that
//! was acknowledged is missing; on `Err`, nothing was changed.

use super::{
    ahead::ahead,
    cut::complete_installs,
    disk::{Disk, FileEntry, Stored, list, sorted_logs, sync_dir},
    error::{Damage, DamageKind, StoreError},
    log::LogRepair,
    log_reader::{Entry, LogEnd, LogReader, OpenError},
    names::{self, SnapshotName},
    pieces::{Content, Piece, Pieces},
    snapshot_reader::{Ahead, Prepare, SnapshotError, SnapshotVisitor, read_ahead},
    snapshot_writer::SnapshotTail,
};
use oxkeeper_codec::{
    OpCode, Zxid,
    txn::{LoggedCreate, LoggedTxn},
};

/// How to recover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoveryOptions {
    /// `snapshot.trust.empty`: logs without any snapshot are replayed from the first transaction on.
    pub trust_empty_snapshot: bool,
}

/// What a preparer knows of a transaction.
pub type PreparedTxn<S> = <<S as SnapshotVisitor>::Preparer as Prepare>::Txn;

/// Who rebuilds the state.
pub trait RecoverySink: SnapshotVisitor {
    /// Another snapshot is tried, or none: forget everything. Also called before the first.
    fn restart(&mut self);

    /// The snapshot was whole.
    ///
    /// # Errors
    /// It holds no state that could be; it is then taken for damaged.
    fn snapshot_end(&mut self, snapshot_zxid: Zxid, tail: SnapshotTail) -> Result<(), String>;

    /// After an error: whether the same snapshot is to be read once more, since it was taken in too hastily.
    fn asks_again(&self) -> bool {
        false
    }

    /// A transaction behind the snapshot. The snapshot may contain it already, in whole or in part.
    ///
    /// # Errors
    /// It cannot be applied: recovery ends.
    fn txn(&mut self, txn: LoggedTxn, prepared: PreparedTxn<Self>) -> Result<(), String>;

    /// The same for one that creates.
    ///
    /// # Errors
    /// As before.
    fn create(&mut self, create: &LoggedCreate<'_>, prepared: PreparedTxn<Self>) -> Result<(), String> {
        self.txn(create.to_logged(), prepared)
    }

    /// These come next.
    fn expect_creates<'t, 'a: 't>(
        &mut self,
        _creates: impl Iterator<Item = (&'t LoggedCreate<'a>, &'t mut PreparedTxn<Self>)>,
    ) where
        PreparedTxn<Self>: 't,
    {
    }

    /// That was the last transaction.
    fn end(&mut self) {}
}

/// The snapshot that recovery began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotUsed {
    /// Its file name.
    pub name: String,
    /// The last transaction applied when it began.
    pub zxid: Zxid,
    /// Its length on the disk, in bytes.
    pub file_len: u64,
}

/// A newer snapshot that was damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedSnapshot {
    /// Its file name.
    pub name: String,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What has to be done before new files are written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repairs {
    /// Torn tails, logs without an entry, and a last log that was not closed; for [`repair`] or
    /// [`super::TxnLog::new`].
    pub logs: Vec<LogRepair>,
    /// Half-written files in the snapshot directory, which nobody reads.
    pub leftovers: Vec<String>,
    /// A snapshot that was fetched from a leader and takes the place of all else; what is behind its transaction in logs and
    /// other snapshots goes first.
    pub install: Option<String>,
}

/// What recovery found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovered {
    /// `None` when there was no snapshot: the directory was empty, or [trusted](RecoveryOptions).
    pub snapshot: Option<SnapshotUsed>,
    /// Newer ones that are damaged. They should be reported, and may be kept for whoever investigates.
    pub rejected: Vec<RejectedSnapshot>,
    /// The last transaction of snapshot and logs; zero for an empty directory.
    pub last_zxid: Zxid,
    /// How many transactions were replayed.
    pub txns: u64,
    /// How many bytes of log that was; with `txns` it feeds the snapshot schedule.
    pub txn_bytes: u64,
    /// Error transactions that repeat a zxid, and were passed over.
    pub repeated_errors: u64,
    /// The logs that were read, in order; those without an entry are left out.
    pub logs: Vec<String>,
    /// What has to be done before new files are written.
    pub repairs: Repairs,
    /// Snapshots that were passed over since they show more than was to be recovered.
    pub(super) beyond: Vec<String>,
}

impl Recovered {
    /// Whether there was nothing at all: the caller writes `snapshot.0`.
    pub const fn is_empty(&self) -> bool {
        self.snapshot.is_none() && self.txns == 0
    }
}

/// Rebuilds the state from the files of these two directories, which may be one.
///
/// # Errors
/// The state cannot be rebuilt without loss, or the disk cannot be read.
pub fn recover(
    snap_disk: &dyn Disk,
    log_disk: &dyn Disk,
    options: RecoveryOptions,
    sink: &mut impl RecoverySink,
) -> Result<Recovered, StoreError> {
    recover_through(snap_disk, log_disk, options, None, sink)
}

/// The same, of no transaction behind `through`. What has to be done to the logs is then not looked for.
pub(super) fn recover_through(
    snap_disk: &dyn Disk,
    log_disk: &dyn Disk,
    options: RecoveryOptions,
    through: Option<Zxid>,
    sink: &mut impl RecoverySink,
) -> Result<Recovered, StoreError> {
    let snap_files = list(snap_disk)?;
    let log_files = list(log_disk)?;
    check_places(snap_disk, &snap_files, log_disk, &log_files)?;
    let mut recovered = Recovered::default();
    recovered.repairs.leftovers = names_where(&snap_files, names::is_temporary);
    let installing = pending_install(&snap_files);
    // What is to be installed overrules all that was logged.
    let mut logs = if installing.is_some() { Vec::new() } else { sorted_logs(&log_files) };
    logs.retain(|&(first, _)| through.is_none_or(|through| first <= through));
    let behind = |snapshot| logged_len(&log_files, needed_logs(&logs, snapshot));
    let snapshots = installing.map_or_else(|| snapshots(&snap_files), |installing| vec![installing]);
    load_snapshot(snap_disk, &snapshots, through, behind, sink, &mut recovered)?;
    let snapshot_zxid = recovered.snapshot.as_ref().map(|snapshot| snapshot.zxid);
    recovered.last_zxid = snapshot_zxid.unwrap_or(Zxid::ZERO);
    let needed = needed_logs(&logs, recovered.last_zxid);
    let mut replay = Replay {
        ends: Vec::new(),
        disk: log_disk,
        sink,
        recovered,
        start: snapshot_zxid.unwrap_or(Zxid::ZERO),
        through: through.unwrap_or(Zxid(i64::MAX)),
        reached: None,
        met: Vec::new(),
    };
    for (first, name) in needed {
        replay.log(*first, name, snapshot_zxid.is_some() || options.trust_empty_snapshot, snap_disk)?;
    }
    replay.sink.end();
    let mut recovered = replay.recovered;
    let half_written = names_where(&log_files, names::is_temporary);
    recovered.repairs.logs = half_written.into_iter().map(|name| LogRepair::Remove { name }).collect();
    if through.is_none() {
        recovered.repairs.logs.extend(repairs(log_disk, &replay.ends));
    }
    let has_entry = |(name, _, end): &(String, u64, LogEnd)| (end.entries > 0).then(|| name.clone());
    recovered.logs = replay.ends.iter().filter_map(has_entry).collect();
    check_reach(snap_disk, &recovered, &replay.met)?;
    assert!(recovered.last_zxid >= snapshot_zxid.unwrap_or(Zxid::ZERO), "replay goes forward");
    Ok(recovered)
}

/// Does what recovery asks for; first what gives room. To be called, and [`vouch`] behind it, before anything that was
/// recovered is vouched for, to a client or to a leader: only then is it known to be durable.
///
/// # Errors
/// The disk fails; what could be done is done, and taken out. It may be tried again; or the repairs of the logs are handed to
/// [`super::TxnLog::new`], which makes them before it writes, if [they can wait](LogRepair::postponed).
pub fn repair(snap_disk: &dyn Disk, log_disk: &dyn Disk, repairs: &mut Repairs) -> Result<(), StoreError> {
    let mut removed = Ok(());
    repairs.leftovers.retain(|name| match (LogRepair::Remove { name: name.clone() }).run(snap_disk) {
        Ok(()) => false,
        Err(error) => {
            removed = Err(error);
            true
        }
    });
    if repairs.install.is_some() {
        complete_installs(snap_disk, log_disk)?;
        repairs.install = None;
    }
    LogRepair::run_all(&mut repairs.logs, log_disk)?;
    removed?;
    sync_dir(log_disk)
}

/// Makes the files that were read durable. Whoever wrote them need not have done it: the official server does not sync
/// its snapshots, and no server its logs with `forceSync=no`. What is durable already costs next to nothing.
///
/// # Errors
/// The disk did not take what was read from memory. What it has is read at the next start.
pub fn vouch(snap_disk: &dyn Disk, log_disk: &dyn Disk, recovered: &Recovered) -> Result<(), StoreError> {
    let sync = |disk: &dyn Disk, name: &str| {
        disk.sync(name).map_err(|source| StoreError::io("sync", disk.path(name), source))
    };
    if recovered.repairs.install.is_some() {
        complete_installs(snap_disk, log_disk)?;
    }
    recovered.logs.iter().try_for_each(|name| sync(log_disk, name))?;
    recovered.snapshot.iter().try_for_each(|used| sync(snap_disk, &used.name))?;
    sync_dir(log_disk)?;
    sync_dir(snap_disk)
}

fn names_where(files: &[FileEntry], wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found: Vec<_> =
        files.iter().filter(|file| wanted(&file.name)).map(|file| file.name.clone()).collect();
    found.sort();
    found
}

/// Logs among the snapshots or the other way round are a mistake in the configuration (`FileTxnSnapLog`).
fn check_places(
    snap_disk: &dyn Disk,
    snap_files: &[FileEntry],
    log_disk: &dyn Disk,
    log_files: &[FileEntry],
) -> Result<(), StoreError> {
    if snap_disk.dir() == log_disk.dir() {
        return Ok(());
    }
    if log_files.iter().any(|file| file.name.starts_with("snapshot.")) {
        return Err(StoreError::WrongPlace {
            dir: log_disk.dir().to_path_buf(),
            found: "snapshots, and should hold logs",
        });
    }
    if snap_files.iter().any(|file| file.name.starts_with("log.")) {
        return Err(StoreError::WrongPlace {
            dir: snap_disk.dir().to_path_buf(),
            found: "logs, and should hold snapshots",
        });
    }
    Ok(())
}

/// The last log that may hold the transaction behind the snapshot, and all behind that.
fn needed_logs(logs: &[(Zxid, String)], snapshot: Zxid) -> &[(Zxid, String)] {
    let behind = logs.partition_point(|&(first, _)| first <= snapshot.next());
    &logs[behind.saturating_sub(1)..]
}

/// Length of these logs, with what is allocated behind their entries.
fn logged_len(files: &[FileEntry], logs: &[(Zxid, String)]) -> u64 {
    let is_one = |file: &&FileEntry| logs.iter().any(|(_, name)| *name == file.name);
    files.iter().filter(is_one).map(|file| file.len).sum()
}

/// The snapshots, the newest first.
fn snapshots(files: &[FileEntry]) -> Vec<(SnapshotName, &FileEntry)> {
    let mut snapshots: Vec<_> =
        files.iter().filter_map(|file| Some((SnapshotName::parse(&file.name)?, file))).collect();
    snapshots.sort_by(|(a, a_file), (b, b_file)| (b.zxid, &b_file.name).cmp(&(a.zxid, &a_file.name)));
    snapshots
}

/// The snapshot that was being installed when the server fell. There is only one.
fn pending_install(files: &[FileEntry]) -> Option<(SnapshotName, &FileEntry)> {
    let installs = files.iter().filter_map(|file| Some((names::parse_install_name(&file.name)?, file)));
    installs.max_by_key(|(name, _)| name.zxid)
}

/// Reads the first of these that is whole, and shows nothing behind `through`. `logged_behind` says how much log is behind
/// one.
fn load_snapshot(
    disk: &dyn Disk,
    snapshots: &[(SnapshotName, &FileEntry)],
    through: Option<Zxid>,
    logged_behind: impl Fn(Zxid) -> u64,
    sink: &mut impl RecoverySink,
    recovered: &mut Recovered,
) -> Result<(), StoreError> {
    let is_beyond = |zxid| through.is_some_and(|through| zxid > through);
    sink.restart();
    for (name, file) in snapshots.iter().filter(|(name, _)| !is_beyond(name.zxid)) {
        let path = disk.path(&file.name);
        disk.begin_sync(&file.name);
        let data = disk.read(&file.name).map_err(|source| StoreError::io("read", path.clone(), source))?;
        let ahead = Ahead { disk: Some(disk), logged: logged_behind(name.zxid) };
        match read_into(sink, &data, *name, ahead) {
            Ok(tail) if shown_by(tail).is_some_and(is_beyond) => {
                recovered.beyond.push(file.name.clone());
                sink.restart();
            }
            Ok(_) => {
                // What is being installed has this name when it is vouched for.
                let used = name.file_name();
                recovered.repairs.install = (used != file.name).then(|| used.clone());
                recovered.snapshot = Some(SnapshotUsed { name: used, zxid: name.zxid, file_len: file.len });
                return Ok(());
            }
            Err(SnapshotError::Version(found)) => return Err(StoreError::WrongVersion { path, found }),
            Err(SnapshotError::Damage(damage)) => {
                recovered.rejected.push(RejectedSnapshot { name: file.name.clone(), damage });
                sink.restart();
            }
        }
    }
    if recovered.rejected.is_empty() { Ok(()) } else { Err(no_valid_snapshot(disk, &recovered.rejected, "")) }
}

/// Has `sink` take in one snapshot and nothing else, as a start with it does.
///
/// # Errors
/// It is not whole, its version is not known, or a start would refuse what is in it.
pub fn load_alone(
    data: &[u8],
    name: SnapshotName,
    sink: &mut impl RecoverySink,
) -> Result<SnapshotTail, SnapshotError> {
    sink.restart();
    read_into(sink, data, name, Ahead::default())
}

fn read_into(
    sink: &mut impl RecoverySink,
    data: &[u8],
    name: SnapshotName,
    ahead: Ahead<'_>,
) -> Result<SnapshotTail, SnapshotError> {
    match read_once(sink, data, name, ahead) {
        Err(_) if sink.asks_again() => {
            sink.restart();
            read_once(sink, data, name, ahead)
        }
        read => read,
    }
}

fn read_once(
    sink: &mut impl RecoverySink,
    data: &[u8],
    name: SnapshotName,
    ahead: Ahead<'_>,
) -> Result<SnapshotTail, SnapshotError> {
    let tail = read_ahead(data, name.compression, ahead, sink)?;
    let refused = |reason| Damage { offset: 0, kind: DamageKind::Rejected(reason) };
    sink.snapshot_end(name.zxid, tail).map_err(refused)?;
    Ok(tail)
}

/// The last transaction that a snapshot of the official server may show, whatever its name says.
fn shown_by(tail: SnapshotTail) -> Option<Zxid> {
    tail.last_zxid.max(tail.digest.map(|digest| digest.zxid))
}

fn no_valid_snapshot(disk: &dyn Disk, rejected: &[RejectedSnapshot], more: &str) -> StoreError {
    let tried: Vec<_> =
        rejected.iter().map(|rejected| format!("{} {}", rejected.name, rejected.damage)).collect();
    StoreError::NoValidSnapshot { dir: disk.dir().to_path_buf(), tried: tried.join("; ") + more }
}

/// An older snapshot will do only if the logs lead from it to where the damaged one was. A server that falls while it
/// writes one in its place (as the official ones do) has logged all that it would hold; where the logs do not have its
/// transaction, something is missing, however little of the snapshot there is. They may reach farther all the same: a
/// member that fetched the snapshot from a leader keeps what it had logged before, and that was overruled.
fn check_reach(disk: &dyn Disk, recovered: &Recovered, met: &[Zxid]) -> Result<(), StoreError> {
    let missing = |rejected: &RejectedSnapshot| {
        let zxid = SnapshotName::parse(&rejected.name)?.zxid;
        let base = recovered.snapshot.as_ref().map(|snapshot| snapshot.zxid);
        (Some(zxid) != base && !met.contains(&zxid)).then_some(zxid)
    };
    let Some(zxid) = recovered.rejected.iter().find_map(missing) else { return Ok(()) };
    let reached = recovered.last_zxid;
    let more = if zxid > reached {
        format!("; and from the snapshot before, the logs lead only to transaction {reached}")
    } else {
        format!(
            "; and the logs behind the snapshot before do not have transaction {zxid}: it was fetched from a leader"
        )
    };
    Err(no_valid_snapshot(disk, &recovered.rejected, &more))
}

/// What the ends of the logs ask for. Only the last log with an entry may hold what was never synced. Where nobody says how
/// much of it was, a padding behind its entries tells that it was not closed.
fn repairs(disk: &dyn Disk, ends: &[(String, u64, LogEnd)]) -> Vec<LogRepair> {
    let last = ends.iter().rposition(|(_, _, end)| end.entries > 0);
    let repair = |(index, (name, file_len, end)): (usize, &(String, u64, LogEnd))| {
        let (name, len) = (name.clone(), end.offset);
        match end {
            LogEnd { entries: 0, .. } => Some(LogRepair::Remove { name }),
            LogEnd { .. } if Some(index) == last => {
                let from = match disk.stored(&name) {
                    Stored::Through(synced_len) => synced_len.min(len),
                    Stored::Unknown if len < *file_len => 0,
                    Stored::Unknown | Stored::AsRead => len,
                };
                (from < len || len < *file_len).then_some(LogRepair::Rewrite { name, from, len })
            }
            LogEnd { torn: true, .. } => Some(LogRepair::Truncate { name, len }),
            LogEnd { .. } => None,
        }
    };
    ends.iter().enumerate().filter_map(repair).collect()
}

/// A replay under way.
struct Replay<'a, S> {
    /// Name, length and end of each log that was read.
    ends: Vec<(String, u64, LogEnd)>,
    disk: &'a dyn Disk,
    sink: &'a mut S,
    recovered: Recovered,
    /// The snapshot's transaction.
    start: Zxid,
    /// Nothing behind it is read.
    through: Zxid,
    /// The last transaction that was seen in a log, also before the snapshot.
    reached: Option<Zxid>,
    /// Where newer snapshots are that are damaged, as far as the logs have their transactions.
    met: Vec<Zxid>,
}

impl<S: RecoverySink> Replay<'_, S> {
    /// Replays one log. Entries are refused when there is no snapshot to build on.
    fn log(
        &mut self,
        first: Zxid,
        name: &str,
        has_base: bool,
        snap_disk: &dyn Disk,
    ) -> Result<(), StoreError> {
        let path = self.disk.path(name);
        self.disk.begin_sync(name);
        let data = self.disk.read(name).map_err(|source| StoreError::io("read", path.clone(), source))?;
        let damaged = |damage| StoreError::damaged(path.clone(), damage);
        let reader = LogReader::new(&data).map_err(|error| match error {
            OpenError::Damage(damage) => damaged(damage),
            OpenError::Version(found) => StoreError::WrongVersion { path: path.clone(), found },
        })?;
        let disk = self.disk;
        let preparer = self.sink.preparer();
        let mut pieces = Pieces { reader, preparer, behind: self.start, through: self.through, ended: false };
        ahead(Some(disk), &mut pieces, |pieces| {
            for Piece { mut entries, damage } in pieces {
                if !has_base && !entries.is_empty() {
                    return Err(StoreError::NoSnapshot { dir: snap_disk.dir().to_path_buf() });
                }
                self.sink.expect_creates(entries.iter_mut().filter_map(|(_, content)| content.create_mut()));
                entries.into_iter().try_for_each(|(entry, content)| self.entry(name, &entry, content))?;
                damage.map_or(Ok(()), |damage| Err(damaged(damage)))?;
            }
            Ok(())
        })?;
        let end = pieces.reader.so_far();
        if !has_base && first.counter() > 1 {
            // An empty log, but many transactions came before it.
            return Err(StoreError::NoSnapshot { dir: snap_disk.dir().to_path_buf() });
        }
        self.ends.push((name.to_owned(), u64::try_from(data.len()).unwrap_or(u64::MAX), end));
        Ok(())
    }

    fn entry(
        &mut self,
        name: &str,
        entry: &Entry<'_>,
        content: Content<'_, PreparedTxn<S>>,
    ) -> Result<(), StoreError> {
        let last = self.recovered.last_zxid;
        let Entry { offset, zxid: found, .. } = *entry;
        let is_repeated = self.reached.unwrap_or(self.start) >= found;
        if found > self.start && is_repeated || found <= self.start && self.recovered.txns > 0 {
            if entry.op == OpCode::ERROR {
                self.recovered.repeated_errors += 1;
                return Ok(());
            }
            return Err(StoreError::OutOfOrder { path: self.disk.path(name), offset, last, found });
        }
        self.reached = self.reached.max(Some(found));
        if found <= self.start {
            return Ok(());
        }
        if !follows(last, found) {
            return Err(StoreError::Hole { path: self.disk.path(name), offset, last, found });
        }
        let damaged = |damage| StoreError::damaged(self.disk.path(name), damage);
        let taken = match content {
            Content::Create(create, prepared) => self.sink.create(&create, prepared),
            Content::Other(txn, prepared) => self.sink.txn(txn, prepared),
            Content::Bad(damage) => return Err(damaged(damage)),
            Content::Before => unreachable!("what is behind the snapshot was decoded"),
        };
        taken.map_err(|reason| damaged(Damage { offset, kind: DamageKind::Rejected(reason) }))?;
        let is_met = |rejected: &RejectedSnapshot| {
            SnapshotName::parse(&rejected.name).is_some_and(|name| name.zxid == found)
        };
        if self.recovered.rejected.iter().any(is_met) {
            self.met.push(found);
        }
        self.recovered.last_zxid = found;
        self.recovered.txns += 1;
        self.recovered.txn_bytes += u64::try_from(entry.body.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// Whether a transaction can be the next: one more, or the first of a later epoch.
pub fn follows(last: Zxid, found: Zxid) -> bool {
    found == last.next() || found.epoch() > last.epoch() && found.counter() == 1
}

#[cfg(test)]
mod tests;
