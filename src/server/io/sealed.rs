//! TLS of one connection, without its socket.
//!
//! Promise: what is read is opened and what is sent is sealed on the caller's own thread, in its order; so much and no
//! more waits between the two ([`Sealed::send`]), and nothing else of the connection knows of it. A connection that has nothing
//! under way has no buffers.

use super::outbox::Outbox;
use rustls::{
    ServerConfig,
    pki_types::CertificateDer,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus},
};
use std::{
    fmt,
    io::{self, IoSlice},
    sync::Arc,
};

/// Sent at once at most, in bytes, before others come.
const SENT_AT_ONCE: usize = 1 << 20;
/// Sealed at once at most, in bytes.
pub(super) const SEALED_AT_ONCE: usize = 64 << 10;
/// What may have come of a message of the handshake that is not whole, in bytes, as where `rustls` keeps the buffers.
const INCOMING_MAX_BYTES: usize = 64 << 10;
/// A record has no more plain text, in bytes (RFC 8446, 5.1).
const RECORD_MAX_BYTES: usize = 16 << 10;
/// Room for what a record has beside its plain text, in bytes.
pub(super) const RECORD_EXTRA_BYTES: usize = 64;

/// A connection's TLS.
pub(super) struct Sealed {
    tls: UnbufferedServerConnection,
    /// A record that has not come whole.
    incoming: Vec<u8>,
    /// What is sealed; sent up to `sent_to`.
    outgoing: Vec<u8>,
    sent_to: usize,
    /// What its client sent behind the handshake, and whether that was all.
    early: (Vec<u8>, Opened),
    /// Whether its end was told.
    ended: bool,
    /// Whether something came that was wrong: nothing is opened or sealed any more.
    failed: bool,
}

/// Whether more can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    More,
    /// The client has said that this was all.
    Ended,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (incoming, outgoing) = (self.incoming.len(), self.outgoing.len() - self.sent_to);
        f.debug_struct("Sealed")
            .field("incoming", &incoming)
            .field("outgoing", &outgoing)
            .finish_non_exhaustive()
    }
}

