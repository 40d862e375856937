//! The cases: what a client can see of the behaviours in `behaviours.tsv`.
//!
//! A case names the numbers it proves and the configuration it needs, talks to one server through recording clients
//! and states the documented expectation itself, so that it fails also where two servers agree on something wrong.
//! Cases of one configuration share a server and run one after the other; each keeps to its own subtree and leaves no
//! session behind, which makes every zxid distance of its transcript deterministic.

mod acl;
mod create;
mod differences;
mod files;
mod framing;
mod limits;
mod multi;
mod nodes;
mod paths;
mod quota;
mod replies;
mod sequence;
mod sessions;
mod setups;
mod storage;
mod watches;
mod words;

pub use differences::{DIFFERENCES, Difference};
pub(crate) use files::adler32;

use crate::client::{Client, Hello, OpenSessions, Outcome, SharedLog};
use crate::sut::{Kind, Server, Setup};
use crate::transcript::Log;
use crate::wire::{Conn, Got, Out, PATIENCE};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// A short name, unique.
    pub name: &'static str,
    /// The behaviours it proves.
    pub numbers: &'static [u16],
    /// The configuration it runs under.
    pub setup: &'static Setup,
    /// The case itself.
    pub run: fn(&mut Ctx<'_>) -> Outcome,
}

/// Short form for the tables.
const fn case(
    name: &'static str,
    numbers: &'static [u16],
    setup: &'static Setup,
    run: fn(&mut Ctx<'_>) -> Outcome,
) -> Case {
    Case { name, numbers, setup, run }
}

/// What a case works with.
#[derive(Debug)]
pub struct Ctx<'s> {
    /// The server, for cases that stop, start or look into its files.
    pub server: &'s mut Server,
    /// The zxid when the case began.
    pub base: i64,
    log: SharedLog,
    open: OpenSessions,
    clients: u32,
}

impl<'s> Ctx<'s> {
    /// Prepares a case on a serving server.
    ///
    /// # Errors
    /// When the server does not say its zxid.
    pub fn new(server: &'s mut Server) -> Outcome<Self> {
        let base = server.zxid()?;
        let log = Rc::new(RefCell::new(Log::new(base)));
        Ok(Self { server, base, log, open: Rc::default(), clients: 0 })
    }

    /// Whether the judged server is oxkeeper, for the few deliberate differences.
    #[must_use]
    pub fn oxkeeper(&self) -> bool {
        self.server.kind == Kind::Oxkeeper
    }

    /// Whether the case runs under the configuration of this name.
    #[must_use]
    pub fn server_is(&self, setup: &str) -> bool {
        self.server.setup().name == setup
    }

    /// A connection that has not said anything.
    ///
    /// # Errors
    /// When the server does not take it.
    pub fn connect(&mut self) -> Outcome<Client> {
        self.clients += 1;
        let name = format!("c{}", self.clients);
        Client::connect(self.server.addr, name, self.log.clone(), self.open.clone())
    }

    /// A connection with a new session of ordinary timeout.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn session(&mut self) -> Outcome<Client> {
        self.session_with("new session", &Hello::default())
    }

    /// A connection with the session that this hello gives.
    ///
    /// # Errors
    /// When there is none to be had.
    pub fn session_with(&mut self, what: &str, hello: &Hello) -> Outcome<Client> {
        let mut client = self.connect()?;
        let welcome = client.hello(what, hello)?;
        ensure(welcome.session != 0, || format!("no session for {hello:?}"))?;
        Ok(client)
    }

    /// Adds a line to the transcript.
    pub fn note(&self, label: &str, seen: impl AsRef<str>) {
        self.log.borrow_mut().lines.push(format!("{label} -> {}", seen.as_ref()));
    }

    /// A session id as the transcript shows it.
    #[must_use]
    pub fn session_token(&self, id: i64) -> String {
        self.log.borrow().session(id)
    }

    /// Adds a line that must say yes.
    ///
    /// # Errors
    /// When it says no.
    pub fn fact(&self, label: &str, holds: bool) -> Outcome {
        self.note(label, if holds { "yes" } else { "no" });
        ensure(holds, || format!("not so: {label}"))
    }

    /// Leaves replies and events out of the transcript from here on, or takes them in again.
    pub fn mute(&self, muted: bool) {
        self.log.borrow_mut().muted = muted;
    }

    /// Gives the transcript, closing what the case left open.
    pub fn finish(self) -> Vec<String> {
        for (id, password) in self.open.take() {
            close_session(self.server, id, password);
        }
        std::mem::take(&mut self.log.borrow_mut().lines)
    }
}

/// Ends a session so that it cannot disturb the next case; one that has ended already is fine.
pub(crate) fn close_session(server: &Server, session: i64, password: Vec<u8>) {
    let Ok(mut conn) = Conn::open(server.addr) else { return };
    let hello = Hello { session, password: Some(password), timeout: 2000, ..Hello::default() };
    conn.send_packet(&hello.bytes());
    if !matches!(conn.recv(PATIENCE), Got::Packet(_)) {
        return;
    }
    conn.send_packet(&Out::new().int(1).int(-11).done());
    while matches!(conn.recv(PATIENCE), Got::Packet(_)) {}
}

/// Fails with a message unless the condition holds.
///
/// # Errors
/// When it does not.
pub fn ensure(condition: bool, message: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(message()) }
}

/// Fails unless both are equal.
///
/// # Errors
/// When they are not.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, wanted: T) -> Outcome {
    ensure(seen == wanted, || format!("{what}: {seen:?} instead of {wanted:?}"))
}

/// Asks again and again until the answer is yes.
///
/// # Errors
/// When it is not within the time.
pub fn wait_until(what: &str, wait: Duration, mut ask: impl FnMut() -> Outcome<bool>) -> Outcome {
    let deadline = Instant::now() + wait;
    while !ask()? {
        ensure(Instant::now() < deadline, || format!("{what}: not within {wait:?}"))?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// All cases in the order in which they run.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        framing::CASES,
        sessions::CASES,
        replies::CASES,
        paths::CASES,
        create::CASES,
        sequence::CASES,
        nodes::CASES,
        multi::CASES,
        acl::CASES,
        watches::CASES,
        quota::CASES,
        limits::CASES,
        words::CASES,
        storage::CASES,
    ]
    .concat()
}
