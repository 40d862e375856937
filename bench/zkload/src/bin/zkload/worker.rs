//! The loop of one load thread: issue, receive, check, count, until the run is over and nothing is
//! outstanding.
//!
//! In a closed loop each reply makes room for the next request; in an open loop requests have times at which
//! they are due, and latency counts from there, however late they leave.

use crate::checker::Checker;
use crate::fleet::Fleet;
use crate::generator::{Generator, Workload};
use crate::options::Options;
use crate::session::{Kind, Message};
use crate::shared::{Shared, Stage};
use crate::violations::{Class, Violations};
use std::sync::Arc;
use zkload::hist::Hist;
use zkload::os::{nanos, now};

/// How often to look for sessions that must ping.
const PING_SCAN: u64 = 500_000_000;
/// How long to wait for replies at most, and when something is due at least.
const MAX_WAIT: u64 = 50_000_000;
const MIN_WAIT: u64 = 20_000;

/// What one thread found.
pub(crate) struct Outcome {
    /// How many operations were answered while it counted.
    pub(crate) ops: u64,
    /// How many sets were acknowledged, over the whole run.
    pub(crate) acked_sets: u64,
    /// Latency by kind; none of a kind that did not occur.
    pub(crate) by_kind: Vec<Option<Hist>>,
    pub(crate) connect: Hist,
    pub(crate) violations: Violations,
}

/// When the requests of an open loop are due.
struct Schedule {
    /// The next one, in nanoseconds; fractions add up.
    due: f64,
    step: f64,
    /// The session whose turn it is.
    turn: usize,
    /// The sessions with something new to send.
    touched: Vec<usize>,
}

pub(crate) struct Worker {
    fleet: Fleet,
    generator: Generator,
    checker: Checker,
    shared: Arc<Shared>,
    pipeline: usize,
    /// Requests per second of this thread; 0: closed loop.
    rate: f64,
    drain: u64,
    /// Whether there is nothing left to issue.
    exhausted: bool,
    next_ping: u64,
    drain_end: Option<u64>,
    ops: u64,
    by_kind: Vec<Option<Hist>>,
}

impl Worker {
    pub(crate) fn new(
        options: &Options,
        workload: Workload,
        shared: &Arc<Shared>,
        paths: &Arc<Vec<Vec<u8>>>,
        thread: usize,
    ) -> Self {
        let fleet = Fleet::new(options, thread);
        let sessions = (fleet.first, fleet.sessions.len());
        Self {
            generator: Generator::new(options, workload, shared.clone(), paths.clone(), thread, sessions),
            checker: Checker::new(options, workload, paths.clone(), sessions),
            fleet,
            shared: shared.clone(),
            pipeline: options.pipeline,
            rate: options.rate / options.threads as f64,
            drain: nanos(options.drain),
            exhausted: false,
            next_ping: 0,
            drain_end: None,
            ops: 0,
            by_kind: vec![None; Kind::NAMES.len()],
        }
    }

    /// Opens the sessions; a failure ends the run for all threads.
    pub(crate) fn connect(&mut self) {
        self.fleet.connect_all();
        if !self.fleet.violations.none() {
            self.shared.abort();
        }
    }

    /// Makes load until the run is over, then waits for what is outstanding.
    pub(crate) fn run(&mut self) {
        let start = now();
        self.next_ping = start + PING_SCAN;
        let mut schedule = (self.rate > 0.0).then(|| Schedule::new(start, self.rate));
        if schedule.is_none() {
            self.fill_all();
        }
        let mut events = Vec::new();
        loop {
            let stage = self.shared.stage();
            let open = stage < Stage::Drain && !self.exhausted;
            let mut wait = MAX_WAIT;
            if open && let Some(schedule) = &mut schedule {
                self.issue_due(schedule);
                wait = schedule.wait();
            }
            self.fleet.ep.wait(wait, &mut events);
            let refill = open && schedule.is_none();
            for &(id, ready_for) in &events {
                let i = id as usize;
                if !self.receive(i, ready_for, stage) {
                    continue;
                }
                if refill {
                    self.fill(i, now());
                }
                self.fleet.flush(i);
            }
            if self.is_over(stage) {
                break;
            }
        }
        self.shared.finish();
    }

