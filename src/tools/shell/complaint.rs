//! What is said of a command that did not succeed.

use crate::client::{CallError, Failure};
use oxkeeper_codec::Code;
use std::io;

/// Why a command ends early.
#[derive(Debug)]
pub(super) enum Complaint {
    /// This is said, and what the shell ends with if nothing follows; what the server or the connection has refused it with.
    Said { text: String, code: u8, refused: Option<Code> },
    /// What is written cannot be read any more.
    Output(io::Error),
}

impl Complaint {
    pub(super) fn said(text: impl Into<String>) -> Self {
        Self::Said { text: text.into(), code: 1, refused: None }
    }

    /// There is no such command; as a shell of the system, it ends with 127.
    pub(super) fn not_found(name: &str) -> Self {
        Self::Said { text: format!("Command not found: Command not found {name}"), code: 127, refused: None }
    }
}

impl From<io::Error> for Complaint {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<CallError> for Complaint {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Path(problem) => Self::said(problem.to_string()),
            CallError::Failure(failure) => {
                Self::Said { text: told(&failure), code: 1, refused: Some(failure.code) }
            }
        }
    }
}

/// The words of the official shell for what servers refuse (`CliWrapperException`).
fn told(failure: &Failure) -> String {
    let of = |text: &str| format!("{text}{}", failure.path.as_deref().unwrap_or("null"));
    match failure.code {
        Code::NO_NODE => of("Node does not exist: "),
        Code::NO_CHILDREN_FOR_EPHEMERALS => of("Ephemerals cannot have children: "),
        Code::NODE_EXISTS => of("Node already exists: "),
        Code::NOT_EMPTY => of("Node not empty: "),
        Code::NOT_READ_ONLY => of("Not a read-only call: "),
        Code::INVALID_ACL => of("Acl is not valid : "),
        Code::NO_AUTH => of("Insufficient permission : "),
        Code::BAD_ARGUMENTS => of("Arguments are not valid : "),
        Code::BAD_VERSION => of("version No is not valid : "),
        Code::QUOTA_EXCEEDED => of("Quota has exceeded : "),
        Code::RECONFIG_IN_PROGRESS => {
            "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)".to_owned()
        }
        Code::NEW_CONFIG_NO_QUORUM => {
            "No quorum of new config is connected and up-to-date with the leader of last commmitted config - try invoking \
             reconfiguration after new servers are connected and synced"
                .to_owned()
        }
        _ => failure.to_string(),
    }
}
