//! A random client that pipelines, goes silent, comes back, and remembers what it was told.
//!
//! Checked here, from what one client can see and the oracles know: replies come in the order of the requests; zxids
//! never go back, across connections too; every reply is right at its zxid; the event of a watch comes before a reply
//! that shows the change, once, and never without a watch.

use super::{
    ask::{Answer, Ask, check_read, check_write},
    core::{Core, Event},
    network::{Packet, Way},
    node::WORKERS,
};
use bytes::Bytes;
use oxkeeper::session::ConnId;
use oxkeeper_codec::{
    Code, Decode, Encode, EventType, Reader, SessionId, Zxid,
    codes::{XID_EVENT, XID_PING},
    frame::{begin_frame, end_frame, next_frame},
    records::{ConnectRequest, ConnectResponse, ReplyHeader, WatcherEvent},
};
use std::collections::{BTreeMap, VecDeque};

/// Requests under way at most.
const PIPELINE: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Connecting(ConnId),
    Open(ConnId),
    /// It will never ask again.
    Gone,
}

/// What it asks for at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    NotYet,
    /// One last write is to be answered.
    LastWrite,
    /// Then the session is closed, or left alone.
    Leaving,
}

/// A client.
#[derive(Debug)]
pub(crate) struct SimClient {
    id: usize,
    nodes: usize,
    timeout_ms: i32,
    phase: Phase,
    ending: Ending,
    session: Option<(SessionId, Bytes)>,
    /// Whether the connect request under way must be refused.
    must_be_refused: bool,
    last_zxid: Zxid,
    xid: i32,
    pending: VecDeque<(i32, Ask)>,
    /// Path, whether on children; since which zxid.
    watches: BTreeMap<(String, bool), Zxid>,
    input: Vec<u8>,
    silent_until_ms: i64,
}

impl SimClient {
    /// A client that has not connected yet.
    pub(crate) fn new(id: usize, nodes: usize, core: &mut Core) -> Self {
        let timeout_ms = i32::try_from(1000 + core.rng.below(3000)).unwrap();
        Self {
            id,
            nodes,
            timeout_ms,
            phase: Phase::Idle,
            ending: Ending::NotYet,
            session: None,
            must_be_refused: false,
            last_zxid: Zxid::ZERO,
            xid: 0,
            pending: VecDeque::new(),
            watches: BTreeMap::new(),
            input: Vec::new(),
            silent_until_ms: 0,
        }
    }

    /// From now on it only finishes what it has begun.
    pub(crate) fn finish(&mut self) {
        if self.phase != Phase::Gone {
            self.ending = Ending::LastWrite;
            self.silent_until_ms = 0;
        }
    }

    /// Whether it has finished.
    pub(crate) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    fn data(&self, xid: i32) -> String {
        format!("{}/{xid}", self.id)
    }

    /// Its turn.
    pub(crate) fn go_on(&mut self, core: &mut Core) {
        if self.phase == Phase::Gone {
            return;
        }
        let pause_ms = 1 + core.rng.below(80);
        core.after(pause_ms, Event::Client(self.id));
        if core.now_ms < self.silent_until_ms {
            return;
        }
        match self.phase {
            Phase::Idle => self.connect(core),
            Phase::Open(conn) if self.ending == Ending::NotYet => self.live(core, conn),
            Phase::Open(conn) => self.end(core, conn),
            Phase::Connecting(_) | Phase::Gone => {}
        }
    }

