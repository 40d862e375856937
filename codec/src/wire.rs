//! The jute primitives: a checked reader and the encoders. The rules for null and for lengths live only here.
//!
//! Layout: `int` 4 bytes and `long` 8 bytes, big-endian; `boolean` 1 byte, any non-zero value is true; `buffer`
//! and `ustring` an `int` length and the bytes, -1 for null; `vector` an `int` count and the items, -1 for null.
//!
//! Invariants: a length is compared with what is left before anything is allocated; a reader never moves past its
//! end; no input panics.

use crate::{ByteStr, text};
use bytes::Bytes;
use std::{borrow::Cow, fmt};

/// Why input could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The input ended inside a value.
    UnexpectedEnd,
    /// A length that is negative (and not -1 for null) or beyond what is left.
    BadLength(i32),
    /// Null where a value is required.
    UnexpectedNull,
    /// A number that has no meaning at this place.
    BadValue(i64),
}

/// Input that does not decode: what is wrong, at which byte, in which field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Offset in the reader's input, in bytes.
    pub offset: usize,
    /// Name of the innermost record field that was being decoded; empty outside of a record.
    pub field: &'static str,
}

impl DecodeError {
    /// The same error, named after `field` unless a field further in has named it already.
    #[must_use]
    pub const fn within(mut self, field: &'static str) -> Self {
        if self.field.is_empty() {
            self.field = field;
        }
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::UnexpectedEnd => write!(f, "input ends")?,
            ErrorKind::BadLength(n) => write!(f, "bad length {n}")?,
            ErrorKind::UnexpectedNull => write!(f, "null is not allowed")?,
            ErrorKind::BadValue(n) => write!(f, "bad value {n}")?,
        }
        write!(f, " at byte {}", self.offset)?;
        if !self.field.is_empty() {
            write!(f, " in field {}", self.field)?;
        }
        Ok(())
    }
}

impl std::error::Error for DecodeError {}

/// Shorthand for decoding results.
pub type Result<T> = std::result::Result<T, DecodeError>;

/// A position in a piece of input.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    input: &'a [u8],
    pos: usize,
    /// Set when `input` is all of these bytes: buffers are then shared instead of copied.
    owner: Option<&'a Bytes>,
    /// Whether null text is taken where text is required.
    takes_nulls: bool,
}

impl<'a> Reader<'a> {
    /// Reads borrowed input; buffers that have to outlive it are copied.
    pub const fn new(input: &'a [u8]) -> Self {
        Self { input, pos: 0, owner: None, takes_nulls: false }
    }

    /// Reads shared input; buffers are slices of it.
    pub fn shared(owner: &'a Bytes) -> Self {
        Self { input: owner, pos: 0, owner: Some(owner), takes_nulls: false }
    }

    /// The same, but that null text is decoded where text is required: it is found by [`crate::is_null`].
    #[must_use]
    pub const fn taking_nulls(mut self) -> Self {
        self.takes_nulls = true;
        self
    }

    /// Offset of the next byte, from the start of the input.
    pub const fn offset(&self) -> usize {
        self.pos
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.input.len() - self.pos
    }

    /// An error of this kind at the current offset.
    pub const fn error(&self, kind: ErrorKind) -> DecodeError {
        DecodeError { kind, offset: self.pos, field: "" }
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let rest = &self.input[self.pos..];
        match rest.get(..len) {
            Some(taken) => {
                self.pos += len;
                Ok(taken)
            }
            None => Err(self.error(ErrorKind::UnexpectedEnd)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.input[self.pos..].first_chunk::<N>() {
            Some(chunk) => {
                self.pos += N;
                Ok(*chunk)
            }
            None => Err(self.error(ErrorKind::UnexpectedEnd)),
        }
    }

    /// A length-prefixed piece of input; `None` is null.
    pub fn slice(&mut self) -> Result<Option<&'a [u8]>> {
        let at = self.pos;
        let len = i32::decode(self)?;
        if len == -1 {
            return Ok(None);
        }
        match usize::try_from(len) {
            Ok(n) if n <= self.remaining() => self.take(n).map(Some),
            Ok(_) | Err(_) => Err(DecodeError { kind: ErrorKind::BadLength(len), offset: at, field: "" }),
        }
    }

    /// As [`Reader::slice`], as bytes that may outlive the reader.
    pub fn bytes(&mut self) -> Result<Option<Bytes>> {
        let owner = self.owner;
        let share =
            |piece: &[u8]| owner.map_or_else(|| Bytes::copy_from_slice(piece), |o| o.slice_ref(piece));
        Ok(self.slice()?.map(share))
    }

    fn required<T>(&self, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.error(ErrorKind::UnexpectedNull))
    }
}

/// What can be read from a wire or a file.
pub trait Decode<'a>: Sized {
    /// The fewest bytes a value can take: bounds what a vector's count may make us allocate.
    const MIN_LEN: usize;
    /// Reads one value.
    ///
    /// # Errors
    /// The input is too short, or holds what the type does not allow. The reader's position is then unspecified.
    fn decode(reader: &mut Reader<'a>) -> Result<Self>;

    /// Decodes a value from the start of `input`; bytes behind it are ignored.
    ///
    /// # Errors
    /// As [`Decode::decode`].
    fn from_slice(input: &'a [u8]) -> Result<Self> {
        Self::decode(&mut Reader::new(input))
    }
}

/// What can be written to a wire or a file.
pub trait Encode {
    /// Appends the value.
    fn encode(&self, out: &mut Vec<u8>);
    /// How many bytes [`Encode::encode`] appends.
    fn encoded_len(&self) -> usize;
    /// The value as bytes of its own.
    fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.encode(&mut out);
        out
    }
}

