//! From bytes to answers: frames in the order in which they came.
//!
//! Invariants: a frame over the limit, or one that is no request, costs its sender the connection and nobody else
//! anything; a connection holds at most one frame and one read's worth of input; one that does not take its replies
//! is not answered further.

use super::{
    audit::Asked,
    conn::{Conn, ConnStats, Phase, Waiting},
    limits::Wanted,
    lists::Listed,
    long::{Long, sets_watches},
    state::State,
    throttle::Verdict,
    wakeup::Wakeup,
    worker::Worker,
};
use crate::{
    auth,
    node::{Request, is_write},
    processor::{
        long_read::{self, LongRead},
        read::{self, Asker, ReadWatch},
    },
    server::{
        figures::{Basic, Closing, Count, Replied, path_of, read_bytes},
        sequence::Hub,
    },
    session::ConnId,
    tree::Tree,
    watch::{ConnKey, WatchTable},
};
use oxkeeper_codec::{
    Code, Decode, OpCode, SessionId, Zxid,
    frame::{PREFIX_LEN, next_frame},
    records::{GetDataRequest, RequestHeader},
    request::Handshake,
};

/// Above this many bytes of replies that are unsent, or to be expected of the sequencer, a connection is not answered
/// until some are sent.
pub(super) const UNSENT_HIGH_BYTES: usize = 1 << 20;
/// Above this many bytes of requests in work, connections with requests in work are not read.
const IN_WORK_HIGH_BYTES: u64 = 8 << 20;
/// With this many requests in work a connection is not read, whatever their numbers.
const IN_WORK_HIGH: usize = 10_000;
/// About the length of a reply without data: header and stat, in bytes.
const REPLY_LEN: u32 = 92;
/// Length of a request header, in bytes.
const HEADER_LEN: usize = 8;
/// When the reads of a wake-up that are answered in steps have looked at so many znodes, what their connection asks behind
/// them is for the next one: also if their replies are short.
pub(super) const LOOKED_AT_ONCE: usize = long_read::STEP;
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
    if conn.unsent() + conn.waiting.expected() >= UNSENT_HIGH_BYTES {
        return Pace::Wait;
    }
    if conn.long.is_some() || conn.is_logging_in() {
        return Pace::Wait;
    }
    if conn.waiting.is_empty() {
        return Pace::Read;
    }
    if conn.stands_behind {
        return Pace::Wait;
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

/// Whether a request can go to the sequencer behind a write of its own session, and is answered there at its place. The
/// others stay in the input until that write is answered: what they cost is for their own worker's lock alone.
const fn may_queue(op: OpCode) -> bool {
    is_write(op) || matches!(op, OpCode::SYNC | OpCode::PING | OpCode::EXISTS | OpCode::GET_DATA)
}

/// How long a reply may be expected to be, in bytes, from the tree as it is. Data that grows before the read has its turn
/// is shared by all replies that have it.
fn expected_len(tree: &Tree, op: OpCode, body: &[u8]) -> u32 {
    let data_len = || {
        let request = GetDataRequest::from_slice(body).ok()?;
        tree.get(&request.path)?.data().map(<[u8]>::len)
    };
    let data_len = if op == OpCode::GET_DATA { data_len() } else { None };
    u32::try_from(data_len.unwrap_or(0)).unwrap_or(u32::MAX).saturating_add(REPLY_LEN)
}

/// Operations whose error may be a quota; a multi says so in its results only.
const fn may_exceed_quota(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::CREATE | OpCode::CREATE2 | OpCode::CREATE_CONTAINER | OpCode::CREATE_TTL | OpCode::SET_DATA
    )
}

