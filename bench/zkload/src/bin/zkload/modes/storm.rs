//! `storm`: sessions opened and closed again, as fast as `--concurrency` slots allow or `--rate` per second.
//! No two may get the same id.

use crate::options::Options;
use crate::report::{Mark, finish, head};
use crate::session::{Kind, Message, Session};
use crate::violations::{Class, Violations};
use std::collections::HashSet;
use zkload::args::Args;
use zkload::hist::Hist;
use zkload::net::Epoll;
use zkload::os::{errno, nanos, now, secs};
use zkload::sut;
use zkload::wire::{CLOSE, header_only};

/// How long sessions that are open at the end may take.
const DRAIN: u64 = 15_000_000_000;
/// More violations than this end the run: nothing else is to be learned.
const MAX_VIOLATIONS: u64 = 20;

/// The measured part: its beginning, its end, and how many sessions were closed in it.
type Window = (Mark, Mark, u64);

struct Storm<'a> {
    options: &'a Options,
    ep: Epoll,
    /// Slot `i` is known to epoll as `i`.
    slots: Vec<Session>,
    free: Vec<usize>,
    violations: Violations,
    ids: HashSet<i64>,
    established: Hist,
    closed: Hist,
    /// When the next session is due, if there is a rate.
    due: f64,
}

pub(crate) fn run(a: &Args) {
    let mut options = Options::read(a);
    options.threads = 1;
    let concurrency = a.num("concurrency", 64usize);
    let mut storm = Storm::new(&options, concurrency);
    let (start, end, n) = storm.run();
    if n == 0 {
        storm.violations.add(Class::Lost, || "no session was established and closed".into());
    }
    let secs = secs(end.at - start.at);
    let mut o = head("storm", &options);
    o.int("concurrency", concurrency as i64).f("target_rate", options.rate);
    o.f("secs", secs).int("ops", n as i64).f("ops_per_s", n as f64 / secs);
    o.raw("latency", &storm.established.json()).raw("close_latency", &storm.closed.json());
    sut::report(&mut o, &start.sample, &end.sample, secs, n);
    finish(o, &storm.violations, a)
}

impl<'a> Storm<'a> {
    fn new(options: &'a Options, concurrency: usize) -> Self {
        Self {
            options,
            ep: Epoll::new(),
            slots: (0..concurrency).map(|_| Session::new()).collect(),
            free: (0..concurrency).collect(),
            violations: Violations::default(),
            ids: HashSet::new(),
            established: Hist::new(),
            closed: Hist::new(),
            due: 0.0,
        }
    }

    fn run(&mut self) -> Window {
        let begun = now();
        self.due = begun as f64;
        let end_of_warmup = begun + nanos(self.options.warmup);
        let end_of_window = end_of_warmup + nanos(self.options.duration);
        let mut start: Option<Mark> = None;
        let mut end: Option<(Mark, u64)> = None;
        let mut drain_end = 0;
        let wait = if self.options.rate > 0.0 { 200_000 } else { 20_000_000 };
        let mut events = Vec::new();
        loop {
            let t = now();
            if start.is_none() && t >= end_of_warmup {
                start = Some(Mark::now(self.options));
                self.established = Hist::new();
                self.closed = Hist::new();
            }
            if end.is_none() && t >= end_of_window {
                end = Some((Mark::now(self.options), self.closed.n));
                drain_end = t + DRAIN;
            }
            if end.is_none() {
                self.open_due(t);
            } else if self.is_drained(drain_end) {
                break;
            }
            if self.violations.total() > MAX_VIOLATIONS {
                break;
            }
            self.ep.wait(wait, &mut events);
            for &(id, ready_for) in &events {
                self.serve(id as usize, ready_for);
            }
        }
        let start = start.unwrap_or_else(|| Mark { sample: self.options.sample_totals(), at: begun });
        let (end, n) =
            end.unwrap_or_else(|| (Mark { sample: self.options.sample_totals(), at: now() }, self.closed.n));
        (start, end, n)
    }

    /// Whether every session has ended, or had the time to.
    fn is_drained(&mut self, drain_end: u64) -> bool {
        let open = self.slots.len() - self.free.len();
        let late = open > 0 && now() > drain_end;
        if late {
            self.violations
                .add(Class::Unanswered, || format!("{open} sessions unfinished 15 s after the end"));
        }
        open == 0 || late
    }

    /// Opens a session in each free slot, as far as they are due.
    fn open_due(&mut self, t: u64) {
        let rate = self.options.rate;
        while let Some(&i) = self.free.last() {
            if rate > 0.0 && self.due > t as f64 {
                break;
            }
            let addr = self.options.servers[i % self.options.servers.len()];
            let mut session = Session::new();
            if !session.dial(&self.ep, i as u64, &addr, self.options.timeout_ms) {
                self.violations.add(Class::Disconnect, || format!("connect failed, errno {}", errno()));
                break;
            }
            self.free.pop();
            if rate > 0.0 {
                session.dialled_at = self.due as u64;
                self.due += 1e9 / rate;
            }
            self.slots[i] = session;
        }
    }

    fn serve(&mut self, i: usize, events: u32) {
        if self.slots[i].is_dead() {
            return;
        }
        let mut whole = self.slots[i].pump(&self.ep, events);
        let mut closed = false;
        while let Some(message) = self.slots[i].next(&mut self.violations) {
            match message {
                Message::Connected => whole &= self.connected(i),
                Message::Reply { request, err, .. } => {
                    if err != 0 {
                        self.violations.add(Class::Err, || format!("closeSession: err {err}"));
                    }
                    self.closed.add(now() - request.at);
                    closed = true;
                }
                _ => self.violations.add(Class::Event, || "unexpected message".into()),
            }
        }
        if whole && !closed {
            return;
        }
        let session = &mut self.slots[i];
        if !closed {
            self.violations.add(Class::Disconnect, || format!("storm session lost in {:?}", session.phase()));
        }
        session.reset(&self.ep);
        self.free.push(i);
    }

    /// Counts a session that was granted and asks for its end. False: its connection broke.
    fn connected(&mut self, i: usize) -> bool {
        let session = &mut self.slots[i];
        let t = now();
        self.established.add(t.saturating_sub(session.dialled_at));
        let id = session.session_id();
        if !self.ids.insert(id) {
            self.violations.add(Class::Handshake, || format!("session id {id:#x} given twice"));
        }
        let xid = session.push(Kind::Close, 0, t);
        header_only(&mut session.wbuf, xid, CLOSE);
        session.flush(&self.ep)
    }
}
