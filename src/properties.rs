//! The syntax of `java.util.Properties`: `zoo.cfg`, dynamic files, and the text of an ensemble's configuration.
//!
//! Promise: the same keys and values that Java's own reader finds, each with the number of the line on which
//! its key starts. Not done here: trimming values, joining repeated keys, or knowing what a key means.

/// One `key = value` of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    /// The line on which the key starts, from 1.
    pub(crate) line: usize,
    /// The key, escapes resolved.
    pub(crate) key: String,
    /// The value, escapes resolved.
    pub(crate) value: String,
}

/// A `\u` that is not followed by four hexadecimal digits: the one error this syntax knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadEscape {
    /// The line on which the entry starts, from 1.
    pub(crate) line: usize,
}

/// Java reads such files as ISO 8859-1: each byte is one character.
pub(crate) fn decode_latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// All entries of `text` in file order, repeated keys included.
pub(crate) fn parse(text: &str) -> Result<Vec<Property>, BadEscape> {
    let mut entries = Vec::new();
    for (line, logical) in logical_lines(text) {
        let (key, value) = split(&logical);
        let resolve = |part| unescape(part).ok_or(BadEscape { line });
        entries.push(Property { line, key: resolve(key)?, value: resolve(value)? });
    }
    Ok(entries)
}

/// Lines without comments and blank ones, continuations joined; each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n");
    let text = text.strip_suffix(['\n', '\r']).unwrap_or(&text);
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, natural) in text.split(['\n', '\r']).enumerate() {
        let natural = natural.trim_start_matches(is_blank);
        // A lone backslash continues into nothing: what follows is a line of its own.
        let (line, mut joined) = match open.take().filter(|(_, joined)| !joined.is_empty()) {
            Some(started) => started,
            None if natural.is_empty() || natural.starts_with(['#', '!']) => continue,
            None => (index + 1, String::new()),
        };
        if let Some(continued) = without_continuation(natural) {
            joined.push_str(continued);
            open = Some((line, joined));
        } else {
            joined.push_str(natural);
            lines.push((line, joined));
        }
    }
    lines.extend(open);
    lines
}

/// The line without its last backslash when an odd number of them ends it: the next line belongs to it.
fn without_continuation(line: &str) -> Option<&str> {
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    if backslashes % 2 == 1 { line.strip_suffix('\\') } else { None }
}

/// Key and value: parted by blanks, or by one `=` or `:` with blanks around it.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, c)| {
        let ends = !escaped && (is_blank(c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.map_or(line.len(), |(at, _)| at));
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

/// Blank as this syntax sees it.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Resolves the escapes; `None` for a broken `\u`. Two escapes that form a surrogate pair are one character.
fn unescape(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('u')) => {
                units.push(four_digits(&mut chars)?);
                continue;
            }
            (_, Some('t')) => '\t',
            (_, Some('n')) => '\n',
            (_, Some('r')) => '\r',
            (_, Some('f')) => '\u{c}',
            (_, Some(other)) => other,
            ('\\', None) => continue,
            (other, None) => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

fn four_digits(chars: &mut std::str::Chars<'_>) -> Option<u16> {
    let mut unit = 0;
    for _ in 0..4 {
        let digit = u16::try_from(chars.next()?.to_digit(16)?).ok()?;
        unit = unit << 4 | digit;
    }
    Some(unit)
}

/// An entry as a line of a file, its end included; it is read as the same again.
pub(crate) fn line(key: &str, value: &str) -> String {
    let mut line = String::with_capacity(key.len() + value.len() + 2);
    for (at, c) in key.chars().enumerate() {
        if matches!(c, ' ' | '=' | ':') || (at == 0 && matches!(c, '#' | '!')) {
            line.push('\\');
        }
        escape(c, &mut line);
    }
    line.push('=');
    for (at, c) in value.chars().enumerate() {
        if at == 0 && is_blank(c) {
            line.push('\\');
        }
        escape(c, &mut line);
    }
    line.push('\n');
    line
}

fn escape(c: char, line: &mut String) {
    match c {
        '\\' => line.push_str("\\\\"),
        '\t' => line.push_str("\\t"),
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\u{c}' => line.push_str("\\f"),
        '\u{0}'..='\u{ff}' => line.push(c),
        _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| line.push_str(&format!("\\u{unit:04x}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text's entries as `line:key=value`, joined by `;`.
    fn check(text: &str, expected: &str) {
        let shown: Vec<String> = match parse(text) {
            Ok(found) => found.iter().map(|p| format!("{}:{}={}", p.line, p.key, p.value)).collect(),
            Err(bad) => vec![format!("bad escape in line {}", bad.line)],
        };
        assert_eq!(shown.join(";"), expected, "for {text:?}");
    }

    #[test]
    fn separators() {
        check("a=b", "1:a=b");
        check("a:b", "1:a=b");
        check("a b", "1:a=b");
        check("a\t=  b ", "1:a=b ");
        check("a = = b", "1:a== b");
        check("a  : =b", "1:a==b");
        check("a", "1:a=");
        check("=b", "1:=b");
        check("server.1=h:2888:3888;2181", "1:server.1=h:2888:3888;2181");
    }

    #[test]
    fn comments_and_blank_lines() {
        check("", "");
        check("# a=b\n  ! c=d\n\n   \n e=f", "5:e=f");
        check("a=b # no comment", "1:a=b # no comment");
        check("#ends in a backslash\\\na=b", "2:a=b");
    }

    #[test]
    fn line_ends() {
        check("a=1\r\nb=2\rc=3\n", "1:a=1;2:b=2;3:c=3");
    }

    #[test]
    fn continuation() {
        check("a=1,\\\n   2,\\\n\t3\nb=4", "1:a=1,2,3;4:b=4");
        check("a=1\\\\\nb=2", "1:a=1\\;2:b=2");
        check("a=1\\\n#2", "1:a=1#2");
        check("a=1\\", "1:a=1");
        check("ke\\\n  y=1", "1:key=1");
        check("\\\n\nb=2", "3:b=2");
        check("\\\n# a comment\nb=2", "3:b=2");
        check("a=1\n\\", "1:a=1;2:=");
    }

    #[test]
    fn escapes() {
        check(r"a\=b=c", "1:a=b=c");
        check(r"a\ b:c", "1:a b=c");
        check(r"a=C:\\data", r"1:a=C:\data");
        check(r"a=\u0041\t\q", "1:a=A\tq");
        check(r"a=\ud83d\ude00", "1:a=😀");
        check(r"a=\u00g1", "bad escape in line 1");
        check("\na=\\u12", "bad escape in line 2");
    }

    #[test]
    fn repeated_keys_stay_in_order() {
        check("a=1\na=2", "1:a=1;2:a=2");
    }

    #[test]
    fn a_line_is_read_as_it_was() {
        let entries = [("a", "b"), ("#a =", " = b\\c: \t"), ("é\n", "😀"), ("server.1", "h:1:2;3")];
        for (key, value) in entries {
            let read = parse(&line(key, value)).expect("a line");
            assert_eq!((&*read[0].key, &*read[0].value, read.len()), (key, value, 1));
        }
        assert_eq!(line("server.1", "h:1:2;3"), "server.1=h:1:2;3\n");
    }

    #[test]
    fn bytes_are_latin1() {
        assert_eq!(decode_latin1(b"d=\xe9"), "d=é");
    }
}
