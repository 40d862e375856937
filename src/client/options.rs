//! What a session is opened with, and how it is.

use super::{connect_string::ConnectString, login::Login};
use rustls::ClientConfig;
use std::{fmt, sync::Arc, time::Duration};

/// What a session is opened with.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Who may have it.
    pub servers: ConnectString,
    /// The time-out that is asked for.
    pub timeout: Duration,
    /// Whether a server without a quorum will do.
    pub read_only: bool,
    /// What TLS is spoken with, and whether certificates have to have the names; `None` for plain text.
    pub tls: Option<(Arc<ClientConfig>, bool)>,
    /// As whom it logs in by SASL, at each server.
    pub login: Option<Login>,
}

/// How a session is (`ZooKeeper.States`); shown as the official client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionState {
    /// A server is looked for.
    Connecting,
    /// A server has it.
    Connected,
    /// A server without a quorum has it.
    ConnectedReadOnly,
    /// It has ended.
    Closed,
    /// It has ended, as it may not say who it is.
    AuthFailed,
}

impl SessionState {
    /// Whether requests may still be answered.
    pub const fn is_alive(self) -> bool {
        !matches!(self, Self::Closed | Self::AuthFailed)
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "CONNECTING",
            Self::Connected => "CONNECTED",
            Self::ConnectedReadOnly => "CONNECTEDREADONLY",
            Self::Closed => "CLOSED",
            Self::AuthFailed => "AUTH_FAILED",
        })
    }
}
