//! Sessions: who is known, until when, and who may renew (`SessionTrackerImpl`, `ExpiryQueue`).
//!
//! Deadlines lie on a grid of one tick: the next multiple of `tickTime` strictly after now + time-out, so a session
//! ends up to one tick late and never early. Touching is lazy: when a bucket is due, the caller says when its
//! sessions were last heard of, and only those that were not go.
//!
//! Invariants: each session is in exactly one bucket unless it is closing; a closing session never comes back.
//! Time comes in as an argument, in ms of a clock that does not jump.

mod list;
mod password;
mod sessions;

pub use list::{SessionList, encode_sessions};
pub use password::{password, password_matches};
pub use sessions::Sessions;

use oxkeeper_codec::SessionId;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

/// A client connection, as the shell numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Bounds of session time-outs, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeoutBounds {
    /// The shortest: `minSessionTimeout`.
    pub min_ms: i32,
    /// The longest: `maxSessionTimeout`.
    pub max_ms: i32,
}

impl TimeoutBounds {
    /// What a client gets that asks for `wanted_ms`.
    pub fn negotiate(self, wanted_ms: i32) -> i32 {
        wanted_ms.min(self.max_ms).max(self.min_ms)
    }
}

#[derive(Debug, Clone, Copy)]
struct Session {
    timeout_ms: i32,
    deadline_ms: i64,
    closing: bool,
    conn: Option<ConnId>,
    /// How many were tracked before it.
    serial: u64,
}

/// Where a session stands, as one connection sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is the connection's, and may ask for anything.
    Live,
    /// It is the connection's, and is ending.
    Closing,
    /// It is another connection's.
    Elsewhere,
    /// It is not known, or has no connection.
    Nowhere,
}

/// Sessions of one kind, with their deadlines and connections.
#[derive(Debug)]
pub struct SessionTracker {
    tick_ms: i64,
    sessions: BTreeMap<SessionId, Session>,
    buckets: BTreeMap<i64, BTreeSet<SessionId>>,
    /// How many were tracked, ever.
    tracked: u64,
}

impl SessionTracker {
    /// No sessions yet; `tick_ms` is the width of a bucket.
    pub fn new(tick_ms: i32) -> Self {
        assert!(tick_ms > 0, "the configuration checks tickTime");
        Self { tick_ms: i64::from(tick_ms), sessions: BTreeMap::new(), buckets: BTreeMap::new(), tracked: 0 }
    }

    fn deadline(&self, heard_ms: i64, timeout_ms: i32) -> i64 {
        ((heard_ms + i64::from(timeout_ms)).div_euclid(self.tick_ms) + 1) * self.tick_ms
    }

    /// A session that was opened, or found in the data; it has its full time-out from now. One that is known
    /// already keeps its connection.
    pub fn track(&mut self, id: SessionId, timeout_ms: i32, now_ms: i64) {
        self.unlist(id);
        let deadline_ms = self.deadline(now_ms, timeout_ms);
        let (conn, serial) = match self.sessions.get(&id) {
            Some(known) => (known.conn, known.serial),
            None => {
                self.tracked += 1;
                (None, self.tracked - 1)
            }
        };
        self.sessions.insert(id, Session { timeout_ms, deadline_ms, closing: false, conn, serial });
        self.buckets.entry(deadline_ms).or_default().insert(id);
    }

    fn unlist(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if let Some(bucket) = self.buckets.get_mut(&session.deadline_ms) {
            bucket.remove(&id);
            if bucket.is_empty() {
                self.buckets.remove(&session.deadline_ms);
            }
        }
    }

    /// All sessions have their full time-out from now.
    pub fn restart(&mut self, now_ms: i64) {
        let sessions: Vec<_> = self.iter().collect();
        sessions.into_iter().for_each(|(id, timeout_ms)| self.track(id, timeout_ms, now_ms));
    }

