//! The sessions of a snapshot: a count, and of each its id (8 bytes) and its time-out in ms (4 bytes).
//!
//! There may be a million of them, and those who write wait as long as they are taken down. So they are written in pieces, as
//! they were at one moment: one that came later is left out, one that ends before its turn is written then.

use super::SessionTracker;
use oxkeeper_codec::{Encode, SessionId};
use std::{collections::BTreeSet, ops::Bound};

/// Bytes of a session.
const SESSION_BYTES: usize = 12;

/// Appends all of them.
///
/// # Panics
/// There are 2^31 or more.
pub fn encode_sessions(sessions: impl ExactSizeIterator<Item = (SessionId, i32)>, out: &mut Vec<u8>) {
    encode_count(sessions.len(), out);
    for (session, timeout_ms) in sessions {
        encode_one(session, timeout_ms, out);
    }
}

fn encode_count(count: usize, out: &mut Vec<u8>) {
    i32::try_from(count).expect("fewer than 2^31 sessions").encode(out);
}

fn encode_one(session: SessionId, timeout_ms: i32, out: &mut Vec<u8>) {
    session.encode(out);
    timeout_ms.encode(out);
}

/// The list under way.
///
/// Invariant: each session of the beginning is written once.
#[derive(Debug)]
pub struct SessionList {
    /// Those that were tracked as this one or later were not there at the beginning.
    until: u64,
    /// Tracked at the beginning, and not opened yet.
    unborn: BTreeSet<SessionId>,
    /// Where the walk goes on; `None` at its end.
    next: Option<Bound<SessionId>>,
    /// What was written and not taken yet.
    out: Vec<u8>,
}

impl SessionList {
    /// Begins with all that are tracked now, but for `unborn`, which all are.
    pub fn begin(tracker: &SessionTracker, unborn: BTreeSet<SessionId>) -> Self {
        let mut out = Vec::new();
        encode_count(tracker.len() - unborn.len(), &mut out);
        Self { until: tracker.tracked, unborn, next: Some(Bound::Unbounded), out }
    }

    /// The next piece, of about so many bytes; `None` behind the last one.
    pub fn piece(&mut self, tracker: &SessionTracker, budget: usize) -> Option<Vec<u8>> {
        let next = self.next.take()?;
        // Whoever is passed over costs time, too.
        let mut room = (budget / SESSION_BYTES).max(1);
        for (&id, session) in tracker.sessions.range((next, Bound::Unbounded)) {
            if room == 0 {
                self.next = Some(Bound::Included(id));
                break;
            }
            room -= 1;
            if self.was_there(id, session.serial) {
                encode_one(id, session.timeout_ms, &mut self.out);
            }
        }
        Some(std::mem::take(&mut self.out))
    }

    /// The session ends: it is written now, unless it is written already or does not belong to the list.
    pub fn before_end(&mut self, tracker: &SessionTracker, id: SessionId) {
        let Some(session) = tracker.sessions.get(&id) else { return };
        let waits = match self.next {
            Some(Bound::Included(next)) => id >= next,
            Some(_) => true,
            None => false,
        };
        if waits && self.was_there(id, session.serial) {
            encode_one(id, session.timeout_ms, &mut self.out);
        }
    }

    fn was_there(&self, id: SessionId, serial: u64) -> bool {
        serial < self.until && !self.unborn.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxkeeper_codec::{Decode, Reader};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn decoded(bytes: &[u8]) -> BTreeMap<SessionId, i32> {
        let mut reader = Reader::new(bytes);
        let count = i32::decode(&mut reader).unwrap();
        let mut found = BTreeMap::new();
        for _ in 0..count {
            let session = SessionId::decode(&mut reader).unwrap();
            assert_eq!(found.insert(session, i32::decode(&mut reader).unwrap()), None, "each once");
        }
        assert_eq!(reader.remaining(), 0, "no more than the count says");
        found
    }

    proptest! {
        /// Sessions come, go and come again under the same ids between any two pieces.
        #[test]
        fn a_list_shows_the_moment_at_which_it_began(
            before in prop::collection::btree_set(0_i64..40, 0..40),
            unborn in prop::collection::btree_set(0_i64..40, 0..5),
            steps in prop::collection::vec((0_i64..40, any::<bool>(), 1_usize..60), 0..60),
        ) {
            let mut tracker = SessionTracker::new(1000);
            let timeout = |id: i64| 4000 + i32::try_from(id).unwrap();
            before.iter().for_each(|&id| tracker.track(SessionId(id), timeout(id), 0));
            let unborn: BTreeSet<_> = unborn.intersection(&before).map(|&id| SessionId(id)).collect();
            let all: BTreeMap<_, _> = tracker.iter().filter(|(id, _)| !unborn.contains(id)).collect();
            let mut list = SessionList::begin(&tracker, unborn);
            let mut bytes = Vec::new();
            for (id, comes, budget) in steps {
                let id = SessionId(id);
                if comes {
                    // One that is known keeps its time-out here, as a session does.
                    tracker.track(id, tracker.timeout_ms(id).unwrap_or(1), 7);
                } else {
                    list.before_end(&tracker, id);
                    tracker.remove(id);
                }
                bytes.extend(list.piece(&tracker, budget).unwrap_or_default());
            }
            while let Some(piece) = list.piece(&tracker, 100) {
                bytes.extend(piece);
            }
            prop_assert_eq!(decoded(&bytes), all);
        }
    }
}
