//! The configuration changes: who has to have what, on disk, before who says what.

use super::*;
use crate::zab::{Failure, Install, Refusal, Role};
use oxkeeper_codec::{
    OpCode, SessionId,
    records::{SetDataTxn, TxnHeader},
    txn::{LoggedTxn, Txn},
};

const THREE: &str =
    "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\nversion=";

/// Servers 1 to 3 in this version.
fn three(version: i64) -> Membership {
    membership(&format!("{THREE}{version:x}"))
}

/// Without server 3.
fn two(version: i64) -> Membership {
    membership(&format!("server.1=a:1:2:participant\nserver.2=b:1:2:participant\nversion={version:x}"))
}

fn text(membership: &Membership) -> Option<oxkeeper_codec::ByteStr> {
    Some(membership.to_string().into())
}

/// The transaction that makes this configuration.
pub(super) fn change(zxid: Zxid, to: &Membership) -> Bytes {
    let header = TxnHeader { client_id: SessionId(1), cxid: 1, zxid, time: 0, op: OpCode::RECONFIG };
    let data = Some(Bytes::from(to.to_string()));
    let txn = Txn::Reconfig(SetDataTxn { path: "/zookeeper/config".into(), data, version: -1 });
    let mut bytes = Vec::new();
    LoggedTxn { header, txn, digest: None }.encode(&mut bytes);
    bytes.into()
}

fn member(me: i64, current: Membership, next: Option<Membership>) -> Script {
    Script::of(me, stored(1, 1, zxid(1, 5)), Ensemble::new(current, next, true))
}

fn registers(script: &mut Script, link: u64, sid: i64, version: i64) {
    script.tell(Event::Arrived(Link(link)));
    script.learner_says(link, ToLeader::Info(LearnerInfo { config_version: Some(version), ..info(sid) }));
}

/// Server 3 leads; server 1 has proved that it is not ahead, on link 1.
fn proved(current: Membership) -> Script {
    let version = current.version();
    let mut script = member(3, current, None);
    script.tell(Event::Unreachable(ServerId(2)));
    script.hears_vote(1, PeerState::Looking, 3, zxid(1, 5), 1);
    registers(&mut script, 1, 1, version);
    script.tell(Event::AcceptedEpochStored(2));
    script.done();
    script.learner_says(1, ToLeader::AckEpoch { last_zxid: zxid(1, 5), current_epoch: Some(1) });
    script
}

/// Server 3 leads servers 1 and 2, on links 1 and 2, in a configuration of version 7.
fn leading() -> Script {
    let mut script = proved(three(7));
    script.tell(Event::CurrentEpochStored(2));
    script.learner_says(1, ToLeader::Ack(zxid(2, 0)));
    registers(&mut script, 2, 2, 7);
    script.learner_says(2, ToLeader::AckEpoch { last_zxid: zxid(1, 5), current_epoch: Some(1) });
    script.learner_says(2, ToLeader::Ack(zxid(2, 0)));
    assert_eq!(script.zab.role(), Role::Leading(true));
    script.done();
    script
}

fn proposes(script: &mut Script, txn: Bytes) {
    let actions = script.zab.propose(script.now_ms, txn);
    script.actions.extend(actions);
}

/// A follower of server 3, at the end of discovery.
fn discovered(me: i64, current: Membership) -> Script {
    let mut script = member(me, current, None);
    let other = if me == 1 { 2 } else { 1 };
    script.hears_vote(3, PeerState::Leading, 3, zxid(1, 5), 1);
    script.hears_vote(other, PeerState::Following, 3, zxid(1, 5), 1);
    script.tell(Event::Dialled(LINK));
    script.promises(2);
    script
}

/// The same, once it has acknowledged NEWLEADER, which has told `told`.
fn following(me: i64, current: Membership, told: Option<&Membership>) -> Script {
    let mut script = discovered(me, current);
    script.says(ToLearner::Diff(zxid(1, 5)));
    script.done();
    script.says(ToLearner::NewLeader { epoch: 2, config: told.and_then(text) });
    script
}

