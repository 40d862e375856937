//! The bytes of a snapshot, unpacked: either one mapped slice or a buffer that is refilled.
//!
//! Invariants: the checksum covers exactly what was [consumed](Source::record), in large pieces; a compressed
//! snapshot is never unpacked as a whole, only as far as its longest record asks for.

use super::{
    error::{Damage, DamageKind},
    names::Compression,
    snappy::Unpacker,
};
use flate2::read::MultiGzDecoder;
use oxkeeper_codec::{DecodeError, ErrorKind, Reader};
use simd_adler32::Adler32;
use std::io::Read;

/// So much is unpacked at once, at least.
const REFILL_LEN: usize = 256 << 10;

/// What came of reading one record.
pub(super) enum RecordError {
    /// It does not decode; with more input it might.
    Decode(DecodeError),
    /// It decoded, and is refused.
    Rejected(String),
}

impl From<DecodeError> for RecordError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

enum Bytes<'a> {
    Whole(&'a [u8]),
    Stream { input: Box<dyn Read + Send + 'a>, buffer: Vec<u8>, ended: bool },
}

/// A position in a snapshot.
pub(super) struct Source<'a> {
    bytes: Bytes<'a>,
    /// Where the bytes start in the unpacked snapshot.
    base: u64,
    /// What was consumed of the bytes.
    pos: usize,
    /// What of that is in the checksum.
    hashed: usize,
    hash: Adler32,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a [u8], compression: Compression) -> Result<Self, Damage> {
        let bytes = match compression {
            Compression::None => Bytes::Whole(file),
            Compression::Gzip => stream(MultiGzDecoder::new(file)),
            Compression::Snappy => stream(Unpacker::new(file).map_err(|e| unpack_error(0, &e))?),
        };
        Ok(Self { bytes, base: 0, pos: 0, hashed: 0, hash: Adler32::new() })
    }

    /// Offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + u64::try_from(self.pos).unwrap_or(u64::MAX)
    }

    /// What is there and not consumed.
    pub(super) fn rest(&self) -> &[u8] {
        &self.all()[self.pos..]
    }

    /// Reads one record. `read` is called again with more input when that is what it lacks, so it must decode
    /// everything before it acts.
    pub(super) fn record<T>(
        &mut self,
        mut read: impl FnMut(&mut Reader<'_>) -> Result<T, RecordError>,
    ) -> Result<T, Damage> {
        loop {
            let mut reader = Reader::new(self.rest());
            let error = match read(&mut reader) {
                Ok(value) => {
                    self.pos += reader.offset();
                    return Ok(value);
                }
                Err(RecordError::Rejected(reason)) => {
                    return Err(Damage { offset: self.offset(), kind: DamageKind::Rejected(reason) });
                }
                Err(RecordError::Decode(error)) => error,
            };
            let lacks_input = match error.kind {
                ErrorKind::UnexpectedEnd => true,
                ErrorKind::BadLength(len) => len >= 0,
                ErrorKind::UnexpectedNull | ErrorKind::BadValue(_) => false,
            };
            if !lacks_input || !self.refill()? {
                return Err(Damage { offset: self.offset(), kind: DamageKind::SnapshotCut(error) });
            }
        }
    }

    /// The rest as it lies in memory, unless it has to be unpacked.
    pub(super) fn whole(&mut self) -> Option<Whole<'_, 'a>> {
        match self.bytes {
            Bytes::Whole(all) => Some(Whole { all, source: self }),
            Bytes::Stream { .. } => None,
        }
    }

    /// The checksum of everything consumed so far.
    pub(super) fn checksum(&mut self) -> Adler32 {
        let data = match &self.bytes {
            Bytes::Whole(data) => data,
            Bytes::Stream { buffer, .. } => buffer.as_slice(),
        };
        self.hash.write(&data[self.hashed..self.pos]);
        self.hashed = self.pos;
        self.hash.clone()
    }

    /// Gets more input; false at the end.
    pub(super) fn refill(&mut self) -> Result<bool, Damage> {
        self.checksum();
        let at = self.offset();
        let Bytes::Stream { input, buffer, ended } = &mut self.bytes else { return Ok(false) };
        if *ended {
            return Ok(false);
        }
        buffer.drain(..self.pos);
        let wanted = buffer.len().max(REFILL_LEN);
        let limit = u64::try_from(wanted).unwrap_or(u64::MAX);
        let got = input.by_ref().take(limit).read_to_end(buffer).map_err(|error| unpack_error(at, &error))?;
        *ended = got < wanted;
        self.base = at;
        self.pos = 0;
        self.hashed = 0;
        Ok(got > 0)
    }

    fn all(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Whole(data) => data,
            Bytes::Stream { buffer, .. } => buffer,
        }
    }
}

/// A [`Source`] whose records can outlive it.
pub(super) struct Whole<'s, 'a> {
    all: &'a [u8],
    source: &'s mut Source<'a>,
}

impl<'a> Whole<'_, 'a> {
    /// Offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.source.offset()
    }

    /// Reads one record.
    pub(super) fn record<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<T, Damage> {
        let mut reader = Reader::new(&self.all[self.source.pos..]);
        let cut = |error| Damage { offset: self.source.offset(), kind: DamageKind::SnapshotCut(error) };
        let value = read(&mut reader).map_err(cut)?;
        self.source.pos += reader.offset();
        Ok(value)
    }

    /// Where it is, and where the file ends.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.offset(), u64::try_from(self.all.len()).unwrap_or(u64::MAX))
    }

    /// Adds what was read to the checksum, as long as it is near.
    pub(super) fn hash(&mut self) {
        self.source.checksum();
    }
}

/// Whether a packed snapshot can be unpacked to its end, and ends with these bytes. They are not kept.
pub(super) fn unpacks_to(file: &[u8], compression: Compression, end: &[u8]) -> bool {
    if compression == Compression::None {
        return file.ends_with(end);
    }
    let Ok(mut input) = unpacked(file, compression) else { return false };
    let mut buffer = vec![0; end.len() + REFILL_LEN];
    let mut filled = 0;
    loop {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => return buffer[..filled].ends_with(end),
            Ok(got) => filled += got,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
        let kept = filled.min(end.len());
        buffer.copy_within(filled - kept..filled, 0);
        filled = kept;
    }
}

/// A snapshot's bytes before they were packed.
pub(super) fn unpacked(file: &[u8], compression: Compression) -> std::io::Result<Box<dyn Read + '_>> {
    Ok(match compression {
        Compression::None => Box::new(file),
        Compression::Gzip => Box::new(MultiGzDecoder::new(file)),
        Compression::Snappy => Box::new(Unpacker::new(file)?),
    })
}

fn stream<'a>(input: impl Read + Send + 'a) -> Bytes<'a> {
    Bytes::Stream { input: Box::new(input), buffer: Vec::new(), ended: false }
}

fn unpack_error(offset: u64, error: &std::io::Error) -> Damage {
    let kind = if error.kind() == std::io::ErrorKind::UnexpectedEof {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        DamageKind::SnapshotCut(DecodeError { kind: ErrorKind::UnexpectedEnd, offset: at, field: "" })
    } else {
        DamageKind::Compression(error.to_string())
    };
    Damage { offset, kind }
}
