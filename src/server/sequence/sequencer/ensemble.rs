//! What a member of an ensemble does besides: it steps Zab, and carries out what that wants done, in order.
//!
//! What Zab wants done is queued, and carried out to the end before the next message is looked at. Steps of the node in
//! between may propose: what follows from that is queued behind.
//!
//! Invariants: entries reach the log in the order in which Zab gave them, epochs and replacements of the history among them.
//! The node decides about transactions from the moment at which [`zab::Action::Lead`] is carried out to that of
//! [`zab::Action::Resign`], and no longer.

use super::{
    super::{
        feeder::Feeder,
        log_queue::{Entries, Replacement},
    },
    Sequencer,
    asked::{Answer, Asked},
    progress::{Made, Progress, Sync},
};
use crate::{
    membership::Membership,
    node::{Event, LogBatch, MemberAction, MemberEvent, Now},
    processor::KnownEnsemble,
    server::{
        clock,
        figures::Count,
        peers::{Command, Heard, Peers, PieceWriter, piece_stream},
    },
    storage::{EpochFile, ReceivedSnapshot, Truncation},
    topics,
    tree::CONFIG_PATH,
    zab::{self, Action, Install, Link, Role, Zab},
};
use bytes::Bytes;
use oxkeeper_codec::{
    SessionId, Zxid,
    learner::{ToLeader, ToLearner},
    txn::LoggedTxn,
};
use std::{
    collections::{BTreeSet, VecDeque},
    time::Instant,
};

/// So many entries do not wait for the end of a turn.
const HANDED_OVER_AT_ONCE: usize = 64;

/// See the module.
pub(crate) struct Member {
    pub(super) zab: Zab,
    pub(super) peers: Peers,
    feeder: Feeder,
    /// So many learners may be sent a snapshot at once (`leader.maxConcurrentSnapSyncs`).
    pub(super) feeds_at_once: usize,
    /// What Zab wants done and is not done yet.
    todo: VecDeque<Action>,
    /// On the way into the log.
    appending: Vec<(Zxid, Bytes)>,
    /// What the thread for other members is to do, until the end of a round.
    pub(super) telling: Vec<Command>,
    /// The snapshot that a leader sends in the place of all that there is.
    pub(super) fetching: Fetching,
    /// What has come from the leader, decoded once, until it is given to the log.
    incoming: VecDeque<LoggedTxn>,
    /// Waits until nobody writes a snapshot any more.
    pub(super) replacement: Option<Replacement>,
    /// What learners have handed on.
    pub(super) asked: Asked,
    /// Learners that are sent a snapshot.
    pub(super) feeds: Vec<(Link, PieceWriter)>,
    /// What the node knows of the ensemble, while this member leads.
    told: Option<KnownEnsemble>,
    /// Sessions that observers of this follower have heard from since its leader has asked.
    pub(super) heard_by_observers: BTreeSet<SessionId>,
    /// When workers were asked last which sessions they have heard of, in ms of the elapsed clock.
    pub(super) touches_since_ms: i64,
    /// Whether the disk gets what this member has.
    pub(super) keeps: bool,
    /// For the figures.
    pub(super) progress: Progress,
}

/// The snapshot that a leader sends in the place of all that there is.
#[derive(Debug, Default)]
pub(super) struct Fetching {
    /// It is to be put in place.
    pub(super) wanted: Option<Install>,
    /// It has come over this one.
    pub(super) come: Option<(Link, ReceivedSnapshot)>,
}

impl Member {
    /// `ack_sample`: the acknowledgements of each how manieth transaction are timed.
    pub(crate) fn new(
        zab: Zab,
        peers: Peers,
        feeder: Feeder,
        (feeds_at_once, ack_sample): (usize, Option<u32>),
    ) -> Self {
        Self {
            zab,
            peers,
            feeder,
            feeds_at_once,
            todo: VecDeque::new(),
            appending: Vec::new(),
            telling: Vec::new(),
            fetching: Fetching::default(),
            incoming: VecDeque::new(),
            replacement: None,
            asked: Asked::default(),
            feeds: Vec::new(),
            told: None,
            heard_by_observers: BTreeSet::new(),
            touches_since_ms: 0,
            keeps: true,
            progress: Progress::new(ack_sample),
        }
    }
}

