//! The JAAS file: the one place that reads it.

use super::ServerError;
use crate::sasl::Jaas;
use std::path::Path;

/// Reads the JAAS file.
///
/// # Errors
/// It cannot be read.
pub(super) fn read_jaas(path: &Path) -> Result<Jaas, ServerError> {
    let refused = |problem: String| ServerError::Jaas { path: path.to_path_buf(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| refused(format!("cannot read it: {error}")))?;
    // Of Java's properties those that are the same without Java.
    let property = |name: &str| match name {
        "user.home" => std::env::var("HOME").ok(),
        "user.name" => std::env::var("USER").ok(),
        "user.dir" => std::env::current_dir().ok().map(|dir| dir.display().to_string()),
        "file.separator" => Some("/".to_owned()),
        _ => None,
    };
    Jaas::parse(&text, property).map_err(|error| refused(error.to_string()))
}
