//! Observers without a disk (`observer.syncEnabled=false`): nobody relies on what they have, and who gets a vote begins with what
//! its disk has.

use super::*;
use crate::zab::Failure;

/// Server 4, which observes server 3 without a disk: it has been told this transaction.
fn observing(last: Zxid) -> Script {
    let members = Ensemble::new(membership(MEMBERS), None, true);
    let mut script =
        Script::made(4, stored(1, 1, zxid(1, 5)), members, |options| options.observer_keeps = false);
    assert!(script.done().contains(&Action::KeepNothing));
    observe(&mut script, zxid(1, 5));
    script.says(ToLearner::Inform(last, txn("informed")));
    script.tell(Event::Synced(last));
    assert_eq!(script.done(), [Action::Append(last, txn("informed")), Action::Commit(last)]);
    script
}

/// It finds server 3, which leads in epoch 2, and is brought to its history, without a transaction.
fn observe(script: &mut Script, last: Zxid) {
    script.reaches_leader(1);
    script.promises(2);
    script.says(ToLearner::Diff(last));
    script.says(ToLearner::NewLeader { epoch: 2, config: None });
    script.tell(Event::CurrentEpochStored(2));
    script.says(ToLearner::UpToDate);
    assert!(script.done().contains(&Action::Serve));
}

/// The members once server 4 has a vote, as of transaction 2 of epoch 2.
fn with_a_vote() -> String {
    let members = MEMBERS.replace("server.4=d:1:2:observer", "server.4=d:1:2:participant");
    members.replace("version=0", "version=200000002")
}

/// It resigns, goes back, and votes for itself with what its disk has.
fn goes_back(script: &mut Script) {
    let done = script.done();
    assert!(done.contains(&Action::Resign(Failure::Reconfigured)), "{done:?}");
    assert_eq!(done.last(), Some(&Action::GoBack), "nothing is said before: {done:?}");
    script.tell(Event::WentBack(stored(2, 1, zxid(1, 5))));
    let done = script.done();
    assert_eq!(done.first(), Some(&Action::Look));
    let Some(Action::Notify(_, said)) = done.last() else { panic!("{done:?}") };
    assert_eq!((said.leader, said.zxid, said.peer_epoch), (ServerId(4), zxid(1, 5), 1));
}

#[test]
fn who_keeps_its_log_is_told_to_go_back_to_nothing() {
    let mut script = Script::new(4, stored(1, 1, zxid(1, 5)));
    let done = script.done();
    assert!(!done.contains(&Action::KeepNothing), "{done:?}");
}

#[test]
fn whoever_votes_keeps_what_it_has_also_if_observers_do_not() {
    let mut script = Script::with(1, stored(1, 1, zxid(1, 5)), |options| options.observer_keeps = false);
    let done = script.done();
    assert!(!done.contains(&Action::KeepNothing), "{done:?}");
}

#[test]
fn an_observer_comes_back_with_what_it_has_in_memory() {
    let mut script = observing(zxid(2, 1));
    script.tell(Event::Closed(LINK));
    assert!(!script.done().contains(&Action::GoBack));
    script.reaches_leader(2);
    script.done();
    script.promises(3);
    assert_eq!(
        script.told_leader(),
        [ToLeader::AckEpoch { last_zxid: zxid(2, 1), current_epoch: Some(2) }],
        "it is sent what it lacks, and no more"
    );
}

#[test]
fn who_gets_a_vote_says_only_what_its_disk_has() {
    let mut script = observing(zxid(2, 1));
    let txn = reconfiguring::change(zxid(2, 2), &membership(&with_a_vote()));
    script.says(ToLearner::InformAndActivate(zxid(2, 2), ServerId(3), txn));
    script.tell(Event::NextStored);
    script.tell(Event::Synced(zxid(2, 2)));
    goes_back_and_follows(&mut script);
}

/// Its old leader was named: there is no election.
fn goes_back_and_follows(script: &mut Script) {
    let done = script.done();
    assert!(done.contains(&Action::Resign(Failure::Reconfigured)), "{done:?}");
    assert_eq!(done.last(), Some(&Action::GoBack), "{done:?}");
    script.tell(Event::WentBack(stored(2, 1, zxid(1, 5))));
    assert!(script.done().contains(&Action::Dial(ServerId(3))));
    script.tell(Event::Dialled(LINK));
    let told = script.told_leader();
    assert!(matches!(&told[..], [ToLeader::Info(info)] if !info.observer), "{told:?}");
    script.says(ToLearner::LeaderInfo { epoch: 2, protocol_version: PROTOCOL_VERSION });
    assert_eq!(script.told_leader(), [ToLeader::AckEpoch { last_zxid: zxid(1, 5), current_epoch: None }]);
}

/// A change that waits for this member, whose acknowledgement of NEWLEADER counts already.
#[test]
fn who_is_to_get_a_vote_acknowledges_nothing_from_memory() {
    let mut script = observing(zxid(2, 1));
    script.tell(Event::Closed(LINK));
    script.reaches_leader(2);
    script.promises(3);
    script.says(ToLearner::Diff(zxid(2, 1)));
    script.done();
    script.says(ToLearner::NewLeader { epoch: 3, config: Some(with_a_vote().into()) });
    script.tell(Event::NextStored);
    goes_back(&mut script);
}

#[test]
fn whoever_loses_its_vote_keeps_nothing_any_more() {
    let ensemble = Ensemble::new(membership(MEMBERS), None, true);
    let mut script =
        Script::made(1, stored(1, 1, zxid(1, 5)), ensemble, |options| options.observer_keeps = false);
    script.done();
    let members = MEMBERS.replace("server.1=a:1:2:participant", "server.1=a:1:2:observer");
    let said = Notification {
        state: PeerState::Looking,
        leader: ServerId(2),
        zxid: zxid(1, 5),
        election_epoch: 1,
        peer_epoch: 1,
        config: Some(members.replace("version=0", "version=100000005").into()),
    };
    script.tell(Event::Notified(ServerId(2), said));
    let done = script.done();
    assert!(done.contains(&Action::KeepNothing), "{done:?}");
}
