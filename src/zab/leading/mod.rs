//! A leader: it gathers promises, proves that nobody is ahead of it, brings a quorum to its history, and then proposes.
//!
//! Invariants: a learner counts in a quorum with what it has acknowledged over one link. A second link with its id waits until
//! the first has ended: two processes with one id are never two votes, nor one vote for what each of them has half of, and
//! nobody's log is cut while an acknowledgement of what goes may still come. The leader's own
//! vote follows its own disk; what is proposed carries the epoch that a quorum has promised to follow.

mod broadcast;
mod discovery;
mod sync;

use super::{
    Action, Failure, Link, Refusal, Tally,
    learners::{Learner, Learners, Said},
    quorum::Members,
    shared::Shared,
};
use broadcast::Broadcast;
use bytes::Bytes;
use discovery::Discovery;
use oxkeeper_codec::{
    ServerId, Zxid,
    election::Notification,
    learner::{ToLeader, ToLearner},
};
use sync::Sync;

/// The official server begins a new epoch when this one is due.
const LAST_COUNTER: i64 = 0xffff_fffe;

/// A leader and its learners.
#[derive(Debug, Clone)]
pub(super) struct Leading {
    phase: Phase,
    learners: Learners,
    /// Voters who elected it, and have not been heard to elect again.
    supporters: Members,
    /// Voters who elected it, and elect again.
    turned_away: Members,
    /// When discovery and synchronisation must be over (`initLimit`), in ms of the elapsed clock.
    deadline_ms: i64,
    /// From then on a voter that elects again ends discovery (`leader.maxTimeToWaitForEpoch`), in ms of the elapsed clock.
    impatient_at_ms: Option<i64>,
    /// Another one leads, and those who are still here are waited for until then, in ms of the elapsed clock.
    waits_until_ms: Option<i64>,
}

#[derive(Debug, Clone)]
enum Phase {
    Discovery(Discovery),
    Sync(Sync),
    Broadcast(Broadcast),
}

impl Leading {
    pub(super) fn begin(shared: &mut Shared, supporters: Members, now_ms: i64) -> Self {
        shared.act(Action::Listen);
        let mut leading = Self {
            phase: Phase::Discovery(Discovery::begin(shared)),
            learners: Learners::none(now_ms + shared.options.ping_ms),
            supporters,
            turned_away: Members::new(),
            deadline_ms: now_ms + shared.options.init_ms,
            impatient_at_ms: shared.options.epoch_wait_ms.map(|ms| now_ms + ms),
            waits_until_ms: None,
        };
        leading.advance(shared);
        leading
    }

    /// Whether it proposes, and serves.
    pub(super) const fn serves(&self) -> bool {
        matches!(self.phase, Phase::Broadcast(_))
    }

