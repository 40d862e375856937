//! Local sessions and read-only mode, at a leader, a learner, and a member without a leader.

use super::{
    member_tests::Member,
    tests::{at, options},
    *,
};
use crate::{auth::Identities, session::password, zab::Link};
use oxkeeper_codec::{
    Code, Encode, OpCode, Perms,
    learner::ForwardedRequest,
    records::{Acl, ConnectRequest, CreateRequest, GetDataRequest, Id, RequestHeader},
    request::Handshake,
    txn::Txn,
};

const LINK: Link = Link(1);
const CONN: ConnId = ConnId(1);
const TIMEOUT_MS: i32 = 4000;

fn member(server_id: u8, new_sessions: NewSessions, role: MemberEvent) -> Member {
    Member::with(NodeOptions { new_sessions, ..options(server_id) }, role)
}

fn leader(new_sessions: NewSessions) -> Member {
    member(1, new_sessions, MemberEvent::Lead(Zxid::begin_of(1)))
}

impl Member {
    fn connects(&mut self, conn: ConnId, session_id: SessionId, read_only: bool) {
        let passwd = Some(Bytes::copy_from_slice(&password(session_id)));
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid::ZERO,
            time_out: TIMEOUT_MS,
            session_id,
            passwd,
            read_only,
        };
        let handshake = Handshake { request, has_read_only: true };
        self.step(Event::Requests(vec![Request::Connect { conn, handshake }]));
    }

    /// A new session that is local.
    fn opens(&mut self) -> SessionId {
        self.connects(CONN, SessionId(0), true);
        assert_eq!(self.answers(), [(0, Zxid::ZERO, Code::OK)]);
        let mut local = self.node.sessions().local.iter();
        let (session, timeout_ms) = local.next().expect("a local session");
        assert_eq!((local.next(), timeout_ms), (None, TIMEOUT_MS));
        session
    }

    fn asks(&mut self, session: SessionId, xid: i32, op: OpCode, body: Vec<u8>) {
        let header = RequestHeader { xid, op };
        let identities = Identities::none();
        let request = Request::Op { conn: CONN, session, header, body: body.into(), identities };
        self.step(Event::Requests(vec![request]));
    }

    fn kinds(&self) -> Vec<OpCode> {
        self.appended.iter().map(|logged| logged.header.op).collect()
    }

    /// What a learner has asked its leader.
    fn asked(&mut self) -> Vec<(OpCode, i32)> {
        let asked = std::mem::take(&mut self.wants).into_iter().filter_map(|want| match want {
            MemberAction::Forward(ForwardedRequest { op, cxid, .. }) => Some((op, cxid)),
            _ => None,
        });
        asked.collect()
    }

    /// Its leader commits these, and its log has them.
    fn commits(&mut self, txns: Vec<LoggedTxn>) {
        for logged in txns {
            let zxid = logged.header.zxid;
            self.step(Event::Member(MemberEvent::Proposal(logged)));
            self.step(Event::Committed(zxid));
        }
    }
}

fn creates(path: &str, flags: i32) -> Vec<u8> {
    let anyone = Id { scheme: "world".into(), id: "anyone".into() };
    let acl = Some(vec![Acl { perms: Perms::ALL, id: anyone }]);
    CreateRequest { path: path.into(), data: None, acl, flags }.to_vec()
}

fn gets() -> Vec<u8> {
    GetDataRequest { path: "/".into(), watch: false }.to_vec()
}

#[test]
fn nobody_hears_of_a_local_session() {
    for role in [MemberEvent::Follow, MemberEvent::Lead(Zxid::begin_of(1))] {
        let mut member = member(1, NewSessions::Local, role);
        let session = member.opens();
        member.asks(session, 7, OpCode::CLOSE_SESSION, Vec::new());
        assert_eq!(member.answers(), [(7, Zxid::ZERO, Code::OK)]);
        assert!(member.node.sessions().local.is_empty());
        assert_eq!((member.kinds(), member.asked()), (Vec::new(), Vec::new()));
    }
}

