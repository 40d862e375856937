//! The data directory, from its first look to a tree: directories, recovery, repairs, the first snapshot.
//!
//! Invariant: the caller has the client port by now. Another server that still runs on the same files, and has the
//! port, would go on to write into a log that has been replaced here.

use super::snapshots::{compression, tail};
use crate::{
    config::{self, Config},
    recovery::Rebuild,
    server::{ServerError, chance::random},
    storage::{Disk, RealDisk, Recovered, RecoveryOptions, SnapshotWriter, StoreError, recover, repair},
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
    let snap = open_disk(&storage.data_dir, storage.create_dirs)?;
    let log = if storage.data_log_dir == storage.data_dir {
        Arc::clone(&snap)
    } else {
        open_disk(&storage.data_log_dir, storage.create_dirs)?
    };
    Ok(Disks { snap, log })
}

fn open_disk(dir: &Path, create: bool) -> Result<Arc<dyn Disk>, ServerError> {
    let dir = dir.join(VERSION_DIR);
    if !create && let Err(source) = std::fs::read_dir(&dir) {
        return Err(ServerError::DataDir { dir, source: source.into() });
    }
    match RealDisk::open(&dir) {
        Ok(disk) => Ok(Arc::new(disk)),
        Err(StoreError::Io { source, .. }) => Err(ServerError::DataDir { dir, source: source.into() }),
        Err(source) => Err(ServerError::DataDir { dir, source: source.into() }),
    }
}

/// Reads what is there; on an empty directory, writes the first snapshot.
pub(crate) fn load(config: &Config, disks: &Disks) -> Result<Loaded, ServerError> {
    let options = TreeOptions {
        owners: OwnerRules {
            extended_types: config.tree.extended_types_enabled,
            emulate_353: config.tree.emulate_353_ttl_nodes,
        },
        digest: config.tree.digest_enabled,
        hash_seed: random(),
    };
    let recovery = RecoveryOptions { trust_empty_snapshot: config.storage.trust_empty_snapshot };
    let mut rebuild = Rebuild::new(options);
    let mut recovered = recover(&*disks.snap, &*disks.log, recovery, &mut rebuild)?;
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
    match repair(&*disks.snap, &*disks.log, &recovered.repairs) {
        Ok(()) => recovered.repairs.logs.clear(),
        // The log writer does it before it writes its first file.
        Err(error) => {
            tracing::warn!(target: topics::DATA, %error, "what the last run left cannot be put right yet")
        }
    }
    let digest_mismatches = rebuild.digest_mismatches.len();
    let (tree, sessions) = rebuild.finish();
    if recovered.is_empty() {
        write_first_snapshot(config, disks, &tree)?;
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

fn write_first_snapshot(config: &Config, disks: &Disks, tree: &Tree) -> Result<(), StoreError> {
    let mut snapshotter = Snapshotter::begin(tree, std::iter::empty::<(SessionId, i32)>());
    while !snapshotter.advance(tree, usize::MAX) {}
    let tail = tail(config, &snapshotter);
    let compression = compression(config.storage.snapshot_compression);
    let mut writer = SnapshotWriter::create(Arc::clone(&disks.snap), snapshotter.zxid(), compression)?;
    writer.write(&snapshotter.take())?;
    writer.finish(&tail).map(drop)
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
