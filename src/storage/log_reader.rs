//! Reads the entries of one log (`FileTxnLog.FileTxnIterator`).
//!
//! ```text
//! 0   int  'ZKLG'     4   int  version 2     8   long  dbid 0
//! 16  entries, each:  long Adler-32 of the body, int length, body, byte 0x42
//!     zeros to the end of the file, or nothing
//! ```
//!
//! Invariants: an entry that is handed out is whole; the reader stops at the first place that holds none and says
//! whether that is the end, a torn tail, or damage (see `tail`). The order of transactions is not looked at here.

use super::{
    error::{Damage, DamageKind},
    tail::{self, Tail},
};
use bytes::Bytes;
use oxkeeper_codec::{
    Decode, OpCode, Zxid,
    file::{END_OF_ENTRY, ENTRY_HEADER_LEN, FILE_HEADER_LEN, FILE_VERSION, LOG_MAGIC},
    records::{FileHeader, TxnHeader},
    txn::LoggedTxn,
};

/// A whole entry of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    /// Its transaction's place in the order.
    pub zxid: Zxid,
    /// What its transaction does.
    pub op: OpCode,
    /// Header, record and digest of the transaction.
    pub body: &'a [u8],
}

impl Entry<'_> {
    /// How many bytes it takes in a log.
    pub fn len_in_log(&self) -> u64 {
        entry_len(self.body)
    }

    /// Adds it as it stands in a log: checksum, length, body, end.
    ///
    /// # Panics
    /// Its length is none that an entry was read with.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let len = i32::try_from(self.body.len()).expect("it was read with this length");
        to.extend(tail::checksum(self.body).to_be_bytes());
        to.extend(len.to_be_bytes());
        to.extend(self.body);
        to.push(END_OF_ENTRY);
    }

    /// Decodes the transaction. It keeps a copy of the body, not the file: the file may be a mapping.
    ///
    /// # Errors
    /// The checksum is right, and yet this is no transaction.
    pub fn decode(&self) -> Result<LoggedTxn, Damage> {
        LoggedTxn::from_bytes(&Bytes::copy_from_slice(self.body))
            .map_err(|error| Damage { offset: self.offset, kind: DamageKind::Content(error) })
    }
}

/// How a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEnd {
    /// Where the last whole entry ends; 0 if not even the file's header is whole.
    pub offset: u64,
    /// How many whole entries there are.
    pub entries: u64,
    /// Whether a part of an entry follows.
    pub torn: bool,
}

/// A position in a log.
#[derive(Debug)]
pub struct LogReader<'a> {
    data: &'a [u8],
    pos: usize,
    entries: u64,
    last: Option<Zxid>,
    end: Option<LogEnd>,
}

/// A log that cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// It is none.
    Damage(Damage),
    /// It has another version.
    Version(i32),
}

impl<'a> LogReader<'a> {
    /// Reads a log from its start. One that ends before its header does is empty.
    ///
    /// # Errors
    /// The header is whole, and not that of a log of version 2.
    pub fn new(data: &'a [u8]) -> Result<Self, OpenError> {
        let mut reader = Self { data, pos: FILE_HEADER_LEN, entries: 0, last: None, end: None };
        let Ok(FileHeader { magic, version, .. }) = FileHeader::from_slice(data) else {
            reader.end = Some(LogEnd { offset: 0, entries: 0, torn: !data.is_empty() });
            return Ok(reader);
        };
        if magic == LOG_MAGIC && version == FILE_VERSION {
            return Ok(reader);
        }
        if is_unstored_header(data).map_err(OpenError::Damage)? {
            reader.end = Some(LogEnd { offset: 0, entries: 0, torn: true });
            return Ok(reader);
        }
        if magic == LOG_MAGIC {
            return Err(OpenError::Version(version));
        }
        Err(OpenError::Damage(Damage::new(0, DamageKind::Magic(magic))))
    }

    /// The next whole entry; `None` at the end.
    ///
    /// # Errors
    /// Something stands in its place that is neither an entry nor the end.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'a>>, Damage> {
        if self.end.is_some() {
            return Ok(None);
        }
        match entry_at(self.data, self.pos) {
            Ok((header, body)) => {
                let entry = Entry { offset: offset(self.pos), zxid: header.zxid, op: header.op, body };
                self.pos += ENTRY_HEADER_LEN + body.len() + 1;
                self.entries += 1;
                self.last = self.last.max(Some(header.zxid));
                Ok(Some(entry))
            }
            Err(because) => {
                if let DamageKind::Content(_) = because {
                    return Err(Damage::new(self.pos, because));
                }
                let tail = tail::judge(self.data, self.pos, self.last, because)?;
                let torn = tail == Tail::Torn;
                self.end = Some(LogEnd { offset: offset(self.pos), entries: self.entries, torn });
                Ok(None)
            }
        }
    }

    /// What was read so far, if the log ended here.
    pub(super) fn so_far(&self) -> LogEnd {
        self.end.unwrap_or_else(|| LogEnd { offset: offset(self.pos), entries: self.entries, torn: false })
    }

    /// How the log ends, once [`LogReader::next_entry`] has returned `None`.
    pub const fn end(&self) -> Option<LogEnd> {
        self.end
    }
}

/// A place in a buffer as one in a file.
pub(super) fn offset(pos: usize) -> u64 {
    u64::try_from(pos).unwrap_or(u64::MAX)
}

/// How many bytes the entry of this body takes in a log.
pub(super) fn entry_len(body: &[u8]) -> u64 {
    offset(ENTRY_HEADER_LEN + body.len() + 1)
}

/// The whole entry at `pos`, or what speaks against it.
pub(super) fn entry_at(data: &[u8], pos: usize) -> Result<(TxnHeader, &[u8]), DamageKind> {
    let (stored, len) = tail::entry_header(&data[pos..]).ok_or(DamageKind::NotAnEntry)?;
    let body_len = usize::try_from(len).ok().filter(|&len| len > 0).ok_or(DamageKind::Length(len))?;
    let start = pos + ENTRY_HEADER_LEN;
    let Some(&mark) = data.get(start + body_len) else { return Err(DamageKind::Length(len)) };
    let body = &data[start..start + body_len];
    if mark != END_OF_ENTRY {
        return Err(DamageKind::EndMark(mark));
    }
    if tail::checksum(body) != stored {
        return Err(DamageKind::Checksum);
    }
    let header = TxnHeader::from_slice(body).map_err(DamageKind::Content)?;
    Ok((header, body))
}

/// Whether the header was stored in part or not at all, as a crash of a server leaves it that has just begun the
/// file: right up to a point, and zeros behind it; or its whole sector is missing.
fn is_unstored_header(data: &[u8]) -> Result<bool, Damage> {
    let right = super::log::FILE_HEADER;
    let same = data.iter().zip(right).take_while(|&(is, should)| *is == should).count();
    if same > 0 {
        return Ok(data[same..].iter().all(|&byte| byte == 0));
    }
    if data[..FILE_HEADER_LEN].iter().any(|&byte| byte != 0) {
        return Ok(false);
    }
    tail::judge(data, 0, None, DamageKind::Magic(0)).map(|_| true)
}

#[cfg(test)]
mod tests;