#[test]
fn a_local_session_expires_where_it_is() {
    let mut learner = member(1, NewSessions::Local, MemberEvent::Follow);
    let session = learner.opens();
    let late = i64::from(TIMEOUT_MS) + 1000;
    assert_eq!(learner.node.due_sessions(at(late - 1)), []);
    assert_eq!(learner.node.due_sessions(at(late)), [session]);
    let due = vec![session];
    learner.step_at(late, Event::Tick { due: due.clone(), heard: vec![(session, late - 1)] });
    assert!(learner.node.sessions().is_live(session), "it was heard of");
    learner.step_at(2 * late, Event::Tick { due, heard: Vec::new() });
    assert!(!learner.node.sessions().is_live(session));
}

#[test]
fn a_local_session_goes_on_here_alone() {
    let mut learner = member(1, NewSessions::Local, MemberEvent::Follow);
    let session = learner.opens();
    learner.connects(ConnId(2), session, false);
    assert_eq!(learner.node.sessions().conn(session), Some(ConnId(2)));
    assert_eq!(learner.closed, [(CONN, Reason::Moved(session))]);
    assert_eq!(learner.wants, [], "the leader is not asked");

    let mut leader = leader(NewSessions::Local);
    let event = MemberEvent::Revalidate { link: LINK, session, timeout_ms: TIMEOUT_MS };
    leader.step(Event::Member(event));
    assert_eq!(leader.wants, [MemberAction::Answer { link: LINK, session, valid: false }]);
}

#[test]
fn it_outlives_a_leader() {
    let mut learner = member(1, NewSessions::Local, MemberEvent::Follow);
    let session = learner.opens();
    learner.step(Event::Member(MemberEvent::Resign(Zxid::ZERO)));
    assert_eq!(learner.closed, []);
    learner.step_at(1000, Event::Tick { due: Vec::new(), heard: Vec::new() });
    assert_eq!(learner.closed, [(CONN, Reason::NoLeader)]);
    assert_eq!(learner.node.due_sessions(at(60_000)), [], "its client cannot come back meanwhile");
    learner.step_at(60_000, Event::Member(MemberEvent::Follow));
    learner.connects(CONN, session, false);
    assert_eq!(learner.node.sessions().conn(session), Some(CONN));
}

#[test]
fn what_it_writes_goes_to_the_leader_who_takes_it() {
    let mut learner = member(2, NewSessions::Local, MemberEvent::Follow);
    let session = learner.opens();
    learner.asks(session, 7, OpCode::CREATE, creates("/a", 0));
    learner.asks(session, 8, OpCode::CREATE, creates("/e", 1));
    learner.asks(session, 9, OpCode::GET_DATA, gets());
    learner.asks(session, 10, OpCode::CLOSE_SESSION, Vec::new());
    assert_eq!(learner.answers(), [], "in order");
    let mut leader = leader(NewSessions::Local);
    for want in std::mem::take(&mut learner.wants) {
        let MemberAction::Forward(request) = want else { panic!("{want:?}") };
        leader.step(Event::Member(MemberEvent::Forwarded(LINK, request)));
    }
    let zxid = |counter: i64| Zxid((1 << 32) + counter);
    assert_eq!(leader.kinds(), [OpCode::CREATE, OpCode::ERROR], "the leader does not know it");
    learner.commits(leader.appended);
    let local = Code::EPHEMERAL_ON_LOCAL_SESSION;
    let last = (10, zxid(2), Code::OK);
    assert_eq!(
        learner.answers(),
        [(7, zxid(1), Code::OK), (8, zxid(2), local), (9, zxid(2), Code::OK), last]
    );
    assert!(learner.node.sessions().local.is_empty());
}

