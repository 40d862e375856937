//! A follower: what it tells its leader, and what is durable by then. Several published defects of the official server
//! are an order of these steps.

use super::*;
use crate::zab::{FINALIZE_WAIT_MS, Failure, Install};

/// A follower of server 3, at the end of discovery.
fn discovered(last: Zxid) -> Script {
    let mut script = Script::new(1, stored(1, 1, last));
    script.hears_vote(3, PeerState::Leading, 3, last, 1);
    script.hears_vote(2, PeerState::Following, 3, last, 1);
    assert!(script.done().contains(&Action::Dial(ServerId(3))));
    script.tell(Event::Dialled(LINK));
    let registered = script.told_leader();
    assert!(matches!(&registered[..], [ToLeader::Info(info)] if info.accepted_epoch == 1 && !info.observer));
    script.says(ToLearner::LeaderInfo { epoch: 2, protocol_version: PROTOCOL_VERSION });
    assert_eq!(script.done(), [Action::StoreAcceptedEpoch(2)], "the promise is durable before it is given");
    script.tell(Event::AcceptedEpochStored(2));
    assert_eq!(script.told_leader(), [ToLeader::AckEpoch { last_zxid: last, current_epoch: Some(1) }]);
    script
}

fn new_leader() -> ToLearner {
    ToLearner::NewLeader { epoch: 2, config: None }
}

#[test]
fn a_promise_that_was_given_before_does_not_count_twice() {
    let mut script = Script::new(1, stored(2, 1, zxid(1, 5)));
    script.reaches_leader(1);
    script.done();
    script.says(ToLearner::LeaderInfo { epoch: 2, protocol_version: PROTOCOL_VERSION });
    assert_eq!(script.told_leader(), [ToLeader::AckEpoch { last_zxid: zxid(1, 5), current_epoch: None }]);
}

#[test]
fn an_older_epoch_is_not_followed() {
    let mut script = Script::new(1, stored(5, 1, zxid(1, 5)));
    script.reaches_leader(1);
    script.done();
    script.says(ToLearner::LeaderInfo { epoch: 4, protocol_version: PROTOCOL_VERSION });
    assert!(script.done().contains(&Action::Resign(Failure::OldEpoch { leader: 4, accepted: 5 })));
}

/// A leader gives way to such a promise of a voter. Of others it knows nothing: they would dial it as fast as the network allows.
#[test]
fn who_has_no_vote_asks_a_leader_of_an_older_epoch_again_after_a_while() {
    let mut script = Script::new(4, stored(5, 1, zxid(1, 5)));
    script.reaches_leader(4);
    script.done();
    script.says(ToLearner::LeaderInfo { epoch: 4, protocol_version: PROTOCOL_VERSION });
    let done = script.done();
    assert!(done.contains(&Action::Resign(Failure::OldEpoch { leader: 4, accepted: 5 })), "{done:?}");
    assert!(!done.contains(&Action::Look), "{done:?}");
    script.wait(100);
    assert!(script.done().contains(&Action::Look));
}

/// ZOOKEEPER-3911, 4646: the ACK of NEWLEADER says that what came before is durable. 4643, 4785: so does the current
/// epoch, which must not be durable before it.
#[test]
fn zookeeper_3911_4643_4646_4785_log_then_epoch_then_acknowledgement() {
    let mut script = discovered(zxid(1, 5));
    script.says(ToLearner::Diff(zxid(1, 6)));
    script.says(ToLearner::Proposal(zxid(1, 6), txn("six")));
    script.says(ToLearner::Commit(zxid(1, 6)));
    script.says(new_leader());
    assert_eq!(
        script.done(),
        [Action::Commit(zxid(1, 5)), Action::Append(zxid(1, 6), txn("six")), Action::Commit(zxid(1, 6))]
    );
    script.tell(Event::Synced(zxid(1, 6)));
    assert_eq!(script.done(), [Action::StoreCurrentEpoch(2)]);
    script.tell(Event::CurrentEpochStored(2));
    assert_eq!(script.told_leader(), [ToLeader::Ack(zxid(2, 0))]);
    script.says(ToLearner::UpToDate);
    assert_eq!(script.done(), [Action::ToLeader(LINK, ToLeader::Ack(zxid(2, 0))), Action::Serve]);
}

