//! A leader and a learner, wired together by hand: what is handed on, and in which order answers come.

use super::{
    tests::{at, options},
    *,
};
use crate::{auth::Identities, tree::TreeOptions, zab::Link};
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode,
    learner::ForwardedRequest,
    records::{
        ConnectRequest, ConnectResponse, CreateRequest, GetDataRequest, ReplyHeader, RequestHeader,
        SetDataRequest, SyncRequest,
    },
    request::Handshake,
    txn::Txn,
};

pub(super) const LINK: Link = Link(1);
pub(super) const CONN: ConnId = ConnId(1);

/// One member.
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) tree: Tree,
    /// What it wants done beside appending.
    pub(super) wants: Vec<MemberAction>,
    pub(super) appended: Vec<LoggedTxn>,
    pub(super) closed: Vec<(ConnId, Reason)>,
}

impl Member {
    pub(super) fn new(server_id: u8, role: MemberEvent) -> Self {
        Self::with(options(server_id), role)
    }

    pub(super) fn with(options: NodeOptions, role: MemberEvent) -> Self {
        let tree = Tree::new(TreeOptions::default());
        let node = Node::new(options, &tree, [], at(0));
        let mut member = Self { node, tree, wants: Vec::new(), appended: Vec::new(), closed: Vec::new() };
        member.step(Event::Member(MemberEvent::Resign(Zxid::ZERO)));
        member.step(Event::Member(role));
        member
    }

    pub(super) fn step(&mut self, event: Event) {
        self.step_at(0, event);
    }

    pub(super) fn step_at(&mut self, ms: i64, event: Event) {
        for action in self.node.step(at(ms), &self.tree, event) {
            match action {
                Action::Append(batch) => {
                    let logged = |(_, body): (Zxid, &[u8])| {
                        LoggedTxn::from_bytes(&Bytes::copy_from_slice(body)).unwrap()
                    };
                    self.appended.extend(batch.entries().map(logged));
                }
                Action::Deliver(deliveries) => {
                    for delivery in deliveries {
                        if let Delivery::Close { conn, reason } = delivery {
                            self.closed.push((conn, reason));
                        }
                    }
                }
                Action::OverQuota(_) => {}
                Action::Member(want) => self.wants.push(want),
            }
        }
    }

    /// Answers that come now: number, zxid, error.
    pub(super) fn answers(&mut self) -> Vec<(i32, Zxid, Code)> {
        let mut answers = Vec::new();
        while self.node.can_apply() {
            let batch = self.node.apply(&mut self.tree, 100);
            for entry in &batch.entries {
                match entry {
                    Entry::Reply { frame, .. } => {
                        let reply = ReplyHeader::from_slice(&batch.bytes[frame.start + 4..]).unwrap();
                        answers.push((reply.xid, reply.zxid, reply.err));
                    }
                    Entry::Connected { frame, .. } => {
                        ConnectResponse::from_slice(&batch.bytes[frame.start + 4..]).unwrap();
                        answers.push((0, Zxid::ZERO, Code::OK));
                    }
                    Entry::Changes { .. } | Entry::Close { .. } => {}
                }
            }
        }
        answers
    }
}

pub(super) fn connects(conn: ConnId, session_id: SessionId, passwd: Option<Bytes>) -> Event {
    let request = ConnectRequest {
        protocol_version: 0,
        last_zxid_seen: Zxid::ZERO,
        time_out: 4000,
        session_id,
        passwd,
        read_only: false,
    };
    let handshake = Handshake { request, has_read_only: true };
    Event::Requests(vec![Request::Connect { conn, handshake }])
}

/// A leader, and a learner with a client.
pub(super) struct Pair {
    pub(super) leader: Member,
    pub(super) learner: Member,
    pub(super) session: SessionId,
}

impl Pair {
    pub(super) fn new() -> Self {
        let mut pair = Self {
            leader: Member::new(1, MemberEvent::Lead(Zxid::begin_of(1))),
            learner: Member::new(2, MemberEvent::Follow),
            session: SessionId(0),
        };
        pair.connects(SessionId(0), None);
        pair.hand_on();
        pair.propose();
        pair.commit();
        assert_eq!(pair.learner.answers(), [(0, Zxid::ZERO, Code::OK)]);
        pair.session = pair.leader.node.sessions().global.iter().next().unwrap().0;
        assert_eq!(pair.session.0 >> 56, 2, "the learner has chosen its id");
        assert_eq!(pair.learner.node.sessions().conn(pair.session), Some(CONN));
        pair
    }

    fn connects(&mut self, session: SessionId, passwd: Option<Bytes>) {
        self.learner.step(connects(CONN, session, passwd));
    }

