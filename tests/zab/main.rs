//! The protocol under a seeded network and disk: several members of `zab`, in one thread and in virtual time. A run is
//! one seed.
//!
//! `ZAB_SEEDS=n` runs so many seeds; `ZAB_SEED=n` runs just this one, exactly as it ran before, and `ZAB_TRACE=1` prints all that
//! happens; `ZAB_FIRST=n` starts elsewhere.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]
#![allow(clippy::disallowed_methods, reason = "seeds a second are counted")]

mod clock;
mod disk;
mod exhaustive;
mod files;
mod member;
mod network;
#[path = "../sim/disk.rs"]
#[allow(dead_code, reason = "the simulator of a server needs more of it")]
mod node_disk;
mod properties;
#[path = "../sim/rng.rs"]
mod rng;
mod scenarios;
#[path = "../sim/seeds.rs"]
mod seeds;
mod server;
mod variant;
mod world;

use seeds::{chosen, outcome};
use std::{
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use variant::Variant;
use world::{Figures, With};

/// Seeds that are run when nothing else is said.
const SEEDS: u64 = 10_000;
/// The same, of members with a node and a tree.
const NODE_SEEDS: u64 = 2000;
/// The same, of members with their disk in files.
const FILES_SEEDS: u64 = 400;
/// So many see everything that there is, of each kind.
const COMPLETE: u64 = FILES_SEEDS;
/// A broken variant has to be caught within so many.
const BROKEN_SEEDS: u64 = 500;
/// One that shows itself only when somebody reads, its member crashes and all others lack what was read.
const RARE_SEEDS: u64 = 5000;

/// Runs them on all cores; the first one that fails ends it.
fn run_all(seeds: Range<u64>, with: With) -> Figures {
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new(Figures::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            match outcome(|| world::run(seed, Variant::Sound, with)) {
                Ok(figures) => total.lock().unwrap().add(&figures),
                Err(wrong) => {
                    next.store(seeds.end, Ordering::Relaxed);
                    panic!("ZAB_SEED={seed}: {wrong}");
                }
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    total.into_inner().unwrap()
}

fn passes(count: u64, with: With) {
    let seeds = chosen("ZAB", count);
    let count = seeds.end - seeds.start;
    let began = Instant::now();
    let total = run_all(seeds, with);
    let a_second = f64::from(u32::try_from(count).unwrap()) / began.elapsed().as_secs_f64();
    println!("{count} seeds, {a_second:.0} a second: {total}");
    if count >= COMPLETE {
        total.assert_all_happened(with);
    }
}

#[test]
fn the_sound_protocol_passes_every_seed() {
    passes(SEEDS, With::Zab);
}

#[test]
fn members_with_a_node_pass_every_seed() {
    passes(NODE_SEEDS, With::Nodes);
}

#[test]
fn disks_in_files_pass_every_seed() {
    passes(FILES_SEEDS, With::Files);
}

#[test]
fn members_with_a_node_and_files_pass_every_seed() {
    passes(FILES_SEEDS, With::NodesAndFiles);
}

fn is_caught(variant: Variant, with: With, seeds: u64) {
    let run = |seed| outcome(|| world::run(seed, variant, with)).err();
    let caught = (0..seeds).find_map(|seed| Some((seed, run(seed)?)));
    let (seed, wrong) = caught.unwrap_or_else(|| panic!("{variant:?} was not caught in {seeds} seeds"));
    println!("{variant:?} is caught by seed {seed}: {wrong}");
}

macro_rules! caught {
    ($with:ident, $seeds:ident: $($name:ident: $variant:ident,)*) => {$(
        #[test]
        fn $name() {
            is_caught(Variant::$variant, With::$with, $seeds);
        }
    )*};
}
caught! {
    Zab, BROKEN_SEEDS:
    a_log_that_is_not_durable_is_caught: LogNotDurable,
    an_accepted_epoch_that_is_not_durable_is_caught: AcceptedEpochNotDurable,
    a_current_epoch_that_is_not_durable_is_caught: CurrentEpochNotDurable,
    a_next_configuration_that_is_not_durable_is_caught: NextNotDurable,
    a_truncation_that_is_forgotten_is_caught: TruncationForgotten,
    a_snapshot_that_is_not_durable_is_caught: SnapshotNotDurable,
    a_commit_that_gets_lost_is_caught: CommitLost,
    a_proposal_that_gets_lost_is_caught: ProposalLost,
    proposals_that_change_places_are_caught: ProposalsSwapped,
    an_acknowledgement_before_the_sync_is_caught: AcknowledgedEarly,
    a_history_without_its_end_is_caught: DiffCutShort,
    a_leader_that_commits_alone_is_caught: CommitsAlone,
    a_learner_that_never_gives_up_is_caught: NeverGivesUp,
    forgetting_what_is_uncommitted_is_caught: ForgetsUncommitted,
    an_epoch_before_its_history_is_caught: EpochBeforeHistory,
    an_early_ack_of_newleader_is_caught: NewLeaderAckedEarly,
    an_ack_before_that_of_newleader_is_caught: ProposalAckedFirst,
    writes_that_outlive_their_role_are_caught: WritesOutliveRole,
    a_diff_that_is_not_synced_is_caught: DiffNotSynced,
    a_hole_in_what_a_leader_remembers_is_caught: HoleInRecent,
    an_interrupted_truncation_is_caught: TruncInterrupted,
    a_memory_behind_its_log_is_caught: MemoryBehindLog,
    a_diff_that_is_logged_late_is_caught: DiffLoggedLate,
    a_snapshot_behind_the_cut_is_caught: SnapshotBehindCut,
    a_vote_for_what_nobody_kept_is_caught: KeepsWhatNobodyKept,
}
caught! {
    Nodes, BROKEN_SEEDS:
    a_node_that_knows_of_no_quorum_is_caught: CommittedWhenProposed,
    a_tree_that_is_not_replaced_is_caught: TreeNotReplaced,
}
caught! {
    Files, BROKEN_SEEDS:
    a_disk_that_skips_syncs_is_caught: SyncsSkipped,
    a_configuration_that_is_not_kept_with_a_snapshot_is_caught: ToldNotKept,
    a_start_that_relies_on_what_it_has_read_is_caught: NotVouched,
}
caught! {
    Nodes, RARE_SEEDS:
    what_is_shown_before_it_is_settled_is_caught: ShownBeforeSettled,
}
