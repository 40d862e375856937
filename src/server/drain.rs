//! Taking in what the sequencer has done: events and replies, in the order in which they took effect.

use super::{
    conn::{Phase, Waiting, slot_of, worker_of},
    frames::{self, Pace, take_output},
    hub::{Item, Shard},
    local,
    metrics::{Basic, Count, Detailed, path_of},
    stats::Replied,
    throttle,
    token::ReadGuard,
    worker::{State, Worker},
};
use crate::{
    auth,
    node::{CommittedBatch, Delivery, Entry, is_write},
    session::ConnId,
    tree::{Change, Tree},
    watch::ConnKey,
};
use oxkeeper_codec::{
    Code, Encode, EventType, OpCode, Perms, SessionId, Zxid,
    codes::{STATE_SYNC_CONNECTED, XID_EVENT},
    frame::PREFIX_LEN,
};

type Guard<'a> = ReadGuard<'a, Tree, Shard>;

/// Output that a client has not taken, in bytes, above which events close its connection.
const UNSENT_LIMIT_BYTES: usize = 64 << 20;

/// Takes in one item of the inbox.
pub(super) fn item(worker: &Worker, state: &mut State, guard: &mut Guard<'_>, item: Item) {
    match item {
        Item::Batch(batch) => self::batch(worker, state, guard, &batch),
        Item::Deliver(delivery) => deliver(worker, state, delivery),
    }
}

fn batch(worker: &Worker, state: &mut State, guard: &mut Guard<'_>, batch: &CommittedBatch) {
    let mine = |conn: &ConnId| worker_of(*conn) == worker.index;
    for entry in &batch.entries {
        match entry {
            Entry::Changes { zxid, changes } => {
                if !guard.shard.watches.is_empty() {
                    for change in &batch.changes[changes.clone()] {
                        events(worker, state, &mut guard.shard, *zxid, change);
                    }
                }
            }
            Entry::Reply { conn, op, frame, watch } if mine(conn) => {
                if reply(worker, state, *conn, *op, &batch.bytes[frame.clone()])
                    && let Some(watch) = watch
                {
                    let watches = &mut guard.shard.watches;
                    if watch.on_children {
                        watches.add_child(&watch.path, slot_of(*conn));
                    } else {
                        watches.add_data(&watch.path, slot_of(*conn));
                    }
                }
            }
            Entry::Connected { conn, session, timeout_ms, frame } if mine(conn) => {
                let heard_ms = state.conn_by_id(*conn).map_or(0, |conn| conn.heard_ms);
                connected(worker, state, *conn, *session, *timeout_ms, &batch.bytes[frame.clone()]);
                opened(worker, state, *conn, heard_ms, guard.tree().last_zxid());
            }
            Entry::Local { conn, header, body, seen } if mine(conn) => {
                if finish_waiting(worker, state, *conn).is_some_and(|waiting| waiting.throttled) {
                    local::throttled(worker, state, guard, *conn, header);
                } else {
                    local::answer(worker, state, guard, *conn, header, body, seen);
                }
            }
            Entry::Close { conn } if mine(conn) => close(state, *conn),
            Entry::Reply { .. } | Entry::Connected { .. } | Entry::Local { .. } | Entry::Close { .. } => {}
        }
    }
    throttle::some_ended(worker, state);
}

fn deliver(worker: &Worker, state: &mut State, delivery: Delivery) {
    match delivery {
        Delivery::Connected { conn, session, timeout_ms, frame } => {
            connected(worker, state, conn, session, timeout_ms, &frame);
        }
        Delivery::Refuse(conn, frame) => {
            send(state, conn, &frame);
            close(state, conn);
        }
        Delivery::Close(conn) => close(state, conn),
    }
}

/// The oldest request of a connection is answered.
fn finish_waiting(worker: &Worker, state: &mut State, id: ConnId) -> Option<Waiting> {
    let conn = state.conn_by_id(id)?;
    let waiting = conn.waiting.pop()?;
    worker.stats().finished(waiting.len, waiting.large);
    if conn.waiting.is_empty() || conn.held_back && frames::pace(&worker.hub, conn) == Pace::Read {
        // It may have been held back because of them.
        conn.wake_if_held_back();
    }
    Some(waiting)
}

