//! Where a `zoo.cfg` keeps its data.

use super::ToolError;
use crate::config::{Check, Config, Origin};
use std::path::{Path, PathBuf};

/// The two directories of a configuration, without their `version-2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DataDirs {
    pub(super) data: PathBuf,
    /// `dataLogDir`, if it is set.
    pub(super) log: Option<PathBuf>,
}

impl DataDirs {
    /// Reads them from a file, which may be wrong in all else: a member that has no `myid` yet, for instance.
    pub(super) fn of_config(path: &Path) -> Result<Self, ToolError> {
        std::fs::metadata(path).map_err(|source| ToolError::file("read", path, source))?;
        let check = Config::check(path, &[]);
        let data = given(&check, "dataDir").ok_or_else(|| ToolError::content(path, "dataDir is not set"))?;
        Ok(Self { data, log: given(&check, "dataLogDir") })
    }

    /// A `zoo.cfg`, or the data directory itself.
    pub(super) fn of(path: &Path) -> Result<Self, ToolError> {
        if path.is_dir() {
            return Ok(Self { data: path.to_path_buf(), log: None });
        }
        Self::of_config(path)
    }

    /// The same, where a data directory need not be there yet.
    pub(super) fn to_be(path: &Path) -> Result<Self, ToolError> {
        if path.exists() {
            return Self::of(path);
        }
        Ok(Self { data: path.to_path_buf(), log: None })
    }

    /// Where snapshots are.
    pub(super) fn snapshots(&self) -> PathBuf {
        version_2(&self.data)
    }

    /// Where logs are.
    pub(super) fn logs(&self) -> PathBuf {
        version_2(self.log.as_ref().unwrap_or(&self.data))
    }
}

/// The directory in which the files are; a path may name it already.
pub(super) fn version_2(dir: &Path) -> PathBuf {
    if dir.ends_with("version-2") { dir.to_path_buf() } else { dir.join("version-2") }
}

fn given(check: &Check, name: &str) -> Option<PathBuf> {
    let setting = check.settings.iter().find(|setting| setting.name == name)?;
    (setting.origin != Origin::Default && !setting.value.is_empty()).then(|| PathBuf::from(&setting.value))
}
