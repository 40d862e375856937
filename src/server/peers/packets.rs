//! Packets of the quorum port in what comes over a connection.

use bytes::{Bytes, BytesMut};
use oxkeeper_codec::packet::Scanner;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What is read at a time, at most, if nothing longer is under way, in bytes.
pub(super) const READ_BYTES: usize = 64 * 1024;
/// With less room than this behind what has come, in bytes, more is made. What was read stands in one allocation with what
/// comes next, however small.
const ROOM_MIN_BYTES: usize = 4 * 1024;

/// Finds whole packets.
#[derive(Debug)]
pub(super) struct Packets {
    input: BytesMut,
    scanner: Scanner,
    /// A packet is no longer than this, in bytes.
    limit: usize,
    /// How much room is made at once, in bytes.
    room: usize,
}

impl Packets {
    /// Of somebody who is not known yet: no packet is longer than `limit` bytes.
    pub(super) fn of_stranger(limit: usize) -> Self {
        Self { input: BytesMut::new(), scanner: Scanner::default(), limit, room: limit }
    }

    /// Of a member.
    pub(super) fn of_member(limit: usize) -> Self {
        Self { room: READ_BYTES, ..Self::of_stranger(limit) }
    }

    /// Its packets may be so long from now on.
    pub(super) fn is_member(&mut self, limit: usize) {
        (self.limit, self.room) = (limit, READ_BYTES);
    }

    /// The next packet, if it has come whole.
    ///
    /// # Errors
    /// What has come is no packet, or a longer one than is allowed.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let len = self.scanner.scan(&self.input, self.limit).map_err(invalid)?;
        Ok(len.map(|len| self.input.split_to(len).freeze()))
    }

    /// Reads what has come, or comes; says how much, in bytes.
    ///
    /// # Errors
    /// The connection is broken, or ends within a packet ([`io::ErrorKind::UnexpectedEof`]).
    pub(super) async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        if self.input.capacity() - self.input.len() < ROOM_MIN_BYTES.min(self.room) {
            self.input.reserve(self.room);
        }
        match from.read_buf(&mut self.input).await? {
            0 if !self.input.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }

    /// What has come and was not taken as a packet.
    pub(super) const fn raw(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Puts back what was taken from there, and is a packet.
    pub(super) fn give_back(&mut self, rest: BytesMut) {
        debug_assert!(self.input.is_empty(), "all of it was taken");
        self.input.unsplit(rest);
    }
}
