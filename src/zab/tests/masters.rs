//! A follower that serves observers, and an observer that learns from one.

use super::*;
use crate::zab::{Failure, Refusal, Role};
use oxkeeper_codec::{OpCode, SessionId, learner::ForwardedRequest};

const EPOCH: i64 = 2;
const OBSERVER: u64 = 70;

/// Server `me` under server 3, where observers learn from followers; not connected.
fn elected(me: i64) -> Script {
    let mut script = Script::with(me, stored(EPOCH, EPOCH, zxid(EPOCH, 5)), |options| {
        options.observer_masters = true;
    });
    script.hears_vote(3, PeerState::Leading, 3, zxid(EPOCH, 5), EPOCH);
    script.hears_vote(if me == 2 { 1 } else { 2 }, PeerState::Following, 3, zxid(EPOCH, 5), EPOCH);
    script
}

/// It is brought up, and serves.
fn serves(script: &mut Script) {
    script.tell(Event::Dialled(LINK));
    script.says(ToLearner::LeaderInfo { epoch: EPOCH, protocol_version: PROTOCOL_VERSION });
    script.says(ToLearner::Diff(zxid(EPOCH, 5)));
    script.says(ToLearner::NewLeader { epoch: EPOCH, config: None });
    script.tell(Event::CurrentEpochStored(EPOCH));
    script.says(ToLearner::UpToDate);
}

/// Server 1, which serves observers.
fn master() -> Script {
    let mut script = elected(1);
    assert!(script.done().contains(&Action::Dial(ServerId(3))), "a follower learns from the leader");
    serves(&mut script);
    let done = script.done();
    assert_eq!(done[done.len() - 2..], [Action::Serve, Action::ListenForObservers]);
    script
}

fn comes(script: &mut Script, link: u64, last_zxid: Zxid) {
    script.tell(Event::Arrived(Link(link)));
    let info = LearnerInfo { observer: true, accepted_epoch: EPOCH, ..info(4) };
    script.learner_says(link, ToLeader::Info(info));
    script.learner_says(link, ToLeader::AckEpoch { last_zxid, current_epoch: None });
}

/// With an observer that is up to date.
fn serving() -> Script {
    let mut script = master();
    comes(&mut script, OBSERVER, zxid(EPOCH, 5));
    script.learner_says(OBSERVER, ToLeader::Ack(zxid(EPOCH, 0)));
    script.done();
    script
}

fn new_leader() -> ToLearner {
    ToLearner::NewLeader { epoch: EPOCH, config: Some(MEMBERS.into()) }
}

#[test]
fn an_observer_is_brought_up_to_what_is_committed_here() {
    let mut script = master();
    script.says(ToLearner::Proposal(zxid(EPOCH, 6), txn("six")));
    script.says(ToLearner::Commit(zxid(EPOCH, 6)));
    script.says(ToLearner::Proposal(zxid(EPOCH, 7), txn("seven")));
    script.done();
    comes(&mut script, OBSERVER, zxid(EPOCH, 5));
    assert_eq!(
        script.told_learner(OBSERVER),
        [
            ToLearner::LeaderInfo { epoch: EPOCH, protocol_version: PROTOCOL_VERSION },
            ToLearner::Diff(zxid(EPOCH, 6)),
            ToLearner::Proposal(zxid(EPOCH, 6), txn("six")),
            ToLearner::Commit(zxid(EPOCH, 6)),
            new_leader(),
        ]
    );
    script.says(ToLearner::Commit(zxid(EPOCH, 7)));
    let inform = ToLearner::Inform(zxid(EPOCH, 7), txn("seven"));
    let done = script.done();
    let to_observer = |packet| Action::ToLearners(vec![Link(OBSERVER)], packet);
    assert_eq!(done, [Action::Commit(zxid(EPOCH, 7)), to_observer(inform)], "committed here first");
    script.learner_says(OBSERVER, ToLeader::Ack(zxid(EPOCH, 0)));
    assert_eq!(script.told_learner(OBSERVER), [ToLearner::UpToDate]);
    let tally = script.zab.tally().expect("it serves observers");
    assert_eq!((tally.learners, tally.synced_observers), (1, 1));
}

