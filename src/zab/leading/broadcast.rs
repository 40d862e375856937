//! Broadcast at a leader: what a quorum has is committed (Zab paper, phase 3; in the TLA+ specification
//! `LeaderProcessRequest`, `LeaderProcessACK` and `LeaderBroadcastCOMMIT`).

use crate::zab::{
    Action, Link,
    ensemble::keeps_leader,
    learners::{Learner, Learners},
    shared::Shared,
};
use oxkeeper_codec::{ServerId, Zxid, learner::ToLearner};
use std::collections::VecDeque;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Broadcast {
    pub(super) epoch: i64,
    /// Sync requests of learners, and what has to be committed before each is answered.
    syncs: VecDeque<(Zxid, Link)>,
    /// It commits nothing any more: in the configuration that is in force now another member leads.
    pub(super) stopped: bool,
}

/// What is on the disks of those who have acknowledged NEWLEADER.
type Vouched = Vec<(ServerId, Zxid)>;

impl Broadcast {
    pub(super) fn begin(shared: &mut Shared, epoch: i64) -> Self {
        // All members tell those who elect the same (ZOOKEEPER-1732).
        shared.vote.peer_epoch = epoch;
        // A quorum of each has NEWLEADER, and in it what was left to be completed.
        let change =
            shared.ensemble.next().map(|next| keeps_leader(shared.me, shared.ensemble.current(), next));
        shared.activate_next();
        shared.act(Action::Lead(epoch));
        Self { epoch, syncs: VecDeque::new(), stopped: change == Some(false) }
    }

    /// Commits what a quorum has: of both configurations, up to the transaction that puts the next one in force.
    pub(super) fn commit(&mut self, shared: &mut Shared, learners: &Learners) {
        if shared.committed == shared.given {
            return;
        }
        while !self.stopped {
            let vouched = vouched(shared, learners);
            let agreed = shared.quorums().agreed(&vouched).filter(|agreed| *agreed > shared.committed);
            let Some(agreed) = agreed else { break };
            let change =
                shared.ensemble.next().map(|next| Zxid(next.version())).filter(|change| *change <= agreed);
            self.commit_until(shared, learners, change.unwrap_or(agreed), change.map(|_| &vouched));
            if change.is_none() {
                break;
            }
        }
    }

    /// `changing`: the last of them is the change of the configuration, which these have.
    fn commit_until(
        &mut self,
        shared: &mut Shared,
        learners: &Learners,
        last: Zxid,
        changing: Option<&Vouched>,
    ) {
        let (followers, observers) = (learners.fed(false), learners.fed(true));
        let leader = changing.map(|vouched| designated(shared, vouched, last));
        let newly = shared.recent.after(shared.committed).take_while(|(zxid, _)| *zxid <= last);
        let newly: Vec<_> = newly.cloned().collect();
        for (zxid, txn) in newly {
            let leads = leader.filter(|_| zxid == last);
            let commit = match leads {
                Some(leader) => ToLearner::CommitAndActivate(zxid, leader),
                None => ToLearner::Commit(zxid),
            };
            shared.act(Action::ToLearners(followers.clone(), commit));
            Learners::inform(shared, &observers, (zxid, txn), leads);
            self.answer_syncs(shared, zxid);
        }
        shared.commit(last);
        if let Some(leader) = leader {
            shared.activate_next();
            if leader != shared.me {
                self.stopped = true;
                shared.successor = Some(leader);
            }
        }
    }

    pub(super) fn sync_requested(&mut self, shared: &mut Shared, link: Link) {
        self.syncs.push_back((shared.given, link));
        let committed = shared.committed;
        self.answer_syncs(shared, committed);
    }

    pub(super) fn pending_syncs(&self) -> usize {
        self.syncs.len()
    }

    /// Answers those that wait for nothing behind `committed`, before learners hear of the next commit: official followers expect what
    /// their clients have asked, writes and syncs, in the order in which they have handed it on, and nothing that follows is ever
    /// answered there when it comes in another one (`CommitProcessor.queuedWriteRequests`).
    fn answer_syncs(&mut self, shared: &mut Shared, committed: Zxid) {
        while let Some(&(zxid, link)) = self.syncs.front()
            && zxid <= committed
        {
            self.syncs.pop_front();
            shared.tell_learner(link, ToLearner::Sync);
        }
    }

    pub(super) fn lost(&mut self, link: Link) {
        self.syncs.retain(|(_, asked)| *asked != link);
    }
}

fn vouched(shared: &Shared, learners: &Learners) -> Vouched {
    let counting = learners.values().filter(|learner| learner.counts(shared));
    let vouches = |learner: &Learner| Some((learner.sid()?, learner.vouches_for()?));
    counting.filter_map(vouches).chain([(shared.me, shared.durable())]).collect()
}

/// Who leads in the next configuration: this leader if it can, else who has most of those who vote there and have the change.
fn designated(shared: &Shared, vouched: &Vouched, change: Zxid) -> ServerId {
    let (Some(next), Some(quorum)) = (shared.ensemble.next(), &shared.quorums().next) else {
        return shared.me;
    };
    if keeps_leader(shared.me, shared.ensemble.current(), next) {
        return shared.me;
    }
    let able = vouched.iter().filter(|(id, has)| *id != shared.me && *has >= change && quorum.can_lead(*id));
    able.max_by_key(|(id, has)| (*has, std::cmp::Reverse(*id))).map_or(shared.me, |&(id, _)| id)
}
