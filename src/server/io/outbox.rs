//! What a connection has to say, in order, until its socket takes it.
//!
//! Frames are copied into one buffer, so that a wake-up is one system call. What many replies have in common (the data
//! of a large znode that a client asks for again and again) is kept once, and stands between buffers, as do the pieces of a
//! long reply. What is sent is freed, piece by piece.

use bytes::{Buf, Bytes};
use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};

/// What is shorter than this, in bytes, is copied: it would cost more to keep.
const WORTH_SHARING: usize = 1 << 10;
/// Pieces that one system call takes.
const PIECES_AT_ONCE: usize = 128;
/// After so many bytes others come first, also if the socket takes more: some 0.2 ms. A client that reads while we write
/// would have us write many megabytes.
const SENT_AT_ONCE: usize = 512 << 10;

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

    /// Hands `write` what is next until it takes no more (`WouldBlock`), there is none, or it was enough for once
    /// ([`SENT_AT_ONCE`]).
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) fn send(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let mut room = SENT_AT_ONCE;
        while room > 0 && self.unsent() > 0 {
            let sent = if self.behind.is_empty() {
                let front = &self.front[self.sent_to..];
                write(&[IoSlice::new(&front[..front.len().min(room)])])
            } else {
                let mut places = [IoSlice::new(&[]); PIECES_AT_ONCE];
                let count = self.next_pieces(room, &mut places);
                write(&places[..count])
            };
            match sent {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    self.advance(sent);
                    room -= sent;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.make_room();
        Ok(())
    }

    /// What was sent of the first buffer goes, once it is more than the rest: one that is never empty would grow without end.
    fn make_room(&mut self) {
        let rest = self.front.len() - self.sent_to;
        if rest > 0 && self.sent_to > rest {
            self.front.drain(..self.sent_to);
            self.sent_to = 0;
        }
    }

    /// Puts into `places` what is next, so many bytes at most. Returns how many of them are taken.
    fn next_pieces<'a>(&'a self, mut room: usize, places: &mut [IoSlice<'a>; PIECES_AT_ONCE]) -> usize {
        let front = std::iter::once(&self.front[self.sent_to..]);
        let pieces = front.chain(self.behind.iter().map(|piece| &piece[..])).chain([&self.back[..]]);
        let mut count = 0;
        for (place, piece) in places.iter_mut().zip(pieces.filter(|piece| !piece.is_empty())) {
            if room == 0 {
                break;
            }
            let len = piece.len().min(room);
            *place = IoSlice::new(&piece[..len]);
            (room, count) = (room - len, count + 1);
        }
        count
    }

    /// So much of what is next was sent.
    fn advance(&mut self, mut sent: usize) {
        let of_front = sent.min(self.front.len() - self.sent_to);
        self.sent_to += of_front;
        sent -= of_front;
        while let Some(next) = self.behind.front_mut()
            && (sent > 0 || next.is_empty())
        {
            let of_next = sent.min(next.len());
            next.advance(of_next);
            self.behind_len -= of_next;
            sent -= of_next;
            if next.is_empty() {
                self.behind.pop_front();
            }
        }
        if self.behind.is_empty() && !self.back.is_empty() && self.sent_to == self.front.len() {
            self.front = std::mem::take(&mut self.back);
            self.sent_to = sent;
        }
    }
}

#[cfg(test)]
impl Outbox {
    /// Sends all of it, to here.
    pub(super) fn taken(&mut self) -> Vec<u8> {
        let mut taken = Vec::new();
        while self.unsent() > 0 {
            self.send(|pieces| Ok(take(pieces, usize::MAX, &mut taken))).expect("everything is taken");
        }
        taken
    }
}

/// Takes so many bytes at most.
#[cfg(test)]
fn take(pieces: &[IoSlice<'_>], room: usize, taken: &mut Vec<u8>) -> usize {
    let before = taken.len();
    for piece in pieces {
        let room = room - (taken.len() - before);
        taken.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    taken.len() - before
}

#[cfg(test)]
mod tests {
    use super::*;

    const WOULD_BLOCK: io::ErrorKind = io::ErrorKind::WouldBlock;

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
        for step in [1, 3, 50, 1500, usize::MAX] {
            let mut outbox = Outbox::default();
            let all = fill(&mut outbox);
            let (mut sent, mut turns) = (Vec::new(), 0);
            while outbox.unsent() > 0 {
                let (before, mut room) = (outbox.unsent(), step);
                let outcome = outbox.send(|pieces| {
                    let len = take(pieces, room, &mut sent);
                    room -= len;
                    if len > 0 { Ok(len) } else { Err(WOULD_BLOCK.into()) }
                });
                assert!(outcome.is_ok());
                assert_eq!(before - outbox.unsent(), step.min(before));
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
        let mut one = |pieces: &[IoSlice<'_>]| {
            if sent.is_empty() { Ok(take(pieces, 1, &mut sent)) } else { Err(WOULD_BLOCK.into()) }
        };
        assert!(outbox.send(&mut one).is_ok());
        assert!(outbox.give_back().is_none(), "something is left");
        outbox.tail().extend_from_slice(b"e");
        assert_eq!(outbox.unsent(), WORTH_SHARING + 2);
        assert_eq!(outbox.taken(), [&b"b"[..], &shared, b"e"].concat());
    }

    #[test]
    fn others_come_first_when_much_was_sent_and_what_was_sent_is_freed() {
        let mut outbox = Outbox::default();
        let pieces: Vec<Bytes> = (0..200u8).map(|n| vec![n; 40_000].into()).collect();
        outbox.tail().extend_from_slice(&[b'h'; 2 * SENT_AT_ONCE]);
        pieces.iter().for_each(|piece| outbox.share(piece.clone()));
        let all = [&[b'h'; 2 * SENT_AT_ONCE][..], &pieces.concat()].concat();
        let (mut sent, mut turns, mut calls) = (Vec::new(), 0, 0);
        while outbox.unsent() > 0 {
            let before = sent.len();
            let outcome = outbox.send(|pieces| {
                calls += 1;
                Ok(take(pieces, usize::MAX, &mut sent))
            });
            assert!(outcome.is_ok());
            assert_eq!(sent.len() - before, SENT_AT_ONCE.min(all.len() - before));
            turns += 1;
            let whole = sent.len().saturating_sub(2 * SENT_AT_ONCE) / 40_000;
            assert!(pieces.iter().enumerate().all(|(n, piece)| piece.is_unique() == (n < whole)));
        }
        assert!(sent == all);
        assert_eq!(calls, turns, "many pieces are one system call");
    }

    #[test]
    fn a_buffer_that_is_never_empty_does_not_grow() {
        let mut outbox = Outbox::default();
        let (mut all, mut sent) = (Vec::new(), Vec::new());
        for n in 0..50u8 {
            while outbox.unsent() <= SENT_AT_ONCE {
                all.extend_from_slice(&[n; 300_001]);
                outbox.tail().extend_from_slice(&[n; 300_001]);
            }
            assert!(outbox.send(|pieces| Ok(take(pieces, usize::MAX, &mut sent))).is_ok());
            assert!(outbox.unsent() > 0 && outbox.front.len() <= 2 * outbox.unsent());
            assert!(outbox.front.capacity() < 8 * SENT_AT_ONCE);
        }
        sent.extend(outbox.taken());
        assert!(sent == all);
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
