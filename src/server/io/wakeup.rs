//! A wake-up of a worker: what it holds while it answers.
//!
//! Its methods are in the files that they are about: `frames` (requests), `drain` (what the sequencer has done),
//! `local` (what a worker answers by itself), `throttle`.

use super::{conn::Conn, state::State, worker::Worker};
use crate::{
    server::{
        figures::{Closing, WorkerStats},
        sequence::TreeGuard,
    },
    session::ConnId,
};

/// The worker, its state, and its lock, with which it may read the tree.
pub(super) struct Wakeup<'a> {
    pub(super) worker: &'a Worker,
    pub(super) state: &'a mut State,
    pub(super) guard: TreeGuard<'a>,
    /// When it began, in ms of the elapsed clock.
    pub(super) now_ms: i64,
    /// Znodes that reads in steps have looked at.
    pub(super) looked_at: usize,
}

impl<'a> Wakeup<'a> {
    /// The connection, unless it is gone.
    pub(super) fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.state.conns.get(id)
    }

    /// Has the log tell why a connection is being closed.
    pub(super) fn tell_why(&mut self, id: ConnId, why: &Closing<'_>) {
        let warnings = &self.worker.front.hub.stats.warnings;
        let now_ms = self.now_ms;
        if let Some(conn) = self.conn(id) {
            warnings.closing(now_ms, conn.client(), why);
        }
    }

    /// The worker's figures.
    pub(super) fn stats(&self) -> &'a WorkerStats {
        self.worker.stats()
    }
}
