//! A member's history becomes that of its leader: the files are cut, or replaced, and read again.

use super::{
    load::{finish, recovery_options, tree_options},
    log_queue::{Replacement, State},
};
use crate::{
    config::Config,
    membership::Membership,
    recovery::{Rebuild, Rebuilt},
    storage::{Disk, StoreError, TxnLog, recover, repair, truncate, vouch},
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
        Replacement::Truncate(zxid) => truncate(log, snap_disk, *zxid, options, &mut rebuild)?,
        Replacement::Install(received, told) => {
            received.install(log, told.as_ref().map(Membership::to_string).as_deref())?;
            let log_disk = log.disk();
            let recovered = recover(snap_disk, &**log_disk, options, &mut rebuild)?;
            repair(snap_disk, &**log_disk, &recovered.repairs)?;
            vouch(snap_disk, &**log_disk, &recovered)?;
            recovered
        }
    };
    let Rebuilt { tree, sessions, .. } = finish(config, rebuild);
    Ok(State { tree: Box::new(tree), sessions, logged: (recovered.txns, recovered.txn_bytes) })
}
