//! JSON in the form in which the official admin server prints it (`JsonOutputter`): indented by two blanks, a blank on both sides
//! of each colon, arrays of scalars in one line.

use serde::Serialize;
use serde_json::{
    Serializer, Value,
    ser::{CharEscape, CompactFormatter, Formatter},
};
use std::io::{self, Write};

/// The text of a value; there is no line feed at its end.
pub(super) fn text(value: &Value) -> String {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, Indented::default());
    // A value has text keys alone, and memory takes all that is written.
    let written = value.serialize(&mut serializer);
    debug_assert!(written.is_ok(), "{written:?}");
    String::from_utf8(out).unwrap_or_default()
}

#[derive(Default)]
struct Indented {
    /// Objects that are open.
    depth: usize,
    /// Whether the object or array that was closed or begun last is without a member.
    is_empty: bool,
}

impl Indented {
    fn line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Indented {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"[")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        writer.write_all(if first { b" " } else { b", " })
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b" ]")
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        self.is_empty = true;
        writer.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.is_empty = false;
        if !first {
            writer.write_all(b",")?;
        }
        self.line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b" : ")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if std::mem::take(&mut self.is_empty) {
            return writer.write_all(b" }");
        }
        self.line(writer)?;
        writer.write_all(b"}")
    }

    /// Other control characters have four digits in capitals there.
    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::AsciiControl(byte) => write!(writer, "\\u{byte:04X}"),
            other => CompactFormatter.write_char_escape(writer, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_have_the_official_form() {
        let value = json!({"a": {}, "b": [], "c": [1, 2], "d": {"x": {"y": "\u{1b}\"\u{e9}"}}, "e": [{"f": 1}, {}], "error": null});
        let expected = "{\n  \"a\" : { },\n  \"b\" : [ ],\n  \"c\" : [ 1, 2 ],\n  \"d\" : {\n    \"x\" : {\n      \"y\" : \
                        \"\\u001B\\\"\u{e9}\"\n    }\n  },\n  \"e\" : [ {\n    \"f\" : 1\n  }, { } ],\n  \"error\" : null\n}";
        assert_eq!(text(&value), expected);
        assert_eq!(text(&json!(16.5)), "16.5");
        assert_eq!(text(&json!(16.0)), "16.0");
    }
}
