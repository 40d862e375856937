//! Clients that misbehave, each beside one that does not: the sender is dropped or kept waiting, the server's memory
//! stays bounded, and nobody else notices.

mod amplified;
mod attacks;
mod expensive;
mod many;
mod records;

use crate::session::Session;
use crate::sut::{Kind, Server, Setup};
use crate::wire::{Conn, Got};
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long the well-behaved client may ever wait. Far above what is usual, for machines that are busy otherwise.
const LATENCY: Duration = Duration::from_secs(2);
/// How long it may wait while reads that take long are answered, beside what the machine adds.
const BRIEFLY: Duration = Duration::from_millis(20);
/// What the machine may add, in times of the longest that it added to a sleep, or to a request while nothing else was asked.
const NOISE: u32 = 3;
/// How long that is measured.
const IDLE: Duration = Duration::from_secs(1);
/// So often an attack that must keep nobody waiting is tried.
const TRIES: u32 = 5;
/// What all attacks so far may have added to the server's memory at the peak of the last.
const MEMORY_KIB: u64 = 64 << 10;
/// Milliseconds after which a connection without a session may be closed; twice that is the longest.
const SESSIONLESS: Duration = Duration::from_millis(1500);

/// The server's settings.
pub const SETUP: Setup = Setup {
    name: "hostile",
    keys: &[
        "maxClientCnxns=0",
        "tickTime=2000",
        "nio.sessionlessCnxnTimeout=1500",
        "snapCount=5000",
        "4lw.commands.whitelist=*",
    ],
    props: &[],
    fresh: true,
};

/// One attack.
#[derive(Clone, Copy, Debug)]
pub struct Attack {
    /// What it is.
    pub name: &'static str,
    run: Run,
    /// What it stores or has under way, and is not counted therefore, in KiB.
    data_kib: u64,
}

#[derive(Clone, Copy, Debug)]
enum Run {
    /// All of it counts, and nobody waits for `LATENCY`.
    Whole(fn(SocketAddr) -> Result<(), String>),
    /// What it says counts, and nobody waits for longer than this, beside what the machine adds.
    Staged(fn(&Stage) -> Result<(), String>, Duration),
}

const fn attack(name: &'static str, run: fn(SocketAddr) -> Result<(), String>) -> Attack {
    Attack { name, run: Run::Whole(run), data_kib: 0 }
}

const fn staged(
    name: &'static str,
    run: fn(&Stage) -> Result<(), String>,
    briefly: Duration,
    data_kib: u64,
) -> Attack {
    Attack { name, run: Run::Staged(run, briefly), data_kib }
}

/// What others' waits are noted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// The attack is being set up, or cleared away.
    Beside,
    /// Nothing is asked.
    Idle,
    /// The attack.
    Counts,
}

/// An attack in phases.
#[derive(Debug)]
struct Stage {
    addr: SocketAddr,
    phase: AtomicUsize,
}

impl Stage {
    fn enter(&self, phase: Phase) {
        self.phase.store(phase as usize, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        [Phase::Beside, Phase::Idle, Phase::Counts][self.phase.load(Ordering::Relaxed)]
    }

    /// Runs what counts, behind a while in which nothing is asked.
    fn counted(&self, attack: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        self.enter(Phase::Idle);
        std::thread::sleep(IDLE);
        self.enter(Phase::Counts);
        let outcome = attack();
        self.enter(Phase::Beside);
        outcome
    }
}

/// The longest waits in each phase. One that reaches into two counts for the later one.
#[derive(Clone, Copy, Debug, Default)]
struct Waits([Duration; 3]);

impl Waits {
    fn note(&mut self, stage: &Stage, before: Phase, wait: Duration) {
        let longest = &mut self.0[before.max(stage.phase()) as usize];
        *longest = (*longest).max(wait);
    }

