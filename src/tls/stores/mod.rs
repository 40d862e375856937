//! Stores of keys and certificates, from their bytes: PEM, PKCS#12 and JKS, as Java, keytool and openssl write them.
//!
//! Promise: what the official server takes is taken, and so are the forms of keys that openssl writes by default and Java
//! does not read; what is not is refused with what it is, and what to do. Nothing here reads a file.

mod jks;
mod keys;
mod pem;
mod pkcs12;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// The format of a store (`KeyStoreFileType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Text, with key and certificates in one file.
    Pem,
    /// What keytool of Java 9 and later writes, and `openssl pkcs12`; or Java's own older form. Either may stand where the other is
    /// asked for, as in Java.
    Java,
}

/// Why a store is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Neither the type nor the name of the file tells what it is.
    #[error(
        "its type cannot be told from its name: call it .jks, .pem or .p12, or set the type (JKS, PEM or PKCS12)"
    )]
    UnknownKind,
    /// A type that is none, or not to be had.
    #[error("{0} is no type of store here: it may be JKS, PEM or PKCS12")]
    Kind(String),
    /// The password does not open it.
    #[error("the password does not open it")]
    Password,
    /// There is a password that is needed, and none is set.
    #[error("its key is encrypted, and no password is set")]
    NoPassword,
    /// It holds no key.
    #[error("it holds no private key")]
    NoKey,
    /// It holds no certificate.
    #[error("it holds no certificate")]
    NoCertificate,
    /// None of its certificates is that of the key.
    #[error("a key in it has no certificate")]
    NoCertificateOfKey,
    /// The bytes are not what they should be.
    #[error("it is no {format} file: {problem}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// What is wrong, and where.
        problem: String,
    },
    /// Something that is not to be had.
    #[error("{what} is not supported: {instead}")]
    Unsupported {
        /// What.
        what: String,
        /// What to do.
        instead: &'static str,
    },
}

impl StoreKind {
    /// The format of a file: as its type is set, or by the end of its name (`KeyStoreFileType.fromPropertyValueOrFileName`).
    ///
    /// # Errors
    /// The type is none, or there is none and the name does not tell.
    pub fn of(path: &Path, set: Option<&str>) -> Result<Self, StoreError> {
        match set.map(str::trim).filter(|set| !set.is_empty()) {
            Some(set) => match set.to_ascii_uppercase().as_str() {
                "PEM" => Ok(Self::Pem),
                "JKS" | "PKCS12" => Ok(Self::Java),
                _ => Err(StoreError::Kind(set.to_owned())),
            },
            None => match path.extension().and_then(|extension| extension.to_str()) {
                Some("pem") => Ok(Self::Pem),
                Some("jks" | "p12") => Ok(Self::Java),
                Some("bcfks") => Err(StoreError::Kind("BCFKS".to_owned())),
                _ => Err(StoreError::UnknownKind),
            },
        }
    }
}

/// An own key with its certificates, the own one first.
#[derive(Debug)]
pub struct KeyStore {
    /// The own certificate, then those that vouch for it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

impl KeyStore {
    /// Reads a store. Of several keys the first counts.
    ///
    /// # Errors
    /// It has no key, no certificate of it, or is not to be read.
    pub fn read(bytes: &[u8], kind: StoreKind, password: &str) -> Result<Self, StoreError> {
        match kind {
            StoreKind::Pem => pem::key_store(bytes, password),
            StoreKind::Java if jks::is_one(bytes) => jks::key_store(bytes, password),
            StoreKind::Java => pkcs12::key_store(bytes, password),
        }
    }
}

/// Certificates that vouch for others.
#[derive(Debug)]
pub struct TrustStore {
    /// In the order in which they stand.
    pub certificates: Vec<CertificateDer<'static>>,
}

impl TrustStore {
    /// Reads a store. Of an entry with a key nothing counts, as in Java, but in a PEM file.
    ///
    /// # Errors
    /// It has no certificate, or is not to be read.
    pub fn read(bytes: &[u8], kind: StoreKind, password: &str) -> Result<Self, StoreError> {
        let certificates = match kind {
            StoreKind::Pem => pem::certificates(bytes)?,
            StoreKind::Java if jks::is_one(bytes) => jks::trusted(bytes, password)?,
            StoreKind::Java => pkcs12::trusted(bytes, password)?,
        };
        if certificates.is_empty() { Err(StoreError::NoCertificate) } else { Ok(Self { certificates }) }
    }
}

#[cfg(test)]
mod tests;
