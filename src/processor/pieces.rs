//! A reply of many megabytes, in pieces: nobody copies it as a whole, and what was sent of it is freed while the rest waits.

use bytes::Bytes;

/// From this length on, in bytes, a piece is done. One of this length has memory of its own (`server/allocator.rs`), which
/// goes back when it is freed.
const PIECE_BYTES: usize = 512 << 10;
/// The longest body that a reply can have, in bytes: its frame's length counts the header's 16 as well.
pub const BODY_MAX_BYTES: usize = i32::MAX as usize - 16;

/// Bytes in order. What is short is one piece, and is appended to like any buffer.
#[derive(Debug, Default)]
pub struct Pieces {
    done: Vec<Bytes>,
    /// Bytes in `done`.
    done_len: usize,
    /// What is being filled.
    last: Vec<u8>,
}

impl Pieces {
    /// Bytes of all pieces.
    pub const fn len(&self) -> usize {
        self.done_len + self.last.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the next bytes are to be appended. A piece is done, when it is long enough, before anything is.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        if self.last.len() >= PIECE_BYTES {
            self.end_piece();
            // The next one is not to grow to that in steps.
            self.last.reserve_exact(PIECE_BYTES);
        }
        &mut self.last
    }

    /// Appends a piece that others may have, too, without a copy.
    pub fn push(&mut self, piece: Bytes) {
        self.end_piece();
        self.push_done(piece);
    }

    /// The first so many bytes. `None`: they do not lie in one piece.
    pub fn first_chunk<const N: usize>(&self) -> Option<[u8; N]> {
        self.done.first().map_or(&self.last[..], |first| first).first_chunk().copied()
    }

    /// The pieces that are done: what stood here at the last [`Pieces::push`] is among them.
    pub fn done(&self) -> &[Bytes] {
        &self.done
    }

    fn end_piece(&mut self) {
        if !self.last.is_empty() {
            let piece = std::mem::take(&mut self.last);
            self.push_done(piece.into());
        }
    }

    fn push_done(&mut self, piece: Bytes) {
        self.done_len += piece.len();
        self.done.push(piece);
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(last: Vec<u8>) -> Self {
        Self { last, ..Self::default() }
    }
}

impl IntoIterator for Pieces {
    type Item = Bytes;
    type IntoIter = std::vec::IntoIter<Bytes>;

    fn into_iter(mut self) -> Self::IntoIter {
        self.end_piece();
        self.done.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_one_piece() {
        let mut pieces = Pieces::default();
        assert!(pieces.is_empty());
        assert_eq!(pieces.first_chunk::<1>(), None);
        pieces.tail().extend_from_slice(b"abc");
        pieces.tail().extend_from_slice(b"def");
        assert_eq!((pieces.len(), pieces.first_chunk()), (6, Some(*b"abcd")));
        assert_eq!(pieces.into_iter().collect::<Vec<_>>(), [&b"abcdef"[..]]);
    }

    #[test]
    fn what_is_long_is_cut_and_what_others_have_is_not_copied() {
        let (mut pieces, mut all) = (Pieces::default(), Vec::new());
        let shared = Bytes::from(vec![7; 5000]);
        for n in 0..40u8 {
            let some = vec![n; 50_000];
            all.extend_from_slice(&some);
            pieces.tail().extend_from_slice(&some);
            if n == 30 {
                all.extend_from_slice(&shared);
                pieces.push(shared.clone());
                assert_eq!(pieces.done().last().map(|last| last.as_ptr()), Some(shared.as_ptr()));
            }
            assert_eq!(pieces.len(), all.len());
        }
        let pieces: Vec<Bytes> = pieces.into_iter().collect();
        let lens: Vec<usize> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(lens, [550_000, 550_000, 450_000, 5000, 450_000]);
        assert!(pieces.concat() == all);
    }
}
