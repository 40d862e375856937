//! What the simulator found, as small cases.

use super::*;
use crate::{auth::Identities, processor::read, tree::TreeOptions};
use bytes::Bytes;
use oxkeeper_codec::{
    Decode, Encode, OpCode,
    records::{
        ConnectRequest, ConnectResponse, CreateRequest, DeleteRequest, GetDataRequest, ReplyHeader,
        RequestHeader, SetDataRequest,
    },
    request::Handshake,
};

const CONN: ConnId = ConnId(1);

pub(super) fn at(ms: i64) -> Now {
    Now { elapsed_ms: ms, wall_ms: 1_700_000_000_000 + ms }
}

/// For a server of this id.
pub(super) fn options(server_id: u8) -> NodeOptions {
    NodeOptions {
        rules: Rules { enforce_quota: true, ..Rules::default() },
        tick_ms: 1000,
        timeouts: TimeoutBounds { min_ms: 2000, max_ms: 9000 },
        containers: ContainerRules { interval_ms: 60_000, max_per_minute: 10, never_used_ms: 0 },
        server_id,
        leader_serves: true,
        keep_connections: true,
        new_sessions: NewSessions::Global,
    }
}

/// A node with one open session, and its tree.
struct Server {
    node: Node,
    tree: Tree,
    session: SessionId,
}

impl Server {
    fn new() -> Self {
        Self::with_containers(0)
    }

    /// Containers that never had a child go after this.
    fn with_containers(never_used_ms: i64) -> Self {
        let tree = Tree::new(TreeOptions::default());
        let mut options = options(1);
        options.containers.never_used_ms = never_used_ms;
        let node = Node::new(options, &tree, [], at(0));
        let mut server = Self { node, tree, session: SessionId(0) };
        server.connect(CONN);
        server
    }

    fn connect(&mut self, conn: ConnId) {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid::ZERO,
            time_out: 4000,
            session_id: SessionId(0),
            passwd: None,
            read_only: false,
        };
        let handshake = Handshake { request, has_read_only: true };
        self.step(Event::Requests(vec![Request::Connect { conn, handshake }]));
        self.step(Event::Committed(self.node.last_proposed()));
        let batch = self.node.apply(&mut self.tree, 10);
        self.session = ConnectResponse::from_slice(&batch.bytes[4..]).unwrap().session_id;
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        self.node.step(at(0), &self.tree, event)
    }

    fn op(&self, xid: i32, op: OpCode, body: Vec<u8>) -> Request {
        let header = RequestHeader { xid, op };
        Request::Op {
            conn: CONN,
            session: self.session,
            header,
            body: body.into(),
            identities: Identities::none(),
        }
    }

    fn set(&self, xid: i32) -> Request {
        self.op(xid, OpCode::SET_DATA, SetDataRequest { path: "/".into(), data: None, version: -1 }.to_vec())
    }

    fn get(&self, xid: i32) -> Request {
        assert!(read::is_read(OpCode::GET_DATA));
        self.op(xid, OpCode::GET_DATA, GetDataRequest { path: "/".into(), watch: false }.to_vec())
    }

    /// Creates a znode of this kind, or deletes it.
    fn change(&mut self, path: &str, kind: Option<OpCode>) {
        let acl = Some(self.tree.get("/").unwrap().acl().to_vec());
        let (op, body) = match kind {
            Some(op) => (op, CreateRequest { path: path.into(), data: None, acl, flags: 0 }.to_vec()),
            None => (OpCode::DELETE, DeleteRequest { path: path.into(), version: -1 }.to_vec()),
        };
        let request = self.op(1, op, body);
        self.step(Event::Requests(vec![request]));
        self.commit();
    }

    fn commit(&mut self) {
        self.step(Event::Committed(self.node.last_proposed()));
        while self.node.can_apply() {
            self.node.apply(&mut self.tree, 100);
        }
    }

    /// Time has passed; the session was heard of then, or not at all.
    fn tick(&mut self, now: Now, heard_ms: Option<i64>) -> Vec<Action> {
        let due = self.node.due_sessions(now);
        let heard = heard_ms.map(|ms| (self.session, ms)).into_iter().collect();
        self.node.step(now, &self.tree, Event::Tick { due, heard })
    }

    /// Xids of what is answered now.
    fn answered(&mut self) -> Vec<i32> {
        let mut xids = Vec::new();
        while self.node.can_apply() {
            let batch = self.node.apply(&mut self.tree, 1);
            for entry in &batch.entries {
                if let Entry::Reply { frame, .. } = entry {
                    xids.push(ReplyHeader::from_slice(&batch.bytes[frame.start + 4..]).unwrap().xid);
                }
            }
        }
        xids
    }
}

