//! The simulator: the real node, log, snapshots, recovery and watches over a seeded disk, clock, network and clients, in
//! one thread and in virtual time. A run is one seed.
//!
//! `SIM_SEEDS=n` runs so many seeds; `SIM_SEED=n` runs just this one, exactly as it ran before. `SIM_FIRST=n` starts
//! elsewhere.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

mod ask;
mod check;
mod client;
mod clock;
mod core;
mod disk;
mod network;
mod node;
mod recovery;
mod rng;
mod seeds;
mod snapshots;
mod variant;
mod worker;
mod world;

use check::Check;
use seeds::{chosen, outcome};
use variant::Variant;

/// Seeds that are run when nothing else is said.
const SEEDS: u64 = 2500;
/// A broken variant has to be caught within so many.
const BROKEN_SEEDS: u64 = 3000;

fn try_run(seed: u64, variant: Variant) -> Result<Check, String> {
    outcome(|| world::run(seed, variant))
}

#[test]
fn the_sound_server_passes_every_seed() {
    let seeds = chosen("SIM", SEEDS);
    let count = seeds.end - seeds.start;
    let mut total = [0; 6];
    for seed in seeds {
        match try_run(seed, Variant::Sound) {
            Ok(check) => {
                let figures = [
                    check.replies,
                    check.crashes,
                    check.snapshots,
                    check.events,
                    check.expired,
                    check.log_failures,
                ];
                total.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
            }
            Err(error) => panic!("seed {seed}: {error}\nreplay it with SIM_SEED={seed}"),
        }
    }
    let [replies, crashes, snapshots, events, expired, log_failures] = total;
    println!(
        "{count} seeds: {replies} replies, {crashes} starts, {snapshots} snapshots, {events} events, \
         {expired} expired sessions, {log_failures} failures of the log"
    );
    if count >= 100 {
        assert!(total.iter().all(|sum| *sum > 0), "everything happens in some of the runs: {total:?}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    let figures = |seed| {
        let check = world::run(seed, Variant::Sound);
        (check.replies, check.crashes, check.snapshots, check.events, check.expired)
    };
    assert_eq!(figures(11), figures(11));
}

/// The first seed that catches a variant.
fn caught(variant: Variant) -> Option<(u64, String)> {
    (0..BROKEN_SEEDS).find_map(|seed| try_run(seed, variant).err().map(|error| (seed, error)))
}

macro_rules! caught {
    ($($name:ident: $variant:ident,)*) => {$(
        #[test]
        fn $name() {
            let (seed, error) = caught(Variant::$variant).expect("no seed has caught it");
            println!("seed {seed}: {error}");
        }
    )*};
}

caught! {
    a_reply_before_the_sync_is_caught: ReplyBeforeSync,
    a_skipped_sync_is_caught: SyncSkipped,
    an_acknowledged_failed_sync_is_caught: FailedSyncAcknowledged,
    a_snapshot_without_its_log_is_caught: SnapshotWithoutLog,
    a_forgotten_session_is_caught: SessionForgotten,
    a_write_applied_twice_is_caught: AppliedTwice,
    a_swapped_order_is_caught: OrderSwapped,
    events_after_replies_are_caught: EventsAfterReplies,
    an_ignored_inbox_is_caught: InboxIgnored,
    a_first_watch_that_is_forgotten_is_caught: FirstWatchForgotten,
    a_read_that_overtakes_a_write_is_caught: ReadOvertakesWrite,
    an_expiry_that_does_not_listen_is_caught: NobodyHeard,
    watches_that_stay_are_caught: WatchesStay,
}
