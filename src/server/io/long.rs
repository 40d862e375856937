//! Requests that take longer than a moment: answered in steps, between which the worker lets go of its lock and serves
//! others. What their connection asks behind them waits in its input.

use super::{conn::Conn, frames::UNSENT_HIGH_BYTES, local::Answer, state::State, wakeup::Wakeup};
use crate::{
    processor::{
        long_read::{Ended, LongRead},
        read::{self, Asker, ReadWatch},
        set_watches::SetAgain,
        watch_requests::bring_back,
    },
    server::figures::Replied,
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
    what: What,
}

#[derive(Debug)]
enum What {
    Watches(SetAgain),
    Read(LongRead),
}

impl Long {
    /// A request that brings watches back.
    pub(super) fn watches(header: RequestHeader, body: &[u8]) -> Self {
        let what = What::Watches(SetAgain::new(header.op, body));
        Self { header, what }
    }

    /// A read that takes long.
    pub(super) const fn read(header: RequestHeader, read: LongRead) -> Self {
        Self { header, what: What::Read(read) }
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
        let Some(conn) = self.conn(id) else { return };
        if !done {
            conn.long = Some(long);
        }
        // The others come first.
        conn.wake();
    }

    /// Brings some watches back, or tells what has happened since. True: that was the last.
    fn watches_step(
        &mut self,
        id: ConnId,
        session: SessionId,
        header: &RequestHeader,
        again: &mut SetAgain,
    ) -> bool {
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
        let State { conns, lists, .. } = &mut *self.state;
        let Some(conn) = conns.get(id) else { return true };
        let (tree, shard) = self.guard.parts();
        let asker = Asker { session, identities: &conn.identities, auth: &worker.front.auth };
        let Some(ended) = read.advance(tree, asker, header.op) else { return false };
        let Some(conn) = conns.outgoing(id) else { return true };
        let Ended { code, body, tail, watch, list, too_long } = ended;
        if too_long {
            worker.front.hub.stats.warnings.reply_too_long(now_ms);
        }
        let (key, zxid) = (conn.key, tree.last_zxid());
        match watch {
            Some(ReadWatch::Data(path)) => shard.watches.add_data(&path, key),
            Some(ReadWatch::Child(path)) => shard.watches.add_child(&path, key),
            None => {}
        }
        if let Some((node, version)) = list
            && body.len() <= KEPT_LIST_BYTES
        {
            lists.keep(node, version, body.clone());
        }
        let len = body.len() + tail.len();
        let reply = ReplyHeader { xid: header.xid, zxid, err: code };
        read::reply_head(conn.output.tail(), reply, len);
        conn.output.share(body.into());
        conn.output.tail().extend_from_slice(&tail);
        conn.stats.sent += 1;
        conn.stats.replied(header.op, header.xid, zxid, now_ms, 0);
        let frame_len = read::HEAD_LEN + len;
        worker.stats().replied(Replied { write: false, latency_ms: 0, frame_len, now_ms });
        true
    }
}

/// Whether requests of this op code bring watches back.
pub(super) const fn sets_watches(op: OpCode) -> bool {
    matches!(op, OpCode::SET_WATCHES | OpCode::SET_WATCHES2)
}
