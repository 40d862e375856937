//! Why a connection is closed, in words for its client's operator.

use super::{limiter::Kind, shorten::Short};
use crate::auth::AuthError;
use oxkeeper_codec::{SessionId, Zxid};
use std::fmt::{self, Display};

/// A reason to close a connection.
#[derive(Debug)]
pub(crate) enum Closing<'a> {
    /// `maxClientCnxns` of its address are open.
    PerAddress(u32),
    /// `maxCnxns` are open.
    Total(u32),
    /// The process may have no more descriptors than for so many.
    Descriptors(u32),
    /// The connection throttle drops its handshake.
    Throttled,
    /// A length that no packet may have, with its bytes; `opens`: nothing came before.
    BadLength { length: i32, max: usize, bytes: [u8; 4], opens: bool },
    /// What came first is no handshake.
    NoHandshake,
    /// What came is no request.
    NoRequest,
    /// The budget for large requests is used up.
    LargeRequest { bytes: usize },
    /// A request has waited too long, and is dropped.
    Stale,
    /// There is no such operation.
    UnknownOp(i32),
    /// It has to authenticate before anything else.
    AuthRequired,
    /// It could not authenticate.
    AuthFailed { scheme: &'a str, error: AuthError },
    /// It could not log in by SASL; `stays`: it may go on without.
    LoginFailed { error: &'a str, stays: bool },
    /// It has seen a later zxid than this server.
    ZxidAhead { seen: Zxid, last: Zxid },
    /// There is no such session.
    NoSession(SessionId),
    /// Its password is not that of the session.
    WrongPassword(SessionId),
    /// Its session goes on with another connection.
    Moved(SessionId),
    /// The transaction log takes no writes.
    LogFailed,
    /// The ensemble has no leader.
    NoLeader,
    /// The server is in read-only mode, and its client asks for more than to read, or goes on with a session of the ensemble.
    ReadOnly,
    /// Read-only mode is over.
    ReadOnlyEnded,
    /// It never had a session within so many ms.
    Sessionless { limit_ms: i64 },
    /// It does not take its events.
    TakesNothing { unsent: usize },
    /// Its client has closed it, and not ended its session.
    Gone,
    /// Its TLS handshake came to nothing.
    Handshake { error: &'a str },
    /// As many TLS handshakes are under way as may be.
    Handshakes,
    /// What it sent is not what its TLS would send.
    Tls { error: &'a str },
}

impl Closing<'_> {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::PerAddress(_) | Self::Total(_) | Self::Descriptors(_) => Kind::TooMany,
            Self::Throttled => Kind::Throttled,
            Self::BadLength { .. } => Kind::BadLength,
            Self::NoHandshake | Self::NoRequest => Kind::Undecodable,
            Self::LargeRequest { .. } => Kind::LargeRequest,
            Self::Stale => Kind::Stale,
            Self::UnknownOp(_) => Kind::UnknownOp,
            Self::AuthRequired => Kind::AuthRequired,
            Self::AuthFailed { .. } | Self::LoginFailed { .. } => Kind::AuthFailed,
            Self::ZxidAhead { .. } => Kind::ZxidAhead,
            Self::NoSession(_) => Kind::NoSession,
            Self::WrongPassword(_) => Kind::WrongPassword,
            Self::Moved(_) => Kind::Moved,
            Self::LogFailed => Kind::LogFailed,
            Self::NoLeader => Kind::NoLeader,
            Self::ReadOnly | Self::ReadOnlyEnded => Kind::ReadOnly,
            Self::Sessionless { .. } => Kind::Sessionless,
            Self::TakesNothing { .. } => Kind::TakesNothing,
            Self::Gone => Kind::Gone,
            Self::Handshake { .. } | Self::Tls { .. } => Kind::Tls,
            Self::Handshakes => Kind::Throttled,
        }
    }

    /// Whether it is told as a piece of news and not as a warning, as in the official server.
    pub(super) const fn is_news(&self) -> bool {
        matches!(
            self,
            Self::ZxidAhead { .. }
                | Self::NoSession(_)
                | Self::Moved(_)
                | Self::Sessionless { .. }
                | Self::ReadOnly
                | Self::ReadOnlyEnded
                | Self::Gone
        )
    }
}

