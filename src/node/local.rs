//! Local sessions: those that this member keeps for itself (`localSessionsEnabled`, and all that are opened in read-only mode).
//!
//! No transaction opens or ends them, so that they cost nobody else anything, and nobody else knows them: their clients cannot
//! go on at another member. What they write goes the way of all writes. One that asks for an ephemeral becomes global
//! first, with the same id, or is refused (`QuorumZooKeeperServer.checkUpgradeSession`).
//!
//! They live as long as this process and their time-outs, whoever leads.

use super::{
    Delivery, Node, Now,
    queue::{Queued, Renewal},
    requests::Asked,
};
use crate::{
    processor::{Known, creates_ephemeral},
    session::ConnId,
};
use bytes::Bytes;
use oxkeeper_codec::SessionId;

/// What a new session is (`localSessionsEnabled`, `localSessionsUpgradingEnabled`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewSessions {
    /// Known to the whole ensemble.
    Global,
    /// Known to this member alone; it may own no ephemerals.
    Local,
    /// The same, until it asks for an ephemeral: then it becomes global.
    LocalAtFirst,
}

impl Node {
    /// Whether a session that is opened now stays here.
    pub(super) fn opens_local(&self) -> bool {
        self.is_read_only() || (self.serves() && self.options.new_sessions != NewSessions::Global)
    }

    /// Opens a session that nobody else hears of.
    pub(super) fn open_local(&mut self, now: Now, renewal: Renewal) {
        let session = self.ids.next();
        self.sessions.local.track(session, renewal.timeout_ms, now.elapsed_ms);
        self.sessions.local.attach(session, Some(renewal.conn));
        self.queue.push_beside(Queued::Opened { session, renewal });
    }

    /// Whether the end of this session concerns nobody else: it is local, and not on its way to become global.
    pub(super) fn is_only_here(&self, session: SessionId) -> bool {
        self.sessions.local.knows(session) && !self.is_promoted(session)
    }

    /// Ends a local session behind what its client has asked before. It becomes global no more.
    pub(super) fn close_local(&mut self, conn: ConnId, session: SessionId, xid: i32) {
        self.sessions.local.set_closing(session);
        self.wait_for_session(session, Queued::Closed { conn, session, xid });
    }

    /// Ends local sessions that nobody has heard of in time.
    pub(super) fn expire_local(&mut self, now: Now, due: &[SessionId]) {
        for &session in due {
            if self.sessions.local.is_due(session, now.elapsed_ms) {
                let conn = self.sessions.local.remove(session);
                self.delivering.extend(conn.map(|conn| Delivery::Ended { conn }));
            }
        }
    }

    /// What a session may ask for here.
    pub(super) fn known(&self, session: SessionId) -> Known {
        if self.sessions.global.is_live(session) {
            Known::Everywhere
        } else if self.sessions.local.is_live(session) {
            Known::Here
        } else if self.may_be_local_elsewhere(session) {
            Known::Elsewhere
        } else {
            Known::Nowhere
        }
    }

    /// Whether another member may have a session for itself that this one does not know: one of that member's own
    /// (`LeaderSessionTracker.checkSession`).
    pub(super) fn may_be_local_elsewhere(&self, session: SessionId) -> bool {
        self.options.new_sessions != NewSessions::Global
            && !self.sessions.global.knows(session)
            && session.0.to_be_bytes()[0] != self.options.server_id
    }

    /// Makes a local session global if what it asks for needs that, and where that is allowed: at a leader from now on, at a
    /// learner with its transaction.
    pub(super) fn promote_for(&mut self, now: Now, asked: &Asked<'_>, body: &Bytes) {
        let session = asked.session;
        if self.options.new_sessions != NewSessions::LocalAtFirst
            || self.log_failed
            || !self.is_only_here(session)
            || !creates_ephemeral(asked.header.op, body)
        {
            return;
        }
        let Some(timeout_ms) = self.sessions.timeout_ms(session) else { return };
        if self.decides() {
            self.sessions.make_global(session, timeout_ms, now.elapsed_ms);
            self.propose_session(now, session, timeout_ms, None);
        } else {
            self.ask_to_promote(session, timeout_ms);
        }
    }
}
