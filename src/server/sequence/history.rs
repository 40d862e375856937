//! A member's history becomes that of its leader: the files are cut, or replaced, and read again. Or it becomes that of its files.

use super::{
    load::{finish, recovery_options, tree_options},
    log_queue::{Replacement, State},
};
use crate::{
    config::Config,
    membership::Membership,
    recovery::{Rebuild, Rebuilt},
    storage::{Disk, Recovered, RecoveryOptions, StoreError, TxnLog, recover, repair, vouch},
};

/// Replaces the history, durably. It may be tried again after an error.
pub(super) fn replace(
    config: &Config,
    snap_disk: &dyn Disk,
    log: &mut TxnLog,
    replacement: &mut Replacement,
) -> Result<State, StoreError> {
    let mut rebuild = Rebuild::new(tree_options(config));
    let options = recovery_options(config);
    let recovered = match replacement {
        Replacement::Truncate(truncation) => truncation.run(log, snap_disk, options, &mut rebuild)?,
        Replacement::Install(received, told) => {
            received.install(log, told.as_ref().map(Membership::to_string).as_deref())?;
            read_again(snap_disk, log, options, &mut rebuild)?
        }
        Replacement::GoBack => {
            let recovered = read_again(snap_disk, log, options, &mut rebuild)?;
            log.end_at(recovered.last_zxid);
            recovered
        }
    };
    let Rebuilt { tree, sessions, .. } = finish(config, rebuild);
    Ok(State { tree: Box::new(tree), sessions, logged: (recovered.txns, recovered.txn_bytes) })
}

/// What the files make; all of it is durable. The log is settled.
fn read_again(
    snap_disk: &dyn Disk,
    log: &TxnLog,
    options: RecoveryOptions,
    rebuild: &mut Rebuild,
) -> Result<Recovered, StoreError> {
    let log_disk = log.disk();
    let mut recovered = recover(snap_disk, &**log_disk, options, rebuild)?;
    // What a start would find half-written may be on its way here.
    recovered.repairs.leftovers.clear();
    repair(snap_disk, &**log_disk, &mut recovered.repairs)?;
    vouch(snap_disk, &**log_disk, &recovered)?;
    Ok(recovered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{EpochFile, Epochs, LogOptions, MemoryDisk, testing::opens_session};
    use oxkeeper_codec::Zxid;
    use std::{path::Path, sync::Arc};

    /// What an official server has left.
    fn directory() -> MemoryDisk {
        let disk = MemoryDisk::new("/data");
        let left = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage_official/3.9.5");
        for file in std::fs::read_dir(left).expect("the fixtures") {
            let path = file.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name != "tree.tsv" {
                disk.put(&name, &std::fs::read(&path).expect("its content"));
            }
        }
        disk
    }

    /// An observer without a disk that gets a vote: it had more in memory, and logs what comes from here on behind what its disk has.
    #[test]
    fn whoever_goes_back_has_what_the_disk_has_and_logs_behind_it() {
        let config = Config::parse("zoo.cfg", "dataDir=/data\nclientPort=2181", &[]).expect("good settings");
        let disk = directory();
        let options = LogOptions { prealloc_bytes: 4096, ..LogOptions::default() };
        let goes_back = || {
            let mut log = TxnLog::new(Arc::new(disk.clone()), options, Vec::new());
            log.settle().expect("nothing fails");
            log.end_at(Zxid(0x1_0000_0007));
            let state = replace(&config, &disk, &mut log, &mut Replacement::GoBack).expect("it is whole");
            (log, state.tree.last_zxid(), state.sessions.len())
        };
        let (mut log, last, sessions) = goes_back();
        let epochs = Epochs::read(&disk, last).expect("epochs");
        assert_eq!((epochs.current, EpochFile::Current.read(&disk).expect("a file")), (last.epoch(), None));
        log.append(last.next(), &opens_session(last.next())).expect("an entry");
        log.commit().expect("nothing fails");
        drop(log);
        disk.crash(1);
        let (_, after, sessions_after) = goes_back();
        assert_eq!((after, sessions_after), (last.next(), sessions + 1), "no hole, and nothing from memory");
    }
}