impl Sequencer {
    /// Zab takes in one event.
    pub(super) fn zab(&mut self, event: zab::Event) {
        let now_ms = self.hub.clock.elapsed_ms();
        if let Some(member) = &mut self.member {
            let actions = member.zab.step(now_ms, event);
            member.todo.extend(actions);
            self.carry_out();
        }
    }

    /// The log is durable up to here.
    pub(super) fn synced(&mut self, zxid: Zxid) {
        if self.log.has_room_again() {
            self.tell(Command::Resume);
        }
        self.count_synced(zxid, clock::wall_ms());
        self.zab(zab::Event::Synced(zxid));
    }

    /// Does what Zab wants done.
    pub(super) fn carry_out(&mut self) {
        if self.member.is_none() {
            return;
        }
        while let Some(action) = self.member.as_mut().and_then(|member| member.todo.pop_front()) {
            self.action(action);
        }
        self.tell_standing();
        self.tell_node();
    }

    /// Where the members may be changed, the leader's node knows who is there.
    fn tell_node(&mut self) {
        let Some(member) = self.member.as_mut().filter(|_| self.hub.config.tree.reconfig_enabled) else {
            return;
        };
        if !self.node.decides() {
            member.told = None;
            return;
        }
        let (ensemble, synced) = (member.zab.ensemble(), member.zab.synced_followers());
        let (latest, changing) = (ensemble.latest(), ensemble.next().is_some());
        let is_known = member
            .told
            .as_ref()
            .is_some_and(|told| told.changing == changing && told.synced == synced && told.latest == *latest);
        if !is_known {
            let known = KnownEnsemble { latest: latest.clone(), changing, synced };
            member.told = Some(known.clone());
            self.node.know_ensemble(known);
        }
    }

    /// Whoever asks sees what the member is now.
    fn tell_standing(&self) {
        let (Some(member), Some(standing)) = (&self.member, &mut *self.hub.standing.lock()) else { return };
        let role = member.zab.role();
        if standing.role != role {
            standing.role = role;
            standing.since_ms = self.hub.clock.elapsed_ms();
            standing.epoch = member.zab.epochs().1;
            standing.voters = member.zab.voters();
        }
        standing.learners = member.zab.tally();
    }

    /// Time has passed.
    pub(super) fn tick_member(&mut self) {
        let Some(member) = &self.member else { return };
        if member.zab.deadline_ms().is_none_or(|at_ms| self.hub.clock.elapsed_ms() >= at_ms) {
            self.zab(zab::Event::Wake);
        }
    }

    /// When it has to be looked at again.
    pub(super) fn member_deadline(&self) -> Option<Instant> {
        let member = self.member.as_ref()?;
        member.zab.deadline_ms().map(|at_ms| self.hub.clock.instant_at(at_ms))
    }

    /// The server stops.
    pub(super) fn leave_ensemble(&mut self) {
        self.end_round();
        if let Some(Member { peers, feeds, .. }) = self.member.take() {
            drop(feeds);
            if peers.stop().is_err() {
                tracing::error!(target: topics::PEERS, "the thread for other members has failed");
            }
        }
    }

    /// Something has come from another member.
    pub(super) fn heard(&mut self, heard: Heard) {
        self.hub.heard.take(heard.weight());
        match heard {
            Heard::Zab(event) => {
                if let zab::Event::Closed(link) = &event {
                    self.forget(*link);
                }
                if self.can_take(&event) {
                    self.count_heard(&event);
                    self.zab(event);
                }
            }
            Heard::Snapshot(link, received) => {
                if let Some(member) = &mut self.member {
                    member.fetching.come = Some((link, received));
                    self.install();
                }
            }
            Heard::Moving(link) => self.zab(zab::Event::Moving(link)),
            Heard::Room => {}
        }
    }

    /// Whether what a leader proposes is a transaction. It is looked at before Zab takes it: behind that, it has a place in
    /// the history.
    fn can_take(&mut self, event: &zab::Event) -> bool {
        let zab::Event::FromLeader(link, packet) = event else { return true };
        let (ToLearner::Proposal(zxid, txn)
        | ToLearner::Inform(zxid, txn)
        | ToLearner::InformAndActivate(zxid, _, txn)) = packet
        else {
            return true;
        };
        match (LoggedTxn::from_bytes(txn), &mut self.member) {
            (Ok(logged), Some(member)) if logged.header.zxid == *zxid => {
                member.incoming.push_back(logged);
                return true;
            }
            (Ok(logged), _) => {
                tracing::error!(target: topics::PEERS, %zxid, found = %logged.header.zxid, "the leader proposes a transaction of another number: its link is ended");
            }
            (Err(error), _) => {
                tracing::error!(target: topics::PEERS, %zxid, %error, "the leader proposes what is no transaction: its link is ended");
            }
        }
        self.end_link(*link);
        false
    }

