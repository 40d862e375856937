//! A leader: what it sends to whom, and when.

use super::*;
use crate::zab::{Failure, Refusal, Role};

const EPOCH: i64 = 2;

/// Server 3, elected by server 1; nobody has come.
fn elected(last: Zxid) -> Script {
    let mut script = Script::new(3, stored(1, 1, last));
    script.tell(Event::Unreachable(ServerId(2)));
    script.hears_vote(1, PeerState::Looking, 3, last, 1);
    assert!(script.done().contains(&Action::Listen));
    script
}

fn registers(script: &mut Script, link: u64, sid: i64, observer: bool) {
    script.tell(Event::Arrived(Link(link)));
    script.learner_says(link, ToLeader::Info(LearnerInfo { observer, ..info(sid) }));
}

fn proves(script: &mut Script, link: u64, last_zxid: Zxid) {
    script.learner_says(link, ToLeader::AckEpoch { last_zxid, current_epoch: Some(1) });
}

/// Server 3 leads, with server 1 on link 1.
fn established(last: Zxid) -> Script {
    let mut script = elected(last);
    registers(&mut script, 1, 1, false);
    assert_eq!(script.done(), [Action::StoreAcceptedEpoch(EPOCH)], "its own promise first");
    script.tell(Event::AcceptedEpochStored(EPOCH));
    let info = ToLearner::LeaderInfo { epoch: EPOCH, protocol_version: PROTOCOL_VERSION };
    assert_eq!(script.told_learner(1), [info]);
    proves(&mut script, 1, last);
    let new_leader = ToLearner::NewLeader { epoch: EPOCH, config: Some(MEMBERS.into()) };
    let to = |packet| Action::ToLearners(vec![Link(1)], packet);
    assert_eq!(
        script.done(),
        [Action::Commit(last), Action::StoreCurrentEpoch(EPOCH), to(ToLearner::Diff(last)), to(new_leader)]
    );
    script.learner_says(1, ToLeader::Ack(zxid(EPOCH, 0)));
    assert_eq!(script.done(), [], "its own epoch is not durable");
    script.tell(Event::CurrentEpochStored(EPOCH));
    assert_eq!(script.done(), [Action::Lead(EPOCH), to(ToLearner::UpToDate)]);
    assert_eq!(script.zab.role(), Role::Leading(true));
    script
}

fn proposes(script: &mut Script, text: &str) -> Zxid {
    let zxid = script.zab.next_zxid().expect("it leads");
    let actions = script.zab.propose(script.now_ms, txn(text));
    script.actions.extend(actions);
    zxid
}

#[test]
fn a_proposal_is_committed_when_a_quorum_has_it() {
    let mut script = established(zxid(1, 5));
    let first = proposes(&mut script, "one");
    assert_eq!(first, zxid(EPOCH, 1));
    assert_eq!(
        script.done(),
        [
            Action::Append(first, txn("one")),
            Action::ToLearners(vec![Link(1)], ToLearner::Proposal(first, txn("one")))
        ]
    );
    script.learner_says(1, ToLeader::Ack(first));
    assert_eq!(script.done(), [], "its own vote follows its own disk");
    script.tell(Event::Synced(first));
    assert_eq!(
        script.done(),
        [Action::ToLearners(vec![Link(1)], ToLearner::Commit(first)), Action::Commit(first)]
    );
}

#[test]
fn a_voter_that_is_ahead_has_to_lead_itself() {
    let mut script = elected(zxid(1, 5));
    registers(&mut script, 1, 1, false);
    script.tell(Event::AcceptedEpochStored(EPOCH));
    script.done();
    proves(&mut script, 1, zxid(1, 6));
    let behind = Failure::Behind { sid: ServerId(1), last_zxid: zxid(1, 6) };
    assert!(script.done().contains(&Action::Resign(behind)));
}

#[test]
fn who_acknowledges_what_nobody_has_proposed_is_sent_away() {
    let mut script = established(zxid(1, 5));
    registers(&mut script, 2, 2, false);
    proves(&mut script, 2, zxid(1, 5));
    script.done();
    let last_zxid = zxid(EPOCH, 1);
    script.learner_says(2, ToLeader::Ack(last_zxid));
    let reason = Refusal::Ahead { sid: ServerId(2), last_zxid };
    assert_eq!(script.done(), [Action::Refused(Link(2), reason), Action::HangUp(Link(2))]);
}

