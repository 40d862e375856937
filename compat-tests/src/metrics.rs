//! `mntr` of both servers after the same load: a figure that the official server has counted in is counted in here, too,
//! or stands in the table of `docs/metrics.md` with the reason.

use crate::client::OPEN;
use crate::requests::{
    auth_body, create_body, delete_body, m_check, m_create, m_delete, m_read, m_set, parts_end, read_body,
    set_acl_body, set_body, ttl_body, watches_body,
};
use crate::session::Session;
use crate::sut::{Kind, Server, Setup, here};
use crate::wire::{self, Conn, Out, PATIENCE};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What both servers run with: quotas and a throttle that counts.
pub const SETUP: Setup = Setup {
    name: "metrics",
    keys: &[
        "tickTime=500",
        "4lw.commands.whitelist=*",
        "maxClientCnxns=40",
        "jute.maxbuffer=100000",
        "snapCount=200",
        "nio.sessionlessCnxnTimeout=400",
    ],
    props: &[
        "-Djute.maxbuffer=100000",
        "-Dzookeeper.enforceQuota=true",
        "-Dzookeeper.snapCount=200",
        "-Dzookeeper.nio.sessionlessCnxnTimeout=400",
        "-Dzookeeper.connection_throttle_tokens=1000",
    ],
    fresh: true,
};
/// The same for the server that takes them from zoo.cfg.
const OURS: &[&str] = &["enforceQuota=true", "zookeeper.connection_throttle_tokens=1000"];

/// Figures by their keys in `mntr`, without `zk_`.
pub type Figures = BTreeMap<String, f64>;

/// Starts a server.
///
/// # Errors
/// When it does not serve.
pub fn start(kind: Kind) -> Result<Server, String> {
    let mut server = Server::prepare(kind, SETUP)?;
    if kind == Kind::Oxkeeper {
        OURS.iter().for_each(|line| server.add_key(line));
    }
    server.launch()?;
    Ok(server)
}

/// What `mntr` shows; what is no number is left out.
///
/// # Errors
/// When it does not answer.
pub fn figures(addr: SocketAddr) -> Result<Figures, String> {
    let text = String::from_utf8_lossy(&wire::word(addr, b"mntr")?).into_owned();
    let lines = text.lines().filter_map(|line| line.strip_prefix("zk_")?.split_once('\t'));
    Ok(lines.filter_map(|(key, value)| Some((key.to_owned(), value.parse().ok()?))).collect())
}

/// A bit of everything that a standalone server counts.
///
/// # Errors
/// When an answer is not as it has to be.
pub fn load(addr: SocketAddr) -> Result<(), String> {
    let mut session = Session::open(addr, 10_000)?;
    session.create("/app", b"", 0)?;
    writes(&mut session)?;
    reads(&mut session)?;
    watches(addr, &mut session)?;
    quotas(&mut session)?;
    refusals(addr)?;
    sessions(addr)?;
    session.close()
}

fn writes(session: &mut Session) -> Result<(), String> {
    for n in 0..150 {
        session.create(&format!("/app/{n}"), &[b'x'; 2000], 0)?;
        session.set(&format!("/app/{n}"), b"changed")?;
    }
    session.call(19, &create_body("/app/container", None, Some(OPEN), 4))?.ok()?;
    // It may be refused: TTL nodes are off by default.
    session.call(21, &ttl_body("/app/ttl", 5, 1))?;
    session
        .call(7, &set_acl_body("/app/0", Some(&[(31, "world", "anyone"), (1, "ip", "127.0.0.1")]), -1))?
        .ok()?;
    let parts = [
        m_create("/app/m", 0),
        m_check("/app/m", 0),
        m_set("/app/m", 0),
        m_delete("/app/m", -1),
        parts_end(),
    ];
    session.call(14, &parts.concat())?.ok()?;
    // One that fails, alone and in a multi.
    session.call(2, &delete_body("/app/none", -1))?;
    session.call(14, &[m_create("/app/f", 0), m_delete("/app/none", -1), parts_end()].concat())?;
    // Many at once, so that they wait for each other.
    let bytes: Vec<u8> =
        (0..500).flat_map(|_| session.request(5, &set_body("/app/1", Some(b"y"), -1))).collect();
    session.conn.send(&bytes);
    for _ in 0..500 {
        session.answer(PATIENCE)?.ok()?;
    }
    session.call(9, &Out::new().str("/app").done())?.ok()?;
    Ok(())
}

