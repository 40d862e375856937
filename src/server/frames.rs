//! From bytes to answers: frames in the order in which they came.
//!
//! Invariants: a frame over the limit, or one that is no request, costs its sender the connection and nobody else
//! anything; a connection holds at most one frame and one read's worth of input; one that does not take its replies
//! is not answered further.

use super::{
    conn::{Conn, Phase, Waiting},
    hub::{Hub, Shard},
    local,
    metrics::{Basic, Count, read_bytes},
    stats::Replied,
    throttle::{self, Verdict},
    token::ReadGuard,
    words,
    worker::{Reading, State, Worker},
};
use crate::{
    auth,
    node::{Request, Seen, is_write},
    processor::read::{self, Asker, ReadWatch},
    session::ConnId,
    tree::Tree,
};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, Decode, OpCode, SessionId,
    frame::{PREFIX_LEN, next_frame},
    records::RequestHeader,
    request::Handshake,
};

/// Above this many bytes of unsent replies a connection is not answered until some are sent.
const UNSENT_HIGH_BYTES: usize = 1 << 20;
/// Above this many bytes of requests in work, connections with requests in work are not read.
const IN_WORK_HIGH_BYTES: u64 = 8 << 20;
/// With this many requests in work a connection is not read, whatever their numbers.
const IN_WORK_HIGH: usize = 10_000;
/// Length of a request header, in bytes.
const HEADER_LEN: usize = 8;
/// Lists of at least this many children are kept encoded.
const LIST_WORTH_KEEPING: usize = 64;

/// What a connection may do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Read and answer.
    Read,
    /// Wait until something is sent or answered.
    Wait,
    /// End.
    Close,
}

/// What a connection may do next, from what it holds (`ServerCnxn.incrOutstandingAndCheckThrottle`).
pub(super) fn pace(hub: &Hub, conn: &Conn) -> Pace {
    match conn.phase {
        Phase::Closing => return if conn.unsent() > 0 { Pace::Wait } else { Pace::Close },
        Phase::Connecting | Phase::Answering => return Pace::Wait,
        Phase::Fresh | Phase::Open(_) => {}
    }
    if conn.unsent() >= UNSENT_HIGH_BYTES {
        return Pace::Wait;
    }
    if conn.waiting.is_empty() {
        return Pace::Read;
    }
    // The official server counts requests with numbers above 0 alone; the others must cost nobody anything either.
    let limit = u64::from(hub.config.throttle.global_outstanding_limit);
    let many = conn.waiting.counting() > 0 && hub.outstanding() > limit;
    let large = conn.waiting.len() > IN_WORK_HIGH || hub.bytes_in_work() > IN_WORK_HIGH_BYTES;
    if many || large { Pace::Wait } else { Pace::Read }
}

/// Whether a whole frame (or a bad one) waits in the input.
pub(super) fn has_frame(hub: &Hub, conn: &Conn) -> bool {
    !matches!(next_frame(&conn.input, 0, max_len(hub)), Ok(None))
}

/// The longest frame: a length equal to `jute.maxbuffer` is still taken.
fn max_len(hub: &Hub) -> usize {
    usize::try_from(hub.config.limits.max_packet_bytes).unwrap_or(usize::MAX)
}

type Guard<'a> = ReadGuard<'a, Tree, Shard>;

/// Answers what is whole of a connection's input; keeps the rest.
pub(super) fn take_in(
    worker: &Worker,
    state: &mut State,
    guard: &mut Guard<'_>,
    id: ConnId,
    input: &[u8],
) -> Pace {
    let now_ms = state.now_ms;
    let Some(conn) = state.conn_by_id(id) else { return Pace::Close };
    conn.held_back = false;
    if !input.is_empty() {
        conn.heard_ms = now_ms;
        guard.shard.note_heard(id, now_ms);
    }
    let mut kept = std::mem::take(&mut conn.input);
    let whole = if kept.is_empty() {
        input
    } else {
        kept.extend_from_slice(input);
        &kept
    };
    let (used, pace) = frames(worker, state, guard, id, whole);
    let Some(conn) = state.conn_by_id(id) else { return Pace::Close };
    if pace == Pace::Close {
        return pace;
    }
    conn.held_back = pace == Pace::Wait;
    if used == whole.len() {
        conn.held_since_ms = None;
    } else {
        conn.input = if kept.is_empty() {
            input[used..].to_vec()
        } else {
            kept.drain(..used);
            kept
        };
    }
    pace
}

