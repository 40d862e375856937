//! The commands of the HTTP admin server (`Commands`), without HTTP: a name and parameters in, a status, headers and a body out.
//!
//! Promise: names, keys, their order and types are those of 3.9.5. A command asks the other threads in slices, as four-letter words
//! do ([`super::ask`]); one that cannot be answered in time says so. It blocks: not for a worker's own thread.

mod answers;
mod authorize;
mod body;
mod commands;
mod guarded;
mod json;
mod members;

use super::{
    ask::{Ask, NoAnswer},
    host,
    trace_mask::TraceMask,
    upload::Upload,
    words::Ports,
};
use crate::{
    auth::X509,
    config::{Admin, Written},
    server::{chance::random, clock, figures::Count, io::Front},
    storage::upload_name,
    topics,
};
use body::Body;
use commands::{Command, Method};
use guarded::Limiter;
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    fs::File,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

pub(super) use authorize::Asker;

/// What is said as long as there is no data, or no leader.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

/// Answers commands, before there is data and once the server serves.
pub(crate) struct AdminDesk {
    config: Admin,
    ports: Ports,
    trace_mask: TraceMask,
    /// Where others can be asked; not there before the data is loaded.
    front: OnceLock<Arc<Front>>,
    /// How often snapshots and restores may be asked for.
    snapshots: Limiter,
    restores: Limiter,
    /// The file that was read, for those who ask; without passwords.
    written: Written,
}

/// What is asked.
#[derive(Debug)]
pub(super) struct Asked {
    /// The command's name, as it was written.
    pub(super) name: String,
    /// Whether it is to change something.
    pub(super) posts: bool,
    /// Its parameters; of one that is repeated, the first.
    pub(super) parameters: HashMap<String, String>,
    /// The header `Authorization`.
    pub(super) authorization: Option<String>,
    /// Who asks.
    pub(super) asker: Asker,
    /// What was sent along.
    pub(super) sent: Sent,
}

/// What is sent along.
#[derive(Debug)]
pub(super) enum Sent {
    Nothing,
    Text(Vec<u8>),
    File(Upload),
}

/// What may be sent along.
#[derive(Debug)]
pub(super) enum Takes {
    Nothing,
    /// A short text.
    Text,
    /// A file, which goes here.
    File(PathBuf),
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// The status of HTTP.
    pub(super) status: u16,
    /// Headers beside those of every answer.
    pub(super) headers: Vec<(&'static str, String)>,
    /// What is sent.
    pub(super) content: Content,
}

/// What is sent.
#[derive(Debug)]
pub(super) enum Content {
    /// A text of JSON.
    Json(String),
    /// A file of so many bytes, from its beginning.
    Snapshot(File, u64),
    /// This method is not for this command.
    WrongMethod(&'static str),
}

impl Answer {
    /// An answer with an error alone; the name is the one that was asked for.
    fn error(status: u16, name: &str, error: &str) -> Self {
        let members = [("command", Value::from(name)), ("error", Value::from(error))];
        Self::json(status, members.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
    }

    fn json(status: u16, members: Map<String, Value>) -> Self {
        Self { status, headers: Vec::new(), content: Content::Json(json::text(&Value::Object(members))) }
    }
}

impl AdminDesk {
    /// Answers as these settings say, for a server on these ports.
    pub(crate) fn new(config: Admin, written: Written, ports: Ports, trace_mask: TraceMask) -> Self {
        let interval = Duration::from_millis(config.rate_interval_ms.into());
        Self {
            ports,
            trace_mask,
            front: OnceLock::new(),
            // The official server reads the same figure as so many microseconds here.
            snapshots: Limiter::new(interval / 1000),
            restores: Limiter::new(interval),
            written,
            config,
        }
    }

    /// The data is loaded.
    pub(crate) fn open(&self, front: &Arc<Front>) {
        // It is opened once.
        _ = self.front.set(Arc::clone(front));
    }

    /// Whoever serves, if it does.
    fn serving(&self) -> Option<&Arc<Front>> {
        self.front.get().filter(|front| front.hub.state().is_some())
    }

    /// Whether clients are served: `/health/ready`.
    pub(super) fn is_ready(&self) -> bool {
        self.serving().is_some()
    }

    /// The page that names all commands.
    pub(super) fn links(&self) -> String {
        let url = &self.config.command_url;
        let mut names: Vec<&str> = commands::ALL.iter().map(Command::name).collect();
        names.sort_unstable();
        names.iter().map(|name| format!("<a href=\"{url}/{name}\">{name}</a>\n<br/>\n")).collect()
    }

    /// The path that commands are below.
    pub(super) fn url(&self) -> &str {
        &self.config.command_url
    }