/// The same, once it serves in version 7.
fn serving(me: i64) -> Script {
    let mut script = following(me, three(7), Some(&three(7)));
    script.tell(Event::CurrentEpochStored(2));
    script.says(ToLearner::UpToDate);
    assert_eq!(script.zab.role(), Role::Learning(ServerId(3), true));
    script.done();
    script
}

/// ZOOKEEPER-1783: a configuration that was never changed gets the number of the epoch in which a leader is established, once a
/// quorum has it on disk, and the leader too.
#[test]
fn zookeeper_1783_an_established_leader_gives_the_configuration_a_version() {
    let established = three(zxid(2, 0).0);
    let mut script = proved(three(0));
    let done = script.done();
    let told = ToLearner::NewLeader { epoch: 2, config: text(&established) };
    assert_eq!(done[1..3], [Action::StoreNext(Some(established.clone())), Action::StoreCurrentEpoch(2)]);
    assert_eq!(done.last(), Some(&Action::ToLearners(vec![Link(1)], told)));
    script.learner_says(1, ToLeader::Ack(zxid(2, 0)));
    script.tell(Event::CurrentEpochStored(2));
    assert_eq!(script.done(), [], "its own is not durable");
    script.tell(Event::NextStored);
    let up_to_date = Action::ToLearners(vec![Link(1)], ToLearner::UpToDate);
    assert_eq!(script.done(), [Action::Activate(established), Action::Lead(2), up_to_date]);
}

#[test]
fn a_learner_has_the_version_on_disk_before_it_acknowledges_newleader() {
    let established = three(zxid(2, 0).0);
    let mut script = following(1, three(0), Some(&established));
    assert_eq!(script.done(), [Action::StoreNext(Some(established.clone()))]);
    script.tell(Event::NextStored);
    assert_eq!(script.done(), [Action::StoreCurrentEpoch(2)]);
    script.tell(Event::CurrentEpochStored(2));
    assert_eq!(script.told_leader(), [ToLeader::Ack(zxid(2, 0))]);
    script.says(ToLearner::UpToDate);
    let ack = Action::ToLeader(LINK, ToLeader::Ack(zxid(2, 0)));
    assert_eq!(script.done(), [Action::Activate(established), ack, Action::Serve]);
}

#[test]
fn without_reconfig_enabled_nothing_of_that_happens() {
    let told = three(zxid(2, 0).0);
    let mut script = Script::new(1, stored(1, 1, zxid(1, 5)));
    script.reaches_leader(1);
    script.promises(2);
    script.says(ToLearner::Diff(zxid(1, 5)));
    script.done();
    script.says(ToLearner::NewLeader { epoch: 2, config: text(&told) });
    script.tell(Event::CurrentEpochStored(2));
    script.says(ToLearner::UpToDate);
    let done = script.done();
    assert!(
        !done.iter().any(|action| matches!(action, Action::StoreNext(_) | Action::Activate(_))),
        "{done:?}"
    );
    assert_eq!(script.zab.ensemble().version(), 0);
}

/// A configuration that another has in force is taken by whoever elects; with other members, the election begins anew.
#[test]
fn whoever_elects_takes_a_later_configuration() {
    let hears = |config: &Membership| {
        let mut script = member(1, three(7), None);
        script.done();
        let (state, leader) = (PeerState::Looking, ServerId(2));
        let said = Notification {
            state,
            leader,
            zxid: zxid(1, 5),
            election_epoch: 1,
            peer_epoch: 1,
            config: text(config),
        };
        script.tell(Event::Notified(ServerId(2), said));
        script
    };
    let mut script = hears(&three(9));
    assert_eq!(script.done()[0], Action::Activate(three(9)));
    let mut script = hears(&two(9));
    let done = script.done();
    assert_eq!(done[..2], [Action::Activate(two(9)), Action::Look]);
    let Some(Action::Notify(to, vote)) = done.last() else { panic!("{done:?}") };
    assert_eq!((to, vote.leader, &vote.config), (&[ServerId(2)].into(), ServerId(1), &text(&two(9))));
    let mut script = hears(&two(6));
    assert!(!script.done().iter().any(|action| matches!(action, Action::Activate(_))), "it is older");
}