    /// Whether it commits nothing any more: another one leads.
    pub(super) const fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Broadcast(Broadcast { stopped: true, .. }))
    }

    /// Followers that have acknowledged NEWLEADER, and this leader.
    pub(super) fn synced_followers(&self, shared: &Shared) -> Members {
        following(&self.learners, shared)
    }

    /// Whose acknowledgements come over a link, if they count.
    pub(super) fn voter_at(&self, shared: &Shared, link: Link) -> Option<ServerId> {
        self.learners.get(link).filter(|learner| learner.counts(shared)).and_then(Learner::sid)
    }

    pub(super) fn is_of_member(&self, shared: &Shared, link: Link) -> bool {
        self.learners.is_of_member(shared, link)
    }

    pub(super) fn tally(&self, shared: &Shared) -> Tally {
        let mut tally = self.learners.tally(shared);
        if let Phase::Broadcast(broadcast) = &self.phase {
            tally.pending_syncs = broadcast.pending_syncs();
        }
        tally
    }

    pub(super) fn deadline_ms(&self) -> i64 {
        let learners_ms = self.learners.deadline_ms();
        if self.serves() { learners_ms } else { learners_ms.min(self.deadline_ms) }
    }

    pub(super) fn wake(&mut self, shared: &mut Shared, now_ms: i64) -> Result<(), Failure> {
        if !self.serves() && now_ms >= self.deadline_ms {
            return Err(Failure::NoQuorumInTime);
        }
        if self.is_stopped() && now_ms >= *self.waits_until_ms.get_or_insert(now_ms + shared.options.sync_ms)
        {
            return Err(Failure::HandedOver);
        }
        if self.serves() && !self.is_stopped() && !shared.is_replacing() && self.next_zxid(shared).is_none() {
            return Err(Failure::EpochExhausted);
        }
        for link in self.learners.lost(shared, now_ms) {
            shared.act(Action::HangUp(link));
            self.closed(shared, link)?;
        }
        let given = shared.given;
        self.learners.ping(shared, given, now_ms);
        Ok(())
    }

    /// A connection on the quorum port.
    pub(super) fn arrived(&mut self, shared: &Shared, link: Link, now_ms: i64) {
        self.learners.arrived(shared, link, now_ms);
    }

    /// A learner takes what it is sent.
    pub(super) fn moving(&mut self, shared: &Shared, link: Link, now_ms: i64) {
        self.learners.moving(shared, link, now_ms);
    }

    /// A link has ended.
    pub(super) fn closed(&mut self, shared: &mut Shared, link: Link) -> Result<(), Failure> {
        if self.learners.remove(link).is_none() {
            return Ok(());
        }
        if let Phase::Broadcast(broadcast) = &mut self.phase {
            broadcast.lost(link);
            if broadcast.stopped {
                // They leave by themselves: each of them must have heard who leads.
                return if self.learners.is_empty() { Err(Failure::HandedOver) } else { Ok(()) };
            }
            if !shared.quorums().are_met_by(&following(&self.learners, shared)) {
                return Err(Failure::NoQuorum);
            }
            broadcast.commit(shared, &self.learners);
        }
        self.advance(shared);
        self.check_hope(shared)
    }

    /// A member says how it votes: whoever elects again, or goes with another, does not come any more.
    pub(super) fn notified(
        &mut self,
        shared: &Shared,
        from: ServerId,
        said: &Notification,
        now_ms: i64,
    ) -> Result<(), Failure> {
        if shared.is_left_by(said) {
            if self.supporters.remove(&from) {
                self.turned_away.insert(from);
            }
            if self.turned_away.contains(&from) && self.is_impatient(now_ms) {
                return Err(Failure::TurnedAway(from));
            }
        }
        self.check_hope(shared)
    }

    /// Whether a voter that turns away ends discovery.
    fn is_impatient(&self, now_ms: i64) -> bool {
        self.phase.epoch().is_none() && self.impatient_at_ms.is_some_and(|at_ms| now_ms > at_ms)
    }

    /// Whether a quorum can still come about, of those who are here and those who may come.
    pub(super) fn check_hope(&self, shared: &Shared) -> Result<(), Failure> {
        let may_come = self.supporters.difference(&shared.unreachable).copied();
        let here = self.learners.values().filter_map(Learner::sid);
        let hoped: Members = may_come.chain(here).chain([shared.me]).collect();
        if self.serves() || shared.quorums().are_met_by(&hoped) { Ok(()) } else { Err(Failure::NoHope) }
    }

    /// What a learner says.
    pub(super) fn heard(
        &mut self,
        shared: &mut Shared,
        link: Link,
        packet: ToLeader,
        now_ms: i64,
    ) -> Result<(), Failure> {
        match self.take_in(shared, link, packet, now_ms) {
            Ok(()) => Ok(()),
            // Its own fault: nobody else has to suffer.
            Err(Failure::Learner(reason)) => {
                shared.act(Action::Refused(link, reason));
                shared.act(Action::HangUp(link));
                self.closed(shared, link)
            }
            Err(failure) => Err(failure),
        }
    }

    fn take_in(
        &mut self,
        shared: &mut Shared,
        link: Link,
        packet: ToLeader,
        now_ms: i64,
    ) -> Result<(), Failure> {
        let said = self.learners.heard(shared, link, packet, now_ms)?;
        let Some(learner) = self.learners.get(link) else { return Ok(()) };
        let counts = learner.counts(shared);
        match said {
            Said::Registered(info) => {
                if info.accepted_epoch >= Zxid::EPOCH_MAX {
                    // None can begin behind it.
                    return Err(Failure::Learner(Refusal::LastEpoch(info.sid)));
                }
                if let Some(epoch) = self.phase.epoch()
                    && info.accepted_epoch > epoch
                    && counts
                    && shared.quorums().is_voter(info.sid)
                {
                    return Err(Failure::LaterPromise { sid: info.sid, accepted: info.accepted_epoch });
                }
                if let Phase::Discovery(discovery) = &mut self.phase {
                    discovery.registered(info.sid, info.accepted_epoch, counts);
                }
            }
            Said::Promised { last_zxid, current_epoch } => {
                if let (Phase::Discovery(discovery), Some(sid)) = (&mut self.phase, learner.sid()) {
                    discovery.proved(shared, sid, counts, last_zxid, current_epoch)?;
                }
            }
            Said::Acknowledged => {
                if let Phase::Broadcast(broadcast) = &mut self.phase {
                    broadcast.commit(shared, &self.learners);
                }
            }
            Said::Nothing => {}
        }
        self.advance(shared);
        Ok(())
    }

    /// The leader's own log is durable up to `shared.synced`, or the next configuration is.
    pub(super) fn synced(&mut self, shared: &mut Shared) {
        let changing = shared.ensemble.next().is_some();
        if let Phase::Broadcast(broadcast) = &mut self.phase {
            broadcast.commit(shared, &self.learners);
        }
        if changing {
            self.advance(shared);
        }
    }

    /// The accepted epoch is durable.
    pub(super) fn accepted(&mut self, shared: &mut Shared) {
        if let Phase::Discovery(discovery) = &mut self.phase {
            discovery.accepted(shared);
        }
        self.advance(shared);
    }

    /// The current epoch is durable.
    pub(super) fn entered(&mut self, shared: &mut Shared) {
        if let Phase::Sync(sync) = &mut self.phase {
            sync.entered(shared);
        }
        self.advance(shared);
    }

    /// Whether the log files have all that a learner lacks and the memory has not.
    pub(super) fn searched(&mut self, shared: &mut Shared, link: Link, found: bool) {
        if let Some(epoch) = self.phase.epoch() {
            self.learners.searched(shared, link, found, epoch);
        }
    }

    /// The zxid of the next proposal, if it serves, its history is not being replaced, and the epoch has one left.
    pub(super) fn next_zxid(&self, shared: &Shared) -> Option<Zxid> {
        let Phase::Broadcast(Broadcast { epoch, stopped: false, .. }) = self.phase else { return None };
        if shared.is_replacing() {
            return None;
        }
        let last = shared.given.max(Zxid::begin_of(epoch));
        (last.counter() < LAST_COUNTER).then(|| last.next())
    }

    /// Has everybody take one more transaction. Only while it serves.
    pub(super) fn propose(&self, shared: &mut Shared, zxid: Zxid, txn: Bytes) -> Result<(), Failure> {
        debug_assert!(self.serves(), "a leader that a quorum has acknowledged");
        shared.expect_made_by(zxid, &txn)?;
        shared.append(zxid, txn.clone());
        shared.act(Action::ToLearners(self.learners.fed(false), ToLearner::Proposal(zxid, txn)));
        Ok(())
    }

    /// A learner's sync request: answered when all that is proposed now is committed.
    pub(super) fn sync_requested(&mut self, shared: &mut Shared, link: Link) {
        if let Phase::Broadcast(broadcast) = &mut self.phase {
            broadcast.sync_requested(shared, link);
        }
    }

    /// Goes as far as what has come allows.
    fn advance(&mut self, shared: &mut Shared) {
        if let Phase::Discovery(discovery) = &mut self.phase
            && let Some(sync) = discovery.advance(shared, &mut self.learners)
        {
            self.phase = Phase::Sync(sync);
        }
        if let Phase::Sync(sync) = &self.phase
            && sync.is_done(shared, &self.learners)
        {
            self.phase = Phase::Broadcast(Broadcast::begin(shared, sync.epoch));
        }
        if self.is_stopped() {
            self.learners.iter_mut().for_each(|(&link, learner)| learner.serve(shared, link));
            return;
        }
        // Whoever serves activates what NEWLEADER has told: a change that is under way comes first.
        let serves = self.serves() && shared.ensemble.next().is_none();
        let (Phase::Sync(Sync { epoch, .. }) | Phase::Broadcast(Broadcast { epoch, .. })) = self.phase else {
            return;
        };
        for (&link, learner) in self.learners.iter_mut() {
            learner.ask(shared, link, epoch);
            learner.synchronise(shared, link, epoch);
            if serves {
                learner.serve(shared, link);
            }
        }
    }
}

impl Phase {
    const fn epoch(&self) -> Option<i64> {
        match self {
            Self::Discovery(discovery) => discovery.epoch(),
            Self::Sync(sync) => Some(sync.epoch),
            Self::Broadcast(broadcast) => Some(broadcast.epoch),
        }
    }
}

/// Those who have the leader's history and vote, the leader among them.
fn following(learners: &Learners, shared: &Shared) -> Members {
    let vouching =
        learners.values().filter(|learner| learner.counts(shared) && learner.vouches_for().is_some());
    vouching.filter_map(Learner::sid).chain([shared.me]).collect()
}