/// It was told more by another follower: commits that are on their way here.
#[test]
fn one_that_is_ahead_waits_and_loses_nothing() {
    let mut script = master();
    script.says(ToLearner::Proposal(zxid(EPOCH, 6), txn("six")));
    script.done();
    comes(&mut script, OBSERVER, zxid(EPOCH, 6));
    let info = ToLearner::LeaderInfo { epoch: EPOCH, protocol_version: PROTOCOL_VERSION };
    assert_eq!(script.told_learner(OBSERVER), [info]);
    script.says(ToLearner::Commit(zxid(EPOCH, 6)));
    assert_eq!(script.told_learner(OBSERVER), [ToLearner::Diff(zxid(EPOCH, 6)), new_leader()]);
}

#[test]
fn one_that_lacks_much_is_sent_the_log_or_a_snapshot() {
    let mut script = master();
    comes(&mut script, OBSERVER, zxid(EPOCH, 1));
    assert!(script.done().contains(&Action::SearchLog(Link(OBSERVER), zxid(EPOCH, 1))));
    script.tell(Event::LogSearched { link: Link(OBSERVER), found: false });
    assert!(script.done().contains(&Action::SendSnapshot(Link(OBSERVER), zxid(EPOCH, 5))));
}

#[test]
fn an_observer_hears_no_proposal_and_has_no_vote() {
    let mut script = serving();
    script.says(ToLearner::Proposal(zxid(EPOCH, 6), txn("six")));
    assert_eq!(script.told_learner(OBSERVER), []);
    script.learner_says(OBSERVER, ToLeader::Ack(zxid(EPOCH, 5)));
    assert_eq!(script.done(), []);
    assert_eq!(script.zab.voter_at(Link(OBSERVER)), None);
    assert_eq!(script.zab.synced_followers(), super::super::Members::new());
    script.learner_says(OBSERVER, ToLeader::Ack(zxid(EPOCH, 7)));
    let ahead = Refusal::Ahead { sid: ServerId(4), last_zxid: zxid(EPOCH, 7) };
    let gone = [Action::Refused(Link(OBSERVER), ahead), Action::HangUp(Link(OBSERVER))];
    assert_eq!(script.done(), gone, "nobody has proposed that");
}

#[test]
fn what_its_clients_want_is_handed_on() {
    let mut script = serving();
    let (session, link) = (SessionId(9), Link(OBSERVER));
    script.learner_says(OBSERVER, ToLeader::Ping { zxid: zxid(EPOCH, 5), touched: vec![(session, 4000)] });
    script.learner_says(OBSERVER, ToLeader::Revalidate { session, timeout_ms: 4000 });
    let request =
        ForwardedRequest { session, cxid: 1, op: OpCode::SYNC, body: txn("path"), identities: None };
    script.learner_says(OBSERVER, ToLeader::Request(request.clone()));
    assert_eq!(
        script.done(),
        [
            Action::Touched(link, vec![(session, 4000)]),
            Action::Revalidate { link, session, timeout_ms: 4000 },
            Action::Forwarded(link, request),
        ]
    );
}

#[test]
fn a_follower_is_refused() {
    let mut script = master();
    script.tell(Event::Arrived(Link(OBSERVER)));
    script.learner_says(OBSERVER, ToLeader::Info(info(2)));
    let refused = Action::Refused(Link(OBSERVER), Refusal::NoObserver(ServerId(2)));
    assert_eq!(script.done(), [refused, Action::HangUp(Link(OBSERVER))]);
}

#[test]
fn observers_are_pinged_and_those_that_are_silent_go() {
    let mut script = serving();
    script.wait(100);
    assert_eq!(script.told_learner(OBSERVER), [ToLearner::Ping(zxid(EPOCH, 5))]);
    script.learner_says(OBSERVER, ToLeader::Ping { zxid: zxid(EPOCH, 5), touched: Vec::new() });
    script.wait(900);
    script.says(ToLearner::Ping(zxid(EPOCH, 5)));
    script.done();
    script.wait(100);
    assert!(script.done().contains(&Action::HangUp(Link(OBSERVER))));
    assert_eq!(script.zab.role(), Role::Learning(ServerId(3), true), "it follows as before");
}

