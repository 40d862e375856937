//! `failover`: closed-loop sets, one znode and one session per connection; kills `--kill-pid` after
//! `--kill-after` seconds and measures the time until writes are served again.
//!
//! A session that loses its server goes on to the next one and keeps its id. A set without a reply is in
//! doubt; at the end every znode's version lies between its acknowledged sets and those plus the ones in
//! doubt.

use crate::client::Client;
use crate::four_letter::srvr;
use crate::names;
use crate::options::Options;
use crate::report::{die, finish, head};
use crate::session::{Kind, Message, Pending, Phase, Session};
use crate::setup;
use crate::violations::{Class, Violations};
use std::net::SocketAddrV4;
use zkload::args::Args;
use zkload::hist::Hist;
use zkload::json::Obj;
use zkload::net::Epoll;
use zkload::os::{nanos, now, secs, send_signal};
use zkload::wire::{STAT_LEN, set, value};

const SIGKILL: i32 = 9;
/// How long to wait before a session dials again.
const RETRY: u64 = 10_000_000;
/// A handshake that takes longer hangs.
const MAX_HANDSHAKE: u64 = 2_000_000_000;
const WAIT: u64 = 5_000_000;
const FINAL_READ_LIMIT_SECS: f64 = 20.0;

/// A session and the one znode that it sets.
struct Writer {
    session: Session,
    /// The index of its server.
    server: usize,
    retry_at: u64,
    acked: u64,
    in_doubt: u64,
    /// When the first set since the kill was acknowledged; 0: none yet.
    recovered_at: u64,
}

struct Failover<'a> {
    options: &'a Options,
    ep: Epoll,
    /// Writer `i` is known to epoll as `i`, and sets znode `i`.
    writers: Vec<Writer>,
    violations: Violations,
    kill_pid: i32,
    kill_at: u64,
    /// 0: not yet.
    killed_at: u64,
    end: u64,
    before: Hist,
    after: Hist,
    /// When the first set since the kill was acknowledged; 0: none yet.
    first_ok: u64,
    last_ok: u64,
    max_gap: u64,
    ops: u64,
    reconnects: i64,
}

pub(crate) fn run(a: &Args) {
    let mut options = Options::read(a);
    options.conns = a.num("conns", options.servers.len());
    options.znodes = options.conns;
    let kill_pid = a.num("kill-pid", 0);
    let kill_after = a.num("kill-after", 3.0f64);
    setup::znodes(&options).unwrap_or_else(|e| die(&format!("setup: {e}")));
    let mut failover = Failover::new(&options, kill_pid, kill_after);
    failover.run();
    failover.check_recovery();
    failover.check_versions();
    finish(failover.report(), &failover.violations, a)
}

impl<'a> Failover<'a> {
    fn new(options: &'a Options, kill_pid: i32, kill_after: f64) -> Self {
        let begun = now();
        let writer = |_| Writer {
            session: Session::new(),
            server: 0,
            retry_at: begun,
            acked: 0,
            in_doubt: 0,
            recovered_at: 0,
        };
        Self {
            options,
            ep: Epoll::new(),
            writers: (0..options.conns).map(writer).collect(),
            violations: Violations::default(),
            kill_pid,
            kill_at: begun + nanos(kill_after),
            killed_at: 0,
            end: begun + nanos(options.duration),
            before: Hist::new(),
            after: Hist::new(),
            first_ok: 0,
            last_ok: begun,
            max_gap: 0,
            ops: 0,
            reconnects: 0,
        }
    }

    fn run(&mut self) {
        let mut events = Vec::new();
        while now() < self.end && self.violations.none() {
            let t = now();
            if self.killed_at == 0 && t > self.kill_at && !self.kill() {
                break;
            }
            for i in 0..self.writers.len() {
                self.writers[i].keep_going(i, &self.ep, self.options, t);
            }
            self.ep.wait(WAIT, &mut events);
            for &(id, ready_for) in &events {
                self.serve(id as usize, ready_for);
            }
        }
        // outstanding at the end are in doubt
        for writer in &mut self.writers {
            writer.in_doubt += writer.session.outstanding() as u64;
            writer.session.reset(&self.ep);
        }
    }

    /// False: there is nothing that the kill could interrupt.
    fn kill(&mut self) -> bool {
        if self.ops == 0 {
            self.violations.add(Class::Lost, || "no write was acknowledged before the kill".into());
            return false;
        }
        self.killed_at = now();
        if !send_signal(self.kill_pid, SIGKILL) {
            die("could not kill --kill-pid");
        }
        true
    }

    fn serve(&mut self, i: usize, events: u32) {
        if self.writers[i].session.is_dead() {
            return;
        }
        let whole = self.writers[i].session.pump(&self.ep, events);
        while let Some(message) = self.writers[i].session.next(&mut self.violations) {
            if let Message::Reply { request, err, body } = message {
                self.replied(i, request, err, body.len());
            }
        }
        let writer = &mut self.writers[i];
        if !whole {
            writer.in_doubt += writer.session.give_up_outstanding() as u64;
            writer.session.reset(&self.ep);
            writer.retry_at = now() + RETRY;
            self.reconnects += 1;
        } else if writer.session.is_ready() && writer.session.outstanding() == 0 && now() < self.end {
            writer.set(i, self.options);
            writer.session.flush(&self.ep);
        }
    }

