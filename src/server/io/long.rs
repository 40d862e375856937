//! Requests that take longer than a moment: answered in steps, between which the worker lets go of its lock and serves
//! others. What their connection asks behind them waits in its input.

use super::{
    conn::Conn,
    frames::{LOOKED_AT_ONCE, UNSENT_HIGH_BYTES, count_list, count_read, leave_watch},
    local::Answer,
    state::State,
    wakeup::Wakeup,
};
use crate::{
    processor::{
        long_read::{Ended, LongRead},
        read::{self, Asker},
        set_watches::SetAgain,
        watch_requests::bring_back,
    },
    server::figures::{SlowRequest, bytes_of_list},
    session::ConnId,
};
use oxkeeper_codec::{
    Code, OpCode, SessionId,
    records::{ReplyHeader, RequestHeader},
};

/// Watches that one step brings back.
const WATCHES_A_STEP: usize = 2048;
/// A list of names that is longer than this, in bytes, is not worth the place of many others.
const KEPT_LIST_BYTES: usize = 8 << 20;

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Long {
    header: RequestHeader,
    /// How long it was, in bytes.
    len: usize,
    /// When it came, in ms of the elapsed clock.
    since_ms: i64,
    what: What,
}

#[derive(Debug)]
enum What {
    Watches(SetAgain),
    Read(LongRead),
}

impl Long {
    /// A request that brings watches back.
    pub(super) fn watches(header: RequestHeader, body: &[u8], since_ms: i64) -> Self {
        let what = What::Watches(SetAgain::new(header.op, body));
        Self { header, len: body.len(), since_ms, what }
    }

    /// A read that takes long.
    pub(super) const fn read(header: RequestHeader, read: LongRead, (len, since_ms): (usize, i64)) -> Self {
        Self { header, len, since_ms, what: What::Read(read) }
    }
}

impl Conn {
    /// Whether it has a request that can go on.
    pub(super) fn has_step(&self) -> bool {
        self.long.is_some() && self.unsent() < UNSENT_HIGH_BYTES
    }
}

impl Wakeup<'_> {
    /// One step of the request that a connection has under way.
    pub(super) fn step(&mut self, id: ConnId, session: SessionId) {
        let Some(mut long) = self.conn(id).and_then(|conn| conn.long.take()) else { return };
        let done = match &mut long.what {
            What::Watches(again) => self.watches_step(id, session, &long.header, again),
            What::Read(read) => self.read_step(id, session, &long.header, read),
        };
        if done {
            let Long { header: RequestHeader { op, xid }, len: bytes, since_ms, .. } = *long;
            let (zxid, latency_ms) = (self.guard.tree().last_zxid(), self.now_ms - since_ms);
            self.tell_if_slow(id, &SlowRequest { op, xid, zxid, latency_ms, bytes });
        } else if let Some(conn) = self.conn(id) {
            // The others come first.
            conn.long = Some(long);
        }
    }

    /// Brings some watches back, or tells what has happened since. True: that was the last.
    fn watches_step(
        &mut self,
        id: ConnId,
        session: SessionId,
        header: &RequestHeader,
        again: &mut SetAgain,
    ) -> bool {
        self.looked_at += LOOKED_AT_ONCE;
        for _ in 0..WATCHES_A_STEP {
            let auth = &self.worker.front.auth;
            let Some(Conn { key, identities, .. }) = self.state.conns.get(id) else { return true };
            let (tree, shard) = self.guard.parts();
            let asker = Asker { session, identities, auth };
            let Some((path, becomes)) = again.next(tree, asker) else {
                let (zxid, code) = (tree.last_zxid(), again.code());
                let result = if code == Code::OK { Ok(Vec::new()) } else { Err(code) };
                self.reply_to(id, header, Answer::new(zxid, result));
                return true;
            };
            if let Some(event) = bring_back(&mut shard.watches, *key, &path, becomes) {
                self.tell(id, event, &path);
            }
        }
        false
    }

    /// One step of a read. True: it is answered.
    fn read_step(
        &mut self,
        id: ConnId,
        session: SessionId,
        header: &RequestHeader,
        read: &mut LongRead,
    ) -> bool {
        let Self { worker, now_ms, .. } = *self;
        let State { conns, lists, reads, .. } = &mut *self.state;
        let Some(conn) = conns.get(id) else { return true };
        let (tree, shard) = self.guard.parts();
        let asker = Asker { session, identities: &conn.identities, auth: &worker.front.auth };
        let looked_at = read.looked_at();
        let ended = read.advance(tree, asker, header.op);
        self.looked_at += read.looked_at() - looked_at;
        let Some(ended) = ended else { return false };
        let Some(conn) = conns.outgoing(id) else { return true };
        let Ended { code, body, watch, list, too_long } = ended;
        if too_long {
            worker.front.hub.stats.warnings.reply_too_long(now_ms);
        }
        leave_watch(&mut shard.watches, conn.key, watch);
        if let Some(list) = list {
            let path = list.path.as_bytes();
            if let Some(bytes) = bytes_of_list(path, list.version.children, list.names_len) {
                reads.record(path, bytes);
            }
            if list.names_len <= KEPT_LIST_BYTES && lists.is_on() {
                lists.keep(list.node, list.version, body.done()[..list.pieces].to_vec());
                count_list(worker, false);
            }
        }
        let (zxid, frame_len) = (tree.last_zxid(), read::HEAD_LEN + body.len());
        let reply = ReplyHeader { xid: header.xid, zxid, err: code };
        read::reply_head(conn.output.tail(), reply, body.len());
        body.into_iter().for_each(|piece| conn.output.share(piece));
        count_read(worker, &mut conn.stats, header, zxid, frame_len, now_ms);
        true
    }
}

/// Whether requests of this op code bring watches back.
pub(super) const fn sets_watches(op: OpCode) -> bool {
    matches!(op, OpCode::SET_WATCHES | OpCode::SET_WATCHES2)
}