/// Answers frames until one is not whole or the connection has to wait. Returns the bytes used.
fn frames(
    worker: &Worker,
    state: &mut State,
    guard: &mut Guard<'_>,
    id: ConnId,
    input: &[u8],
) -> (usize, Pace) {
    let max_len = max_len(&worker.hub);
    let mut at = 0;
    loop {
        let Some(conn) = state.conn_by_id(id) else { return (at, Pace::Close) };
        let pace = pace(&worker.hub, conn);
        if pace != Pace::Read {
            return (at, if pace == Pace::Close { Pace::Close } else { Pace::Wait });
        }
        if conn.phase == Phase::Fresh
            && let Some(word) = input[at..].first_chunk::<PREFIX_LEN>()
            && let Some(word) = words::Word::from_bytes(*word)
        {
            // What follows the word is not looked at.
            return match words::run(worker, state, guard, id, word, &input[at + PREFIX_LEN..]) {
                Some(pace) => (input.len(), pace),
                None => (at, Pace::Read),
            };
        }
        let body = match next_frame(input, at, max_len) {
            Ok(Some(body)) => body,
            Ok(None) => return (at, Pace::Read),
            Err(bad) => {
                tracing::debug!(peer = %conn.peer, length = bad.0, "closing the connection: bad packet length");
                return (at, Pace::Close);
            }
        };
        let start = at;
        at = body.end;
        match frame(worker, state, guard, id, &input[body]) {
            Pace::Read => {}
            Pace::Wait => return (start, Pace::Wait),
            Pace::Close => return (at, Pace::Close),
        }
    }
}

/// Takes in one frame. To wait: it was not taken in, and is to come again. To close: the connection is cut off.
fn frame(worker: &Worker, state: &mut State, guard: &mut Guard<'_>, id: ConnId, body: &[u8]) -> Pace {
    let Some(conn) = state.conn_by_id(id) else { return Pace::Close };
    let pace = match conn.phase {
        Phase::Open(session) => request(worker, state, guard, id, session, body),
        Phase::Fresh => connect(worker, state, id, body),
        Phase::Connecting | Phase::Answering | Phase::Closing => Pace::Read,
    };
    if pace != Pace::Wait {
        let stats = worker.stats();
        stats.received.add(1);
        let len = u64::try_from(PREFIX_LEN + body.len()).unwrap_or(0);
        stats.sheet.count(Count::BytesReceived).add(len);
        if let Some(conn) = state.conn_by_id(id) {
            conn.stats.received += 1;
        }
    }
    pace
}

/// Hands a handshake to the sequencer, if the connection throttle lets it in.
fn connect(worker: &Worker, state: &mut State, id: ConnId, body: &[u8]) -> Pace {
    let now_ms = state.now_ms;
    let Some(conn) = state.conn_by_id(id) else { return Pace::Close };
    let Ok(handshake) = Handshake::from_slice(body) else { return Pace::Close };
    let renews = handshake.request.session_id != SessionId(0);
    let sheet = &worker.stats().sheet;
    let Some(deficit) = worker.hub.limits.admit(renews, now_ms) else {
        tracing::warn!(peer = %conn.peer, "closing the connection: too many new ones");
        sheet.count(Count::ConnectionsRejected).add(1);
        return Pace::Close;
    };
    sheet.basic(Basic::TokenDeficit).record(deficit);
    sheet.count(Count::ConnectionRequests).add(1);
    sheet.count(Count::ConnectionsRevalidated).add(u64::from(renews));
    conn.phase = Phase::Connecting;
    state.requests.push(Request::Connect { conn: id, handshake });
    Pace::Read
}

fn request(
    worker: &Worker,
    state: &mut State,
    guard: &mut Guard<'_>,
    id: ConnId,
    session: SessionId,
    body: &[u8],
) -> Pace {
    let Ok(header) = RequestHeader::from_slice(body) else { return Pace::Close };
    let Some(conn) = state.conn_by_id(id) else { return Pace::Close };
    if worker.hub.refuses_large(body.len()) {
        worker.stats().sheet.count(Count::LargeRequestsRejected).add(1);
        tracing::warn!(peer = %conn.peer, bytes = body.len(), "closing the connection: over the budget for large requests");
        return Pace::Close;
    }
    if !auth::enforcement_met(&worker.hub.auth, &conn.identities)
        && !matches!(header.op, OpCode::AUTH | OpCode::SASL)
    {
        local::refuse(worker, state, id, &header, Code::SESSION_CLOSED_REQUIRE_SASL_AUTH);
        return Pace::Read;
    }
    match throttle::judge(worker, state, id, header.op) {
        Verdict::Execute => execute(worker, state, guard, id, session, header, body),
        Verdict::Refuse => refuse_throttled(worker, state, guard, id, session, header, body),
        Verdict::Wait => return Pace::Wait,
        Verdict::Drop => return Pace::Close,
    }
    Pace::Read
}