    fn replied(&mut self, i: usize, request: Pending, err: i32, len: usize) {
        let t = now();
        if err != 0 || len != STAT_LEN {
            self.violations.add(Class::Err, || format!("set: err {err}"));
            return;
        }
        let writer = &mut self.writers[i];
        writer.acked += 1;
        self.ops += 1;
        if self.killed_at == 0 {
            self.before.add(t - request.at);
        } else if request.at > self.killed_at {
            self.after.add(t - request.at);
            if self.first_ok == 0 {
                self.first_ok = t;
            }
            if writer.recovered_at == 0 {
                writer.recovered_at = t;
            }
        }
        self.max_gap = self.max_gap.max(t - self.last_ok);
        self.last_ok = t;
    }

    fn check_recovery(&mut self) {
        if self.killed_at == 0 {
            self.violations.add(Class::Lost, || "the kill never happened".into());
        }
        if self.first_ok == 0 {
            self.violations.add(Class::Lost, || "writes were not served again".into());
        }
        if self.writers.iter().any(|writer| writer.recovered_at == 0) {
            self.violations.add(Class::Lost, || "a session did not recover".into());
        }
    }

    /// Every acknowledged write must be there, and no more than those in doubt besides.
    fn check_versions(&mut self) {
        let serves = |addr: &&SocketAddrV4| srvr(addr).is_some_and(|text| text.contains("Mode:"));
        let Some(addr) = self.options.servers.iter().find(serves) else {
            self.violations.add(Class::Lost, || "no server answers at the end".into());
            return;
        };
        let mut versions = vec![-1i64; self.writers.len()];
        if let Err(e) = read_versions(addr, &self.options.root, &mut versions) {
            self.violations.add(Class::Lost, || format!("final read: {e}"));
        }
        for (i, (writer, version)) in self.writers.iter().zip(versions).enumerate() {
            let (acked, in_doubt) = (writer.acked, writer.in_doubt);
            if version < acked as i64 || version > (acked + in_doubt) as i64 {
                self.violations.add(Class::Lost, || {
                    format!(
                        "znode {i}: version {version} with {acked} sets acknowledged, {in_doubt} in doubt"
                    )
                });
            }
        }
    }

    fn report(&self) -> Obj {
        let since_kill = |t: u64| secs(t.saturating_sub(self.killed_at));
        let all_recovered = self.writers.iter().map(|writer| writer.recovered_at).max();
        let in_doubt: u64 = self.writers.iter().map(|writer| writer.in_doubt).sum();
        let mut o = head("failover", self.options);
        o.int("conns", self.writers.len() as i64);
        o.f("secs", since_kill(self.first_ok));
        o.f("all_sessions_secs", since_kill(all_recovered.unwrap_or(0)));
        o.f("max_gap_secs", secs(self.max_gap));
        o.int("ops", self.ops as i64).int("reconnects", self.reconnects).int("in_doubt", in_doubt as i64);
        o.raw("latency", &self.before.json()).raw("latency_after", &self.after.json());
        o
    }
}

impl Writer {
    /// Dials, gives up a handshake that hangs, pings: whatever is due at `t`.
    fn keep_going(&mut self, i: usize, ep: &Epoll, options: &Options, t: u64) {
        if self.session.is_dead() && t >= self.retry_at {
            let servers = options.servers.len();
            self.server = if self.session.is_unused() { i % servers } else { (self.server + 1) % servers };
            if !self.session.dial(ep, i as u64, &options.servers[self.server], options.timeout_ms) {
                self.retry_at = t + RETRY;
            }
        }
        // a handshake that hangs: try elsewhere
        if matches!(self.session.phase(), Phase::Connecting | Phase::Handshake)
            && now().saturating_sub(self.session.dialled_at) > MAX_HANDSHAKE
        {
            self.session.reset(ep);
            self.retry_at = t;
        }
        self.session.ping_if_due(t);
        if self.session.is_ready() && !self.session.wbuf.is_empty() {
            self.session.flush(ep);
        }
    }

    fn set(&mut self, i: usize, options: &Options) {
        let xid = self.session.push(Kind::Set, i as u32, now());
        let path = names::znode(&options.root, i);
        set(&mut self.session.wbuf, xid, path.as_bytes(), &value(i, options.value_size), -1);
    }
}

/// Reads the version of each znode; of one that cannot be read it stays as it is.
fn read_versions(addr: &SocketAddrV4, root: &str, versions: &mut [i64]) -> Result<(), String> {
    let mut client = Client::open(addr)?;
    client.sync()?;
    client.stats(
        versions.len(),
        FINAL_READ_LIMIT_SECS,
        |i| names::znode(root, i),
        |i, stat| {
            if let Ok(stat) = stat {
                versions[i] = i64::from(stat.version());
            }
        },
    )?;
    client.close();
    Ok(())
}
