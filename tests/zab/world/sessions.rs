//! Clients with sessions, at members with a real node: each asks one thing at a time, and moves to another member when it is not
//! answered. Their sessions are global or local ones, as the members of this run are set; some take members that only read.

use super::{Due, World, figures::Figure};
use crate::properties::{Fact, LOCK};
use bytes::Bytes;
use oxkeeper::{
    auth::Identities,
    node::{CommittedBatch, Delivery, Entry, Event, NewSessions, Request},
    session::ConnId,
};
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode, Perms, ServerId, SessionId, Zxid,
    records::{
        Acl, ConnectRequest, ConnectResponse, CreateRequest, DeleteRequest, GetDataRequest, Id, ReplyHeader,
        RequestHeader, SetDataRequest, SyncRequest,
    },
    request::Handshake,
};
use std::collections::BTreeMap;

/// So many clients there are.
const CLIENTS: usize = 4;
/// So many znodes they write to.
const REGISTERS: i64 = 3;
/// A client waits for an answer for so long, in ms.
const PATIENCE_MS: i64 = 1200;
/// The time-out that clients ask for, in ms.
const TIMEOUT_MS: i32 = 3000;

/// Who is connected with whom.
#[derive(Debug, Clone, Copy)]
struct At {
    member: ServerId,
    start: u32,
    conn: ConnId,
}

/// What a client waits for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    xid: i32,
    op: OpCode,
    locks: bool,
    at_ms: i64,
}

#[derive(Debug, Default)]
struct Client {
    at: Option<At>,
    session: SessionId,
    passwd: Option<Bytes>,
    /// Whether it takes a member that only reads.
    takes_read_only: bool,
    /// Whether it is at one.
    only_reads: bool,
    xid: i32,
    asked: Option<Asked>,
    seen: Zxid,
    /// So many writes it has asked for: each has a value of its own.
    writes: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// What new sessions are, at all members.
    new_sessions: Option<NewSessions>,
    clients: Vec<Client>,
    conns: BTreeMap<ConnId, usize>,
    last_conn: u64,
}

impl Clients {
    pub(super) fn new_sessions(&self) -> NewSessions {
        self.new_sessions.expect("members with a node have clients")
    }

    /// Those who are connected with a member, as it was started, and their sessions.
    fn sessions_at(&self, member: ServerId, start: u32) -> impl Iterator<Item = SessionId> {
        let is_here = move |at: At| at.member == member && at.start == start;
        let here = self.clients.iter().filter(move |client| client.at.is_some_and(is_here));
        here.map(|client| client.session).filter(|session| session.0 != 0)
    }
}

impl World {
    /// Clients come. The first one takes no member that only reads: who does may be shown there what is not committed yet, and is
    /// let in by no other member while the history is shorter than that. Somebody has to be there who makes it longer.
    pub(super) fn open_sessions(&mut self) {
        let kinds = [NewSessions::Global, NewSessions::Global, NewSessions::Local, NewSessions::LocalAtFirst];
        self.clients.new_sessions = Some(self.rng.pick(&kinds));
        let takes = |client| client > 0 && self.rng.one_in(2);
        let client = |takes_read_only| Client { takes_read_only, ..Client::default() };
        self.clients.clients = (0..CLIENTS).map(takes).map(client).collect();
        for client in 0..CLIENTS {
            let after_ms = self.rng.below(1000);
            self.after(after_ms, Due::Client(client));
        }
    }

    /// A client goes on.
    pub(super) fn client(&mut self, client: usize) {
        let Client { at, asked, .. } = self.clients.clients[client];
        let lives = |at: At| self.is(at.member, at.start);
        match (at, asked) {
            (None, _) => self.connect_client(client),
            (Some(at), _) if !lives(at) => self.leave(client),
            (Some(_), Some(asked)) if self.now_ms - asked.at_ms > PATIENCE_MS => self.leave(client),
            (Some(_), Some(_)) => {}
            (Some(at), None) => self.ask(client, at),
        }
        let pause_ms = 1 + self.rng.below(60);
        self.after(pause_ms, Due::Client(client));
    }