/// ZOOKEEPER-4394: a proposal that is not committed yet stands before NEWLEADER, and its COMMIT comes right behind.
#[test]
fn zookeeper_4394_a_commit_between_newleader_and_uptodate() {
    let mut script = discovered(zxid(1, 5));
    script.says(ToLearner::Diff(zxid(1, 5)));
    script.says(ToLearner::Proposal(zxid(2, 1), txn("one")));
    script.says(new_leader());
    script.tell(Event::Synced(zxid(2, 1)));
    script.done();
    script.tell(Event::CurrentEpochStored(2));
    // Not committed: acknowledged by itself, behind NEWLEADER (ZOOKEEPER-4685).
    assert_eq!(script.told_leader(), [ToLeader::Ack(zxid(2, 0)), ToLeader::Ack(zxid(2, 1))]);
    script.says(ToLearner::Commit(zxid(2, 1)));
    script.says(ToLearner::UpToDate);
    assert_eq!(
        script.done(),
        [Action::Commit(zxid(2, 1)), Action::ToLeader(LINK, ToLeader::Ack(zxid(2, 0))), Action::Serve]
    );
}

/// ZOOKEEPER-5094: while the log is being cut, nothing that was read from it is anybody's state.
#[test]
fn zookeeper_5094_what_comes_behind_trunc_waits_for_it() {
    let mut script = discovered(zxid(1, 7));
    script.says(ToLearner::Trunc(zxid(1, 5)));
    script.says(ToLearner::Proposal(zxid(2, 1), txn("one")));
    script.says(ToLearner::Commit(zxid(2, 1)));
    script.says(new_leader());
    assert_eq!(script.done(), [Action::Truncate(zxid(1, 5))]);
    script.tell(Event::HistoryReplaced(zxid(1, 5)));
    assert_eq!(
        script.done(),
        [Action::Commit(zxid(1, 5)), Action::Append(zxid(2, 1), txn("one")), Action::Commit(zxid(2, 1))]
    );
}

#[test]
fn zookeeper_5094_a_truncation_that_was_interrupted_is_over_before_it_votes_again() {
    let mut script = discovered(zxid(1, 7));
    script.says(ToLearner::Trunc(zxid(1, 5)));
    script.tell(Event::Closed(LINK));
    let done = script.done();
    assert!(!done.contains(&Action::Look), "{done:?}");
    script.tell(Event::HistoryReplaced(zxid(1, 5)));
    let done = script.done();
    let Some(Action::Notify(_, vote)) = done.last() else { panic!("{done:?}") };
    assert_eq!((vote.leader, vote.zxid), (ServerId(1), zxid(1, 5)));
}

/// A port that something else holds open is reached before there is a leader behind it, and hangs up.
#[test]
fn a_leader_that_hangs_up_before_it_has_said_anything_is_dialled_again() {
    let mut script = Script::new(1, stored(1, 1, zxid(1, 5)));
    script.reaches_leader(1);
    script.done();
    script.tell(Event::Closed(LINK));
    assert_eq!(script.done(), [Action::Dial(ServerId(3))]);
    script.tell(Event::Dialled(LINK));
    assert!(matches!(&script.told_leader()[..], [ToLeader::Info(_)]));
    script.says(ToLearner::LeaderInfo { epoch: 2, protocol_version: PROTOCOL_VERSION });
    script.done();
    script.tell(Event::Closed(LINK));
    script.tell(Event::AcceptedEpochStored(2));
    assert!(script.done().contains(&Action::Look), "it has spoken");
}

#[test]
fn a_leader_that_has_left_is_not_dialled_again() {
    let mut script = Script::new(1, stored(1, 1, zxid(1, 5)));
    script.reaches_leader(1);
    script.hears_vote(3, PeerState::Following, 2, zxid(1, 9), 1);
    script.done();
    script.tell(Event::Closed(LINK));
    assert!(script.done().contains(&Action::Look));
}

