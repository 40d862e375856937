//! A raw ZooKeeper wire client: jute primitives and framing, nothing more.
//!
//! It shares no code with `oxkeeper-codec` on purpose: a judge must not use the decoder it judges.
//! It knows no records; callers put together and take apart every byte themselves.
//! Every read has a deadline; nothing here blocks for ever.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Longest wait for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Writes jute primitives.
#[derive(Clone, Debug, Default)]
pub struct Out(Vec<u8>);

impl Out {
    /// An empty record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Four bytes, big-endian.
    #[must_use]
    pub fn int(mut self, value: i32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Eight bytes, big-endian.
    #[must_use]
    pub fn long(mut self, value: i64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// One byte as it is, for booleans and anything else.
    #[must_use]
    pub fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    /// A length and that many bytes; `None` is the length -1.
    #[must_use]
    pub fn buf(self, value: Option<&[u8]>) -> Self {
        let Some(bytes) = value else { return self.int(-1) };
        self.int(i32::try_from(bytes.len()).unwrap_or(i32::MAX)).raw(bytes)
    }

    /// A string: its length and its bytes.
    #[must_use]
    pub fn str(self, value: &str) -> Self {
        self.buf(Some(value.as_bytes()))
    }

    /// The same of something that need not be UTF-8.
    #[must_use]
    pub fn text(self, value: impl AsRef<[u8]>) -> Self {
        self.buf(Some(value.as_ref()))
    }

    /// A count and that many strings.
    #[must_use]
    pub fn strs<S: AsRef<[u8]>>(self, values: &[S]) -> Self {
        let count = self.int(i32::try_from(values.len()).unwrap_or(i32::MAX));
        values.iter().fold(count, |out, value| out.text(value))
    }

    /// Bytes without a length.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// What has been written.
    #[must_use]
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads jute primitives; every method gives `None` at the end of the bytes.
#[derive(Clone, Debug)]
pub struct In<'a>(pub &'a [u8]);

impl<'a> In<'a> {
    /// So many bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    /// Four bytes, big-endian.
    pub fn int(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// Eight bytes, big-endian.
    pub fn long(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// A length and that many bytes; the inner `None` is the length -1.
    pub fn buf(&mut self) -> Option<Option<&'a [u8]>> {
        match self.int()? {
            -1 => Some(None),
            length => Some(Some(self.take(usize::try_from(length).ok()?)?)),
        }
    }

    /// A string that is not null.
    pub fn str(&mut self) -> Option<String> {
        Some(String::from_utf8_lossy(self.buf()??).into_owned())
    }
}

/// What a read brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// One whole packet, without its length.
    Packet(Vec<u8>),
    /// The server closed the connection; `left` are bytes of an unfinished packet.
    Closed {
        /// Bytes before the end that make no packet.
        left: Vec<u8>,
    },
    /// The deadline passed.
    Nothing,
}

/// A TCP connection to a server under test.
#[derive(Debug)]
pub struct Conn {
    stream: TcpStream,
    pending: Vec<u8>,
    ended: bool,
}

impl Conn {
    /// Connects.
    ///
    /// # Errors
    /// When the server does not take the connection.
    pub fn open(addr: SocketAddr) -> Result<Self, String> {
        // Loopback only, so this needs no limit; connect_timeout fails where the server closes at once.
        let stream = TcpStream::connect(addr).map_err(|e| format!("connect {addr}: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        Ok(Self { stream, pending: Vec::new(), ended: false })
    }

    /// Another hold of the same connection, for reading beside somebody who sends.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn try_clone(&self) -> Result<Self, String> {
        let stream = self.stream.try_clone().map_err(|e| e.to_string())?;
        Ok(Self { stream, pending: Vec::new(), ended: false })
    }

    /// The local port, for finding this connection in listings.
    #[must_use]
    pub fn local_port(&self) -> u16 {
        self.stream.local_addr().map_or(0, |addr| addr.port())
    }

    /// Sends bytes as they are. A connection the server has closed meanwhile swallows them: the next read tells.
    pub fn send(&mut self, bytes: &[u8]) {
        if self.stream.write_all(bytes).is_err() {
            // A reset may have arrived before bytes that still wait to be read.
            let _ = self.stream.flush();
        }
    }

    /// Sends one packet with its length in front.
    pub fn send_packet(&mut self, payload: &[u8]) {
        let bytes = Out::new().buf(Some(payload)).done();
        self.send(&bytes);
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next packet, the end, or nothing within the time.
    pub fn recv(&mut self, wait: Duration) -> Got {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(packet) = self.cut_packet() {
                return Got::Packet(packet);
            }
            if self.ended {
                return Got::Closed { left: std::mem::take(&mut self.pending) };
            }
            if !self.fill(deadline) {
                return Got::Nothing;
            }
        }
    }

    /// All bytes until the server closes.
    ///
    /// # Errors
    /// When it does not close within the time.
    pub fn recv_to_end(&mut self, wait: Duration) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + wait;
        while !self.ended {
            if !self.fill(deadline) {
                return Err(format!("still open after {wait:?}, {} bytes so far", self.pending.len()));
            }
        }
        Ok(std::mem::take(&mut self.pending))
    }

    fn cut_packet(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(In(&self.pending).int()?).ok()?;
        if self.pending.len() < 4 + length {
            return None;
        }
        let rest = self.pending.split_off(4 + length);
        let mut packet = std::mem::replace(&mut self.pending, rest);
        Some(packet.split_off(4))
    }

    /// Reads once; false when the deadline has passed.
    fn fill(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        let mut chunk = [0_u8; 65536];
        match self.stream.read(&mut chunk) {
            Ok(0) => self.ended = true,
            Ok(count) => self.pending.extend_from_slice(&chunk[..count]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.ended = true,
        }
        true
    }
}

/// Sends a four-letter word and gives all that comes back.
///
/// # Errors
/// When the server does not answer and close in time.
pub fn word(addr: SocketAddr, word: &[u8]) -> Result<Vec<u8>, String> {
    word_within(addr, word, PATIENCE)
}

/// The same with a limit of its own.
///
/// # Errors
/// When the server does not answer and close in time.
pub fn word_within(addr: SocketAddr, word: &[u8], wait: Duration) -> Result<Vec<u8>, String> {
    let mut conn = Conn::open(addr)?;
    conn.send(word);
    conn.recv_to_end(wait)
}

#[cfg(test)]
mod tests {
    use super::{In, Out};

    #[test]
    fn primitives_come_back() {
        let bytes = Out::new().int(-2).long(7).byte(1).str("ab").buf(None).strs(&["c"]).done();
        let mut read = In(&bytes);
        assert_eq!((read.int(), read.long(), read.take(1)), (Some(-2), Some(7), Some(&[1][..])));
        assert_eq!((read.str(), read.buf()), (Some("ab".to_owned()), Some(None)));
        assert_eq!((read.int(), read.str(), read.int()), (Some(1), Some("c".to_owned()), None));
    }
}