impl Display for Closing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerAddress(max) => write!(f, "its address has as many as it may (maxClientCnxns={max})"),
            Self::Total(max) => write!(f, "there are as many as there may be (maxCnxns={max})"),
            Self::Descriptors(max) => {
                write!(f, "the process may have no more open files than for {max} of them (ulimit -n)")
            }
            Self::Throttled => {
                f.write_str("too many new ones at once (zookeeper.connection_throttle_tokens)")
            }
            Self::BadLength { length, max, bytes, opens } => bad_length(*length, *max, *bytes, *opens, f),
            Self::NoHandshake => f.write_str("what it sent first is no handshake of a ZooKeeper client"),
            Self::NoRequest => f.write_str("what it sent is no request"),
            Self::LargeRequest { bytes } => {
                write!(
                    f,
                    "its request of {bytes} bytes is over the budget of large ones (zookeeper.largeRequestMaxBytes)"
                )
            }
            Self::Stale => f.write_str("its request has waited too long (request_throttle_drop_stale)"),
            Self::UnknownOp(op) => write!(f, "there is no operation of type {op}"),
            Self::AuthRequired => f.write_str("it has to authenticate first (enforce.auth.schemes)"),
            Self::AuthFailed { scheme, error } => {
                write!(f, "authentication failed: {error}, scheme \"{}\"", Short(scheme))
            }
            Self::LoginFailed { error, stays: false } => write!(f, "its login by SASL failed: {error}"),
            Self::LoginFailed { error, stays: true } => {
                write!(f, "not closed (allowSaslFailedClients), but its login by SASL failed: {error}")
            }
            Self::ZxidAhead { seen, last } => {
                write!(f, "its client has seen zxid {seen}, which is later than this server's {last}")
            }
            Self::NoSession(session) => {
                write!(
                    f,
                    "its client asks for session {session}, which is not known and has probably expired"
                )
            }
            Self::WrongPassword(session) => write!(f, "wrong password for session {session}"),
            Self::Moved(session) => write!(f, "session {session} goes on with another connection"),
            Self::LogFailed => f.write_str("the transaction log cannot be written"),
            Self::NoLeader => f.write_str("the ensemble has no leader now"),
            Self::ReadOnly => f.write_str(
                "this server is in read-only mode: it serves clients that ask for that, and no sessions of the ensemble",
            ),
            Self::ReadOnlyEnded => f.write_str("this server is in read-only mode no more"),
            Self::Sessionless { limit_ms } => {
                write!(f, "it has no session after {limit_ms} ms (nio.sessionlessCnxnTimeout)")
            }
            Self::TakesNothing { unsent } => {
                write!(f, "it does not take its events: {unsent} bytes wait to be sent")
            }
            Self::Gone => f.write_str("its client has closed it, and not ended its session"),
            Self::Handshake { error } => f.write_str(error),
            Self::Handshakes => {
                f.write_str("too many TLS handshakes at once (netty.server.outstandingHandshake.limit)")
            }
            Self::Tls { error } => write!(f, "what it sent is no TLS of its session: {error}"),
        }
    }
}

/// A length that is too long, or below zero; or what was no length at all.
fn bad_length(
    length: i32,
    max: usize,
    bytes: [u8; 4],
    opens: bool,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if let Some(protocol) = opens.then(|| protocol(bytes)).flatten() {
        write!(f, "its client does not speak ZooKeeper's protocol but sends {protocol}: ")?;
    }
    if length < 0 {
        write!(f, "a packet of {length} bytes")?;
    } else {
        write!(f, "a packet of {length} bytes, where jute.maxbuffer={max} is the longest")?;
    }
    if bytes.iter().all(u8::is_ascii_graphic) || opens {
        write!(f, " (these four bytes are \"{}\")", bytes.escape_ascii())?;
    }
    Ok(())
}

/// What begins with these bytes.
const fn protocol(bytes: [u8; 4]) -> Option<&'static str> {
    match &bytes {
        b"GET " | b"HEAD" | b"POST" | b"PUT " | b"DELE" | b"OPTI" | b"PATC" | b"CONN" | b"TRAC" | b"PRI " => {
            Some("an HTTP request")
        }
        [0x16, 3, ..] => Some("a TLS handshake, and this port takes none"),
        b"PROX" | b"\r\n\r\n" => Some("a header of the PROXY protocol"),
        b"SSH-" => Some("an SSH greeting"),
        [b'a'..=b'z', b'a'..=b'z', b'a'..=b'z', b'a'..=b'z'] => Some("a word that is no four-letter word"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_length_is_named() {
        for (bytes, words) in [
            (*b"GET ", "an HTTP request"),
            ([0x16, 3, 1, 0], "a TLS handshake"),
            (*b"\r\n\r\n", "the PROXY protocol"),
            (*b"abcd", "no four-letter word"),
        ] {
            let length = i32::from_be_bytes(bytes);
            let told = Closing::BadLength { length, max: 1_048_575, bytes, opens: true }.to_string();
            assert!(told.contains(words) && told.contains(&length.to_string()), "{told}");
            let told = Closing::BadLength { length, max: 1_048_575, bytes, opens: false }.to_string();
            assert!(!told.contains(words) && told.contains("jute.maxbuffer=1048575"), "{told}");
        }
        let told = Closing::BadLength { length: -7, max: 9, bytes: (-7_i32).to_be_bytes(), opens: false };
        assert_eq!(told.to_string(), "a packet of -7 bytes");
    }
}
