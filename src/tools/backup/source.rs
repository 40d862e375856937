//! Where a backup comes from: the files of a server, which may be running, or of an earlier backup.

use crate::{
    storage::{
        Disk, Entry, LogCursor, RealDisk, SnapshotError, SnapshotName, SnapshotVisitor, StoreError, follows,
        read_snapshot,
    },
    tools::{ToolError, data_dirs::DataDirs, progress::Progress},
};
use bytes::Bytes;
use oxkeeper_codec::{
    Decode, OpCode, SessionId, Zxid,
    records::{Acl, DataNode, TxnHeader},
};
use std::{io::ErrorKind, path::Path, sync::Arc, thread, time::Duration};

/// So often a log is looked at again before it is damaged.
const LOOKS: u32 = 10;
/// Between two looks at what is being written.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// The two directories of files, which may be one.
#[derive(Debug)]
pub(super) struct Source {
    snapshots: RealDisk,
    logs: Arc<dyn Disk>,
}

/// A snapshot that is whole.
pub(super) struct Whole {
    pub(super) name: SnapshotName,
    pub(super) content: Bytes,
    /// The last transaction that it may show: it was written while the server went on.
    pub(super) shows: Zxid,
}

/// Where a history ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) zxid: Zxid,
    /// That transaction as it was logged, where a log has it: another history may have used its number.
    pub(super) txn: Option<Vec<u8>>,
}

/// What follows on an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) first: Zxid,
    pub(super) last: Zxid,
    pub(super) txns: u64,
    /// In a log, without its header.
    pub(super) bytes: u64,
}

/// Why the transactions behind an end are not to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum Parted {
    /// The logs do not lead on from there: some were purged, or the history is another one.
    #[error("{0}")]
    Gone(String),
    /// Anything else.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

impl From<StoreError> for Parted {
    /// A file that is gone since it was listed was purged.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { path, source, .. } if source.kind() == ErrorKind::NotFound => {
                Self::Gone(format!("{} was purged just now", path.display()))
            }
            error => Self::Tool(error.into()),
        }
    }
}

/// The last transaction that the znodes of a snapshot tell of.
#[derive(Default)]
struct Shown(Zxid);

impl SnapshotVisitor for Shown {
    type Preparer = ();

    fn preparer(&self) {}

    fn session(&mut self, _: SessionId, _: i32) {}

    fn acl(&mut self, _: i64, _: Vec<Acl>) {}

    fn node(&mut self, _: &str, node: DataNode<'_>, (): ()) -> Result<(), String> {
        self.0 = self.0.max(node.stat.czxid).max(node.stat.mzxid).max(node.stat.pzxid);
        Ok(())
    }
}

impl Source {
    /// Of a server.
    pub(super) fn of_server(dirs: &DataDirs) -> Result<Self, ToolError> {
        Self::open(&dirs.snapshots(), &dirs.logs())
    }

    pub(super) fn open(snapshots: &Path, logs: &Path) -> Result<Self, ToolError> {
        Ok(Self {
            snapshots: RealDisk::open_beside(snapshots)?,
            logs: Arc::new(RealDisk::open_beside(logs)?),
        })
    }

