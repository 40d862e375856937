//! Defects that official servers have or had, each as a scenario: what happens, step by step, and the variant that has the defect.
//! oxkeeper passes it; the variant is caught by the property that is named. At the end those of elections that were seen to end with
//! nobody where one waited for another until `initLimit`.

use crate::{
    seeds::outcome,
    variant::Variant,
    world::script::{End, Script},
};
use oxkeeper::zab::{Action, Role};
use oxkeeper_codec::{ServerId, learner::ToLeader};

/// A scenario passes, and does not with the variant.
fn tells_apart(scenario: fn(Variant), variant: Variant, property: &str) {
    scenario(Variant::Sound);
    let wrong = outcome(|| scenario(variant)).expect_err("the variant is not caught");
    assert!(wrong.starts_with(property), "{variant:?} is caught by something else: {wrong}");
}

const fn acknowledges_new_leader(action: &Action) -> bool {
    matches!(action, Action::ToLeader(_, ToLeader::Ack(zxid)) if zxid.0 & 0xffff_ffff == 0)
}

const fn truncates(action: &Action) -> bool {
    matches!(action, Action::Truncate(_))
}

/// Of so many voters the first three are there, and server 3 leads.
fn led_by_3(voters: i64, variant: Variant) -> Script {
    let mut script = Script::of(voters, variant);
    script.start(&[1, 2, 3]);
    script.expect_leader(3);
    script
}

/// Server 3 leads, and has proposals that nobody has heard of.
fn a_leader_has_what_nobody_has(variant: Variant) -> Script {
    let mut script = led_by_3(3, variant);
    script.propose(2);
    script.settle();
    script.silence(3);
    script.propose(3);
    script.settle();
    script
}

/// Servers 1 and 3 commit what server 2 lacks; then 3 leads again, with 2 alone.
fn a_follower_is_brought_to_a_history(variant: Variant) -> Script {
    let mut script = led_by_3(3, variant);
    script.propose(2);
    script.settle();
    script.stop(&[2]);
    script.propose(3);
    script.settle();
    script.stop(&[1, 3]);
    script.start(&[2, 3]);
    script
}

/// Then 2 and 1 are alone: 2 has the later epoch, and must have all that belongs to it.
fn it_leads_with_the_other(mut script: Script) {
    script.stop(&[3]);
    script.start(&[1, 2]);
    script.settle();
    script.finish();
}

fn a_follower_stops_when_its_epoch_is_stored(variant: Variant) {
    let mut script = a_follower_is_brought_to_a_history(variant);
    script.run_until_current_epoch(2, 2);
    script.stop(&[2]);
    it_leads_with_the_other(script);
}

fn a_follower_stops_when_it_has_acknowledged_newleader(variant: Variant) {
    let mut script = a_follower_is_brought_to_a_history(variant);
    script.end_at(2, End::Stops, acknowledges_new_leader);
    it_leads_with_the_other(script);
}

#[test]
fn zookeeper_4643_the_epoch_is_stored_before_its_history() {
    tells_apart(
        a_follower_stops_when_its_epoch_is_stored,
        Variant::EpochBeforeHistory,
        "committed-log durability",
    );
}

#[test]
fn zookeeper_4646_newleader_is_acknowledged_before_its_history_is_stored() {
    tells_apart(
        a_follower_stops_when_it_has_acknowledged_newleader,
        Variant::NewLeaderAckedEarly,
        "committed-log durability",
    );
}

#[test]
fn zookeeper_4785_newleader_is_acknowledged_before_its_history_is_synced() {
    tells_apart(
        a_follower_stops_when_it_has_acknowledged_newleader,
        Variant::DiffNotSynced,
        "committed-log durability",
    );
}

#[test]
fn zookeeper_3911_newleader_is_acknowledged_before_its_history_is_logged() {
    tells_apart(
        a_follower_stops_when_it_has_acknowledged_newleader,
        Variant::DiffLoggedLate,
        "committed-log durability",
    );
}

/// A follower joins while proposals wait for another one's disk: it has them before NEWLEADER, and their commits come later.
fn a_follower_joins_while_proposals_are_under_way(variant: Variant) {
    let mut script = Script::of(3, variant);
    script.start(&[1, 3]);
    script.expect_leader(3);
    script.hold_disk(1);
    script.propose(3);
    script.start(&[2]);
    script.settle();
    script.release_disk(1);
    script.settle();
    script.finish();
}

#[test]
fn zookeeper_4394_a_commit_comes_of_what_was_proposed_before_newleader() {
    tells_apart(
        a_follower_joins_while_proposals_are_under_way,
        Variant::ForgetsUncommitted,
        "illegal messages",
    );
}