#[test]
fn a_learner_that_comes_later_is_brought_up_and_fed() {
    let mut script = established(zxid(1, 5));
    let first = proposes(&mut script, "one");
    script.tell(Event::Synced(first));
    script.learner_says(1, ToLeader::Ack(first));
    let second = proposes(&mut script, "two");
    registers(&mut script, 2, 2, false);
    proves(&mut script, 2, zxid(1, 5));
    assert_eq!(
        script.told_learner(2),
        [
            ToLearner::LeaderInfo { epoch: EPOCH, protocol_version: PROTOCOL_VERSION },
            ToLearner::Diff(first),
            ToLearner::Proposal(first, txn("one")),
            ToLearner::Commit(first),
            ToLearner::Proposal(second, txn("two")),
            ToLearner::NewLeader { epoch: EPOCH, config: Some(MEMBERS.into()) },
        ]
    );
    // ZOOKEEPER-4685: an ACK of a proposal may come before that of NEWLEADER. It does not count before.
    script.tell(Event::Synced(second));
    script.learner_says(2, ToLeader::Ack(second));
    assert_eq!(script.done(), []);
    script.learner_says(2, ToLeader::Ack(zxid(EPOCH, 0)));
    assert_eq!(script.told_learner(2), [ToLearner::Commit(second), ToLearner::UpToDate]);
}

#[test]
fn an_observer_is_informed_and_does_not_vote() {
    let mut script = established(zxid(1, 5));
    registers(&mut script, 2, 4, true);
    proves(&mut script, 2, zxid(1, 5));
    script.learner_says(2, ToLeader::Ack(zxid(EPOCH, 0)));
    script.done();
    let first = proposes(&mut script, "one");
    script.tell(Event::Synced(first));
    script.learner_says(2, ToLeader::Ack(first));
    assert_eq!(script.told_learner(2), []);
    script.learner_says(1, ToLeader::Ack(first));
    assert_eq!(script.told_learner(2), [ToLearner::Inform(first, txn("one"))]);
}

#[test]
fn a_second_process_with_an_id_waits_for_the_first_to_go() {
    let mut script = established(zxid(1, 5));
    registers(&mut script, 2, 1, false);
    assert_eq!(script.done(), [Action::SameId(Link(2), ServerId(1))], "and is asked nothing");
    let first = proposes(&mut script, "one");
    script.tell(Event::Synced(first));
    script.learner_says(1, ToLeader::Ack(first));
    assert!(script.done().contains(&Action::Commit(first)), "the first goes on");
    registers(&mut script, 3, 2, false);
    proves(&mut script, 3, zxid(1, 5));
    script.learner_says(3, ToLeader::Ack(zxid(EPOCH, 0)));
    script.done();
    script.tell(Event::Closed(Link(1)));
    let asked = script.told_learner(2);
    assert!(matches!(asked[..], [ToLearner::LeaderInfo { .. }]), "{asked:?}");
}

#[test]
fn a_link_that_is_silent_gives_its_place_up() {
    let mut script = established(zxid(1, 5));
    registers(&mut script, 3, 2, false);
    proves(&mut script, 3, zxid(1, 5));
    script.learner_says(3, ToLeader::Ack(zxid(EPOCH, 0)));
    registers(&mut script, 4, 2, false);
    let mut hung_up = false;
    for _ in 0..5 {
        script.learner_says(1, ToLeader::Ping { zxid: zxid(EPOCH, 0), touched: Vec::new() });
        script.wait(100);
        hung_up |= script.done().contains(&Action::HangUp(Link(3)));
    }
    assert!(hung_up, "long before syncLimit");
}

/// The leader's own id, in another process.
#[test]
fn nobody_else_is_the_leader() {
    let mut script = established(zxid(1, 5));
    registers(&mut script, 2, 3, false);
    assert_eq!(script.done(), [Action::SameId(Link(2), ServerId(3))]);
}

#[test]
fn a_learner_with_a_later_configuration_is_refused() {
    let mut script = established(zxid(1, 5));
    script.tell(Event::Arrived(Link(2)));
    script.learner_says(2, ToLeader::Info(LearnerInfo { config_version: Some(9), ..info(2) }));
    let refusal = Refusal::LaterConfiguration { sid: ServerId(2), version: 9 };
    assert_eq!(script.done(), [Action::Refused(Link(2), refusal), Action::HangUp(Link(2))]);
}

#[test]
fn a_voter_that_has_promised_a_later_epoch_makes_one_begin() {
    let mut script = established(zxid(1, 5));
    script.tell(Event::Arrived(Link(2)));
    script
        .learner_says(2, ToLeader::Info(LearnerInfo { accepted_epoch: 7, config_version: None, ..info(2) }));
    assert!(script.done().contains(&Action::Resign(Failure::LaterPromise { sid: ServerId(2), accepted: 7 })));
}