    /// The snapshots, the newest first.
    fn named(&self) -> Result<Vec<SnapshotName>, ToolError> {
        let dir = self.snapshots.dir();
        let files = self.snapshots.list().map_err(|source| ToolError::file("read", dir, source))?;
        let mut names: Vec<_> = files.iter().filter_map(|file| SnapshotName::parse(&file.name)).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.zxid));
        Ok(names)
    }

    /// The newest snapshot that is whole. `complain` is told of newer ones that are not.
    pub(super) fn newest_snapshot(
        &self,
        complain: &mut dyn FnMut(String) -> Result<(), ToolError>,
    ) -> Result<Whole, ToolError> {
        for name in self.named()? {
            let path = self.snapshots.path(&name.file_name());
            let content = match self.snapshots.read(&name.file_name()) {
                // Purged, since there are newer ones than there were.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                content => content.map_err(|source| ToolError::file("read", &path, source))?,
            };
            let mut shown = Shown(name.zxid);
            match read_snapshot(&content, name.compression, &mut shown) {
                Ok(tail) => {
                    let told = tail.last_zxid.max(tail.digest.map(|digest| digest.zxid));
                    let shows = shown.0.max(told.unwrap_or(Zxid::ZERO));
                    return Ok(Whole { name, content, shows });
                }
                Err(SnapshotError::Damage(damage)) => {
                    complain(format!(
                        "{} is passed over: it is being written, or damaged {damage}",
                        path.display()
                    ))?;
                }
                Err(SnapshotError::Version(version)) => {
                    return Err(ToolError::content(
                        &path,
                        format!("has version {version}, and only version 2 is known"),
                    ));
                }
            }
        }
        Err(ToolError::content(self.snapshots.dir(), "holds no snapshot that is whole"))
    }

    /// What the logs have behind this end by now.
    pub(super) fn behind(&self, end: &End) -> Result<Option<Piece>, Parted> {
        let mut looks = LOOKS;
        loop {
            match self.look_behind(end) {
                // A server that writes just now is seen to have written the end of something and not its beginning.
                Err(Parted::Tool(ToolError::Store(StoreError::Damaged { .. }))) if looks > 0 => {
                    looks -= 1;
                    thread::sleep(LOOK);
                }
                seen => return seen,
            }
        }
    }

    fn look_behind(&self, end: &End) -> Result<Option<Piece>, Parted> {
        let _shown = Progress::of(format!("looking for what the logs have behind {}", end.zxid));
        let mut history = self.history(end)?;
        let mut piece = None;
        history.each(&mut |entry| {
            let piece = piece.get_or_insert(Piece { first: entry.zxid, last: entry.zxid, txns: 0, bytes: 0 });
            piece.last = entry.zxid;
            piece.txns += 1;
            piece.bytes += entry.len_in_log();
            Ok(true)
        })?;
        history.check_end()?;
        Ok(piece)
    }

    /// Goes through the transactions behind this end.
    pub(super) fn history<'e>(&self, end: &'e End) -> Result<History<'e>, Parted> {
        let named: Vec<Zxid> = self.named()?.into_iter().map(|name| name.zxid).collect();
        // A snapshot that is there has all behind it: the oldest are purged first.
        let is_base = end.txn.is_none() && named.contains(&end.zxid);
        let fetched = named.into_iter().filter(|&zxid| zxid > end.zxid).collect();
        let cursor = LogCursor::open(Arc::clone(&self.logs), end.zxid)?;
        Ok(History {
            cursor,
            end,
            last: end.zxid,
            is_met: end.txn.is_none(),
            is_logged: end.zxid.counter() == 0 || is_base,
            fetched,
        })
    }
}

/// The transactions behind an end, as far as they follow on it without a hole.
pub(super) struct History<'e> {
    cursor: LogCursor,
    end: &'e End,
    last: Zxid,
    /// Whether its last transaction was seen, or what follows on it.
    is_met: bool,
    /// Whether a log has it: what begins an epoch follows on anything, also on what a snapshot has taken the place of.
    is_logged: bool,
    /// Snapshots behind it whose transaction has not come yet. Where it never comes, a leader has sent them in the place of all that was.
    fetched: Vec<Zxid>,
}

