//! `RUST_LOG`: which lines are written. Promise: what is not understood never silences an error.

/// The levels when nobody sets them.
const DEFAULT: &str = "info";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The filter to use, and what to complain of.
pub(super) fn levels(variable: Option<&str>) -> (String, Option<String>) {
    // An empty one would be read as: errors alone.
    let Some(text) = variable.map(str::trim).filter(|text| !text.is_empty()) else {
        return (DEFAULT.to_owned(), None);
    };
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    match parts.iter().find(|part| !is_directive(part)) {
        // A part alone would leave out all else, errors too.
        None => (format!("error,{}", parts.join(",")), None),
        Some(part) => {
            let complaint = format!(
                "RUST_LOG={text:?} is not understood, {DEFAULT} is used: {part:?} is no level ({}) and no MODULE=LEVEL",
                LEVELS.join(", ")
            );
            (DEFAULT.to_owned(), Some(complaint))
        }
    }
}

/// A level, or a module of this program, with a level or alone.
fn is_directive(part: &str) -> bool {
    let is_level = |text: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text));
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
            assert_eq!(levels(Some(text)), (filter.to_owned(), None), "{text}");
            assert!(tracing_subscriber::EnvFilter::try_new(filter).is_ok(), "{filter}");
        }
        for unset in [None, Some(""), Some("  ")] {
            assert_eq!(levels(unset), ("info".to_owned(), None));
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for text in
            ["warning", "WARNING", "oops", "oxkeeper:debug", "verbose,xx===", "info,server=loud", "=info"]
        {
            let (filter, complaint) = levels(Some(text));
            assert_eq!(filter, "info", "{text}");
            assert!(complaint.is_some_and(|complaint| complaint.contains("RUST_LOG")), "{text}");
        }
    }
}
