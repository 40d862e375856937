//! `watch`: every session sets a data watch on one znode, one set fires them all; repeated for `--rounds`
//! rounds.
//!
//! Each session must get exactly one event per round, and must never read an older version after it.

use crate::checker::Checker;
use crate::client::Client;
use crate::fleet::Fleet;
use crate::generator::Workload;
use crate::names;
use crate::options::Options;
use crate::report::{Mark, die, finish, head};
use crate::session::{Kind, Message};
use crate::setup;
use crate::violations::Class;
use std::sync::Arc;
use zkload::args::Args;
use zkload::hist::Hist;
use zkload::json::Obj;
use zkload::os::{nanos, now, secs};
use zkload::sut;
use zkload::wire::{EVENT_DATA_CHANGED, GET, STATE_CONNECTED, StatView, get_i32, path_watch, set, value};

/// How long one half of a round may take.
const ROUND_LIMIT: u64 = 20_000_000_000;
/// How long the session that sets may take to connect.
const CONNECT_LIMIT_SECS: f64 = 20.0;

/// What the rounds since the warm-up came to.
#[derive(Default)]
struct Rounds {
    n: i64,
    /// From the set to each event, to the first of a round, to the last, and to the reply.
    each: Hist,
    first: Hist,
    last: Hist,
    set: Hist,
    delivered: u64,
    /// Seconds in which events were delivered.
    busy: f64,
}

struct Fanout {
    fleet: Fleet,
    checker: Checker,
    setter: Client,
    path: Vec<u8>,
    value: Vec<u8>,
    /// The version that the last set made.
    version: i32,
    rounds: Rounds,
    events: Vec<(u64, u32)>,
}

/// The second half of one round.
struct Firing {
    begun: u64,
    got: Vec<bool>,
    left: usize,
    last_at: u64,
    set_done: bool,
}

pub(crate) fn run(a: &Args) {
    let mut options = Options::read(a);
    options.threads = 1;
    options.znodes = 1;
    let rounds = a.num("rounds", 20usize);
    let limit = now() + nanos(a.num("limit", 60.0));
    if !a.flag("no-setup") {
        setup::znodes(&options).unwrap_or_else(|e| die(&format!("setup: {e}")));
    }
    let mut fanout = Fanout::connect(&options);
    let warmup = (options.warmup as usize).max(1); // in rounds
    let mut start = None;
    for round in 0..rounds + warmup {
        if !fanout.fleet.violations.none() || now() > limit {
            break;
        }
        if round == warmup {
            start = Some(Mark::now(&options));
            fanout.rounds = Rounds::default();
        }
        if !fanout.register() {
            break;
        }
        fanout.fire();
        fanout.rounds.n += i64::from(round >= warmup);
    }
    let end = Mark::now(&options);
    let start = start.unwrap_or_else(|| Mark { sample: end.sample.clone(), at: end.at - 1 });
    if fanout.rounds.delivered == 0 || fanout.rounds.n == 0 {
        fanout.fleet.violations.add(Class::Lost, || "no measured round".into());
    }
    fanout.fleet.end();
    fanout.setter.close();
    let o = report(&options, &fanout.rounds, fanout.fleet.sessions.len(), (&start, &end));
    finish(o, &fanout.fleet.violations, a)
}

impl Fanout {
    fn connect(options: &Options) -> Self {
        let path = names::znode(&options.root, 0).into_bytes();
        let mut fleet = Fleet::new(options, 0);
        let sessions = (fleet.first, fleet.sessions.len());
        let checker = Checker::new(options, Workload::Mix, Arc::new(vec![path.clone()]), sessions);
        fleet.connect_all();
        let setter = Client::open_with(&options.servers[0], options.timeout_ms, CONNECT_LIMIT_SECS);
        Self {
            fleet,
            checker,
            setter: setter.unwrap_or_else(|e| die(&e)),
            path,
            value: value(0, options.value_size),
            version: -1,
            rounds: Rounds::default(),
            events: Vec::new(),
        }
    }

    /// Sets the watches. False: not all could be set.
    fn register(&mut self) -> bool {
        let n = self.fleet.sessions.len();
        for i in 0..n {
            let session = &mut self.fleet.sessions[i];
            let xid = session.push(Kind::Get, 0, now());
            path_watch(&mut session.wbuf, xid, GET, &self.path, true);
            self.fleet.flush(i);
        }
        let mut left = n;
        let end = now() + ROUND_LIMIT;
        let mut events = std::mem::take(&mut self.events);
        while left > 0 && now() < end && self.fleet.violations.none() {
            self.fleet.ep.wait(100_000_000, &mut events);
            for &(id, ready_for) in &events {
                left -= self.registered(id as usize, ready_for);
            }
        }
        self.events = events;
        if left > 0 {
            let what = || format!("{left} watch registrations unanswered");
            self.fleet.violations.add(Class::Unanswered, what);
        }
        left == 0
    }

