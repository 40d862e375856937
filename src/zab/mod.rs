//! Zab, and the election of its leader: how the members of an ensemble agree on one order of transactions.
//!
//! A library of state machines: [`Zab::step`] takes what happens and the time, and returns what is to be done, in the
//! order in which it must be done. No I/O, no clock, no randomness. Persistence is an action whose completion is an event, so
//! that there is a state for every point at which a machine can stop.
//!
//! | packet | from, in which phase | to, in which phase | durable before it leaves |
//! |---|---|---|---|
//! | notification | anybody | voters that elect | the log up to the zxid of the vote, its current epoch |
//! | FOLLOWERINFO, OBSERVERINFO (CEPOCH) | learner, discovery | leader, any | the accepted epoch in it |
//! | LEADERINFO (NEWEPOCH) | leader, from discovery on | learner, discovery | the leader's own accepted epoch |
//! | ACKEPOCH | learner, discovery | leader, any | the learner's accepted epoch, its log up to the zxid in it |
//! | DIFF, TRUNC, SNAP | leader, from synchronisation on | learner, synchronisation | the leader's log; of an observer master nothing: a quorum has it |
//! | PROPOSAL, COMMIT, INFORM | leader, from synchronisation on | learner, from synchronisation on | nothing: a COMMIT says that a quorum has it |
//! | NEWLEADER | leader, from synchronisation on | learner, synchronisation | nothing |
//! | ACK of NEWLEADER (ACKLD) | learner, synchronisation | leader, from synchronisation on | all that came before, then the current epoch |
//! | UPTODATE (COMMITLD) | leader, broadcast | learner, synchronisation | the leader's current epoch, and a quorum's |
//! | COMMITANDACTIVATE, INFORMANDACTIVATE | leader, broadcast | learner, from synchronisation on | nothing: both quorums have the proposal |
//! | ACK of a proposal | follower, from the ACK of NEWLEADER on | leader, broadcast | the proposal, and before it the configuration that it makes |
//!
//! A follower in broadcast is to its observers what a leader is (`mastering`, where `observerMasterPort` is set): it tells them what is
//! committed there, with INFORM, and they acknowledge NEWLEADER alone.
//!
//! Phases are named as in the paper (Junqueira, Reed, Serafini: Zab, 2011), steps in brackets as in the TLA+ specification of
//! the official project (`zookeeper-specifications/protocol-spec/Zab.tla`).
//!
//! **The configuration** changes with a transaction. From its proposal to its commit the quorums of both, the one in force and
//! the next one, are needed; a member keeps the next one beside its log, durably, before it acknowledges the proposal, so that
//! whoever leads then completes it. A configuration that was never changed (version 0) becomes that of the epoch in which the
//! first leader is established (ZOOKEEPER-1783). All that only where it may change (`reconfigEnabled`).
//!
//! **An operator's snapshot** is one more transaction, too, of a leader that has nothing under way: its files are replaced while it leads
//! ([`Zab::restores_at`], [`Event::Restoring`]), with that transaction as their only one. It leads no more then, is ahead of all others, and
//! they have it from a snapshot; committed it is, as whatever a leader begins with, when a quorum has acknowledged NEWLEADER.
//!
//! **Observers without a disk** (`observer.syncEnabled=false`) name what they have in memory, where others name what is durable. Nobody
//! relies on that: they have no vote, neither in the configuration in force nor in the next one. Who gets one begins anew, with what its disk
//! has.
//!
//! Not there yet: the oracle.

mod choosing;
mod election;
mod ensemble;
mod event;
mod failure;
mod isolation;
mod leading;
mod learners;
mod learning;
mod mastering;
mod pauses;
mod plan;
mod quorum;
mod recent;
mod shared;
mod vote;

pub use election::FINALIZE_WAIT_MS;
pub use ensemble::Ensemble;
pub use event::{Action, Event, Install};
pub use failure::{Failure, Refusal};
pub use pauses::ObserverPauses;
pub use quorum::{Members, Quorum, Quorums};
pub use recent::RecentBounds;
pub use shared::Stored;
pub use vote::Vote;

use bytes::Bytes;
use election::Election;
use isolation::Isolation;
use leading::Leading;
use learning::Learning;
use oxkeeper_codec::{ServerId, Zxid};
use shared::Shared;

/// A connection between a leader and a learner. Numbers are given in the order in which connections come about, and
/// never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link(pub u64);

