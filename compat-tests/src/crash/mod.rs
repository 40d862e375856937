//! Kills the server at random moments under concurrent writes and looks what is left.
//!
//! Promises that are held against it, round by round:
//! - every acknowledged write is there, and of those under way at the kill the first so many of each client, whole;
//! - no version, no sequence number and no zxid is ever given twice;
//! - sessions come back with the same id and password, and their ephemerals are still there;
//! - the digests recorded in logs and snapshots are those of the data.
//!
//! SIGKILL leaves what is in the page cache, so it cannot tell whether anything was ever synced. With a
//! [`PowerCut`] under the data directory, only what reached the block device survives.

mod client;
mod model;

use crate::ground::PowerCut;
use crate::random::Random;
use crate::session::Session;
use crate::sut::{Kind, Server, Setup};
use client::Client;
use std::fmt;
use std::time::{Duration, Instant};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Kills.
    pub rounds: u32,
    /// Clients that write at once.
    pub clients: usize,
    /// Where all chance comes from.
    pub seed: u64,
    /// The server's settings.
    pub setup: Setup,
    /// Whether what was not synced is lost.
    pub power: bool,
}

/// Small files, so that every round sees logs roll and snapshots begin, end and be cut short.
pub const SETUP: Setup = Setup {
    name: "crash",
    keys: &[
        "tickTime=3000",
        "maxClientCnxns=0",
        "snapCount=300",
        "preAllocSize=256",
        "autopurge.purgeInterval=1",
        "4lw.commands.whitelist=*",
    ],
    props: &[],
    fresh: true,
};

/// The same without the sync.
pub const UNSYNCED: Setup = Setup {
    name: "crash-unsynced",
    keys: &[
        "tickTime=3000",
        "maxClientCnxns=0",
        "snapCount=300",
        "preAllocSize=256",
        "forceSync=no",
        "4lw.commands.whitelist=*",
    ],
    props: &[],
    fresh: true,
};

/// What a run saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Kills.
    pub rounds: u32,
    /// Acknowledged requests.
    pub acknowledged: u64,
    /// Requests in doubt that had happened.
    pub survived: u64,
    /// Snapshots that were written whole.
    pub snapshots: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, acknowledged, survived, snapshots } = self;
        write!(
            f,
            "{rounds} kills, {acknowledged} acknowledged writes, {survived} found of those in doubt, "
        )?;
        write!(f, "{snapshots} snapshots")
    }
}

/// Runs the rounds.
///
/// # Errors
/// What was promised and not kept, and in which round; or what the run lacks.
pub fn run(plan: &Plan) -> Result<Tally, String> {
    let mut server = Server::prepare(Kind::Oxkeeper, plan.setup)?;
    let mut cut = if plan.power { Some(PowerCut::new(&server.data_dir())?) } else { None };
    server.launch()?;
    let mut random = Random::new(plan.seed);
    let mut clients = begin(&server, plan)?;
    let mut tally = Tally::default();
    for round in 1..=plan.rounds {
        let moment = Duration::from_millis(20 + random.below(250));
        let outcome = one_round(&mut server, &mut clients, moment, cut.as_mut());
        outcome.map_err(|e| format!("round {round}: {e}\n{}", server.log_tail()))?;
        tally.rounds = round;
    }
    tally.acknowledged = clients.iter().map(|client| client.acknowledged).sum();
    tally.survived = clients.iter().map(|client| client.survived).sum();
    tally.snapshots = server.log_text().matches("snapshot written").count();
    for client in clients {
        client.leave(server.addr)?;
    }
    Ok(tally)
}

fn begin(server: &Server, plan: &Plan) -> Result<Vec<Client>, String> {
    let mut first = Session::open(server.addr, client::TIMEOUT_MS)?;
    for path in ["/crash", model::HOT, model::SHARED] {
        first.create(path, b"", 0)?;
    }
    first.close()?;
    (0..plan.clients).map(|number| Client::new(server.addr, number, plan.seed)).collect()
}

