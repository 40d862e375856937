//! Read-only mode: while there is no leader, clients that ask for it read what this member has (`ReadOnlyZooKeeperServer`).
//!
//! Their sessions are local ones, also where others are global: the official server since 3.7 gives none then.

use super::{Delivery, NewSessions, Node, Now, Reason, authority::Authority};
use crate::session::SessionTracker;

impl Node {
    /// Whether it serves those alone who only read.
    pub(super) const fn is_read_only(&self) -> bool {
        matches!(self.authority, Authority::ReadOnly)
    }

    /// There is no leader, and has not been for a while.
    pub(super) fn begin_read_only(&mut self, now: Now) {
        assert!(!self.serves(), "who has a leader decides or hands on");
        self.let_go();
        self.authority = Authority::ReadOnly;
        self.sessions.local.restart(now.elapsed_ms);
    }

    /// There may be a leader: all clients come anew.
    pub(super) fn end_read_only(&mut self) {
        self.authority = Authority::Nobody;
        let conns = self.sessions.detach(|_, _| true);
        let close = |conn| Delivery::Close { conn, reason: Reason::ReadOnlyEnded };
        self.delivering.extend(conns.into_iter().map(close));
        if self.options.new_sessions == NewSessions::Global {
            self.sessions.local = SessionTracker::new(self.options.tick_ms);
        }
    }
}
