//! Taking in what the sequencer has done: events and replies, in the order in which they took effect.

use super::{
    conn::{Phase, slot_of, worker_of},
    frames::take_output,
    hub::{Item, Shard},
    local,
    token::ReadGuard,
    worker::{State, Worker},
};
use crate::{
    auth,
    node::{CommittedBatch, Delivery, Entry},
    session::ConnId,
    tree::{Change, Tree},
    watch::ConnKey,
};
use oxkeeper_codec::{
    Encode, EventType, OpCode, Perms, SessionId, Zxid,
    codes::{STATE_SYNC_CONNECTED, XID_EVENT},
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
                connected(worker, state, *conn, *session, *timeout_ms, &batch.bytes[frame.clone()]);
            }
            Entry::Local { conn, header, body } if mine(conn) => {
                finish_waiting(worker, state, *conn);
                local::answer(worker, state, guard, *conn, header, body);
            }
            Entry::Close { conn } if mine(conn) => close(state, *conn),
            Entry::Reply { .. } | Entry::Connected { .. } | Entry::Local { .. } | Entry::Close { .. } => {}
        }
    }
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

/// The oldest request of a connection is answered; how long it took, in ms, and its number.
fn finish_waiting(worker: &Worker, state: &mut State, id: ConnId) -> Option<(i64, i32)> {
    let now_ms = state.now_ms;
    let conn = state.conn_by_id(id)?;
    let waiting = conn.waiting.pop_front()?;
    if conn.waiting.is_empty() {
        // It may have been held back because of them.
        conn.wake_if_held_back();
    }
    let latency_ms = now_ms - waiting.since_ms;
    let stats = worker.stats();
    stats.finished(waiting.len, waiting.large);
    Some((latency_ms, waiting.xid))
}

/// A reply from the sequencer. False: the connection is gone.
fn reply(worker: &Worker, state: &mut State, id: ConnId, op: OpCode, frame: &[u8]) -> bool {
    let Some((latency_ms, xid)) = finish_waiting(worker, state, id) else { return false };
    send(state, id, frame);
    let now_ms = state.now_ms;
    let zxid = zxid_of(frame);
    let Some(conn) = state.conn_by_id(id) else { return false };
    conn.stats.sent += 1;
    conn.stats.replied(op, xid, zxid, now_ms, latency_ms);
    worker.stats().sent.add(1);
    worker.stats().latency.record(latency_ms);
    true
}

/// The zxid in a reply's header.
fn zxid_of(frame: &[u8]) -> Zxid {
    let bytes = frame.get(8..).and_then(|rest| rest.first_chunk::<8>());
    bytes.map_or(Zxid::ZERO, |bytes| Zxid(i64::from_be_bytes(*bytes)))
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
    conn.stats.replied(OpCode::CREATE_SESSION, 0, Zxid(-1), now_ms, 0);
    worker.stats().sent.add(1);
    conn.wake();
}

/// The connection ends once everything is sent.
fn close(state: &mut State, id: ConnId) {
    let Some(conn) = state.conn_by_id(id) else { return };
    conn.phase = Phase::Closing;
    state.mark_dirty(slot_of(id));
}

/// Tells the watchers of one change.
fn events(worker: &Worker, state: &mut State, shard: &mut Shard, zxid: Zxid, change: &Change) {
    let mut frame = Vec::new();
    shard.watches.fire(change, &mut |fired| {
        frame.clear();
        encode_event(fired.event, zxid, fired.path, &mut frame);
        for &slot in fired.conns {
            event(worker, state, slot, &frame, |conn| {
                auth::check(fired.acl, Perms::READ, &conn.identities, &worker.hub.auth)
            });
        }
    });
}

/// Appends an event's frame.
pub(super) fn encode_event(event: EventType, zxid: Zxid, path: &str, out: &mut Vec<u8>) {
    crate::processor::read::reply(out, XID_EVENT, zxid, oxkeeper_codec::Code::OK, |out| {
        event.encode(out);
        STATE_SYNC_CONNECTED.encode(out);
        path.encode(out);
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
    send(state, id, frame);
}