#[test]
fn a_change_is_kept_before_it_is_logged_and_both_before_it_is_acknowledged() {
    let at = zxid(2, 1);
    let mut script = serving(1);
    script.says(ToLearner::Proposal(at, change(at, &two(at.0))));
    assert_eq!(
        script.done(),
        [Action::StoreNext(Some(two(at.0))), Action::Append(at, change(at, &two(at.0)))]
    );
    script.tell(Event::Synced(at));
    assert_eq!(script.done(), []);
    script.tell(Event::NextStored);
    assert_eq!(script.told_leader(), [ToLeader::Ack(at)]);
    script.says(ToLearner::CommitAndActivate(at, ServerId(3)));
    assert_eq!(script.done(), [Action::Commit(at), Action::Activate(two(at.0))]);
    assert_eq!(script.zab.role(), Role::Learning(ServerId(3), true), "its leader stays");
}

#[test]
fn a_member_that_stops_in_a_change_needs_both_quorums() {
    let four = "server.4=d:1:2\nserver.5=e:1:2\nserver.1=a:1:2\nversion=200000001";
    let mut script = member(1, three(7), Some(membership(four)));
    assert_eq!(script.zab.voters(), 5);
    script.hears_vote(2, PeerState::Looking, 1, zxid(1, 5), 1);
    script.hears_vote(3, PeerState::Looking, 1, zxid(1, 5), 1);
    script.wait(1000);
    assert_eq!(script.zab.role(), Role::Looking, "none of the new ones");
    script.hears_vote(4, PeerState::Looking, 1, zxid(1, 5), 1);
    script.wait(1000);
    assert_eq!(script.zab.role(), Role::Leading(false));
}

/// Each proposal from the change on needs both; behind its commit, the new one alone.
#[test]
fn a_leader_commits_a_change_with_both_quorums() {
    let next = "server.3=c:1:2\nserver.4=d:1:2\nserver.5=e:1:2\nversion=200000001";
    let at = zxid(2, 1);
    let mut script = leading();
    proposes(&mut script, change(at, &membership(next)));
    proposes(&mut script, txn("two"));
    script.tell(Event::NextStored);
    script.tell(Event::Synced(zxid(2, 2)));
    script.learner_says(1, ToLeader::Ack(zxid(2, 2)));
    script.learner_says(2, ToLeader::Ack(zxid(2, 2)));
    let commits = |done: Vec<Action>| done.into_iter().filter(|it| matches!(it, Action::Commit(_))).count();
    assert_eq!(commits(script.done()), 0, "of the new ones there is only this one");
    registers(&mut script, 4, 4, 0);
    script.learner_says(4, ToLeader::AckEpoch { last_zxid: zxid(2, 0), current_epoch: Some(2) });
    script.learner_says(4, ToLeader::Ack(zxid(2, 0)));
    let told = script.told_learner(4);
    assert_eq!(told.last(), Some(&ToLearner::NewLeader { epoch: 2, config: text(&membership(next)) }));
    script.learner_says(4, ToLeader::Ack(at));
    let done = script.done();
    assert_eq!(
        done[1..3],
        [Action::Commit(at), Action::Activate(membership(next))],
        "the second needs one more acknowledgement: {done:?}"
    );
    let activate = ToLearner::CommitAndActivate(at, ServerId(3));
    assert_eq!(done[0], Action::ToLearners([1, 2, 4].map(Link).into(), activate));
    assert_eq!(done[3], Action::ToLearners(vec![Link(4)], ToLearner::UpToDate), "not before");
    script.learner_says(4, ToLeader::Ack(zxid(2, 2)));
    assert_eq!(commits(script.done()), 1);
}

