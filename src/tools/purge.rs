//! Old snapshots and logs, removed (`PurgeTxnLog`).

use super::{Terminal, ToolError, data_dirs::DataDirs};
use crate::storage::{Disk, KEEP_MIN, RealDisk, begin_purge, plan_purge};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Keeps the newest snapshots and the logs behind them, and says what goes: paths, a line each.
pub(super) fn purge(
    dirs: &DataDirs,
    keep: usize,
    is_dry: bool,
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    if keep < KEEP_MIN {
        return Err(ToolError::Usage(format!("at least {KEEP_MIN} snapshots are kept, not {keep}")));
    }
    let paths = old_files(&dirs.snapshots(), &dirs.logs(), keep, is_dry)?;
    for path in &paths {
        if as_json {
            let bytes = path.metadata().map(|metadata| metadata.len()).ok();
            writeln!(
                terminal.out,
                "{}",
                json!({"path": path.display().to_string(), "bytes": bytes, "removed": !is_dry})
            )?;
        } else {
            writeln!(
                terminal.out,
                "{} {}",
                if is_dry { "would remove" } else { "removing" },
                path.display()
            )?;
        }
        if !is_dry {
            remove(path)?;
        }
    }
    Ok(0)
}

/// What may go, in the order in which it should: logs first. Unless nothing is to go (`is_dry`), the rest is durable then.
pub(super) fn old_files(
    snapshots: &Path,
    logs: &Path,
    keep: usize,
    is_dry: bool,
) -> Result<Vec<PathBuf>, ToolError> {
    let snap_disk = RealDisk::open_beside(snapshots)?;
    let log_disk = RealDisk::open_beside(logs)?;
    let plan = if is_dry { plan_purge } else { begin_purge };
    let plan = plan(&snap_disk, &log_disk, keep)?;
    let logs = plan.logs.iter().map(|name| log_disk.path(name));
    Ok(logs.chain(plan.snapshots.iter().map(|name| snap_disk.path(name))).collect())
}

/// Removes a file; one that is gone already is no error: a server purges, too.
pub(super) fn remove(path: &Path) -> Result<(), ToolError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ToolError::file("remove", path, error))
        }
        _ => Ok(()),
    }
}
