//! Which lines of the log are written: what `RUST_LOG` says at the start, and what operators ask for while the server runs.
//! Promise: what is not understood never silences an error.

use crate::topics;
use parking_lot::Mutex;
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// The levels when nobody sets them.
const DEFAULT: &str = "info";
const LEVELS_IN_ORDER: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Those of this process, once its log is set up. Whoever embeds a server has a log of their own.
static LEVELS: OnceLock<Levels> = OnceLock::new();

/// Puts a filter in the place of the one before. False: the log is gone.
type Replace = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

struct Levels {
    at_start: String,
    now: Mutex<String>,
    replace: Replace,
}

/// Why levels stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LevelsError {
    /// What was asked for makes no sense.
    #[error("{text:?} is not understood: {part:?} is no level ({}) and no TOPIC=LEVEL", LEVELS_IN_ORDER.join(", "))]
    NotUnderstood {
        /// All of it.
        text: String,
        /// What is wrong.
        part: String,
    },
    /// The log is that of a program which this server is a part of.
    #[error("the log of this process is not the server's")]
    NotOurs,
}

/// The log has been set up with these levels, and takes others by `replace`. Only the first call counts.
pub(crate) fn begin(at_start: String, replace: impl Fn(EnvFilter) -> bool + Send + Sync + 'static) {
    let now = Mutex::new(at_start.clone());
    drop(LEVELS.set(Levels { at_start, now, replace: Box::new(replace) }));
}

/// The levels as they are, in the form of `RUST_LOG`.
pub fn current() -> Option<String> {
    LEVELS.get().map(|levels| levels.now.lock().clone())
}

/// Others from now on, until the process ends; `None`: those of its start. Returns them.
///
/// # Errors
/// They are not understood, or the log is not ours: nothing changes.
pub fn change(text: Option<&str>) -> Result<String, LevelsError> {
    let levels = LEVELS.get().ok_or(LevelsError::NotOurs)?;
    let wanted = match text {
        Some(text) => understood(text)?,
        None => levels.at_start.clone(),
    };
    let mut now = levels.now.lock();
    if !(levels.replace)(EnvFilter::new(&wanted)) {
        return Err(LevelsError::NotOurs);
    }
    let before = std::mem::replace(&mut *now, wanted.clone());
    // As loud as possible: whoever reads the log has to know why it changes.
    tracing::error!(target: topics::LOG, before, now = wanted, "an operator has changed the levels of the log");
    Ok(wanted)
}

/// The filter for what somebody has written.
fn understood(text: &str) -> Result<String, LevelsError> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let wrong = if parts.is_empty() { Some(&"") } else { parts.iter().find(|part| !is_directive(part)) };
    match wrong {
        // A part alone would leave out all else, errors too.
        None => Ok(format!("error,{}", parts.join(","))),
        Some(&part) => Err(LevelsError::NotUnderstood { text: text.to_owned(), part: part.to_owned() }),
    }
}

/// The filter to use for `RUST_LOG`, and what to complain of.
pub(crate) fn of_variable(variable: Option<&str>) -> (String, Option<String>) {
    // An empty one would be read as: errors alone.
    let Some(text) = variable.map(str::trim).filter(|text| !text.is_empty()) else {
        return (DEFAULT.to_owned(), None);
    };
    understood(text).map_or_else(
        |problem| (DEFAULT.to_owned(), Some(format!("RUST_LOG={problem}; {DEFAULT} is used"))),
        |filter| (filter, None),
    )
}

/// A level, or a module of this program, with a level or alone.
fn is_directive(part: &str) -> bool {
    let is_level = |text: &str| LEVELS_IN_ORDER.iter().any(|level| level.eq_ignore_ascii_case(text));
    let is_module = |text: &str| {
        !text.is_empty() && text.split("::").all(|name| !name.is_empty() && name.bytes().all(is_letter))
    };
    match part.split_once('=') {
        Some((module, level)) => is_module(module) && is_level(level),
        None => is_level(part) || (is_module(part) && (part == "oxkeeper" || part.starts_with("oxkeeper::"))),
    }
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_understood_is_used() {
        for (text, filter) in [
            ("warn", "error,warn"),
            ("INFO", "error,INFO"),
            ("off", "error,off"),
            ("oxkeeper::server=debug", "error,oxkeeper::server=debug"),
            ("oxkeeper", "error,oxkeeper"),
            ("info, tokio=off ,", "error,info,tokio=off"),
        ] {
            assert_eq!(of_variable(Some(text)), (filter.to_owned(), None), "{text}");
            assert!(EnvFilter::try_new(filter).is_ok(), "{filter}");
        }
        for unset in [None, Some(""), Some("  ")] {
            assert_eq!(of_variable(unset), ("info".to_owned(), None));
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for text in [
            "warning",
            "WARNING",
            "oops",
            "oxkeeper:debug",
            "verbose,xx===",
            "info,server=loud",
            "=info",
            ",",
        ] {
            let (filter, complaint) = of_variable(Some(text));
            assert_eq!(filter, "info", "{text}");
            assert!(complaint.is_some_and(|complaint| complaint.contains("RUST_LOG")), "{text}");
        }
    }
}