fn reads(session: &mut Session) -> Result<(), String> {
    for n in 0..50 {
        session.get(&format!("/app/{n}"))?;
        session.exists(&format!("/app/{n}"))?;
        session.children("/app")?;
    }
    session.call(6, &Out::new().str("/app").done())?.ok()?;
    session.call(22, &[m_read(4, "/app", 0), m_read(8, "/app", 0), parts_end()].concat())?.ok()?;
    session.call(103, &Out::new().str("/").done())?.ok()?;
    session.call(104, &Out::new().str("/").done())?.ok()?;
    session.call(107, &[])?.ok()?;
    Ok(())
}

fn watches(addr: SocketAddr, session: &mut Session) -> Result<(), String> {
    let mut watcher = Session::open(addr, 10_000)?;
    watcher.call(3, &read_body("/app/new", 1))?;
    watcher.call(4, &read_body("/app/0", 1))?.ok()?;
    watcher.call(8, &read_body("/app", 1))?.ok()?;
    watcher.call(106, &Out::new().str("/app").int(1).done())?.ok()?;
    session.create("/app/new", b"", 0)?;
    session.set("/app/0", b"z")?;
    session.call(2, &delete_body("/app/new", -1))?.ok()?;
    watcher.call(101, &watches_body(0, &[&["/app/0"], &["/none"], &["/app"]]))?.ok()?;
    watcher.call(18, &Out::new().str("/app").int(3).done())?;
    watcher.close()
}

fn quotas(session: &mut Session) -> Result<(), String> {
    for (path, data) in [
        ("/small", ""),
        ("/zookeeper/quota/small", ""),
        ("/zookeeper/quota/small/zookeeper_limits", "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2"),
        ("/zookeeper/quota/small/zookeeper_stats", "count=1,bytes=0"),
        ("/small/a", ""),
    ] {
        session.create(path, data.as_bytes(), 0)?;
    }
    let over = session.call(1, &create_body("/small/b", None, Some(OPEN), 0))?;
    if over.err == -125 { Ok(()) } else { Err(format!("a quota of 2 takes 3: error {}", over.err)) }
}

/// What is not let in, and connections that end early.
fn refusals(addr: SocketAddr) -> Result<(), String> {
    let mut session = Session::open(addr, 10_000)?;
    session.conn.send_packet(&Out::new().int(-4).int(100).raw(&auth_body("nonsense", b"a")).done());
    session.conn.recv_to_end(PATIENCE)?;
    let crowd: Result<Vec<Conn>, String> = (0..50).map(|_| Conn::open(addr)).collect();
    // Nothing is said for longer than it may be.
    for mut conn in crowd? {
        conn.recv_to_end(PATIENCE)?;
    }
    Ok(())
}

/// One that moves, one whose connection ends, one that is closed, each with ephemerals.
fn sessions(addr: SocketAddr) -> Result<(), String> {
    let mut session = Session::open(addr, 1000)?;
    for n in 0..5 {
        session.create(&format!("/app/e{n}"), b"", 1)?;
    }
    let mut session = session.renew(addr)?;
    drop(Session::open(addr, 1000)?);
    let until = Instant::now() + PATIENCE;
    while figures(addr)?.get("stale_sessions_expired").is_none_or(|&expired| expired < 1.0) {
        session.call(3, &read_body("/app", 0))?.ok()?;
        if Instant::now() > until {
            return Err("a session does not expire".to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    session.close()
}

/// Whether a figure is a measurement of what has to take as long here as there.
fn is_pace(key: &str) -> bool {
    let summary = ["avg_", "min_", "max_", "sum_", "p50_", "p95_", "p99_", "p999_"];
    let family = summary.iter().find_map(|part| key.strip_prefix(part));
    // Of times, whether there are some counts, and not how long they are: this server is faster. Of queues and batches
    // the same: how many wait is chance.
    family.is_some()
}

/// Figures that the official server has counted in, and this one has not, though it says nowhere that it does not.
#[must_use]
pub fn missing(theirs: &Figures, ours: &Figures, excused: &BTreeSet<String>) -> Vec<String> {
    let counted = theirs.iter().filter(|(key, value)| **value != 0.0 && !is_pace(key));
    let family = |key: &str| key.strip_prefix("cnt_").unwrap_or(key).to_owned();
    let missing = counted.filter(|(key, _)| !excused.contains(&family(key)));
    let missing = missing.filter(|(key, _)| ours.get(*key).is_none_or(|value| *value == 0.0));
    missing.map(|(key, value)| format!("{key}: {value} there, {:?} here", ours.get(key))).collect()
}

/// Names that the table in `docs/metrics.md` says are left out here.
///
/// # Errors
/// When there is no table.
pub fn excused() -> Result<BTreeSet<String>, String> {
    let path = here().join("..").join("docs").join("metrics.md");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | left out"));
    let names: BTreeSet<String> = cells.map(|(name, _)| name.to_owned()).collect();
    if names.is_empty() { Err("docs/metrics.md has no table".to_owned()) } else { Ok(names) }
}
