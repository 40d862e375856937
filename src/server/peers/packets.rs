//! Packets of the quorum port in a stream.

use bytes::{Bytes, BytesMut};
use oxkeeper_codec::packet::Scanner;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads whole packets.
#[derive(Debug)]
pub(super) struct Packets<R> {
    from: R,
    input: BytesMut,
    scanner: Scanner,
    max_bytes: usize,
}

/// A read at a time.
const READ_BYTES: usize = 64 * 1024;

impl<R: AsyncRead + Unpin> Packets<R> {
    pub(super) fn new(from: R, max_bytes: usize) -> Self {
        Self { from, input: BytesMut::with_capacity(READ_BYTES), scanner: Scanner::default(), max_bytes }
    }

    /// The next packet, whole; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let len = self.scanner.scan(&self.input, self.max_bytes).map_err(io::Error::other)?;
            if let Some(len) = len {
                return Ok(Some(self.input.split_to(len).freeze()));
            }
            self.input.reserve(READ_BYTES);
            if self.from.read_buf(&mut self.input).await? == 0 {
                let cut = !self.input.is_empty();
                return if cut { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(None) };
            }
        }
    }

    /// What has come, or comes next, and is no packet; empty at the end of the stream.
    pub(super) async fn raw(&mut self) -> io::Result<Bytes> {
        if self.input.is_empty() {
            self.input.reserve(READ_BYTES);
            self.from.read_buf(&mut self.input).await?;
        }
        Ok(self.input.split().freeze())
    }

    /// Gives back the end of what was no packet, from which packets go on.
    pub(super) fn go_on_with(&mut self, rest: &[u8]) {
        debug_assert!(self.input.is_empty(), "all of it was taken");
        self.input.extend_from_slice(rest);
    }
}
