//! A randomised differential judge: the same requests to the official server and to oxkeeper, every reply and event
//! compared.
//!
//! A seed makes a whole sequence of steps ([`generate`]), which several clients take one after the other on both servers
//! ([`side`]). Replies, events and ends of connections are compared after each step, byte by byte but for what
//! [`crate::transcript`] replaces; counts and the whole tree at the end of a sequence ([`judge`]).
//! The last sequence of a run, or the only one, ends with a restart of both servers.
//! What is never asked, and why, stands in [`operations`] and [`generate`].

pub mod generate;
pub mod judge;
pub mod operations;
pub mod plan;
mod pool;
pub mod setups;
pub mod side;
pub mod tree;

use crate::client::Outcome;
use judge::{Difference, End, Pair, shrink};
use setups::Config;
use std::time::Duration;

/// Steps of a sequence.
const LENGTH: usize = 150;
/// From so many sequences on every op code must have succeeded, or they prove nothing.
const MANY: usize = 30;
/// Op codes that succeed under every configuration.
const MUST_SUCCEED: &[i32] =
    &[1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15, 17, 18, 19, 22, 100, 101, 103, 104, 105, 106, 107, -11];
/// How long a difference is looked at to make it smaller.
const SHRINKING: Duration = Duration::from_secs(60);

/// Runs seeds under a configuration until so many differ; gives what was compared.
///
/// # Errors
/// The differences, with the steps that lead to them, or why a server does not serve.
pub fn run(config: &Config, seeds: impl Iterator<Item = u64>, most: usize) -> Outcome<String> {
    let mut pair = Pair::start(config.setup)?;
    let (mut sequences, mut requests) = (0, 0);
    let mut problems = Vec::new();
    let restarts = std::env::var_os("DIFF_RESTARTS").is_some();
    let mut seeds = seeds.peekable();
    while let Some(seed) = seeds.next() {
        let end = if restarts || seeds.peek().is_none() { End::Restart } else { End::Compare };
        let steps = generate::sequence(seed, LENGTH, &config.taste);
        match pair.run(&steps, end) {
            Ok(None) => {}
            Ok(Some(found)) => problems.push(report(&mut pair, config, seed, (&steps, end), found)),
            Err(problem) => problems.push(format!("{}, seed {seed}: {problem}", config.setup.name)),
        }
        sequences += 1;
        requests += steps.iter().map(plan::Step::requests).sum::<usize>();
        if problems.len() >= most {
            break;
        }
    }
    if sequences >= MANY && config.lets_in {
        let never = MUST_SUCCEED.iter().filter(|op| !pair.answers().contains_key(&(**op, "OK".to_owned())));
        problems.extend(never.map(|op| format!("op code {op} never succeeded: this proves too little")));
    }
    let kinds = pair.answers().len();
    let compared = format!("{requests} requests of {sequences} sequences, {kinds} kinds of answers");
    if std::env::var_os("DIFF_COVERAGE").is_some() {
        pair.answers().iter().for_each(|((op, how), count)| println!("  {op:>4} {how}: {count}"));
    }
    if problems.is_empty() { Ok(compared) } else { Err(format!("{compared}\n{}", problems.join("\n"))) }
}

fn report(
    pair: &mut Pair,
    config: &Config,
    seed: u64,
    (steps, end): (&[plan::Step], End),
    found: Difference,
) -> String {
    let name = config.setup.name;
    let (few, smaller) = shrink(pair, (steps, end), found.clone(), SHRINKING);
    format!(
        "a difference under {name}, seed {seed} (DIFF_SEED={seed} DIFF_CONFIG={name} to see it again)\n\
         the end of the sequence:\n{found}\nin {} steps:\n{smaller}",
        few.len(),
    )
}