#[test]
fn while_the_log_takes_nothing_answers_keep_the_order_of_requests() {
    // A refused write was answered at once, and overtook the read before it.
    let mut server = Server::new();
    let stuck =
        server.op(1, OpCode::SET_DATA, SetDataRequest { path: "/".into(), data: None, version: -1 }.to_vec());
    server.step(Event::Requests(vec![stuck]));
    assert!(matches!(server.step(Event::LogFailed)[..], [Action::Deliver(_)]), "who waits is cut off");
    let requests = vec![server.set(2), server.get(3), server.set(4)];
    assert!(server.step(Event::Requests(requests)).is_empty());
    assert_eq!(server.answered(), [2, 3, 4]);
    server.step(Event::Requests(vec![server.get(5)]));
    server.step(Event::Committed(server.node.last_proposed()));
    server.step(Event::LogRecovered);
    let requests = vec![server.set(6), server.get(7)];
    server.step(Event::Requests(requests));
    assert_eq!(server.answered(), [5]);
    server.step(Event::Committed(server.node.last_proposed()));
    assert_eq!(server.answered(), [6, 7]);
}

#[test]
fn while_the_log_takes_nothing_ticks_are_a_tick_apart() {
    let mut server = Server::new();
    server.step(Event::LogFailed);
    let late = at(100_000);
    assert!(server.node.next_tick_ms() < late.elapsed_ms);
    server.tick(late, None);
    assert_eq!(server.node.next_tick_ms(), late.elapsed_ms + 1000);
    assert_eq!(server.node.sessions().global.len(), 1, "nobody expires meanwhile");
}

#[test]
fn a_container_that_is_another_znode_by_now_is_not_deleted() {
    let mut server = Server::new();
    for path in ["/1", "/2", "/3"] {
        server.change(path, Some(OpCode::CREATE_CONTAINER));
        server.change(&format!("{path}/x"), Some(OpCode::CREATE));
        server.change(&format!("{path}/x"), None);
    }
    // One goes at once; the others wait for their turn, six seconds apart.
    server.tick(at(60_000), Some(60_000));
    server.commit();
    assert_eq!(["/1", "/2", "/3"].map(|path| server.tree.get(path).is_some()), [false, true, true]);
    server.change("/2", None);
    server.change("/2", Some(OpCode::CREATE));
    server.tick(at(66_000), Some(66_000));
    server.commit();
    assert_eq!(["/1", "/2", "/3"].map(|path| server.tree.get(path).is_some()), [false, true, false]);
}

#[test]
fn a_container_that_never_had_a_child_goes_once_it_is_older_than_allowed() {
    for (never_used_ms, stays) in
        [(0, [true; 3]), (120_000, [true, true, false]), (119_999, [true, false, false])]
    {
        let mut server = Server::with_containers(never_used_ms);
        server.change("/never", Some(OpCode::CREATE_CONTAINER));
        server.change("/used", Some(OpCode::CREATE_CONTAINER));
        server.change("/used/x", Some(OpCode::CREATE));
        let there = [60_000, 120_000, 180_000].map(|ms| {
            server.tick(at(ms), Some(ms));
            server.commit();
            assert!(server.tree.get("/used").is_some(), "it has a child");
            server.tree.get("/never").is_some()
        });
        assert_eq!(there, stays, "{never_used_ms} ms");
    }
}

#[test]
fn containers_are_looked_at_in_steps_that_follow_at_once() {
    let mut server = Server::new();
    let used = |n: usize| n % 5000 == 4999;
    for n in 0..10_000 {
        server.change(&format!("/{n}"), Some(OpCode::CREATE_CONTAINER));
        if used(n) {
            server.change(&format!("/{n}/x"), Some(OpCode::CREATE));
            server.change(&format!("/{n}/x"), None);
        }
    }
    let mut deleted = Vec::new();
    for ms in [60_000, 60_000, 60_000, 66_000, 72_000] {
        assert!(server.node.next_tick_ms() <= ms);
        server.tick(at(ms), Some(ms));
        server.commit();
        deleted.push((0..10_000).filter(|n| server.tree.get(&format!("/{n}")).is_none()).count());
    }
    // 4,096 in each of the first three; the second candidate is six seconds behind the first.
    assert_eq!(deleted, [0, 1, 1, 2, 2]);
    assert!(server.node.next_tick_ms() > 72_000, "until the next check");
}

