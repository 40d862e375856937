//! Broadcast at a leader: what a quorum has is committed (Zab paper, phase 3; in the TLA+ specification
//! `LeaderProcessRequest`, `LeaderProcessACK` and `LeaderBroadcastCOMMIT`).

use super::{Learners, learner::Learner};
use crate::zab::{Action, Link, shared::Shared};
use oxkeeper_codec::{ServerId, Zxid, learner::ToLearner};
use std::collections::VecDeque;

/// See the module.
#[derive(Debug)]
pub(super) struct Broadcast {
    pub(super) epoch: i64,
    /// Sync requests of learners, and what has to be committed before each is answered.
    syncs: VecDeque<(Zxid, Link)>,
}

impl Broadcast {
    pub(super) fn begin(shared: &mut Shared, epoch: i64) -> Self {
        // All members tell those who elect the same (ZOOKEEPER-1732).
        shared.vote.peer_epoch = epoch;
        shared.act(Action::Lead(epoch));
        Self { epoch, syncs: VecDeque::new() }
    }

    /// Commits what a quorum has.
    pub(super) fn commit(&mut self, shared: &mut Shared, learners: &Learners) {
        if shared.committed == shared.given {
            return self.answer_syncs(shared);
        }
        let counting = learners.values().filter(|learner| learner.counts());
        let vouches = |learner: &Learner| Some((learner.sid()?, learner.vouches_for()?));
        let own = [(shared.me, shared.synced)];
        let vouched: Vec<(ServerId, Zxid)> = counting.filter_map(vouches).chain(own).collect();
        if let Some(agreed) = shared.quorums().agreed(&vouched)
            && agreed > shared.committed
        {
            let fed = |observers| {
                let of = learners.iter().filter(move |(_, l)| l.is_fed() && l.is_observer() == observers);
                of.map(|(&link, _)| link).collect::<Vec<Link>>()
            };
            let (followers, observers) = (fed(false), fed(true));
            let newly = shared.recent.after(shared.committed).take_while(|(zxid, _)| *zxid <= agreed);
            let newly: Vec<_> = newly.cloned().collect();
            for (zxid, txn) in newly {
                shared.act(Action::ToLearners(followers.clone(), ToLearner::Commit(zxid)));
                if !observers.is_empty() {
                    shared.act(Action::ToLearners(observers.clone(), ToLearner::Inform(zxid, txn)));
                }
            }
            shared.commit(agreed);
        }
        self.answer_syncs(shared);
    }

    pub(super) fn sync_requested(&mut self, shared: &mut Shared, link: Link) {
        self.syncs.push_back((shared.given, link));
        self.answer_syncs(shared);
    }

    pub(super) fn pending_syncs(&self) -> usize {
        self.syncs.len()
    }

    fn answer_syncs(&mut self, shared: &mut Shared) {
        while let Some(&(zxid, link)) = self.syncs.front()
            && zxid <= shared.committed
        {
            self.syncs.pop_front();
            shared.tell_learner(link, ToLearner::Sync);
        }
    }

    pub(super) fn lost(&mut self, link: Link) {
        self.syncs.retain(|(_, asked)| *asked != link);
    }
}
