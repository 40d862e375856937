//! One I/O worker of a node, in the order of `src/server/io/{worker,drain,frames}.rs`: first the inbox, then what the
//! clients ask. The watch table, the reads and the framing are the real ones.

use super::{
    core::Core,
    network::{Packet, Way},
    variant::Variant,
};
use oxkeeper::{
    auth::{AuthConfig, Identities},
    node::{CommittedBatch, Delivery, Entry, Request, is_write},
    processor::read::{self, Asker, ReadWatch},
    session::ConnId,
    tree::{Change, Tree},
    watch::{ConnKey, WatchTable},
};
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode, SessionId, Zxid,
    codes::{STATE_SYNC_CONNECTED, XID_EVENT},
    frame::next_frame,
    records::RequestHeader,
    request::Handshake,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

const HEADER_LEN: usize = 8;
const MAX_FRAME: usize = 1 << 20;

/// One thing in an inbox.
#[derive(Debug)]
pub(crate) enum Item {
    /// Transactions took effect.
    Batch(Arc<CommittedBatch>),
    /// For one connection.
    Deliver(Delivery),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fresh,
    Connecting,
    Open(SessionId),
}

/// A connection, as its worker sees it.
#[derive(Debug)]
struct Conn {
    phase: Phase,
    input: Vec<u8>,
    /// Requests that the sequencer has.
    waiting: usize,
    heard_ms: i64,
}

/// A connection that is gone, for the sequencer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gone {
    /// Its session.
    pub(crate) session: SessionId,
    /// Itself.
    pub(crate) conn: ConnId,
    /// When it was last heard of, by the node's elapsed clock.
    pub(crate) heard_ms: i64,
}

/// The worker.
#[derive(Debug)]
pub(crate) struct Worker {
    variant: Variant,
    /// What it has to look at first.
    pub(crate) inbox: Vec<Item>,
    watches: WatchTable,
    conns: BTreeMap<ConnId, Conn>,
    by_slot: BTreeMap<ConnKey, ConnId>,
    /// Requests for the sequencer.
    pub(crate) requests: VecDeque<Request>,
    /// Connections that are gone, for the sequencer.
    pub(crate) gone: Vec<Gone>,
    auth: AuthConfig,
    /// The node's elapsed clock.
    now_ms: i64,
}

/// A connection's number in the watch table.
fn slot_of(conn: ConnId) -> ConnKey {
    ConnKey(u32::try_from(conn.0 & 0xffff_ffff).unwrap())
}

/// Which worker has a connection.
pub(crate) fn worker_of(conn: ConnId) -> usize {
    usize::try_from(conn.0 >> 56).unwrap()
}

impl Worker {
    /// A worker without connections.
    pub(crate) fn new(variant: Variant) -> Self {
        Self {
            variant,
            inbox: Vec::new(),
            watches: WatchTable::new(7),
            conns: BTreeMap::new(),
            by_slot: BTreeMap::new(),
            requests: VecDeque::new(),
            gone: Vec::new(),
            auth: AuthConfig::default(),
            now_ms: 0,
        }
    }

    /// When a connection was last heard of.
    pub(crate) fn heard_ms(&self, conn: ConnId) -> Option<i64> {
        self.conns.get(&conn).map(|conn| conn.heard_ms)
    }

    /// Whether a batch concerns it.
    pub(crate) fn is_concerned(&self, batch: &CommittedBatch) -> bool {
        let has = |conn: ConnId| self.conns.contains_key(&conn);
        // What still waits in the inbox may set the first watch.
        let may_watch = !self.inbox.is_empty() && self.variant != Variant::FirstWatchForgotten;
        may_watch || !self.watches.is_empty() || batch.entries.iter().filter_map(Entry::conn).any(has)
    }

    /// Looks into the inbox.
    pub(crate) fn drain(&mut self, core: &mut Core, tree: &Tree, now_ms: i64) {
        self.now_ms = now_ms;
        for item in std::mem::take(&mut self.inbox) {
            match item {
                Item::Batch(batch) => self.batch(core, tree, &batch),
                Item::Deliver(delivery) => self.deliver(core, tree, delivery),
            }
        }
    }

    /// Bytes have come.
    pub(crate) fn input(&mut self, core: &mut Core, tree: &Tree, conn: ConnId, bytes: &[u8], now_ms: i64) {
        let fresh = || Conn { phase: Phase::Fresh, input: Vec::new(), waiting: 0, heard_ms: now_ms };
        self.conns.entry(conn).or_insert_with(fresh);
        self.by_slot.insert(slot_of(conn), conn);
        if self.variant != Variant::InboxIgnored {
            self.drain(core, tree, now_ms);
        }
        self.now_ms = now_ms;
        // The inbox may have ended it.
        let Some(state) = self.conns.get_mut(&conn) else { return };
        state.heard_ms = now_ms;
        state.input.extend_from_slice(bytes);
        if let Phase::Open(session) = state.phase {
            core.check.heard(session, core.now_ms);
        }
        self.frames(core, tree, conn);
    }

    /// The client is gone.
    pub(crate) fn lost(&mut self, conn: ConnId) {
        let Some(state) = self.conns.remove(&conn) else { return };
        self.watches.remove_conn(slot_of(conn));
        self.by_slot.remove(&slot_of(conn));
        if let Phase::Open(session) = state.phase {
            self.gone.push(Gone { session, conn, heard_ms: state.heard_ms });
        }
    }

