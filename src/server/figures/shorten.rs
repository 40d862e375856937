//! What clients send has no room in a log: long texts are shown by their beginning and their end.

use std::fmt::{self, Display};

/// Bytes that are shown whole.
const WHOLE: usize = 256;
/// Of what is longer, so many bytes of the beginning and of the end.
const ENDS: (usize, usize) = (160, 80);

/// A text that is not shown whole if it is long.
pub(super) struct Short<'a>(pub(super) &'a str);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        if text.len() <= WHOLE {
            return f.write_str(text);
        }
        let is_boundary = |at: &usize| text.is_char_boundary(*at);
        let begin = (0..=ENDS.0).rev().find(is_boundary).unwrap_or(0);
        let end = (text.len() - ENDS.1..=text.len()).find(is_boundary).unwrap_or(text.len());
        write!(f, "{}[… {} bytes …]{}", &text[..begin], end - begin, &text[end..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_shown_by_their_ends() {
        let whole = "ü".repeat(128);
        assert_eq!(Short(&whole).to_string(), whole);
        let long = format!("a{}z", "ü".repeat(500_000));
        let short = Short(&long).to_string();
        assert!(short.starts_with("aüü") && short.ends_with("üüz") && short.contains("[… 9997"), "{short}");
        assert!(short.len() < 300);
    }
}
