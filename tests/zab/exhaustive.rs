//! Every order in which things can happen in a small ensemble, over the same state machines: three voters, a transaction or two, and
//! a crash or two. Checked with `stateright`, which visits each state once.
//!
//! Time stands still: nobody is slow, for nobody knows what that is. Only where nothing is left to happen it passes, and then all who run
//! have to serve. A vote arrives as soon as it is sent.
//!
//! `ZAB_MODEL_TRANSACTIONS=n` and `ZAB_MODEL_CRASHES=n` say how many, `ZAB_MODEL_VOTES=any` asks for all orders of votes besides, and
//! `ZAB_MODEL_SECONDS=n` says when to end though not all was visited.

mod state;

use crate::variant::Variant;
use state::{State, Step};
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::time::{Duration, Instant};

/// Nothing that is visited whole takes longer, in seconds.
const SECONDS: u64 = 1800;

/// What is checked, and how much of it.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    transactions: u8,
    crashes: u8,
    /// Whether votes take any order.
    votes_in_any_order: bool,
    variant: Variant,
}

/// What `cargo test --test zab` visits all of.
const SMALL: Bounds =
    Bounds { transactions: 1, crashes: 1, votes_in_any_order: false, variant: Variant::Sound };

impl Model for Bounds {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::established(*self)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        steps.extend(state.steps());
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        next.take(step, *self);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing is wrong", |_, state: &State| state.wrong.is_none()),
            Property::always("a quorum comes together", |bounds: &Self, state: &State| {
                !state.is_at_rest() || state.comes_together(*bounds)
            }),
        ]
    }
}

fn from_env<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Visits what can be reached, in depth: that needs little memory. Returns what is wrong first, or whether that was all.
fn visit(bounds: Bounds, seconds: u64) -> Result<bool, String> {
    let (began, limit) = (Instant::now(), Duration::from_secs(seconds));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = bounds.checker().threads(cores).timeout(limit).finish_when(HasDiscoveries::Any);
    let checker = checker.spawn_dfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    let is_all = began.elapsed() < limit;
    println!("{states} states, up to {depth} steps deep, in time: {is_all}; {bounds:?}");
    match checker.discoveries().into_iter().next() {
        None => Ok(is_all),
        Some((name, path)) => {
            let wrong = path.last_state().wrong.clone();
            Err(format!("{name}: {wrong:?} after {:?}", path.into_actions()))
        }
    }
}

#[test]
fn every_order_of_a_small_ensemble_is_right() {
    let bounds = Bounds {
        transactions: from_env("ZAB_MODEL_TRANSACTIONS").unwrap_or(SMALL.transactions),
        crashes: from_env("ZAB_MODEL_CRASHES").unwrap_or(SMALL.crashes),
        votes_in_any_order: from_env("ZAB_MODEL_VOTES").is_some_and(|votes: String| votes == "any"),
        ..SMALL
    };
    let until = from_env("ZAB_MODEL_SECONDS");
    let is_all = visit(bounds, until.unwrap_or(SECONDS)).unwrap();
    assert!(is_all || until.is_some(), "not all was visited in {SECONDS} s");
}

#[test]
fn a_log_that_is_not_durable_is_found() {
    let wrong = visit(Bounds { variant: Variant::LogNotDurable, ..SMALL }, SECONDS).unwrap_err();
    assert!(wrong.contains("is delivered, and 1 have it"), "{wrong}");
}

#[test]
fn a_member_that_never_gives_up_is_found() {
    let wrong = visit(Bounds { variant: Variant::NeverGivesUp, ..SMALL }, SECONDS).unwrap_err();
    assert!(wrong.starts_with("a quorum comes together"), "{wrong}");
}
