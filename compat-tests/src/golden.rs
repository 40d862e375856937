//! Transcripts of the official server as checked-in text files, one for each configuration.
//!
//! `== name numbers` opens a case, the lines behind it are its transcript; `behaviours --record` rewrites them.

use crate::sut::here;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

const HEAD: &str = "# Transcripts of the official server 3.9.5, rewritten by `behaviours --record`.\n\
                    # The tokens are explained at the top of compat-tests/src/transcript.rs.\n";

/// How many lines of a difference are shown.
const SHOWN: usize = 12;

/// Transcripts by case name.
pub type Golden = BTreeMap<String, Vec<String>>;

fn path(setup: &str) -> PathBuf {
    here().join("golden").join(format!("{setup}.txt"))
}

/// Reads the transcripts of a configuration; a file that does not exist holds none.
#[must_use]
pub fn load(setup: &str) -> Golden {
    let text = fs::read_to_string(path(setup)).unwrap_or_default();
    let mut golden = Golden::new();
    let mut name = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("== ") {
            title.split(' ').next().unwrap_or_default().clone_into(&mut name);
            golden.insert(name.clone(), Vec::new());
        } else if let Some(lines) = golden.get_mut(&name) {
            lines.push(line.to_owned());
        }
    }
    golden
}

/// Writes the transcripts of a configuration; `order` gives names with numbers.
///
/// # Errors
/// When the file cannot be written.
pub fn save(setup: &str, order: &[(&str, &[u16])], golden: &Golden) -> Result<(), String> {
    let mut text = HEAD.to_owned();
    for (name, numbers) in order {
        let Some(lines) = golden.get(*name) else { continue };
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "\n== {name} {}", numbers.join(","));
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
    }
    fs::write(path(setup), text).map_err(|e| format!("{}: {e}", path(setup).display()))
}

/// The first line in which two transcripts differ and the lines that only one of them has, for people.
#[must_use]
pub fn difference(wanted: &[String], seen: &[String]) -> Option<String> {
    let at =
        wanted.iter().zip(seen).position(|(a, b)| a != b).unwrap_or_else(|| wanted.len().min(seen.len()));
    if at == wanted.len() && at == seen.len() {
        return None;
    }
    let show = |lines: &[String]| lines.get(at).map_or_else(|| "(end)".to_owned(), Clone::clone);
    let mut text = format!("line {}\n    wanted {}\n    seen   {}", at + 1, show(wanted), show(seen));
    for (mark, lines, others) in [('-', wanted, seen), ('+', seen, wanted)] {
        let alone: Vec<&String> = lines.iter().filter(|line| !others.contains(line)).collect();
        for line in alone.iter().take(SHOWN) {
            let _ = write!(text, "\n    {mark} {line}");
        }
        if alone.len() > SHOWN {
            let _ = write!(text, "\n    {mark} and {} more", alone.len() - SHOWN);
        }
    }
    Some(text)
}