    pub(super) fn asks(&mut self, xid: i32, op: OpCode, body: Vec<u8>) {
        let header = RequestHeader { xid, op };
        let (session, identities) = (self.session, Identities::none());
        let request = Request::Op { conn: CONN, session, header, body: body.into(), identities };
        self.learner.step(Event::Requests(vec![request]));
    }

    pub(super) fn sets(&mut self, xid: i32) {
        self.asks(
            xid,
            OpCode::SET_DATA,
            SetDataRequest { path: "/".into(), data: None, version: -1 }.to_vec(),
        );
    }

    pub(super) fn gets(&mut self, xid: i32) {
        self.asks(xid, OpCode::GET_DATA, GetDataRequest { path: "/".into(), watch: false }.to_vec());
    }

    pub(super) fn syncs(&mut self, xid: i32) {
        self.asks(xid, OpCode::SYNC, SyncRequest { path: Some("/".into()) }.to_vec());
    }

    /// What the learner has handed on reaches the leader.
    pub(super) fn hand_on(&mut self) {
        for want in std::mem::take(&mut self.learner.wants) {
            let event = match want {
                MemberAction::Forward(request) => MemberEvent::Forwarded(LINK, request),
                MemberAction::AskFor { session, timeout_ms } => {
                    MemberEvent::Revalidate { link: LINK, session, timeout_ms }
                }
                MemberAction::Answer { .. } | MemberAction::AnswerSync(_) | MemberAction::Sync(_) => {
                    unreachable!("it has no learner")
                }
            };
            self.leader.step(Event::Member(event));
        }
    }

    /// What the leader proposes reaches the learner.
    pub(super) fn propose(&mut self) {
        for logged in std::mem::take(&mut self.leader.appended) {
            self.learner.step(Event::Member(MemberEvent::Proposal(logged)));
        }
    }

    fn commit(&mut self) {
        let zxid = self.leader.node.last_proposed();
        for member in [&mut self.leader, &mut self.learner] {
            member.step(Event::Committed(zxid));
        }
        assert_eq!(self.leader.answers(), [], "nobody waits at the leader");
    }
}

fn zxid(counter: i64) -> Zxid {
    Zxid((1 << 32) + counter)
}

#[test]
fn a_write_goes_to_the_leader_and_is_answered_with_the_commit() {
    let mut pair = Pair::new();
    pair.sets(7);
    pair.gets(8);
    assert_eq!(pair.learner.answers(), [], "the read waits for the write before it");
    pair.hand_on();
    pair.propose();
    assert_eq!(pair.learner.answers(), [], "proposed is not committed");
    pair.commit();
    assert_eq!(pair.learner.answers(), [(7, zxid(2), Code::OK), (8, zxid(2), Code::OK)]);
    assert_eq!(pair.learner.tree.digest(), pair.leader.tree.digest());
}

#[test]
fn a_read_waits_for_nobody_elses_write() {
    let mut pair = Pair::new();
    pair.leader.step(Event::Member(MemberEvent::Forwarded(
        LINK,
        ForwardedRequest {
            session: pair.session,
            cxid: 1,
            op: OpCode::SET_DATA,
            body: SetDataRequest { path: "/".into(), data: None, version: -1 }.to_vec().into(),
            identities: None,
        },
    )));
    pair.propose();
    pair.gets(8);
    assert_eq!(pair.learner.answers(), [(8, zxid(1), Code::OK)]);
}

#[test]
fn an_error_of_the_leader_is_the_clients() {
    let mut pair = Pair::new();
    let body = SetDataRequest { path: "/none".into(), data: None, version: -1 }.to_vec();
    pair.asks(7, OpCode::SET_DATA, body);
    pair.asks(8, OpCode::CREATE, vec![1, 2, 3]);
    pair.hand_on();
    pair.propose();
    pair.commit();
    let answers = [(7, zxid(2), Code::NO_NODE), (8, zxid(3), Code::MARSHALLING_ERROR)];
    assert_eq!(pair.learner.answers(), answers);
}

#[test]
fn a_sync_is_answered_when_the_leader_says_so_and_what_it_had_is_applied() {
    let mut pair = Pair::new();
    pair.sets(7);
    pair.syncs(8);
    pair.gets(9);
    pair.hand_on();
    assert_eq!(pair.leader.wants, [MemberAction::Sync(LINK)]);
    pair.propose();
    // The leader's word comes right behind the commit.
    pair.commit();
    pair.learner.step(Event::Member(MemberEvent::Synced));
    let in_order = [(7, zxid(2), Code::OK), (8, zxid(2), Code::OK), (9, zxid(2), Code::OK)];
    assert_eq!(pair.learner.answers(), in_order);
    pair.syncs(10);
    pair.hand_on();
    assert_eq!(pair.learner.answers(), []);
    pair.learner.step(Event::Member(MemberEvent::Synced));
    assert_eq!(pair.learner.answers(), [(10, zxid(2), Code::OK)]);
}

