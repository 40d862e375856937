//! Where events are shown: between what is printed, or above the line that is being typed.

use crate::client::Event;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Shared by the shell and the thread of its session.
#[derive(Clone)]
pub(super) struct Screen {
    as_json: bool,
    shows: Arc<AtomicBool>,
    /// While a line is being typed.
    typing: Arc<AtomicBool>,
}

impl Screen {
    /// One that shows events as lines, or as documents.
    pub(super) fn new(as_json: bool) -> Self {
        Self { as_json, shows: Arc::new(AtomicBool::new(true)), typing: Arc::default() }
    }

    pub(super) fn shows_events(&self) -> bool {
        self.shows.load(Ordering::Relaxed)
    }

    pub(super) fn show_events(&self, shown: bool) {
        self.shows.store(shown, Ordering::Relaxed);
    }

    pub(super) fn is_typed_at(&self, typing: bool) {
        self.typing.store(typing, Ordering::Release);
    }

    /// Shows an event, to whoever is still there.
    pub(super) fn event(&self, event: &Event) {
        if !self.shows_events() {
            return;
        }
        let typing = self.typing.load(Ordering::Acquire);
        // The line is taken away, and comes back below.
        let clear = if typing { "\r\x1b[J" } else { "" };
        let shown = if self.as_json {
            // How the session is shows in what becomes of commands.
            let Some(path) = &event.path else { return };
            json!({"event": {"type": format!("{:?}", event.kind), "path": path, "zxid": event.zxid.to_string()}}).to_string()
        } else {
            format!("\nWATCHER::\n\n{event}")
        };
        let mut out = std::io::stdout().lock();
        drop(writeln!(out, "{clear}{shown}").and_then(|()| out.flush()));
        if typing {
            // The editor draws its line anew when the terminal has changed; it is told so in the one thread that waits for keys.
            let _ = kill_process(getpid(), Signal::WINCH);
        }
    }
}