#[test]
fn a_leader_takes_nothing_of_a_session_that_was_its_own() {
    let mut leader = leader(NewSessions::Local);
    let session = SessionId((1 << 56) + 5);
    let (op, body) = (OpCode::CREATE, creates("/a", 0).into());
    let request = ForwardedRequest { session, cxid: 1, op, body, identities: None };
    leader.step(Event::Member(MemberEvent::Forwarded(LINK, request)));
    assert_eq!(leader.kinds(), [OpCode::ERROR]);
}

#[test]
fn a_leaders_own_client_is_refused_an_ephemeral_or_becomes_global() {
    let mut refusing = leader(NewSessions::Local);
    let session = refusing.opens();
    refusing.asks(session, 7, OpCode::CREATE, creates("/e", 1));
    let Txn::Error(refused) = &refusing.appended[0].txn else { panic!("{:?}", refusing.appended) };
    assert_eq!(refused.err, Code::EPHEMERAL_ON_LOCAL_SESSION);

    let mut promoting = leader(NewSessions::LocalAtFirst);
    let session = promoting.opens();
    promoting.asks(session, 7, OpCode::CREATE, creates("/a", 0));
    assert!(promoting.node.sessions().local.knows(session));
    promoting.asks(session, 8, OpCode::CREATE, creates("/e", 1));
    assert_eq!(promoting.kinds(), [OpCode::CREATE, OpCode::CREATE_SESSION, OpCode::CREATE]);
    assert!(promoting.node.sessions().global.is_live(session));
    assert_eq!(promoting.node.sessions().conn(session), Some(CONN));
}

#[test]
fn a_session_that_its_client_has_closed_becomes_global_no_more() {
    let mut leader = leader(NewSessions::LocalAtFirst);
    let session = leader.opens();
    leader.asks(session, 7, OpCode::CREATE, creates("/a", 0));
    leader.asks(session, 8, OpCode::CLOSE_SESSION, Vec::new());
    leader.asks(session, 9, OpCode::CREATE, creates("/e", 1));
    assert_eq!(leader.kinds(), [OpCode::CREATE, OpCode::ERROR]);

    let mut learner = member(2, NewSessions::LocalAtFirst, MemberEvent::Follow);
    let session = learner.opens();
    learner.asks(session, 7, OpCode::CREATE, creates("/a", 0));
    learner.asks(session, 8, OpCode::CLOSE_SESSION, Vec::new());
    learner.asks(session, 9, OpCode::CREATE, creates("/e", 1));
    assert_eq!(learner.asked(), [(OpCode::CREATE, 7), (OpCode::CREATE, 9)]);
}

#[test]
fn a_session_that_a_snapshot_knows_is_global() {
    let mut learner = member(2, NewSessions::LocalAtFirst, MemberEvent::Follow);
    let session = learner.opens();
    learner.asks(session, 7, OpCode::CREATE, creates("/e", 1));
    learner.step(Event::Member(MemberEvent::Resign(Zxid::ZERO)));
    learner.step(Event::Member(MemberEvent::Replaced(vec![(session, TIMEOUT_MS)])));
    assert!(learner.node.sessions().local.is_empty());
    assert!(learner.node.sessions().global.is_live(session));
}