/// A leader that is removed names the one that has most, commits nothing more, and waits until all have gone there.
#[test]
fn a_leader_that_is_removed_hands_over() {
    let at = zxid(2, 1);
    let mut script = leading();
    proposes(&mut script, change(at, &two(at.0)));
    proposes(&mut script, txn("two"));
    script.tell(Event::NextStored);
    script.tell(Event::Synced(zxid(2, 2)));
    script.learner_says(2, ToLeader::Ack(at));
    script.learner_says(2, ToLeader::Ack(zxid(2, 2)));
    script.done();
    script.learner_says(1, ToLeader::Ack(at));
    let named = ToLearner::CommitAndActivate(at, ServerId(2));
    let told = Action::ToLearners([1, 2].map(Link).into(), named);
    assert_eq!(script.done(), [told, Action::Commit(at), Action::Activate(two(at.0))]);
    script.learner_says(1, ToLeader::Ack(zxid(2, 2)));
    assert_eq!((script.done(), script.zab.next_zxid()), (vec![], None));
    proposes(&mut script, txn("three"));
    assert_eq!(script.done(), []);
    script.tell(Event::Closed(Link(1)));
    assert_eq!(script.done(), []);
    script.tell(Event::Closed(Link(2)));
    let done = script.done();
    assert_eq!(done[..2], [Action::HangUpAll, Action::Resign(Failure::HandedOver)]);
    assert_eq!(done.last(), Some(&Action::Dial(ServerId(2))), "without an election");
}

#[test]
fn a_leader_that_is_removed_does_not_wait_for_ever() {
    let at = zxid(2, 1);
    let mut script = leading();
    proposes(&mut script, change(at, &two(at.0)));
    script.tell(Event::NextStored);
    script.tell(Event::Synced(at));
    script.learner_says(1, ToLeader::Ack(at));
    script.learner_says(2, ToLeader::Ack(at));
    script.wait(100);
    script.done();
    (0..10).for_each(|_| script.wait(100));
    assert!(script.done().contains(&Action::Resign(Failure::HandedOver)));
}

#[test]
fn who_is_named_leads_at_once_and_the_others_follow() {
    for (me, leads) in [(1, true), (2, false)] {
        let at = zxid(2, 1);
        let mut script = serving(me);
        script.says(ToLearner::Proposal(at, change(at, &two(at.0))));
        script.tell(Event::NextStored);
        script.tell(Event::Synced(at));
        script.done();
        script.says(ToLearner::CommitAndActivate(at, ServerId(1)));
        let done = script.done();
        assert_eq!(done[..2], [Action::Commit(at), Action::Activate(two(at.0))]);
        assert!(done.contains(&Action::Resign(Failure::Reconfigured)) && !done.contains(&Action::Look));
        let begun = if leads { Action::Listen } else { Action::Dial(ServerId(1)) };
        assert_eq!(done.last(), Some(&begun));
    }
}

/// Whoever follows the one that was named knows of it that it has the change, and nothing more.
#[test]
fn nobody_tells_more_of_who_is_named_than_the_change() {
    let at = zxid(2, 1);
    let mut script = serving(2);
    script.says(ToLearner::Proposal(at, change(at, &two(at.0))));
    script.says(ToLearner::Proposal(zxid(2, 2), txn("two")));
    script.tell(Event::NextStored);
    script.tell(Event::Synced(zxid(2, 2)));
    script.says(ToLearner::CommitAndActivate(at, ServerId(1)));
    script.done();
    script.tell(Event::Reachable(ServerId(3)));
    let told = script.done().into_iter().find_map(|action| match action {
        Action::Notify(_, said) => Some((said.state, said.leader, said.zxid, said.peer_epoch)),
        _ => None,
    });
    assert_eq!(told, Some((PeerState::Following, ServerId(1), at, 2)));
}

