//! What all roles of a member work on.

use super::{
    Action, Ensemble, Failure, Install, Link, Options,
    ensemble::keeps_leader,
    pauses::{ObserverPauses, Pauses},
    quorum::{Members, Quorums},
    recent::Recent,
    vote::Vote,
};
use crate::membership::Membership;
use bytes::Bytes;
use oxkeeper_codec::{
    ServerId, Zxid,
    election::{Notification, PeerState},
    learner::{ToLeader, ToLearner},
};

/// Another configuration is in force.
#[derive(Debug)]
pub(super) struct Change {
    /// The one before.
    before: Membership,
    /// Whether this member learns in another way from now on.
    role: bool,
    /// Whether anything but the version has changed.
    pub(super) members: bool,
}

/// What a member has on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The last epoch that it has promised to follow (`acceptedEpoch`).
    pub accepted_epoch: i64,
    /// The epoch of the last leader whose history it has (`currentEpoch`).
    pub current_epoch: i64,
    /// The last zxid of its log, or of its newest snapshot if that is later.
    pub last_zxid: Zxid,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) me: ServerId,
    pub(super) options: Options,
    pub(super) ensemble: Ensemble,
    /// Members whose election port is known to be out of reach, and a leader that was left because it is silent: asleep, its
    /// connections stand.
    pub(super) unreachable: Members,
    /// The last election ended with a leader that others left, or that went with another itself, before it led: it was decided
    /// without somebody who was out of reach, and whom others hear.
    pub(super) was_hasty: bool,
    pub(super) accepted_epoch: i64,
    pub(super) current_epoch: i64,
    /// The last zxid that the log was given.
    pub(super) given: Zxid,
    /// The last one that is durable.
    pub(super) synced: Zxid,
    /// The last one that is known to be committed.
    pub(super) committed: Zxid,
    pub(super) recent: Recent,
    /// The history is being cut or replaced: nobody can say what it is.
    replacing: bool,
    /// By this snapshot.
    installing: Option<Install>,
    /// Epochs that are being made durable.
    storing: usize,
    /// A leader has wanted the history cut where it cannot be: nothing but a snapshot replaces it.
    pub(super) needs_snapshot: bool,
    /// Next configurations that are being made durable, and the last zxid before the first of them was seen: nothing
    /// behind it is vouched for meanwhile.
    storing_next: Option<(usize, Zxid)>,
    /// So many observer masters were tried.
    pub(super) masters_tried: usize,
    /// So often in a row all of them have refused.
    pub(super) masterless: u32,
    /// Those that it took as an observer.
    pauses: Pauses,
    /// Who leads next, without an election: the last leader has said so.
    pub(super) successor: Option<ServerId>,
    /// Whether the disk gets all that this member is given. Otherwise it is synced as soon as it is given, and goes with the process.
    keeps: bool,
    /// The disk has failed.
    pub(super) failed: bool,
    /// The round in which the leader was elected, as its ensemble tells it.
    pub(super) round: i64,
    /// The latest round that this member was in.
    pub(super) last_round: i64,
    /// What is told to those who elect, while there is a leader.
    pub(super) vote: Vote,
    actions: Vec<Action>,
}

impl Shared {
    pub(super) fn new(me: ServerId, options: Options, ensemble: Ensemble, stored: Stored) -> Self {
        Self {
            me,
            ensemble,
            unreachable: Members::new(),
            was_hasty: false,
            accepted_epoch: stored.accepted_epoch,
            current_epoch: stored.current_epoch,
            given: stored.last_zxid,
            synced: stored.last_zxid,
            committed: Zxid::ZERO,
            recent: Recent::new(options.recent, stored.last_zxid),
            replacing: false,
            installing: None,
            storing: 0,
            needs_snapshot: false,
            storing_next: None,
            masters_tried: 0,
            masterless: 0,
            pauses: Pauses::default(),
            successor: None,
            keeps: true,
            failed: false,
            round: 0,
            last_round: 0,
            vote: Vote::NONE,
            actions: Vec::new(),
            options,
        }
    }

    pub(super) const fn quorums(&self) -> &Quorums {
        self.ensemble.quorums()
    }

    pub(super) fn observes(&self) -> bool {
        self.ensemble.observes(self.me)
    }