/// None could begin behind the last one there is.
#[test]
fn whoever_has_promised_the_last_epoch_is_sent_away() {
    let mut script = elected(zxid(1, 5));
    script.tell(Event::Arrived(Link(2)));
    script.learner_says(
        2,
        ToLeader::Info(LearnerInfo { accepted_epoch: Zxid::EPOCH_MAX, config_version: None, ..info(2) }),
    );
    let refused = Action::Refused(Link(2), Refusal::LastEpoch(ServerId(2)));
    assert_eq!(script.done(), [refused, Action::HangUp(Link(2))]);
}

#[test]
fn a_leader_without_a_quorum_gives_up_at_once() {
    let mut script = established(zxid(1, 5));
    script.tell(Event::Closed(Link(1)));
    assert!(script.done().contains(&Action::Resign(Failure::NoQuorum)));
}

#[test]
fn a_leader_whose_supporters_are_gone_waits_for_nobody() {
    let mut script = elected(zxid(1, 5));
    script.tell(Event::Unreachable(ServerId(1)));
    assert!(script.done().contains(&Action::Resign(Failure::NoHope)));
    let mut script = elected(zxid(1, 5));
    script.hears_vote_of_round(2, 1, PeerState::Looking, 1, zxid(1, 5), 1);
    assert!(script.done().contains(&Action::Resign(Failure::NoHope)));
}

#[test]
fn a_follower_that_answers_pings_and_acknowledges_nothing_is_left_behind() {
    let mut script = established(zxid(1, 5));
    registers(&mut script, 2, 2, false);
    proves(&mut script, 2, zxid(1, 5));
    script.learner_says(2, ToLeader::Ack(zxid(EPOCH, 0)));
    let first = proposes(&mut script, "one");
    script.tell(Event::Synced(first));
    script.learner_says(1, ToLeader::Ack(first));
    script.done();
    let mut hung_up = None;
    for at in 0..20 {
        for link in [1, 2] {
            script.learner_says(link, ToLeader::Ping { zxid: first, touched: Vec::new() });
        }
        script.wait(100);
        if script.done().contains(&Action::HangUp(Link(2))) {
            hung_up.get_or_insert(at);
        }
    }
    assert!(hung_up.is_some_and(|at| (10..=12).contains(&at)), "{hung_up:?}");
    assert_eq!(script.zab.role(), Role::Leading(true));
}

#[test]
fn an_epoch_ends_before_its_numbers_do() {
    let mut script = established(zxid(1, 5));
    script.zab.shared.given = Zxid(zxid(EPOCH, 0).0 + 0xffff_fffe);
    assert_eq!(script.zab.next_zxid(), None);
    let mut proposing = Script { zab: script.zab.clone(), ..established(zxid(1, 5)) };
    let actions = proposing.zab.propose(0, txn("one too many"));
    assert!(actions.contains(&Action::Resign(Failure::EpochExhausted)));
    // Nor does an operator's snapshot wait for somebody else to notice.
    script.wait(100);
    assert!(script.done().contains(&Action::Resign(Failure::EpochExhausted)));
}

#[test]
fn a_sync_is_answered_behind_all_that_is_proposed() {
    let mut script = established(zxid(1, 5));
    let first = proposes(&mut script, "one");
    script.tell(Event::Synced(first));
    script.done();
    let actions = script.zab.sync_requested(Link(1));
    assert_eq!(actions, []);
    script.learner_says(1, ToLeader::Ack(first));
    assert_eq!(script.told_learner(1), [ToLearner::Commit(first), ToLearner::Sync]);
}

/// An official follower waits for what its clients have asked in the order in which it has handed that on: a sync that is answered
/// behind the commit of a write that came later would leave it waiting for ever.
#[test]
fn a_sync_is_answered_before_the_commit_of_what_is_proposed_behind_it() {
    let mut script = established(zxid(1, 5));
    let first = proposes(&mut script, "one");
    script.zab.sync_requested(Link(1));
    let second = proposes(&mut script, "two");
    script.tell(Event::Synced(second));
    script.done();
    script.learner_says(1, ToLeader::Ack(second));
    let told = [ToLearner::Commit(first), ToLearner::Sync, ToLearner::Commit(second)];
    assert_eq!(script.told_learner(1), told);
}