/// What NEWLEADER tells may be a change that is not committed: then it is not in force before its commit.
#[test]
fn a_change_under_way_is_not_in_force_with_uptodate() {
    let at = zxid(2, 1);
    let mut script = member(1, three(7), None);
    script.reaches_leader(1);
    script.promises(2);
    script.says(ToLearner::Diff(zxid(1, 5)));
    script.says(ToLearner::Proposal(at, change(at, &two(at.0))));
    script.says(ToLearner::NewLeader { epoch: 2, config: text(&two(at.0)) });
    script.tell(Event::NextStored);
    script.tell(Event::Synced(at));
    script.tell(Event::CurrentEpochStored(2));
    assert_eq!(script.told_leader()[2..], [ToLeader::Ack(zxid(2, 0)), ToLeader::Ack(at)]);
    script.says(ToLearner::UpToDate);
    assert_eq!(script.zab.ensemble().current(), &three(7));
    script.says(ToLearner::CommitAndActivate(at, ServerId(3)));
    assert_eq!(script.zab.ensemble().current(), &two(at.0));
}

#[test]
fn an_observer_that_gets_a_vote_begins_anew_under_the_same_leader() {
    let with = |role: &str, version: i64| membership(&format!("server.4=d:1:2:{role}\n{THREE}{version:x}"));
    let at = zxid(2, 1);
    let mut script = following(4, with("observer", 7), Some(&with("observer", 7)));
    script.tell(Event::CurrentEpochStored(2));
    script.says(ToLearner::UpToDate);
    script.done();
    let next = with("participant", at.0);
    script.says(ToLearner::InformAndActivate(at, ServerId(3), change(at, &next)));
    let done = script.done();
    assert_eq!(done[0], Action::StoreNext(Some(next.clone())));
    assert!(done.contains(&Action::Activate(next)) && done.contains(&Action::Resign(Failure::Reconfigured)));
    script.tell(Event::NextStored);
    script.tell(Event::Synced(at));
    assert_eq!(script.done().last(), Some(&Action::Dial(ServerId(3))));
    script.tell(Event::Dialled(LINK));
    assert!(matches!(&script.told_leader()[..], [ToLeader::Info(info)] if !info.observer));
}

#[test]
fn a_leader_completes_what_it_finds() {
    let next = two(zxid(1, 5).0);
    let mut script = member(1, three(7), Some(next.clone()));
    script.tell(Event::Unreachable(ServerId(3)));
    script.hears_vote(2, PeerState::Looking, 1, zxid(1, 5), 1);
    registers(&mut script, 2, 2, 7);
    script.tell(Event::AcceptedEpochStored(2));
    script.done();
    script.learner_says(2, ToLeader::AckEpoch { last_zxid: zxid(1, 5), current_epoch: Some(1) });
    let told = script.told_learner(2);
    assert_eq!(told.last(), Some(&ToLearner::NewLeader { epoch: 2, config: text(&next) }));
    script.tell(Event::CurrentEpochStored(2));
    script.learner_says(2, ToLeader::Ack(zxid(2, 0)));
    assert_eq!(script.done()[..2], [Action::Activate(next), Action::Lead(2)]);
}

#[test]
fn a_learner_with_a_later_configuration_is_refused() {
    let mut script = leading();
    registers(&mut script, 9, 2, 8);
    let refusal = Refusal::LaterConfiguration { sid: ServerId(2), version: 8 };
    assert!(script.done().contains(&Action::Refused(Link(9), refusal)));
}