/// What a member is made with. All times in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Discovery and synchronisation take no longer (`initLimit` × `tickTime`).
    pub init_ms: i64,
    /// Nobody is silent for longer afterwards (`syncLimit` × `tickTime`).
    pub sync_ms: i64,
    /// A leader is reached within this (`connectToLearnerMasterLimit` × `tickTime`, or `init_ms`).
    pub connect_ms: i64,
    /// When a voter turns away from a leader that has waited for longer than this for promises, the leader gives up at once
    /// (`leader.maxTimeToWaitForEpoch`); `None`: it waits as long as a quorum can come.
    pub epoch_wait_ms: Option<i64>,
    /// Between two pings of a leader (half of `tickTime`).
    pub ping_ms: i64,
    /// After so long without a leader those who only read are served (`readonlymode.enabled`); `None`: nobody is.
    pub read_only_after_ms: Option<i64>,
    /// Learners are sent snapshots only (`forceSnapshotSync`).
    pub force_snapshot: bool,
    /// While it observes, its disk gets what it is told (`observer.syncEnabled`).
    pub observer_keeps: bool,
    /// Observers learn from followers (`observerMasterPort`).
    pub observer_masters: bool,
    /// While it observes, it takes its time.
    pub observer_pauses: ObserverPauses,
    /// What is kept in memory for learners.
    pub recent: RecentBounds,
}

/// What a member is, for those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It elects.
    Looking,
    /// It elects, has done so for a while, and serves those who only read.
    ReadOnly,
    /// It learns from this one, the leader or an observer master; whether it serves.
    Learning(ServerId, bool),
    /// It leads; whether it serves.
    Leading(bool),
}

/// A leader's learners, or a follower's observers, for those who ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Connected.
    pub learners: usize,
    /// Up to date, with a vote.
    pub synced_followers: usize,
    /// Up to date, and following without a vote.
    pub synced_non_voting: usize,
    /// Up to date, and observing.
    pub synced_observers: usize,
    /// Sync requests that wait.
    pub pending_syncs: usize,
}

/// A member of an ensemble.
#[derive(Debug, Clone)]
pub struct Zab {
    shared: Shared,
    state: State,
    /// How its leader was chosen: before it leads, others may go on with that election.
    decided: Option<Election>,
    /// It does not elect before, in ms of the elapsed clock.
    pauses_until_ms: Option<i64>,
    /// When the election began, in ms of the elapsed clock.
    looking_since_ms: i64,
}

#[derive(Debug, Clone)]
enum State {
    /// What is under way has to be durable before anything is said about it.
    Settling,
    Looking(Election, Isolation),
    Learning(Learning),
    Leading(Leading),
}

impl Zab {
    /// A member with what its disk has; all of it is durable. It begins to elect at once: take the first actions with
    /// [`Event::Wake`].
    pub fn new(me: ServerId, options: Options, ensemble: Ensemble, stored: Stored, now_ms: i64) -> Self {
        Self {
            shared: Shared::new(me, options, ensemble, stored),
            state: State::Settling,
            decided: None,
            pauses_until_ms: None,
            looking_since_ms: now_ms,
        }
    }

    /// Which member it is.
    pub const fn me(&self) -> ServerId {
        self.shared.me
    }

    /// Whose acknowledgements come over a link with a learner, if they count.
    pub fn voter_at(&self, link: Link) -> Option<ServerId> {
        match &self.state {
            State::Leading(leading) => leading.voter_at(&self.shared, link),
            State::Settling | State::Looking(..) | State::Learning(_) => None,
        }
    }

    /// Whether a link is with a learner that is in the configuration in force or in the next one.
    pub fn is_of_member(&self, link: Link) -> bool {
        match &self.state {
            State::Leading(leading) => leading.is_of_member(&self.shared, link),
            State::Learning(learning) => {
                learning.mastering().is_some_and(|it| it.is_of_member(&self.shared, link))
            }
            State::Settling | State::Looking(..) => false,
        }
    }

    /// What it is.
    pub const fn role(&self) -> Role {
        match &self.state {
            State::Looking(_, Isolation::Serves) => Role::ReadOnly,
            State::Settling | State::Looking(..) => Role::Looking,
            State::Learning(learning) => Role::Learning(learning.leader(), learning.serves()),
            State::Leading(leading) => Role::Leading(leading.serves()),
        }
    }

    /// Its learners, if it leads or serves observers.
    pub fn tally(&self) -> Option<Tally> {
        match &self.state {
            State::Leading(leading) => Some(leading.tally(&self.shared)),
            State::Learning(learning) => learning.mastering().map(|it| it.tally(&self.shared)),
            State::Settling | State::Looking(..) => None,
        }
    }

    /// How many members have a vote.
    pub fn voters(&self) -> usize {
        self.shared.quorums().voters().len()
    }

    /// The configuration that it goes by.
    pub const fn ensemble(&self) -> &Ensemble {
        &self.shared.ensemble
    }

