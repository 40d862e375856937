//! The sessions that the whole ensemble knows, and those that this member keeps for itself.
//!
//! Invariant: a session is in one of the two trackers, or in none.

use super::{ConnId, SessionTracker, Standing};
use oxkeeper_codec::SessionId;

/// All sessions that this server answers for.
#[derive(Debug)]
pub struct Sessions {
    /// Opened and ended by transactions. A snapshot has them; who decides about transactions ends them.
    pub global: SessionTracker,
    /// Of this process alone (`localSessionsEnabled`, and all that are opened in read-only mode): they own no ephemerals, and
    /// end here.
    pub local: SessionTracker,
}

impl Sessions {
    /// No sessions yet; `tick_ms` is the width of a bucket.
    pub fn new(tick_ms: i32) -> Self {
        Self { global: SessionTracker::new(tick_ms), local: SessionTracker::new(tick_ms) }
    }

    /// The tracker that has this session, or would have it.
    pub fn of(&self, id: SessionId) -> &SessionTracker {
        if self.local.knows(id) { &self.local } else { &self.global }
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, id: SessionId) -> &mut SessionTracker {
        if self.local.knows(id) { &mut self.local } else { &mut self.global }
    }

    /// Where a session stands for one connection.
    pub fn standing(&self, id: SessionId, conn: ConnId) -> Standing {
        self.of(id).standing(id, conn)
    }

    /// Whether the session is known and not closing.
    pub fn is_live(&self, id: SessionId) -> bool {
        self.of(id).is_live(id)
    }

    /// The session's time-out in ms, if it is live.
    pub fn timeout_ms(&self, id: SessionId) -> Option<i32> {
        self.of(id).timeout_ms(id)
    }

    /// The connection that owns the session now.
    pub fn conn(&self, id: SessionId) -> Option<ConnId> {
        self.of(id).conn(id)
    }

    /// The session has moved to `conn`, or to none. Returns the connection that it left, if another.
    pub fn attach(&mut self, id: SessionId, conn: Option<ConnId>) -> Option<ConnId> {
        self.of_mut(id).attach(id, conn)
    }

    /// The session was heard of at `heard_ms`.
    pub fn touch(&mut self, id: SessionId, heard_ms: i64) {
        self.of_mut(id).touch(id, heard_ms);
    }

    /// The session is ending: nothing is accepted from it any more.
    pub fn set_closing(&mut self, id: SessionId) {
        self.of_mut(id).set_closing(id);
    }

    /// The session has ended. Returns its connection.
    pub fn remove(&mut self, id: SessionId) -> Option<ConnId> {
        self.of_mut(id).remove(id)
    }

    /// The session is a global one from now on, with its full time-out (ms). One that was local is so no more, and keeps its
    /// connection.
    pub fn make_global(&mut self, id: SessionId, timeout_ms: i32, now_ms: i64) {
        let conn = self.local.remove(id);
        self.global.track(id, timeout_ms, now_ms);
        if conn.is_some() {
            self.global.attach(id, conn);
        }
    }

    /// The connections that own sessions now.
    pub fn conns(&self) -> impl Iterator<Item = ConnId> {
        self.global.conns().chain(self.local.conns())
    }

    /// See [`SessionTracker::detach`].
    pub fn detach(&mut self, mut leaves: impl FnMut(ConnId, bool) -> bool) -> Vec<ConnId> {
        let mut left = self.global.detach(&mut leaves);
        left.extend(self.local.detach(&mut leaves));
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(1);
    const CONN: Option<ConnId> = Some(ConnId(7));

    #[test]
    fn a_session_that_becomes_global_keeps_its_connection_and_leaves_the_local_ones() {
        let mut sessions = Sessions::new(1000);
        sessions.local.track(A, 4000, 0);
        sessions.attach(A, CONN);
        assert_eq!((sessions.conn(A), sessions.timeout_ms(A)), (CONN, Some(4000)));
        for _ in 0..2 {
            sessions.make_global(A, 4000, 3000);
            assert_eq!((sessions.local.len(), sessions.global.len()), (0, 1));
            assert_eq!((sessions.conn(A), sessions.global.next_deadline_ms()), (CONN, Some(8000)));
        }
        assert_eq!(sessions.remove(A), CONN);
        assert!(!sessions.is_live(A));
    }

    #[test]
    fn one_that_is_ending_lives_if_all_know_it() {
        let mut sessions = Sessions::new(1000);
        sessions.local.track(A, 4000, 0);
        sessions.set_closing(A);
        assert!(sessions.local.knows(A) && !sessions.is_live(A));
        sessions.make_global(A, 4000, 0);
        assert!(!sessions.local.knows(A) && sessions.is_live(A));
    }
}
