//! What members tell each other on the election port (`QuorumCnxManager`, `FastLeaderElection`).
//!
//! The connecting side begins with a [`Hello`]; then each side sends [`Notification`]s, each behind its length as int32.

use crate::{
    ByteStr, Decode, DecodeError, Encode, ErrorKind, Reader, Zxid,
    frame::{self, BadFrame},
    ids::ServerId,
    wire,
};
use bytes::Bytes;
use std::{fmt, net::IpAddr, ops::Range};

/// The first int64 of a hello with one address (`PROTOCOL_VERSION_V1`).
const ONE_ADDRESS: i64 = -65_536;
/// The first int64 of a hello with any number of them (`PROTOCOL_VERSION_V2`).
const MANY_ADDRESSES: i64 = -65_535;

/// The longest text of addresses in a hello, in bytes (`QuorumCnxManager.maxBuffer`).
pub const MAX_ADDRESSES_LEN: usize = 2048;

/// The longest notification, in bytes, without the length in front (`QuorumCnxManager.PACKETMAXSIZE`).
pub const MAX_NOTIFICATION_LEN: usize = 512 * 1024;

/// Who connects, and where it can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Its id.
    pub sid: ServerId,
    /// Its election addresses, as `host:port`; none from servers before 3.5, which send their bare id, and from those
    /// that listen on all addresses: 0.0.0.0 is none that others could connect to.
    pub addresses: Vec<String>,
}

/// What a member is doing, as it tells others (`QuorumPeer.ServerState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerState {
    /// It elects (0).
    Looking,
    /// It follows a leader (1).
    Following,
    /// It leads (2).
    Leading,
    /// It observes (3).
    Observing,
}

/// A vote, and what its sender is doing: int32 state, int64 leader, int64 zxid, int64 election epoch, int64 peer epoch,
/// int32 version (2), int32 length of the configuration, its text. Those of 3.4 are 40 bytes: they end with the
/// version, which nobody reads. Those of 28 bytes end with the election epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What its sender is doing.
    pub state: PeerState,
    /// Whom it votes for or follows.
    pub leader: ServerId,
    /// That member's last zxid, as the voter knows it.
    pub zxid: Zxid,
    /// The round of elections (`logicalclock`).
    pub election_epoch: i64,
    /// That member's current epoch.
    pub peer_epoch: i64,
    /// The sender's configuration, from version 2 of the message on.
    pub config: Option<ByteStr>,
}

impl Hello {
    /// Appends the hello: of two addresses and more in the form for many, which only servers of 3.6 and later read, and
    /// without an address as the bare id, which must not be negative. It has to be written in one piece: official
    /// receivers give up when the text of the addresses comes in two.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self.addresses.len() {
            0 => return self.sid.0.encode(out),
            1 => ONE_ADDRESS.encode(out),
            _ => MANY_ADDRESSES.encode(out),
        }
        self.sid.0.encode(out);
        self.addresses.join("|").as_str().encode(out);
    }

    /// Decodes the hello that `input` begins with, and tells its length in bytes; `None` when more has to arrive.
    ///
    /// # Errors
    /// It is no hello: the connection ends.
    pub fn decode(input: &[u8]) -> Result<Option<(Self, usize)>, HelloError> {
        let mut reader = Reader::new(input);
        let Ok(version) = i64::decode(&mut reader) else { return Ok(None) };
        if version >= 0 {
            return Ok(Some((Self { sid: ServerId(version), addresses: Vec::new() }, reader.offset())));
        }
        if !matches!(version, ONE_ADDRESS | MANY_ADDRESSES) {
            return Err(HelloError::Version(version));
        }
        let (Ok(sid), Ok(announced)) = (i64::decode(&mut reader), i32::decode(&mut reader)) else {
            return Ok(None);
        };
        let len = usize::try_from(announced).unwrap_or(0);
        if !(1..=MAX_ADDRESSES_LEN).contains(&len) {
            return Err(HelloError::Length(announced));
        }
        let Ok(text) = reader.take(len) else { return Ok(None) };
        let not_text = |_| HelloError::Address(String::from_utf8_lossy(text).into_owned());
        let mut addresses = Vec::new();
        for address in std::str::from_utf8(text).map_err(not_text)?.split('|') {
            let host = host_of(address).ok_or_else(|| HelloError::Address(address.to_owned()))?;
            if !is_wildcard(host) {
                addresses.push(address.to_owned());
            }
        }
        Ok(Some((Self { sid: ServerId(sid), addresses }, reader.offset())))
    }
}

