//! Clients that are held through an election, at a learner and at a leader.

use super::{
    member_tests::{CONN, LINK, Member, Pair, connects, handed_on},
    *,
};
use crate::auth::Identities;
use oxkeeper_codec::{
    Code, Encode, OpCode,
    records::{RequestHeader, SetDataRequest, SyncRequest},
    txn::Txn,
};

impl Pair {
    /// What the learner hands on, by number.
    fn wants(&mut self) -> Vec<i32> {
        let wants = std::mem::take(&mut self.learner.wants).into_iter().map(|want| match want {
            MemberAction::Forward(request) => request.cxid,
            other => panic!("{other:?}"),
        });
        wants.collect()
    }

    /// The leader proposes what this session asks at some other member.
    fn other_sets(&mut self, session: SessionId, cxid: i32) {
        let set = SetDataRequest { path: "/".into(), data: None, version: -1 }.to_vec();
        self.leader.step(handed_on(session, cxid, OpCode::SET_DATA, set));
        self.propose();
    }

    /// It takes all that it has for committed.
    fn commits_all(&mut self) {
        let logged = self.learner.node.last_proposed();
        self.learner.step(Event::Committed(logged));
    }

    fn loses_its_leader(&mut self) {
        let logged = self.learner.node.last_proposed();
        self.learner.step(Event::Member(MemberEvent::Resign(logged)));
    }
}

#[test]
fn who_waits_for_nothing_undecided_waits_for_the_next_leader() {
    let mut pair = Pair::new();
    pair.loses_its_leader();
    assert!(pair.learner.node.holds() && pair.learner.closed.is_empty());
    pair.gets(7);
    pair.sets(8);
    pair.gets(9);
    assert_eq!((pair.learner.answers(), pair.wants()), (vec![], vec![]), "nobody is answered");
    pair.learner.step(Event::Member(MemberEvent::Follow));
    assert!(!pair.learner.node.holds());
    assert_eq!(pair.learner.answers().iter().map(|answer| answer.0).collect::<Vec<_>>(), [7]);
    assert_eq!(pair.wants(), [8]);
    assert_eq!(pair.learner.closed, []);
}

#[test]
fn what_was_held_is_for_whoever_decides() {
    let mut pair = Pair::new();
    pair.loses_its_leader();
    pair.sets(7);
    pair.learner.step(Event::Member(MemberEvent::Lead(Zxid::begin_of(2))));
    let appended = pair.learner.appended.iter().map(|logged| (logged.header.zxid, logged.header.cxid));
    assert_eq!(appended.collect::<Vec<_>>(), [(Zxid((2 << 32) + 1), 7)]);
}

#[test]
fn a_sync_is_asked_again_with_what_is_behind_it() {
    let mut pair = Pair::new();
    pair.syncs(7);
    pair.gets(8);
    assert_eq!(pair.wants(), [7]);
    pair.loses_its_leader();
    pair.learner.step(Event::Member(MemberEvent::Follow));
    assert_eq!((pair.wants(), pair.learner.answers()), (vec![7], vec![]));
    pair.learner.step(Event::Member(MemberEvent::Synced));
    assert_eq!(pair.learner.answers().iter().map(|answer| answer.0).collect::<Vec<_>>(), [7, 8]);
}

#[test]
fn a_write_that_nobody_has_decided_ends_its_connection() {
    let mut pair = Pair::new();
    pair.syncs(7);
    pair.sets(8);
    pair.gets(9);
    pair.loses_its_leader();
    assert_eq!(pair.learner.closed, [(CONN, Reason::NoLeader)]);
    pair.wants();
    pair.sets(10);
    pair.learner.step(Event::Member(MemberEvent::Follow));
    assert_eq!((pair.wants(), pair.learner.answers()), (vec![], vec![]));
}

#[test]
fn a_leader_keeps_those_of_its_clients_who_only_read() {
    let mut leader = Member::new(1, MemberEvent::Lead(Zxid::begin_of(1)));
    let mut sessions = Vec::new();
    for conn in [ConnId(1), ConnId(2)] {
        leader.step(connects(conn, SessionId(0), None));
        let logged = leader.node.last_proposed();
        leader.step(Event::Committed(logged));
        leader.answers();
        sessions.push((conn, leader.appended.last().unwrap().header.client_id));
    }
    let ask = |(conn, session), xid, op, body: Vec<u8>| {
        let header = RequestHeader { xid, op };
        Event::Requests(vec![Request::Op {
            conn,
            session,
            header,
            body: body.into(),
            identities: Identities::none(),
        }])
    };
    let set = SetDataRequest { path: "/".into(), data: None, version: -1 }.to_vec();
    leader.step(ask(sessions[0], 7, OpCode::SET_DATA, set));
    leader.step(ask(sessions[1], 7, OpCode::SYNC, SyncRequest { path: Some("/".into()) }.to_vec()));
    leader.step(Event::Member(MemberEvent::Resign(leader.node.last_proposed())));
    assert_eq!(leader.closed, [(ConnId(1), Reason::NoLeader)]);
    leader.step(Event::Member(MemberEvent::Follow));
    assert!(
        matches!(&leader.wants[..], [MemberAction::Forward(request)] if request.session == sessions[1].1)
    );
}

