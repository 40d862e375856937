//! Where logs go: to stderr, for people or as JSON.

use super::levels::levels;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// The form of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Sets up logging for the process. `RUST_LOG` sets the levels; unset, empty or not understood, it is `info`. A terminal
/// gets colours, unless `NO_COLOR` says otherwise. A second call changes nothing.
pub fn init_logging(format: LogFormat) {
    let variable = std::env::var_os(EnvFilter::DEFAULT_ENV);
    let (filter, complaint) = levels(variable.as_ref().map(|levels| levels.to_string_lossy()).as_deref());
    let filter = EnvFilter::new(filter);
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = match format {
        LogFormat::Human => builder.with_ansi(colours && std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if done.is_err() {
        tracing::debug!("logging was set up already");
    }
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
}
