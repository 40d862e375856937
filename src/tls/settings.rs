//! What an operator says about TLS on one kind of port, as plain values.

use core::fmt;
use std::path::PathBuf;

/// Whether the connecting side shows a certificate (`X509Util.ClientAuth`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// It is not asked for one.
    None,
    /// It may show one, which then must be good.
    Want,
    /// Without a good one the handshake fails.
    Need,
}

/// TLS of one kind of port: `ssl.` towards clients, `ssl.quorum.` between members. The setting of each field is the first
/// word of its comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// What the names of the settings begin with, for messages.
    pub prefix: &'static str,
    /// `keyStore`: the own key and certificates.
    pub key_store: Option<StoreSettings>,
    /// `trustStore`: who vouches for others.
    pub trust_store: Option<StoreSettings>,
    /// `enabledProtocols`, or `protocol`; empty: all that are safe.
    pub protocols: Vec<String>,
    /// `ciphersuites`, by their names in Java; empty: all that are safe.
    pub suites: Vec<String>,
    /// `clientAuth`.
    pub client_auth: ClientAuth,
    /// What is set so that certificates are not asked for, for messages.
    pub unasked: &'static str,
    /// `hostnameVerification`: the names of the side that is connected to are checked.
    pub checks_server_names: bool,
    /// `clientHostnameVerification`: those of the connecting side, too.
    pub checks_client_names: bool,
    /// `allowReverseDnsLookup`: in that check the name that the system has for an address counts.
    pub allows_reverse_lookup: bool,
    /// `crl`: whoever shows a certificate that its authority has taken back is not let in.
    pub checks_lists: bool,
    /// `ocsp`: the same, by what its responder says, or by the lists where that says nothing.
    pub asks_responders: bool,
    /// `handshakeDetectionTimeoutMillis`.
    pub detection_timeout_ms: u32,
    /// `client.certReload`, `sslQuorumReloadCertFiles`: files are read again when they change.
    pub reloads: bool,
}

/// A file of keys or certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// `location`.
    pub path: PathBuf,
    /// `type`; `None`: by the extension of the file.
    pub kind: Option<String>,
    /// `password` or `passwordPath`.
    pub password: Password,
}

/// What opens a store.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// This text, which may be empty. It is shown nowhere.
    Text(String),
    /// What stands in a file; the end of its line does not count.
    File(PathBuf),
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}
