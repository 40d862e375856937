//! A data directory for a new server (`zkServer-initialize.sh`).

use super::{
    ToolError,
    data_dirs::{DataDirs, version_2},
};
use std::{fs, io::ErrorKind, path::Path};

/// Why a data directory is not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum InitError {
    /// There is one, and perhaps data in it.
    #[error("there is a data directory at {0}; --force removes what it holds")]
    DataThere(String),
    /// The same, for logs.
    #[error("there is a log directory at {0}; --force removes what it holds")]
    LogThere(String),
    /// Anything else.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

/// Makes `version-2`, `myid` and the file `initialize`, which lets a new member join without data. With `force`, data that is
/// there goes.
pub(super) fn init(dirs: &DataDirs, my_id: Option<i64>, force: bool) -> Result<(), InitError> {
    let all = [Some(&dirs.data), dirs.log.as_ref()];
    if !force {
        if version_2(&dirs.data).is_dir() {
            return Err(InitError::DataThere(dirs.data.display().to_string()));
        }
        if let Some(log) = dirs.log.as_ref().filter(|log| version_2(log).is_dir()) {
            return Err(InitError::LogThere(log.display().to_string()));
        }
    }
    for dir in all.into_iter().flatten() {
        gone(&dir.join("myid"), fs::remove_file(dir.join("myid")))?;
        gone(&version_2(dir), fs::remove_dir_all(version_2(dir)))?;
        fs::create_dir_all(version_2(dir))
            .map_err(|source| ToolError::file("create", &version_2(dir), source))?;
    }
    if let Some(id) = my_id {
        write(&dirs.data.join("myid"), &format!("{id}\n"))?;
    }
    write(&dirs.data.join("initialize"), "")?;
    Ok(())
}

fn gone(path: &Path, removed: std::io::Result<()>) -> Result<(), ToolError> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ToolError::file("remove", path, error)),
        _ => Ok(()),
    }
}

fn write(path: &Path, content: &str) -> Result<(), ToolError> {
    fs::write(path, content).map_err(|source| ToolError::file("write", path, source))
}
