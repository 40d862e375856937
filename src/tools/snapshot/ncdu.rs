//! A snapshot in the format of ncdu's exports, for a look at what takes the room (`SnapshotFormatter -json`).

use super::Snapshot;
use crate::tools::{Terminal, ToolError};
use serde_json::json;

/// Numbers of znodes, as inodes, begin behind this one.
const FIRST: usize = 1001;

/// One JSON array without an end of line, as of `now_ms`.
pub(crate) fn export(
    snapshot: &Snapshot,
    now_ms: u128,
    terminal: &mut Terminal<'_>,
) -> Result<(), ToolError> {
    let out = &mut *terminal.out;
    write!(
        out,
        "[1,0,{{\"progname\":\"SnapshotFormatter.java\",\"progver\":\"0.01\",\"timestamp\":{now_ms}}}"
    )?;
    let sums = snapshot.sums();
    // How many brackets are open, and how deep is the znode that each one belongs to.
    let mut open: Vec<usize> = Vec::new();
    for (at, (znode, sum)) in snapshot.znodes.iter().zip(sums).enumerate() {
        while open.last().is_some_and(|&depth| depth >= znode.depth()) {
            open.pop();
            write!(out, "]")?;
        }
        let len = znode.data_len();
        let object = json!({"name": znode.name(), "asize": len, "dsize": len, "dev": 0, "ino": FIRST + at});
        if sum.below > 0 {
            open.push(znode.depth());
            write!(out, ",[{object}")?;
        } else {
            write!(out, ",{object}")?;
        }
    }
    write!(out, "{}]", "]".repeat(open.len()))?;
    Ok(())
}
