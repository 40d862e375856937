//! Names of certificates' subjects, as Java writes and reads them (`X500Principal`).
//!
//! Promise: two servers, one of either kind, call the same client by the same name, and take the same names in ACLs.

use super::TlsError;
use pkcs8::der::{AnyRef, Decode};
use rustls::pki_types::CertificateDer;
use std::fmt::Write;
use x509_parser::{
    asn1_rs::{Any, Oid, Tag, ToDer},
    prelude::{FromDer, X509Certificate},
};

/// Types that RFC 2253 has a short name for.
const SHORT_NAMES: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];
/// Further names that Java reads.
const MORE_NAMES: [&str; 12] = [
    "S",
    "T",
    "IP",
    "DNQUALIFIER",
    "DNQ",
    "SURNAME",
    "GIVENNAME",
    "INITIALS",
    "GENERATION",
    "EMAIL",
    "EMAILADDRESS",
    "SERIALNUMBER",
];
/// Characters that have a backslash before them, wherever they stand.
const ESCAPED: &str = ",=+<>#;\"\\";
/// What may have one.
const MAY_BE_ESCAPED: &str = ",=\n+<>#;\\\" ";
/// What must have one, or stand in quotes.
const MUST_BE_ESCAPED: &str = ",+<>;\"";

/// The subject of a certificate as RFC 2253 writes it: the last attribute that is encoded comes first.
///
/// # Errors
/// The certificate, or a value in its subject, cannot be read.
pub fn subject(certificate: &CertificateDer<'_>) -> Result<String, TlsError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| TlsError::Subject)?;
    let mut names = Vec::new();
    for name in parsed.subject().iter() {
        let parts = name.iter().map(|part| attribute(part.attr_type(), part.attr_value()));
        names.push(parts.collect::<Result<Vec<_>, _>>()?.join("+"));
    }
    names.reverse();
    Ok(names.join(","))
}

fn attribute(kind: &Oid<'_>, value: &Any<'_>) -> Result<String, TlsError> {
    let kind = kind.to_id_string();
    let short = SHORT_NAMES.iter().find(|(oid, _)| *oid == kind);
    match (short, text(value)) {
        (Some((_, name)), Some(text)) => Ok(format!("{name}={}", escaped(&text))),
        _ => {
            let der = value.to_der_vec_raw().map_err(|_| TlsError::Subject)?;
            let mut hex = format!("{kind}=#");
            // A String takes whatever is written.
            der.iter().for_each(|byte| _ = write!(hex, "{byte:02x}"));
            Ok(hex)
        }
    }
}

/// A value that is text, as Java decodes it.
fn text(value: &Any<'_>) -> Option<String> {
    let latin = || value.data.iter().map(|&byte| char::from(byte)).collect();
    let ascii =
        || value.data.iter().map(|&b| if b.is_ascii() { char::from(b) } else { '\u{fffd}' }).collect();
    Some(match value.tag() {
        Tag::Utf8String => String::from_utf8_lossy(value.data).into_owned(),
        Tag::T61String => latin(),
        Tag::PrintableString | Tag::Ia5String | Tag::GeneralString => ascii(),
        Tag::BmpString => {
            let units: Vec<u16> =
                value.data.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        Tag::UniversalString => {
            let char = |four: &[u8]| char::from_u32(u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
            value.data.chunks_exact(4).map(|four| char(four).unwrap_or('\u{fffd}')).collect()
        }
        _ => return None,
    })
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push_str("\\00"),
            c if ESCAPED.contains(c) => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    let blank = |c: char| matches!(c, ' ' | '\r');
    let inner = out.trim_matches(blank);
    if inner.len() == out.len() {
        return out;
    }
    let lead = out.len() - out.trim_start_matches(blank).len();
    let with_backslashes = |blanks: &str| blanks.chars().flat_map(|c| ['\\', c]).collect::<String>();
    let (before, rest) = out.split_at(lead);
    let (inner, after) = rest.split_at(inner.len());
    format!("{}{inner}{}", with_backslashes(before), with_backslashes(after))
}

/// Whether a text is a name that Java reads (`new X500Principal(text)`).
pub fn is_distinguished_name(text: &str) -> bool {
    text.is_empty()
        || pieces(text, &[',', ';'])
            .iter()
            .all(|name| pieces(name, &['+']).iter().all(|part| is_attribute(part)))
}

/// A text, parted where a separator is neither behind a backslash nor in quotes.
fn pieces<'a>(text: &'a str, separators: &[char]) -> Vec<&'a str> {
    let (mut pieces, mut from, mut quotes, mut backslashes) = (Vec::new(), 0, 0, 0);
    for (at, c) in text.char_indices() {
        let is_escaped = backslashes % 2 == 1;
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        if c == '"' && !is_escaped {
            quotes += 1;
        } else if separators.contains(&c) && !is_escaped && quotes != 1 {
            pieces.push(&text[from..at]);
            (from, quotes) = (at + c.len_utf8(), 0);
        }
    }
    pieces.push(&text[from..]);
    pieces
}

