//! A server that is alone goes on with another tree.

use super::{Node, Now, Reason, snapshots::Snapshots};
use crate::{processor::Processor, session::SessionTracker, tree::Tree};
use oxkeeper_codec::SessionId;

impl Node {
    /// Sessions that are in the tree's snapshot keep their connections, and have their full time-out from now; others lose them.
    pub(super) fn restored(&mut self, now: Now, tree: &Tree, sessions: Vec<(SessionId, i32)>) {
        assert!(self.queue.len() == 0, "what was asked of the old tree is answered");
        let last = tree.last_zxid();
        (self.proposed, self.committed, self.applied) = (last, last, last);
        self.snapshots = Snapshots::default();
        self.processor = Processor::new(self.options.rules.clone(), tree);
        self.ending.clear();
        let mut before =
            std::mem::replace(&mut self.sessions.global, SessionTracker::new(self.options.tick_ms));
        for &(session, timeout_ms) in &sessions {
            self.sessions.make_global(session, timeout_ms, now.elapsed_ms);
            self.sessions.attach(session, before.remove(session));
            self.ids.skip(session);
        }
        let gone: Vec<SessionId> = before.iter().map(|(session, _)| session).collect();
        for session in gone {
            if let Some(conn) = before.conn(session) {
                self.useless(conn, Reason::NoSession(session));
            }
        }
        self.end_orphans(now, tree);
    }
}
