//! What a connection has to say, in order, until its socket takes it.
//!
//! Frames are copied into one buffer, so that a wake-up is one system call. What many replies have in common (the data
//! of a large znode that a client asks for again and again) is kept once, and stands between buffers.

use bytes::Bytes;
use std::{collections::VecDeque, io};

/// What is shorter than this, in bytes, is copied: a buffer of its own would cost a system call.
const WORTH_SHARING: usize = 4 << 10;

/// Bytes to be sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// What goes first, from `sent_to` on.
    front: Vec<u8>,
    sent_to: usize,
    /// What stands behind it.
    behind: VecDeque<Bytes>,
    /// Bytes in `behind`.
    behind_len: usize,
    /// What goes last; only used while something stands between.
    back: Vec<u8>,
}

impl Outbox {
    /// Bytes that wait to be sent.
    pub(super) fn unsent(&self) -> usize {
        self.front.len() - self.sent_to + self.behind_len + self.back.len()
    }

    /// Whether a buffer from elsewhere may be put in ([`Outbox::lend`]).
    pub(super) const fn has_no_buffer(&self) -> bool {
        self.front.capacity() == 0
    }

    /// Gives it a buffer, which is empty.
    pub(super) fn lend(&mut self, buffer: Vec<u8>) {
        debug_assert!(self.has_no_buffer() && buffer.is_empty(), "one buffer at a time");
        self.front = buffer;
    }

    /// Once everything is sent: the buffer, empty again.
    pub(super) fn give_back(&mut self) -> Option<Vec<u8>> {
        (self.unsent() == 0).then(|| {
            self.sent_to = 0;
            let mut buffer = std::mem::take(&mut self.front);
            buffer.clear();
            buffer
        })
    }

    /// Where the next frame is to be appended.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        if self.behind.is_empty() { &mut self.front } else { &mut self.back }
    }

    /// Appends what others have, too, without a copy if it is long.
    pub(super) fn share(&mut self, bytes: Bytes) {
        if bytes.len() < WORTH_SHARING {
            self.tail().extend_from_slice(&bytes);
            return;
        }
        if !self.back.is_empty() {
            let back = std::mem::take(&mut self.back);
            self.push_behind(back.into());
        }
        self.push_behind(bytes);
    }

    fn push_behind(&mut self, bytes: Bytes) {
        self.behind_len += bytes.len();
        self.behind.push_back(bytes);
    }

    /// Nothing of what is unsent is going to be sent.
    pub(super) fn clear(&mut self) {
        *self = Self { front: std::mem::take(&mut self.front), ..Self::default() };
        self.front.clear();
    }

    /// Hands `write` what is next until it takes no more (`WouldBlock`) or there is none. Returns how much it took.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn send(&mut self, mut write: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<usize> {
        let mut taken = 0;
        loop {
            let front = &self.front[self.sent_to..];
            let next = if front.is_empty() {
                self.behind.front().map_or(&self.back[..], |next| next)
            } else {
                front
            };
            if next.is_empty() {
                return Ok(taken);
            }
            let sent = match write(next) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) => return Err(error),
            };
            self.advance(sent);
            taken += sent;
        }
    }

    fn advance(&mut self, sent: usize) {
        if self.sent_to < self.front.len() {
            self.sent_to += sent;
        } else if let Some(next) = self.behind.front_mut() {
            bytes::Buf::advance(next, sent);
            self.behind_len -= sent;
            if next.is_empty() {
                self.behind.pop_front();
            }
        }
        if self.behind.is_empty() && !self.back.is_empty() && self.sent_to == self.front.len() {
            self.front = std::mem::take(&mut self.back);
            self.sent_to = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(outbox: &mut Outbox) -> Vec<u8> {
        let mut all = Vec::new();
        for n in 0..20u8 {
            outbox.share(Bytes::new());
            let (kind, short) = (n % 3, usize::from(n) * 7 + 1);
            let frame = vec![n; if kind == 1 { WORTH_SHARING + short } else { short }];
            all.extend_from_slice(&frame);
            match kind {
                0 => outbox.tail().extend_from_slice(&frame),
                // Long, and short.
                _ => outbox.share(frame.into()),
            }
            assert_eq!(outbox.unsent(), all.len());
        }
        all
    }

    #[test]
    fn everything_is_sent_in_its_order_however_little_is_taken_at_once() {
        for step in [1, 3, 50, usize::MAX] {
            let mut outbox = Outbox::default();
            let all = fill(&mut outbox);
            let (mut sent, mut turns) = (Vec::new(), 0);
            while outbox.unsent() > 0 {
                let mut room = step;
                let taken = outbox.send(|bytes| {
                    let len = bytes.len().min(room);
                    if len == 0 {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    room -= len;
                    sent.extend_from_slice(&bytes[..len]);
                    Ok(len)
                });
                assert!(taken.is_ok_and(|taken| taken > 0));
                turns += 1;
            }
            assert_eq!(sent, all, "{step} bytes at once, {turns} turns");
            assert_eq!(outbox.give_back().map(|buffer| buffer.len()), Some(0));
        }
    }

    #[test]
    fn what_comes_while_something_is_sent_goes_last() {
        let mut outbox = Outbox::default();
        outbox.tail().extend_from_slice(b"ab");
        let shared = vec![b'c'; WORTH_SHARING];
        outbox.share(shared.clone().into());
        let mut sent = Vec::new();
        let mut one = |bytes: &[u8]| {
            let first = sent.is_empty();
            sent.push(bytes[0]);
            if first { Ok(1) } else { Err(io::ErrorKind::WouldBlock.into()) }
        };
        assert_eq!(outbox.send(&mut one).ok(), Some(1));
        assert!(outbox.give_back().is_none(), "something is left");
        outbox.tail().extend_from_slice(b"e");
        let mut rest = Vec::new();
        let mut all = |bytes: &[u8]| {
            rest.extend_from_slice(bytes);
            Ok(bytes.len())
        };
        assert_eq!(outbox.send(&mut all).ok(), Some(WORTH_SHARING + 2));
        assert_eq!(rest, [&b"b"[..], &shared, b"e"].concat());
    }

    #[test]
    fn a_broken_connection_is_an_error_and_what_is_dropped_is_gone() {
        let mut outbox = Outbox::default();
        fill(&mut outbox);
        assert!(outbox.send(|_| Ok(0)).is_err());
        assert!(outbox.send(|_| Err(io::ErrorKind::BrokenPipe.into())).is_err());
        outbox.clear();
        assert_eq!(outbox.unsent(), 0);
    }
}
