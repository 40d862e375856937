//! The data directory, from its first look to a tree: directories, recovery, repairs, the first snapshot.
//!
//! Invariant: the caller has the client port by now. Another server that still runs on the same files, and has the
//! port, would go on to write into a log that has been replaced here.

use super::snapshots::{compression, tail};
use crate::{
    config::{self, Config},
    recovery::{Rebuild, Rebuilt},
    server::{
        ServerError,
        chance::random,
        clock,
        owner::{permission_hint, writable},
    },
    session::encode_sessions,
    storage::{
        Disk, LogRepair, RealDisk, Recovered, RecoveryOptions, SnapshotName, SnapshotWriter, StoreError,
        recover, repair, vouch,
    },
    topics,
    tree::{OwnerRules, Snapshotter, Tree, TreeOptions},
};
use oxkeeper_codec::SessionId;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Folder of logs and snapshots within their directories.
pub(crate) const VERSION_DIR: &str = "version-2";
/// A file beside it that lets an empty database begin.
const INITIALIZE: &str = "initialize";
/// The first snapshot goes to the disk in pieces of about so many bytes.
const SNAPSHOT_PIECE: usize = 1 << 20;

/// The two directories, which may be one.
pub(crate) struct Disks {
    pub(crate) snap: Arc<dyn Disk>,
    pub(crate) log: Arc<dyn Disk>,
}

/// What was read.
pub(crate) struct Loaded {
    pub(crate) tree: Tree,
    pub(crate) sessions: BTreeMap<SessionId, i32>,
    pub(crate) recovered: Recovered,
    /// Transactions, or the snapshot, after which the digest was another than recorded.
    pub(crate) digest_mismatches: usize,
}

/// Takes both directories, and creates what is not there.
pub(crate) fn open_disks(storage: &config::Storage) -> Result<Disks, ServerError> {
    let (data_dir, data_log_dir) = (&storage.data_dir, &storage.data_log_dir);
    let snap = open_disk(data_dir, storage.create_dirs)?;
    if data_log_dir == data_dir {
        return Ok(Disks { log: Arc::clone(&snap), snap });
    }
    if one_place(data_dir, data_log_dir)
        || one_place(&data_dir.join(VERSION_DIR), &data_log_dir.join(VERSION_DIR))
    {
        let problem = format!(
            "dataLogDir is another name of dataDir ({}); leave dataLogDir out, or name a directory of its own",
            data_dir.display()
        );
        return Err(ServerError::DataDir { dir: data_log_dir.clone(), source: problem.into() });
    }
    let log = open_disk(data_log_dir, storage.create_dirs)?;
    Ok(Disks { snap, log })
}

/// Whether two paths lead to one place: by a link, say, or with `..` in them.
fn one_place(a: &Path, b: &Path) -> bool {
    let (a, b) = (std::fs::canonicalize(a), std::fs::canonicalize(b));
    a.is_ok_and(|a| b.is_ok_and(|b| a == b))
}

fn open_disk(dir: &Path, create: bool) -> Result<Arc<dyn Disk>, ServerError> {
    let dir = dir.join(VERSION_DIR);
    if !create && let Err(source) = std::fs::read_dir(&dir) {
        return Err(ServerError::DataDir { dir, source: source.into() });
    }
    match RealDisk::open(&dir) {
        // Every client of a server that can write nothing would wait in vain.
        Ok(disk) => match writable(&dir) {
            Ok(()) => Ok(Arc::new(disk)),
            Err(source) => Err(not_to_be_had(dir, &source)),
        },
        Err(StoreError::Io { source, .. }) => Err(not_to_be_had(dir, &source)),
        Err(source) => Err(ServerError::DataDir { dir, source: source.into() }),
    }
}

/// What the system says about a directory, and whose it is if that matters.
fn not_to_be_had(dir: PathBuf, source: &io::Error) -> ServerError {
    let source = format!("{source}{}", permission_hint(&dir, source));
    ServerError::DataDir { dir, source: source.into() }
}

/// A file that this user may not read is a matter of the directory, and not of what is in the file.
fn unreadable(error: StoreError) -> ServerError {
    match error {
        StoreError::Io { path, source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            not_to_be_had(path, &source)
        }
        error => error.into(),
    }
}

/// How a tree is made.
pub(crate) fn tree_options(config: &Config) -> TreeOptions {
    TreeOptions {
        owners: OwnerRules {
            extended_types: config.tree.extended_types_enabled,
            emulate_353: config.tree.emulate_353_ttl_nodes,
        },
        digest: config.tree.digest_enabled,
        hash_seed: random(),
    }
}

/// What a start takes.
pub(super) const fn recovery_options(config: &Config) -> RecoveryOptions {
    RecoveryOptions { trust_empty_snapshot: config.storage.trust_empty_snapshot }
}

/// What was read. What sessions have left that are not known any more goes at once where nobody else has it; in an ensemble,
/// the leader has it go everywhere.
pub(super) fn finish(config: &Config, rebuild: Rebuild) -> Rebuilt {
    if config.ensemble.is_none() {
        return rebuild.finish();
    }
    let (tree, sessions) = rebuild.finish_keeping_orphans();
    Rebuilt { tree, sessions, forgotten: 0 }
}

