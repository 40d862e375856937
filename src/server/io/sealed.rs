//! TLS of one connection, from the end of its handshake on.
//!
//! Promise: what is read is opened and what is sent is sealed on the worker's own thread, in its order; so much and no
//! more waits between the two ([`Sealed::send`]), and nothing else of the connection knows of it.

use super::outbox::Outbox;
use rustls::ServerConnection;
use std::io::{self, IoSlice, Read, Write};

/// Sent at once at most, in bytes, before others come.
const SENT_AT_ONCE: usize = 1 << 20;

/// A connection's TLS.
#[derive(Debug)]
pub(super) struct Sealed {
    tls: ServerConnection,
    /// What its client sent behind the handshake, and whether that was all.
    early: (Vec<u8>, Opened),
    /// Whether its end was told.
    ended: bool,
}

/// Whether more can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    More,
    /// The client has said that this was all.
    Ended,
}

impl Sealed {
    /// Behind a handshake, with what it has read beyond that.
    ///
    /// # Errors
    /// As of [`Sealed::open`].
    pub(super) fn behind(tls: ServerConnection) -> Result<Self, rustls::Error> {
        let mut sealed = Self { tls, early: (Vec::new(), Opened::More), ended: false };
        let mut early = Vec::new();
        let opened = sealed.open(&[], &mut early)?;
        sealed.early = (early, opened);
        Ok(sealed)
    }

    /// What the client sent behind its handshake, once, and whether more can come.
    pub(super) fn take_early(&mut self) -> (Vec<u8>, Opened) {
        (std::mem::take(&mut self.early.0), self.early.1)
    }

    /// Opens what was read, and adds it to `plain`.
    ///
    /// # Errors
    /// The bytes are not what the client's TLS would send. The alert that says so waits to be sent.
    pub(super) fn open(&mut self, mut read: &[u8], plain: &mut Vec<u8>) -> Result<Opened, rustls::Error> {
        let mut opened = Opened::More;
        loop {
            let state = self.tls.process_new_packets()?;
            let len = state.plaintext_bytes_to_read();
            if len > 0 {
                let from = plain.len();
                plain.resize(from + len, 0);
                // As much is there as it has just said.
                let got = self.tls.reader().read(&mut plain[from..]).unwrap_or(0);
                plain.truncate(from + got);
            }
            if state.peer_has_closed() {
                opened = Opened::Ended;
            }
            // It takes bytes as long as it has taken out what it had.
            if read.is_empty() || !matches!(self.tls.read_tls(&mut read), Ok(1..)) {
                return Ok(opened);
            }
        }
    }

    /// Whether something waits to be sent that is in no outbox. `ends`: its end is to be told, too.
    pub(super) fn has_unsent(&self, ends: bool) -> bool {
        self.tls.wants_write() || ends && !self.ended
    }

    /// Sends as much of what is in the outbox as is taken, or as is enough for once; `ends`: that nothing more comes, too.
    /// No more than the buffer of `rustls` (64 KiB, and what it grows by) waits sealed.
    ///
    /// # Errors
    /// As of a connection that is broken.
    pub(super) fn send(
        &mut self,
        output: &mut Outbox,
        ends: bool,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut sent = 0;
        loop {
            while self.tls.wants_write() {
                match self.tls.write_tls(&mut Socket(&mut write)) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            if output.unsent() == 0 && ends && !std::mem::replace(&mut self.ended, true) {
                self.tls.send_close_notify();
                continue;
            }
            if output.unsent() == 0 || sent >= SENT_AT_ONCE {
                return Ok(());
            }
            let before = output.unsent();
            output.send(|pieces| match self.tls.writer().write_vectored(pieces)? {
                // Its buffer is full.
                0 => Err(io::ErrorKind::WouldBlock.into()),
                taken => Ok(taken),
            })?;
            sent += before - output.unsent();
        }
    }
}

/// A socket as something to write to.
struct Socket<W>(W);

impl<W: FnMut(&[IoSlice<'_>]) -> io::Result<usize>> Write for Socket<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