    fn frames(&mut self, core: &mut Core, tree: &Tree, conn: ConnId) {
        while let Some(state) = self.conns.get_mut(&conn)
            && state.phase != Phase::Connecting
            && let Some(body) = next_frame(&state.input, 0, MAX_FRAME).expect("clients send good frames")
        {
            let frame: Vec<u8> = state.input[body.clone()].to_vec();
            state.input.drain(..body.end);
            match state.phase {
                Phase::Open(session) => self.request(core, tree, conn, session, &frame),
                Phase::Fresh | Phase::Connecting => {
                    state.phase = Phase::Connecting;
                    let handshake = Handshake::from_slice(&frame).unwrap();
                    self.requests.push_back(Request::Connect { conn, handshake });
                }
            }
        }
    }

    fn request(&mut self, core: &mut Core, tree: &Tree, conn: ConnId, session: SessionId, frame: &[u8]) {
        let header = RequestHeader::from_slice(frame).unwrap();
        let body = &frame[HEADER_LEN..];
        let identities = Identities::none();
        let state = self.conns.get_mut(&conn).expect("it has sent this");
        let is_free = state.waiting == 0 || self.variant == Variant::ReadOvertakesWrite;
        if is_free && !is_write(header.op) && header.op != OpCode::SYNC {
            assert!(read::is_read(header.op), "clients here ask for nothing else");
            let asker = Asker { session, identities: &identities, auth: &self.auth };
            let mut out = Vec::new();
            match read::answer(tree, asker, &header, body, &mut out).watch {
                Some(ReadWatch::Data(path)) => self.watches.add_data(&path, slot_of(conn)),
                Some(ReadWatch::Child(path)) => self.watches.add_child(&path, slot_of(conn)),
                None => {}
            }
            send(core, tree, conn, out);
        } else {
            state.waiting += 1;
            let body = bytes::Bytes::copy_from_slice(body);
            self.requests.push_back(Request::Op { conn, session, header, body, identities });
        }
    }

    fn batch(&mut self, core: &mut Core, tree: &Tree, batch: &CommittedBatch) {
        let mut entries: Vec<&Entry> = batch.entries.iter().collect();
        if self.variant == Variant::EventsAfterReplies {
            entries.sort_by_key(|entry| matches!(entry, Entry::Changes { .. }));
        }
        for entry in entries {
            if entry.conn().is_some_and(|conn| !self.conns.contains_key(&conn)) {
                continue;
            }
            match entry {
                Entry::Changes { zxid, changes } => {
                    for change in &batch.changes[changes.clone()] {
                        self.events(core, tree, *zxid, change);
                    }
                }
                Entry::Reply { conn, frame, shared, watch, .. } => {
                    let shared = shared.as_deref().unwrap_or_default();
                    self.reply(core, tree, *conn, [&batch.bytes[frame.clone()], shared].concat());
                    match watch {
                        Some(watch) if watch.on_children => {
                            self.watches.add_child(&watch.path, slot_of(*conn));
                        }
                        Some(watch) => self.watches.add_data(&watch.path, slot_of(*conn)),
                        None => {}
                    }
                }
                Entry::Connected { conn, session, frame, .. } => {
                    self.connected(core, tree, *conn, *session, batch.bytes[frame.clone()].to_vec());
                }
                Entry::Close { conn } => self.close(core, *conn),
            }
        }
    }

    fn deliver(&mut self, core: &mut Core, tree: &Tree, delivery: Delivery) {
        if !self.conns.contains_key(&delivery.conn()) {
            return;
        }
        match delivery {
            Delivery::Connected { conn, session, frame, .. } => {
                self.connected(core, tree, conn, session, frame);
            }
            Delivery::Refuse { conn, frame, .. } => {
                send(core, tree, conn, frame);
                self.close(core, conn);
            }
            Delivery::Close { conn, .. } | Delivery::Ended { conn } => self.close(core, conn),
        }
    }

    fn reply(&mut self, core: &mut Core, tree: &Tree, conn: ConnId, frame: Vec<u8>) {
        let Some(state) = self.conns.get_mut(&conn) else { return };
        assert!(state.waiting > 0, "a reply that nobody waits for");
        state.waiting -= 1;
        send(core, tree, conn, frame);
    }

    fn connected(&mut self, core: &mut Core, tree: &Tree, conn: ConnId, session: SessionId, frame: Vec<u8>) {
        send(core, tree, conn, frame);
        let Some(state) = self.conns.get_mut(&conn) else { return };
        state.phase = Phase::Open(session);
        state.heard_ms = self.now_ms;
        core.check.heard(session, core.now_ms);
        self.frames(core, tree, conn);
    }

    /// The connection ends once everything is sent.
    fn close(&mut self, core: &mut Core, conn: ConnId) {
        self.lost(conn);
        core.send(conn, Way::ToClient, Packet::End);
    }

    fn events(&mut self, core: &mut Core, tree: &Tree, zxid: Zxid, change: &Change) {
        let mut stay = Vec::new();
        let by_slot = &self.by_slot;
        self.watches.fire(change, &mut |fired| {
            let mut frame = Vec::new();
            read::reply(&mut frame, XID_EVENT, zxid, Code::OK, |out| {
                fired.event.encode(out);
                STATE_SYNC_CONNECTED.encode(out);
                fired.path.encode(out);
            });
            for slot in fired.conns {
                stay.push((fired.path.to_owned(), *slot));
                send(core, tree, by_slot[slot], frame.clone());
            }
        });
        if self.variant == Variant::WatchesStay {
            for (path, slot) in stay {
                self.watches.add_data(&path, slot);
            }
        }
    }
}

/// Sends a frame that shows the state as it is now, or an earlier one.
fn send(core: &mut Core, tree: &Tree, conn: ConnId, frame: Vec<u8>) {
    core.check.show(tree.last_zxid());
    core.send(conn, Way::ToClient, Packet::Bytes(frame));
}