#[test]
fn a_session_ends_everywhere_with_its_ephemerals() {
    let mut pair = Pair::new();
    let acl = Some(pair.learner.tree.get("/").unwrap().acl().to_vec());
    pair.asks(7, OpCode::CREATE, CreateRequest { path: "/e".into(), data: None, acl, flags: 1 }.to_vec());
    pair.asks(8, OpCode::CLOSE_SESSION, Vec::new());
    pair.hand_on();
    assert!(pair.leader.appended.iter().any(|logged| matches!(logged.txn, Txn::CloseSession(_))));
    pair.propose();
    pair.commit();
    assert_eq!(pair.learner.answers(), [(7, zxid(2), Code::OK), (8, zxid(3), Code::OK)]);
    for member in [&pair.leader, &pair.learner] {
        assert!(member.tree.get("/e").is_none());
        assert!(member.node.sessions().global.is_empty());
    }
}

#[test]
fn the_leader_says_whether_a_session_lives() {
    let mut pair = Pair::new();
    let passwd = Bytes::copy_from_slice(&crate::session::password(pair.session));
    pair.connects(pair.session, Some(passwd.clone()));
    pair.hand_on();
    let session = pair.session;
    assert_eq!(pair.leader.wants, [MemberAction::Answer { link: LINK, session, valid: true }]);
    pair.learner.step(Event::Member(MemberEvent::Revalidated(session, true)));
    assert_eq!(pair.learner.node.sessions().conn(session), Some(CONN));
    pair.leader.wants.clear();

    let unknown = SessionId(session.0 + 1);
    let passwd = Bytes::copy_from_slice(&crate::session::password(unknown));
    pair.connects(unknown, Some(passwd));
    pair.hand_on();
    assert_eq!(pair.leader.wants, [MemberAction::Answer { link: LINK, session: unknown, valid: false }]);
}

#[test]
fn without_a_leader_nobody_is_answered_and_everybody_let_go() {
    let mut pair = Pair::new();
    pair.sets(7);
    let logged = pair.learner.node.last_proposed();
    pair.learner.step(Event::Member(MemberEvent::Resign(logged)));
    assert_eq!(pair.learner.closed, [(CONN, Reason::NoLeader)]);
    pair.hand_on();
    pair.propose();
    pair.commit();
    assert_eq!(pair.learner.answers(), [], "what became of it, the client has to find out");
    pair.learner.step_at(1000, Event::Tick { due: Vec::new(), heard: Vec::new() });
    pair.connects(SessionId(0), None);
    assert_eq!(pair.learner.closed.len(), 2);
}

/// They would wait for an answer that nobody gives any more: until their own time-out, which may be their session's end.
#[test]
fn whoever_is_being_let_in_is_let_go_too() {
    let let_go = |prepare: fn(&mut Pair)| {
        let mut pair = Pair::new();
        pair.learner.step(Event::Member(MemberEvent::Resign(pair.learner.node.last_proposed())));
        pair.learner.closed.clear();
        pair.learner.step(Event::Member(MemberEvent::Follow));
        prepare(&mut pair);
        assert_eq!(pair.learner.closed, [], "they wait");
        let logged = pair.learner.node.last_proposed();
        pair.learner.step(Event::Member(MemberEvent::Resign(logged)));
        assert_eq!(pair.learner.closed, [(CONN, Reason::NoLeader)]);
    };
    let_go(|pair| pair.connects(SessionId(0), None));
    let_go(|pair| {
        pair.connects(SessionId(0), None);
        pair.hand_on();
        pair.propose();
    });
    let_go(|pair| {
        let passwd = Bytes::copy_from_slice(&crate::session::password(pair.session));
        pair.connects(pair.session, Some(passwd));
    });
}

#[test]
fn a_learner_that_comes_to_lead_begins_with_what_it_has_applied() {
    let mut pair = Pair::new();
    pair.sets(7);
    pair.hand_on();
    pair.propose();
    let logged = pair.learner.node.last_proposed();
    pair.learner.step(Event::Member(MemberEvent::Resign(logged)));
    pair.commit();
    pair.learner.step(Event::Member(MemberEvent::Settled));
    pair.learner.answers();
    pair.learner.step(Event::Member(MemberEvent::Lead(Zxid::begin_of(2))));
    pair.connects(SessionId(0), None);
    let zxids: Vec<Zxid> = pair.learner.appended.iter().map(|logged| logged.header.zxid).collect();
    assert_eq!(zxids, [Zxid((2 << 32) + 1)]);
    assert!(pair.learner.node.sessions().is_live(pair.session), "sessions live on");
}

