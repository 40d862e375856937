//! A session: opened once, it goes from server to server until it is closed or expires.
//!
//! One thread has the connection ([`driver`](super::driver)); the face of it here waits for answers.

use super::{
    connect_string::ConnectString,
    driver::{Asked, Command, Deed, Driver, State},
    event::Event,
    failure::Failure,
    options::{SessionOptions, SessionState},
};
use bytes::Bytes;
use oxkeeper_codec::{Code, Encode, OpCode};
use parking_lot::Mutex;
use std::{
    io,
    sync::{Arc, OnceLock},
    thread,
};
use tokio::sync::{mpsc, oneshot};

/// A session, which is closed when it is let go.
#[derive(Debug)]
pub struct Session {
    commands: mpsc::UnboundedSender<Command>,
    state: Arc<State>,
    servers: ConnectString,
}

impl Session {
    /// Begins to look for a server. Events are told on another thread, each before the answers behind it.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn open(options: SessionOptions, on_event: impl FnMut(&Event) + Send + 'static) -> io::Result<Self> {
        let (commands, taken) = mpsc::unbounded_channel();
        let now = Mutex::new(SessionState::Connecting);
        let state = Arc::new(State { now, refusal: OnceLock::new() });
        let servers = options.servers.clone();
        let driver = Driver::new(options, taken, Arc::clone(&state), Box::new(on_event));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("session".to_owned()).spawn(move || runtime.block_on(driver.run()))?;
        Ok(Self { commands, state, servers })
    }

    /// How it is.
    pub fn state(&self) -> SessionState {
        *self.state.now.lock()
    }

    /// Why it is [`SessionState::AuthFailed`], where its login failed.
    pub fn refusal(&self) -> Option<&str> {
        self.state.refusal.get().map(String::as_str)
    }

    /// Identifies itself, to each server that has it.
    pub fn add_auth(&self, scheme: &str, auth: Option<Bytes>) {
        drop(self.commands.send(Command::Auth { scheme: scheme.to_owned(), auth }));
    }

    /// Ends it; its ephemerals are gone afterwards, if a server can be reached.
    pub fn close(&self) {
        let (closed, wait) = oneshot::channel();
        if self.commands.send(Command::Close(closed)).is_ok() {
            drop(wait.blocking_recv());
        }
    }

    /// Sends a request without waiting.
    pub(super) fn send(&self, op: OpCode, request: &impl Encode, deed: Deed) -> Answer {
        let (answer, wait) = oneshot::channel();
        drop(self.commands.send(Command::Ask(Asked { op, body: request.to_vec(), deed, answer })));
        Answer(wait)
    }

    /// Whose chroot stands before all paths.
    pub(super) const fn servers(&self) -> &ConnectString {
        &self.servers
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

/// An answer to wait for.
pub(super) struct Answer(oneshot::Receiver<Result<Bytes, Code>>);

impl Answer {
    /// The body of the reply. Failures are about `path`.
    pub(super) fn wait(self, path: Option<&str>) -> Result<Bytes, Failure> {
        let failure = |code| Failure { code, path: path.map(str::to_owned) };
        // A thread that has ended answers nobody.
        self.0.blocking_recv().unwrap_or(Err(Code::SESSION_EXPIRED)).map_err(failure)
    }
}
