//! What stands in a line for people: no text can begin a line of its own, or speak to the terminal.
//!
//! (In lines of JSON, JSON sees to that.)

use std::fmt::{self, Debug, Write};
use tracing::field::Field;
use tracing_subscriber::{
    field::MakeExt,
    fmt::{
        FormatFields,
        format::{self, Writer},
    },
};

/// Longest text of one field, in bytes. What clients send is cut before (`server::figures`).
const FIELD_BYTES: usize = 16 << 10;

/// The message, then the fields as `name=value`; what is not to be shown as it is is escaped, what is too long is cut.
pub(super) fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let write = |writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| {
        if field.name() != "message" {
            write!(writer, "{}=", field.name())?;
        }
        let mut escaped = Escaped { to: &mut *writer, left: FIELD_BYTES };
        // An error of its own says that the text was cut.
        match write!(escaped, "{value:?}") {
            Err(fmt::Error) if escaped.left == 0 => writer.write_str("…"),
            result => result,
        }
    };
    format::debug_fn(write).delimited(" ")
}

/// Passes text on, as it may be shown.
struct Escaped<W> {
    to: W,
    /// Bytes that may follow.
    left: usize,
}

impl<W: Write> Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            let Some(left) = self.left.checked_sub(char.len_utf8()) else {
                self.left = 0;
                return Err(fmt::Error);
            };
            self.left = left;
            if is_to_be_escaped(char) {
                write!(self.to, "{}", char.escape_debug())?;
            } else {
                self.to.write_char(char)?;
            }
        }
        Ok(())
    }
}

/// Control characters, what breaks lines, and what changes the direction of writing. A tab does none of that, and parts what
/// the audit log tells.
fn is_to_be_escaped(char: char) -> bool {
    char.is_control() && char != '\t' || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, left: usize) -> (String, bool) {
        let mut escaped = Escaped { to: String::new(), left };
        let whole = escaped.write_str(text).is_ok();
        (escaped.to, whole)
    }

    #[test]
    fn what_breaks_lines_or_speaks_to_the_terminal_is_escaped() {
        for (text, expected) in [
            ("/a \"b\" \\ ü", "/a \"b\" \\ ü"),
            ("x\r\n2030\tERROR", "x\\r\\n2030\tERROR"),
            ("\x1b[2J\u{9b}31m\0", "\\u{1b}[2J\\u{9b}31m\\0"),
            ("\u{2028}\u{202e}\u{2066}", "\\u{2028}\\u{202e}\\u{2066}"),
        ] {
            assert_eq!(shown(text, 100), (expected.to_owned(), true));
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        assert_eq!(shown("aüb", 3), ("aü".to_owned(), false));
        assert_eq!(shown("aüb", 2), ("a".to_owned(), false));
        assert_eq!(shown("aüb", 4), ("aüb".to_owned(), true));
    }
}