#[test]
fn a_configuration_that_cannot_be_read_ends_the_link() {
    let at = zxid(2, 1);
    let mut script = serving(1);
    let mut bytes = change(at, &two(at.0)).to_vec();
    let len = bytes.len();
    bytes[len - 8..len - 4].copy_from_slice(b"!=\\u");
    script.says(ToLearner::Proposal(at, bytes.into()));
    let done = script.done();
    let is_that = |action: &Action| matches!(action, Action::Resign(Failure::Configuration { .. }));
    assert!(done.iter().any(is_that), "{done:?}");
}

/// The snapshot may hold a change, and whoever has it may lead next: it is put in place with what NEWLEADER tells.
#[test]
fn a_snapshot_is_installed_with_the_configuration_that_newleader_tells() {
    let told = two(zxid(1, 7).0);
    let receives = || {
        let mut script = discovered(1, three(7));
        script.done();
        script.says(ToLearner::Snap(zxid(1, 9)));
        assert_eq!(script.done(), [], "it may hold what makes a configuration");
        script.says(ToLearner::NewLeader { epoch: 2, config: text(&told) });
        let install = Install { link: LINK, zxid: zxid(1, 9), told: Some(told.clone()) };
        assert_eq!(script.done(), [Action::Install(install)]);
        script
    };
    let mut script = receives();
    script.tell(Event::HistoryReplaced(zxid(1, 9)));
    assert_eq!(script.done(), [Action::StoreNext(Some(told.clone())), Action::Commit(zxid(1, 9))]);
    script.tell(Event::NextStored);
    assert_eq!(script.done(), [Action::StoreCurrentEpoch(2)]);

    let mut script = receives();
    script.tell(Event::Closed(LINK));
    script.done();
    script.tell(Event::HistoryReplaced(zxid(1, 9)));
    assert_eq!(script.done(), [Action::StoreNext(Some(told.clone()))], "nobody elects before that is known");
    script.tell(Event::NextStored);
    assert_eq!(script.done()[0], Action::Look);
    assert_eq!(script.zab.ensemble().next(), Some(&told));
}

/// Server 1 observes.
fn observed(version: i64) -> Membership {
    membership(&format!(
        "server.1=a:1:2:observer\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\nversion={version:x}"
    ))
}

/// A member keeps a change before it logs it: it may lead with one that its log has not.
#[test]
fn an_observer_has_a_say_in_a_change_that_it_was_told_of_and_nobody_has_logged() {
    let next = membership(&format!(
        "server.1=a:1:2:participant\nserver.3=c:1:2:participant\nversion={:x}",
        zxid(1, 6).0
    ));
    let mut script = member(3, observed(7), Some(next.clone()));
    for voter in [1, 2] {
        script.hears_vote(voter, PeerState::Looking, 3, zxid(1, 5), 1);
    }
    for (sid, observer) in [(1_i64, true), (2, false)] {
        script.tell(Event::Arrived(Link(sid.cast_unsigned())));
        let says = LearnerInfo { observer, config_version: Some(7), ..info(sid) };
        script.learner_says(sid.cast_unsigned(), ToLeader::Info(says));
    }
    script.tell(Event::AcceptedEpochStored(2));
    for link in [1, 2] {
        script.learner_says(link, ToLeader::AckEpoch { last_zxid: zxid(1, 5), current_epoch: Some(1) });
    }
    script.tell(Event::CurrentEpochStored(2));
    script.learner_says(2, ToLeader::Ack(zxid(2, 0)));
    assert_eq!(script.zab.role(), Role::Leading(false));
    script.done();
    script.learner_says(1, ToLeader::Ack(zxid(2, 0)));
    assert_eq!(script.done()[..2], [Action::Activate(next), Action::Lead(2)]);
}