impl Sealed {
    /// Before its handshake.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            tls: UnbufferedServerConnection::new(config)?,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            sent_to: 0,
            early: (Vec::new(), Opened::More),
            ended: false,
            failed: false,
        })
    }

    /// Takes in what was read in its handshake. What is to be sent then, also if that failed, is in
    /// [`Sealed::take_outgoing`].
    ///
    /// # Errors
    /// As of [`Sealed::open`].
    pub(super) fn shake(&mut self, read: &mut [u8]) -> Result<(), rustls::Error> {
        let mut early = std::mem::take(&mut self.early.0);
        let opened = self.open(read, &mut early)?;
        self.early = (early, opened);
        Ok(())
    }

    /// Whether its handshake goes on.
    pub(super) fn is_shaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// What the client has shown, its own certificate first.
    pub(super) fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.tls.peer_certificates()
    }

    /// What is to be sent of the handshake.
    pub(super) fn take_outgoing(&mut self) -> Vec<u8> {
        debug_assert_eq!(self.sent_to, 0, "nothing of it was sent");
        std::mem::take(&mut self.outgoing)
    }

    /// What the client sent behind its handshake, once, and whether more can come.
    pub(super) fn take_early(&mut self) -> (Vec<u8>, Opened) {
        (std::mem::take(&mut self.early.0), self.early.1)
    }

    /// Opens what was read, which is spoilt then, and adds it to `plain`. Nothing follows an error.
    ///
    /// # Errors
    /// The bytes are not what the client's TLS would send. The alert that says so waits to be sent.
    pub(super) fn open(&mut self, read: &mut [u8], plain: &mut Vec<u8>) -> Result<Opened, rustls::Error> {
        let mut begun = std::mem::take(&mut self.incoming);
        let is_begun = !begun.is_empty();
        begun.extend_from_slice(if is_begun { read } else { &[] });
        let bytes = if is_begun { &mut begun[..] } else { read };
        let mut taken = 0;
        let opened = self.open_whole(bytes, &mut taken, plain);
        if opened.is_err() {
            // It gives its alert out, behind what it had to say before, and is not to look at the rest again.
            while self.tls.wants_write()
                && let Ok(ConnectionState::EncodeTlsData(data)) =
                    self.tls.process_tls_records(&mut bytes[taken..]).state
            {
                encode(data, &mut self.outgoing);
            }
            self.failed = true;
            return opened;
        }
        let rest = &bytes[taken..];
        if rest.len() > INCOMING_MAX_BYTES {
            self.failed = true;
            return Err(rustls::Error::General("a message of its handshake is too long".to_owned()));
        }
        self.incoming = rest.to_vec();
        opened
    }

    /// Opens the records from `taken` on that have come whole.
    fn open_whole(
        &mut self,
        bytes: &mut [u8],
        taken: &mut usize,
        plain: &mut Vec<u8>,
    ) -> Result<Opened, rustls::Error> {
        let mut opened = Opened::More;
        loop {
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut bytes[*taken..]);
            *taken += discard;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        *taken += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(data) => encode(data, &mut self.outgoing),
                // It is sent before all that is sealed from now on.
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => opened = Opened::Ended,
                ConnectionState::BlockedHandshake
                | ConnectionState::WriteTraffic(_)
                | ConnectionState::Closed => return Ok(opened),
                other => return Err(rustls::Error::General(format!("not asked for: {other:?}"))),
            }
        }
    }

    /// Whether something waits to be sent that is in no outbox. `ends`: its end is to be told, too.
    pub(super) const fn has_unsent(&self, ends: bool) -> bool {
        !self.outgoing.is_empty() || ends && !self.ended && !self.failed
    }

    /// Sends as much of what is in the outbox as is taken, or as is enough for once; `ends`: that nothing more comes, too.
    /// No more than [`SEALED_AT_ONCE`], and what it grows by, waits sealed.
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
            while self.sent_to < self.outgoing.len() {
                match write(&[IoSlice::new(&self.outgoing[self.sent_to..])]) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(taken) => self.sent_to += taken,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            (self.outgoing, self.sent_to) = (Vec::new(), 0);
            if self.failed {
                output.clear();
                return Ok(());
            }
            if output.unsent() == 0 && ends && !std::mem::replace(&mut self.ended, true) {
                self.seal(Plain::End)?;
                continue;
            }
            if output.unsent() == 0 || sent >= SENT_AT_ONCE {
                return Ok(());
            }
            let before = output.unsent();
            output.send(|pieces| {
                if !self.outgoing.is_empty() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let joined;
                let plain = match pieces {
                    [one] => &one[..one.len().min(SEALED_AT_ONCE)],
                    many => {
                        joined = join(many);
                        &joined
                    }
                };
                self.seal(Plain::Bytes(plain))?;
                Ok(plain.len())
            })?;
            sent += before - output.unsent();
        }
    }

    /// Seals that behind what waits.
    fn seal(&mut self, plain: Plain<'_>) -> io::Result<()> {
        loop {
            let UnbufferedStatus { discard, state } = self.tls.process_tls_records(&mut self.incoming);
            let out = &mut self.outgoing;
            let sealed = match state.map_err(io::Error::other)? {
                ConnectionState::EncodeTlsData(data) => {
                    encode(data, out);
                    false
                }
                ConnectionState::TransmitTlsData(data) => {
                    data.done();
                    false
                }
                ConnectionState::WriteTraffic(mut traffic) => {
                    match plain {
                        Plain::Bytes(bytes) => {
                            let records = bytes.len().div_ceil(RECORD_MAX_BYTES);
                            let room = bytes.len() + records * RECORD_EXTRA_BYTES;
                            fill(out, room, |room| traffic.encrypt(bytes, room))?;
                        }
                        Plain::End => fill(out, RECORD_EXTRA_BYTES, |room| traffic.queue_close_notify(room))?,
                    }
                    true
                }
                other => return Err(io::Error::other(format!("nothing can be sent any more: {other:?}"))),
            };
            self.incoming.drain(..discard);
            if sealed {
                return Ok(());
            }
        }
    }
}

/// What is to be sealed.
#[derive(Debug, Clone, Copy)]
enum Plain<'a> {
    Bytes(&'a [u8]),
    /// That nothing more comes.
    End,
}

/// The first [`SEALED_AT_ONCE`] bytes of these.
fn join(pieces: &[IoSlice<'_>]) -> Vec<u8> {
    let mut joined = Vec::new();
    for piece in pieces {
        let room = SEALED_AT_ONCE - joined.len();
        joined.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    joined
}

/// Appends what TLS itself has to say.
fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, out: &mut Vec<u8>) {
    let from = out.len();
    if let Err(EncodeError::InsufficientSize(lack)) = data.encode(&mut []) {
        out.resize(from + lack.required_size, 0);
        let encoded = data.encode(&mut out[from..]);
        debug_assert!(encoded.is_ok(), "there is room now: {encoded:?}");
    }
}

/// Appends what `write` writes, which is told again with as much room as it needs.
fn fill(
    out: &mut Vec<u8>,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> io::Result<()> {
    let from = out.len();
    loop {
        out.resize(from + room, 0);
        let written = write(&mut out[from..]);
        out.truncate(from + written.as_ref().map_or(0, |&written| written));
        match written {
            Ok(_) => return Ok(()),
            Err(EncryptError::InsufficientSize(lack)) => room = lack.required_size,
            Err(error @ EncryptError::EncryptExhausted) => return Err(io::Error::other(error)),
        }
    }
}

#[cfg(test)]
impl Sealed {
    /// What is kept of what has come, and of what is to be sent: bytes, and room for so many.
    pub(super) const fn buffers(&self) -> [(usize, usize); 2] {
        [(self.incoming.len(), self.incoming.capacity()), (self.outgoing.len(), self.outgoing.capacity())]
    }
}
