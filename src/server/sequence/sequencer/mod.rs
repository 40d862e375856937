//! The sequencer: it owns the node, takes requests, completions and the time, steps the state machine, and carries
//! out its actions. It never waits for a disk or a socket.
//!
//! One thread at a time is the sequencer. A worker that has requests, and the log writer that has made some durable,
//! take a turn themselves if nobody else has it; time and snapshots are the business of the sequencer's own thread.
//!
//! [`snapshot`] writes the state out in slices, [`feeds`] does so for learners; [`ensemble`] does what a member of an ensemble does besides,
//! [`clients`] what members tell each other of clients, [`replacing`] has its history replaced, and [`counting`] counts that. [`restoring`] has an operator's snapshot take the place of all data.
//!
//! Invariant: a batch enters the inboxes while all locks are held, in the same hold in which it was applied.

mod asked;
mod clients;
mod counting;
mod ensemble;
mod feeds;
mod progress;
mod replacing;
mod restoring;
mod snapshot;

pub(crate) use ensemble::Member;

use super::{
    address::worker_of,
    hub::Hub,
    log_queue::{Entries, LogQueue},
    mailbox::Message,
    shard::{Item, TreeWriter},
    snapshots::{SnapshotQueue, Step},
    taken::Askers,
    turn::{Left, Whose},
};
use crate::{
    node::{Action, CommittedBatch, Delivery, Event, MemberEvent, Node, Now},
    server::{
        clock,
        figures::{Audit, Basic, Count, Detailed, Outcome},
        peers::Command,
    },
    session::ConnId,
    storage::SnapshotSchedule,
    topics, zab,
};
use oxkeeper_codec::{SessionId, Zxid};
use std::{
    collections::BTreeMap,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

/// Places of the queue that are applied under one hold of all locks.
const APPLY_AT_ONCE: usize = 128;
/// So often a turn that a worker or the log writer takes applies a batch.
const APPLIES_A_TURN: usize = 4;
/// So long the thread waits for workers that it has asked, before it looks at the rest.
const LOOK_PATIENCE: Duration = Duration::from_secs(1);
/// An inbox that nobody had a reason to look at is looked at when it holds so many batches.
const INBOX_LONG: usize = 64;

/// The state.
pub(crate) struct Sequencer {
    hub: Arc<Hub>,
    node: Node,
    tree: TreeWriter,
    log: Arc<LogQueue>,
    snapshots: Arc<SnapshotQueue>,
    schedule: SnapshotSchedule,
    snapshot: snapshot::Stage,
    /// Those who want one besides what the schedule says.
    snapshot_wanted: Askers,
    /// A snapshot that is to take the place of all data.
    restoring: Option<restoring::Restoring>,
    /// Who is told when a quorum has what was restored here.
    restored: Option<Sender<Zxid>>,
    /// What a member of an ensemble has besides.
    member: Option<Member>,
    /// Sessions that are about to expire, while the workers are asked about them.
    looking: Option<Looking>,
    /// Transactions applied since the last slice of a snapshot.
    applied: usize,
    /// Empty between two turns.
    messages: Vec<Message>,
    /// Somebody waits until nothing that this leader has proposed is under way.
    finishing: Option<Sender<()>>,
    stopping: bool,
}

/// Sessions that are about to expire, and what is known of them.
#[derive(Debug)]
struct Looking {
    due: Vec<SessionId>,
    heard: Vec<(SessionId, i64)>,
    /// Workers that have not answered.
    asked: usize,
}

impl Sequencer {
    pub(crate) fn new(
        hub: Arc<Hub>,
        mut node: Node,
        tree: TreeWriter,
        (log, snapshots, schedule): (Arc<LogQueue>, Arc<SnapshotQueue>, SnapshotSchedule),
        member: Option<Member>,
    ) -> Self {
        if member.is_some() {
            // It does not know yet who leads.
            let logged = node.last_proposed();
            node.step(hub.clock.now(), tree.tree(), Event::Member(MemberEvent::Resign(logged)));
        }
        let mut sequencer = Self {
            hub,
            node,
            tree,
            log,
            snapshots,
            schedule,
            snapshot: snapshot::Stage::None,
            snapshot_wanted: Vec::new(),
            restoring: None,
            restored: None,
            member,
            looking: None,
            applied: 0,
            messages: Vec::new(),
            finishing: None,
            stopping: false,
        };
        sequencer.write_config();
        sequencer
    }

    pub(super) const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// What cannot wait: requests and completions.
    pub(super) fn short_turn(&mut self) -> Left {
        self.messages(Whose::Guest);
        self.end_round();
        let mut applies = 0;
        while self.node.can_apply() && applies < APPLIES_A_TURN {
            self.apply();
            applies += 1;
        }
        self.go_on();
        self.end_round();
        self.hub.mailbox.look_at(self.deadline());
        if self.node.can_apply() { Left::Work } else { Left::Nothing }
    }

    /// Everything. False: the server stops.
    pub(super) fn whole_turn(&mut self) -> bool {
        self.messages(Whose::Thread);
        self.tick();
        self.tick_member();
        self.end_round();
        while self.node.can_apply() {
            self.apply();
        }
        self.go_on();
        if self.is_snapshot_due() {
            self.begin_snapshot();
        }
        self.advance_snapshots();
        self.end_round();
        self.hub.mailbox.look_at(self.deadline());
        if self.stopping || !self.node.serves() {
            // Whoever wants a snapshot of this server wants one of what it serves.
            self.snapshot_wanted.clear();
        }
        if self.stopping {
            self.leave_ensemble();
            self.log.stop();
            self.snapshots.send(Step::Stop);
        }
        !self.stopping
    }

    /// What was applied may have made room for what learners ask, or have been the last.
    fn go_on(&mut self) {
        if !self.node.decides() || self.node.queued() == 0 {
            self.finishing = None;
        }
        self.restore_when_idle();
        if self.judge_asked() {
            self.carry_out();
        }
    }

    /// When the thread has to look again.
    fn deadline(&self) -> std::time::Instant {
        if self.stopping {
            return clock::now();
        }
        if self.is_snapshot_due() {
            return clock::now();
        }
        let tick = match self.looking {
            // The answer wakes it.
            Some(_) if !self.node.can_continue_ending() => clock::now() + LOOK_PATIENCE,
            // Time stands still for sessions until it is over.
            _ if self.is_restoring() => clock::now() + LOOK_PATIENCE,
            _ => self.hub.clock.instant_at(self.node.next_tick_ms()),
        };
        let instants = [self.snapshot_deadline(), self.feeds_deadline(), self.member_deadline()];
        instants.into_iter().flatten().fold(tick, std::time::Instant::min)
    }

    fn messages(&mut self, whose: Whose) {
        let mut messages = std::mem::take(&mut self.messages);
        self.hub.mailbox.take(whose, &mut messages);
        let mut requests = 0;
        let began = clock::now();
        for message in &messages {
            if let Message::Requests(left, since) = message {
                let (count, waited) = (whole(left.len()), began.saturating_duration_since(*since));
                requests += count;
                let queue_time = self.hub.stats.sequencer.detailed(Detailed::PrepQueueTime);
                queue_time.record_times(ms(waited), count);
            }
        }
        for message in messages.drain(..) {
            self.message(message);
        }
        self.messages = messages;
        if self.hub.heard.has_room_again() {
            self.tell(Command::Resume);
        }
        if requests > 0 {
            let sheet = &self.hub.stats.sequencer;
            sheet.basic(Basic::PrepQueueSize).record(requests);
            sheet.basic(Basic::PrepProcessTime).record_shared(ms(clock::now() - began), requests);
        }
    }

    fn message(&mut self, message: Message) {
        if let Some(message) = self.unless_restoring(message) {
            self.take_in(message);
        }
    }

    fn take_in(&mut self, message: Message) {
        let event = match message {
            Message::Requests(requests, _) => Event::Requests(requests),
            Message::Disconnected { session, conn, heard_ms } => {
                Event::Disconnected { session, conn, heard_ms }
            }
            Message::Looked(heard) => {
                if let Some(mut looking) = self.looking.take() {
                    looking.heard.extend(heard);
                    looking.asked -= 1;
                    self.looked(looking);
                }
                return;
            }
            Message::Persisted(zxid) if self.member.is_none() => Event::Committed(zxid),
            Message::Persisted(zxid) => return self.synced(zxid),
            Message::LogFailed => {
                self.zab(zab::Event::DiskFailed);
                Event::LogFailed
            }
            Message::LogRecovered => {
                self.zab(zab::Event::DiskRecovered);
                Event::LogRecovered
            }
            Message::Heard(heard) => return self.heard(heard),
            Message::EpochStored(file, epoch) => return self.epoch_stored(file, epoch),
            Message::NextStored => return self.zab(zab::Event::NextStored),
            Message::Replaced(history) => return self.replaced(history),
            Message::LogSearched(link, found) => return self.zab(zab::Event::LogSearched { link, found }),
            Message::FeedBroken(link) => return self.end_link(link),
            Message::Touched(sessions) => return self.touched(&sessions),
            Message::SnapshotRoom => return,
            Message::SnapshotEnded => return self.snapshot_ended(),
            Message::Restore(received, asker) => return self.restore(received, asker),
            Message::TakeSnapshot(asker) => return self.want_snapshot(asker),
            Message::Query(query) => {
                query(&self.node, self.tree.tree());
                return;
            }
            Message::Finish(finished) => {
                if let Some(member) = &mut self.member {
                    member.asked.close();
                }
                self.finishing = Some(finished);
                return;
            }
            Message::Stop => {
                self.stopping = true;
                return;
            }
        };
        self.step(event);
    }

    fn step(&mut self, event: Event) {
        self.step_node(event);
        self.carry_out();
    }

    /// Steps the node; what a member has to do about it is left for [`Sequencer::carry_out`].
    fn step_node(&mut self, event: Event) {
        self.step_node_at(self.hub.clock.now(), event);
    }

    fn step_node_at(&mut self, now: Now, event: Event) {
        let actions = self.node.step(now, self.tree.tree(), event);
        for action in actions {
            match action {
                Action::Append(batch) => {
                    let (entries, bytes) = (batch.len(), batch.len_bytes());
                    let began = clock::now();
                    if self.member.is_some() {
                        self.propose(batch, now);
                    } else {
                        self.log.append(Entries::Batch(batch));
                    }
                    let handed_over = self.hub.stats.sequencer.basic(Basic::ProposalProcessTime);
                    handed_over.record_shared(ms(clock::now() - began), whole(entries));
                    self.schedule.logged(whole(entries), whole(bytes));
                }
                Action::Deliver(deliveries) => self.deliver(deliveries),
                Action::Member(action) => self.member_action(action),
                Action::OverQuota(over) => {
                    self.hub.stats.warnings.over_quota(self.hub.clock.elapsed_ms(), &over);
                }
            }
        }
    }

    fn tick(&mut self) {
        let now = self.hub.clock.now();
        if self.node.can_continue_ending() && !self.is_restoring() {
            self.step(Event::Tick { due: Vec::new(), heard: Vec::new() });
            return;
        }
        if self.looking.is_some() || self.is_restoring() || now.elapsed_ms < self.node.next_tick_ms() {
            return;
        }
        let due = self.node.due_sessions(now);
        let mut by_worker: BTreeMap<usize, Vec<(SessionId, ConnId)>> = BTreeMap::new();
        for &session in &due {
            if let Some(conn) = self.node.sessions().conn(session) {
                by_worker.entry(worker_of(conn)).or_default().push((session, conn));
            }
        }
        let looking = Looking { due, heard: Vec::new(), asked: by_worker.len() };
        for (worker, conns) in by_worker {
            self.tell_worker(worker, Item::Look(conns));
        }
        self.looked(looking);
    }

    /// Ends the sessions that nobody has heard of, once all workers that have been asked have answered: one that is busy
    /// costs no client its session.
    fn looked(&mut self, looking: Looking) {
        if looking.asked > 0 {
            self.looking = Some(looking);
            return;
        }
        let Looking { due, heard, .. } = looking;
        let timeout_ms = |&session: &SessionId| Some((session, self.node.sessions().timeout_ms(session)?));
        let were_live: Vec<(SessionId, i32)> = due.iter().filter_map(timeout_ms).collect();
        self.step(Event::Tick { due, heard });
        for (session, timeout_ms) in were_live {
            if !self.node.sessions().is_live(session) {
                self.hub.stats.sequencer.count(Count::SessionsExpired).add(1);
                self.hub.stats.warnings.expired(self.hub.clock.elapsed_ms(), session, timeout_ms);
            }
        }
    }

    /// Hands these to their workers.
    fn deliver(&self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            self.tell_worker(worker_of(delivery.conn()), Item::Deliver(delivery));
        }
    }

    /// Leaves something in a worker's inbox, and wakes it.
    fn tell_worker(&self, worker: usize, item: Item) {
        self.tree.shard(worker).inbox.push(item);
        self.hub.workers[worker].notify.notify_one();
    }

    fn tell_workers(&self, item: impl Fn() -> Item) {
        (0..self.hub.workers.len()).for_each(|worker| self.tell_worker(worker, item()));
    }

    /// Applies a bounded batch under one hold of all locks, and leaves it in the inboxes of those it concerns.
    fn apply(&mut self) {
        let mut guard = self.tree.write();
        let batch = Arc::new(self.node.apply(guard.tree(), APPLY_AT_ONCE));
        // Before a reply can be seen: whoever has one and asks finds it counted.
        self.hub.digests.extend(&batch.digests);
        count(&self.hub, &batch, self.node.decides());
        let addressed = addressed(&batch, self.hub.workers.len());
        let mut wake = Vec::new();
        for (index, shard) in guard.shards.iter_mut().enumerate() {
            let concerned = addressed[index];
            // What still waits in an inbox may set the first watch.
            if concerned || !shard.watches.is_empty() || !shard.inbox.is_empty() {
                shard.inbox.push(Item::Batch(Arc::clone(&batch)));
                if concerned || !batch.changes.is_empty() || shard.inbox.len() > INBOX_LONG {
                    wake.push(index);
                }
            }
        }
        drop(guard);
        for index in wake {
            self.hub.workers[index].notify.notify_one();
        }
        self.node.settle(self.tree.tree());
        self.applied += batch.txns;
        if batch.too_long > 0 {
            self.hub.stats.warnings.reply_too_long(self.hub.clock.elapsed_ms());
        }
        if let Some(audit) = &self.hub.audit {
            tell_ended(audit, &batch);
        }
        for zxid in &batch.digest_mismatches {
            self.hub.stats.sequencer.count(Count::DigestMismatches).add(1);
            tracing::error!(target: topics::DATA, %zxid, "the tree's digest is not the one that was foreseen: the data of this server may differ from that of others");
        }
    }
}

