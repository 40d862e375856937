//! Text that shares the buffer it was decoded from.
//!
//! Invariant: the bytes of a [`ByteStr`] are UTF-8 for as long as it lives; only the constructors here make one.
#![expect(
    unsafe_code,
    reason = "text was checked once when it was made; checking again at each use costs a scan"
)]

use bytes::Bytes;
use std::{
    borrow::{Borrow, Cow},
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};

/// A cheaply cloned piece of UTF-8 text, usually a slice of a request or of a file.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteStr(Bytes);

/// Where null text points to, which no other text does.
static NULL: [u8; 1] = [0];

/// Whether this is what a null became where nulls are taken ([`crate::Reader::taking_nulls`]). It is empty otherwise.
pub fn is_null(text: &str) -> bool {
    text.is_empty() && std::ptr::eq(text.as_ptr(), NULL.as_ptr())
}

/// Null, borrowed.
pub(crate) fn null() -> &'static str {
    std::str::from_utf8(&NULL[..0]).unwrap_or_default()
}

/// Bytes as text. What is not UTF-8 is replaced by U+FFFD as `new String(.., UTF_8)` does in the official server: as
/// Rust does it, but that a surrogate, or as much as there is of its three bytes, becomes one.
pub fn decode_lossy(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = surrogate(rest) {
        let (before, from) = rest.split_at(at);
        text.push_str(&String::from_utf8_lossy(before));
        text.push(char::REPLACEMENT_CHARACTER);
        let third = from.get(2).is_some_and(|byte| is_continuation(*byte));
        rest = &from[if third { 3 } else { 2 }..];
    }
    text.push_str(&String::from_utf8_lossy(rest));
    Cow::Owned(text)
}

/// Where the first surrogate begins.
fn surrogate(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair[0] == 0xed && (0xa0..=0xbf).contains(&pair[1]))
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

impl ByteStr {
    /// What a null is decoded to where it is told apart from empty text ([`is_null`]), which it equals.
    pub const fn null() -> Self {
        let (null, _) = NULL.split_at(0);
        Self(Bytes::from_static(null))
    }

    /// Whether it was null on the wire, and nulls were taken.
    pub fn is_null(&self) -> bool {
        is_null(self)
    }

    /// Text of the program itself; costs no allocation.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Takes the bytes as text; see [`decode_lossy`].
    pub fn from_bytes_lossy(bytes: Bytes) -> Self {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Self(bytes),
            Err(_) => Self(Bytes::from(decode_lossy(&bytes).into_owned())),
        }
    }

    /// The same text in memory of its own: what is kept of a packet must not keep the packet.
    #[must_use]
    pub fn detached(&self) -> Self {
        if self.is_null() { Self::null() } else { Self(Bytes::copy_from_slice(&self.0)) }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        // SAFETY: every constructor takes a `str` or checks the bytes, and `Bytes` is immutable.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }

    /// The bytes that hold the text.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Deref for ByteStr {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

// Hashes and orders as `str` does, so that maps can be asked with one.
impl Hash for ByteStr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for ByteStr {
    fn borrow(&self) -> &str {
        self
    }
}

impl AsRef<str> for ByteStr {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for ByteStr {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for ByteStr {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl PartialEq<str> for ByteStr {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ByteStr {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for ByteStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ByteStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_utf_8_is_replaced_as_java_does_it() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain \xc3\xa4", "plain \u{e4}"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            (b"/\xed\xa0\x80", "/\u{fffd}"),
            (b"\xed\xa0\xbd\xed\xb8\x80x", "\u{fffd}\u{fffd}x"),
            (b"\xed\xbf", "\u{fffd}"),
            (b"\xed\xa0a", "\u{fffd}a"),
            (b"\xed\xa0\xff", "\u{fffd}\u{fffd}"),
            (b"\xed\x9f\xbf\xed", "\u{d7ff}\u{fffd}"),
            (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf0\x9f\x98", "\u{fffd}"),
            (b"\xe0\x80\xc0\xaf", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        ];
        for (bytes, text) in cases {
            assert_eq!(decode_lossy(bytes), *text, "{bytes:x?}");
        }
    }

    #[test]
    fn null_is_empty_and_yet_another() {
        let null = ByteStr::null();
        assert!(null.is_null() && null.clone().is_null() && is_null(super::null()));
        assert_eq!(null, ByteStr::default());
        for empty in [ByteStr::default(), ByteStr::from(""), ByteStr::from_static("")] {
            assert!(!empty.is_null());
        }
    }
}
