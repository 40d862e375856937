//! One simulated server: the real node, log, snapshots and recovery, driven as `src/server/sequence/sequencer.rs`,
//! `log_writer.rs` and `snapshots.rs` drive them. Each thread of the server is a part that goes on some time after it was
//! woken; the power may fail between any two parts, and at any operation of the disk.

use super::{
    clock::NodeClock,
    core::{Core, Event as SimEvent, Part},
    disk::NodeDisk,
    network::{Packet, Way},
    recovery,
    snapshots::Snapshots,
    variant::Variant,
    worker::{Item, Worker, worker_of},
};
use oxkeeper::{
    node::{
        Action, CommittedBatch, ContainerRules, Delivery, Entry, Event, LogBatch, NewSessions, Node,
        NodeOptions, Now, Recipient,
    },
    processor::Rules,
    session::{ConnId, TimeoutBounds},
    storage::{Disk, LogOptions, ScheduleOptions, SnapshotSchedule, TxnLog, memory},
    tree::Tree,
};
use oxkeeper_codec::{SessionId, Zxid, txn::Txn};
use std::sync::Arc;

/// I/O workers of a node.
pub(crate) const WORKERS: usize = 2;
const TICK_MS: i32 = 200;

/// Work for the log writer.
#[derive(Debug)]
pub(crate) enum Work {
    /// Entries.
    Append(LogBatch),
    /// A snapshot has begun.
    Roll,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Running {
    node: Node,
    tree: Tree,
    workers: Vec<Worker>,
    mailbox: Vec<Event>,
    log: TxnLog,
    work: Vec<Work>,
    log_is_failing: bool,
    /// The last zxid that the log was given.
    appended: Zxid,
    schedule: SnapshotSchedule,
    snapshots: Snapshots,
}

/// A server that runs or not.
#[derive(Debug)]
pub(crate) struct SimNode {
    id: usize,
    variant: Variant,
    snap_disk: NodeDisk,
    log_disk: NodeDisk,
    clock: NodeClock,
    starts: u32,
    snap_count: u64,
    running: Option<Running>,
}

fn options() -> NodeOptions {
    NodeOptions {
        rules: Rules { extended_types: true, list_closed_ephemerals: true, ..Rules::default() },
        tick_ms: TICK_MS,
        timeouts: TimeoutBounds { min_ms: 500, max_ms: 10_000 },
        containers: ContainerRules { interval_ms: 300, max_per_minute: 100, never_used_ms: 0 },
        server_id: 1,
        leader_serves: true,
        keep_connections: true,
        new_sessions: NewSessions::Global,
    }
}

impl SimNode {
    /// A server that was never started, on empty disks.
    pub(crate) fn new(id: usize, variant: Variant, core: &mut Core) -> Self {
        let log_disk = NodeDisk::new("/log");
        // Both in one directory, or each in its own.
        let snap_disk = if core.rng.one_in(2) { log_disk.clone() } else { log_disk.beside("/snap") };
        if variant == Variant::SyncSkipped {
            log_disk.skip_syncs();
        }
        let snap_count = 6 + core.rng.next() % 60;
        let clock = NodeClock::default();
        Self { id, variant, snap_disk, log_disk, clock, starts: 0, snap_count, running: None }
    }

    /// Whether it runs.
    pub(crate) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Transactions that wait for the disk or for being applied.
    pub(crate) fn backlog(&self) -> usize {
        self.running.as_ref().map_or(0, |running| running.node.queued())
    }

    fn now(&self, core: &Core) -> Now {
        self.clock.now(core.now_ms)
    }

    /// The wall clock jumps.
    pub(crate) const fn clock_jumps(&mut self, by_ms: i64) {
        self.clock.jump(by_ms);
    }

    /// The disks begin to fail.
    pub(crate) fn disk_fails(&self, core: &mut Core) {
        let faults = match core.rng.below(4) {
            0 => memory::Faults { read_only: true, ..memory::Faults::default() },
            1 => memory::Faults { capacity: Some(self.log_disk.used()), ..memory::Faults::default() },
            _ => memory::Faults { failing_sync: true, ..memory::Faults::default() },
        };
        self.set_faults(faults);
    }

    /// The disks are well.
    pub(crate) fn disk_heals(&self) {
        self.set_faults(memory::Faults::default());
    }

