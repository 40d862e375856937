//! A follower or an observer: discovery, synchronisation, broadcast, one file a phase.
//!
//! Invariant: what is told to the leader is on disk. Packets that have no meaning in a phase end the link, and the
//! member looks for a leader again.

mod broadcast;
mod discovery;
mod feed;
mod masters;
mod sync;

use super::{Action, Failure, Link, mastering::Mastering, shared::Shared};
use broadcast::Broadcast;
use discovery::Discovery;
use feed::Feed;
use oxkeeper_codec::{
    ServerId, Zxid,
    election::Notification,
    learner::{ToLeader, ToLearner},
};
use sync::Sync;

/// A learner and its leader.
#[derive(Debug, Clone)]
pub(super) struct Learning {
    /// Whom it learns from: the leader, or an observer master.
    leader: ServerId,
    /// So many observer masters are tried before it looks for a leader again.
    untried: usize,
    link: Option<Link>,
    phase: Phase,
    /// Its own observers.
    mastering: Option<Mastering>,
    /// When it gives up unless something was heard, in ms of the elapsed clock.
    deadline_ms: i64,
    /// So long the leader is dialled, in ms of the elapsed clock.
    dials_until_ms: i64,
    /// Nobody is dialled before, in ms of the elapsed clock.
    pauses_until_ms: Option<i64>,
    /// It has said that it leads no more.
    is_left: bool,
    /// The leader was connected with anew since it was chosen: what it says, it has said since.
    is_met_anew: bool,
}

#[derive(Debug, Clone)]
enum Phase {
    Discovery(Discovery),
    Sync(Sync),
    Broadcast(Broadcast),
}

impl Learning {
    /// Looks for the leader that was elected, or for an observer master.
    pub(super) fn begin(shared: &mut Shared, leader: ServerId, now_ms: i64) -> Self {
        let pause_ms = shared.pause_ms(|it| it.reconnect_ms);
        let deadline_ms = now_ms + pause_ms + shared.options.connect_ms;
        let phase = Phase::Discovery(Discovery::Dialling);
        let untried = masters::count(shared, leader);
        let dials_until_ms = deadline_ms;
        let mut learning = Self {
            leader,
            untried,
            link: None,
            phase,
            mastering: None,
            deadline_ms,
            dials_until_ms,
            pauses_until_ms: (pause_ms > 0).then_some(now_ms + pause_ms),
            is_left: false,
            is_met_anew: false,
        };
        if learning.pauses_until_ms.is_none() {
            learning.dial(shared, now_ms);
        }
        learning
    }

    fn dial(&mut self, shared: &mut Shared, now_ms: i64) {
        if !self.dial_master(shared, now_ms) {
            shared.act(Action::Dial(self.leader));
        }
    }

    /// Tries the next observer master. False: there is none left.
    fn dial_master(&mut self, shared: &mut Shared, now_ms: i64) -> bool {
        let Some(untried) = self.untried.checked_sub(1) else { return false };
        let leader = shared.vote.leader;
        let Some(master) = masters::next(shared, leader) else { return false };
        (self.leader, self.untried) = (master, untried);
        self.deadline_ms = now_ms + shared.options.connect_ms;
        shared.act(Action::DialMaster(master));
        true
    }

    /// Whom it learns from.
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

    /// Its own observers, if it serves any.
    pub(super) const fn mastering(&self) -> Option<&Mastering> {
        self.mastering.as_ref()
    }

    pub(super) fn deadline_ms(&self) -> i64 {
        let mastering_ms = self.mastering.as_ref().map(Mastering::deadline_ms);
        self.pauses_until_ms.into_iter().chain(mastering_ms).fold(self.deadline_ms, i64::min)
    }

    pub(super) fn wake(&mut self, shared: &mut Shared, now_ms: i64) -> Result<(), Failure> {
        if now_ms >= self.deadline_ms {
            return Err(Failure::LeaderSilent);
        }
        if self.pauses_until_ms.take_if(|until_ms| now_ms >= *until_ms).is_some() {
            self.dial(shared, now_ms);
        }
        if let Some(mastering) = &mut self.mastering {
            mastering.wake(shared, now_ms);
        }
        Ok(())
    }

    /// The leader's port was reached.
    pub(super) fn reached(&mut self, shared: &mut Shared, link: Link, now_ms: i64) {
        if let Phase::Discovery(discovery) = &mut self.phase
            && self.link.is_none()
        {
            self.link = Some(link);
            shared.masterless = 0;
            self.deadline_ms = now_ms + shared.options.init_ms;
            discovery.register(shared, link);
        } else {
            shared.act(Action::HangUp(link));
        }
    }

    /// There is another connection with a member's election port: it may have started anew.
    pub(super) fn met(&mut self, shared: &Shared, peer: ServerId) {
        self.is_met_anew |= peer == shared.vote.leader;
    }

