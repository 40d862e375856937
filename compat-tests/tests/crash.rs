//! Kills of the real process: what was acknowledged is there afterwards. `SEED` repeats a run, `ROUNDS` sets its length.
//!
//! Needs the release binary (`cargo build --release`, or `SUT_OXKEEPER`). The power cuts need root and loop devices.

use oxkeeper_compat_tests::crash::{Plan, SETUP, UNSYNCED, expiry_after_a_kill, run};
use oxkeeper_compat_tests::ground;
use oxkeeper_compat_tests::harness::{self, Case};
use oxkeeper_compat_tests::random::Random;
use std::process::ExitCode;
use std::time::Duration;

fn plan(rounds: u32) -> Plan {
    let given = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok());
    let plan = Plan {
        rounds: given.unwrap_or(rounds),
        clients: 6,
        seed: Random::seed(),
        setup: SETUP,
        power: false,
    };
    println!("seed {}", plan.seed);
    plan
}

fn kills() -> Result<String, String> {
    let tally = run(&plan(250))?;
    if tally.snapshots < 20 && tally.rounds >= 100 {
        return Err(format!("snapshots and kills were to meet: {tally}"));
    }
    Ok(tally.to_string())
}

fn power_cuts() -> Result<String, String> {
    run(&Plan { power: true, ..plan(20) }).map(|tally| tally.to_string())
}

/// The proof that the test above can fail.
fn power_cuts_without_the_sync() -> Result<String, String> {
    match run(&Plan { power: true, setup: UNSYNCED, ..plan(20) }) {
        Ok(tally) => Err(format!("nothing was lost, so the test shows nothing: {tally}")),
        Err(problem) => {
            let first = problem.lines().next().unwrap_or_default();
            if first.contains("lost") { Ok(first.to_owned()) } else { Err(problem) }
        }
    }
}

fn expiry() -> Result<String, String> {
    expiry_after_a_kill(SETUP, Duration::from_secs(6)).map(|()| String::new())
}

fn main() -> ExitCode {
    harness::run(vec![
        Case::new("a killed server has lost nothing", kills),
        Case::new("a power cut loses nothing", power_cuts).needs(|| ground::possible(true)),
        Case::new("a power cut without the sync loses writes", power_cuts_without_the_sync)
            .needs(|| ground::possible(true)),
        Case::new("sessions outlive the server and end in their time", expiry),
    ])
}
