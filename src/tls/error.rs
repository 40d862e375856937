//! Why TLS cannot be had as it is configured.

use super::stores::StoreError;
use std::{io, path::PathBuf};

/// A setting of TLS that cannot be honoured: which, what is wrong, what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// TLS is asked for, and there is no key.
    #[error("TLS needs a key and a certificate: {prefix}keyStore.location is not set")]
    NoKeyStore {
        /// What the names of the settings begin with.
        prefix: &'static str,
    },
    /// Certificates are demanded, and nobody is trusted.
    #[error(
        "{prefix}trustStore.location is not set, so nobody could be let in: set it, or {unasked} if certificates are \
         not to be asked for"
    )]
    NoTrustStore {
        /// What the names of the settings begin with.
        prefix: &'static str,
        /// What turns the demand off.
        unasked: &'static str,
    },
    /// A client has nobody to believe.
    #[error("{prefix}trustStore.location is not set: it says which servers are believed")]
    NobodyBelieved {
        /// What the names of the settings begin with.
        prefix: &'static str,
    },
    /// A file cannot be read.
    #[error("{setting}={path}: cannot read it: {source}", path = path.display())]
    Read {
        /// The setting.
        setting: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{setting}={path}: {source}", path = path.display())]
    Store {
        /// The setting.
        setting: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// A name of a version or a cipher suite that leaves nothing to speak.
    #[error("{setting}={value}: {problem}")]
    Value {
        /// The setting.
        setting: String,
        /// As it is written.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Key and certificates do not go together, or nothing can be signed with the key.
    #[error("{setting}={path}: {source}", path = path.display())]
    Key {
        /// The setting.
        setting: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Certificates of the trust store that vouch for nobody.
    #[error("{setting}={path}: none of its certificates can vouch for others: {problem}", path = path.display())]
    Trust {
        /// The setting.
        setting: String,
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A certificate whose subject is no name.
    #[error("the subject of the certificate cannot be read")]
    Subject,
}
