//! `idle`: sessions that only ping, at a third of their timeout, and what they cost the server.

use crate::fleet::Fleet;
use crate::options::Options;
use crate::report::{Mark, finish, head};
use crate::session::Message;
use crate::violations::Class;
use zkload::args::Args;
use zkload::hist::Hist;
use zkload::json::Obj;
use zkload::os::{nanos, now, secs};
use zkload::sut::{self, Sample};

/// How often to look for pings that are due, and how long to wait for replies.
const SCAN: u64 = 20_000_000;
/// A ping without a reply for longer is a violation.
const MAX_PONG: u64 = 5_000_000_000;

pub(crate) fn run(a: &Args) {
    let mut options = Options::read(a);
    options.threads = 1;
    let mut fleet = Fleet::new(&options, 0);
    let no_sessions = options.sample_totals();
    let t = now();
    fleet.connect_all();
    let connect_secs = secs(now() - t);
    let connected = options.sample_totals();
    let begun = now();
    spread_pings(&mut fleet, begun);
    let (start, pongs) = ping(&mut fleet, &options, begun);
    let end = Mark::now(&options);
    let start = start.unwrap_or(Mark { sample: connected, at: begun });
    check(&mut fleet, &options, &pongs);
    fleet.end();
    let mut o = report(&fleet, &options, &pongs, (&start, &end), connect_secs);
    rss(&mut o, &no_sessions, &end.sample, options.conns);
    finish(o, &fleet.violations, a)
}

/// Lets the sessions ping one after the other over the interval, not all at once.
fn spread_pings(fleet: &mut Fleet, t: u64) {
    let n = fleet.sessions.len().max(1) as u64;
    for (i, session) in fleet.sessions.iter_mut().enumerate() {
        let interval = session.ping_interval();
        session.sent_at = (t + i as u64 * interval / n).saturating_sub(interval);
    }
}

/// Pings through the warm-up and the measurement; gives the beginning of that and the latencies within it.
fn ping(fleet: &mut Fleet, options: &Options, begun: u64) -> (Option<Mark>, Hist) {
    let end_of_warmup = begun + nanos(options.warmup);
    let end = end_of_warmup + nanos(options.duration);
    let mut pongs = Hist::new();
    let mut start = None;
    let mut next_scan = begun;
    let mut events = Vec::new();
    while now() < end && fleet.violations.none() {
        if start.is_none() && now() >= end_of_warmup {
            start = Some(Mark::now(options));
            pongs = Hist::new();
        }
        if now() >= next_scan {
            next_scan = now() + SCAN;
            fleet.ping_due();
        }
        fleet.ep.wait(SCAN, &mut events);
        for &(id, ready_for) in &events {
            receive(fleet, id as usize, ready_for, &mut pongs);
        }
    }
    (start, pongs)
}

fn receive(fleet: &mut Fleet, i: usize, events: u32, pongs: &mut Hist) {
    if !fleet.pump(i, events) {
        return;
    }
    let t = now();
    while let Some(message) = fleet.next(i) {
        match message {
            Message::Pong { sent_at } => pongs.add(t - sent_at),
            _ => fleet.violations.add(Class::Event, || "unexpected message on an idle session".into()),
        }
    }
}

/// Every session is alive, every ping was answered, and there were some.
fn check(fleet: &mut Fleet, options: &Options, pongs: &Hist) {
    let alive = fleet.sessions.iter().filter(|s| s.is_ready()).count();
    if alive != options.conns {
        let conns = options.conns;
        fleet.violations.add(Class::Disconnect, || format!("{alive} of {conns} sessions alive at the end"));
    }
    let unanswered = fleet.sessions.iter().filter_map(|s| s.unanswered_ping());
    let late = unanswered.filter(|sent_at| now() - sent_at > MAX_PONG).count();
    if late > 0 {
        fleet.violations.add(Class::Unanswered, || format!("{late} pings unanswered for 5 s"));
    }
    if pongs.n == 0 {
        fleet.violations.add(Class::Lost, || "no ping was answered in the window".into());
    }
}

fn report(
    fleet: &Fleet,
    options: &Options,
    pongs: &Hist,
    (start, end): (&Mark, &Mark),
    connect_secs: f64,
) -> Obj {
    let secs = secs(end.at - start.at);
    let mut o = head("idle", options);
    o.int("conns", options.conns as i64).f("secs", secs);
    o.f("connect_secs", connect_secs).f("sessions_per_s", options.conns as f64 / connect_secs);
    o.int("ops", pongs.n as i64).f("ops_per_s", pongs.n as f64 / secs);
    o.raw("latency", &pongs.json()).raw("connect", &fleet.connect.json());
    sut::report(&mut o, &start.sample, &end.sample, secs, pongs.n);
    o
}

/// What the sessions cost in memory.
fn rss(o: &mut Obj, without: &Sample, with: &Sample, conns: usize) {
    o.int("server_rss_bytes_no_sessions", without.rss as i64);
    o.f("rss_bytes_per_session", (with.rss as f64 - without.rss as f64) / conns as f64);
}
