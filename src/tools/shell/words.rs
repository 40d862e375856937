//! The words of a line, as the official shell tells them apart.

use regex::Regex;
use std::sync::LazyLock;

/// A word begins with anything but a quote, or stands in quotes of one kind.
static WORD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\s*([^"'\s]\S*|"[^"]*"|'[^']*')\s*"#).ok());

/// Splits a line; quotes around a word are taken off, those within stay.
pub(super) fn split(line: &str) -> Vec<String> {
    let Some(word) = &*WORD else { return Vec::new() };
    let words = word.captures_iter(line).filter_map(|found| found.get(1));
    words.map(|word| unquoted(word.as_str()).to_owned()).collect()
}

fn unquoted(word: &str) -> &str {
    let inner = |quote| word.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_a_word_together() {
        assert_eq!(split("create /a b"), ["create", "/a", "b"]);
        assert_eq!(split("  set /a 'two words'  "), ["set", "/a", "two words"]);
        assert_eq!(split(r#"set /a "it's" "" x"y z"#), ["set", "/a", "it's", "", "x\"y", "z"]);
        assert_eq!(split(r#"set /a "open"#), ["set", "/a", "open"]);
        assert!(split("").is_empty());
    }
}
