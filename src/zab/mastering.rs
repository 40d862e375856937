//! A follower that serves observers: their observer master (`observerMasterPort`; officially `ObserverMaster`).
//!
//! It brings an observer up as a leader would, to what is committed here, and then tells it each transaction with its commit. What
//! clients of the observer ask goes on to the leader over the follower's own link. It begins when this follower serves, and ends with
//! the link to its leader, so that there is one epoch and one history.
//!
//! Invariants: an observer hears of nothing that is not committed here; its word is no vote. One that is ahead of this follower in
//! its epoch has heard of commits that are still on their way here: it waits for them, and nothing is cut off.

use super::{
    Action, Failure, Link, Refusal, Tally,
    learners::{Learners, Said},
    shared::Shared,
};
use oxkeeper_codec::{ServerId, Zxid, learner::ToLeader};

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Mastering {
    epoch: i64,
    observers: Learners,
}

impl Mastering {
    /// This follower serves, in this epoch.
    pub(super) fn begin(shared: &mut Shared, epoch: i64) -> Self {
        shared.act(Action::ListenForObservers);
        Self { epoch, observers: Learners::none(0) }
    }

    pub(super) fn tally(&self, shared: &Shared) -> Tally {
        self.observers.tally(shared)
    }

    pub(super) fn is_of_member(&self, shared: &Shared, link: Link) -> bool {
        self.observers.is_of_member(shared, link)
    }

    pub(super) fn deadline_ms(&self) -> i64 {
        self.observers.deadline_ms()
    }

    pub(super) fn wake(&mut self, shared: &mut Shared, now_ms: i64) {
        for link in self.observers.lost(shared, now_ms) {
            shared.act(Action::HangUp(link));
            self.closed(shared, link);
        }
        let committed = shared.committed;
        self.observers.ping(shared, committed, now_ms);
    }

    /// A connection on the observer master port.
    pub(super) fn arrived(&mut self, shared: &Shared, link: Link, now_ms: i64) {
        self.observers.arrived(shared, link, now_ms);
    }

    /// An observer takes what it is sent.
    pub(super) fn moving(&mut self, shared: &Shared, link: Link, now_ms: i64) {
        self.observers.moving(shared, link, now_ms);
    }

    /// A link has ended.
    pub(super) fn closed(&mut self, shared: &mut Shared, link: Link) {
        self.observers.remove(link);
        self.advance(shared);
    }

    /// What an observer says.
    pub(super) fn heard(&mut self, shared: &mut Shared, link: Link, packet: ToLeader, now_ms: i64) {
        let said = self.observers.heard(shared, link, packet, now_ms);
        let refusal = match said {
            Ok(Said::Registered(info)) if !info.observer => Refusal::NoObserver(info.sid),
            Err(Failure::Learner(refusal)) => refusal,
            // Nothing else is said to be wrong of a learner.
            Ok(_) | Err(_) => return self.advance(shared),
        };
        shared.act(Action::Refused(link, refusal));
        shared.act(Action::HangUp(link));
        self.closed(shared, link);
    }

    /// Whether the log files have all that an observer lacks and the memory has not.
    pub(super) fn searched(&mut self, shared: &mut Shared, link: Link, found: bool) {
        self.observers.searched(shared, link, found, self.epoch);
    }

    /// Everything behind `before` up to what is committed now has become so; `changing`: the change of the configuration among it, and
    /// who leads then.
    pub(super) fn committed(
        &mut self,
        shared: &mut Shared,
        before: Zxid,
        changing: Option<(Zxid, ServerId)>,
    ) {
        if shared.committed == before {
            return;
        }
        let fed = self.observers.fed(true);
        if !fed.is_empty() {
            let committed = shared.committed;
            let newly = shared.recent.after(before).take_while(|(zxid, _)| *zxid <= committed);
            for (zxid, txn) in newly.cloned().collect::<Vec<_>>() {
                let leads = changing.filter(|(change, _)| *change == zxid).map(|(_, leader)| leader);
                Learners::inform(shared, &fed, (zxid, txn), leads);
            }
        }
        self.advance(shared);
    }

    /// Goes as far with each as what has come allows.
    fn advance(&mut self, shared: &mut Shared) {
        // Whoever serves activates what NEWLEADER has told: a change that is under way comes first.
        let serves = shared.ensemble.next().is_none();
        for (&link, observer) in self.observers.iter_mut() {
            observer.ask(shared, link, self.epoch);
            let is_ahead = |last: Zxid| last > shared.committed && last.epoch() == self.epoch;
            if !observer.proved().is_some_and(is_ahead) {
                observer.synchronise(shared, link, self.epoch);
            }
            if serves {
                observer.serve(shared, link);
            }
        }
    }
}