/// Epochs are stored one after the other: an earlier promise that is still under way could otherwise be overwritten by a
/// lower one.
#[test]
fn a_promise_that_is_under_way_is_over_before_it_votes_again() {
    let mut script = Script::new(1, stored(1, 1, zxid(1, 5)));
    script.reaches_leader(1);
    script.says(ToLearner::LeaderInfo { epoch: 2, protocol_version: PROTOCOL_VERSION });
    script.done();
    script.tell(Event::Closed(LINK));
    assert!(!script.done().contains(&Action::Look));
    script.tell(Event::AcceptedEpochStored(2));
    assert!(script.done().contains(&Action::Look));
}

/// ZOOKEEPER-2845, 4712: what a role has given to the log is durable before the next role begins, and what it votes with is
/// what is there.
#[test]
fn zookeeper_2845_4712_a_vote_waits_for_the_log() {
    let mut script = discovered(zxid(1, 5));
    script.says(ToLearner::Diff(zxid(1, 6)));
    script.says(ToLearner::Proposal(zxid(1, 6), txn("six")));
    script.tell(Event::Closed(LINK));
    assert!(!script.done().contains(&Action::Look));
    script.tell(Event::Synced(zxid(1, 6)));
    let done = script.done();
    let Some(Action::Notify(_, vote)) = done.last() else { panic!("{done:?}") };
    assert_eq!((vote.zxid, vote.election_epoch), (zxid(1, 6), 2));
}

#[test]
fn a_proposal_that_is_not_the_next_one_ends_the_link() {
    for wrong in [zxid(1, 7), zxid(1, 5), zxid(0, 1)] {
        let mut script = discovered(zxid(1, 5));
        script.says(ToLearner::Diff(zxid(1, 6)));
        script.says(ToLearner::Proposal(wrong, txn("wrong")));
        let gap = Failure::Gap { last: zxid(1, 5), zxid: wrong };
        assert!(script.done().contains(&Action::Resign(gap)), "{wrong}");
    }
}

#[test]
fn a_commit_of_another_proposal_than_the_oldest_ends_the_link() {
    let mut script = discovered(zxid(1, 5));
    script.says(ToLearner::Diff(zxid(1, 7)));
    script.says(ToLearner::Proposal(zxid(1, 6), txn("six")));
    script.says(ToLearner::Proposal(zxid(1, 7), txn("seven")));
    script.says(ToLearner::Commit(zxid(1, 7)));
    let wrong = Failure::WrongCommit { zxid: zxid(1, 7), expected: Some(zxid(1, 6)) };
    assert!(script.done().contains(&Action::Resign(wrong)));
}

#[test]
fn a_packet_without_a_meaning_ends_the_link() {
    let mut script = discovered(zxid(1, 5));
    script.says(ToLearner::UpToDate);
    let unexpected = Failure::Unexpected { phase: "synchronisation", packet: PacketType::UPTODATE };
    assert!(script.done().contains(&Action::Resign(unexpected)));
}

/// A follower acknowledges when its own disk has it; it applies when the quorum has it.
#[test]
fn a_commit_does_not_wait_for_its_own_disk() {
    let mut script = discovered(zxid(1, 5));
    script.says(ToLearner::Diff(zxid(1, 5)));
    script.says(new_leader());
    script.tell(Event::CurrentEpochStored(2));
    script.says(ToLearner::UpToDate);
    script.done();
    script.says(ToLearner::Proposal(zxid(2, 1), txn("one")));
    script.says(ToLearner::Commit(zxid(2, 1)));
    assert_eq!(script.done(), [Action::Append(zxid(2, 1), txn("one")), Action::Commit(zxid(2, 1))]);
    script.tell(Event::Synced(zxid(2, 1)));
    assert_eq!(script.told_leader(), [ToLeader::Ack(zxid(2, 1))]);
}

#[test]
fn a_leader_that_is_silent_is_left() {
    let mut script = discovered(zxid(1, 5));
    script.wait(1999);
    assert_eq!(script.done(), []);
    script.wait(1);
    assert!(script.done().contains(&Action::Resign(Failure::LeaderSilent)));
    // Its connections stand, and nobody waits for its vote.
    script.hears_vote_of_round(7, 2, PeerState::Looking, 2, zxid(1, 5), 1);
    assert!(script.done().iter().any(|action| matches!(action, Action::Chosen { leader: ServerId(2), .. })));
}