/// Reads what is there; on an empty directory, writes the first snapshot.
pub(crate) fn load(config: &Config, disks: &Disks) -> Result<Loaded, ServerError> {
    let mut rebuild = Rebuild::new(tree_options(config));
    let options = recovery_options(config);
    let mut recovered = recover(&*disks.snap, &*disks.log, options, &mut rebuild).map_err(unreadable)?;
    for rejected in &recovered.rejected {
        tracing::error!(target: topics::DATA, file = rejected.name, damage = %rejected.damage, "a snapshot is damaged; the one before it was used, with the logs since");
    }
    if let Some(zxid) = rebuild.digest_mismatches.first() {
        tracing::error!(target: topics::DATA, %zxid, count = rebuild.digest_mismatches.len(), "the data does not have the digest that was recorded with it");
    }
    let initialize = config.storage.data_log_dir.join(INITIALIZE);
    if recovered.is_empty() && !config.storage.create_database && !initialize.is_file() {
        return Err(ServerError::NoDatabase { dir: disks.snap.dir().to_path_buf(), initialize });
    }
    check_logs(config, disks, &recovered, &initialize)?;
    if let Err(error) = repair(&*disks.snap, &*disks.log, &mut recovered.repairs) {
        let left = LogRepair::postponed(std::mem::take(&mut recovered.repairs.logs));
        let Some(left) = left else { return Err(error.into()) };
        // The log writer does it before it writes its first file.
        recovered.repairs.logs = left;
        tracing::warn!(target: topics::DATA, %error, "what the last run left cannot be put right yet");
    }
    vouch(&*disks.snap, &*disks.log, &recovered)?;
    let digest_mismatches = rebuild.digest_mismatches.len();
    let Rebuilt { mut tree, sessions, forgotten } = finish(config, rebuild);
    if recovered.is_empty() {
        announce_empty(disks);
        if let Some(config::Ensemble { membership, .. }) = &config.ensemble {
            // An official leader that starts with this directory shows the members that its snapshot has.
            tree.write_config(&membership.to_string(), membership.version(), clock::wall_ms(), &mut ());
        }
    }
    if recovered.is_empty() || forgotten > 0 {
        write_snapshot(config, disks, &tree, &sessions)?;
        forget_other_form(config, disks, &recovered, &tree)?;
    }
    forget_initialize(initialize);
    tracing::info!(
        target: topics::DATA,
        snapshot = recovered.snapshot.as_ref().map(|used| used.name.as_str()),
        transactions = recovered.txns,
        znodes = tree.node_count(),
        sessions = sessions.len(),
        zxid = %tree.last_zxid(),
        "data loaded"
    );
    Ok(Loaded { tree, sessions, recovered, digest_mismatches })
}

/// A mistyped `dataDir` looks like a loss of all data.
fn announce_empty(disks: &Disks) {
    let dir = std::path::absolute(disks.snap.dir()).unwrap_or_else(|_| disks.snap.dir().to_path_buf());
    tracing::warn!(target: topics::DATA, dir = %dir.display(), "no data was found there: a new, empty database begins");
}

/// A snapshot whose logs are somewhere else is old data; the official server serves it all the same.
fn check_logs(
    config: &Config,
    disks: &Disks,
    recovered: &Recovered,
    initialize: &Path,
) -> Result<(), ServerError> {
    let Some(snapshot) = &recovered.snapshot else { return Ok(()) };
    let apart = config.storage.data_log_dir != config.storage.data_dir;
    // A member may have fetched its snapshot, and logged nothing since.
    if !apart || config.ensemble.is_some() || recovered.last_zxid.0 == 0 || initialize.is_file() {
        return Ok(());
    }
    let files = disks.log.list().map_err(|source| not_to_be_had(disks.log.dir().to_path_buf(), &source))?;
    if files.iter().any(|file| file.name.starts_with("log.")) {
        return Ok(());
    }
    Err(ServerError::NoLogs {
        snapshot: snapshot.name.clone(),
        dir: disks.snap.dir().to_path_buf(),
        log_dir: disks.log.dir().to_path_buf(),
        initialize: initialize.to_path_buf(),
    })
}

/// What it allows holds for one start (`FileTxnSnapLog.restore`). It goes last: a start that is cut short before
/// may be repeated.
fn forget_initialize(file: PathBuf) {
    match std::fs::remove_file(&file) {
        Ok(()) => {
            tracing::info!(target: topics::DATA, file = %file.display(), "the database may have begun empty; removed")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(target: topics::DATA, file = %file.display(), %error, "cannot be removed, and would let another database begin empty");
        }
    }
}