    fn connect_client(&mut self, client: usize) {
        let member = self.rng.pick(&self.ids());
        let start = self.members[&member].start;
        let server = self.members[&member].running.as_ref().and_then(|running| running.server.as_ref());
        let takes_read_only = self.clients.clients[client].takes_read_only;
        if !server.is_some_and(|server| server.node.serves() || server.node.holds() || takes_read_only) {
            return;
        }
        self.clients.last_conn += 1;
        let conn = ConnId(self.clients.last_conn);
        let it = &mut self.clients.clients[client];
        it.at = Some(At { member, start, conn });
        it.asked = Some(Asked { xid: 0, op: OpCode::CREATE_SESSION, locks: false, at_ms: self.now_ms });
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: it.seen,
            time_out: TIMEOUT_MS,
            session_id: it.session,
            passwd: it.passwd.clone(),
            read_only: takes_read_only,
        };
        self.clients.conns.insert(conn, client);
        let handshake = Handshake { request, has_read_only: true };
        self.node(member, Event::Requests(vec![Request::Connect { conn, handshake }]));
    }

    /// A client gives its connection up, or has lost it.
    fn leave(&mut self, client: usize) {
        let it = &mut self.clients.clients[client];
        it.asked = None;
        let Some(At { member, start, conn }) = it.at.take() else { return };
        let session = it.session;
        self.clients.conns.remove(&conn);
        if self.is(member, start) {
            let heard_ms = self.members[&member].clock.shows(self.now_ms);
            self.node(member, Event::Disconnected { session, conn, heard_ms });
        }
    }

    fn ask(&mut self, client: usize, At { member, conn, .. }: At) {
        let register = format!("/r{}", self.rng.below(REGISTERS));
        let choice = self.rng.below(12);
        let it = &mut self.clients.clients[client];
        it.writes += 1;
        let data = Some(Bytes::from(format!("{} of client {client}", it.writes)));
        let create = |path: &str, flags| {
            let acl = vec![Acl { perms: Perms(31), id: Id { scheme: "world".into(), id: "anyone".into() } }];
            CreateRequest { path: path.into(), data: data.clone(), acl: Some(acl), flags }.to_vec()
        };
        let (op, body) = match choice {
            0 => (OpCode::CREATE, create(&register, 0)),
            1..=3 => {
                let request = SetDataRequest { path: register.as_str().into(), data, version: -1 };
                (OpCode::SET_DATA, request.to_vec())
            }
            4 | 5 => (OpCode::CREATE, create(LOCK, 1)),
            6 => (OpCode::DELETE, DeleteRequest { path: LOCK.into(), version: -1 }.to_vec()),
            7 => (OpCode::SYNC, SyncRequest { path: Some("/".into()) }.to_vec()),
            _ => (OpCode::GET_DATA, GetDataRequest { path: register.as_str().into(), watch: false }.to_vec()),
        };
        it.xid += 1;
        let (xid, session) = (it.xid, it.session);
        it.asked = Some(Asked { xid, op, locks: matches!(choice, 4 | 5), at_ms: self.now_ms });
        let server = self.members[&member].running.as_ref().and_then(|running| running.server.as_ref());
        if op == OpCode::GET_DATA
            && let Some(server) = server
            && server.node.holds()
        {
            // Whoever asks for nothing else reads on.
            let zxid = server.state().0;
            self.figures.count(Figure::ReadsHeld, 1);
            self.replied(conn, &ReplyHeader { xid, zxid, err: Code::OK });
            return self.spoil_after_read(member);
        }
        let header = RequestHeader { xid, op };
        let request =
            Request::Op { conn, session, header, body: body.into(), identities: Identities::none() };
        self.node(member, Event::Requests(vec![request]));
    }

    /// What a member tells its clients at once.
    pub(super) fn delivered(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            match delivery {
                Delivery::Connected { conn, frame, .. } => self.connected(conn, &frame[4..]),
                Delivery::Refuse { conn, frame, .. } => self.connected(conn, &frame[4..]),
                Delivery::Close { conn, .. } | Delivery::Ended { conn } => self.hung_up(conn),
            }
        }
    }

    /// What a member tells its clients with what it has applied.
    pub(super) fn answered(&mut self, batch: &CommittedBatch) {
        for entry in &batch.entries {
            match entry {
                Entry::Reply { conn, frame, .. } => {
                    let reply =
                        ReplyHeader::from_slice(&batch.bytes[frame.start + 4..frame.start + 20]).unwrap();
                    self.replied(*conn, &reply);
                }
                Entry::Connected { conn, frame, .. } => {
                    self.connected(*conn, &batch.bytes[frame.start + 4..frame.end]);
                }
                Entry::Close { conn } => self.hung_up(*conn),
                Entry::Changes { .. } => {}
            }
        }
    }

    fn connected(&mut self, conn: ConnId, frame: &[u8]) {
        let Some(&client) = self.clients.conns.get(&conn) else { return };
        let response = ConnectResponse::from_slice(frame).unwrap();
        let it = &mut self.clients.clients[client];
        it.asked = None;
        if response.time_out > 0 {
            (it.session, it.passwd, it.only_reads) =
                (response.session_id, response.passwd, response.read_only);
            self.figures.count(Figure::Connects, 1);
            self.figures.count(Figure::ReadOnlyConnects, usize::from(response.read_only));
        } else {
            (it.session, it.passwd, it.seen) = (SessionId(0), None, Zxid::ZERO);
            self.leave(client);
        }
    }

    fn replied(&mut self, conn: ConnId, reply: &ReplyHeader) {
        let Some(&client) = self.clients.conns.get(&conn) else { return };
        let it = &mut self.clients.clients[client];
        let Some(asked) = it.asked.take() else { panic!("an answer that nobody waits for: {reply:?}") };
        assert_eq!(asked.xid, reply.xid, "answers come in the order of requests");
        it.seen = reply.zxid.max(it.seen);
        let (session, zxid) = (it.session, reply.zxid);
        let is_refused = it.only_reads && asked.op != OpCode::GET_DATA;
        assert_eq!(
            is_refused,
            reply.err == Code::NOT_READ_ONLY,
            "who only reads refuses all else, and nobody else does"
        );
        let writes = !is_refused && !matches!(asked.op, OpCode::GET_DATA | OpCode::SYNC);
        let (asked_ms, answered_ms) = (asked.at_ms, self.now_ms);
        self.figures.count(Figure::Answers, 1);
        if !it.only_reads {
            self.properties.see(Fact::Shows { zxid });
        }
        self.properties.see(Fact::Answers { session, asked_ms, answered_ms, zxid, writes });
        if asked.locks && reply.err == Code::OK {
            let new_sessions = self.clients.new_sessions();
            assert_ne!(new_sessions, NewSessions::Local, "who has an ephemeral is known to all");
            self.figures.count(Figure::Locks, 1);
            self.figures.count(Figure::LocksAtFirst, usize::from(new_sessions == NewSessions::LocalAtFirst));
            self.properties.see(Fact::Locks { session, zxid });
        }
        let is_local = reply.err == Code::EPHEMERAL_ON_LOCAL_SESSION;
        self.figures.count(Figure::LocalRefusals, usize::from(is_local));
    }

    fn hung_up(&mut self, conn: ConnId) {
        if let Some(client) = self.clients.conns.remove(&conn) {
            let it = &mut self.clients.clients[client];
            (it.at, it.asked) = (None, None);
        }
    }

    /// Sessions that a member has heard of, with their time-outs in ms.
    pub(super) fn touched(&self, id: ServerId) -> Vec<(SessionId, i32)> {
        let member = &self.members[&id];
        let Some(server) = member.running.as_ref().and_then(|running| running.server.as_ref()) else {
            return Vec::new();
        };
        let known = |session| Some((session, server.node.sessions().global.timeout_ms(session)?));
        self.clients.sessions_at(id, member.start).filter_map(known).collect()
    }

    /// Sessions end that nobody has heard of.
    pub(super) fn tick(&mut self, id: ServerId) {
        let member = &self.members[&id];
        let now_ms = member.clock.shows(self.now_ms);
        let server = member.running.as_ref().and_then(|running| running.server.as_ref());
        if let Some(due) = server.and_then(|server| server.due(now_ms)) {
            let heard = self.clients.sessions_at(id, member.start).map(|session| (session, now_ms)).collect();
            self.node(id, Event::Tick { due, heard });
        }
    }
}
