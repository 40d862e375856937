//! The JAAS file: the one place that reads it.

use super::ServerError;
use crate::sasl::Jaas;
use std::path::{Path, PathBuf};

/// The file, read.
pub(super) struct JaasFile {
    path: PathBuf,
    pub(super) jaas: Jaas,
}

impl JaasFile {
    /// Reads it.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(path: &Path) -> Result<Self, ServerError> {
        let path = path.to_path_buf();
        let refused = |problem: String| ServerError::Jaas { path: path.clone(), problem };
        let text =
            std::fs::read_to_string(&path).map_err(|error| refused(format!("cannot read it: {error}")))?;
        let jaas = Jaas::parse(&text, property).map_err(|error| refused(error.to_string()))?;
        Ok(Self { path, jaas })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Something is wrong with the file.
    pub(super) fn refused(&self, problem: String) -> ServerError {
        ServerError::Jaas { path: self.path.clone(), problem }
    }

    /// Something is wrong in a section.
    pub(super) fn refused_in(&self, section: &str, problem: &str) -> ServerError {
        self.refused(format!("section {section}: {problem}"))
    }

    #[cfg(test)]
    pub(super) fn of(path: &str, text: &str) -> Self {
        Self { path: path.into(), jaas: Jaas::parse(text, property).expect("a good file") }
    }
}

/// Of Java's properties those that are the same without Java.
fn property(name: &str) -> Option<String> {
    match name {
        "user.home" => std::env::var("HOME").ok(),
        "user.name" => std::env::var("USER").ok(),
        "user.dir" => std::env::current_dir().ok().map(|dir| dir.display().to_string()),
        "file.separator" => Some("/".to_owned()),
        _ => None,
    }
}