    /// How long (ms) it waits before it goes on; `most_ms`: which pause that is.
    pub(super) fn pause_ms(&mut self, most_ms: impl FnOnce(ObserverPauses) -> u64) -> i64 {
        if self.observes() { self.pauses.next(self.me, most_ms(self.options.observer_pauses)) } else { 0 }
    }

    pub(super) fn votes(&self) -> bool {
        self.quorums().is_voter(self.me)
    }

    /// Its claim in an election: what is durable here.
    pub(super) fn own_vote(&self) -> Vote {
        if self.votes() {
            Vote { peer_epoch: self.current_epoch, zxid: self.synced, leader: self.me }
        } else {
            Vote::NONE
        }
    }

    /// Whether others rely on what this member has, or it was told to keep it.
    fn is_to_keep(&self) -> bool {
        self.options.observer_keeps || self.votes() || !self.observes()
    }

    /// The member begins anew: its disk gets what comes from here on, or does not. What the disk has not got is forgotten before
    /// anybody relies on it.
    pub(super) fn choose_to_keep(&mut self) {
        let keeps = self.is_to_keep();
        if keeps == std::mem::replace(&mut self.keeps, keeps) {
            return;
        }
        if keeps {
            self.replacing = true;
            self.act(Action::GoBack);
        } else {
            self.act(Action::KeepNothing);
        }
    }

    /// A member that keeps nothing has no vote. Whoever gets one has to begin anew before it says what it has.
    pub(super) fn check_kept(&self) -> Result<(), Failure> {
        if self.keeps || !self.is_to_keep() { Ok(()) } else { Err(Failure::Reconfigured) }
    }

    /// The history is what the disk has.
    pub(super) fn went_back(&mut self, stored: Stored) {
        self.history_ends(stored.last_zxid);
        self.current_epoch = stored.current_epoch;
        self.needs_snapshot = false;
    }

    /// Whether who says this has no part any more in the leadership that was chosen. Who still votes for it has not decided yet;
    /// and within a round votes only become greater: a lesser one was said before.
    pub(super) fn is_left_by(&self, said: &Notification) -> bool {
        match said.state {
            PeerState::Looking => (said.election_epoch, Vote::of(said)) > (self.round, self.vote),
            _ => said.leader != self.vote.leader && said.election_epoch >= self.round,
        }
    }