#[test]
fn no_more_candidates_are_looked_for_than_wait_to_be_deleted() {
    let mut server = Server::new();
    for n in 0..1500 {
        server.change(&format!("/{n}"), Some(OpCode::CREATE_CONTAINER));
        server.change(&format!("/{n}/x"), Some(OpCode::CREATE));
        server.change(&format!("/{n}/x"), None);
    }
    // Ten a minute, whatever else is due.
    for step in 0..30 {
        let ms = 60_000 + step * 6000;
        server.tick(at(ms), Some(ms));
        server.commit();
        assert_eq!(server.tree.node_count() - 4, 1499 - usize::try_from(step).unwrap());
    }
}

/// The transactions of the ends of sessions that actions have to be appended.
fn ends(actions: &[Action]) -> usize {
    let appended =
        actions.iter().map(|action| if let Action::Append(batch) = action { batch.len() } else { 0 });
    appended.sum()
}

#[test]
fn a_tick_ends_sessions_by_what_they_have_and_goes_on_at_once() {
    let mut server = Server::new();
    let acl = Some(server.tree.get("/").unwrap().acl().to_vec());
    for n in 0..40 {
        server.connect(ConnId(2 + n));
        let creates = (0..300).map(|k| {
            let (path, acl) = (format!("/{n}-{k}").into(), acl.clone());
            let body = CreateRequest { path, data: None, acl, flags: 1 }.to_vec();
            let Request::Op { session, header, body, identities, .. } = server.op(1, OpCode::CREATE, body)
            else {
                panic!("no request")
            };
            Request::Op { conn: ConnId(2 + n), session, header, body, identities }
        });
        let creates = creates.collect();
        server.step(Event::Requests(creates));
        server.step(Event::Committed(server.node.last_proposed()));
        while server.node.can_apply() {
            server.node.apply(&mut server.tree, 100);
        }
    }
    // All 41 at the same time; the first has no ephemerals.
    let now = at(100_000);
    let mut steps = Vec::new();
    while server.node.next_tick_ms() <= now.elapsed_ms && steps.len() < 100 {
        steps.push(ends(&server.tick(now, None)));
    }
    assert_eq!(steps, [15, 14, 12], "4,096 ephemerals a step");
    server.commit();
    assert_eq!(server.tree.ephemeral_count(), 0);
    assert_eq!(server.node.sessions().global.len(), 0);
}

#[test]
fn who_was_not_asked_about_does_not_expire() {
    // A session that became due between the question and the tick was ended unheard.
    let mut server = Server::new();
    let due = server.node.due_sessions(at(4999));
    assert!(due.is_empty());
    let late = at(5000);
    assert_eq!(server.node.due_sessions(late), [server.session]);
    let actions = server.node.step(late, &server.tree, Event::Tick { due, heard: Vec::new() });
    assert_eq!(ends(&actions), 0);
    assert_eq!(ends(&server.tick(late, None)), 1);
}

#[test]
fn soft_quotas_let_pass_and_are_told_and_hard_ones_refuse() {
    let mut server = Server::new();
    let acl = Some(server.tree.get("/").unwrap().acl().to_vec());
    let create = |server: &Server, path: &str, data: &'static [u8]| {
        let data = Some(Bytes::from_static(data));
        let request = CreateRequest { path: path.into(), data, acl: acl.clone(), flags: 0 };
        server.op(1, OpCode::CREATE, request.to_vec())
    };
    for (path, limits) in [("/s", &b"count=1,bytes=-1"[..]), ("/h", b"count=-1,bytes=-1=;byteHardLimit=1")] {
        let quota = format!("/zookeeper/quota{path}");
        for (path, data) in [
            (path, &b""[..]),
            (&quota, b""),
            (&format!("{quota}/zookeeper_limits"), limits),
            (&format!("{quota}/zookeeper_stats"), b""),
        ] {
            server.step(Event::Requests(vec![create(&server, path, data)]));
            server.commit();
        }
    }
    let told = |actions: &[Action]| match actions {
        [Action::Append(_), Action::OverQuota(over)] => over
            .exceeded
            .iter()
            .map(ToString::to_string)
            .chain((over.more > 0).then(|| over.more.to_string()))
            .collect(),
        [Action::Append(_)] => Vec::new(),
        _ => panic!("{actions:?}"),
    };
    let requests =
        vec![create(&server, "/s/a", b""), create(&server, "/h/a", b""), create(&server, "/h/b", b"xx")];
    let actions = server.step(Event::Requests(requests));
    assert_eq!(
        told(&actions),
        ["/s [current count=2, softCountLimit=1]", "/h [current bytes=2, hardByteLimit=1]"]
    );
    server.commit();
    assert_eq!(["/s/a", "/h/a", "/h/b"].map(|path| server.tree.get(path).is_some()), [true, true, false]);
    let requests = (0..100).map(|n| create(&server, &format!("/s/{n}"), b"")).collect();
    let actions = server.step(Event::Requests(requests));
    assert_eq!(told(&actions).last().map(String::as_str), Some("84"), "what is kept is bounded");
    assert!(told(&server.step(Event::Requests(vec![server.set(1)]))).is_empty());
}

