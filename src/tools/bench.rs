//! A load for a running server or ensemble, and how fast it was answered.
//!
//! Each client is a session with a znode of its own, an ephemeral one below a znode that goes at the end, and has one request under way. What
//! is measured is what a client sees, this process included.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use super::{
    Terminal, ToolError,
    dialling::{Dialling, client_login, client_tls},
    progress::Progress,
};
use crate::client::{
    CallError, ConnectString, CreateMode, EventKind, EventState, Lifetime, Session, SessionOptions, open_acl,
};
use bytes::Bytes;
use hdrhistogram::Histogram;
use oxkeeper_codec::Code;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    str::FromStr,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// So long for a server to be found, and the time-out of the sessions.
const PATIENCE: Duration = Duration::from_secs(10);
/// So long a client waits after an error before it goes on.
const PAUSE: Duration = Duration::from_millis(50);
/// Latencies are kept to a hundredth, from 1 µs to 10 minutes.
const LONGEST_US: u64 = 600_000_000;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    Get,
    Set,
    Exists,
    /// A sequential ephemeral, which is deleted at once: the two count as one.
    Create,
    Sync,
}

impl Op {
    const ALL: [(&str, Self); 5] = [
        ("get", Self::Get),
        ("set", Self::Set),
        ("exists", Self::Exists),
        ("create", Self::Create),
        ("sync", Self::Sync),
    ];

    const fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    fn ask(self, session: &Session, path: &str, data: &Bytes) -> Result<(), CallError> {
        match self {
            Self::Get => session.get_data(path, false).map(drop),
            Self::Set => session.set_data(path, data.clone(), -1).map(drop),
            Self::Exists => session.exists(path, false).map(drop),
            Self::Create => {
                let mode = CreateMode { lifetime: Lifetime::Ephemeral, sequential: true };
                let created = session.create(&format!("{path}-"), Some(data.clone()), open_acl(), mode)?;
                session.delete(&created, -1)
            }
            Self::Sync => session.sync(path),
        }
    }
}

/// What is asked how often, as `get=10,set=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix(Vec<Op>);

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut ops = Vec::new();
        for part in text.split(',') {
            let (name, count) = part.split_once('=').unwrap_or((part, "1"));
            let known = Op::ALL.iter().find(|(known, _)| *known == name);
            let (_, op) = known.ok_or_else(|| format!("{name} is none of get, set, exists, create, sync"))?;
            let count = count.parse::<u8>().map_err(|error| format!("{part}: {error}"))?;
            ops.extend(std::iter::repeat_n(*op, count.into()));
        }
        if ops.is_empty() { Err("it asks for nothing".to_owned()) } else { Ok(Self(ops)) }
    }
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) servers: String,
    pub(super) dialling: Dialling,
    pub(super) clients: u16,
    pub(super) seconds: u32,
    pub(super) mix: Mix,
    pub(super) size: usize,
}

/// What one client has seen, or all have.
#[derive(Debug, Default)]
struct Seen {
    /// In µs.
    latencies: BTreeMap<Op, Histogram<u64>>,
    errors: BTreeMap<String, u64>,
}

impl Seen {
    fn took(&mut self, op: Op, latency: Duration) {
        let latencies = self.latencies.entry(op).or_insert_with(none);
        latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts an error, and rests.
    fn failed(&mut self, what: &str, error: &CallError) {
        *self.errors.entry(format!("{what}: {error}")).or_default() += 1;
        thread::sleep(PAUSE);
    }

    fn add(&mut self, other: Self) {
        for (op, latencies) in other.latencies {
            self.latencies.entry(op).or_insert_with(none).add(latencies).expect("all have the same bounds");
        }
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }
}

fn none() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, 2).expect("bounds that a histogram can have")
}

/// Loads the servers, and prints what came of it. Returns 1 where something was answered with an error.
///
/// # Errors
/// There is no server, or it does not let in.
pub(super) fn run(load: &Load, as_json: bool, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let options = load.options()?;
    let first = load.session(options.clone())?;
    let root = format!("/oxkeeper-bench-{}", std::process::id());
    let persistent = CreateMode { lifetime: Lifetime::Persistent, sequential: true };
    let root = first.create(&root, None, open_acl(), persistent).map_err(|error| load.problem(&error))?;
    let (seen, seconds) = load.run(&root, &options)?;
    first.delete(&root, -1).map_err(|error| load.problem(&error))?;
    let servers = &load.servers;
    if as_json {
        writeln!(terminal.out, "{}", load.as_json(&seen, seconds))?;
    } else {
        writeln!(terminal.out, "{servers}: {} clients, {seconds:.1} s, {} bytes", load.clients, load.size)?;
        writeln!(terminal.out, "              count   a second    p50, p90, p99, max in ms")?;
        for (op, latencies) in &seen.latencies {
            let [p50, p90, p99, max] =
                quantiles(latencies).map(|us| Duration::from_micros(us).as_secs_f64() * 1000.0);
            let (name, count) = (op.name(), latencies.len());
            let a_second = per_second(count, seconds);
            writeln!(
                terminal.out,
                "{name:8} {count:>10} {a_second:>10.0}    {p50:.2} {p90:.2} {p99:.2} {max:.2}"
            )?;
        }
        for (error, count) in &seen.errors {
            writeln!(terminal.err, "{count} times: {error}")?;
        }
    }
    Ok(u8::from(!seen.errors.is_empty()))
}