    /// From now on nothing goes wrong.
    pub(crate) fn calm(&self) {
        self.disk_heals();
        self.log_disk.keep_power();
    }

    fn set_faults(&self, faults: memory::Faults) {
        self.snap_disk.set_faults(faults);
        self.log_disk.set_faults(faults);
    }

    /// The power fails: now, or inside of one of the next operations of the disk.
    pub(crate) fn power_fails(&mut self, core: &mut Core) {
        if core.rng.one_in(2) {
            self.crash(core);
        } else {
            let ops = core.rng.below(30);
            self.log_disk.fail_after(ops, core.rng.one_in(2));
        }
    }

    fn crash(&mut self, core: &mut Core) {
        // Whatever is dropped now must not reach the disk.
        self.log_disk.power_off();
        self.running = None;
        self.starts += 1;
        let shared = Disk::dir(&self.snap_disk) == Disk::dir(&self.log_disk);
        if !shared {
            self.snap_disk.crash(core.rng.next());
        }
        self.log_disk.crash(core.rng.next());
        for conn in core.net.conns_of(self.id) {
            core.send(conn, Way::ToClient, Packet::End);
        }
        let pause_ms = 1 + core.rng.below(1500);
        core.after(pause_ms, SimEvent::Start(self.id));
    }

    /// The server starts.
    pub(crate) fn start(&mut self, core: &mut Core) {
        if self.running.is_some() {
            return;
        }
        self.clock.restart(core.now_ms);
        let recovered = recovery::load(&self.snap_disk, &self.log_disk, self.variant);
        if self.log_disk.is_down() {
            return self.crash(core);
        }
        let Some((tree, sessions, recovered)) = recovered else {
            // The disk takes nothing, not even the first snapshot.
            return core.after(100, SimEvent::Start(self.id));
        };
        core.check.recovered(&tree, &sessions, core.now_ms);
        let log_options = LogOptions {
            prealloc_bytes: 0,
            size_limit_bytes: core.rng.one_in(3).then_some(2000),
            force_sync: true,
        };
        let schedule_options = ScheduleOptions { snap_count: self.snap_count, snap_size_bytes: 0 };
        let mut schedule = SnapshotSchedule::new(schedule_options, [core.rng.next(), core.rng.next()]);
        schedule.logged(recovered.txns, recovered.txn_bytes);
        self.running = Some(Running {
            node: Node::new(options(), &tree, sessions, self.now(core)),
            appended: tree.last_zxid(),
            tree,
            workers: (0..WORKERS).map(|_| Worker::new(self.variant)).collect(),
            mailbox: Vec::new(),
            log: TxnLog::new(Arc::new(self.log_disk.clone()), log_options, recovered.repairs.logs),
            work: Vec::new(),
            log_is_failing: false,
            schedule,
            snapshots: Snapshots::new(self.variant, &self.snap_disk, &self.log_disk),
        });
        self.wake(core, Part::Tick);
        self.wake(core, Part::Purge);
    }

    fn wake(&self, core: &mut Core, part: Part) {
        core.soon(SimEvent::Node(self.id, self.starts, part));
    }

    fn wake_after(&self, core: &mut Core, delay_ms: i64, part: Part) {
        core.after(delay_ms, SimEvent::Node(self.id, self.starts, part));
    }

    /// A packet for it arrives.
    pub(crate) fn arrives(&mut self, core: &mut Core, conn: ConnId, packet: Packet) {
        let now = self.now(core);
        let Some(running) = &mut self.running else { return };
        let worker = &mut running.workers[worker_of(conn)];
        match packet {
            Packet::Bytes(bytes) => worker.input(core, &running.tree, conn, &bytes, now.elapsed_ms),
            Packet::End => worker.lost(conn),
        }
        self.hand_over(core, worker_of(conn));
    }

    /// It finds that a connection is gone.
    pub(crate) fn lost(&mut self, core: &mut Core, conn: ConnId) {
        let Some(running) = &mut self.running else { return };
        running.workers[worker_of(conn)].lost(conn);
        self.hand_over(core, worker_of(conn));
    }

