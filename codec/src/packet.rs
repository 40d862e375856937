//! The packets of the quorum port as they stand on the wire, and where they end in a stream that is still arriving.
//!
//! A packet is a bare jute record with no length in front, so its end shows only while it is read. [`Scanner`] finds it
//! and goes on where it stopped: a packet that arrives in small pieces is still looked at once.

use crate::{DecodeError, ErrorKind};
use crate::{Zxid, codes::PacketType, macros::records, records::Id, wire};
use bytes::Bytes;
use std::fmt;

records! {
    /// What everything on the quorum port is (`quorum.QuorumPacket`).
    QuorumPacket {
        /// What the packet is.
        kind: PacketType,
        /// A zxid whose meaning the type decides.
        zxid: Zxid,
        /// What the type needs beyond that.
        data: Option<Bytes>,
        /// A client's identities, with its request; null otherwise.
        authinfo: Option<Vec<Id>>,
    }
}

/// What ends every packet but a request: no identities. It follows the data.
pub const PACKET_TAIL: [u8; 4] = (-1i32).to_be_bytes();

/// In front of the data: type and zxid, then the length, in bytes.
const LENGTH_AT: usize = 12;

/// Why a packet cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketError {
    /// Nobody sends this type in this direction. Official receivers log it and go on with the next packet, but while
    /// they wait for one of a certain type.
    Unexpected(PacketType),
    /// The packet does not hold what its type needs: the link ends. Offsets count from the start of the data.
    Malformed(DecodeError),
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(kind) => write!(f, "unexpected packet of type {kind:?}"),
            Self::Malformed(error) => write!(f, "packet does not decode: {error}"),
        }
    }
}

impl std::error::Error for PacketError {}

impl From<DecodeError> for PacketError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

/// What comes next in a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Expects {
    /// Type, zxid and data.
    #[default]
    Data,
    /// The number of identities.
    Count,
    /// So many texts; an identity has two.
    Texts(usize),
}

/// Finds the end of one packet after the other in a stream.
#[derive(Debug, Clone, Default)]
pub struct Scanner {
    /// How far the packet has been looked at; this may lie beyond what has arrived.
    at: usize,
    expects: Expects,
}

impl Scanner {
    /// Length of the packet that `input` begins with, in bytes, or `None` when more has to arrive. Until a length is
    /// returned, each call must be given all of the packet that is there; afterwards, what follows it.
    ///
    /// # Errors
    /// A length that is negative, or with which the packet would be longer than `limit` bytes: the stream cannot be
    /// read on. The official server bounds each part instead: twice `jute.maxbuffer`, if nothing else is configured.
    pub fn scan(&mut self, input: &[u8], limit: usize) -> wire::Result<Option<usize>> {
        while self.expects != Expects::Texts(0) {
            let Some(number) = self.number(input) else { return Ok(None) };
            self.pass(number, limit)?;
        }
        if input.len() < self.at {
            return Ok(None);
        }
        let len = self.at;
        *self = Self::default();
        Ok(Some(len))
    }

    /// Where the next length or count is.
    const fn number_at(&self) -> usize {
        match self.expects {
            Expects::Data => LENGTH_AT,
            Expects::Count | Expects::Texts(_) => self.at,
        }
    }

    fn number(&self, input: &[u8]) -> Option<i32> {
        input.get(self.number_at()..)?.first_chunk().map(|bytes| i32::from_be_bytes(*bytes))
    }

    /// Takes the next length or count, and moves behind what it announces.
    fn pass(&mut self, number: i32, limit: usize) -> wire::Result<()> {
        let at = self.number_at();
        let field = if self.expects == Expects::Data { "data" } else { "authinfo" };
        let bad = DecodeError { kind: ErrorKind::BadLength(number), offset: at, field };
        let announced = match (self.expects, usize::try_from(number)) {
            (_, Ok(announced)) => announced,
            // The official reader takes any negative count as none.
            (Expects::Count, Err(_)) => 0,
            (_, Err(_)) if number == -1 => 0,
            (_, Err(_)) => return Err(bad),
        };
        // What is announced, and at least a length for each part behind it.
        let (passed, next) = match self.expects {
            Expects::Data => (announced, Expects::Count),
            Expects::Count => (0, Expects::Texts(announced.saturating_mul(2))),
            Expects::Texts(left) => (announced, Expects::Texts(left - 1)),
        };
        let owed = match next {
            Expects::Texts(left) => left.saturating_mul(4),
            Expects::Data | Expects::Count => 4,
        };
        self.at = at + 4 + passed;
        self.expects = next;
        if self.at.saturating_add(owed) <= limit { Ok(()) } else { Err(bad) }
    }
}
