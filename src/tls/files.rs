//! The files of keys and certificates: the one place here that reads any.

use super::{
    TlsError,
    settings::{Password, StoreSettings, TlsSettings},
    stores::{KeyStore, StoreError, StoreKind, TrustStore},
};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Longest file that is read, in bytes: that of many thousand certificates.
const LONGEST: u64 = 16 << 20;

/// What tells that a file is another one than before: its number, length and time of change. `None`: it is not there.
pub(super) type Stamp = Option<(u64, u64, i64, i64)>;

/// The stamps of all files that the settings name.
pub(super) fn stamps(settings: &TlsSettings) -> Vec<Stamp> {
    let stores = settings.key_store.iter().chain(&settings.trust_store);
    let paths = stores.flat_map(|store| {
        let password = match &store.password {
            Password::File(path) => Some(path),
            Password::Text(_) => None,
        };
        std::iter::once(&store.path).chain(password)
    });
    let stamp = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    };
    paths.map(stamp).collect()
}

/// The key store, and where it is.
pub(super) fn key_store(settings: &TlsSettings) -> Result<(KeyStore, PathBuf), TlsError> {
    let prefix = settings.prefix;
    let store = settings.key_store.as_ref().ok_or(TlsError::NoKeyStore { prefix })?;
    let read = read_store(&format!("{prefix}keyStore"), store, KeyStore::read)?;
    Ok((read, store.path.clone()))
}

/// The trust store, and where it is.
pub(super) fn trust_store(settings: &TlsSettings) -> Result<(TrustStore, PathBuf), TlsError> {
    let TlsSettings { prefix, unasked, .. } = *settings;
    let store = settings.trust_store.as_ref().ok_or(TlsError::NoTrustStore { prefix, unasked })?;
    let read = read_store(&format!("{prefix}trustStore"), store, TrustStore::read)?;
    Ok((read, store.path.clone()))
}

fn read_store<S>(
    setting: &str,
    store: &StoreSettings,
    read_as: impl FnOnce(&[u8], StoreKind, &str) -> Result<S, StoreError>,
) -> Result<S, TlsError> {
    let wrong =
        |source| TlsError::Store { setting: format!("{setting}.location"), path: store.path.clone(), source };
    let kind = StoreKind::of(&store.path, store.kind.as_deref()).map_err(wrong)?;
    let password = match &store.password {
        Password::Text(text) => text.clone(),
        Password::File(path) => {
            let bytes = read(&format!("{setting}.passwordPath"), path)?;
            // An ending line feed is of the editor, and no part of the password.
            String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned()
        }
    };
    let bytes = read(&format!("{setting}.location"), &store.path)?;
    read_as(&bytes, kind, &password).map_err(wrong)
}

/// The bytes of a file.
fn read(setting: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let refused = |source| TlsError::Read { setting: setting.to_owned(), path: path.to_path_buf(), source };
    let too_long = || io::Error::other(format!("it is longer than {} MiB", LONGEST >> 20));
    if fs::metadata(path).map_err(refused)?.len() > LONGEST {
        return Err(refused(too_long()));
    }
    fs::read(path).map_err(refused)
}