fn is_attribute(text: &str) -> bool {
    let Some((keyword, value)) = text.split_once('=') else { return false };
    is_keyword(&keyword.to_uppercase()) && is_value(value.trim_start_matches([' ', '\n']))
}

fn is_keyword(keyword: &str) -> bool {
    let keyword = keyword.trim_matches(|c: char| c <= ' ');
    let known = SHORT_NAMES.iter().map(|(_, name)| name).chain(&MORE_NAMES).any(|name| *name == keyword);
    known || is_oid(keyword.strip_prefix("OID.").unwrap_or(keyword))
}

fn is_oid(text: &str) -> bool {
    let numbers: Vec<Option<u64>> = text
        .split('.')
        .map(|part| if part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse().ok() } else { None })
        .collect();
    match numbers[..] {
        [Some(first), Some(second), ref rest @ ..] => {
            (first < 2 && second < 40 || first == 2) && rest.iter().all(Option::is_some)
        }
        _ => false,
    }
}

fn is_value(value: &str) -> bool {
    match value.chars().next() {
        None => true,
        Some('#') => is_hex(&value[1..]),
        Some('"') => is_quoted(&value[1..]),
        Some(_) => is_plain(value),
    }
}

/// Pairs of hexadecimal digits, which are one whole value.
fn is_hex(digits: &str) -> bool {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| match *pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    };
    let der: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(pair).collect();
    der.is_some_and(|der| AnyRef::from_der(&der).is_ok())
}

fn is_quoted(rest: &str) -> bool {
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return chars.all(|c| matches!(c, ' ' | '\n')),
            '\\' if !escapes(&mut chars) => return false,
            _ => {}
        }
    }
    false
}

fn is_plain(value: &str) -> bool {
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        let good = if c == '\\' { escapes(&mut chars) } else { !MUST_BE_ESCAPED.contains(c) };
        if !good {
            return false;
        }
    }
    true
}

/// Takes what stands behind a backslash: two hexadecimal digits, or what may be escaped.
fn escapes(chars: &mut std::str::Chars<'_>) -> bool {
    match chars.next() {
        Some(c) if c.is_ascii_hexdigit() => chars.next().is_some_and(|c| c.is_ascii_hexdigit()),
        Some(c) => MAY_BE_ESCAPED.contains(c),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of Java 17.
    #[test]
    fn values_are_escaped_as_java_does() {
        for (text, expected) in [
            ("Example, Inc.", "Example\\, Inc."),
            ("k+a #1;\"x\"", "k\\+a \\#1\\;\\\"x\\\""),
            ("Zürich", "Zürich"),
            (" a  ", "\\ a\\ \\ "),
            ("a=b\\c<d>", "a\\=b\\\\c\\<d\\>"),
            ("a\0b", "a\\00b"),
            ("", ""),
        ] {
            assert_eq!(escaped(text), expected);
        }
        assert_eq!(escaped("   "), "\\ \\ \\ ");
    }

    #[test]
    fn names_are_told_from_what_is_none() {
        for name in [
            "",
            "CN=a",
            "cn=a,OU=b",
            "2.5.4.3=a",
            "OID.2.5.4.3=a",
            "CN=a\\, b",
            "CN=\"a, b\"",
            "CN=#0c0161",
            "CN=",
            "CN=a+OU=b",
            "CN=a;OU=b",
            "CN=\\e4",
        ] {
            assert!(is_distinguished_name(name), "{name}");
        }
        for name in [
            "nonsense",
            "=a",
            "CN",
            "CN=a,,OU=b",
            "CN=a,",
            ",CN=a",
            "FOO=a",
            "CN=a\\",
            "CN=\"a",
            "CN=a\"b",
            "CN=#1",
            "CN=#",
            "3.1=a",
            "CN=\\x",
            "CN=#0c0261",
        ] {
            assert!(!is_distinguished_name(name), "{name}");
        }
    }
}