#[test]
fn entries_of_a_batch_are_the_transactions_proposed() {
    let mut server = Server::new();
    let requests = vec![server.set(1), server.set(2)];
    let actions = server.step(Event::Requests(requests));
    let [Action::Append(batch)] = &actions[..] else { panic!("{actions:?}") };
    for (zxid, body) in batch.entries() {
        let logged = LoggedTxn::from_bytes(&Bytes::copy_from_slice(body)).unwrap();
        assert_eq!((logged.header.zxid, logged.header.client_id), (zxid, server.session));
    }
    assert_eq!(batch.len(), 2);
    assert!(!server.node.can_apply(), "nothing is applied before it is durable");
}

#[test]
fn a_session_with_many_ephemerals_ends_in_steps_and_lets_others_in_between() {
    // All 300,000 went under one hold of all locks: others waited for a second.
    let mut server = Server::new();
    let acl = Some(server.tree.get("/").unwrap().acl().to_vec());
    let creates = (0..2500).map(|n| {
        let create = CreateRequest { path: format!("/e{n}").into(), data: None, acl: acl.clone(), flags: 1 };
        server.op(n, OpCode::CREATE, create.to_vec())
    });
    let creates = creates.collect();
    server.step(Event::Requests(creates));
    server.commit();
    assert_eq!(server.tree.ephemeral_count(), 2500);

    let close = server.op(9000, OpCode::CLOSE_SESSION, Vec::new());
    server.step(Event::Requests(vec![close]));
    let other = server.node.last_proposed();
    let mut left = Vec::new();
    while !server.node.sessions().global.is_empty() {
        assert_eq!(server.node.next_tick_ms() <= 0, server.node.can_continue_ending());
        server.step(Event::Committed(server.node.last_proposed()));
        let replies = server.answered();
        left.push(server.tree.ephemeral_count());
        assert_eq!(replies, if server.node.sessions().global.is_empty() { vec![9000] } else { vec![] });
        server.step(Event::Tick { due: Vec::new(), heard: Vec::new() });
    }
    assert_eq!(left, [1500, 500, 0]);
    assert_eq!(server.node.last_proposed().0 - other.0, 2, "three transactions");
    server.tree.check();
}

#[test]
fn who_waits_for_the_end_of_a_session_is_cut_off_when_the_log_fails() {
    let mut server = Server::new();
    let acl = Some(server.tree.get("/").unwrap().acl().to_vec());
    for n in 0..1100 {
        let create = CreateRequest { path: format!("/e{n}").into(), data: None, acl: acl.clone(), flags: 1 };
        let request = server.op(n, OpCode::CREATE, create.to_vec());
        server.step(Event::Requests(vec![request]));
    }
    server.commit();
    let close = server.op(9000, OpCode::CLOSE_SESSION, Vec::new());
    server.step(Event::Requests(vec![close]));
    let actions = server.step(Event::LogFailed);
    let [Action::Deliver(told)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(told[..], [Delivery::Close { conn: CONN, reason: Reason::LogFailed }]);
    server.step(Event::Committed(server.node.last_proposed()));
    server.step(Event::LogRecovered);
    for _ in 0..3 {
        server.step(Event::Committed(server.node.last_proposed()));
        assert!(server.answered().is_empty(), "nobody waits any more");
        server.step(Event::Tick { due: Vec::new(), heard: Vec::new() });
    }
    assert_eq!((server.node.sessions().global.len(), server.tree.ephemeral_count()), (0, 0));
}
