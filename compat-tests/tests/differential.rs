//! Random requests to the official server and to oxkeeper, compared. Needs Java, Maven on first use, and the release
//! binary.
//!
//! `DIFF_SEEDS=N` runs N sequences under each configuration, `DIFF_SEED=S` the one of that seed, `DIFF_FROM=S` those from
//! there on; `DIFF_CONFIG=NAME` (or the name as an argument) one configuration. It ends at the
//! first difference, or after `DIFF_MOST=N` sequences with one.
//! `DIFF_RESTARTS=1` restarts both servers after each sequence. `DIFF_COVERAGE=1` tells how often each op code was answered how.

use oxkeeper_compat_tests::diff::{run, setups::CONFIGS};
use oxkeeper_compat_tests::harness::{self, Case};
use std::process::ExitCode;

/// Sequences under each configuration in an ordinary run.
const SEQUENCES: u64 = 30;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn main() -> ExitCode {
    let seeds = match number("DIFF_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let from = number("DIFF_FROM").unwrap_or(1);
            from..from + number("DIFF_SEEDS").unwrap_or(SEQUENCES)
        }
    };
    let most = number("DIFF_MOST").and_then(|most| most.try_into().ok()).unwrap_or(1);
    let only = std::env::var("DIFF_CONFIG").ok();
    let configs =
        CONFIGS.iter().filter(|config| only.as_deref().is_none_or(|name| name == config.setup.name));
    let cases = configs.map(|config| Case::new(config.setup.name, || run(config, seeds.clone(), most)));
    harness::run(cases.collect())
}