#[test]
fn a_learners_session_becomes_global_with_its_transaction() {
    let mut learner = member(2, NewSessions::LocalAtFirst, MemberEvent::Follow);
    let session = learner.opens();
    // As some clients count: nothing of it may be taken for the answer.
    learner.asks(session, 0, OpCode::CREATE, creates("/e", 1));
    learner.asks(session, 1, OpCode::CREATE2, creates("/f", 3));
    assert_eq!(
        learner.asked(),
        [(OpCode::CREATE_SESSION, 0), (OpCode::CREATE, 0), (OpCode::CREATE2, 1)],
        "it becomes global once"
    );
    learner.asks(session, 2, OpCode::CLOSE_SESSION, Vec::new());
    assert_eq!(learner.asked(), [(OpCode::CLOSE_SESSION, 2)], "its end concerns all by now");
    let mut leader = leader(NewSessions::LocalAtFirst);
    let mut body = Vec::new();
    TIMEOUT_MS.encode(&mut body);
    for (cxid, op, body) in [(0, OpCode::CREATE_SESSION, body), (0, OpCode::CREATE, creates("/e", 1))] {
        let request = ForwardedRequest { session, cxid, op, body: body.into(), identities: None };
        leader.step(Event::Member(MemberEvent::Forwarded(LINK, request)));
    }
    learner.commits(leader.appended);
    assert_eq!(learner.answers(), [(0, Zxid((1 << 32) + 2), Code::OK)], "the create alone is answered");
    assert!(learner.node.sessions().global.is_live(session));
    assert!(learner.node.sessions().local.is_empty());
    assert_eq!(learner.node.sessions().conn(session), Some(CONN));
}

#[test]
fn read_only_mode_serves_those_who_ask_for_it_and_lets_nobody_write() {
    let mut alone = member(1, NewSessions::Global, MemberEvent::ReadOnly);
    alone.connects(ConnId(2), SessionId(0), false);
    assert_eq!(alone.closed, [(ConnId(2), Reason::ReadOnly)]);
    let session = alone.opens();
    for (xid, op, body) in [
        (1, OpCode::CREATE, creates("/a", 0)),
        (2, OpCode::CREATE, creates("/e", 1)),
        (3, OpCode::SYNC, Vec::new()),
        (4, OpCode::RECONFIG, Vec::new()),
        (5, OpCode::MULTI, Vec::new()),
    ] {
        alone.asks(session, xid, op, body);
        assert_eq!(alone.answers(), [(xid, Zxid::ZERO, Code::NOT_READ_ONLY)]);
    }
    alone.asks(session, 6, OpCode::GET_DATA, gets());
    alone.asks(session, 7, OpCode::CLOSE_SESSION, Vec::new());
    assert_eq!(alone.answers(), [(6, Zxid::ZERO, Code::OK), (7, Zxid::ZERO, Code::OK)]);
    assert_eq!(alone.kinds(), [], "nothing is logged");
}

#[test]
fn read_only_sessions_end_with_the_mode_unless_local_ones_are_what_is_wanted() {
    for (new_sessions, left) in [(NewSessions::Global, 0), (NewSessions::Local, 1)] {
        let mut alone = member(1, new_sessions, MemberEvent::ReadOnly);
        alone.opens();
        alone.step(Event::Member(MemberEvent::ReadOnlyEnds));
        assert_eq!(alone.closed, [(CONN, Reason::ReadOnlyEnded)]);
        assert_eq!(alone.node.sessions().local.len(), left);
        alone.connects(ConnId(3), SessionId(0), true);
        assert_eq!(alone.closed[1], (ConnId(3), Reason::NoLeader));
    }
}

#[test]
fn global_sessions_wait_for_the_quorum() {
    let mut alone = member(1, NewSessions::Global, MemberEvent::ReadOnly);
    let global = SessionId((2 << 56) + 1);
    alone.node.sessions.global.track(global, TIMEOUT_MS, 0);
    alone.connects(CONN, global, true);
    assert_eq!(alone.closed, [(CONN, Reason::ReadOnly)]);
    assert_eq!(alone.node.due_sessions(at(60_000)), [], "and do not end here");
}

#[test]
fn who_waits_for_a_session_is_let_go_with_the_leader() {
    let mut learner = member(2, NewSessions::Global, MemberEvent::Follow);
    learner.connects(CONN, SessionId(0), false);
    learner.connects(ConnId(2), SessionId(77), false);
    learner.step(Event::Member(MemberEvent::Resign(Zxid::ZERO)));
    assert_eq!(learner.closed, [(CONN, Reason::NoLeader), (ConnId(2), Reason::NoLeader)]);
}