/// An observer hears of no proposal: it has a say in a change that it was brought up with, and in no later one.
#[test]
fn a_leader_does_not_count_on_an_observer_that_cannot_acknowledge_the_change() {
    let mut script = member(3, observed(7), None);
    script.hears_vote(2, PeerState::Looking, 3, zxid(1, 5), 1);
    registers(&mut script, 2, 2, 7);
    script.tell(Event::AcceptedEpochStored(2));
    script.learner_says(2, ToLeader::AckEpoch { last_zxid: zxid(1, 5), current_epoch: Some(1) });
    script.tell(Event::CurrentEpochStored(2));
    script.learner_says(2, ToLeader::Ack(zxid(2, 0)));
    script.tell(Event::Arrived(Link(1)));
    let observes = LearnerInfo { observer: true, config_version: Some(7), ..info(1) };
    script.learner_says(1, ToLeader::Info(observes));
    script.learner_says(1, ToLeader::AckEpoch { last_zxid: zxid(1, 5), current_epoch: Some(1) });
    script.learner_says(1, ToLeader::Ack(zxid(2, 0)));
    let alone = membership(&format!(
        "server.1=a:1:2:participant\nserver.3=c:1:2:participant\nversion={:x}",
        zxid(2, 1).0
    ));
    proposes(&mut script, change(zxid(2, 1), &alone));
    script.tell(Event::NextStored);
    script.tell(Event::Synced(zxid(2, 1)));
    script.learner_says(2, ToLeader::Ack(zxid(2, 1)));
    script.done();
    assert_eq!(script.zab.role(), Role::Leading(true));
    script.tell(Event::Closed(Link(2)));
    assert!(script.done().contains(&Action::Resign(Failure::NoQuorum)));
}

/// Server 3 is about to lead in the configuration of these voters, and has the change to those; server 1, which votes in the next
/// one alone, has even more, and server 2 ends here.
fn is_behind_one_that_gets_its_vote(now: &[i64], next: &[i64], second_ends: Zxid) -> Vec<Action> {
    let of = |ids: &[i64], version: i64| {
        let lines: String = ids.iter().map(|id| format!("server.{id}=a:1:2:participant\n")).collect();
        membership(&format!("{lines}version={version:x}"))
    };
    let change_at = zxid(1, 6);
    let ensemble = Ensemble::new(of(now, 7), Some(of(next, change_at.0)), true);
    let mut script = Script::of(3, stored(1, 1, change_at), ensemble);
    script.hears_vote(1, PeerState::Looking, 3, change_at, 1);
    script.hears_vote(2, PeerState::Looking, 3, change_at, 1);
    registers(&mut script, 1, 1, 7);
    registers(&mut script, 2, 2, 7);
    script.tell(Event::AcceptedEpochStored(2));
    script.learner_says(1, ToLeader::AckEpoch { last_zxid: zxid(1, 8), current_epoch: Some(1) });
    assert_eq!(script.zab.role(), Role::Leading(false), "server 2 may lack the change");
    script.learner_says(2, ToLeader::AckEpoch { last_zxid: second_ends, current_epoch: Some(1) });
    script.done()
}

/// A change that a voter of today, or one of the next configuration, has never seen was not committed, nor was anything behind it.
#[test]
fn what_is_behind_a_change_that_was_not_committed_is_cut() {
    for (now, next) in [(&[2, 3][..], &[1][..]), (&[3], &[1, 2])] {
        let done = is_behind_one_that_gets_its_vote(now, next, zxid(1, 5));
        assert!(done.contains(&Action::StoreCurrentEpoch(2)), "{done:?}");
        let cut = Action::ToLearners(vec![Link(1)], ToLearner::Trunc(zxid(1, 6)));
        assert!(done.contains(&cut), "{done:?}");
    }
}

#[test]
fn what_is_behind_a_change_that_may_be_committed_leads() {
    let behind = Action::Resign(Failure::Behind { sid: ServerId(1), last_zxid: zxid(1, 8) });
    for (now, next) in [(&[2, 3][..], &[1][..]), (&[3], &[1, 2])] {
        let done = is_behind_one_that_gets_its_vote(now, next, zxid(1, 6));
        assert!(done.contains(&behind), "{done:?}");
    }
}
