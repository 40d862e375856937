//! Taking in what the sequencer has done: events and replies, in the order in which they took effect.

use super::{
    conn::{Phase, Waiting},
    conns::Conns,
    frames::{self, Pace},
    wakeup::Wakeup,
    worker::Worker,
};
use crate::{
    auth,
    node::{CommittedBatch, Delivery, Entry, Reason, is_write},
    server::{
        figures::{Basic, Closing, Count, Detailed, Replied, SlowRequest, path_of},
        sequence::{Item, Message, worker_of},
    },
    session::ConnId,
    topics,
    tree::Change,
    watch::ConnKey,
};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, Encode, EventType, OpCode, Perms, SessionId, Zxid,
    codes::{STATE_SYNC_CONNECTED, XID_EVENT},
    frame::PREFIX_LEN,
};

/// Output that a client has not taken, in bytes, above which events close its connection.
const UNSENT_LIMIT_BYTES: usize = 64 << 20;

impl Wakeup<'_> {
    /// Takes in what the inbox holds.
    pub(super) fn empty_inbox(&mut self) {
        if self.guard.shard.inbox.is_empty() {
            return;
        }
        for item in std::mem::take(&mut self.guard.shard.inbox) {
            self.item(item);
        }
    }

    fn item(&mut self, item: Item) {
        match item {
            Item::Batch(batch) => self.batch(&batch),
            Item::Deliver(delivery) => self.deliver(delivery),
            Item::Look(conns) => self.look(&conns),
            Item::Touches(since_ms) => self.touches(since_ms),
            Item::CloseSilent => self.close_silent(),
            Item::Restored => self.restored(),
        }
    }

    /// The tree is another one: what was kept of the old one is gone, and so is who is in the midst of reading it.
    fn restored(&mut self) {
        self.state.lists.forget();
        let reading = self.state.conns.iter_mut().filter(|conn| conn.long.is_some()).map(|conn| conn.id);
        let reading: Vec<ConnId> = reading.collect();
        reading.into_iter().for_each(|id| self.state.conns.close(id));
    }

    fn batch(&mut self, batch: &CommittedBatch) {
        let index = self.worker.index;
        let mine = |conn: &ConnId| worker_of(*conn) == index;
        for entry in &batch.entries {
            match entry {
                Entry::Changes { zxid, changes } => {
                    if !self.guard.shard.watches.is_empty() {
                        for change in &batch.changes[changes.clone()] {
                            self.events(*zxid, change);
                        }
                    }
                }
                Entry::Reply { conn, op, frame, shared, watch } if mine(conn) => {
                    if let Some(key) = self.reply(*conn, *op, &batch.bytes[frame.clone()], shared.as_ref())
                        && let Some(watch) = watch
                    {
                        let watches = &mut self.guard.shard.watches;
                        if watch.on_children {
                            watches.add_child(&watch.path, key);
                        } else {
                            watches.add_data(&watch.path, key);
                        }
                    }
                }
                Entry::Connected { conn, session, timeout_ms, frame } if mine(conn) => {
                    let heard_ms = self.conn(*conn).map_or(0, |conn| conn.heard_ms);
                    self.connected(*conn, *session, *timeout_ms, &batch.bytes[frame.clone()]);
                    let zxid = self.guard.tree().last_zxid();
                    self.opened(*conn, heard_ms, zxid);
                }
                Entry::Close { conn } if mine(conn) => self.session_ended(*conn),
                Entry::Reply { .. } | Entry::Connected { .. } | Entry::Close { .. } => {}
            }
        }
        self.some_ended();
    }

    /// Tells the sequencer when these sessions were last heard of. What lies in a socket counts as heard now, also if the
    /// connection is not being read: its client has not taken its replies, or has much in work.
    fn look(&mut self, conns: &[(SessionId, ConnId)]) {
        let now_ms = self.now_ms;
        let heard = conns.iter().filter_map(|&(session, id)| {
            let conn = self.state.conns.get(id)?;
            conn.look(now_ms);
            Some((session, conn.heard_ms))
        });
        let heard = heard.collect();
        self.worker.front.hub.mailbox.send(Message::Looked(heard));
    }

    fn touches(&mut self, since_ms: i64) {
        let heard = self.state.conns.iter_mut().filter(|conn| conn.heard_ms >= since_ms);
        let touched: Vec<SessionId> = heard.filter_map(|conn| conn.session).collect();
        if !touched.is_empty() {
            self.worker.front.hub.mailbox.send(Message::Touched(touched));
        }
    }

    /// Closes the connections of sessions that have been silent for longer than a client that lives: it says something in
    /// each third of its time-out.
    fn close_silent(&mut self) {
        let now_ms = self.now_ms;
        let silent = self.state.conns.iter_mut().filter_map(|conn| {
            conn.session?;
            conn.look(now_ms);
            (now_ms - conn.heard_ms > i64::from(conn.timeout_ms) / 2).then_some(conn.id)
        });
        for id in silent.collect::<Vec<_>>() {
            self.tell_why(id, &Closing::NoLeader);
            self.state.conns.close(id);
        }
    }

    /// The session of a connection has ended: nothing more is read from it.
    fn session_ended(&mut self, id: ConnId) {
        if let Some(conn) = self.conn(id) {
            let session = conn.session.map(tracing::field::display);
            tracing::debug!(target: topics::SESSIONS, session, peer = %conn.peer, "a session has ended");
        }
        self.state.conns.close(id);
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Connected { conn, session, timeout_ms, frame } => {
                self.connected(conn, session, timeout_ms, &frame);
            }
            Delivery::Refuse { conn, frame, reason } => {
                self.tell_why(conn, &closing(reason));
                self.state.conns.send(conn, &frame);
                self.state.conns.close(conn);
            }
            Delivery::Close { conn, reason } => {
                self.tell_why(conn, &closing(reason));
                self.state.conns.close(conn);
            }
            Delivery::Ended { conn } => self.session_ended(conn),
        }
    }

    /// The oldest request of a connection is answered.
    fn finish_waiting(&mut self, id: ConnId) -> Option<Waiting> {
        let worker = self.worker;
        let conn = self.conn(id)?;
        let waiting = conn.waiting.pop()?;
        worker.stats().finished(waiting.len, waiting.large);
        if conn.waiting.is_empty() || conn.held_back && frames::pace(&worker.front.hub, conn) == Pace::Read {
            // It may have been held back because of them.
            conn.wake_if_held_back();
        }
        Some(waiting)
    }

    /// A reply from the sequencer. Returns what the connection's watches have, unless it is gone.
    fn reply(&mut self, id: ConnId, op: OpCode, frame: &[u8], shared: Option<&Bytes>) -> Option<ConnKey> {
        let Waiting { since_ms, xid, len, under_quota, audited, .. } = self.finish_waiting(id)?;
        self.state.conns.send(id, frame);
        let frame_len = frame.len() + shared.map_or(0, Bytes::len);
        let now_ms = self.now_ms;
        let latency_ms = now_ms - since_ms;
        let zxid = zxid_of(frame);
        let write = is_write(op);
        if error(frame) == Code::QUOTA_EXCEEDED
            && let Some(path) = under_quota.as_deref().and_then(path_of)
        {
            self.state.over_quota.record(path, 1);
        }
        if let Some((audited, conn)) = audited.zip(self.state.conns.get(id)) {
            audited.tell(&self.worker.front, conn, error(frame), frame);
        }
        let slow = SlowRequest { op, xid, zxid, latency_ms, bytes: len as usize };
        self.tell_if_slow(id, &slow);
        // A write that failed has no name in the statistics, as in the official server.
        let op = if write && error(frame) != Code::OK { OpCode::ERROR } else { op };
        let conn = self.conn(id)?;
        conn.stats.sent += 1;
        conn.stats.replied(op, xid, zxid, now_ms, latency_ms);
        if let Some(shared) = shared {
            conn.output.share(shared.clone());
        }
        let key = conn.key;
        self.stats().replied(Replied { write, latency_ms, frame_len, now_ms });
        Some(key)
    }

    /// Has the log tell of a request that has taken longer than `slowRequestThresholdMs`.
    pub(super) fn tell_if_slow(&mut self, id: ConnId, request: &SlowRequest) {
        let hub = &self.worker.front.hub;
        if let Some(threshold_ms) = hub.config.client.slow_request_ms
            && request.latency_ms > i64::from(threshold_ms)
            && let Some(conn) = self.state.conns.get(id)
        {
            hub.stats.warnings.slow_request(self.now_ms, conn.client(), request);
        }
    }

    fn connected(&mut self, id: ConnId, session: SessionId, timeout_ms: i32, frame: &[u8]) {
        self.state.conns.send(id, frame);
        let Self { worker, now_ms, .. } = *self;
        let Some(conn) = self.conn(id) else { return };
        tracing::debug!(target: topics::SESSIONS, %session, timeout_ms, peer = %conn.peer, "a session is open");
        conn.phase = Phase::Open(session);
        conn.session = Some(session);
        conn.timeout_ms = timeout_ms;
        conn.heard_ms = now_ms;
        conn.stats.sent += 1;
        worker.stats().sent.add(1);
        worker.stats().response(frame.len(), now_ms);
        conn.wake();
    }

    /// Counts a new session as the answer to its handshake, which was read at `heard_ms`. (A renewal does not count.)
    fn opened(&mut self, id: ConnId, heard_ms: i64, zxid: Zxid) {
        let now_ms = self.now_ms;
        let Some(conn) = self.conn(id) else { return };
        let latency_ms = now_ms - heard_ms;
        conn.stats.replied(OpCode::CREATE_SESSION, 0, zxid, now_ms, latency_ms);
        let latency = self.stats().sheet.detailed(Detailed::UpdateLatency);
        latency.record(u64::try_from(latency_ms).unwrap_or(0));
    }

    /// Tells the watchers of one change.
    fn events(&mut self, zxid: Zxid, change: &Change) {
        let Self { worker, state, guard, .. } = self;
        let mut frame = Vec::new();
        guard.shard.watches.fire(change, &mut |fired| {
            frame.clear();
            if let Some(told) = told(fired.event) {
                worker.stats().sheet.basic(told).record(u64::try_from(fired.conns.len()).unwrap_or(0));
            }
            encode_event(fired.event, zxid, fired.path, &mut frame);
            for &key in fired.conns {
                let Some(conn) = state.conns.watcher(key) else { continue };
                if auth::check(fired.acl, Perms::READ, &conn.identities, &worker.front.auth) {
                    let id = conn.id;
                    state.conns.tell(worker, id, &frame);
                }
            }
        });
    }
}