    /// Those whose disks have all that this leader has sent when they joined, itself among them; nobody if it does not lead.
    pub fn synced_followers(&self) -> Members {
        match &self.state {
            State::Leading(leading) => leading.synced_followers(&self.shared),
            State::Settling | State::Looking(..) | State::Learning(_) => Members::new(),
        }
    }

    /// The last zxid that is known to be committed.
    pub const fn committed(&self) -> Zxid {
        self.shared.committed
    }

    /// The accepted and the current epoch.
    pub const fn epochs(&self) -> (i64, i64) {
        (self.shared.accepted_epoch, self.shared.current_epoch)
    }

    /// The last zxid that the log was given.
    pub const fn last_logged(&self) -> Zxid {
        self.shared.given
    }

    /// All behind this zxid is kept in memory.
    pub const fn recent_base(&self) -> Zxid {
        self.shared.recent.base()
    }

    /// The connection with the one that it learns from.
    pub const fn leader_link(&self) -> Option<Link> {
        match &self.state {
            State::Learning(learning) => learning.link(),
            State::Settling | State::Looking(..) | State::Leading(_) => None,
        }
    }

    /// When [`Event::Wake`] is due, in ms of the elapsed clock.
    pub fn deadline_ms(&self) -> Option<i64> {
        match &self.state {
            State::Settling => self.pauses_until_ms,
            State::Looking(election, isolation) => {
                let election_ms = election.deadline_ms();
                Some(isolation.deadline_ms().map_or(election_ms, |at_ms| at_ms.min(election_ms)))
            }
            State::Learning(learning) => Some(learning.deadline_ms()),
            State::Leading(leading) => Some(leading.deadline_ms()),
        }
    }

    /// Takes in one event.
    pub fn step(&mut self, now_ms: i64, event: Event) -> Vec<Action> {
        if let Err(failure) = self.take_in(now_ms, event) {
            self.resign(now_ms, failure);
        }
        self.settle(now_ms);
        self.speak();
        self.shared.take_actions()
    }

    /// The zxid of the next proposal, if this member leads and serves.
    pub fn next_zxid(&self) -> Option<Zxid> {
        match &self.state {
            State::Leading(leading) => leading.next_zxid(&self.shared),
            _ => None,
        }
    }

    /// Where a leader may put what an operator gives in the place of its whole history, if it may now: everything is committed, and
    /// durable here.
    ///
    /// It is one more transaction, which leaves nothing of those before it. Other members have it from a snapshot: whoever has it is
    /// ahead of them, and leads when it elects again. It is committed with that; until then it may be lost, like any other one.
    pub fn restores_at(&self) -> Option<Zxid> {
        let Shared { given, committed, ensemble, .. } = &self.shared;
        let may = self.shared.is_settled() && given == committed && ensemble.next().is_none();
        self.next_zxid().filter(|_| may)
    }

    /// Has everybody take one more transaction; its zxid is [`Zab::next_zxid`].
    pub fn propose(&mut self, now_ms: i64, txn: Bytes) -> Vec<Action> {
        if let State::Leading(leading) = &mut self.state {
            match leading.next_zxid(&self.shared) {
                Some(zxid) => {
                    if let Err(failure) = leading.propose(&mut self.shared, zxid, txn) {
                        self.resign(now_ms, failure);
                    }
                }
                None if leading.is_stopped() || self.shared.is_replacing() => {}
                None => self.resign(now_ms, Failure::EpochExhausted),
            }
        }
        self.shared.take_actions()
    }

    /// A learner asks for a sync: it is answered when all that is proposed now is committed.
    pub fn sync_requested(&mut self, link: Link) -> Vec<Action> {
        if let State::Leading(leading) = &mut self.state {
            leading.sync_requested(&mut self.shared, link);
        }
        self.shared.take_actions()
    }

    fn take_in(&mut self, now_ms: i64, event: Event) -> Result<(), Failure> {
        match event {
            Event::Wake => self.wake(now_ms),
            Event::Reachable(_) | Event::Unreachable(_) | Event::Notified(..) => {
                self.election_event(now_ms, event)
            }
            Event::Synced(_)
            | Event::AcceptedEpochStored(_)
            | Event::CurrentEpochStored(_)
            | Event::NextStored
            | Event::HistoryReplaced(_)
            | Event::WentBack(_)
            | Event::Restoring(_)
            | Event::Restored
            | Event::DiskFailed
            | Event::DiskRecovered => self.disk_event(event),
            event => self.link_event(now_ms, event),
        }
    }

