//! TLS, for clients and between members: stores, names, cipher suites, and what `rustls` runs with.
//!
//! Promise: whoever has a [`ServerTls`] or [`MemberTls`] makes connections as the settings say, with the files as they were last read.
//! A setting that cannot be honoured is refused by its name, at the start.
//! Invariants: only `files` reads files, and only `revocation` asks others for anything; no key or password is in any message.

mod context;
mod error;
mod files;
mod names;
mod ocsp;
mod reload;
mod revocation;
mod settings;
mod stores;
mod suites;
mod verify;

pub use error::TlsError;
pub use names::{is_distinguished_name, subject};
pub use reload::{Certificates, MemberTls, Reloaded, ServerTls, client, watch};
pub use revocation::{Revocation, RevocationError, Shows};
pub use settings::{ClientAuth, Password, StoreSettings, TlsSettings};
pub use stores::{KeyStore, StoreError, StoreKind, TrustStore};
pub use verify::is_for;
