//! A follower or an observer: discovery, synchronisation, broadcast, one file a phase.
//!
//! Invariant: what is told to the leader is on disk. Packets that have no meaning in a phase end the link, and the
//! member looks for a leader again.

mod broadcast;
mod discovery;
mod feed;
mod sync;

use super::{Action, Failure, Link, shared::Shared};
use broadcast::Broadcast;
use discovery::Discovery;
use feed::Feed;
use oxkeeper_codec::{ServerId, Zxid, election::Notification, learner::ToLearner};
use sync::Sync;

/// A learner and its leader.
#[derive(Debug, Clone)]
pub(super) struct Learning {
    leader: ServerId,
    link: Option<Link>,
    phase: Phase,
    /// When it gives up unless something was heard, in ms of the elapsed clock.
    deadline_ms: i64,
}

#[derive(Debug, Clone)]
enum Phase {
    Discovery(Discovery),
    Sync(Sync),
    Broadcast(Broadcast),
}

impl Learning {
    /// Looks for the leader that was elected.
    pub(super) fn begin(shared: &mut Shared, leader: ServerId, now_ms: i64) -> Self {
        shared.act(Action::Dial(leader));
        let deadline_ms = now_ms + shared.options.connect_ms;
        Self { leader, link: None, phase: Phase::Discovery(Discovery::Dialling), deadline_ms }
    }

    /// Whom it follows.
    pub(super) const fn leader(&self) -> ServerId {
        self.leader
    }

    /// The connection with it.
    pub(super) const fn link(&self) -> Option<Link> {
        self.link
    }

    /// Whether it serves clients.
    pub(super) const fn serves(&self) -> bool {
        matches!(self.phase, Phase::Broadcast(_))
    }

    pub(super) const fn deadline_ms(&self) -> i64 {
        self.deadline_ms
    }

    pub(super) const fn wake(&self, now_ms: i64) -> Result<(), Failure> {
        if now_ms >= self.deadline_ms { Err(Failure::LeaderSilent) } else { Ok(()) }
    }

    /// The leader's port was reached.
    pub(super) fn reached(&mut self, shared: &mut Shared, link: Link, now_ms: i64) {
        if let Phase::Discovery(discovery) = &mut self.phase
            && self.link.is_none()
        {
            self.link = Some(link);
            self.deadline_ms = now_ms + shared.options.init_ms;
            discovery.register(shared, link);
        } else {
            shared.act(Action::HangUp(link));
        }
    }

    /// A member says how it votes. A leader whose port is not reached yet may be none by now.
    pub(super) fn notified(
        &self,
        shared: &Shared,
        from: ServerId,
        said: &Notification,
    ) -> Result<(), Failure> {
        let dials = matches!(self.phase, Phase::Discovery(Discovery::Dialling));
        if dials && from == self.leader && shared.is_left_by(said) {
            return Err(Failure::LeaderElsewhere(from));
        }
        Ok(())
    }

    /// The link has ended, or could not be made.
    pub(super) fn closed(&self, link: Option<Link>) -> Result<(), Failure> {
        if link == self.link { Err(Failure::LeaderGone) } else { Ok(()) }
    }

    /// What the leader says.
    pub(super) fn heard(
        &mut self,
        shared: &mut Shared,
        link: Link,
        packet: ToLearner,
        now_ms: i64,
    ) -> Result<(), Failure> {
        if Some(link) != self.link {
            return Ok(());
        }
        self.moving(shared, link, now_ms);
        let next = match &mut self.phase {
            Phase::Discovery(discovery) => discovery.heard(shared, link, &packet)?.map(Phase::Sync),
            Phase::Sync(sync) => sync.heard(shared, link, packet)?.map(Phase::Broadcast),
            Phase::Broadcast(broadcast) => {
                broadcast.heard(shared, link, packet)?;
                None
            }
        };
        self.advance(next);
        shared.check_kept()
    }

    /// Something comes over the link.
    pub(super) fn moving(&mut self, shared: &Shared, link: Link, now_ms: i64) {
        if Some(link) == self.link {
            let patience_ms = if self.serves() { shared.options.sync_ms } else { shared.options.init_ms };
            self.deadline_ms = now_ms + patience_ms;
        }
    }

    /// The log is durable up to `shared.synced`.
    pub(super) fn synced(&mut self, shared: &mut Shared) {
        let Some(link) = self.link else { return };
        match &mut self.phase {
            Phase::Discovery(_) => {}
            Phase::Sync(sync) => sync.synced(shared, link),
            Phase::Broadcast(broadcast) => broadcast.synced(shared, link),
        }
    }

    /// The accepted epoch is durable.
    pub(super) fn accepted(&mut self, shared: &mut Shared) {
        if let (Phase::Discovery(discovery), Some(link)) = (&mut self.phase, self.link) {
            let next = discovery.accepted(shared, link).map(Phase::Sync);
            self.advance(next);
        }
    }

    /// The current epoch is durable.
    pub(super) fn entered(&mut self, shared: &mut Shared) {
        if let (Phase::Sync(sync), Some(link)) = (&mut self.phase, self.link) {
            sync.entered(shared, link);
        }
    }

    /// The log was cut, or a snapshot was put in its place; the history ends with this zxid.
    pub(super) fn history_replaced(&mut self, shared: &mut Shared, last: Zxid) -> Result<(), Failure> {
        if let (Phase::Sync(sync), Some(link)) = (&mut self.phase, self.link) {
            let next = sync.history_replaced(shared, link, last)?.map(Phase::Broadcast);
            self.advance(next);
        }
        shared.check_kept()
    }

    fn advance(&mut self, next: Option<Phase>) {
        if let Some(next) = next {
            self.phase = next;
        }
    }
}
