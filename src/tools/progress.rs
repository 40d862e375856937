//! What a tool is at, and how far it has come, for whoever waits for it longer than a second at a terminal: on a line of
//! standard error that goes when the work ends. Elsewhere nothing is shown.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal, stderr},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Shorter work shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Work that is shown until it is let go.
pub(super) struct Progress {
    bar: ProgressBar,
    /// What has the line drawn, until it hears that there is nobody at work.
    drawing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Work of an unknown extent: only how long it has taken is shown.
    pub(super) fn of(what: String) -> Self {
        Self::begin(what, ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed}")
    }

    /// Work on so many bytes.
    pub(super) fn of_bytes(what: String, total: u64) -> Self {
        Self::begin(what, ProgressBar::new(total), "{msg} {wide_bar} {bytes} of {total_bytes}, {eta}")
    }

    fn begin(what: String, bar: ProgressBar, template: &str) -> Self {
        bar.set_draw_target(ProgressDrawTarget::hidden());
        if !stderr().is_terminal() {
            return Self { bar, drawing: None };
        }
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.set_message(what);
        let (ended, end) = channel();
        let shown = bar.clone();
        let draw = move || {
            if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(TICK);
            }
        };
        // Without a thread it is not shown.
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(draw);
        Self { bar, drawing: thread.ok().map(|thread| (ended, thread)) }
    }

    /// So many bytes are done.
    pub(super) fn at(&self, position: u64) {
        if self.drawing.is_some() {
            self.bar.set_position(position);
        }
    }

    /// So many bytes more.
    pub(super) fn more(&self, bytes: usize) {
        if self.drawing.is_some() {
            self.bar.inc(bytes as u64);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((ended, thread)) = self.drawing.take() {
            drop(ended);
            // It does not panic.
            drop(thread.join());
            self.bar.finish_and_clear();
        }
    }
}