#[test]
fn a_leader_that_was_silent_is_waited_for_once_it_speaks() {
    let mut script = discovered(zxid(1, 5));
    script.wait(2000);
    script.hears_vote_of_round(6, 3, PeerState::Looking, 3, zxid(1, 4), 1);
    script.done();
    script.hears_vote_of_round(7, 2, PeerState::Looking, 2, zxid(1, 5), 1);
    assert!(
        !script.done().iter().any(|action| matches!(action, Action::Chosen { .. })),
        "server 3 may be ahead"
    );
    script.wait(FINALIZE_WAIT_MS);
    assert!(script.done().iter().any(|action| matches!(action, Action::Chosen { leader: ServerId(2), .. })));
}

#[test]
fn an_observer_acknowledges_newleader_and_no_proposal() {
    let mut script = Script::new(4, stored(1, 1, zxid(1, 5)));
    script.reaches_leader(1);
    assert!(matches!(&script.told_leader()[..], [ToLeader::Info(info)] if info.observer));
    script.says(ToLearner::LeaderInfo { epoch: 1, protocol_version: PROTOCOL_VERSION });
    script.says(ToLearner::Diff(zxid(1, 6)));
    script.says(ToLearner::Proposal(zxid(1, 6), txn("six")));
    script.says(ToLearner::Commit(zxid(1, 6)));
    script.says(ToLearner::NewLeader { epoch: 1, config: None });
    script.tell(Event::Synced(zxid(1, 6)));
    script.tell(Event::CurrentEpochStored(1));
    script.says(ToLearner::UpToDate);
    script.says(ToLearner::Inform(zxid(1, 7), txn("seven")));
    script.tell(Event::Synced(zxid(1, 7)));
    let acks: Vec<ToLeader> =
        script.told_leader().into_iter().filter(|packet| matches!(packet, ToLeader::Ack(_))).collect();
    assert_eq!(acks, [ToLeader::Ack(zxid(1, 0)), ToLeader::Ack(zxid(1, 0))]);
}

#[test]
fn a_leader_whose_snapshot_is_moving_is_not_silent() {
    let mut script = discovered(zxid(1, 5));
    script.says(ToLearner::Snap(zxid(2, 9)));
    for _ in 0..5 {
        script.wait(1500);
        script.tell(Event::Moving(LINK));
    }
    script.tell(Event::Moving(Link(LINK.0 + 1)));
    assert!(!script.done().iter().any(|action| matches!(action, Action::Resign(_))));
    script.wait(2000);
    assert!(script.done().contains(&Action::Resign(Failure::LeaderSilent)), "another link does not count");
}

#[test]
fn a_ping_is_not_answered_before_newleader_is_acknowledged() {
    let mut script = discovered(zxid(1, 5));
    script.says(ToLearner::Snap(zxid(2, 9)));
    script.says(ToLearner::Ping(zxid(2, 9)));
    script.says(new_leader());
    script.tell(Event::HistoryReplaced(zxid(2, 9)));
    script.says(ToLearner::Ping(zxid(2, 9)));
    assert_eq!(script.told_leader(), []);
    script.tell(Event::CurrentEpochStored(2));
    script.says(ToLearner::Ping(zxid(2, 9)));
    let ping = ToLeader::Ping { zxid: zxid(2, 9), touched: Vec::new() };
    assert_eq!(script.told_leader(), [ToLeader::Ack(zxid(2, 0)), ping]);
}

/// An official leader forwards from before the end of the snapshot that it sends.
#[test]
fn what_a_snapshot_has_is_passed_over_until_newleader() {
    let receives = || {
        let mut script = discovered(zxid(1, 5));
        script.says(ToLearner::Snap(zxid(1, 9)));
        script.done();
        for counter in [8, 9] {
            script.says(ToLearner::Proposal(zxid(1, counter), txn("in the snapshot")));
        }
        for counter in [8, 9] {
            script.says(ToLearner::Commit(zxid(1, counter)));
        }
        script
    };
    let mut script = receives();
    script.says(ToLearner::Inform(zxid(1, 9), txn("in the snapshot")));
    script.says(ToLearner::Proposal(zxid(1, 10), txn("behind it")));
    script.says(new_leader());
    script.done();
    script.tell(Event::HistoryReplaced(zxid(1, 9)));
    let behind = Action::Append(zxid(1, 10), txn("behind it"));
    assert_eq!(script.done(), [Action::Commit(zxid(1, 9)), behind], "NEWLEADER waits for the disk");
    script.tell(Event::Synced(zxid(1, 10)));
    script.tell(Event::CurrentEpochStored(2));
    assert_eq!(script.told_leader(), [ToLeader::Ack(zxid(2, 0)), ToLeader::Ack(zxid(1, 10))]);

    let mut script = receives();
    script.says(new_leader());
    script.tell(Event::HistoryReplaced(zxid(1, 9)));
    script.done();
    script.says(ToLearner::Proposal(zxid(1, 9), txn("late")));
    let failure = Failure::Gap { last: zxid(1, 9), zxid: zxid(1, 9) };
    assert!(script.done().contains(&Action::Resign(failure)), "behind NEWLEADER nothing is forgiven");
}

