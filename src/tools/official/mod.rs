//! The official tools by the names of their classes, with their arguments, output and exit codes: what the scripts in `scripts/`
//! run, and configuration management parses.
//!
//! Where an official tool is wrong it is not followed: a damaged snapshot ends with 1 however it is damaged, a log is not left
//! half chopped, a repair that was given up leaves no file. `docs/tools.md` lists each case.

mod initialize;
mod purge;
mod server;
mod snapshots;
mod txnlog;

pub(super) use txnlog::decode_long;

use super::{Terminal, ToolError};
use clap::Parser;

/// Runs the tool of that class. Returns the exit code.
///
/// # Errors
/// What is written cannot be read.
pub fn run(class: &str, arguments: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    match class {
        "TxnLogToolkit" => txnlog::run(arguments, terminal),
        "SnapshotFormatter" => snapshots::format(arguments, terminal),
        "SnapshotRecursiveSummary" => snapshots::summary(arguments, terminal),
        "SnapshotComparer" => snapshots::compare(arguments, terminal),
        "PurgeTxnLog" => purge::run(arguments, terminal),
        "VersionInfoMain" => server::version(terminal),
        "cleanup" => server::cleanup(arguments, terminal),
        "data-dir" => server::data_dir(arguments, terminal),
        "status" => server::status(arguments, terminal),
        "initialize" => initialize::run(arguments, terminal),
        other => Err(ToolError::Usage(format!("there is no tool {other}"))),
    }
}

/// Arguments as commons-cli takes them, or what it says of them.
fn parse<T: Parser>(arguments: &[String]) -> Result<T, String> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let words = std::iter::once("").chain(arguments.iter().map(String::as_str));
    T::try_parse_from(words).map_err(|error| {
        let of = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.clone(),
            Some(ContextValue::Strings(texts)) => texts.join(", "),
            _ => String::new(),
        };
        match error.kind() {
            ErrorKind::UnknownArgument => format!("Unrecognized option: {}", of(ContextKind::InvalidArg)),
            ErrorKind::InvalidValue => {
                format!("Missing argument for option: {}", option(&of(ContextKind::InvalidArg)))
            }
            _ => error.to_string(),
        }
    })
}

/// The short name of `--zxid <ZXID>` and the like: what an option is called in complaints.
fn option(shown: &str) -> &str {
    let name = shown.trim_start_matches('-');
    &name[..name.chars().next().map_or(0, char::len_utf8)]
}

/// Says on stderr what went wrong, and ends with `code`.
fn fail(code: u8, text: impl std::fmt::Display, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    writeln!(terminal.err, "{text}")?;
    Ok(code)
}