    /// A part goes on.
    pub(crate) fn go_on(&mut self, core: &mut Core, starts: u32, part: Part) {
        if starts != self.starts || self.running.is_none() {
            return;
        }
        match part {
            Part::Sequencer => self.sequencer(core),
            Part::Tick => {
                self.sequencer(core);
                let now = self.now(core);
                let Some(running) = &self.running else { return };
                let until_ms = running.node.next_tick_ms().saturating_sub(now.elapsed_ms).clamp(20, 100);
                self.wake_after(core, until_ms, Part::Tick);
            }
            Part::Worker(index) => {
                let now = self.now(core);
                let Some(running) = &mut self.running else { return };
                running.workers[index].drain(core, &running.tree, now.elapsed_ms);
                self.hand_over(core, index);
            }
            Part::Log => self.log(core),
            Part::Snapshots => {
                let Some(running) = &mut self.running else { return };
                if running.snapshots.step(core) {
                    self.wake(core, Part::Sequencer);
                }
                if self.running.as_ref().is_some_and(|running| running.snapshots.has_steps()) {
                    self.wake(core, Part::Snapshots);
                }
            }
            Part::Purge => {
                let Some(running) = &self.running else { return };
                running.snapshots.purge();
                let pause_ms = 500 + core.rng.below(1500);
                self.wake_after(core, pause_ms, Part::Purge);
            }
        }
        if self.log_disk.is_down() {
            self.crash(core);
        }
    }

    /// What a worker has for the sequencer.
    fn hand_over(&mut self, core: &mut Core, index: usize) {
        let Some(running) = &mut self.running else { return };
        let worker = &mut running.workers[index];
        let requests: Vec<_> = worker.requests.drain(..).collect();
        let gone: Vec<_> = worker.gone.drain(..).collect();
        if requests.is_empty() && gone.is_empty() {
            return;
        }
        if !requests.is_empty() {
            running.mailbox.push(Event::Requests(requests));
        }
        for gone in gone {
            let (session, conn, heard_ms) = (gone.session, gone.conn, gone.heard_ms);
            running.mailbox.push(Event::Disconnected { session, conn, heard_ms });
        }
        self.wake(core, Part::Sequencer);
    }

    fn sequencer(&mut self, core: &mut Core) {
        let Some(running) = &mut self.running else { return };
        for event in std::mem::take(&mut running.mailbox) {
            self.step(core, event);
        }
        self.tick(core);
        if self.running.as_ref().is_some_and(|running| running.node.can_apply()) {
            self.apply(core);
        }
        let Some(running) = &mut self.running else { return };
        if running.snapshots.advance(core, &mut running.node, &running.tree) {
            core.soon(SimEvent::Node(self.id, self.starts, Part::Snapshots));
        }
        if running.node.can_apply() || running.snapshots.has_more() {
            self.wake(core, Part::Sequencer);
        }
    }

    fn step(&mut self, core: &mut Core, event: Event) {
        let now = self.now(core);
        let Some(running) = &mut self.running else { return };
        let actions = running.node.step(now, &running.tree, event);
        for action in actions {
            match action {
                Action::Append(batch) => self.append(core, batch),
                Action::Deliver(deliveries) => self.deliver(core, deliveries),
                Action::OverQuota(_) => {}
                Action::Member(action) => panic!("a server that is alone has nobody to tell: {action:?}"),
            }
        }
    }

    fn append(&mut self, core: &mut Core, batch: LogBatch) {
        core.check.appended(&batch, core.now_ms);
        let Some(running) = &mut self.running else { return };
        let (entries, bytes) = (batch.len(), batch.len_bytes());
        running.appended = batch.entries().last().map_or(running.appended, |(zxid, _)| zxid);
        running.work.push(Work::Append(batch));
        let count = |n| u64::try_from(n).unwrap();
        if running.schedule.logged(count(entries), count(bytes)) && running.snapshots.is_idle() {
            running.schedule.reset([core.rng.next(), core.rng.next()]);
            running.node.begin_snapshot(Recipient::Disk, &running.tree);
            running.work.push(Work::Roll);
            running.snapshots.begin(running.tree.last_zxid());
        }
        if self.variant == Variant::ReplyBeforeSync {
            running.mailbox.push(Event::Committed(running.appended));
        }
        self.wake(core, Part::Log);
    }