#[test]
fn whoever_comes_meanwhile_waits_as_well() {
    const OTHER: ConnId = ConnId(5);
    let mut pair = Pair::new();
    pair.loses_its_leader();
    pair.learner.step(connects(OTHER, SessionId(0), None));
    assert_eq!((pair.learner.closed.len(), pair.learner.wants.len()), (0, 0));
    pair.learner.step(Event::Member(MemberEvent::Follow));
    assert!(
        matches!(&pair.learner.wants[..], [MemberAction::Forward(request)] if request.op == OpCode::CREATE_SESSION)
    );
    pair.loses_its_leader();
    assert_eq!(
        pair.learner.closed,
        [(OTHER, Reason::NoLeader)],
        "what has become of its session nobody knows"
    );
    pair.learner.step(connects(OTHER, SessionId(0), None));
    pair.learner.step(Event::Member(MemberEvent::LetGo));
    let closed: Vec<ConnId> = pair.learner.closed.iter().skip(1).map(|(conn, _)| *conn).collect();
    assert_eq!(closed, [CONN, OTHER], "there is no leader in time");
}

#[test]
fn nobody_is_held_for_longer_than_a_tick_or_over_another_history() {
    let idle = |ends: fn(&mut Pair)| {
        let mut pair = Pair::new();
        pair.loses_its_leader();
        pair.gets(7);
        ends(&mut pair);
        assert_eq!(pair.learner.closed, [(CONN, Reason::NoLeader)]);
        pair.learner.step(Event::Member(MemberEvent::Follow));
        assert_eq!((pair.learner.answers(), pair.learner.closed.len()), (vec![], 1));
    };
    idle(|pair| {
        let tick = || Event::Tick { due: Vec::new(), heard: Vec::new() };
        pair.learner.step_at(999, tick());
        assert_eq!((&pair.learner.closed[..], pair.learner.node.next_tick_ms()), (&[][..], 1000));
        pair.learner.step_at(1000, tick());
    });
    idle(|pair| {
        let sessions = vec![(pair.session, 4000)];
        pair.learner.step(Event::Member(MemberEvent::Replaced(sessions)));
    });
    idle(|pair| pair.learner.step(Event::Member(MemberEvent::ReadOnly)));
}

#[test]
fn where_connections_are_not_kept_all_end_with_their_leader() {
    let mut pair = Pair::new();
    pair.learner.node.options.keep_connections = false;
    pair.loses_its_leader();
    assert!(!pair.learner.node.holds());
    assert_eq!(pair.learner.closed, [(CONN, Reason::NoLeader)]);
}

#[test]
fn what_may_be_cut_again_is_not_shown() {
    let mut pair = Pair::new();
    pair.other_sets(SessionId(9), 1);
    let (before, logged) = (pair.learner.tree.last_zxid(), pair.learner.node.last_proposed());
    pair.loses_its_leader();
    pair.gets(7);
    pair.commits_all();
    assert!(pair.learner.node.holds_back() && !pair.learner.node.can_apply());
    assert_eq!((pair.learner.answers(), pair.learner.tree.last_zxid()), (vec![], before));
    // It has lost the election, or the quorum.
    pair.learner.step(Event::Member(MemberEvent::Settled));
    pair.loses_its_leader();
    assert!(!pair.learner.node.can_apply());
    pair.learner.step(Event::Member(MemberEvent::Settled));
    assert_eq!((pair.learner.answers(), pair.learner.tree.last_zxid()), (vec![], logged));
    pair.learner.step(Event::Member(MemberEvent::Lead(Zxid::begin_of(2))));
    assert_eq!((pair.learner.answers(), pair.learner.closed.len()), (vec![(7, logged, Code::OK)], 0));
}

#[test]
fn who_would_see_it_otherwise_has_to_go() {
    let mut pair = Pair::new();
    pair.other_sets(SessionId(9), 1);
    let logged = pair.learner.node.last_proposed();
    pair.learner.step(Event::Member(MemberEvent::LetGo));
    assert_eq!(pair.learner.closed, [], "there is a leader");
    pair.loses_its_leader();
    pair.commits_all();
    pair.learner.step(Event::Member(MemberEvent::LetGo));
    assert_eq!(pair.learner.closed, [(CONN, Reason::NoLeader)]);
    assert_eq!((pair.learner.answers(), pair.learner.tree.last_zxid()), (vec![], logged));
}

#[test]
fn what_was_asked_elsewhere_before_answers_nobody() {
    let mut pair = Pair::new();
    pair.other_sets(pair.session, 7);
    pair.loses_its_leader();
    pair.learner.step(Event::Member(MemberEvent::Follow));
    pair.sets(7);
    pair.commits_all();
    assert_eq!(pair.learner.answers(), [], "it is another request with that number");
    pair.hand_on();
    pair.propose();
    pair.commits_all();
    let zxid = pair.learner.node.last_proposed();
    assert_eq!(pair.learner.answers(), [(7, zxid, Code::OK)]);
}

#[test]
fn a_new_leader_learns_from_pings_where_sessions_are() {
    let pair = Pair::new();
    let mut leader = Member::new(1, MemberEvent::Follow);
    leader.step(Event::Member(MemberEvent::Replaced(vec![(pair.session, 4000)])));
    leader.step(Event::Member(MemberEvent::Resign(Zxid::ZERO)));
    leader.step(Event::Member(MemberEvent::Lead(Zxid::begin_of(2))));
    leader.step(Event::Member(MemberEvent::Touched(LINK, vec![(pair.session, 4000)])));
    // From over another link.
    let set = SetDataRequest { path: "/".into(), data: None, version: -1 }.to_vec();
    leader.step(handed_on(pair.session, 1, OpCode::SET_DATA, set));
    let logged = leader.appended.pop().expect("all become transactions");
    assert!(matches!(&logged.txn, Txn::Error(error) if error.err == Code::SESSION_MOVED), "{logged:?}");
}
