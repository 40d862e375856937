//! How a request of a client ends when it does not succeed.

use oxkeeper_codec::Code;
use std::fmt;

/// The server's refusal, or what has become of the connection; shown as the official client does (`KeeperException.getMessage`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong.
    pub code: Code,
    /// With which znode.
    pub path: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match message(self.code) {
            Some(message) => write!(f, "KeeperErrorCode = {message}")?,
            None => write!(f, "KeeperErrorCode = Unknown error {}", self.code.0)?,
        }
        self.path.as_ref().map_or(Ok(()), |path| write!(f, " for {path}"))
    }
}

impl std::error::Error for Failure {}

/// What the official client calls it (`KeeperException.getCodeMessage`).
const fn message(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::SYSTEM_ERROR => "SystemError",
        Code::RUNTIME_INCONSISTENCY => "RuntimeInconsistency",
        Code::CONNECTION_LOSS => "ConnectionLoss",
        Code::MARSHALLING_ERROR => "MarshallingError",
        Code::NEW_CONFIG_NO_QUORUM => "NewConfigNoQuorum",
        Code::RECONFIG_IN_PROGRESS => "ReconfigInProgress",
        Code::UNIMPLEMENTED => "Unimplemented",
        Code::BAD_ARGUMENTS => "BadArguments",
        Code::NO_NODE => "NoNode",
        Code::NO_AUTH => "NoAuth",
        Code::BAD_VERSION => "BadVersion",
        Code::NO_CHILDREN_FOR_EPHEMERALS => "NoChildrenForEphemerals",
        Code::NODE_EXISTS => "NodeExists",
        Code::INVALID_ACL => "InvalidACL",
        Code::AUTH_FAILED => "AuthFailed",
        Code::NOT_EMPTY => "Directory not empty",
        Code::SESSION_EXPIRED => "Session expired",
        Code::SESSION_MOVED => "Session moved",
        Code::NOT_READ_ONLY => "Not a read-only call",
        Code::EPHEMERAL_ON_LOCAL_SESSION => "Ephemeral node on local session",
        Code::NO_WATCHER => "No such watcher",
        Code::RECONFIG_DISABLED => "Reconfig is disabled",
        Code::SESSION_CLOSED_REQUIRE_SASL_AUTH => "Session closed because client failed to authenticate",
        Code::QUOTA_EXCEEDED => "Quota has exceeded",
        Code::THROTTLED_OP => "Op throttled due to high load",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_officially() {
        let shown = |code, path: Option<&str>| Failure { code, path: path.map(str::to_owned) }.to_string();
        assert_eq!(shown(Code::NO_NODE, Some("/a")), "KeeperErrorCode = NoNode for /a");
        assert_eq!(shown(Code::CONNECTION_LOSS, None), "KeeperErrorCode = ConnectionLoss");
        assert_eq!(shown(Code(-999), None), "KeeperErrorCode = Unknown error -999");
    }
}