/// Answers a request, or hands it to the sequencer.
fn execute(
    worker: &Worker,
    state: &mut State,
    guard: &mut Guard<'_>,
    id: ConnId,
    session: SessionId,
    header: RequestHeader,
    body: &[u8],
) {
    let Some(conn) = state.conn_by_id(id) else { return };
    if !conn.waiting.is_empty() || is_write(header.op) || header.op == OpCode::SYNC {
        forward(worker, state, id, session, header, body, false);
    } else if read::is_read(header.op) {
        answer_read(worker, state, guard, id, session, &header, &body[HEADER_LEN..]);
    } else {
        let body = &body[HEADER_LEN..];
        let seen = Seen::now(guard.tree(), header.op, body);
        local::answer(worker, state, guard, id, &header, body, &seen);
    }
}

/// Answers in its turn that a request has waited too long.
fn refuse_throttled(
    worker: &Worker,
    state: &mut State,
    guard: &Guard<'_>,
    id: ConnId,
    session: SessionId,
    header: RequestHeader,
    body: &[u8],
) {
    let Some(conn) = state.conn_by_id(id) else { return };
    if conn.waiting.is_empty() {
        local::throttled(worker, state, guard, id, &header);
    } else {
        // It keeps its turn as something that the sequencer does nothing about.
        let header = RequestHeader { op: OpCode::ERROR, ..header };
        forward(worker, state, id, session, header, &body[..HEADER_LEN], true);
    }
}

/// Answers a read from the tree as it is now.
fn answer_read(
    worker: &Worker,
    state: &mut State,
    guard: &mut Guard<'_>,
    id: ConnId,
    session: SessionId,
    header: &RequestHeader,
    payload: &[u8],
) {
    let Some(Reading { conn, lists, reads, now_ms }) = state.reading(id) else { return };
    let (tree, shard) = guard.parts();
    let Conn { output, identities, stats, .. } = conn;
    let start = output.len();
    let asker = Asker { session, identities, auth: &worker.hub.auth };
    let misses = lists.misses;
    let watch = match lists.answer(tree, asker, header, payload, output, LIST_WORTH_KEEPING) {
        Some(watch) => {
            count_list(worker, lists.misses == misses);
            watch
        }
        None => {
            let answered = read::answer(tree, asker, header, payload, output);
            if answered.too_long {
                worker.hub.stats.warnings.reply_too_long(now_ms);
            }
            answered.watch
        }
    };
    let slot = super::conn::slot_of(id);
    match watch {
        Some(ReadWatch::Data(path)) => shard.watches.add_data(&path, slot),
        Some(ReadWatch::Child(path)) => shard.watches.add_child(&path, slot),
        None => {}
    }
    if let Some((path, bytes)) = read_bytes(header.op, payload, &output[start..]) {
        reads.record(path, bytes);
    }
    stats.sent += 1;
    stats.replied(header.op, header.xid, tree.last_zxid(), now_ms, 0);
    let frame_len = output.len() - start;
    worker.stats().replied(Replied { write: false, latency_ms: 0, frame_len, now_ms });
}

/// Counts a list of children that the cache has answered; `hit`: it was there already.
fn count_list(worker: &Worker, hit: bool) {
    let id = if hit { Count::ChildrenCacheHits } else { Count::ChildrenCacheMisses };
    worker.stats().sheet.count(id).add(1);
}

/// The connection's output buffer, one from the pool if it has none. To be given back.
pub(super) fn take_output(state: &mut State, id: ConnId) -> Vec<u8> {
    let output = state.conn_by_id(id).map(|conn| std::mem::take(&mut conn.output)).unwrap_or_default();
    if output.capacity() == 0 { state.buffers.pop().unwrap_or_default() } else { output }
}

/// Operations whose error may be a quota; a multi says so in its results only.
const fn may_exceed_quota(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::CREATE | OpCode::CREATE2 | OpCode::CREATE_CONTAINER | OpCode::CREATE_TTL | OpCode::SET_DATA
    )
}

/// Hands a request to the sequencer: a write, or what stands behind one.
fn forward(
    worker: &Worker,
    state: &mut State,
    id: ConnId,
    session: SessionId,
    header: RequestHeader,
    body: &[u8],
    throttled: bool,
) {
    let now_ms = state.now_ms;
    let Some(conn) = state.conn_by_id(id) else { return };
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let threshold = worker.hub.config.throttle.large_request_threshold_bytes;
    let large = threshold.is_some_and(|threshold| len > threshold);
    let body = Bytes::copy_from_slice(&body[HEADER_LEN..]);
    let quotas = worker.hub.config.tree.enforce_quota && may_exceed_quota(header.op);
    let under_quota = quotas.then(|| body.clone());
    conn.waiting.push(Waiting { since_ms: now_ms, xid: header.xid, len, large, throttled, under_quota });
    if header.op == OpCode::CLOSE_SESSION {
        // Whatever follows is not looked at.
        conn.input = Vec::new();
    }
    let identities = conn.identities.clone();
    worker.stats().began(len, large);
    worker.stats().sheet.count(Count::PrepQueued).add(1);
    state.requests.push(Request::Op { conn: id, session, header, body, identities });
}