    /// Ends the sessions and hands over what was found.
    pub(crate) fn end(mut self) -> Outcome {
        self.fleet.end();
        Outcome {
            ops: self.ops,
            acked_sets: self.checker.acked_sets,
            by_kind: self.by_kind,
            connect: self.fleet.connect,
            violations: self.fleet.violations,
        }
    }

    /// The first requests of a closed loop.
    fn fill_all(&mut self) {
        let t = now();
        for i in 0..self.fleet.sessions.len() {
            self.fill(i, t);
        }
        for i in 0..self.fleet.sessions.len() {
            self.fleet.flush(i);
        }
    }

    /// Issues on session `i` whatever its pipeline has room for.
    #[inline]
    fn fill(&mut self, i: usize, t: u64) {
        let session = &mut self.fleet.sessions[i];
        while !self.exhausted && session.outstanding() < self.pipeline {
            self.exhausted = !self.generator.issue(session, i, t);
        }
    }

    /// Issues what is due, on the sessions in turn; with no room on any it stays due.
    fn issue_due(&mut self, schedule: &mut Schedule) {
        let t = now() as f64;
        let n = self.fleet.sessions.len();
        while schedule.due <= t {
            let has_room = |i: &usize| {
                let session = &self.fleet.sessions[*i];
                session.is_ready() && session.outstanding() < self.pipeline
            };
            let Some(i) = (0..n).map(|k| (schedule.turn + k) % n).find(has_room) else { break };
            schedule.turn = (i + 1) % n;
            if !self.generator.issue(&mut self.fleet.sessions[i], i, schedule.due as u64) {
                self.exhausted = true;
                break;
            }
            schedule.touched.push(i);
            schedule.due += schedule.step;
        }
        for i in schedule.touched.drain(..) {
            self.fleet.flush(i);
        }
    }

    /// Reads and checks what session `i` has received. False: it is dead.
    #[inline]
    fn receive(&mut self, i: usize, events: u32, stage: Stage) -> bool {
        if self.fleet.sessions[i].is_dead() || !self.fleet.pump(i, events) {
            return false;
        }
        let t = now();
        while let Some(message) = self.fleet.next(i) {
            match message {
                Message::Reply { request, err, body } => {
                    let body = self.fleet.sessions[i].body(&body);
                    self.checker.check(&mut self.fleet.violations, i, request, err, body);
                    if stage == Stage::Measure {
                        self.ops += 1;
                        self.by_kind[request.kind as usize]
                            .get_or_insert_with(Hist::new)
                            .add(t.saturating_sub(request.at));
                    }
                }
                Message::Event { .. } => {
                    self.fleet.violations.add(Class::Event, || "unexpected watch event".into());
                }
                Message::Connected | Message::Pong { .. } => {}
            }
        }
        true
    }

    /// Pings now and then, and says whether nothing more is to be done or can be.
    fn is_over(&mut self, stage: Stage) -> bool {
        let t = now();
        if t > self.next_ping {
            self.next_ping = t + PING_SCAN;
            self.fleet.ping_due();
            if self.fleet.sessions.iter().all(|s| s.is_dead()) {
                return true;
            }
        }
        if stage != Stage::Drain && !self.exhausted {
            return false;
        }
        let alive = self.fleet.sessions.iter().filter(|s| !s.is_dead());
        let left: usize = alive.map(|s| s.outstanding()).sum();
        if left == 0 {
            return true;
        }
        let late = t > *self.drain_end.get_or_insert(t + self.drain);
        if late {
            self.fleet.violations.add_many(Class::Unanswered, left as u64, || {
                format!("{left} requests unanswered after the end")
            });
        }
        late
    }
}

impl Schedule {
    fn new(start: u64, rate: f64) -> Self {
        Self { due: start as f64, step: 1e9 / rate, turn: 0, touched: Vec::new() }
    }

    /// How long nothing is due.
    fn wait(&self) -> u64 {
        ((self.due - now() as f64).max(0.0) as u64).clamp(MIN_WAIT, MAX_WAIT)
    }
}