impl History<'_> {
    /// Hands them on, until they end or `take` has enough.
    pub(super) fn each(
        &mut self,
        take: &mut dyn FnMut(&Entry<'_>) -> Result<bool, ToolError>,
    ) -> Result<(), Parted> {
        while let Some(entry) = self.cursor.next_entry()? {
            let found = entry.zxid;
            self.is_logged |= found == self.end.zxid;
            if found == self.end.zxid && !self.is_met {
                let is_same = self.end.txn.as_ref().is_none_or(|txn| txn == entry.body);
                if !is_same && entry.op != OpCode::ERROR {
                    return Err(Parted::Gone(format!(
                        "transaction {found} is another one there: the history was cut, and has gone on"
                    )));
                }
                self.is_met = is_same;
            }
            if found <= self.last {
                // Before the end, or an error that repeats a number.
                if self.last > self.end.zxid && entry.op != OpCode::ERROR {
                    return Err(Parted::Gone(format!("{found} stands behind {}", self.last)));
                }
                continue;
            }
            if !follows(self.last, found) {
                return Err(Parted::Gone(format!("what lies between {} and {found} is missing", self.last)));
            }
            self.fetched.retain(|&zxid| zxid != found);
            if let Some(zxid) = self.fetched.iter().find(|&&zxid| zxid < found) {
                return Err(Parted::Gone(format!("a leader has sent a snapshot of {zxid}")));
            }
            if !self.is_logged && found.epoch() > self.end.zxid.epoch() {
                return Err(Parted::Gone(format!(
                    "no log has {} any more, and {found} begins an epoch: a snapshot may have come between",
                    self.end.zxid
                )));
            }
            // Logs that begin right behind the end will do.
            (self.is_met, self.is_logged) = (true, true);
            if !take(&entry)? {
                return Ok(());
            }
            self.last = found;
        }
        Ok(())
    }

    /// Once all were handed on: whether that is really their end.
    fn check_end(&self) -> Result<(), Parted> {
        self.cursor.check_end()?;
        if let Some(zxid) = self.fetched.iter().find(|&&zxid| zxid > self.last) {
            return Err(Parted::Gone(format!("a leader has sent a snapshot of {zxid}")));
        }
        if !self.is_met {
            return Err(Parted::Gone(format!("the history ends before {} now", self.end.zxid)));
        }
        Ok(())
    }
}

/// When a transaction was made, in ms since 1970 by the clock of its leader.
pub(super) fn time_of(entry: &Entry<'_>) -> i64 {
    TxnHeader::from_slice(entry.body).map_or(0, |header| header.time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{LogOptions, TxnLog, testing::opens_session};

    /// A log file for each of these.
    fn logs(files: &[&[(i64, i64)]]) -> (tempfile::TempDir, Source) {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = Arc::new(RealDisk::open(dir.path()).expect("it is there"));
        for numbers in files {
            let mut log = TxnLog::new(disk.clone(), LogOptions::default(), Vec::new());
            for &(epoch, counter) in *numbers {
                let zxid = Zxid(Zxid::begin_of(epoch).0 + counter);
                log.append(zxid, &opens_session(zxid)).expect("an entry");
            }
            log.close().expect("nothing fails");
        }
        drop(disk);
        let source = Source::open(dir.path(), dir.path()).expect("nobody else has it");
        (dir, source)
    }

    /// Whoever has restored a snapshot since, and purged what was before, has nothing else that tells of it.
    #[test]
    fn an_epoch_follows_on_an_end_that_a_log_has() {
        let zxid = Zxid(Zxid::begin_of(1).0 + 3);
        let body = opens_session(zxid);
        for txn in [Some(body), None] {
            let end = End { zxid, txn };
            let behind = |files: &[&[(i64, i64)]]| {
                let (_dir, source) = logs(files);
                source.behind(&end)
            };
            let follows = |files| matches!(behind(files), Ok(Some(Piece { txns: 2, .. })));
            assert!(follows(&[&[(1, 2), (1, 3)], &[(2, 1), (2, 2)]]));
            assert!(follows(&[&[(1, 4), (2, 1)]]), "it begins right behind");
            assert!(matches!(behind(&[&[(2, 1), (2, 2)]]), Err(Parted::Gone(_))));
        }
    }

    /// A chain begins with a snapshot, whose own transaction no log has to have: behind a restore, none has.
    #[test]
    fn an_epoch_follows_on_a_snapshot_that_is_there() {
        let end = End { zxid: Zxid(Zxid::begin_of(1).0 + 3), txn: None };
        let (dir, source) = logs(&[&[(2, 1), (2, 2)]]);
        let put = |counter: i64| {
            let name = format!("snapshot.{:x}", Zxid::begin_of(1).0 + counter);
            std::fs::write(dir.path().join(name), b"").expect("a file");
        };
        put(3);
        assert!(matches!(source.behind(&end), Ok(Some(Piece { txns: 2, .. }))));
        put(4);
        assert!(matches!(source.behind(&end), Err(Parted::Gone(_))), "a later one took the place of all");
    }
}
