//! Figures of each learner that learns from this server (`LearnerHandler.getLearnerHandlerInfo`).

use super::summary::Counter;
use oxkeeper_codec::{ServerId, Zxid};
use parking_lot::Mutex;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

/// One learner, from when it has said who it is. The thread that has the link counts.
#[derive(Debug)]
pub(crate) struct LearnerFigures {
    /// Its id.
    pub(crate) sid: ServerId,
    /// Where it is connected from.
    pub(crate) peer: SocketAddr,
    /// Whether it observes.
    pub(crate) observes: bool,
    /// When it came, in ms since 1970.
    pub(crate) since_wall_ms: i64,
    /// Packets that it has sent.
    pub(crate) received: Counter,
    /// Packets that it was sent, or is to be.
    pub(crate) sent: Counter,
    /// Requests of its clients.
    pub(crate) requests: Counter,
    /// Bytes that wait to be sent to it.
    pub(crate) queued_bytes: Counter,
    /// Pieces of packets that wait.
    pub(crate) queued: Counter,
    last_zxid: AtomicI64,
}

impl LearnerFigures {
    /// A learner that has come at this time.
    pub(crate) fn new(sid: ServerId, peer: SocketAddr, observes: bool, since_wall_ms: i64) -> Self {
        Self {
            sid,
            peer,
            observes,
            since_wall_ms,
            received: Counter::default(),
            sent: Counter::default(),
            requests: Counter::default(),
            queued_bytes: Counter::default(),
            queued: Counter::default(),
            last_zxid: AtomicI64::new(-1),
        }
    }

    /// It has acknowledged this.
    pub(crate) fn acknowledged(&self, zxid: Zxid) {
        self.last_zxid.store(zxid.0, Relaxed);
    }

    /// The last zxid that it has acknowledged; -1 before the first one.
    pub(crate) fn last_zxid(&self) -> i64 {
        self.last_zxid.load(Relaxed)
    }

    /// All that is counted begins anew. What the link's thread counts meanwhile may stay.
    pub(crate) fn reset(&self) {
        [&self.received, &self.sent, &self.requests].into_iter().for_each(Counter::reset);
        self.last_zxid.store(-1, Relaxed);
    }
}

/// The learners that are connected.
#[derive(Debug, Default)]
pub(crate) struct Learners(Mutex<Vec<Arc<LearnerFigures>>>);

impl Learners {
    /// One has come.
    pub(crate) fn add(&self, learner: &Arc<LearnerFigures>) {
        self.0.lock().push(Arc::clone(learner));
    }

    /// It has gone.
    pub(crate) fn remove(&self, learner: &Arc<LearnerFigures>) {
        self.0.lock().retain(|other| !Arc::ptr_eq(other, learner));
    }

    /// All of them, in the order in which they came.
    pub(crate) fn list(&self) -> Vec<Arc<LearnerFigures>> {
        self.0.lock().clone()
    }
}
