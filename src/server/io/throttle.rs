//! The throttle of requests (`RequestThrottler`, `Request.isStale`): what happens to requests that come while more
//! than `request_throttle_max_requests` are in work.
//!
//! They wait in the input of their connection, which is not read meanwhile, until others have ended; `stall_time`
//! is how long a connection waits at most before it looks again. So what a client has sent stays in order. A request
//! begins to wait when it is read: what is still in the socket does not count as waiting (the official server reads
//! on, without a limit).
//!
//! Invariants: a request that has waited too long is answered THROTTLEDOP in its turn, and is neither executed nor
//! logged; after one that is dropped, nothing more is taken from its connection.

use super::{conn::Conn, conns::Conns, wakeup::Wakeup, worker::Worker};
use crate::{
    config::Throttle,
    server::figures::{Count, Detailed, WorkerStats},
    session::ConnId,
};
use oxkeeper_codec::OpCode;
use std::{rc::Rc, time::Duration};

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is executed.
    Execute,
    /// It is answered THROTTLEDOP.
    Refuse,
    /// It waits.
    Wait,
    /// It is dropped, and its connection closed.
    Drop,
}

impl Wakeup<'_> {
    /// Judges the next request of a connection.
    pub(super) fn judge(&mut self, id: ConnId, op: OpCode) -> Verdict {
        let Self { worker, now_ms, .. } = *self;
        let rules = &worker.front.hub.config.throttle;
        let Some(max) = rules.max_requests else { return Verdict::Execute };
        let Some(conn) = self.conn(id) else { return Verdict::Drop };
        let held_ms = conn.held_since_ms.map_or(0, |since_ms| now_ms - since_ms);
        let stale = op != OpCode::CLOSE_SESSION && is_stale(rules, conn, held_ms);
        let sheet = &worker.stats().sheet;
        if stale && rules.drop_stale {
            sheet.count(Count::StaleRequestsDropped).add(1);
            return Verdict::Drop;
        }
        if worker.front.hub.outstanding() >= u64::from(max) {
            conn.held_since_ms.get_or_insert(now_ms);
            if !std::mem::replace(&mut conn.throttled, true) {
                sheet.count(Count::ThrottleWaits).add(1);
                worker.stats().held.add(1);
                self.state.conns.held.push(id);
            }
            return Verdict::Wait;
        }
        let refuse =
            rules.op_wait_time_ms.is_some_and(|limit_ms| held_ms > i64::from(limit_ms)) && may_be_refused(op);
        if refuse && !conn.waiting.is_empty() {
            // In its turn.
            conn.stands_behind = true;
            return Verdict::Wait;
        }
        if stale {
            sheet.count(Count::StaleRequests).add(1);
        }
        sheet.detailed(Detailed::ThrottleQueueTime).record(u64::try_from(held_ms).unwrap_or(0));
        if refuse {
            sheet.count(Count::ThrottledOps).add(1);
            return Verdict::Refuse;
        }
        Verdict::Execute
    }

    /// Some requests have ended: those held back look again, here and on the other workers.
    pub(super) fn some_ended(&mut self) {
        if !has_room(self.worker) {
            return;
        }
        self.state.conns.wake_held(self.worker.stats());
        for (index, port) in self.worker.front.hub.workers.iter().enumerate() {
            if index != self.worker.index && port.stats.held.get() > 0 {
                port.notify.notify_one();
            }
        }
    }

    /// Another worker's requests may have ended: those held back look again if there is room.
    pub(super) fn let_held_go_on(&mut self) {
        if has_room(self.worker) {
            self.state.conns.wake_held(self.worker.stats());
        }
    }
}

impl Conns {
    /// Has the connections that are held back look again.
    fn wake_held(&mut self, stats: &WorkerStats) {
        let mut held = std::mem::take(&mut self.held);
        stats.held.reset();
        for id in held.drain(..) {
            if let Some(conn) = self.get(id)
                && std::mem::take(&mut conn.throttled)
            {
                conn.wake();
            }
        }
        self.held = held;
    }
}

/// Whether a request is of no use any more. Only one that has waited can be.
fn is_stale(rules: &Throttle, conn: &Conn, held_ms: i64) -> bool {
    let gone = rules.stale_connection_check && conn.held_since_ms.is_some() && client_is_gone(conn);
    gone || rules.stale_latency_check && held_ms > i64::from(conn.timeout_ms)
}

/// Whether the client has closed the connection, and nothing more of it is to be read.
fn client_is_gone(conn: &Conn) -> bool {
    use rustix::net::{RecvFlags, recv};
    let mut byte = [0; 1];
    match recv(&*conn.stream, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((got, _)) => got == 0,
        Err(error) => error != rustix::io::Errno::AGAIN && error != rustix::io::Errno::INTR,
    }
}

/// `Request.isThrottlable`.
const fn may_be_refused(op: OpCode) -> bool {
    !matches!(op, OpCode::PING | OpCode::CLOSE_SESSION | OpCode::CREATE_SESSION)
}

/// Whether there is a throttle, and room for a request.
fn has_room(worker: &Worker) -> bool {
    worker
        .front
        .hub
        .config
        .throttle
        .max_requests
        .is_some_and(|max| worker.front.hub.outstanding() < u64::from(max))
}

/// Wakes them in time, too.
pub(super) async fn look_again(worker: Rc<Worker>) {
    let rules = &worker.front.hub.config.throttle;
    if rules.max_requests.is_none() {
        return;
    }
    let mut interval = tokio::time::interval(Duration::from_millis(u64::from(rules.stall_time_ms.max(1))));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        worker.state.borrow_mut().conns.wake_held(worker.stats());
    }
}