    /// A member says how it votes. A leader whose port is not reached yet may be none by now; of one that was reached the link tells.
    pub(super) fn notified(
        &mut self,
        shared: &Shared,
        from: ServerId,
        said: &Notification,
    ) -> Result<(), Failure> {
        // An observer master was not chosen: it may never have been in that round.
        let is_new = self.is_met_anew && from == shared.vote.leader && shared.is_new_to(said);
        if from != self.leader || !(is_new || shared.is_left_by(said)) {
            return Ok(());
        }
        self.is_left = true;
        match self.phase {
            Phase::Discovery(Discovery::Dialling) if is_new => Err(Failure::LeaderAnew(from)),
            Phase::Discovery(Discovery::Dialling) => Err(Failure::LeaderElsewhere(from)),
            _ => Ok(()),
        }
    }

    /// No link could be made.
    pub(super) fn missed(&mut self, shared: &mut Shared, whom: ServerId, now_ms: i64) -> Result<(), Failure> {
        if whom != self.leader || self.link.is_some() || self.dial_master(shared, now_ms) {
            return Ok(());
        }
        shared.masterless += u32::from(self.leader != shared.vote.leader);
        Err(Failure::LeaderGone)
    }

    /// A link has ended.
    pub(super) fn closed(&mut self, shared: &mut Shared, link: Link, now_ms: i64) -> Result<(), Failure> {
        if Some(link) == self.link {
            return self.dial_again(shared, now_ms);
        }
        if let Some(mastering) = &mut self.mastering {
            mastering.closed(shared, link);
        }
        Ok(())
    }

    /// The link with the leader has ended. Where something stands in front of its port (a relay, a sidecar) that is reached before
    /// the port is open, and hangs up; that is as if it had not been reached. To look for a leader at once instead can go on
    /// for ever: whoever looks makes the one that it has elected give up and begin anew, with its port closed again.
    fn dial_again(&mut self, shared: &mut Shared, now_ms: i64) -> Result<(), Failure> {
        let unheard = matches!(self.phase, Phase::Discovery(Discovery::Registered));
        if !unheard || self.is_left || self.leader != shared.vote.leader || now_ms >= self.dials_until_ms {
            return Err(Failure::LeaderGone);
        }
        self.link = None;
        self.phase = Phase::Discovery(Discovery::Dialling);
        self.deadline_ms = self.dials_until_ms;
        shared.act(Action::Dial(self.leader));
        Ok(())
    }

    /// An observer has come. One that is late, since this follower serves none any more, has to go.
    pub(super) fn arrived(&mut self, shared: &mut Shared, link: Link, now_ms: i64) {
        match &mut self.mastering {
            Some(mastering) => mastering.arrived(shared, link, now_ms),
            None => shared.act(Action::HangUp(link)),
        }
    }

    /// What one of them says.
    pub(super) fn heard_from_observer(
        &mut self,
        shared: &mut Shared,
        link: Link,
        packet: ToLeader,
        now_ms: i64,
    ) {
        if let Some(mastering) = &mut self.mastering {
            mastering.heard(shared, link, packet, now_ms);
        }
    }

    /// Whether the log files have all that an observer lacks.
    pub(super) fn searched(&mut self, shared: &mut Shared, link: Link, found: bool) {
        if let Some(mastering) = &mut self.mastering {
            mastering.searched(shared, link, found);
        }
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
                let (before, changing) = (shared.committed, change_in(&packet));
                broadcast.heard(shared, link, packet)?;
                if let Some(mastering) = &mut self.mastering {
                    mastering.committed(shared, before, changing);
                }
                None
            }
        };
        self.advance(shared, next);
        shared.check_kept()
    }

    /// Something comes over the link, or moves over that of an observer.
    pub(super) fn moving(&mut self, shared: &Shared, link: Link, now_ms: i64) {
        if Some(link) == self.link {
            let patience_ms = if self.serves() { shared.options.sync_ms } else { shared.options.init_ms };
            self.deadline_ms = now_ms + patience_ms;
        } else if let Some(mastering) = &mut self.mastering {
            mastering.moving(shared, link, now_ms);
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
            self.advance(shared, next);
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
            self.advance(shared, next);
        }
        shared.check_kept()
    }

    fn advance(&mut self, shared: &mut Shared, next: Option<Phase>) {
        let Some(next) = next else { return };
        self.phase = next;
        if self.serves() && shared.options.observer_masters && !shared.observes() {
            self.mastering = Some(Mastering::begin(shared, shared.current_epoch));
        }
    }
}

/// The change of the configuration that a packet puts in force, and who leads then.
const fn change_in(packet: &ToLearner) -> Option<(Zxid, ServerId)> {
    match packet {
        ToLearner::CommitAndActivate(zxid, leader) => Some((*zxid, *leader)),
        _ => None,
    }
}
