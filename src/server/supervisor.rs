//! What systemd is told, where it asks for it (`Type=notify`, `WatchdogSec`): that the server is ready, that it reads things again, that
//! it stops, and that it lives.

use crate::{
    server::{io::Front, operators::answered_by_all},
    topics,
};
use sd_notify::NotifyState;
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

/// Whoever has started this process, if it wants to be told.
#[derive(Debug)]
pub(super) struct Supervisor {
    /// How often it wants a sign of life.
    every: Option<Duration>,
}

impl Supervisor {
    /// As `NOTIFY_SOCKET` and `WATCHDOG_USEC` say; without them nobody is told anything.
    pub(super) fn of_environment() -> Self {
        let mut usec = 0;
        // Twice as often as it has to be, as systemd recommends.
        let every = sd_notify::watchdog_enabled(false, &mut usec).then(|| Duration::from_micros(usec / 2));
        Self { every }
    }

    /// The next event. Until there is one, the supervisor is told that the server lives, as long as it does.
    pub(super) fn wait<T>(&self, events: &Receiver<T>, front: Option<&Arc<Front>>) -> Option<T> {
        let Some(every) = self.every else { return events.recv().ok() };
        loop {
            match events.recv_timeout(every) {
                Ok(event) => return Some(event),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if front.is_none_or(answered_by_all) => {
                    tell(&[NotifyState::Watchdog]);
                }
                Err(RecvTimeoutError::Timeout) => {
                    tracing::error!(target: topics::SERVER, "a worker does not answer: systemd gets no sign of life");
                }
            }
        }
    }

    /// The data is loaded and clients are let in; a member may have no leader yet.
    pub(super) fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Certificates and the audit log are begun anew: done at once.
    pub(super) fn reloaded(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Ready]),
            Err(_) => tell(&[NotifyState::Ready]),
        }
    }

    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }
}

/// A supervisor that is gone, or that there never was, needs no word.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::debug!(target: topics::SERVER, %error, "systemd cannot be told");
    }
}