#[test]
fn without_a_leader_there_is_no_master() {
    let mut script = serving();
    script.tell(Event::Closed(LINK));
    let done = script.done();
    assert!(done.starts_with(&[Action::HangUpAll, Action::Resign(Failure::LeaderGone)]));
    script.tell(Event::Arrived(Link(OBSERVER + 1)));
    assert_eq!(script.done(), [Action::HangUp(Link(OBSERVER + 1))]);
}

#[test]
fn an_observer_tries_one_follower_after_the_other_and_then_elects() {
    let mut script = elected(4);
    assert!(script.done().contains(&Action::DialMaster(ServerId(1))));
    script.tell(Event::NotDialled(ServerId(1)));
    assert_eq!(script.done(), [Action::DialMaster(ServerId(2))], "never the leader, server 3");
    script.tell(Event::NotDialled(ServerId(2)));
    assert!(script.done().contains(&Action::Resign(Failure::LeaderGone)));
    script.hears_vote_of_round(2, 3, PeerState::Leading, 3, zxid(EPOCH, 5), EPOCH);
    script.hears_vote_of_round(2, 2, PeerState::Following, 3, zxid(EPOCH, 5), EPOCH);
    assert!(script.done().contains(&Action::DialMaster(ServerId(1))));
    serves(&mut script);
    assert_eq!(script.zab.role(), Role::Learning(ServerId(1), true), "its master");
    assert!(!script.done().contains(&Action::ListenForObservers));
}

/// It looks for the leader itself, and may have a port for observers in a moment.
#[test]
fn a_master_that_has_just_started_was_not_chosen_and_is_dialled_on() {
    let mut script = elected(4);
    script.done();
    script.tell(Event::Reachable(ServerId(1)));
    script.hears_vote_of_round(0, 1, PeerState::Looking, 1, zxid(EPOCH, 5), EPOCH);
    assert_eq!(script.zab.role(), Role::Learning(ServerId(1), false));
}

#[test]
fn an_observer_that_has_lost_its_master_asks_another_one() {
    let mut script = elected(4);
    serves(&mut script);
    script.done();
    script.tell(Event::Closed(LINK));
    script.hears_vote_of_round(2, 3, PeerState::Leading, 3, zxid(EPOCH, 5), EPOCH);
    script.hears_vote_of_round(2, 2, PeerState::Following, 3, zxid(EPOCH, 5), EPOCH);
    assert!(script.done().contains(&Action::DialMaster(ServerId(2))));
}

#[test]
fn an_observer_that_finds_no_master_learns_from_the_leader() {
    let mut script = elected(4);
    for round in 2..5 {
        script.tell(Event::NotDialled(ServerId(1)));
        script.tell(Event::NotDialled(ServerId(2)));
        assert!(script.done().contains(&Action::Resign(Failure::LeaderGone)), "round {round}");
        script.hears_vote_of_round(round, 3, PeerState::Leading, 3, zxid(EPOCH, 5), EPOCH);
        script.hears_vote_of_round(round, 2, PeerState::Following, 3, zxid(EPOCH, 5), EPOCH);
    }
    assert!(script.done().contains(&Action::Dial(ServerId(3))));
}

/// Nobody else is there to learn from. Officially it never joins.
#[test]
fn where_the_leader_votes_alone_observers_learn_from_it() {
    let alone = "server.1=a:1:2:participant\nserver.4=d:1:2:observer\nversion=0";
    let ensemble = Ensemble::from(&membership(alone));
    let mut script =
        Script::made(4, stored(1, 1, zxid(1, 5)), ensemble, |options| options.observer_masters = true);
    script.hears_vote(1, PeerState::Leading, 1, zxid(1, 5), 1);
    assert!(script.done().contains(&Action::Dial(ServerId(1))));
}
