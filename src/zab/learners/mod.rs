//! The learners of one member: of a leader, or the observers of a follower that is their observer master.
//!
//! Invariant: of the links with one id the oldest alone is brought up; the next one waits until it has ended.

mod learner;

use super::{Action, Failure, Link, Tally, shared::Shared};
use bytes::Bytes;
use oxkeeper_codec::{
    ServerId, Zxid,
    learner::{LearnerInfo, ToLeader, ToLearner},
};
use std::collections::{BTreeMap, btree_map};

pub(super) use learner::Learner;

/// By link: the smaller link is the older one.
#[derive(Debug, Clone)]
pub(super) struct Learners {
    all: BTreeMap<Link, Learner>,
    /// When they are told next that this member lives, in ms of the elapsed clock.
    ping_at_ms: i64,
}

/// What a learner has said that concerns more than itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Who it is.
    Registered(LearnerInfo),
    /// It has promised, and this is what it has.
    Promised { last_zxid: Zxid, current_epoch: Option<i32> },
    /// It has more on its disk.
    Acknowledged,
    /// It was handed on, or is of no link here.
    Nothing,
}

impl Learners {
    /// Nobody has come. `ping_at_ms`: when they are told first that this member lives, in ms of the elapsed clock.
    pub(super) const fn none(ping_at_ms: i64) -> Self {
        Self { all: BTreeMap::new(), ping_at_ms }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn get(&self, link: Link) -> Option<&Learner> {
        self.all.get(&link)
    }

    pub(super) fn iter(&self) -> btree_map::Iter<'_, Link, Learner> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> btree_map::IterMut<'_, Link, Learner> {
        self.all.iter_mut()
    }

    pub(super) fn values(&self) -> btree_map::Values<'_, Link, Learner> {
        self.all.values()
    }

    /// Those that are sent whatever happens, and observe or do not.
    pub(super) fn fed(&self, observers: bool) -> Vec<Link> {
        let fed = self.iter().filter(|(_, it)| it.is_fed() && it.is_observer() == observers);
        fed.map(|(&link, _)| link).collect()
    }

    /// Tells these observers of a transaction that is committed; `leads`: it changes the configuration, and this one leads then.
    pub(super) fn inform(
        shared: &mut Shared,
        observers: &[Link],
        (zxid, txn): (Zxid, Bytes),
        leads: Option<ServerId>,
    ) {
        if observers.is_empty() {
            return;
        }
        let inform = match leads {
            Some(leader) => ToLearner::InformAndActivate(zxid, leader, txn),
            None => ToLearner::Inform(zxid, txn),
        };
        shared.act(Action::ToLearners(observers.to_vec(), inform));
    }

    pub(super) fn is_of_member(&self, shared: &Shared, link: Link) -> bool {
        let sid = self.get(link).and_then(Learner::sid);
        sid.is_some_and(|sid| shared.ensemble.has(sid))
    }

    pub(super) fn tally(&self, shared: &Shared) -> Tally {
        let mut tally = Tally { learners: self.len(), ..Tally::default() };
        for learner in self.values().filter(|learner| learner.vouches_for().is_some()) {
            let votes = learner.sid().is_some_and(|sid| shared.quorums().is_voter(sid));
            match (learner.is_observer(), votes) {
                (true, _) => tally.synced_observers += 1,
                (false, true) => tally.synced_followers += 1,
                (false, false) => tally.synced_non_voting += 1,
            }
        }
        tally
    }

    /// When time matters to one of them, in ms of the elapsed clock.
    pub(super) fn deadline_ms(&self) -> i64 {
        self.values().map(Learner::deadline_ms).fold(self.ping_at_ms, i64::min)
    }

    /// Those that have said nothing for too long, or have to make room for another link with their id.
    pub(super) fn lost(&mut self, shared: &Shared, now_ms: i64) -> Vec<Link> {
        let pings = self.is_ping_due(now_ms);
        let waited_for: Vec<ServerId> =
            self.values().filter(|learner| learner.waits()).filter_map(Learner::sid).collect();
        let is_lost = |learner: &mut Learner| {
            now_ms >= learner.deadline_ms()
                || (pings && learner.owes(shared, now_ms))
                || (!learner.waits()
                    && learner.sid().is_some_and(|sid| waited_for.contains(&sid))
                    && learner.is_silent(shared, now_ms))
        };
        self.iter_mut().filter_map(|(&link, learner)| is_lost(learner).then_some(link)).collect()
    }

    const fn is_ping_due(&self, now_ms: i64) -> bool {
        now_ms >= self.ping_at_ms
    }

    /// Tells them that this member lives, with its zxid, if that is due.
    pub(super) fn ping(&mut self, shared: &mut Shared, zxid: Zxid, now_ms: i64) {
        if self.is_ping_due(now_ms) {
            self.ping_at_ms = now_ms + shared.options.ping_ms;
            let fed = self.iter().filter(|(_, learner)| learner.is_fed()).map(|(&link, _)| link).collect();
            shared.act(Action::ToLearners(fed, ToLearner::Ping(zxid)));
        }
    }

    /// A connection.
    pub(super) fn arrived(&mut self, shared: &Shared, link: Link, now_ms: i64) {
        self.all.insert(link, Learner::arrived(now_ms, now_ms + shared.options.init_ms));
    }

    /// A learner takes what it is sent.
    pub(super) fn moving(&mut self, shared: &Shared, link: Link, now_ms: i64) {
        if let Some(learner) = self.all.get_mut(&link) {
            learner.heard_from(now_ms, shared);
        }
    }

    /// A link has ended.
    pub(super) fn remove(&mut self, link: Link) -> Option<Learner> {
        let gone = self.all.remove(&link)?;
        // The next oldest link of this id has waited for that.
        let same = |learner: &&mut Learner| gone.sid().is_some() && learner.sid() == gone.sid();
        if !gone.waits()
            && let Some(next) = self.all.values_mut().find(same)
        {
            next.goes_on();
        }
        Some(gone)
    }

    /// What a learner says.
    ///
    /// # Errors
    /// [`Failure::Learner`]: it makes no sense; the link ends.
    pub(super) fn heard(
        &mut self,
        shared: &mut Shared,
        link: Link,
        packet: ToLeader,
        now_ms: i64,
    ) -> Result<Said, Failure> {
        let is_taken = |sid| self.values().any(|learner| learner.sid() == Some(sid));
        let waits = matches!(&packet, ToLeader::Info(info) if info.sid == shared.me || is_taken(info.sid));
        let Some(learner) = self.all.get_mut(&link) else { return Ok(Said::Nothing) };
        learner.heard_from(now_ms, shared);
        learner.says(shared, link, packet, waits)
    }

    /// Whether the log files have all that a learner lacks and the memory has not.
    pub(super) fn searched(&mut self, shared: &mut Shared, link: Link, found: bool, epoch: i64) {
        if let Some(learner) = self.all.get_mut(&link) {
            learner.searched(shared, link, found, epoch);
        }
    }
}