    fn connect(&mut self, core: &mut Core) {
        let node = usize::try_from(core.rng.below(i64::try_from(self.nodes).unwrap())).unwrap();
        let worker = core.rng.next() % u64::try_from(WORKERS).unwrap();
        let conn = core.net.open(self.id, node, worker);
        self.phase = Phase::Connecting(conn);
        self.input.clear();
        let (session_id, mut passwd) = self.session.clone().unwrap_or_default();
        let mut last_zxid_seen = self.last_zxid;
        self.must_be_refused = self.ending == Ending::NotYet && core.rng.one_in(15);
        if self.must_be_refused && session_id != SessionId(0) && core.rng.one_in(2) {
            passwd = Bytes::from_static(b"not the password");
        } else if self.must_be_refused {
            last_zxid_seen = Zxid(i64::MAX);
        }
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen,
            time_out: self.timeout_ms,
            session_id,
            passwd: Some(passwd),
            read_only: false,
        };
        send(core, conn, &[request.to_vec()]);
    }

    /// Something that clients do.
    fn live(&mut self, core: &mut Core, conn: ConnId) {
        if core.rng.one_in(60) {
            let pause_ms = core.rng.below(2 * i64::from(self.timeout_ms));
            self.silent_until_ms = core.now_ms + pause_ms;
            return;
        }
        if core.rng.one_in(70) {
            return core.cut(conn);
        }
        let mut asks: Vec<Ask> = (0..1 + core.rng.below(6)).map(|_| Ask::random(&mut core.rng)).collect();
        if core.rng.one_in(80) {
            asks.push(Ask::Close);
        }
        asks.truncate(PIPELINE.saturating_sub(self.pending.len()));
        self.ask(core, conn, asks);
    }

    fn end(&mut self, core: &mut Core, conn: ConnId) {
        match self.ending {
            Ending::LastWrite if self.pending.is_empty() => {
                self.ask(core, conn, vec![Ask::Create { path: "/s-", flags: 3 }]);
            }
            Ending::Leaving if self.pending.is_empty() => {
                if core.rng.one_in(2) {
                    self.ask(core, conn, vec![Ask::Close]);
                } else {
                    // Nothing more is heard of it.
                    self.phase = Phase::Gone;
                }
            }
            _ => {}
        }
    }

    fn ask(&mut self, core: &mut Core, conn: ConnId, asks: Vec<Ask>) {
        let mut frames = Vec::new();
        for ask in asks {
            self.xid += 1;
            frames.push(ask.encode(self.xid, &self.data(self.xid)));
            self.pending.push_back((self.xid, ask));
            if matches!(self.pending.back(), Some((_, Ask::Close))) {
                break;
            }
        }
        send(core, conn, &frames);
    }

    /// Its connection is gone.
    pub(crate) fn lost(&mut self, conn: ConnId) {
        if !matches!(self.phase, Phase::Connecting(current) | Phase::Open(current) if current == conn) {
            return;
        }
        self.phase = Phase::Idle;
        if self.pending.iter().any(|(_, ask)| *ask == Ask::Close) {
            // Closed or not: it starts anew.
            self.session = None;
            if self.ending != Ending::NotYet {
                self.phase = Phase::Gone;
            }
        }
        self.pending.clear();
        self.watches.clear();
    }

    /// A packet for it arrives.
    pub(crate) fn arrives(&mut self, core: &mut Core, conn: ConnId, packet: Packet) {
        if !matches!(self.phase, Phase::Connecting(current) | Phase::Open(current) if current == conn) {
            return;
        }
        match packet {
            Packet::Bytes(bytes) => self.input.extend(bytes),
            Packet::End => {
                core.net.cut(conn);
                return self.lost(conn);
            }
        }
        while let Some(body) = next_frame(&self.input, 0, 1 << 20).expect("nodes send good frames") {
            let frame = self.input[body.clone()].to_vec();
            self.input.drain(..body.end);
            match self.phase {
                Phase::Connecting(_) => self.connected(core, conn, &frame),
                Phase::Open(_) => self.reply(core, &frame),
                Phase::Idle | Phase::Gone => return,
            }
        }
    }

    fn connected(&mut self, core: &mut Core, conn: ConnId, frame: &[u8]) {
        let response = ConnectResponse::from_slice(frame).unwrap();
        if response.time_out == 0 {
            let Some((session, _)) = &self.session else { panic!("a new session is not refused") };
            if !self.must_be_refused {
                assert!(core.check.may_be_gone(*session), "the session {session} is refused and alive");
                self.session = None;
            }
            self.phase = Phase::Idle;
            core.cut(conn);
            return;
        }
        assert!(!self.must_be_refused, "a wrong password, or a zxid from the future, is accepted");
        assert_eq!(response.time_out, self.timeout_ms);
        assert!(core.check.is_open(response.session_id), "a session that is told is there");
        if let Some((session, _)) = &self.session {
            assert_eq!(*session, response.session_id, "the session that was asked for");
        }
        self.session = Some((response.session_id, response.passwd.expect("every answer has one")));
        self.phase = Phase::Open(conn);
    }

    fn reply(&mut self, core: &mut Core, frame: &[u8]) {
        let mut reader = Reader::new(frame);
        let ReplyHeader { xid, zxid, err } = ReplyHeader::decode(&mut reader).unwrap();
        let body = reader.take(reader.remaining()).unwrap();
        assert!(zxid >= self.last_zxid, "the zxid goes back from {} to {zxid}", self.last_zxid);
        self.last_zxid = zxid;
        if xid == XID_EVENT {
            return self.event(core, zxid, &WatcherEvent::from_slice(body).unwrap());
        }
        self.no_event_is_missing(core, zxid);
        let (expected, ask) = self.pending.pop_front().expect("every reply has a request");
        let shown = if ask == Ask::Ping { XID_PING } else { expected };
        assert_eq!(xid, shown, "replies come in the order of the requests");
        let (session, _) = self.session.clone().expect("who is answered has a session");
        let answer = Answer { zxid, code: err, body };
        core.check.replies += 1;
        if ask.is_write() {
            check_write(&core.check, &ask, session, expected, &self.data(expected), &answer);
        } else {
            check_read(&core.check, &ask, &answer);
        }
        let sets = err == Code::OK || matches!(ask, Ask::Exists { .. });
        if let Some((path, on_children)) = ask.watch().filter(|_| sets) {
            self.watches.entry((path.to_owned(), on_children)).or_insert(zxid);
        }
        if self.ending == Ending::LastWrite
            && ask == (Ask::Create { path: "/s-", flags: 3 })
            && err == Code::OK
        {
            self.ending = Ending::Leaving;
        }
    }

    /// A reply shows the state at this zxid: every watch that has met a change until then has told it.
    fn no_event_is_missing(&self, core: &Core, zxid: Zxid) {
        for ((path, on_children), set) in &self.watches {
            if let Some(due) = core.check.first_event(path, *on_children, *set) {
                assert!(due > zxid, "the reply at {zxid} overtakes the event of {path} at {due}");
            }
        }
    }

    fn event(&mut self, core: &mut Core, zxid: Zxid, event: &WatcherEvent<'_>) {
        let tables: &[bool] = match event.event {
            EventType::NODE_DELETED => &[false, true],
            EventType::NODE_CHILDREN_CHANGED => &[true],
            _ => &[false],
        };
        let mut met = 0;
        for &on_children in tables {
            let key = (event.path.clone().into_owned(), on_children);
            let Some(set) = self.watches.get(&key) else { continue };
            if core.check.first_event(&event.path, on_children, *set) == Some(zxid) {
                self.watches.remove(&key);
                met += 1;
            }
        }
        assert!(met > 0, "no watch is waiting for {event:?} at {zxid}");
        core.check.events += 1;
    }
}

/// Sends frames; they may arrive in pieces.
fn send(core: &mut Core, conn: ConnId, bodies: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    for body in bodies {
        let start = begin_frame(&mut bytes);
        bytes.extend_from_slice(body);
        end_frame(&mut bytes, start).unwrap();
    }
    if bytes.is_empty() {
        return;
    }
    let cut = usize::try_from(core.rng.below(i64::try_from(bytes.len()).unwrap())).unwrap();
    let rest = bytes.split_off(if core.rng.one_in(4) { cut.max(1) } else { bytes.len() });
    for piece in [bytes, rest] {
        if !piece.is_empty() {
            core.send(conn, Way::ToNode, Packet::Bytes(piece));
        }
    }
}
