//! Finds the end of a snapshot's body in a stream that is still arriving: SNAP announces no length.
//!
//! The layout is drawn in [`super::read_snapshot`]: from the number of sessions to the path "/".
//!
//! Invariant: nothing is kept but numbers, whatever lengths the stream claims.

use std::mem::size_of;

/// A session: id and time-out.
const SESSION_LEN: u64 = 12;
/// A list's number.
const ACL_ID_LEN: u64 = 8;
/// What an entry of a list begins with.
const PERMS_LEN: u64 = 4;
/// What follows a znode's data: the number of its list, and `StatPersisted`.
const NODE_REST_LEN: u64 = 8 + 60;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Sessions,
    Acls,
    /// The length of a list; so many lists are left, with it.
    Entries {
        lists: u32,
    },
    /// An entry's scheme, or its id; so many entries are left of this list, with it.
    Scheme {
        lists: u32,
        entries: u32,
    },
    Id {
        lists: u32,
        entries: u32,
    },
    Path,
    /// A path of one byte: it may be the end.
    ShortPath,
    Data,
    End,
}

/// Not a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyError {
    /// Where the length ends that cannot be, in bytes.
    pub(super) offset: u64,
    /// The length.
    pub(super) len: i32,
}

/// A position in the body.
#[derive(Debug)]
pub(super) struct BodyEnd {
    next: Next,
    /// Bytes that do not matter come first.
    skip: u64,
    /// The part of a number that has come.
    number: [u8; size_of::<i32>()],
    filled: usize,
    offset: u64,
}

impl BodyEnd {
    pub(super) const fn new() -> Self {
        Self { next: Next::Sessions, skip: 0, number: [0; 4], filled: 0, offset: 0 }
    }

    pub(super) const fn is_found(&self) -> bool {
        matches!(self.next, Next::End)
    }

    /// How many of these bytes belong to the body.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Result<usize, BodyError> {
        let mut at = 0;
        while at < bytes.len() && !self.is_found() {
            let left = bytes.len() - at;
            let taken = if self.skip > 0 {
                let taken = usize::try_from(self.skip).map_or(left, |skip| skip.min(left));
                self.skip -= taken as u64;
                taken
            } else if self.next == Next::ShortPath {
                self.next = if bytes[at] == b'/' { Next::End } else { Next::Data };
                1
            } else {
                let taken = (self.number.len() - self.filled).min(left);
                self.number[self.filled..self.filled + taken].copy_from_slice(&bytes[at..at + taken]);
                self.filled += taken;
                taken
            };
            at += taken;
            self.offset += taken as u64;
            if self.filled == self.number.len() {
                self.filled = 0;
                self.number(i32::from_be_bytes(self.number))?;
            }
        }
        Ok(at)
    }

    /// A length or a count has come.
    fn number(&mut self, number: i32) -> Result<(), BodyError> {
        // Data, and lists, may be null.
        let may_be_null = matches!(self.next, Next::Data | Next::Entries { .. });
        let len = match u32::try_from(number) {
            Ok(len) => len,
            Err(_) if number == -1 && may_be_null => 0,
            Err(_) => return Err(BodyError { offset: self.offset, len: number }),
        };
        (self.skip, self.next) = match self.next {
            Next::Sessions => (SESSION_LEN * u64::from(len), Next::Acls),
            Next::Acls => list(len),
            Next::Entries { lists } => entry(lists, len, 0),
            Next::Scheme { lists, entries } => (u64::from(len), Next::Id { lists, entries }),
            Next::Id { lists, entries } => entry(lists, entries - 1, u64::from(len)),
            Next::Path if len == 1 => (0, Next::ShortPath),
            Next::Path => (u64::from(len), Next::Data),
            Next::Data => (u64::from(len) + NODE_REST_LEN, Next::Path),
            Next::ShortPath | Next::End => unreachable!("no number is read there"),
        };
        Ok(())
    }
}

/// So many lists are left.
fn list(lists: u32) -> (u64, Next) {
    if lists == 0 { (0, Next::Path) } else { (ACL_ID_LEN, Next::Entries { lists }) }
}

/// So many entries are left of a list, behind so many bytes.
fn entry(lists: u32, entries: u32, skip: u64) -> (u64, Next) {
    if entries > 0 {
        return (skip + PERMS_LEN, Next::Scheme { lists, entries });
    }
    let (more, next) = list(lists - 1);
    (skip + more, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::testing::snapshot_body;

    #[test]
    fn the_end_is_found_wherever_the_stream_is_cut() {
        let body = snapshot_body(1..=7);
        let stream = [&body[..], oxkeeper_codec::learner::SNAPSHOT_END].concat();
        for piece_len in 1..=stream.len() {
            let mut end = BodyEnd::new();
            let mut found = 0;
            for piece in stream.chunks(piece_len) {
                found += end.find(piece).unwrap();
                if end.is_found() {
                    break;
                }
            }
            assert_eq!((found, end.is_found()), (body.len(), true), "in pieces of {piece_len}");
        }
        for len in 0..body.len() {
            let mut end = BodyEnd::new();
            assert_eq!((end.find(&body[..len]), end.is_found()), (Ok(len), false));
        }
    }

    #[test]
    fn what_cannot_be_a_length_is_refused() {
        let refused = |stream: &[&[u8]]| BodyEnd::new().find(&stream.concat());
        let null = &[0xff; 4][..];
        let zero = &[0; 4][..];
        assert_eq!(refused(&[null]), Err(BodyError { offset: 4, len: -1 }));
        assert_eq!(refused(&[zero, null]), Err(BodyError { offset: 8, len: -1 }));
        assert_eq!(refused(&[zero, zero, null]), Err(BodyError { offset: 12, len: -1 }));
        assert_eq!(
            refused(&[zero, zero, zero, &[0x80, 0, 0, 0]]),
            Err(BodyError { offset: 16, len: i32::MIN })
        );
        assert_eq!(refused(&[zero, zero, zero, null]), Ok(16), "a znode without data");
    }
}
