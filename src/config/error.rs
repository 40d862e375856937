//! What can be wrong with a configuration, and where it was written.
//!
//! Promise: every message is one line that names the setting, the place, the value and what would be allowed,
//! so that an operator can repair the file without reading anything else.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of a configuration file; the line is the one that holds the key.
    File {
        /// The file as the operator named it.
        file: Arc<str>,
        /// Line number, from 1.
        line: usize,
    },
    /// An argument of the command line: `-Dzookeeper.key=value`, or one of `port dataDir [tickTime [..]]`.
    CommandLine,
    /// Nobody wrote it: the built-in default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::CommandLine => f.write_str("command line"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Why a configuration is refused. The server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The text is not in the syntax of a properties file.
    #[error("{origin}: {problem}")]
    Syntax {
        /// The line at fault.
        origin: Origin,
        /// What is wrong with it.
        problem: String,
    },
    /// A value that its key does not take.
    #[error("{origin}: {key}: bad value \"{value}\"; allowed: {allowed}")]
    BadValue {
        /// The key as the operator wrote it.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The value as the operator wrote it.
        value: String,
        /// The values or the range that would be taken.
        allowed: String,
    },
    /// A setting that is fine for Apache ZooKeeper, and that this build cannot honour.
    #[error("{origin}: {key}={value}: not supported yet: {reason}")]
    NotSupported {
        /// The key as the operator wrote it.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The value as the operator wrote it.
        value: String,
        /// What this build does instead.
        reason: String,
    },
    /// A setting without which the server cannot start.
    #[error("{place}{key} is not set: {reason}{instead}")]
    Missing {
        /// The file where it should be, with a colon behind it; empty when there is none.
        place: String,
        /// The key that is not there.
        key: &'static str,
        /// Why it is needed.
        reason: &'static str,
        /// What was probably written in its place; empty when nothing looks like that.
        instead: String,
    },
    /// Settings that are fine alone and contradict each other.
    #[error("{origin}: {key}: {problem}")]
    Conflict {
        /// The key as the operator wrote it.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The contradiction, in a sentence.
        problem: String,
    },
    /// A member of an ensemble does not know which one it is.
    #[error("myid file is missing: {} must have the number N of this server's server.N line", path.display())]
    NoMyId {
        /// The file.
        path: PathBuf,
    },
    /// It is none of the members.
    #[error("My id {id} not in the peer list: {} has it, and there is no line server.{id}", path.display())]
    NotListed {
        /// The file with the number.
        path: PathBuf,
        /// The number.
        id: i64,
    },
    /// A file could not be read.
    #[error("cannot read {what} {}: {source}", path.display())]
    Unreadable {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ConfigError {
    /// The key that is to blame, if it is one.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::BadValue { key, .. } | Self::NotSupported { key, .. } | Self::Conflict { key, .. } => {
                Some(key)
            }
            Self::Missing { key, .. } => Some(key),
            Self::NoMyId { .. } | Self::NotListed { .. } => Some("myid"),
            Self::Syntax { .. } | Self::Unreadable { .. } => None,
        }
    }
}

/// A configuration that is refused: all that is wrong with it, and the warnings, which may explain it.
#[derive(Debug)]
pub struct Refusal {
    /// What is wrong, at least one.
    pub errors: Vec<ConfigError>,
    /// What else an operator should know.
    pub warnings: Vec<Warning>,
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        Self { errors: vec![error], warnings: Vec::new() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        f.write_str(&errors.join("; "))
    }
}

impl std::error::Error for Refusal {}

/// Something that an operator should know and that does not keep the server from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The key as the operator wrote it.
    pub key: String,
    /// Where it stands.
    pub origin: Origin,
    /// What is the matter, in a phrase.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.key, self.message, self.origin)
    }
}