/// A reply from the sequencer. False: the connection is gone.
fn reply(worker: &Worker, state: &mut State, id: ConnId, op: OpCode, frame: &[u8]) -> bool {
    let Some(waiting) = finish_waiting(worker, state, id) else { return false };
    let Waiting { since_ms, xid, under_quota, .. } = waiting;
    send(state, id, frame);
    let now_ms = state.now_ms;
    let latency_ms = now_ms - since_ms;
    let zxid = zxid_of(frame);
    let write = is_write(op);
    if error(frame) == Code::QUOTA_EXCEEDED
        && let Some(path) = under_quota.as_deref().and_then(path_of)
    {
        state.over_quota.record(path, 1);
    }
    // A write that failed has no name in the statistics, as in the official server.
    let op = if write && error(frame) != Code::OK { OpCode::ERROR } else { op };
    let Some(conn) = state.conn_by_id(id) else { return false };
    conn.stats.sent += 1;
    conn.stats.replied(op, xid, zxid, now_ms, latency_ms);
    worker.stats().replied(Replied { write, latency_ms, frame_len: frame.len(), now_ms });
    true
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

fn send(state: &mut State, id: ConnId, frame: &[u8]) {
    let mut output = take_output(state, id);
    let Some(conn) = state.conn_by_id(id) else { return };
    output.extend_from_slice(frame);
    conn.output = output;
    state.mark_dirty(slot_of(id));
}

fn connected(
    worker: &Worker,
    state: &mut State,
    id: ConnId,
    session: SessionId,
    timeout_ms: i32,
    frame: &[u8],
) {
    send(state, id, frame);
    let now_ms = state.now_ms;
    let Some(conn) = state.conn_by_id(id) else { return };
    conn.phase = Phase::Open(session);
    conn.session = Some(session);
    conn.timeout_ms = timeout_ms;
    conn.heard_ms = now_ms;
    conn.stats.sent += 1;
    worker.stats().sent.add(1);
    worker.stats().response(frame.len(), now_ms);
    conn.wake();
}

/// The connection ends once everything is sent.
pub(super) fn close(state: &mut State, id: ConnId) {
    let Some(conn) = state.conn_by_id(id) else { return };
    conn.phase = Phase::Closing;
    state.mark_dirty(slot_of(id));
}

/// Counts a new session as the answer to its handshake, which was read at `heard_ms`. (A renewal does not count.)
fn opened(worker: &Worker, state: &mut State, id: ConnId, heard_ms: i64, zxid: Zxid) {
    let now_ms = state.now_ms;
    let Some(conn) = state.conn_by_id(id) else { return };
    let latency_ms = now_ms - heard_ms;
    conn.stats.replied(OpCode::CREATE_SESSION, 0, zxid, now_ms, latency_ms);
    let latency = worker.stats().sheet.detailed(Detailed::UpdateLatency);
    latency.record(u64::try_from(latency_ms).unwrap_or(0));
}

/// Tells the watchers of one change.
fn events(worker: &Worker, state: &mut State, shard: &mut Shard, zxid: Zxid, change: &Change) {
    let mut frame = Vec::new();
    shard.watches.fire(change, &mut |fired| {
        frame.clear();
        if let Some(told) = told(fired.event) {
            worker.stats().sheet.basic(told).record(u64::try_from(fired.conns.len()).unwrap_or(0));
        }
        encode_event(fired.event, zxid, fired.path, &mut frame);
        for &slot in fired.conns {
            event(worker, state, slot, &frame, |conn| {
                auth::check(fired.acl, Perms::READ, &conn.identities, &worker.hub.auth)
            });
        }
    });
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

/// Sends one watcher its event, if it may know. Who takes none of them is cut off.
pub(super) fn event(
    worker: &Worker,
    state: &mut State,
    slot: ConnKey,
    frame: &[u8],
    may_know: impl FnOnce(&super::conn::Conn) -> bool,
) {
    let Some(conn) = state.conn(slot) else { return };
    if !may_know(conn) {
        return;
    }
    if conn.unsent() > UNSENT_LIMIT_BYTES {
        tracing::warn!(peer = %conn.peer, "closing the connection: it does not take its events");
        conn.phase = Phase::Closing;
        conn.output.clear();
        conn.sent_to = 0;
        state.mark_dirty(slot);
        return;
    }
    conn.stats.sent += 1;
    let id = conn.id;
    worker.stats().sent.add(1);
    worker.stats().sheet.count(Count::WatchBytes).add(u64::try_from(frame.len() - PREFIX_LEN).unwrap_or(0));
    send(state, id, frame);
}