/// Load, kill, start, judge.
fn one_round(
    server: &mut Server,
    clients: &mut [Client],
    moment: Duration,
    cut: Option<&mut PowerCut>,
) -> Result<(), String> {
    std::thread::scope(|scope| {
        let writers: Vec<_> = clients.iter_mut().map(|client| scope.spawn(move || client.write())).collect();
        std::thread::sleep(moment);
        let died = !server.is_alive();
        server.kill();
        let results = writers.into_iter().map(|writer| writer.join().map_err(|_| "a client panicked")?);
        results.collect::<Result<Vec<()>, String>>()?;
        if died { Err("the server ended by itself".to_owned()) } else { Ok(()) }
    })?;
    if let Some(cut) = cut {
        cut.lose_what_was_not_synced()?;
    }
    server.launch()?;
    let seen = clients.iter().map(Client::zxid).max().unwrap_or(0);
    let zxid = server.zxid()?;
    if zxid < seen {
        return Err(format!("zxid 0x{zxid:x} after 0x{seen:x}: acknowledged writes are lost"));
    }
    for client in clients.iter_mut() {
        client.come_back(server.addr)?;
    }
    judge_shared(clients)?;
    judge_server(server)
}

/// What all clients wrote together.
fn judge_shared(clients: &mut [Client]) -> Result<(), String> {
    let sets: i32 = clients.iter().map(Client::hot).sum();
    let Some(first) = clients.first_mut() else { return Ok(()) };
    let (version, nodes) = first.look_at_shared()?;
    if version != sets {
        return Err(format!(
            "the shared node has version {version}, and was set {sets} times: lost or repeated"
        ));
    }
    if nodes.len() != usize::try_from(sets).unwrap_or(0) {
        return Err(format!("{} shared nodes, and {sets} were created: lost or repeated", nodes.len()));
    }
    let mut versions = std::collections::BTreeSet::new();
    for client in clients {
        for (version, path) in &client.seen {
            if !versions.insert(*version) {
                return Err(format!("version {version} of the shared node was acknowledged to two clients"));
            }
            let name = path.rsplit('/').next().unwrap_or_default();
            if !nodes.contains_key(name) {
                return Err(format!("{path} was acknowledged and is lost"));
            }
        }
    }
    Ok(())
}

/// What the server says of itself.
fn judge_server(server: &Server) -> Result<(), String> {
    let figures = crate::wire::word(server.addr, b"mntr")?;
    let figures = String::from_utf8_lossy(&figures).into_owned();
    let mismatches = figures.lines().find(|line| line.starts_with("zk_digest_mismatches_count"));
    if mismatches.is_some_and(|line| !line.ends_with("\t0")) {
        return Err(format!("digests differ: {mismatches:?}"));
    }
    let log = server.log_text();
    let bad = ["does not have the digest", "is damaged", "panicked", "tree's digest is not"];
    match log.lines().find(|line| bad.iter().any(|word| line.contains(word))) {
        Some(line) => Err(format!("the server says: {line}")),
        None => Ok(()),
    }
}

/// A session that nobody renews after a restart: its ephemeral stays for as long as the session would, and goes.
///
/// # Errors
/// When it goes too early, or stays.
pub fn expiry_after_a_kill(setup: Setup, timeout: Duration) -> Result<(), String> {
    let mut server = Server::start(Kind::Oxkeeper, setup)?;
    let timeout_ms = i32::try_from(timeout.as_millis()).map_err(|e| e.to_string())?;
    let mut mortal = Session::open(server.addr, timeout_ms)?;
    if mortal.timeout_ms != timeout_ms {
        return Err(format!("{} ms were granted", mortal.timeout_ms));
    }
    mortal.create("/mortal", b"", 1)?;
    server.kill();
    server.launch()?;
    let started = Instant::now();
    let mut other = Session::open(server.addr, 30_000)?;
    while other.exists("/mortal")? {
        if started.elapsed() > timeout * 4 {
            return Err(format!("it is still there after {:?}", started.elapsed()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let lived = started.elapsed();
    // The server was up for some moments before it was seen to serve.
    if lived + Duration::from_millis(500) < timeout {
        return Err(format!("it lived for {lived:?} only"));
    }
    match mortal.renew(server.addr) {
        Err(e) if e.contains("lost") => Ok(()),
        other => Err(format!("an expired session came back: {other:?}")),
    }
}
