//! JSON objects of one line, keys in the order in which they were added; just enough to report a run.

use std::fs::OpenOptions;
use std::io::Write;

/// An object under construction. The setters return it, so that they can be chained.
#[derive(Default)]
pub struct Obj {
    members: String,
}

/// `text` as a JSON string, with its quotes.
pub fn esc(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 32 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Obj {
    /// An object without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value that is JSON already.
    pub fn raw(&mut self, key: &str, json: &str) -> &mut Self {
        if !self.members.is_empty() {
            self.members.push(',');
        }
        self.members.push_str(&esc(key));
        self.members.push(':');
        self.members.push_str(json);
        self
    }

    /// Adds a string.
    pub fn str(&mut self, key: &str, value: &str) -> &mut Self {
        self.raw(key, &esc(value))
    }

    /// Adds an integer.
    pub fn int(&mut self, key: &str, value: i64) -> &mut Self {
        self.raw(key, &value.to_string())
    }

    /// Adds a number with four decimals, or `null` for what is no number.
    pub fn f(&mut self, key: &str, value: f64) -> &mut Self {
        let text = if value.is_finite() { format!("{value:.4}") } else { "null".into() };
        self.raw(key, &text)
    }

    /// Adds `true` or `false`.
    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.raw(key, if value { "true" } else { "false" })
    }

    /// The finished object.
    pub fn end(&self) -> String {
        format!("{{{}}}", self.members)
    }

    /// Prints the finished object as one line and appends it to the file of `--out`, if there is one.
    pub fn emit(&self, out: Option<&str>) {
        let line = self.end();
        println!("{line}");
        if let Some(path) = out {
            let mut file = OpenOptions::new().create(true).append(true).open(path).expect("--out");
            writeln!(file, "{line}").expect("--out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_strings_are_escaped() {
        let mut o = Obj::new();
        o.str("b", "a\"\\\n").int("a", -1).f("x", 0.5).f("y", f64::NAN).bool("z", true).raw("o", "{}");
        assert_eq!(o.end(), r#"{"b":"a\"\\\u000a","a":-1,"x":0.5000,"y":null,"z":true,"o":{}}"#);
    }
}