    /// Serves session `i` and says how many registrations that completed: 0 or 1.
    fn registered(&mut self, i: usize, events: u32) -> usize {
        if !self.fleet.pump(i, events) {
            return 0;
        }
        let mut replies = 0;
        while let Some(message) = self.fleet.next(i) {
            match message {
                Message::Reply { request, err, body } => {
                    let violations = &mut self.fleet.violations;
                    let body = self.fleet.sessions[i].body(&body);
                    self.checker.check(violations, i, request, err, body);
                    let least = self.version;
                    let read = StatView::at_end(body).filter(|_| err == 0).map(|stat| stat.version());
                    if let Some(read) = read.filter(|read| *read < least) {
                        violations.add(Class::Version, || {
                            format!("read version {read} after an event for {least}")
                        });
                    }
                    replies += 1;
                }
                Message::Event { .. } => {
                    self.fleet.violations.add(Class::Event, || "event before any change".into());
                }
                Message::Connected | Message::Pong { .. } => {}
            }
        }
        replies
    }

    /// Changes the znode and waits for every event and for the reply.
    fn fire(&mut self) {
        let n = self.fleet.sessions.len();
        let begun = now();
        let mut firing = Firing { begun, got: vec![false; n], left: n, last_at: begun, set_done: false };
        let session = &mut self.setter.session;
        let xid = session.push(Kind::Set, 0, begun);
        set(&mut session.wbuf, xid, &self.path, &self.value, -1);
        self.setter.flush();
        let mut events = std::mem::take(&mut self.events);
        while (firing.left > 0 || !firing.set_done)
            && now() < begun + ROUND_LIMIT
            && self.fleet.violations.none()
        {
            events.clear();
            if firing.left > 0 {
                let wait = if firing.set_done { 50_000_000 } else { 200_000 };
                self.fleet.ep.wait(wait, &mut events);
            }
            for &(id, ready_for) in &events {
                self.fired(id as usize, ready_for, &mut firing);
            }
            if !firing.set_done {
                self.poll_setter(&mut firing);
            }
        }
        self.events = events;
        let left = firing.left;
        if left > 0 {
            let what = || format!("{left} of {n} watch events missing after 20 s");
            self.fleet.violations.add(Class::Event, what);
        }
        self.rounds.last.add(firing.last_at - begun);
        self.rounds.busy += secs(firing.last_at - begun);
        self.rounds.delivered += (n - left) as u64;
    }

    /// Serves session `i`, which waits for its event.
    fn fired(&mut self, i: usize, events: u32, firing: &mut Firing) {
        if !self.fleet.pump(i, events) {
            return;
        }
        let t = now();
        while let Some(message) = self.fleet.next(i) {
            let violations = &mut self.fleet.violations;
            match message {
                Message::Event { body } => {
                    let body = self.fleet.sessions[i].body(&body);
                    if !is_change_of(body, &self.path) {
                        let n = body.len();
                        violations.add(Class::Event, || {
                            format!("event of {n} bytes is not NodeDataChanged/SyncConnected for the path")
                        });
                    } else if firing.got[i] {
                        violations.add(Class::Event, || "a one-shot watch fired twice".into());
                    } else {
                        firing.note(i, t, &mut self.rounds);
                    }
                }
                Message::Reply { .. } => violations.add(Class::Xid, || "unexpected reply".into()),
                Message::Connected | Message::Pong { .. } => {}
            }
        }
    }

    /// Looks for the reply to the set.
    fn poll_setter(&mut self, firing: &mut Firing) {
        let violations = &mut self.fleet.violations;
        if !self.setter.poll(0) {
            violations.add(Class::Disconnect, || "setter lost".into());
        }
        while let Some(message) = self.setter.session.next(violations) {
            let Message::Reply { err, body, .. } = message else { continue };
            self.rounds.set.add(now() - firing.begun);
            firing.set_done = true;
            if err != 0 {
                violations.add(Class::Err, || format!("set: err {err}"));
            } else if let Some(stat) = StatView::at_end(self.setter.session.body(&body)) {
                self.version = stat.version();
            }
        }
    }
}

impl Firing {
    /// The event of session `i` came at `t`.
    fn note(&mut self, i: usize, t: u64, rounds: &mut Rounds) {
        if self.left == self.got.len() {
            rounds.first.add(t - self.begun);
        }
        self.got[i] = true;
        self.left -= 1;
        self.last_at = t;
        rounds.each.add(t - self.begun);
    }
}

/// Whether an event says that the data of `path` has changed.
fn is_change_of(event: &[u8], path: &[u8]) -> bool {
    event.len() == 12 + path.len()
        && get_i32(event, 0) == EVENT_DATA_CHANGED
        && get_i32(event, 4) == STATE_CONNECTED
        && event[12..] == *path
}

fn report(options: &Options, rounds: &Rounds, watchers: usize, (start, end): (&Mark, &Mark)) -> Obj {
    let (secs, delivered) = (secs(end.at - start.at), rounds.delivered);
    let mut o = head("watch", options);
    o.int("watchers", watchers as i64).int("rounds", rounds.n);
    o.f("secs", secs).int("ops", delivered as i64).f("ops_per_s", delivered as f64 / rounds.busy.max(1e-9));
    o.raw("latency", &rounds.each.json()).raw("first_event", &rounds.first.json());
    o.raw("last_event", &rounds.last.json()).raw("set_reply", &rounds.set.json());
    sut::report(&mut o, &start.sample, &end.sample, secs, delivered);
    o
}