    pub(super) fn epoch_stored(&mut self, file: EpochFile, epoch: i64) {
        self.zab(match file {
            EpochFile::Accepted => zab::Event::AcceptedEpochStored(epoch),
            EpochFile::Current => zab::Event::CurrentEpochStored(epoch),
        });
    }

    /// Has everybody take these.
    pub(super) fn propose(&mut self, batch: LogBatch, now: Now) {
        let Some(member) = &mut self.member else { return };
        let mut standing = self.hub.standing.lock();
        for (zxid, txn) in batch.into_shared() {
            if let Some(standing) = &mut *standing {
                standing.proposed(txn.len());
            }
            // Zab may have lost its lead by now, or the epoch its last number: the node hears of it soon, and forgets these.
            if let Some(next) = member.zab.next_zxid() {
                assert_eq!(next, zxid, "node and Zab number alike");
            }
            let made = Made { zxid, at_ms: now.wall_ms };
            member.progress.proposes(made, &self.hub.stats.sequencer);
            let actions = member.zab.propose(now.elapsed_ms, txn);
            member.todo.extend(actions);
        }
    }

    /// What the node wants of other members.
    pub(super) fn member_action(&mut self, action: MemberAction) {
        let Some(member) = &mut self.member else { return };
        let leader = member.zab.leader_link();
        let to_leader = |packet| leader.map(|link| Command::ToLeader(link, packet));
        let command = match action {
            MemberAction::Forward(request) => to_leader(ToLeader::Request(request)),
            MemberAction::AskFor { session, timeout_ms } => {
                self.hub.stats.sequencer.count(Count::Revalidations).add(1);
                to_leader(ToLeader::Revalidate { session, timeout_ms })
            }
            MemberAction::Answer { link, session, valid } => {
                Some(Command::ToLearners(vec![link], ToLearner::Revalidated { session, valid }))
            }
            MemberAction::AnswerSync(link) => {
                member.asked.answered(Answer::Sync);
                Some(Command::ToLearners(vec![link], ToLearner::Sync))
            }
            MemberAction::Sync(link) => {
                let actions = member.zab.sync_requested(link);
                member.todo.extend(actions);
                None
            }
        };
        member.telling.extend(command);
    }

    fn action(&mut self, action: Action) {
        match action {
            Action::Append(zxid, txn) => self.append(zxid, txn),
            Action::Commit(zxid) => self.commit(zxid),
            Action::StoreAcceptedEpoch(epoch) => self.store_epoch(EpochFile::Accepted, epoch),
            Action::StoreCurrentEpoch(epoch) => self.store_epoch(EpochFile::Current, epoch),
            Action::StoreNext(next) => self.store_next(next),
            Action::Activate(membership) => self.activate(membership),
            Action::Truncate(zxid) => self.replace(Replacement::Truncate(Truncation::behind(zxid))),
            Action::KeepNothing => self.keep_nothing(),
            Action::GoBack => self.go_back(),
            Action::Install(install) => {
                if let Some(member) = &mut self.member {
                    member.fetching.wanted = Some(install);
                    self.install();
                }
            }
            Action::SearchLog(link, from) => {
                if let Some(member) = &self.member {
                    let range = (from, member.zab.recent_base());
                    member.feeder.search(link, range, self.snapshot_bytes());
                }
            }
            Action::SendLog { link, from, until } => {
                if let Some(member) = &mut self.member {
                    let (writer, reader) = piece_stream();
                    member.telling.push(Command::Stream(link, reader));
                    member.feeder.send(link, from, until, writer);
                }
            }
            Action::SendSnapshot(link, zxid) => self.send_snapshot(link, zxid),
            Action::Lead(_)
            | Action::Serve
            | Action::Resign(_)
            | Action::ServeReadOnly
            | Action::EndReadOnly
            | Action::Look
            | Action::Chosen { .. } => self.role_action(action),
            Action::Pinged(link, zxid) => self.pinged(link, zxid),
            Action::Touched(..)
            | Action::Revalidate { .. }
            | Action::Revalidated(..)
            | Action::Forwarded(..)
            | Action::SyncedWithLeader => self.clients_action(action),
            Action::Refused(link, reason) => self.sent_away(link, &reason),
            Action::SameId(_, sid) => {
                self.hub.stats.warnings.same_id(self.hub.clock.elapsed_ms(), sid);
            }
            Action::HangUp(link) => {
                self.forget(link);
                self.tell(Command::HangUp(link));
            }
            Action::HangUpAll => self.hang_up_all(),
            Action::Notify(to, said) => self.tell(Command::Notify(to, said)),
            Action::Dial(leader) => self.tell(Command::Dial(leader)),
            Action::DialMaster(master) => self.tell(Command::DialMaster(master)),
            Action::Listen => self.tell(Command::Listen),
            Action::ListenForObservers => {
                tracing::info!(target: topics::PEERS, "serving observers (observerMasterPort)");
                self.tell(Command::ListenForObservers);
            }
            Action::ToLeader(link, packet) => self.tell(Command::ToLeader(link, packet)),
            Action::ToLearners(links, packet) => {
                if let (&[link], ToLearner::Diff(_) | ToLearner::Trunc(_)) = (&*links, &packet) {
                    self.count_sync(link, Sync::Transactions);
                }
                self.tell(Command::ToLearners(links, packet));
            }
        }
    }

