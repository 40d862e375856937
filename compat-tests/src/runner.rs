//! Runs cases against servers and judges the transcripts.
//!
//! The official server is held against the golden files so that they cannot rot, oxkeeper is held against the same
//! files, with the lines replaced that [`DIFFERENCES`] names.

use crate::behaviours::{self, Case, Ctx, DIFFERENCES, Difference};
use crate::golden::{self, Golden};
use crate::sut::{Kind, Server};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Numbers or names of cases; empty for all.
    pub only: Vec<String>,
    /// The servers to run.
    pub kinds: Vec<Kind>,
    /// Whether to rewrite the golden files from the official server.
    pub record: bool,
    /// Whether to print transcripts.
    pub verbose: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { only: Vec::new(), kinds: vec![Kind::Official, Kind::Oxkeeper], record: false, verbose: false }
    }
}

/// How many cases went well and how many did not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Passed, deliberate differences included.
    pub passed: u32,
    /// Failed.
    pub failed: u32,
}

/// Runs the cases, prints a line for each and the closing line.
#[must_use]
pub fn run(options: &Options) -> Tally {
    let mut groups: BTreeMap<usize, Vec<Case>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for case in behaviours::all().into_iter().filter(|case| wanted(case, &options.only)) {
        let known = order.iter().position(|name| *name == case.setup.name);
        let place = known.unwrap_or_else(|| {
            order.push(case.setup.name);
            order.len() - 1
        });
        groups.entry(place).or_default().push(case);
    }
    let mut tally = Tally::default();
    for cases in groups.values() {
        for kind in &options.kinds {
            run_group(*kind, cases, options, &mut tally);
        }
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    tally
}

fn wanted(case: &Case, only: &[String]) -> bool {
    let hit = |word: &String| {
        *word == case.name || *word == case.setup.name || case.numbers.iter().any(|n| n.to_string() == *word)
    };
    only.is_empty() || only.iter().any(hit)
}

fn run_group(kind: Kind, cases: &[Case], options: &Options, tally: &mut Tally) {
    let Some(first) = cases.first() else { return };
    let setup = first.setup;
    let recording = options.record && kind == Kind::Official;
    let mut golden = golden::load(setup.name);
    let mut server: Option<Server> = None;
    for case in cases {
        let began = Instant::now();
        let result = run_case(kind, case, &mut server);
        let verdict = match result {
            Ok(lines) if recording => {
                golden.insert(case.name.to_owned(), lines.clone());
                Verdict { word: "ok", detail: None, lines }
            }
            Ok(lines) => judge(kind, case, &golden, lines),
            Err(problem) => Verdict { word: "FAIL", detail: Some(problem), lines: Vec::new() },
        };
        let failed = verdict.word == "FAIL";
        if failed || setup.fresh {
            server = None;
        }
        print(kind, case, &verdict, began, options.verbose);
        tally.failed += u32::from(failed);
        tally.passed += u32::from(!failed);
    }
    if recording {
        let all = behaviours::all();
        let of_setup = all.iter().filter(|case| case.setup.name == setup.name);
        let order: Vec<(&str, &[u16])> = of_setup.map(|case| (case.name, case.numbers)).collect();
        if let Err(problem) = golden::save(setup.name, &order, &golden) {
            println!("FAIL {problem}");
            tally.failed += 1;
        }
    }
}

fn run_case(kind: Kind, case: &Case, server: &mut Option<Server>) -> Result<Vec<String>, String> {
    if !server.as_ref().is_some_and(Server::serves) {
        // The old one first, so that its directory is gone before the next one starts.
        drop(server.take());
        *server = Some(Server::start(kind, *case.setup)?);
    }
    let Some(server) = server.as_mut() else { return Err("no server".to_owned()) };
    let mut ctx = Ctx::new(server)?;
    // A case that stumbles over an unexpected answer must not end the whole run.
    let run = AssertUnwindSafe(|| (case.run)(&mut ctx));
    let outcome = catch_unwind(run).unwrap_or_else(|_| Err("the case panicked".to_owned()));
    let lines = ctx.finish();
    match outcome {
        Ok(()) => Ok(lines),
        Err(problem) => {
            let tail: Vec<&str> = lines.iter().rev().take(6).rev().map(String::as_str).collect();
            Err(format!("{problem}\n    after:\n    {}", tail.join("\n    ")))
        }
    }
}

struct Verdict {
    word: &'static str,
    detail: Option<String>,
    lines: Vec<String>,
}

fn judge(kind: Kind, case: &Case, golden: &Golden, lines: Vec<String>) -> Verdict {
    let Some(recorded) = golden.get(case.name) else {
        return Verdict {
            word: "FAIL",
            detail: Some("no golden transcript; run --record".to_owned()),
            lines,
        };
    };
    let planned = DIFFERENCES.iter().find(|d| kind == Kind::Oxkeeper && d.case == case.name);
    let wanted = planned.map_or_else(|| recorded.clone(), |difference| replaced(recorded, difference));
    let detail = golden::difference(&wanted, &lines);
    let word = match (&detail, planned) {
        (Some(_), _) => "FAIL",
        (None, Some(_)) => "differs-on-purpose",
        (None, None) => "ok",
    };
    Verdict { word, detail, lines }
}

/// The official transcript with the lines of a deliberate difference exchanged; an empty text removes a line.
fn replaced(recorded: &[String], difference: &Difference) -> Vec<String> {
    let exchange = |line: &String| {
        let label = line.split_once(" -> ").map_or("", |(label, _)| label);
        match difference.lines.iter().find(|(name, _)| *name == label) {
            Some((_, "")) => None,
            Some((name, seen)) => Some(format!("{name} -> {seen}")),
            None => Some(line.clone()),
        }
    };
    recorded.iter().filter_map(exchange).collect()
}

fn print(kind: Kind, case: &Case, verdict: &Verdict, began: Instant, verbose: bool) {
    let numbers: Vec<String> = case.numbers.iter().map(ToString::to_string).collect();
    let seconds = began.elapsed().as_secs_f32();
    println!("{} {} {} ({}, {seconds:.1} s)", verdict.word, numbers.join(","), case.name, kind.name());
    if let Some(detail) = &verdict.detail {
        println!("  {detail}");
    }
    if verbose {
        verdict.lines.iter().for_each(|line| println!("    {line}"));
    }
}