/// Why what a connection begins with is no [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelloError {
    /// The first number is neither an id nor a known version.
    Version(i64),
    /// The text of the addresses is empty, or longer than [`MAX_ADDRESSES_LEN`]; its length.
    Length(i32),
    /// This is not `host:port`.
    Address(String),
}

impl fmt::Display for HelloError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "{version} is neither a server id nor a known version"),
            Self::Length(len) => write!(f, "addresses of {len} bytes: 1 to {MAX_ADDRESSES_LEN} are allowed"),
            Self::Address(address) => write!(f, "{address:?} is not host:port"),
        }
    }
}

impl std::error::Error for HelloError {}

/// The host of `host:port` or `[host]:port`, if it is one.
fn host_of(address: &str) -> Option<&str> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => address.split_once(':')?,
    };
    let known = !host.is_empty() && port.parse::<u16>().is_ok();
    known.then_some(host)
}

fn is_wildcard(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

impl PeerState {
    /// The number on the wire.
    pub const fn number(self) -> i32 {
        match self {
            Self::Looking => 0,
            Self::Following => 1,
            Self::Leading => 2,
            Self::Observing => 3,
        }
    }

    /// The state of a number, if it is one.
    pub const fn from_number(number: i32) -> Option<Self> {
        match number {
            0 => Some(Self::Looking),
            1 => Some(Self::Following),
            2 => Some(Self::Leading),
            3 => Some(Self::Observing),
            _ => None,
        }
    }
}

/// The version of notifications with a configuration (`Notification.CURRENTVERSION`).
const VERSION: i32 = 2;

/// The length of notifications that end with the election epoch.
const LEN_WITHOUT_PEER_EPOCH: usize = 28;
/// The length of notifications whose version nobody reads.
const LEN_WITHOUT_VERSION: usize = 40;

/// Finds the notification that `input` begins with: its body's place, or `None` when more has to arrive.
///
/// # Errors
/// [`BadFrame`]: a length below 1 or above [`MAX_NOTIFICATION_LEN`]. The connection ends.
pub fn next_notification(input: &[u8]) -> Result<Option<Range<usize>>, BadFrame> {
    match frame::next_frame(input, 0, MAX_NOTIFICATION_LEN)? {
        Some(body) if body.is_empty() => Err(BadFrame(0)),
        found => Ok(found),
    }
}

impl Notification {
    /// Appends the body as 3.5 and later send it, whatever the receiver; without a configuration, an empty one.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.state.number().encode(out);
        self.leader.0.encode(out);
        self.zxid.encode(out);
        self.election_epoch.encode(out);
        self.peer_epoch.encode(out);
        VERSION.encode(out);
        self.config.as_ref().map_or("", |text| text.as_str()).encode(out);
    }

    /// Appends the body behind its length.
    ///
    /// # Errors
    /// [`frame::TooLong`]: the configuration has 2 GiB.
    pub fn encode_framed(&self, out: &mut Vec<u8>) -> Result<(), frame::TooLong> {
        let start = frame::begin_frame(out);
        self.encode(out);
        frame::end_frame(out, start)
    }

    /// Decodes a body, whose length decides what is in it; what is behind that is ignored. An empty configuration is
    /// none. The configuration is a slice of `body`.
    ///
    /// # Errors
    /// The body is shorter than 28 bytes or ends inside a field, or the state is none. Official receivers log it and
    /// keep the connection.
    pub fn decode(body: &Bytes) -> wire::Result<Self> {
        let mut reader = Reader::shared(body);
        let state = i32::decode(&mut reader).map_err(|e| e.within("state"))?;
        let leader = ServerId(i64::decode(&mut reader).map_err(|e| e.within("leader"))?);
        let zxid = Zxid::decode(&mut reader).map_err(|e| e.within("zxid"))?;
        let election_epoch = i64::decode(&mut reader).map_err(|e| e.within("election_epoch"))?;
        let (mut peer_epoch, mut version) = (zxid.epoch(), 0);
        if body.len() != LEN_WITHOUT_PEER_EPOCH {
            peer_epoch = i64::decode(&mut reader).map_err(|e| e.within("peer_epoch"))?;
            if body.len() != LEN_WITHOUT_VERSION {
                version = i32::decode(&mut reader).map_err(|e| e.within("version"))?;
            }
        }
        let config = match version {
            VERSION.. => Some(ByteStr::decode(&mut reader).map_err(|e| e.within("config"))?),
            _ => None,
        };
        let unknown = DecodeError { kind: ErrorKind::BadValue(state.into()), offset: 0, field: "state" };
        let state = PeerState::from_number(state).ok_or(unknown)?;
        let config = config.filter(|text| !text.is_empty());
        Ok(Self { state, leader, zxid, election_epoch, peer_epoch, config })
    }
}