    /// The session was heard of at `heard_ms`. Does nothing to one that is unknown or closing.
    pub fn touch(&mut self, id: SessionId, heard_ms: i64) {
        let Some(&Session { timeout_ms, deadline_ms, closing: false, .. }) = self.sessions.get(&id) else {
            return;
        };
        let later = self.deadline(heard_ms, timeout_ms);
        if later > deadline_ms {
            self.unlist(id);
            if let Some(session) = self.sessions.get_mut(&id) {
                session.deadline_ms = later;
            }
            self.buckets.entry(later).or_default().insert(id);
        }
    }

    /// Sessions whose deadline has passed as far as is known; ask when they were last heard of, then
    /// [`SessionTracker::touch`], and end those that are due still ([`SessionTracker::is_due`]).
    pub fn due(&self, now_ms: i64) -> impl Iterator<Item = SessionId> {
        self.buckets.range(..=now_ms).flat_map(|(_, bucket)| bucket).copied()
    }

    /// Whether a session's deadline has passed and it is not closing yet.
    pub fn is_due(&self, id: SessionId, now_ms: i64) -> bool {
        self.sessions.get(&id).is_some_and(|session| !session.closing && session.deadline_ms <= now_ms)
    }

    /// When the next bucket is due, in ms.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.buckets.keys().next().copied()
    }

    /// The session is ending: nothing is accepted from it any more.
    pub fn set_closing(&mut self, id: SessionId) {
        self.unlist(id);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.closing = true;
        }
    }

    /// The session has ended. Returns its connection.
    pub fn remove(&mut self, id: SessionId) -> Option<ConnId> {
        self.unlist(id);
        self.sessions.remove(&id).and_then(|session| session.conn)
    }

    /// Where a session stands for one connection.
    pub fn standing(&self, id: SessionId, conn: ConnId) -> Standing {
        match self.sessions.get(&id) {
            Some(&Session { conn: Some(owner), closing, .. }) if owner == conn => {
                if closing {
                    Standing::Closing
                } else {
                    Standing::Live
                }
            }
            Some(Session { conn: Some(_), .. }) => Standing::Elsewhere,
            Some(Session { conn: None, .. }) | None => Standing::Nowhere,
        }
    }

    /// Whether the session is known.
    pub fn knows(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    /// Whether the session is known and not closing.
    pub fn is_live(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| !session.closing)
    }

    /// The session's time-out in ms, if it is live.
    pub fn timeout_ms(&self, id: SessionId) -> Option<i32> {
        self.sessions.get(&id).filter(|session| !session.closing).map(|session| session.timeout_ms)
    }

    /// The connection that owns the session now.
    pub fn conn(&self, id: SessionId) -> Option<ConnId> {
        self.sessions.get(&id).and_then(|session| session.conn)
    }

    /// The session has moved to `conn`, or to none. Returns the connection that it left, if another.
    pub fn attach(&mut self, id: SessionId, conn: Option<ConnId>) -> Option<ConnId> {
        let session = self.sessions.get_mut(&id)?;
        let left = std::mem::replace(&mut session.conn, conn);
        left.filter(|left| Some(*left) != conn)
    }

    /// The connections that own sessions now.
    pub fn conns(&self) -> impl Iterator<Item = ConnId> {
        self.sessions.values().filter_map(|session| session.conn)
    }

    /// Parts sessions from connections of which `leaves` says so, from the connection and whether its session is ending; returns those.
    pub fn detach(&mut self, mut leaves: impl FnMut(ConnId, bool) -> bool) -> Vec<ConnId> {
        let parts = |session: &mut Session| session.conn.take_if(|conn| leaves(*conn, session.closing));
        self.sessions.values_mut().filter_map(parts).collect()
    }

    /// Ids and time-outs (ms) of all sessions, in order, as a snapshot has them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (SessionId, i32)> {
        self.sessions.iter().map(|(&id, session)| (id, session.timeout_ms))
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Ids, time-outs (ms) and deadlines (ms; none of a session that is ending) from some id on, in order.
    pub fn listed(&self, from: Bound<SessionId>) -> impl Iterator<Item = (SessionId, i32, Option<i64>)> {
        let listed = self.sessions.range((from, Bound::Unbounded));
        listed
            .map(|(&id, session)| (id, session.timeout_ms, (!session.closing).then_some(session.deadline_ms)))
    }
}

