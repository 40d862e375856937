//! The checked-in list of all 191 behaviours: which are proven here, and why the others are not.

use crate::sut::here;
use std::fs;

/// One line of `behaviours.tsv`.
#[derive(Clone, Debug)]
pub struct Row {
    /// The number in behaviours.md.
    pub number: u16,
    /// `test`, `ensemble`, `sasl/tls`, `storage` or `internal`.
    pub kind: String,
    /// The cases that prove it, or the reason why none does.
    pub text: String,
}

/// Reads the list.
///
/// # Errors
/// When a line has not three columns that make sense.
pub fn load() -> Result<Vec<Row>, String> {
    let path = here().join("behaviours.tsv");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("number\t"));
    lines.map(|line| parse(line).ok_or_else(|| format!("bad line {line:?}"))).collect()
}

fn parse(line: &str) -> Option<Row> {
    let mut columns = line.splitn(3, '\t');
    let number = columns.next()?.parse().ok()?;
    Some(Row { number, kind: columns.next()?.to_owned(), text: columns.next()?.to_owned() })
}