    fn deliver(&mut self, core: &mut Core, deliveries: Vec<Delivery>) {
        let Some(running) = &mut self.running else { return };
        for delivery in deliveries {
            let index = worker_of(delivery.conn());
            running.workers[index].inbox.push(Item::Deliver(delivery));
            core.soon(SimEvent::Node(self.id, self.starts, Part::Worker(index)));
        }
    }

    fn tick(&mut self, core: &mut Core) {
        let now = self.now(core);
        let Some(running) = &self.running else { return };
        if now.elapsed_ms < running.node.next_tick_ms() {
            return;
        }
        let heard = |session: SessionId| {
            let conn = running.node.sessions().conn(session)?;
            Some((session, running.workers[worker_of(conn)].heard_ms(conn)?))
        };
        let due = running.node.due_sessions(now);
        let mut heard: Vec<_> = due.iter().copied().filter_map(heard).collect();
        if self.variant == Variant::NobodyHeard {
            heard.clear();
        }
        self.step(core, Event::Tick { due, heard });
    }

    fn apply(&mut self, core: &mut Core) {
        let Some(running) = &mut self.running else { return };
        let limit = usize::try_from(1 + core.rng.below(8)).unwrap();
        let mut batch = running.node.apply(&mut running.tree, limit);
        assert!(batch.digest_mismatches.is_empty(), "digests are those that were foreseen");
        core.check.applied(&running.tree, core.rng.one_in(8));
        match self.variant {
            Variant::AppliedTwice => apply_again(core, &mut running.tree),
            Variant::OrderSwapped => swap_replies(&mut batch),
            _ => {}
        }
        let batch = Arc::new(batch);
        for index in 0..WORKERS {
            if running.workers[index].is_concerned(&batch) {
                running.workers[index].inbox.push(Item::Batch(Arc::clone(&batch)));
                core.soon(SimEvent::Node(self.id, self.starts, Part::Worker(index)));
            }
        }
    }

    /// The log writer: appends all that waits, syncs once, says what is durable.
    fn log(&mut self, core: &mut Core) {
        let Some(running) = &mut self.running else { return };
        let was_failing = running.log_is_failing;
        if !was_failing {
            for work in std::mem::take(&mut running.work) {
                match work {
                    Work::Append(batch) => {
                        for (zxid, body) in batch.entries() {
                            running.log.append(zxid, body).expect("it is short enough");
                        }
                    }
                    Work::Roll => running.log.roll(),
                }
            }
        }
        let result = if was_failing { running.log.retry() } else { running.log.commit() };
        running.log_is_failing = result.is_err();
        match result {
            Ok(committed) => {
                running.mailbox.extend(committed.through.map(Event::Committed));
                if was_failing {
                    running.mailbox.push(Event::LogRecovered);
                    core.check.log_failures += 1;
                    self.wake(core, Part::Log);
                }
                self.wake(core, Part::Sequencer);
            }
            Err(_) => self.log_failed(core, was_failing),
        }
    }

    fn log_failed(&mut self, core: &mut Core, again: bool) {
        let Some(running) = &mut self.running else { return };
        if self.variant == Variant::FailedSyncAcknowledged {
            running.mailbox.push(Event::Committed(running.appended));
        } else if !again {
            running.mailbox.push(Event::LogFailed);
        }
        let pause_ms = 50 + core.rng.below(300);
        self.wake_after(core, pause_ms, Part::Log);
        self.wake(core, Part::Sequencer);
    }
}

/// Broken variant: the last write once more, as if it said "one more version".
fn apply_again(core: &Core, tree: &mut Tree) {
    let zxid = tree.last_zxid();
    if zxid == Zxid::ZERO {
        return;
    }
    let mut logged = core.check.transaction(zxid).clone();
    if let Txn::SetData(txn) = &mut logged.txn {
        txn.version += 1;
        tree.apply(&logged, &mut (), &mut Vec::new());
    }
}

/// Broken variant: two replies change places.
fn swap_replies(batch: &mut CommittedBatch) {
    let is_reply = |entry: &Entry| matches!(entry, Entry::Reply { .. });
    let pair = batch
        .entries
        .windows(2)
        .position(|two| is_reply(&two[0]) && is_reply(&two[1]) && two[0].conn() == two[1].conn());
    if let Some(at) = pair {
        batch.entries.swap(at, at + 1);
    }
}