/// The same reason, as the log tells it.
const fn closing(reason: Reason) -> Closing<'static> {
    match reason {
        Reason::ZxidAhead { seen, last } => Closing::ZxidAhead { seen, last },
        Reason::NoSession(session) => Closing::NoSession(session),
        Reason::WrongPassword(session) => Closing::WrongPassword(session),
        Reason::Moved(session) => Closing::Moved(session),
        Reason::NoRequest => Closing::NoRequest,
        Reason::LogFailed => Closing::LogFailed,
        Reason::NoLeader => Closing::NoLeader,
        Reason::ReadOnly => Closing::ReadOnly,
        Reason::ReadOnlyEnded => Closing::ReadOnlyEnded,
    }
}

/// The zxid in a reply's header.
fn zxid_of(frame: &[u8]) -> Zxid {
    let bytes = frame.get(8..).and_then(|rest| rest.first_chunk::<8>());
    bytes.map_or(Zxid::ZERO, |bytes| Zxid(i64::from_be_bytes(*bytes)))
}

/// The error in a reply's header.
fn error(frame: &[u8]) -> Code {
    let bytes = frame.get(16..).and_then(|rest| rest.first_chunk());
    bytes.map_or(Code::SYSTEM_ERROR, |bytes| Code(i32::from_be_bytes(*bytes)))
}

