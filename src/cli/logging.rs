//! Where logs go: to stderr, for people or as JSON.

use super::{
    escape,
    lines::{Leaver, Lines, LogFormat},
};
use crate::{levels, topics};
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    panic::PanicHookInfo,
    sync::Arc,
};
use tracing_subscriber::{
    EnvFilter, Registry,
    fmt::{FormatEvent, FormatFields, MakeWriter, SubscriberBuilder},
};

/// The log of the process. Dropping it waits, for a short while, until what was logged is written.
#[derive(Debug)]
#[must_use = "what waits to be written is lost when the process ends"]
pub struct Logging(Arc<Lines>);

impl Drop for Logging {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Sets up logging for the process. `RUST_LOG` sets the levels; unset, empty or not understood, it is `info`. A terminal
/// gets colours, unless `NO_COLOR` says otherwise. A second call changes nothing.
pub fn init_logging(format: LogFormat) -> Logging {
    let variable = std::env::var_os(EnvFilter::DEFAULT_ENV);
    let (filter, complaint) =
        levels::of_variable(variable.as_ref().map(|text| text.to_string_lossy()).as_deref());
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = Lines::to_stderr(format);
    let leaver = Leaver(Arc::clone(&lines));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&filter))
        .with_writer(move || leaver.clone());
    // Its own complaints would go to stderr, which may stand still.
    let builder = builder.log_internal_errors(false);
    let done = match format {
        LogFormat::Human => {
            let ansi = colours && std::io::stderr().is_terminal();
            set_up(builder.with_ansi(ansi).fmt_fields(escape::fields()), filter)
        }
        LogFormat::Json => set_up(builder.json(), filter),
    };
    if !done {
        tracing::debug!(target: topics::SERVER, "logging was set up already");
    }
    if let Some(complaint) = complaint {
        tracing::warn!(target: topics::SERVER, "{complaint}");
    }
    Logging(lines)
}

/// Lines are formatted so from now on, with levels that may change. False: a log is set up already.
fn set_up<N, E, W>(builder: SubscriberBuilder<N, E, EnvFilter, W>, filter: String) -> bool
where
    N: for<'w> FormatFields<'w> + Send + Sync + 'static,
    E: FormatEvent<Registry, N> + Send + Sync + 'static,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let builder = builder.with_filter_reloading();
    let handle = builder.reload_handle();
    let done = builder.try_init().is_ok();
    if done {
        levels::begin(filter, move |other| handle.reload(other).is_ok());
    }
    done
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
        "a thread has panicked, and the server stops at once: {}",
        reason(panic)
    );
}

fn reason<'p>(panic: &'p PanicHookInfo<'_>) -> &'p str {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason is known")
}