    fn disk_event(&mut self, event: Event) -> Result<(), Failure> {
        let shared = &mut self.shared;
        match (&mut self.state, event) {
            (state, Event::Synced(zxid)) => {
                shared.synced = shared.synced.max(zxid);
                match state {
                    State::Settling | State::Looking(..) => {}
                    State::Learning(learning) => learning.synced(shared),
                    State::Leading(leading) => leading.synced(shared),
                }
            }
            (state, Event::AcceptedEpochStored(epoch)) => {
                shared.accepted_epoch_is(epoch);
                match state {
                    State::Settling | State::Looking(..) => {}
                    State::Learning(learning) => learning.accepted(shared),
                    State::Leading(leading) => leading.accepted(shared),
                }
            }
            (state, Event::CurrentEpochStored(epoch)) => {
                shared.current_epoch_is(epoch);
                match state {
                    State::Settling | State::Looking(..) => {}
                    State::Learning(learning) => learning.entered(shared),
                    State::Leading(leading) => leading.entered(shared),
                }
            }
            (state, Event::NextStored) => {
                shared.next_is_stored();
                match state {
                    State::Settling | State::Looking(..) => {}
                    State::Learning(learning) => learning.synced(shared),
                    State::Leading(leading) => leading.synced(shared),
                }
            }
            (state, Event::HistoryReplaced(last)) => {
                shared.history_ends(last);
                if let State::Learning(learning) = state {
                    learning.history_replaced(shared, last)?;
                }
            }
            (_, Event::WentBack(stored)) => shared.went_back(stored),
            (_, Event::Restoring(latest_epoch)) => shared.restoring(latest_epoch),
            (State::Leading(_), Event::Restored) => return Err(Failure::Restored),
            (_, Event::DiskFailed) => {
                shared.failed = true;
                return Err(Failure::Disk);
            }
            (_, Event::DiskRecovered) => shared.failed = false,
            _ => {}
        }
        Ok(())
    }

    fn link_event(&mut self, now_ms: i64, event: Event) -> Result<(), Failure> {
        let shared = &mut self.shared;
        match (&mut self.state, event) {
            (State::Learning(learning), Event::Dialled(link)) => {
                learning.reached(shared, link, now_ms);
                Ok(())
            }
            (State::Learning(learning), Event::NotDialled(whom)) => learning.missed(shared, whom, now_ms),
            (State::Learning(learning), Event::FromLeader(link, packet)) => {
                learning.heard(shared, link, packet, now_ms)
            }
            (State::Learning(learning), Event::Moving(link)) => {
                learning.moving(shared, link, now_ms);
                Ok(())
            }
            (State::Leading(leading), Event::Moving(link)) => {
                leading.moving(shared, link, now_ms);
                Ok(())
            }
            (State::Learning(learning), Event::Closed(link)) => learning.closed(shared, link, now_ms),
            (State::Learning(learning), Event::Arrived(link)) => {
                learning.arrived(shared, link, now_ms);
                Ok(())
            }
            (State::Learning(learning), Event::FromLearner(link, packet)) => {
                learning.heard_from_observer(shared, link, packet, now_ms);
                Ok(())
            }
            (State::Learning(learning), Event::LogSearched { link, found }) => {
                learning.searched(shared, link, found);
                Ok(())
            }
            (State::Leading(leading), Event::Arrived(link)) => {
                leading.arrived(shared, link, now_ms);
                Ok(())
            }
            (State::Leading(leading), Event::FromLearner(link, packet)) => {
                leading.heard(shared, link, packet, now_ms)
            }
            (State::Leading(leading), Event::Closed(link)) => leading.closed(shared, link),
            (State::Leading(leading), Event::LogSearched { link, found }) => {
                leading.searched(shared, link, found);
                Ok(())
            }
            (_, Event::Dialled(link) | Event::Arrived(link)) => {
                // Too late: the role is another one by now.
                shared.act(Action::HangUp(link));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn wake(&mut self, now_ms: i64) -> Result<(), Failure> {
        match &mut self.state {
            State::Settling => {
                self.pauses_until_ms = self.pauses_until_ms.filter(|&until_ms| now_ms < until_ms);
                Ok(())
            }
            State::Looking(election, isolation) => {
                isolation.wake(&mut self.shared, now_ms);
                let Shared { ensemble, unreachable, .. } = &self.shared;
                let elected = election.wake(now_ms, ensemble.quorums(), unreachable);
                self.elected(now_ms, elected);
                Ok(())
            }
            State::Learning(learning) => learning.wake(&mut self.shared, now_ms),
            State::Leading(leading) => leading.wake(&mut self.shared, now_ms),
        }
    }
}

#[cfg(test)]
mod tests;