/// The summary of how many connections learn of an event.
const fn told(event: EventType) -> Option<Basic> {
    match event {
        EventType::NODE_CREATED => Some(Basic::NodeCreatedWatches),
        EventType::NODE_DELETED => Some(Basic::NodeDeletedWatches),
        EventType::NODE_DATA_CHANGED => Some(Basic::NodeChangedWatches),
        EventType::NODE_CHILDREN_CHANGED => Some(Basic::NodeChildrenWatches),
        _ => None,
    }
}

/// Appends an event's frame.
pub(super) fn encode_event(event: EventType, zxid: Zxid, path: &str, out: &mut Vec<u8>) {
    crate::processor::read::reply(out, XID_EVENT, zxid, Code::OK, |out| {
        event.encode(out);
        STATE_SYNC_CONNECTED.encode(out);
        crate::processor::read::encode_text(path, out);
    });
}

impl Conns {
    /// Sends one watcher its event. Who takes none of them is cut off.
    pub(super) fn tell(&mut self, worker: &Worker, id: ConnId, frame: &[u8]) {
        let Some(conn) = self.outgoing(id) else { return };
        let stats = worker.stats();
        if conn.unsent() > UNSENT_LIMIT_BYTES {
            let hub = &worker.front.hub;
            let why = Closing::TakesNothing { unsent: conn.unsent() };
            hub.stats.warnings.closing(hub.clock.elapsed_ms(), conn.client(), &why);
            conn.phase = Phase::Closing;
            conn.output.clear();
            return;
        }
        conn.stats.sent += 1;
        conn.output.tail().extend_from_slice(frame);
        stats.sent.add(1);
        stats.sheet.count(Count::WatchBytes).add(u64::try_from(frame.len() - PREFIX_LEN).unwrap_or(0));
    }
}