    /// Has the thread for other members do this.
    pub(super) fn tell(&mut self, command: Command) {
        if let Some(member) = &mut self.member {
            member.telling.push(command);
        }
    }

    /// Hands on what a round came to: each of those threads is woken once.
    pub(super) fn end_round(&mut self) {
        self.hand_over();
        if let Some(Member { peers, telling, .. }) = &mut self.member {
            telling.drain(..).for_each(|command| peers.tell(command));
        }
    }

    /// What a leader proposes has come; what this one proposes, the node has already.
    fn append(&mut self, zxid: Zxid, txn: Bytes) {
        let Some(member) = &mut self.member else { return };
        let len = u64::try_from(txn.len()).unwrap_or(u64::MAX);
        member.appending.push((zxid, txn));
        let hands_over = member.appending.len() >= HANDED_OVER_AT_ONCE;
        if !self.node.decides() {
            let logged = std::iter::from_fn(|| member.incoming.pop_front()).find(|it| it.header.zxid == zxid);
            let logged = logged.expect("what Zab takes from a leader was decoded before");
            member.asked.answered(Answer::Txn(logged.header.client_id, logged.header.cxid));
            self.schedule.logged(1, len);
            let now = self.hub.clock.now();
            self.count_given(Made { zxid, at_ms: logged.header.time }, now);
            self.step_node_at(now, Event::Member(MemberEvent::Proposal(logged)));
        }
        if hands_over {
            self.hand_over();
        }
    }

    fn store_epoch(&mut self, file: EpochFile, epoch: i64) {
        self.hand_over();
        self.log.store_epoch(file, epoch);
    }

    /// The next configuration is kept beside the log, and those who are new in it are talked to.
    fn store_next(&mut self, next: Option<Membership>) {
        self.hand_over();
        if let Some(member) = &self.member {
            let both = [Some(member.zab.ensemble().current().clone()), next.clone()];
            self.tell(Command::Members(both.into_iter().flatten().collect()));
        }
        self.log.store_next(next);
    }

    /// This configuration is in force: whoever has asked for it is answered first.
    fn activate(&mut self, membership: Membership) {
        self.apply_at_any_rate();
        tracing::info!(target: topics::PEERS, version = format!("{:x}", membership.version()), members = %membership.one_line(), "the configuration is in force");
        *self.hub.membership.lock() = Some(membership.clone());
        self.hub.membership_changed.notify_one();
        self.write_config();
        self.hand_over();
        self.tell(Command::Members(vec![membership.clone()]));
        self.log.activate(membership);
    }

