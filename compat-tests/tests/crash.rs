//! Kills of the real process: what was acknowledged is there afterwards. `SEED` repeats a run, `ROUNDS` sets its length.
//!
//! Needs the release binary (`cargo build --release`, or `SUT_OXKEEPER`). The power cuts need root and loop devices.

use oxkeeper_compat_tests::crash::{Plan, SETUP, UNSYNCED, expiry_after_a_kill, run};
use oxkeeper_compat_tests::ground;
use oxkeeper_compat_tests::random::Random;
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

#[test]
fn a_killed_server_has_lost_nothing() {
    match run(&plan(100)) {
        Ok(tally) => {
            println!("{tally}");
            assert!(tally.snapshots > 20, "snapshots and kills were to meet: {tally}");
        }
        Err(problem) => panic!("{problem}"),
    }
}

#[test]
fn a_power_cut_loses_nothing_and_would_without_the_sync() {
    if let Err(reason) = ground::possible(true) {
        println!("skipped: {reason}");
        return;
    }
    let synced = Plan { power: true, ..plan(20) };
    println!("{}", run(&synced).unwrap_or_else(|problem| panic!("{problem}")));
    let unsynced = Plan { setup: UNSYNCED, ..synced };
    let problem = run(&unsynced).expect_err("without the sync, acknowledged writes must be missing");
    let first = problem.lines().next().unwrap_or_default();
    assert!(first.contains("lost"), "another failure than the one that was asked for: {problem}");
    println!("without the sync: {first}");
}

#[test]
fn sessions_outlive_the_server_and_end_in_their_time() {
    expiry_after_a_kill(SETUP, Duration::from_secs(6)).unwrap_or_else(|problem| panic!("{problem}"));
}
