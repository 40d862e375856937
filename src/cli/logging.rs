//! Where logs go: to stderr, for people or as JSON.

use super::{
    escape,
    lines::{Leaver, Lines, LogFormat},
};
use crate::topics;
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::PanicHookInfo,
    sync::Arc,
};
use tracing_subscriber::EnvFilter;

/// The log of the process. Dropping it waits, for a short while, until what was logged is written.
#[derive(Debug)]
#[must_use = "what waits to be written is lost when the process ends"]
pub struct Logging(Arc<Lines>);

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Sets up logging for the process. `RUST_LOG` sets the levels; unset, empty or unreadable, it is `info`. A
/// second call changes nothing.
pub fn init_logging(format: LogFormat) -> Logging {
    // An empty one would be read as: errors alone.
    let levels = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|levels| !levels.trim().is_empty());
    let filter = levels.and_then(|levels| EnvFilter::try_new(levels).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let lines = Lines::to_stderr(format);
    let leaver = Leaver(Arc::clone(&lines));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || leaver.clone());
    // Its own complaints would go to stderr, which may stand still.
    let builder = builder.log_internal_errors(false);
    let done = match format {
        LogFormat::Human => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
            builder.with_ansi(ansi).fmt_fields(escape::fields()).try_init()
        }
        LogFormat::Json => builder.json().try_init(),
    };
    if done.is_err() {
        tracing::debug!(target: topics::SERVER, "logging was set up already");
    }
    Logging(lines)
}

impl Logging {
    /// From now on a panic ends the process, wherever it is: also in a task, whose runtime would go on without it. It
    /// is logged before, if that can be.
    pub fn end_on_panic(&self) {
        let lines = Arc::clone(&self.0);
        std::panic::set_hook(Box::new(move |panic| {
            log_panic(panic);
            lines.flush();
            std::process::abort();
        }));
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        target: topics::SERVER,
        thread = thread.name().unwrap_or("?"),
        at = panic.location().map(tracing::field::display),
        backtrace,
        "a fault in this server: it stops at once: {}",
        reason(panic)
    );
}

fn reason<'p>(panic: &'p PanicHookInfo<'_>) -> &'p str {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason is known")
}