fn whole(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Counts what a batch did. `decided`: here, and not by a leader somewhere else.
fn count(hub: &Hub, batch: &CommittedBatch, decided: bool) {
    if decided {
        hub.stats.sequencer.count(Count::Commits).add(whole(batch.txns));
    }
    let (now_ms, propagation) =
        (hub.clock.now().wall_ms, hub.stats.sequencer.detailed(Detailed::PropagationLatency));
    // A clock that was set back shows nothing, as in the official server.
    for latency_ms in batch.made_ms.iter().filter_map(|made_ms| u64::try_from(now_ms - made_ms).ok()) {
        propagation.record(latency_ms);
    }
    if batch.changes.is_empty() {
        return;
    }
    let mut writes = hub.stats.writes.lock();
    for change in &batch.changes {
        let bytes = change.path.len() + change.data_len;
        writes.record(change.path.as_bytes(), u64::try_from(bytes).unwrap_or(0));
    }
}

/// Which workers have a connection that a batch is for.
fn addressed(batch: &CommittedBatch, workers: usize) -> Vec<bool> {
    let mut addressed = vec![false; workers];
    for conn in batch.entries.iter().filter_map(crate::node::Entry::conn) {
        addressed[worker_of(conn)] = true;
    }
    addressed
}

/// Has the audit log tell of the ephemerals that have gone with their sessions.
fn tell_ended(audit: &Audit, batch: &CommittedBatch) {
    for (session, changes) in &batch.ended {
        for change in &batch.changes[changes.clone()] {
            let gone = Some((*session, &*change.path));
            audit.of_server("ephemeralZNodeDeletionOnSessionCloseOrExpire", gone, Outcome::Success);
        }
    }
}
