//! Numbers that could be mistaken for each other, as types of their own.

use crate::wire::{Decode, Encode, Reader, Result};
use std::fmt;

/// A transaction's place in the total order: the epoch in the upper 32 bits, a counter in the lower.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Zxid(pub i64);

impl Zxid {
    /// Before the first transaction.
    pub const ZERO: Self = Self(0);

    /// The leadership that made the transaction; 0 on a standalone server.
    pub const fn epoch(self) -> i64 {
        self.0 >> 32
    }

    /// The transaction's number within its epoch.
    pub const fn counter(self) -> i64 {
        self.0 & 0xffff_ffff
    }

    /// The last epoch there is: zxids are not negative.
    pub const EPOCH_MAX: i64 = 0x7fff_ffff;

    /// Counter 0 of an epoch: before its first transaction.
    pub const fn begin_of(epoch: i64) -> Self {
        Self(epoch << 32)
    }

    /// The zxid behind this one in the same epoch.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A session: the creating server's id in the top byte, then 40 bits of clock, then a counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SessionId(pub i64);

/// A member of the ensemble: the number in its `myid` and behind `server.` in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub i64);

impl fmt::Debug for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

macro_rules! hex_id {
    ($type:ident) => {
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{:x}", self.0)
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
        impl<'a> Decode<'a> for $type {
            const MIN_LEN: usize = 8;
            fn decode(reader: &mut Reader<'a>) -> Result<Self> {
                i64::decode(reader).map(Self)
            }
        }
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }
            fn encoded_len(&self) -> usize {
                8
            }
        }
    };
}
hex_id!(Zxid);
hex_id!(SessionId);