/// Numbers for new sessions: server id, clock, counter.
#[derive(Debug)]
pub struct SessionIds(i64);

impl SessionIds {
    /// Starts at a number that no earlier start of this server has used, if its clock has moved on by 1 ms for
    /// every 65,536 sessions since (`SessionTrackerImpl.initializeNextSessionId`). `server_id` is at most 254.
    pub const fn new(server_id: u8, wall_ms: i64) -> Self {
        let clock = ((wall_ms << 24).cast_unsigned() >> 8).cast_signed();
        Self(clock | ((server_id as i64) << 56))
    }

    /// Never hands out `id` or one below it: the data holds it already.
    pub fn skip(&mut self, id: SessionId) {
        if id.0 >> 56 == self.0 >> 56 {
            self.0 = self.0.max(id.0 + 1);
        }
    }

    /// A new number.
    pub const fn next(&mut self) -> SessionId {
        let id = self.0;
        self.0 += 1;
        SessionId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(1);

    #[test]
    fn behaviour_20_a_session_ends_up_to_a_tick_late_and_never_early() {
        for now in [0, 1, 999, 1000, 1001] {
            let mut tracker = SessionTracker::new(1000);
            tracker.track(A, 4000, now);
            let deadline = tracker.next_deadline_ms().expect("tracked");
            assert!(deadline > now + 4000 && deadline <= now + 5000, "{now}: {deadline}");
            assert_eq!((tracker.due(deadline - 1).count(), tracker.is_due(A, deadline - 1)), (0, false));
            assert_eq!(tracker.due(deadline).collect::<Vec<_>>(), [A]);
            assert!(tracker.is_due(A, deadline));
            tracker.set_closing(A);
            assert!(!tracker.is_live(A));
            assert!(!tracker.is_due(A, deadline));
        }
    }

    #[test]
    fn touching_moves_the_deadline_and_never_back() {
        let mut tracker = SessionTracker::new(1000);
        tracker.track(A, 4000, 0);
        tracker.touch(A, 3000);
        tracker.touch(A, 100);
        assert_eq!(tracker.next_deadline_ms(), Some(8000));
        tracker.set_closing(A);
        tracker.touch(A, 9000);
        assert_eq!(tracker.next_deadline_ms(), None);
    }

    #[test]
    fn a_session_has_one_connection() {
        let mut tracker = SessionTracker::new(1000);
        tracker.track(A, 4000, 0);
        assert_eq!(tracker.attach(A, Some(ConnId(1))), None);
        assert_eq!(tracker.attach(A, Some(ConnId(1))), None);
        assert_eq!(tracker.attach(A, Some(ConnId(2))), Some(ConnId(1)));
        assert_eq!(tracker.remove(A), Some(ConnId(2)));
    }

    #[test]
    fn behaviour_14_ids_have_the_server_in_the_top_byte_and_count_up() {
        let mut ids = SessionIds::new(1, 1_700_000_000_000);
        let first = ids.next();
        assert_eq!(first.0 >> 56, 1);
        assert_eq!(first.0 & 0xffff, 0);
        assert_eq!(ids.next().0, first.0 + 1);
        ids.skip(SessionId(first.0 + 10));
        assert_eq!(ids.next().0, first.0 + 11);
    }

    #[test]
    fn behaviour_7_time_outs_are_clamped() {
        let bounds = TimeoutBounds { min_ms: 4000, max_ms: 40_000 };
        for (wanted, got) in [(0, 4000), (-5, 4000), (5000, 5000), (i32::MAX, 40_000)] {
            assert_eq!(bounds.negotiate(wanted), got);
        }
    }
}