    /// What may be sent along with this: whoever is not let in need not send anything. Blocks.
    pub(super) fn takes(&self, asked: &Asked) -> Result<Takes, Answer> {
        let Some(command) = commands::find(&asked.name).filter(|command| command.method != Method::Get)
        else {
            return Ok(Takes::Nothing);
        };
        self.admit(command, asked)?;
        match (&command.method, self.front.get()) {
            (Method::PostFile, Some(front)) => {
                let [snapshots, _] = host::dirs(&front.hub);
                Ok(Takes::File(snapshots.join(upload_name(random()))))
            }
            _ => Ok(Takes::Text),
        }
    }

    /// Counts something.
    pub(super) fn count(&self, id: Count) {
        if let Some(front) = self.front.get() {
            front.hub.stats.count_admin(|sheet| sheet.count(id).add(1));
        }
    }

    /// What is known of the scheme `x509`, if it is used.
    pub(super) fn x509(&self) -> Option<X509> {
        self.front.get()?.auth.x509.clone()
    }

    /// Where somebody asks from, or, if that is to count, where the proxy before says.
    pub(super) fn remote_of(&self, asker: &Asker, forwarded: impl FnOnce() -> Option<String>) -> IpAddr {
        let counts = self.front.get().is_some_and(|front| front.hub.config.auth.use_x_forwarded_for);
        let first = |text: String| text.split(',').next()?.trim().parse().ok();
        let told = if counts { forwarded().and_then(first) } else { None };
        told.unwrap_or(asker.remote)
    }

    /// Answers. Blocks.
    pub(super) fn answer(&self, asked: &Asked) -> Answer {
        let Some(command) = commands::find(&asked.name) else {
            return Answer::error(200, &asked.name, &format!("Unknown command: {}", asked.name));
        };
        if let Err(refused) = self.admit(command, asked) {
            return refused;
        }
        let ask = self.front.get().map(Ask::new);
        match (command.run)(self, ask.as_ref(), asked) {
            Ok(body) => finish(command, body),
            Err(NoAnswer) => {
                if let Some(front) = self.front.get() {
                    let hub = &front.hub;
                    hub.stats.warnings.word_too_late(hub.clock.elapsed_ms(), command.name());
                }
                Answer::error(if command.needs_server { 200 } else { 503 }, &asked.name, NOT_SERVING)
            }
        }
    }

    /// Whether this is to be run: the server serves, the method fits, and whoever asks may.
    fn admit(&self, command: &Command, asked: &Asked) -> Result<(), Answer> {
        if command.needs_server && self.serving().is_none() {
            return Err(Answer::error(200, &asked.name, NOT_SERVING));
        }
        if command.is_guarded
            && let Err(refusal) = self.authorize(asked)
        {
            let status = if refusal == authorize::Refusal::NotAuthorized { 403 } else { 401 };
            tracing::warn!(target: topics::ADMIN, peer = %asked.asker.remote, command = command.name(), why = %refusal, "an admin command is refused");
            return Err(Answer::error(status, &asked.name, &refusal.to_string()));
        }
        let gets = command.method == Method::Get;
        if gets != asked.posts {
            return Ok(());
        }
        let allowed = if gets { "GET, HEAD" } else { "POST" };
        Err(Answer { status: 405, headers: Vec::new(), content: Content::WrongMethod(allowed) })
    }

    fn authorize(&self, asked: &Asked) -> Result<(), authorize::Refusal> {
        // Guarded commands need a server that serves.
        let front = self.front.get().ok_or(authorize::Refusal::NotAuthenticated)?;
        let ids = authorize::identities(&front.auth, &asked.asker, asked.authorization.as_deref())?;
        let config = front.auth.clone();
        let allowed = Ask::new(front).sequencer(move |_, tree| authorize::is_authorized(&config, tree, &ids));
        if allowed == Ok(true) { Ok(()) } else { Err(authorize::Refusal::NotAuthorized) }
    }
}

/// The answer of a command that was run: its own keys, then its name and whether it has failed. One that tells of an error itself
/// does so first.
fn finish(command: &Command, body: Body) -> Answer {
    let Body { mut members, status, headers, stream } = body;
    if let Some((file, len)) = stream {
        return Answer { status, headers, content: Content::Snapshot(file, len) };
    }
    members.insert("command".to_owned(), Value::from(command.name()));
    members.entry("error").or_insert(Value::Null);
    Answer { headers, ..Answer::json(status, members) }
}

/// Between now and then.
fn elapsed(since: std::time::Instant) -> Duration {
    clock::now().saturating_duration_since(since)
}