impl Load {
    fn problem(&self, error: &impl ToString) -> ToolError {
        ToolError::Server { server: self.servers.clone(), problem: error.to_string() }
    }

    /// What all sessions are opened with.
    fn options(&self) -> Result<SessionOptions, ToolError> {
        let servers = ConnectString::parse(&self.servers)
            .map_err(|error| ToolError::Usage(format!("{}: {error}", self.servers)))?;
        let Dialling { tls, properties } = &self.dialling;
        let tls = client_tls(properties, *tls).map_err(|error| self.problem(&error))?;
        Ok(SessionOptions {
            servers,
            timeout: PATIENCE,
            read_only: false,
            tls,
            login: client_login(properties)?,
        })
    }

    /// A session that a server has.
    fn session(&self, options: SessionOptions) -> Result<Session, ToolError> {
        let (connected, wait) = mpsc::channel();
        let session = Session::open(options, move |event| {
            if event.kind == EventKind::None && event.state != EventState::Disconnected {
                // Only the first is waited for.
                let _ = connected.send(event.state);
            }
        })?;
        match wait.recv_timeout(PATIENCE) {
            Ok(EventState::SyncConnected) => Ok(session),
            Ok(state) => {
                Err(self.problem(&session.refusal().unwrap_or(&format!("the session is {state:?}"))))
            }
            Err(_) => {
                Err(self.problem(&format!("nobody there has the session within {} s", PATIENCE.as_secs())))
            }
        }
    }

    /// Has all clients ask until it is time. Also how many seconds that took.
    fn run(&self, root: &str, options: &SessionOptions) -> Result<(Seen, f64), ToolError> {
        let sessions = (0..self.clients).map(|_| self.session(options.clone()));
        let sessions: Vec<Session> = sessions.collect::<Result<_, _>>()?;
        let _shown = Progress::of(format!("asking for {} s", self.seconds));
        let began = Instant::now();
        let until = began + Duration::from_secs(self.seconds.into());
        let seen = thread::scope(|scope| {
            let clients: Vec<_> = sessions
                .iter()
                .enumerate()
                .map(|(at, session)| {
                    let path = format!("{root}/{at}");
                    scope.spawn(move || self.client(session, &path, until))
                })
                .collect();
            let mut all = Seen::default();
            for client in clients {
                all.add(client.join().expect("a client does not panic"));
            }
            all
        });
        Ok((seen, began.elapsed().as_secs_f64()))
    }

    fn client(&self, session: &Session, path: &str, until: Instant) -> Seen {
        let mut seen = Seen::default();
        let data = Bytes::from(vec![b'x'; self.size]);
        let ephemeral = CreateMode { lifetime: Lifetime::Ephemeral, sequential: false };
        let goes_on = |now| now < until && session.state().is_alive();
        while goes_on(Instant::now()) {
            match session.create(path, Some(data.clone()), open_acl(), ephemeral) {
                Ok(_) => break,
                // An answer was lost on the way.
                Err(error) if error.code() == Some(Code::NODE_EXISTS) => break,
                Err(error) => seen.failed("its own znode", &error),
            }
        }
        for &op in self.mix.0.iter().cycle() {
            let began = Instant::now();
            if !goes_on(began) {
                break;
            }
            match op.ask(session, path, &data) {
                Ok(()) => seen.took(op, began.elapsed()),
                Err(error) => seen.failed(op.name(), &error),
            }
        }
        // The parent can go as soon as the session has.
        session.close();
        seen
    }

    fn as_json(&self, seen: &Seen, seconds: f64) -> Value {
        let operations = seen.latencies.iter().map(|(op, latencies)| {
            let [p50, p90, p99, max] = quantiles(latencies);
            let (count, a_second) = (latencies.len(), per_second(latencies.len(), seconds).round());
            let us = json!({"p50": p50, "p90": p90, "p99": p99, "max": max});
            (op.name().to_owned(), json!({"count": count, "per_second": a_second, "latency_us": us}))
        });
        json!({
            "servers": self.servers,
            "clients": self.clients,
            "seconds": seconds,
            "bytes": self.size,
            "operations": Map::from_iter(operations),
            "errors": seen.errors,
        })
    }
}

/// The median, what nine of ten and 99 of 100 were answered within, the longest, in µs.
fn quantiles(latencies: &Histogram<u64>) -> [u64; 4] {
    [0.5, 0.9, 0.99, 1.0].map(|quantile| latencies.value_at_quantile(quantile))
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_says_what_is_asked_how_often() {
        assert_eq!("get=2,set".parse(), Ok(Mix(vec![Op::Get, Op::Get, Op::Set])));
        for (name, op) in Op::ALL {
            assert_eq!((op.name(), name.parse()), (name, Ok(Mix(vec![op]))));
        }
        for wrong in ["", "gets", "get=x", "get=300", "get=0"] {
            assert!(wrong.parse::<Mix>().is_err(), "{wrong}");
        }
    }
}