    const fn of(&self, phase: Phase) -> Duration {
        self.0[phase as usize]
    }
}

/// All attacks.
pub const ATTACKS: &[Attack] = &[
    attack("lengths that no frame has", attacks::bad_lengths),
    attack("frames of the largest size and beyond", attacks::largest_frames),
    attack("requests before the handshake", attacks::before_the_handshake),
    attack("frames of random bytes", attacks::random_frames),
    attack("handshakes that end early", records::cut_handshakes),
    attack("records that end early", records::cut_records),
    attack("vectors of 2^31 - 1", records::huge_vectors),
    attack("buffers of negative length", records::negative_buffers),
    attack("paths that are no UTF-8", records::bad_paths),
    attack("multis in multis, and multis without end", records::strange_multis),
    attack("one byte at a time", many::trickle),
    attack("a handshake that never ends", many::unfinished_handshakes),
    attack("100,000 pings at once", many::pings),
    attack("300,000 requests with the number 0", many::uncounted),
    attack("replies that are read late", many::late_readers),
    attack("replies that nobody reads", many::unread_replies),
    attack("writes whose replies nobody reads", many::unread_writes),
    attack("reads behind writes, whose replies nobody reads", many::unread_reads_behind_writes),
    attack("frames that are announced and never finished", many::unfinished_frames),
    attack("20,000 identities on one connection", many::identities),
    attack("multi-reads of gigabytes", amplified::huge_multi_reads),
    attack("four-letter words without end", many::words),
    attack("connections that are reset", many::resets),
    attack("5,000 half-open connections", many::half_open),
    attack("identities of a megabyte, and ACLs that multiply them", amplified::large_identities),
    attack("1,200 sessions that end together", amplified::ends_together),
    staged("a subtree counted 3,000 times", expensive::counts, BRIEFLY, 32 << 10),
    staged("long lists, again and again", expensive::lists, BRIEFLY, 48 << 10),
    staged("16,000 ephemerals asked for in vain", expensive::in_vain, BRIEFLY, 16 << 10),
    staged("40,000 watches brought back at once", expensive::watches, BRIEFLY, 0),
    // The last one: what it creates is data, and takes its room.
    Attack {
        data_kib: 64 << 10,
        ..attack("a session that ends with 84,000 ephemerals on their way", amplified::pending_ephemerals)
    },
];

/// What an attack cost the others.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// The longest wait of the well-behaved client, in the part that counts.
    pub latency: Duration,
    /// What the machine added to a request or a sleep without the attack's help.
    pub noise: Duration,
    /// Its requests.
    pub requests: u32,
    /// The server's memory at its peak, above that before the first attack, in KiB.
    pub memory_kib: u64,
    /// How long the attack took.
    pub time: Duration,
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { latency, noise, requests, memory_kib, .. } = self;
        let [latency, noise] = [latency, noise].map(|time| time.as_secs_f64() * 1000.0);
        write!(f, "longest of {requests} waits {latency:.1} ms (the machine's {noise:.1}), {memory_kib} KiB")
    }
}

/// Lets this process, and the servers it starts, have as many descriptors as may be.
#[must_use]
pub fn raise_descriptors() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The server under attack.
#[derive(Debug)]
pub struct Target {
    server: Server,
    /// Its memory before the first attack, in KiB.
    calm_kib: u64,
}

/// A server for all attacks, warmed up: what it takes once is not to be counted against the first.
///
/// # Errors
/// When it does not start.
pub fn target() -> Result<Target, String> {
    let server = Server::start(Kind::Oxkeeper, SETUP)?;
    let mut session = Session::open(server.addr, 40_000)?;
    session.create("/calm", b"", 0)?;
    session.create("/big", &vec![b'x'; 500_000], 0)?;
    for n in 0..200 {
        session.set("/calm", format!("{n}").as_bytes())?;
        session.get("/big")?;
    }
    session.close()?;
    let calm_kib = resident_kib(&server, "VmRSS")?;
    Ok(Target { server, calm_kib })
}

/// Runs an attack beside a well-behaved client; one that must keep nobody waiting again if somebody has waited: what the
/// server does takes as long each time, what the machine and its disk do does not.
///
/// # Errors
/// When the attack had another outcome than it must, or anybody else noticed.
pub fn endure(target: &mut Target, attack: &Attack) -> Result<Cost, String> {
    let (tries, briefly) = match attack.run {
        Run::Whole(_) => (1, LATENCY),
        Run::Staged(_, briefly) => (TRIES, briefly),
    };
    let mut waited = String::new();
    for _ in 0..tries {
        let cost = endure_once(target, attack)?;
        if cost.latency <= LATENCY.min(briefly + cost.noise * NOISE) {
            return Ok(cost);
        }
        waited = format!("the calm client waited too long: {cost:?}");
    }
    Err(waited)
}

