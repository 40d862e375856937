//! What stands in a log, right or not: for tools that show it and mend it. A server reads by [`super::LogReader`].

use super::tail;
use oxkeeper_codec::file::ENTRY_HEADER_LEN;

/// Something that is laid out as an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawEntry<'a> {
    /// Where it starts in the file, in bytes.
    pub offset: usize,
    /// The checksum that stands in front of it.
    pub stored: i64,
    /// What it holds; not empty.
    pub body: &'a [u8],
    /// The byte behind it; `None` where the file ends.
    pub mark: Option<u8>,
}

impl RawEntry<'_> {
    /// What its checksum should be: the Adler-32 of the body.
    pub fn checksum(&self) -> i64 {
        tail::checksum(self.body)
    }

    /// Where the next one would begin, in bytes from the start of the file.
    pub const fn end(&self) -> usize {
        self.offset + ENTRY_HEADER_LEN + self.body.len() + 1
    }

    /// Whether the checksum is the right one.
    pub fn is_sound(&self) -> bool {
        self.stored == self.checksum()
    }
}

/// Why there is no further entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawEnd {
    /// Zeros follow.
    Zeros,
    /// The file ends, perhaps in the middle of an entry.
    File,
    /// A length that nothing can have.
    Length(i32),
}

/// What stands at a place of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawStep<'a> {
    /// An entry.
    Entry(RawEntry<'a>),
    /// None, at this offset.
    End(usize, RawEnd),
}

/// Goes from entry to entry by their lengths alone.
#[derive(Debug, Clone)]
pub struct RawEntries<'a> {
    log: &'a [u8],
    pos: usize,
}

impl<'a> RawEntries<'a> {
    /// The entries of a whole log from `pos` on, where one has to begin.
    pub const fn new(log: &'a [u8], pos: usize) -> Self {
        Self { log, pos }
    }

    /// The next one.
    pub fn step(&mut self) -> RawStep<'a> {
        let at = self.pos;
        let Some((stored, len)) = self.log.get(at..).and_then(tail::entry_header) else {
            return RawStep::End(at, RawEnd::File);
        };
        let Ok(body_len) = usize::try_from(len) else { return RawStep::End(at, RawEnd::Length(len)) };
        if body_len == 0 {
            return RawStep::End(at, RawEnd::Zeros);
        }
        let start = at + ENTRY_HEADER_LEN;
        let Some(body) = self.log.get(start..start + body_len) else { return RawStep::End(at, RawEnd::File) };
        let entry = RawEntry { offset: at, stored, body, mark: self.log.get(start + body_len).copied() };
        self.pos = entry.end();
        RawStep::Entry(entry)
    }
}