/// A snapshot of what was loaded, before anything is logged.
fn write_snapshot(
    config: &Config,
    disks: &Disks,
    tree: &Tree,
    sessions: &BTreeMap<SessionId, i32>,
) -> Result<(), StoreError> {
    let snapshotter = Snapshotter::begin(tree);
    let tail = tail(config, &snapshotter);
    let compression = compression(config.storage.snapshot_compression);
    let mut writer = SnapshotWriter::create(Arc::clone(&disks.snap), snapshotter.zxid(), compression)?;
    let mut list = Vec::new();
    encode_sessions(sessions.iter().map(|(&id, &timeout_ms)| (id, timeout_ms)), &mut list);
    writer.write(&list)?;
    snapshotter.pieces(tree, SNAPSHOT_PIECE).try_for_each(|piece| writer.write(&piece))?;
    writer.finish(&tail).map(drop)
}

/// Where the snapshot just written has the number of the one that was read, but is packed in another way, the older one
/// goes: it would be found first by the next start, or not.
fn forget_other_form(
    config: &Config,
    disks: &Disks,
    recovered: &Recovered,
    tree: &Tree,
) -> Result<(), StoreError> {
    let compression = compression(config.storage.snapshot_compression);
    let written = SnapshotName { zxid: tree.last_zxid(), compression }.file_name();
    let Some(used) = &recovered.snapshot else { return Ok(()) };
    if used.zxid != tree.last_zxid() || used.name == written {
        return Ok(());
    }
    let removed = disks.snap.remove(&used.name).and_then(|()| disks.snap.sync_dir());
    removed.map_err(|source| StoreError::Io { action: "remove", path: disks.snap.path(&used.name), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A start's reading, in `dir`.
    fn start(dir: &Path, lines: &str) -> Result<(), ServerError> {
        let text = format!("clientPort=0\ndataDir={}\n{lines}", dir.join("data").display());
        let config = Config::parse("zoo.cfg", &text, &[]).expect("good settings");
        load(&config, &open_disks(&config.storage)?).map(drop)
    }

    fn files(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).expect("a directory").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_first_snapshot_of_a_member_has_the_members() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file");
        let members = "server.1=a:1:2\nserver.2=b:3:4\nserver.3=c:5:6";
        file("myid", "2\n");
        let path = dir.path().display();
        file("zoo.cfg", &format!("clientPort=0\ndataDir={path}\ninitLimit=5\nsyncLimit=2\n{members}\n"));
        let config = Config::load(&dir.path().join("zoo.cfg"), &[]).expect("good settings");
        load(&config, &open_disks(&config.storage).expect("a directory")).expect("it may begin");
        let snapshot = std::fs::read(dir.path().join("version-2/snapshot.0")).expect("it is there");
        let shown = String::from_utf8_lossy(&snapshot);
        assert!(shown.contains("server.2=b:3:4:participant\n"), "{shown}");
    }

    #[test]
    fn an_empty_database_begins_when_it_may() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("data");
        let refused = start(dir.path(), "db.autocreate=false").expect_err("nobody has allowed it");
        assert!(matches!(refused, ServerError::NoDatabase { .. }), "{refused}");
        let text = refused.to_string();
        assert!(text.contains(&data.join("initialize").display().to_string()), "{text}");
        assert_eq!(files(&data.join("version-2")), [""; 0], "nothing was begun");

        std::fs::write(data.join("initialize"), "").expect("a file");
        start(dir.path(), "db.autocreate=false").expect("it is allowed");
        assert_eq!(files(&data), ["version-2"], "once");
        assert_eq!(files(&data.join("version-2")), ["snapshot.0"]);
        start(dir.path(), "db.autocreate=false").expect("it is there by now");
    }

    #[test]
    fn initialize_goes_with_any_start() {
        let dir = tempfile::tempdir().expect("a directory");
        let (data, logs) = (dir.path().join("data"), dir.path().join("logs"));
        std::fs::create_dir_all(&logs).expect("a directory");
        for place in [&data, &logs] {
            std::fs::create_dir_all(place).expect("a directory");
            std::fs::write(place.join("initialize"), "").expect("a file");
        }
        start(dir.path(), &format!("dataLogDir={}", logs.display())).expect("a start");
        assert_eq!(files(&logs), ["version-2"], "it belongs beside the logs");
        assert_eq!(files(&data), ["initialize", "version-2"]);
    }

    #[test]
    fn a_directory_that_is_not_to_be_had() {
        let dir = tempfile::tempdir().expect("a directory");
        let missing = start(dir.path(), "datadir.autocreate=false").expect_err("it is not there");
        assert!(matches!(missing, ServerError::DataDir { .. }), "{missing}");
        std::fs::write(dir.path().join("data"), "").expect("a file");
        let file = start(dir.path(), "").expect_err("it is a file");
        assert!(matches!(file, ServerError::DataDir { .. }), "{file}");
        std::fs::remove_file(dir.path().join("data")).expect("removed");
        let _held = RealDisk::open(&dir.path().join("data/version-2")).expect("a disk");
        let held = start(dir.path(), "").expect_err("somebody has it");
        assert!(matches!(held, ServerError::DataDir { .. }), "{held}");
        assert!(held.to_string().contains("in use"), "{held}");
    }
}