#[test]
fn zookeeper_4685_a_proposal_is_acknowledged_before_newleader() {
    tells_apart(
        a_follower_joins_while_proposals_are_under_way,
        Variant::ProposalAckedFirst,
        "illegal messages",
    );
}

/// A follower's disk is slow when its leader goes: what waits for it belongs to the old role.
fn a_leader_goes_while_a_followers_disk_is_slow(variant: Variant) {
    let mut script = led_by_3(3, variant);
    script.hold_disk(1);
    script.propose(3);
    script.settle();
    script.stop(&[3]);
    script.settle();
    script.release_disk(1);
    script.settle();
    script.finish();
}

#[test]
fn zookeeper_4712_what_an_old_role_has_not_written_is_written_by_the_next() {
    tells_apart(
        a_leader_goes_while_a_followers_disk_is_slow,
        Variant::WritesOutliveRole,
        "process consistency",
    );
}

/// Server 5 learns by DIFF what 4 lacks; then it leads, and brings 4 to its history.
fn a_follower_leads_and_another_one_lacks_what_it_learned(variant: Variant) {
    let mut script = led_by_3(5, variant);
    script.propose(4);
    script.settle();
    script.start(&[5]);
    script.settle();
    script.propose(2);
    script.settle();
    script.stop(&[3]);
    script.expect_leader(5);
    script.propose(2);
    script.start(&[4]);
    script.settle();
    script.finish();
}

#[test]
fn zookeeper_4925_a_leader_sends_a_history_with_a_hole() {
    tells_apart(
        a_follower_leads_and_another_one_lacks_what_it_learned,
        Variant::HoleInRecent,
        "prefix consistency",
    );
}

/// Then it comes back to another leader.
fn a_leader_comes_back_with_what_nobody_has(variant: Variant) -> Script {
    let mut script = a_leader_has_what_nobody_has(variant);
    script.stop(&[3]);
    script.heal();
    script.expect_leader(2);
    script.start(&[3]);
    script
}

fn a_truncation_is_interrupted(variant: Variant) {
    let mut script = a_leader_comes_back_with_what_nobody_has(variant);
    script.end_at(3, End::LosesLinks, truncates);
    script.hold_disk(3);
    script.settle();
    script.release_disk(3);
    script.settle();
    script.finish();
}

fn a_history_is_truncated(variant: Variant) {
    let mut script = a_leader_comes_back_with_what_nobody_has(variant);
    script.expect_leader(2);
    script.propose(2);
    script.settle();
    script.finish();
}

#[test]
fn zookeeper_5094_an_interrupted_truncation_leaves_the_memory_ahead() {
    tells_apart(a_truncation_is_interrupted, Variant::TruncInterrupted, "what is told is durable");
}

#[test]
fn zookeeper_4837_the_snapshot_behind_a_truncation_is_later_than_the_cut() {
    tells_apart(a_history_is_truncated, Variant::SnapshotBehindCut, "process consistency");
}

/// A leader loses its followers, and looks for a leader with proposals in its log that it has not applied.
fn a_leader_loses_its_followers(variant: Variant) {
    let mut script = a_leader_has_what_nobody_has(variant);
    script.stop(&[1, 2]);
    script.settle();
    script.heal();
    script.start(&[1, 2]);
    script.settle();
    script.finish();
}

#[test]
fn zookeeper_2845_what_is_logged_and_not_applied_is_forgotten_with_the_lead() {
    tells_apart(a_leader_loses_its_followers, Variant::MemoryBehindLog, "process consistency");
}

/// Members wait for each other (`scripted`) for 2 s; who knows better must not.
const NO_WAIT_MS: i64 = 1000;

/// Server 3 comes a moment late. Server 1 has chosen server 2 by then, which has heard of nobody's vote but that of server 3.
#[test]
fn whoever_has_chosen_one_that_goes_with_another_does_not_dial_it_for_long() {
    let mut script = Script::of(3, Variant::Sound);
    script.stall(1, 2);
    script.start(&[1, 2]);
    script.expect_role(1, Role::Learning(ServerId(2), false));
    script.start(&[3]);
    script.expect_leader_within(NO_WAIT_MS, 3);
    script.finish();
}

/// The other way round: server 2 leads, and server 1, which was for it, hears of server 3 a moment later.
#[test]
fn whoever_was_chosen_by_one_that_goes_with_another_does_not_wait_for_it_for_long() {
    let mut script = Script::of(3, Variant::Sound);
    script.cut(2, 3);
    script.stall(3, 1);
    script.start(&[1, 2, 3]);
    script.expect_role(2, Role::Leading(false));
    script.heal();
    script.expect_leader_within(NO_WAIT_MS, 3);
    script.finish();
}