/// A follower that cannot cut its history as its leader wants, and comes back to server 3, which leads in this epoch.
fn comes_back_uncut(epoch: i64) -> Script {
    let mut script = discovered(zxid(1, 5));
    script.says(ToLearner::Trunc(zxid(1, 2)));
    script.tell(Event::HistoryReplaced(zxid(1, 5)));
    let failure = Failure::CutTooFar { last: zxid(1, 5), wanted: zxid(1, 2) };
    assert!(script.done().contains(&Action::Resign(failure)));
    script.hears_vote_of_round(2, 3, PeerState::Leading, 3, zxid(1, 5), 1);
    script.hears_vote_of_round(2, 2, PeerState::Following, 3, zxid(1, 5), 1);
    script.tell(Event::Dialled(LINK));
    script.done();
    script.says(ToLearner::LeaderInfo { epoch, protocol_version: PROTOCOL_VERSION });
    script
}

/// A snapshot that an earlier leader has sent, and that nobody else has, may begin behind where the next one wants the history cut.
#[test]
fn a_history_that_cannot_be_cut_is_replaced() {
    let mut script = comes_back_uncut(2);
    let asks = ToLeader::AckEpoch { last_zxid: zxid(3, 0), current_epoch: None };
    assert_eq!(script.told_leader(), [asks]);
    script.says(ToLearner::Snap(zxid(1, 2)));
    script.says(new_leader());
    let install = Install { link: LINK, zxid: zxid(1, 2), told: None };
    assert_eq!(script.done(), [Action::Install(install)]);
    script.tell(Event::HistoryReplaced(zxid(1, 2)));
    assert_eq!(script.done(), [Action::Commit(zxid(1, 2)), Action::StoreCurrentEpoch(2)]);
}

#[test]
fn another_leader_hears_what_there_is_though_it_cannot_be_cut() {
    let mut script = comes_back_uncut(3);
    script.done();
    script.tell(Event::AcceptedEpochStored(3));
    let proves = ToLeader::AckEpoch { last_zxid: zxid(1, 5), current_epoch: Some(1) };
    assert_eq!(script.told_leader(), [proves]);
}

/// Where a leader needs this member for its quorum, it falls without it, and comes back with another epoch.
#[test]
fn a_leader_of_a_later_epoch_is_asked_for_what_replaces_a_history_that_cannot_be_cut() {
    let mut script = discovered(zxid(1, 5));
    script.says(ToLearner::Trunc(zxid(1, 2)));
    script.tell(Event::HistoryReplaced(zxid(1, 5)));
    for voter in [2, 3] {
        script.hears_vote_of_round(2, voter, PeerState::Looking, 3, zxid(1, 2), 2);
    }
    script.tell(Event::Dialled(LINK));
    script.done();
    script.says(ToLearner::LeaderInfo { epoch: 3, protocol_version: PROTOCOL_VERSION });
    script.tell(Event::AcceptedEpochStored(3));
    let asks = ToLeader::AckEpoch { last_zxid: zxid(4, 0), current_epoch: Some(1) };
    assert_eq!(script.told_leader(), [asks]);
    script.says(ToLearner::Diff(zxid(1, 2)));
    let failure = Failure::CutTooFar { last: zxid(1, 5), wanted: zxid(1, 2) };
    assert!(script.done().contains(&Action::Resign(failure)), "that is none");
}