    /// Whether who says this has not come as far as the election that has chosen it. Said now, and not before, it was started anew: its
    /// votes of one life become greater only.
    pub(super) fn is_new_to(&self, said: &Notification) -> bool {
        said.state == PeerState::Looking && (said.election_epoch, Vote::of(said)) < (self.round, self.vote)
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    pub(super) fn tell_leader(&mut self, link: Link, packet: ToLeader) {
        self.act(Action::ToLeader(link, packet));
    }

    pub(super) fn tell_learner(&mut self, link: Link, packet: ToLearner) {
        self.act(Action::ToLearners(vec![link], packet));
    }

    /// Has the log take one more.
    pub(super) fn append(&mut self, zxid: Zxid, txn: Bytes) {
        self.given = zxid;
        self.recent.push(zxid, txn.clone(), self.committed);
        self.act(Action::Append(zxid, txn));
    }

    /// Everything up to here is committed.
    pub(super) fn commit(&mut self, zxid: Zxid) {
        if zxid > self.committed {
            self.committed = zxid;
            self.act(Action::Commit(zxid));
        }
    }

    /// Whether this member can say what it has: all of it is durable, and none of it under way.
    pub(super) fn is_settled(&self) -> bool {
        self.synced == self.given
            && !self.replacing
            && self.storing == 0
            && self.storing_next.is_none()
            && !self.failed
    }

    /// The last zxid that this member may vouch for: it is durable, and so is every configuration that came up to it.
    pub(super) fn durable(&self) -> Zxid {
        self.storing_next.map_or(self.synced, |(_, before)| self.synced.min(before))
    }

    pub(super) const fn is_storing_next(&self) -> bool {
        self.storing_next.is_some()
    }

    /// A transaction is on its way: if it makes a configuration later than the one in force, that one is expected.
    pub(super) fn expect_made_by(&mut self, zxid: Zxid, txn: &Bytes) -> Result<(), Failure> {
        let made = self.ensemble.made_by(zxid, txn)?.filter(|it| it.version() > self.ensemble.version());
        if made.is_some() {
            self.expect(made);
        }
        Ok(())
    }

    /// Whoever comes behind this knows the next configuration, or that there is none. It is made durable.
    pub(super) fn expect(&mut self, next: Option<Membership>) {
        if self.ensemble.expect(next) {
            self.store_next();
        }
    }

    fn store_next(&mut self) {
        let (count, before) = self.storing_next.unwrap_or((0, self.given));
        self.storing_next = Some((count + 1, before));
        self.act(Action::StoreNext(self.ensemble.next().cloned()));
    }

    /// One more of them is durable.
    pub(super) fn next_is_stored(&mut self) {
        self.storing_next = match self.storing_next {
            Some((count @ 2.., before)) => Some((count - 1, before)),
            _ => None,
        };
    }

    /// This configuration is in force from now on, unless it is old.
    pub(super) fn activate(&mut self, membership: Membership) -> Option<Change> {
        let observed = self.observes();
        let before = self.ensemble.activate(membership)?;
        let members = !before.has_same_members(self.ensemble.current());
        self.act(Action::Activate(self.ensemble.current().clone()));
        Some(Change { before, role: self.observes() != observed, members })
    }

    /// The next configuration is committed: it is in force from now on.
    pub(super) fn activate_next(&mut self) -> Option<Change> {
        self.ensemble.next().cloned().and_then(|next| self.activate(next))
    }

    /// Whether a learner of this leader has to begin anew after a change; `designated`: who leads now, if that was said
    /// (`QuorumPeer.processReconfig`).
    pub(super) fn begins_anew(
        &self,
        change: &Change,
        leader: ServerId,
        designated: Option<ServerId>,
    ) -> bool {
        let other = match designated {
            Some(designated) => designated != leader,
            None => !keeps_leader(leader, &change.before, self.ensemble.current()),
        };
        change.members && (change.role || other)
    }

    /// Has the accepted epoch made durable.
    pub(super) fn store_accepted_epoch(&mut self, epoch: i64) {
        self.storing += 1;
        self.act(Action::StoreAcceptedEpoch(epoch));
    }

    /// Has the current epoch made durable.
    pub(super) fn store_current_epoch(&mut self, epoch: i64) {
        self.storing += 1;
        self.act(Action::StoreCurrentEpoch(epoch));
    }

    pub(super) const fn accepted_epoch_is(&mut self, epoch: i64) {
        self.storing -= 1;
        self.accepted_epoch = epoch;
    }

    pub(super) const fn current_epoch_is(&mut self, epoch: i64) {
        self.storing -= 1;
        self.current_epoch = epoch;
        // Its history is that of this epoch's leader.
        self.needs_snapshot = false;
    }

    /// Has the history cut behind this zxid.
    pub(super) fn truncate(&mut self, zxid: Zxid) {
        self.replacing = true;
        self.act(Action::Truncate(zxid));
    }

    /// Has the history replaced by a snapshot.
    pub(super) fn install(&mut self, install: Install) {
        self.replacing = true;
        self.installing = Some(install.clone());
        self.act(Action::Install(install));
    }

    pub(super) const fn is_replacing(&self) -> bool {
        self.replacing
    }

    /// An operator has the history replaced, by what has numbers of epochs up to this one. They are promised before it is there:
    /// whoever leads with it begins a later one.
    pub(super) fn restoring(&mut self, latest_epoch: i64) {
        self.replacing = true;
        if self.accepted_epoch < latest_epoch {
            self.store_accepted_epoch(latest_epoch);
        }
    }

    /// The log, and all that was made of it, ends here from now on.
    pub(super) fn history_ends(&mut self, zxid: Zxid) {
        self.replacing = false;
        (self.given, self.synced) = (zxid, zxid);
        if let Some(Install { told, .. }) = self.installing.take().filter(|it| it.zxid == zxid) {
            self.needs_snapshot = false;
            if told.is_some() {
                self.expect(told);
            }
        }
        self.committed = self.committed.min(zxid);
        if self.recent.base() <= zxid && zxid <= self.recent.last() {
            self.recent.truncate(zxid);
        } else {
            self.recent.reset(zxid);
        }
    }
}
