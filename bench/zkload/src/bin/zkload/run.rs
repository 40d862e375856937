//! A run of the load threads from the first session to the last: connect, warm up, measure, drain, close.
//!
//! All threads go through these together. The server is sampled at both ends of the measurement, with every
//! session open, and what is answered outside of it does not count.

use crate::generator::Workload;
use crate::names;
use crate::options::Options;
use crate::report::{Mark, head};
use crate::session::Kind;
use crate::shared::{Shared, Stage};
use crate::violations::{Class, Violations};
use crate::worker::{Outcome, Worker};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use zkload::hist::Hist;
use zkload::json::Obj;
use zkload::os::{nanos, now, secs};
use zkload::sut;

/// When the measurement ends, at the latest; the earlier end is when every thread has nothing left to do.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// So many seconds after its beginning.
    Measured(f64),
    /// So many seconds after the beginning of the warm-up.
    Limit(f64),
}

/// What a run came to.
pub(crate) struct Totals {
    pub(crate) violations: Violations,
    pub(crate) ops: u64,
    pub(crate) acked_sets: u64,
    all: Hist,
    by_kind: Vec<Option<Hist>>,
    connect: Hist,
    start: Mark,
    end: Mark,
}

/// Makes one run.
pub(crate) fn run(options: &Options, workload: Workload, end: End) -> Totals {
    let paths = names::znodes(&options.root, options.znodes).into_iter().map(String::into_bytes);
    let paths: Arc<Vec<Vec<u8>>> = Arc::new(paths.collect());
    let shared = Arc::new(Shared::default());
    if options.warmup <= 0.0 {
        shared.set_stage(Stage::Measure); // no warm-up: the first reply counts
    }
    let barrier = Barrier::new(options.threads + 1);
    let work = |thread| {
        let mut worker = Worker::new(options, workload, &shared, &paths, thread);
        worker.connect();
        barrier.wait(); // connected
        barrier.wait(); // go
        worker.run();
        barrier.wait(); // drained
        worker.end()
    };
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..options.threads).map(|t| scope.spawn(move || work(t))).collect();
        barrier.wait(); // every session is connected
        let connected = Mark::now(options);
        barrier.wait();
        let (start, end) = direct(options, &shared, connected, end);
        barrier.wait();
        let outcomes: Vec<Outcome> = threads.into_iter().filter_map(|t| t.join().ok()).collect();
        Totals::of(options, &outcomes, start, end)
    })
}

/// Takes the threads through the stages and marks both ends of the measurement.
fn direct(options: &Options, shared: &Shared, connected: Mark, end: End) -> (Mark, Mark) {
    let go = now();
    let wait_until = |t: u64| {
        while now() < t && shared.finished() < options.threads {
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let mut start = connected;
    if options.warmup > 0.0 {
        wait_until(now() + nanos(options.warmup));
        start = Mark::now(options);
    }
    shared.set_stage(Stage::Measure);
    wait_until(match end {
        End::Measured(secs) => start.at + nanos(secs),
        End::Limit(secs) => go + nanos(secs),
    });
    let at = now();
    let end = Mark { sample: options.sample(), at };
    shared.set_stage(Stage::Drain);
    (start, end)
}

impl Totals {
    fn of(options: &Options, outcomes: &[Outcome], start: Mark, end: Mark) -> Self {
        let mut totals = Self {
            violations: Violations::default(),
            ops: 0,
            acked_sets: 0,
            all: Hist::new(),
            by_kind: vec![None; Kind::NAMES.len()],
            connect: Hist::new(),
            start,
            end,
        };
        if outcomes.len() != options.threads {
            totals.violations.add(Class::Lost, || "a load thread panicked".into());
        }
        for outcome in outcomes {
            totals.add(outcome);
        }
        if totals.ops == 0 {
            totals.violations.add(Class::Lost, || "no operation completed".into());
        }
        totals
    }

    fn add(&mut self, outcome: &Outcome) {
        self.violations.merge(&outcome.violations);
        self.ops += outcome.ops;
        self.acked_sets += outcome.acked_sets;
        self.connect.merge(&outcome.connect);
        for (total, part) in self.by_kind.iter_mut().zip(&outcome.by_kind) {
            if let Some(part) = part {
                self.all.merge(part);
                total.get_or_insert_with(Hist::new).merge(part);
            }
        }
    }

    /// Everything but the violations, to which a final check may still add.
    pub(crate) fn report(&self, mode: &str, options: &Options) -> Obj {
        let secs = secs(self.end.at - self.start.at);
        let mut o = head(mode, options);
        o.int("conns", options.conns as i64).int("pipeline", options.pipeline as i64);
        o.int("value_size", options.value_size as i64);
        if options.rate > 0.0 {
            o.f("target_rate", options.rate);
        }
        o.f("secs", secs).int("ops", self.ops as i64).f("ops_per_s", self.ops as f64 / secs);
        o.raw("latency", &self.all.json());
        let mut by_kind = Obj::new();
        for (name, hist) in Kind::NAMES.iter().zip(&self.by_kind) {
            if let Some(hist) = hist {
                by_kind.raw(name, &hist.json());
            }
        }
        o.raw("by_op", &by_kind.end());
        o.raw("connect", &self.connect.json());
        sut::report(&mut o, &self.start.sample, &self.end.sample, secs, self.ops);
        o
    }
}