fn endure_once(target: &mut Target, attack: &Attack) -> Result<Cost, String> {
    let Target { server, calm_kib } = target;
    reset_peak(server);
    let over = AtomicBool::new(false);
    let stage = Stage { addr: server.addr, phase: AtomicUsize::new(Phase::Beside as usize) };
    let began = Instant::now();
    let (outcome, calm, sleeps) = std::thread::scope(|scope| {
        let calm = scope.spawn(|| stay_calm(&stage, &over));
        let sleeper = scope.spawn(|| sleep_on(&stage, &over));
        let outcome = match attack.run {
            Run::Whole(run) => {
                stage.enter(Phase::Counts);
                run(server.addr)
            }
            Run::Staged(run, _) => run(&stage),
        };
        over.store(true, Ordering::Relaxed);
        let calm = calm.join().unwrap_or_else(|_| Err("the calm client panicked".to_owned()));
        (outcome, calm, sleeper.join().unwrap_or_default())
    });
    let time = began.elapsed();
    if !server.is_alive() {
        return Err(format!("the server has ended\n{}", server.log_tail()));
    }
    outcome?;
    let (waits, requests) = calm.map_err(|e| format!("the calm client noticed: {e}"))?;
    let latency = waits.of(Phase::Counts);
    let noise = waits.of(Phase::Idle).max(sleeps.of(Phase::Counts));
    let memory_kib = resident_kib(server, "VmHWM")?.saturating_sub(*calm_kib);
    let cost = Cost { latency, noise, requests, memory_kib, time };
    if memory_kib > MEMORY_KIB + attack.data_kib {
        return Err(format!("too much memory: {cost:?}"));
    }
    if server.log_text().contains("panicked") {
        return Err(format!("a thread panicked\n{}", server.log_tail()));
    }
    Ok(cost)
}

/// Writes, reads, and opens sessions until it is told to stop; gives its longest waits.
fn stay_calm(stage: &Stage, over: &AtomicBool) -> Result<(Waits, u32), String> {
    let mut waits = Waits::default();
    let mut requests = 0;
    let mut session = Session::open(stage.addr, 40_000)?;
    while !over.load(Ordering::Relaxed) {
        let value = format!("{requests}");
        timed(stage, &mut waits, || session.set("/calm", value.as_bytes()))?;
        let (found, _) = timed(stage, &mut waits, || session.get("/calm"))?;
        if found != value.as_bytes() {
            return Err(format!("{found:?} instead of {value}"));
        }
        if requests % 50 == 0 {
            timed(stage, &mut waits, || Session::open(stage.addr, 4000))?.close()?;
        }
        requests += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    session.close()?;
    Ok((waits, requests))
}

/// Asks, and notes how long that took.
fn timed<T>(stage: &Stage, waits: &mut Waits, ask: impl FnOnce() -> T) -> T {
    let (before, began) = (stage.phase(), Instant::now());
    let answer = ask();
    waits.note(stage, before, began.elapsed());
    answer
}

/// Sleeps for a moment again and again; gives how much later it was woken at most: that is the machine's doing.
fn sleep_on(stage: &Stage, over: &AtomicBool) -> Waits {
    const MOMENT: Duration = Duration::from_millis(1);
    let mut late = Waits::default();
    while !over.load(Ordering::Relaxed) {
        let (before, began) = (stage.phase(), Instant::now());
        std::thread::sleep(MOMENT);
        late.note(stage, before, began.elapsed() - MOMENT);
    }
    late
}

/// A figure of the server's memory.
fn resident_kib(server: &Server, name: &str) -> Result<u64, String> {
    let pid = server.pid().ok_or("no server")?.as_raw_nonzero();
    let text = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|e| e.to_string())?;
    let line = text.lines().find(|line| line.starts_with(name));
    let figure = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    figure.ok_or_else(|| format!("no {name} in /proc"))
}

/// Has the peak counted anew; where that is not allowed, it is that of the whole life so far.
fn reset_peak(server: &Server) {
    if let Some(pid) = server.pid() {
        let _ = fs::write(format!("/proc/{}/clear_refs", pid.as_raw_nonzero()), "5");
    }
}

/// Expects the server to close, whatever it sends before.
fn dropped(conn: &mut Conn, what: &str) -> Result<(), String> {
    loop {
        match conn.recv(crate::wire::PATIENCE) {
            Got::Packet(_) => {}
            Got::Closed { .. } => return Ok(()),
            Got::Nothing => return Err(format!("{what}: the connection is still open")),
        }
    }
}

/// Sends bytes on a connection of its own, and expects to be dropped.
fn dropped_after(addr: SocketAddr, bytes: &[u8], what: &str) -> Result<(), String> {
    let mut conn = Conn::open(addr)?;
    conn.send(bytes);
    dropped(&mut conn, what)
}