macro_rules! integer {
    ($type:ty, $len:literal) => {
        impl<'a> Decode<'a> for $type {
            const MIN_LEN: usize = $len;
            fn decode(reader: &mut Reader<'a>) -> Result<Self> {
                reader.array::<$len>().map(Self::from_be_bytes)
            }
        }
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn encoded_len(&self) -> usize {
                $len
            }
        }
    };
}
integer!(i32, 4);
integer!(i64, 8);

impl<'a> Decode<'a> for bool {
    const MIN_LEN: usize = 1;
    fn decode(reader: &mut Reader<'a>) -> Result<Self> {
        reader.array::<1>().map(|[byte]| byte != 0)
    }
}

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn encoded_len(&self) -> usize {
        1
    }
}

/// A length or count as jute writes it. Nothing here is longer than a packet or a file entry, far below 2 GiB.
fn wire_len(len: usize) -> i32 {
    i32::try_from(len).expect("a jute value is shorter than 2 GiB")
}

fn encode_slice(bytes: &[u8], out: &mut Vec<u8>) {
    wire_len(bytes.len()).encode(out);
    out.extend_from_slice(bytes);
}

impl<'a> Decode<'a> for Option<Bytes> {
    const MIN_LEN: usize = 4;
    fn decode(reader: &mut Reader<'a>) -> Result<Self> {
        reader.bytes()
    }
}

impl Encode for Option<Bytes> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_deref().encode(out);
    }
    fn encoded_len(&self) -> usize {
        4 + self.as_ref().map_or(0, Bytes::len)
    }
}

impl<'a> Decode<'a> for Option<&'a [u8]> {
    const MIN_LEN: usize = 4;
    fn decode(reader: &mut Reader<'a>) -> Result<Self> {
        reader.slice()
    }
}

impl Encode for Option<&[u8]> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Some(bytes) => encode_slice(bytes, out),
            None => (-1i32).encode(out),
        }
    }
    fn encoded_len(&self) -> usize {
        4 + self.map_or(0, <[u8]>::len)
    }
}

impl<'a> Decode<'a> for ByteStr {
    const MIN_LEN: usize = 4;
    fn decode(reader: &mut Reader<'a>) -> Result<Self> {
        match reader.bytes()? {
            None if reader.takes_nulls => Ok(Self::null()),
            bytes => reader.required(bytes).map(Self::from_bytes_lossy),
        }
    }
}

impl<'a> Decode<'a> for Option<ByteStr> {
    const MIN_LEN: usize = 4;
    fn decode(reader: &mut Reader<'a>) -> Result<Self> {
        Ok(reader.bytes()?.map(ByteStr::from_bytes_lossy))
    }
}

impl Encode for Option<ByteStr> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_ref().map(|text| text.as_str().as_bytes()).encode(out);
    }
    fn encoded_len(&self) -> usize {
        4 + self.as_ref().map_or(0, |text| text.len())
    }
}

impl Encode for ByteStr {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_slice(self.as_str().as_bytes(), out);
    }
    fn encoded_len(&self) -> usize {
        4 + self.as_str().len()
    }
}

impl<'a> Decode<'a> for Cow<'a, str> {
    const MIN_LEN: usize = 4;
    fn decode(reader: &mut Reader<'a>) -> Result<Self> {
        match reader.slice()? {
            None if reader.takes_nulls => Ok(Cow::Borrowed(text::null())),
            bytes => reader.required(bytes).map(text::decode_lossy),
        }
    }
}

impl<'a> Decode<'a> for Option<Cow<'a, str>> {
    const MIN_LEN: usize = 4;
    fn decode(reader: &mut Reader<'a>) -> Result<Self> {
        Ok(reader.slice()?.map(text::decode_lossy))
    }
}

impl Encode for str {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_slice(self.as_bytes(), out);
    }
    fn encoded_len(&self) -> usize {
        4 + self.len()
    }
}

impl Encode for Cow<'_, str> {
    fn encode(&self, out: &mut Vec<u8>) {
        str::encode(self, out);
    }
    fn encoded_len(&self) -> usize {
        4 + self.len()
    }
}

impl Encode for Option<Cow<'_, str>> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_ref().map(|text| text.as_bytes()).encode(out);
    }
    fn encoded_len(&self) -> usize {
        4 + self.as_ref().map_or(0, |text| text.len())
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Option<Vec<T>> {
    const MIN_LEN: usize = 4;
    fn decode(reader: &mut Reader<'a>) -> Result<Self> {
        let at = reader.offset();
        let count = i32::decode(reader)?;
        if count == -1 {
            return Ok(None);
        }
        // The official reader takes any other negative count as empty.
        let count = usize::try_from(count).unwrap_or(0);
        if count > reader.remaining() / T::MIN_LEN {
            return Err(DecodeError { kind: ErrorKind::BadLength(wire_len(count)), offset: at, field: "" });
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::decode(reader)?);
        }
        Ok(Some(items))
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    const MIN_LEN: usize = 4;
    fn decode(reader: &mut Reader<'a>) -> Result<Self> {
        // A list that nobody tells from an empty one when it is null.
        Ok(Option::decode(reader)?.unwrap_or_default())
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, out: &mut Vec<u8>) {
        wire_len(self.len()).encode(out);
        for item in self {
            item.encode(out);
        }
    }
    fn encoded_len(&self) -> usize {
        4 + self.iter().map(Encode::encoded_len).sum::<usize>()
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_slice().encode(out);
    }
    fn encoded_len(&self) -> usize {
        self.as_slice().encoded_len()
    }
}

impl<T: Encode> Encode for Option<Vec<T>> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Some(items) => items.encode(out),
            None => (-1i32).encode(out),
        }
    }
    fn encoded_len(&self) -> usize {
        self.as_ref().map_or(4, Encode::encoded_len)
    }
}