#[test]
fn learners_end_no_session_by_themselves() {
    let mut pair = Pair::new();
    let late = at(60_000);
    assert_eq!(pair.learner.node.due_sessions(late), []);
    assert_eq!(pair.leader.node.due_sessions(late), [pair.session]);
    let touched = vec![(pair.session, 4000)];
    let actions =
        pair.leader.node.step(late, &pair.leader.tree, Event::Member(MemberEvent::Touched(LINK, touched)));
    assert!(actions.is_empty());
    assert_eq!(pair.leader.node.due_sessions(late), []);
}

/// What a learner hands on, over another link than that of the pair.
pub(super) fn handed_on(session: SessionId, cxid: i32, op: OpCode, body: Vec<u8>) -> Event {
    let request = ForwardedRequest { session, cxid, op, body: body.into(), identities: None };
    Event::Member(MemberEvent::Forwarded(Link(2), request))
}

#[test]
fn what_comes_from_a_member_that_the_client_has_left_is_not_done() {
    let mut pair = Pair::new();
    let session = pair.session;
    pair.leader.step(Event::Member(MemberEvent::Revalidate { link: Link(2), session, timeout_ms: 4000 }));
    assert_eq!(pair.leader.wants, [MemberAction::Answer { link: Link(2), session, valid: true }]);
    pair.leader.wants.clear();
    pair.sets(7);
    pair.hand_on();
    pair.propose();
    pair.commit();
    assert_eq!(pair.learner.answers(), [], "its client is not told that it was done");
    pair.learner.step(Event::Tick { due: Vec::new(), heard: Vec::new() });
    assert_eq!(pair.learner.closed, [(CONN, Reason::Moved(session))]);
    let set = SetDataRequest { path: "/".into(), data: None, version: -1 }.to_vec();
    pair.leader.step(handed_on(session, 8, OpCode::SET_DATA, set));
    assert!(matches!(pair.leader.appended.pop().unwrap().txn, Txn::SetData(_)), "from where it is now it is");
}

#[test]
fn the_end_of_a_session_that_is_none_is_answered_as_well() {
    let mut pair = Pair::new();
    let unknown = SessionId(pair.session.0 + 1);
    pair.leader.step(handed_on(unknown, 3, OpCode::CLOSE_SESSION, Vec::new()));
    let logged = pair.leader.appended.pop().unwrap();
    assert_eq!((logged.header.client_id, logged.header.cxid), (unknown, 3));
    assert!(matches!(logged.txn, Txn::Error(_)), "{logged:?}");
}

#[test]
fn what_a_leader_could_not_log_any_more_is_forgotten() {
    let mut pair = Pair::new();
    let last = pair.leader.node.last_proposed();
    let mut timeout = Vec::new();
    4000.encode(&mut timeout);
    let unborn = SessionId(77);
    pair.leader.step(handed_on(unborn, 0, OpCode::CREATE_SESSION, timeout));
    assert!(pair.leader.node.sessions().is_live(unborn));
    pair.leader.step(Event::Member(MemberEvent::Resign(last)));
    assert!(!pair.leader.node.sessions().is_live(unborn));
    assert_eq!(pair.leader.node.last_proposed(), last);
    assert_eq!(pair.leader.node.queued(), 0);
    pair.leader.step(Event::Member(MemberEvent::Lead(Zxid::begin_of(2))));
}

#[test]
fn learners_snapshots_show_the_moment_at_which_they_began() {
    let mut pair = Pair::new();
    pair.leader.node.begin_snapshot(Recipient::Learner(LINK), &pair.leader.tree);
    let began = pair.leader.tree.digest();
    let acl = Some(pair.learner.tree.get("/").unwrap().acl().to_vec());
    let create = CreateRequest { path: "/a".into(), data: None, acl, flags: 0 };
    pair.asks(7, OpCode::CREATE, create.to_vec());
    pair.hand_on();
    pair.propose();
    pair.commit();
    pair.leader.node.begin_snapshot(Recipient::Learner(Link(2)), &pair.leader.tree);
    pair.leader.node.begin_snapshot(Recipient::Disk, &pair.leader.tree);
    assert_ne!(pair.leader.tree.digest(), began);
    let (node, tree) = (&mut pair.leader.node, &pair.leader.tree);
    let mut sent = |link: Link| {
        let recipient = Recipient::Learner(link);
        let pieces = std::iter::from_fn(|| node.snapshot_piece(recipient, tree, usize::MAX));
        let znodes = pieces.take(3).last().unwrap();
        assert!(znodes.is_last, "behind sessions and lists");
        (node.snapshot(recipient).unwrap().digest(), String::from_utf8_lossy(&znodes.bytes).contains("/a"))
    };
    assert_eq!(sent(LINK), (began, false));
    assert_eq!(sent(Link(2)), (tree.digest(), true));
    node.end_snapshot(Recipient::Learner(LINK));
    assert!(node.snapshot(Recipient::Learner(LINK)).is_none());
}