#[test]
fn a_learner_that_takes_its_snapshot_is_not_silent() {
    let mut script = established(zxid(1, 5));
    registers(&mut script, 3, 2, false);
    proves(&mut script, 3, Zxid::ZERO);
    script.tell(Event::LogSearched { link: Link(3), found: false });
    assert!(script.done().contains(&Action::SendSnapshot(Link(3), zxid(1, 5))));
    let mut waits = |moving: bool| {
        script.learner_says(1, ToLeader::Ping { zxid: zxid(EPOCH, 0), touched: Vec::new() });
        script.wait(900);
        if moving {
            script.tell(Event::Moving(Link(3)));
        }
        script.done().contains(&Action::HangUp(Link(3)))
    };
    assert!(!(0..6).any(|_| waits(true)));
    assert!((0..3).any(|_| waits(false)), "within initLimit");
}

#[test]
fn an_impatient_leader_gives_up_when_a_voter_turns_away() {
    // Server 1 says that it elects again after each of these times.
    let gives_up = |wait_ms: Option<i64>, after_ms: &[i64]| {
        let mut script = Script::with(3, stored(1, 1, zxid(1, 1)), |options| options.epoch_wait_ms = wait_ms);
        script.hears_vote(1, PeerState::Looking, 3, zxid(1, 1), 1);
        script.hears_vote(2, PeerState::Looking, 3, zxid(1, 1), 1);
        assert!(script.done().contains(&Action::Listen));
        for &ms in after_ms {
            script.wait(ms);
            script.hears_vote_of_round(2, 1, PeerState::Looking, 1, zxid(1, 1), 1);
        }
        script.done().contains(&Action::Resign(Failure::TurnedAway(ServerId(1))))
    };
    assert!(!gives_up(None, &[1000]), "server 2 may still come");
    assert!(!gives_up(Some(500), &[500]));
    assert!(gives_up(Some(500), &[501]));
    assert!(gives_up(Some(500), &[100, 401]), "it says so again");
}

/// What an operator gives is one transaction more: it is put in place while this member leads, and it is elected for it.
#[test]
fn an_operators_snapshot_is_what_a_leader_is_elected_for_again() {
    let mut script = established(zxid(1, 5));
    let first = proposes(&mut script, "one");
    assert_eq!(script.zab.restores_at(), None, "something is not committed");
    script.learner_says(1, ToLeader::Ack(first));
    script.tell(Event::Synced(first));
    let place = script.zab.restores_at().expect("all is committed");
    assert_eq!(place, first.next());
    script.done();
    script.tell(Event::Restoring(7));
    let standing = (script.zab.next_zxid(), script.zab.role());
    assert_eq!(standing, (None, Role::Leading(true)), "nothing more comes");
    assert_eq!(script.done(), [Action::StoreAcceptedEpoch(7)], "those of its znodes are past");
    script.tell(Event::AcceptedEpochStored(7));
    script.tell(Event::Restored);
    assert_eq!(script.done(), [Action::HangUpAll, Action::Resign(Failure::Restored)]);
    script.tell(Event::HistoryReplaced(place));
    let done = script.done();
    let Some(Action::Notify(_, vote)) = done.last() else { panic!("{done:?}") };
    assert_eq!((vote.leader, vote.zxid, vote.peer_epoch), (ServerId(3), place, EPOCH));
    // Server 1, which has all before it, is sent a snapshot.
    script.hears_vote_of_round(2, 1, PeerState::Looking, 3, place, EPOCH);
    registers(&mut script, 2, 1, false);
    script.tell(Event::AcceptedEpochStored(8));
    script.learner_says(2, ToLeader::AckEpoch { last_zxid: first, current_epoch: Some(1) });
    script.tell(Event::LogSearched { link: Link(2), found: false });
    let done = script.done();
    assert!(done.contains(&Action::StoreCurrentEpoch(8)), "{done:?}");
    assert!(done.contains(&Action::SendSnapshot(Link(2), place)), "{done:?}");
}

#[test]
fn whoever_loses_its_lead_while_its_history_is_replaced_does_not_elect_before_that_is_done() {
    let mut script = established(zxid(1, 5));
    let place = script.zab.restores_at().expect("all is committed");
    script.tell(Event::Restoring(7));
    script.tell(Event::AcceptedEpochStored(7));
    script.done();
    script.tell(Event::Closed(Link(1)));
    assert_eq!(script.done(), [Action::HangUpAll, Action::Resign(Failure::NoQuorum)]);
    script.tell(Event::Restored);
    assert_eq!(script.done(), [], "nobody knows yet what it has");
    script.tell(Event::HistoryReplaced(place));
    assert_eq!(script.done()[0], Action::Look);
    assert_eq!(script.zab.last_logged(), place);
}