    fn role_action(&mut self, action: Action) {
        self.count_role(&action);
        match action {
            Action::Look => tracing::info!(target: topics::PEERS, "looking for a leader"),
            Action::Chosen { leader, took_ms } => {
                tracing::info!(target: topics::PEERS, %leader, took_ms, "a leader was elected");
            }
            Action::Lead(epoch) => {
                self.step_node(Event::Member(MemberEvent::Settled));
                self.apply_all();
                self.step_node(Event::Member(MemberEvent::Lead(Zxid::begin_of(epoch))));
                tracing::info!(target: topics::PEERS, epoch, zxid = %self.tree.tree().last_zxid(), "leading: a quorum follows");
                self.tell_restored();
            }
            Action::Serve => {
                self.step_node(Event::Member(MemberEvent::Follow));
                // Another one leads: who has asked here is told so.
                self.restored = None;
                let leader = self.member.as_ref().map(|member| member.zab.role());
                if let Some(Role::Learning(leader, _)) = leader {
                    tracing::info!(target: topics::PEERS, %leader, zxid = %self.tree.tree().last_zxid(), "up to date with the leader: serving");
                }
            }
            Action::Resign(failure) => {
                tracing::warn!(target: topics::PEERS, reason = %failure, "there is no leader any more");
                let logged = self.member.as_ref().map(|member| member.zab.last_logged());
                let logged = logged.unwrap_or_else(|| self.node.last_proposed());
                self.step_node(Event::Member(MemberEvent::Resign(logged)));
                self.close_silent();
            }
            Action::ServeReadOnly => {
                tracing::warn!(target: topics::PEERS, zxid = %self.tree.tree().last_zxid(), "no leader for a while: serving clients that ask for read-only mode (readonlymode.enabled)");
                self.step_node(Event::Member(MemberEvent::ReadOnly));
            }
            Action::EndReadOnly => {
                tracing::info!(target: topics::PEERS, "read-only mode ends");
                self.step_node(Event::Member(MemberEvent::ReadOnlyEnds));
            }
            _ => {}
        }
    }

    /// Applies all that is committed, whoever is held.
    pub(super) fn apply_at_any_rate(&mut self) {
        if self.node.holds_back() {
            self.let_go();
        }
        self.apply_all();
    }

    /// Those who are held have to go: what comes next must not be seen by them.
    pub(super) fn let_go(&mut self) {
        self.step_node(Event::Member(MemberEvent::LetGo));
    }

    /// Applies all that is committed and may be seen.
    pub(super) fn apply_all(&mut self) {
        while self.node.can_apply() {
            self.apply();
        }
    }

    fn hang_up_all(&mut self) {
        self.tell(Command::HangUpAll);
        self.end_feeds();
        let Some(member) = &mut self.member else { return };
        member.asked = Asked::default();
        member.incoming.clear();
        member.heard_by_observers.clear();
        if std::mem::take(&mut member.fetching).wanted.is_some() {
            self.hand_over();
            self.log.replace(None);
        }
    }

    /// A learner is sent away.
    pub(super) fn sent_away(&self, link: Link, reason: &dyn std::fmt::Display) {
        self.hub.stats.warnings.sent_away(self.hub.clock.elapsed_ms(), link.0, reason);
    }

    /// A link has ended.
    pub(super) fn forget(&mut self, link: Link) {
        self.end_feed(link);
        if let Some(member) = &mut self.member {
            member.asked.forget(link);
            member.progress.forget(link);
        }
    }

    /// Ends a link that cannot be gone on with.
    pub(super) fn end_link(&mut self, link: Link) {
        self.forget(link);
        self.tell(Command::HangUp(link));
        self.zab(zab::Event::Closed(link));
    }

    /// Writes the members into the tree.
    pub(super) fn write_config(&mut self) {
        let config = self.hub.membership.lock().as_ref().map(|it| (it.to_string(), it.version()));
        if let Some((text, version)) = config {
            self.node.write_config(self.tree.write().tree(), &text, version, clock::wall_ms());
            let bytes = u64::try_from(CONFIG_PATH.len() + text.len()).unwrap_or(u64::MAX);
            self.hub.stats.writes.lock().record(CONFIG_PATH.as_bytes(), bytes);
        }
    }

    /// Gives the log writer the entries that wait for it: whatever it is told next comes behind them.
    pub(super) fn hand_over(&mut self) {
        if let Some(member) = &mut self.member
            && !member.appending.is_empty()
        {
            self.log.append(Entries::Shared(std::mem::take(&mut member.appending)));
        }
    }
}