impl Wakeup<'_> {
    /// Answers what is whole of a connection's input; keeps the rest.
    pub(super) fn take_in(&mut self, id: ConnId, input: &[u8]) -> Pace {
        let now_ms = self.now_ms;
        let Some(conn) = self.state.conns.get(id) else { return Pace::Close };
        conn.held_back = false;
        if !input.is_empty() {
            conn.heard_ms = now_ms;
            conn.unread = 0;
        }
        if conn.has_step()
            && let Phase::Open(session) = conn.phase
        {
            self.step(id, session);
        }
        let Some(conn) = self.state.conns.get(id) else { return Pace::Close };
        let mut kept = std::mem::take(&mut conn.input);
        let whole = if kept.is_empty() {
            input
        } else {
            kept.extend_from_slice(input);
            &kept
        };
        let (used, pace) = self.frames(id, whole);
        let Some(conn) = self.conn(id) else { return Pace::Close };
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
    fn frames(&mut self, id: ConnId, input: &[u8]) -> (usize, Pace) {
        let hub = &*self.worker.front.hub;
        let max_len = max_len(hub);
        let mut at = 0;
        loop {
            let enough = self.looked_at >= LOOKED_AT_ONCE;
            let Some(conn) = self.conn(id) else { return (at, Pace::Close) };
            match pace(hub, conn) {
                Pace::Read if !enough => {}
                Pace::Close => return (at, Pace::Close),
                Pace::Read | Pace::Wait => return (at, Pace::Wait),
            }
            let opens = conn.phase == Phase::Fresh;
            if opens
                && let Some(word) = input[at..].first_chunk::<PREFIX_LEN>()
                && let Some(answered) = self.word(id, *word, &input[at + PREFIX_LEN..])
            {
                // What follows the word is not looked at.
                return match answered {
                    Pace::Read => (at, Pace::Read),
                    pace => (input.len(), pace),
                };
            }
            let body = match next_frame(input, at, max_len) {
                Ok(Some(body)) => body,
                Ok(None) => return (at, Pace::Read),
                Err(bad) => {
                    let (length, bytes) = (bad.0, bad.0.to_be_bytes());
                    self.tell_why(id, &Closing::BadLength { length, max: max_len, bytes, opens });
                    return (at, Pace::Close);
                }
            };
            let start = at;
            at = body.end;
            match self.frame(id, &input[body]) {
                Pace::Read => {}
                Pace::Wait => return (start, Pace::Wait),
                Pace::Close => return (at, Pace::Close),
            }
        }
    }

    /// Takes in one frame. To wait: it was not taken in, and is to come again. To close: the connection is cut off.
    fn frame(&mut self, id: ConnId, body: &[u8]) -> Pace {
        let Some(conn) = self.conn(id) else { return Pace::Close };
        let pace = match conn.phase {
            Phase::Open(session) => self.request(id, session, body),
            Phase::Fresh => self.connect(id, body),
            Phase::Connecting | Phase::Answering | Phase::Closing => Pace::Read,
        };
        if pace != Pace::Wait {
            let stats = self.stats();
            stats.received.add(1);
            let len = u64::try_from(PREFIX_LEN + body.len()).unwrap_or(0);
            stats.sheet.count(Count::BytesReceived).add(len);
            if let Some(conn) = self.conn(id) {
                conn.stats.received += 1;
            }
        }
        pace
    }

    /// Hands a handshake to the sequencer, if the connection throttle lets it in.
    fn connect(&mut self, id: ConnId, body: &[u8]) -> Pace {
        let Self { worker, now_ms, .. } = *self;
        let Some(conn) = self.conn(id) else { return Pace::Close };
        let Ok(handshake) = Handshake::from_slice(body) else {
            self.tell_why(id, &Closing::NoHandshake);
            return Pace::Close;
        };
        let renews = handshake.request.session_id != SessionId(0);
        let sheet = &worker.stats().sheet;
        let is_local = || worker.front.hub.config.opens_local_sessions();
        let wanted = match renews {
            true => Wanted::Renewed,
            false if is_local() => Wanted::Local,
            false => Wanted::Global,
        };
        let Some(deficit) = worker.front.limits.admit(wanted, now_ms) else {
            self.tell_why(id, &Closing::Throttled);
            sheet.count(Count::ConnectionsRejected).add(1);
            return Pace::Close;
        };
        sheet.basic(Basic::TokenDeficit).record(deficit);
        sheet.count(Count::ConnectionRequests).add(1);
        sheet.count(Count::ConnectionsRevalidated).add(u64::from(renews));
        // A renewal is no request to be prepared there.
        sheet.count(Count::PrepQueued).add(u64::from(!renews));
        conn.phase = Phase::Connecting;
        self.state.requests.push(Request::Connect { conn: id, handshake });
        Pace::Read
    }

    fn request(&mut self, id: ConnId, session: SessionId, body: &[u8]) -> Pace {
        let worker = self.worker;
        let Ok(header) = RequestHeader::from_slice(body) else {
            self.tell_why(id, &Closing::NoRequest);
            return Pace::Close;
        };
        let Some(conn) = self.conn(id) else { return Pace::Close };
        if worker.front.hub.refuses_large(body.len()) {
            worker.stats().sheet.count(Count::LargeRequestsRejected).add(1);
            self.tell_why(id, &Closing::LargeRequest { bytes: body.len() });
            return Pace::Close;
        }
        if !auth::enforcement_met(&worker.front.auth, &conn.identities)
            && !matches!(header.op, OpCode::AUTH | OpCode::SASL)
        {
            self.tell_why(id, &Closing::AuthRequired);
            self.refuse(id, &header, Code::SESSION_CLOSED_REQUIRE_SASL_AUTH);
            return Pace::Read;
        }
        conn.stands_behind = false;
        // These are taken in as they are read: whatever follows is judged with what they prove.
        if matches!(header.op, OpCode::AUTH | OpCode::SASL) {
            self.answer(id, &header, &body[HEADER_LEN..]);
            return Pace::Read;
        }
        if !conn.waiting.is_empty() && !may_queue(header.op) {
            conn.stands_behind = true;
            return Pace::Wait;
        }
        match self.judge(id, header.op) {
            Verdict::Execute => self.execute(id, session, header, body),
            Verdict::Refuse => self.throttled(id, &header),
            Verdict::Wait => return Pace::Wait,
            Verdict::Drop => {
                self.tell_why(id, &Closing::Stale);
                return Pace::Close;
            }
        }
        Pace::Read
    }

    /// Answers a request, or hands it to the sequencer.
    fn execute(&mut self, id: ConnId, session: SessionId, header: RequestHeader, body: &[u8]) {
        let now_ms = self.now_ms;
        let Some(conn) = self.conn(id) else { return };
        if !conn.waiting.is_empty() || is_write(header.op) || header.op == OpCode::SYNC {
            self.forward(id, session, header, body);
        } else if read::is_read(header.op) {
            self.answer_read(id, session, &header, &body[HEADER_LEN..]);
        } else if sets_watches(header.op) {
            conn.long = Some(Box::new(Long::watches(header, &body[HEADER_LEN..], now_ms)));
            self.step(id, session);
        } else {
            self.answer(id, &header, &body[HEADER_LEN..]);
        }
    }

    /// Answers a read from the tree as it is now.
    fn answer_read(&mut self, id: ConnId, session: SessionId, header: &RequestHeader, payload: &[u8]) {
        let Self { worker, now_ms, .. } = *self;
        let State { conns, lists, reads, .. } = &mut *self.state;
        let Some(conn) = conns.outgoing(id) else { return };
        let (tree, shard) = self.guard.parts();
        let Conn { key, output, identities, stats, .. } = conn;
        let unsent = output.unsent();
        let asker = Asker { session, identities, auth: &worker.front.auth };
        let misses = lists.misses;
        let watch = match lists.answer(tree, asker, header, payload, output, LIST_WORTH_KEEPING) {
            Some(Listed { watch, bytes }) => {
                count_list(worker, lists.misses == misses);
                if let Some((path, bytes)) = path_of(payload).zip(bytes) {
                    reads.record(path, bytes);
                }
                watch
            }
            None => {
                if let Some(read) = LongRead::begin(tree, header.op, payload) {
                    conn.long = Some(Box::new(Long::read(header.clone(), read, (payload.len(), now_ms))));
                    return self.step(id, session);
                }
                let tail = output.tail();
                let start = tail.len();
                let answered = read::answer(tree, asker, header, payload, tail);
                if answered.too_long {
                    worker.front.hub.stats.warnings.reply_too_long(now_ms);
                }
                if let Some((path, bytes)) = read_bytes(header.op, payload, &tail[start..]) {
                    reads.record(path, bytes);
                }
                answered.watch
            }
        };
        leave_watch(&mut shard.watches, *key, watch);
        count_read(worker, stats, header, tree.last_zxid(), output.unsent() - unsent, now_ms);
    }

    /// Hands a request to the sequencer: a write, or what stands behind one.
    fn forward(&mut self, id: ConnId, session: SessionId, header: RequestHeader, body: &[u8]) {
        let Self { worker, now_ms, .. } = *self;
        let tree = self.guard.tree();
        let State { conns, packets, .. } = &mut *self.state;
        let Some(conn) = conns.get(id) else { return };
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let threshold = worker.front.hub.config.throttle.large_request_threshold_bytes;
        let large = threshold.is_some_and(|threshold| len > threshold);
        let body = packets.copy(&body[HEADER_LEN..]);
        let expected = expected_len(tree, header.op, &body);
        let quotas = worker.front.hub.config.tree.enforce_quota && may_exceed_quota(header.op);
        let under_quota = quotas.then(|| body.clone());
        let audit = worker.front.hub.audit.as_ref();
        let audited = audit.and_then(|_| Asked::of(header.op, &body, &conn.identities));
        let xid = header.xid;
        conn.waiting.push(Waiting { since_ms: now_ms, xid, len, large, expected, under_quota, audited });
        if header.op == OpCode::CLOSE_SESSION {
            // Whatever follows is not looked at.
            conn.input = Vec::new();
            conn.ends_session = true;
        }
        let identities = conn.identities.clone();
        worker.stats().began(len, large);
        worker.stats().sheet.count(Count::PrepQueued).add(1);
        self.state.requests.push(Request::Op { conn: id, session, header, body, identities });
    }
}

/// Sets the watch that a read leaves.
pub(super) fn leave_watch(watches: &mut WatchTable, key: ConnKey, watch: Option<ReadWatch<'_>>) {
    match watch {
        Some(ReadWatch::Data(path)) => watches.add_data(&path, key),
        Some(ReadWatch::Child(path)) => watches.add_child(&path, key),
        None => {}
    }
}

/// Counts a read whose reply, a frame of so many bytes, shows this zxid.
pub(super) fn count_read(
    worker: &Worker,
    stats: &mut ConnStats,
    header: &RequestHeader,
    zxid: Zxid,
    frame_len: usize,
    now_ms: i64,
) {
    stats.sent += 1;
    stats.replied(header.op, header.xid, zxid, now_ms, 0);
    worker.stats().replied(Replied { write: false, latency_ms: 0, frame_len, now_ms });
}

/// Counts a list of children that the cache has answered; `hit`: it was there already.
pub(super) fn count_list(worker: &Worker, hit: bool) {
    let id = if hit { Count::ChildrenCacheHits } else { Count::ChildrenCacheMisses };
    worker.stats().sheet.count(id).add(1);
}
