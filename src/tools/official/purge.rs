//! `PurgeTxnLog`.

use super::fail;
use crate::tools::{
    Terminal, ToolError,
    data_dirs::version_2,
    dates::Dates,
    purge::{old_files, remove},
};
use std::{path::Path, time::SystemTime};

const USAGE: &str = "\
Usage:
PurgeTxnLog dataLogDir [snapDir] -n count
\tdataLogDir -- where the logs are
\tsnapDir -- where the snapshots are, if elsewhere
\tcount -- so many snapshots are kept, with the logs behind them; 3 or more
";

pub(super) fn run(arguments: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let usage = |problem: Option<String>, terminal: &mut Terminal<'_>| {
        if let Some(problem) = problem {
            writeln!(terminal.err, "{problem}")?;
        }
        write!(terminal.out, "{USAGE}")?;
        Ok(1)
    };
    let (logs, snapshots, option, count) = match arguments {
        [dir, option, count] => (dir, dir, option, count),
        [logs, snapshots, option, count] => (logs, snapshots, option, count),
        _ => return usage(None, terminal),
    };
    for dir in [logs, snapshots] {
        if !Path::new(dir).exists() {
            let path = std::path::absolute(dir).unwrap_or_else(|_| dir.into());
            return usage(Some(format!("Path '{}' does not exist. ", path.display())), terminal);
        }
    }
    let keep = match count.parse::<i32>() {
        Err(_) => return usage(Some(format!("'{count}' can not be parsed to integer.")), terminal),
        Ok(count) => match usize::try_from(count) {
            Ok(count) if count >= crate::storage::KEEP_MIN => count,
            _ => return usage(Some("count should be greater than or equal to 3".to_owned()), terminal),
        },
    };
    if option != "-n" {
        return usage(None, terminal);
    }
    let old = match old_files(&version_2(Path::new(snapshots)), &version_2(Path::new(logs)), keep, false) {
        Ok(old) => old,
        Err(error) => return fail(1, error, terminal),
    };
    let dates = Dates::of_system();
    for path in old {
        let modified =
            path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = dates.of_file(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        writeln!(terminal.out, "Removing file: {at}\t{}", path.display())?;
        if let Err(error) = remove(&path) {
            writeln!(terminal.err, "Failed to remove {}: {error}", path.display())?;
        }
    }
    Ok(0)
}
