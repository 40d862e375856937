//! Where logs go: to stderr, for people or as JSON.

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

/// Sets up logging for the process. `RUST_LOG` sets the levels; unset, empty or unreadable, it is `info`. A
/// second call changes nothing.
pub fn init_logging(format: LogFormat) {
    // An empty one would be read as: errors alone.
    let levels = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|levels| !levels.trim().is_empty());
    let filter = levels.and_then(|levels| EnvFilter::try_new(levels).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let done = match format {
        LogFormat::Human => {
            builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init()
        }
        LogFormat::Json => builder.json().try_init(),
    };
    if done.is_err() {
        tracing::debug!("logging was set up already");
    }
}