#[test]
fn what_was_asked_at_another_member_answers_nobody_here() {
    let mut pair = Pair::new();
    let session = pair.session;
    let set = || SetDataRequest { path: "/".into(), data: None, version: -1 }.to_vec();
    // The client asks elsewhere, as number 1, and comes here before that is committed.
    pair.leader.step(Event::Member(MemberEvent::Revalidate { link: Link(2), session, timeout_ms: 4000 }));
    pair.leader.step(handed_on(session, 1, OpCode::SET_DATA, set()));
    pair.propose();
    pair.leader.wants.clear();
    pair.connects(session, Some(Bytes::copy_from_slice(&crate::session::password(session))));
    pair.hand_on();
    pair.learner.step(Event::Member(MemberEvent::Revalidated(session, true)));
    // It begins with number 1 again.
    pair.sets(1);
    pair.hand_on();
    pair.propose();
    let elsewhere = Zxid(pair.leader.node.last_proposed().0 - 1);
    pair.learner.step(Event::Committed(elsewhere));
    assert_eq!(pair.learner.answers(), [], "that was another request");
    pair.leader.wants.clear();
    pair.commit();
    assert_eq!(pair.learner.answers(), [(1, elsewhere.next(), Code::OK)]);
}

/// An observer that learns from the learner.
const OBSERVER: Link = Link(70);

/// Answers of the leader say little of whom they are for: their order does.
#[test]
fn what_an_observer_asks_goes_on_to_the_leader_and_its_answer_back() {
    let mut pair = Pair::new();
    let session = SessionId(77);
    let sync = |cxid| {
        let body = SyncRequest { path: Some("/".into()) }.to_vec().into();
        ForwardedRequest { session, cxid, op: OpCode::SYNC, body, identities: None }
    };
    pair.learner.step(Event::Member(MemberEvent::Forwarded(OBSERVER, sync(1))));
    pair.syncs(5);
    pair.learner.step(Event::Member(MemberEvent::Forwarded(OBSERVER, sync(2))));
    let handed_on = std::mem::take(&mut pair.learner.wants);
    let cxid = |want: &MemberAction| match want {
        MemberAction::Forward(request) => request.cxid,
        other => panic!("{other:?}"),
    };
    assert_eq!(handed_on.iter().map(cxid).collect::<Vec<_>>(), [1, 5, 2]);

    pair.learner.step(Event::Member(MemberEvent::Synced));
    assert_eq!(std::mem::take(&mut pair.learner.wants), [MemberAction::AnswerSync(OBSERVER)]);
    assert_eq!(pair.learner.answers(), []);
    pair.learner.step(Event::Member(MemberEvent::Synced));
    assert_eq!(pair.learner.wants, []);
    assert_eq!(pair.learner.answers().len(), 1);
    pair.learner.step(Event::Member(MemberEvent::Synced));
    assert_eq!(pair.learner.wants, [MemberAction::AnswerSync(OBSERVER)]);
}

#[test]
fn a_session_that_goes_on_at_an_observer_leaves_its_connection_here() {
    let mut pair = Pair::new();
    let session = pair.session;
    pair.learner.step(Event::Member(MemberEvent::Revalidate { link: OBSERVER, session, timeout_ms: 4000 }));
    let asked = [MemberAction::AskFor { session, timeout_ms: 4000 }];
    assert_eq!(std::mem::take(&mut pair.learner.wants), asked);
    assert_eq!(pair.learner.closed, []);
    pair.learner.step(Event::Member(MemberEvent::Revalidated(session, true)));
    let answer = MemberAction::Answer { link: OBSERVER, session, valid: true };
    assert_eq!(pair.learner.wants, [answer]);
    assert_eq!(pair.learner.closed, [(CONN, Reason::Moved(session))]);
    assert_eq!(pair.learner.node.sessions().conn(session), None);
}
