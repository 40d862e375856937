//! Several members, their network and disks, and what goes wrong.

mod actions;
mod broken;
pub(crate) mod script;

use crate::{
    disk::{Entry, Write},
    member::Member,
    network::{Message, Network},
    properties::{Fact, Properties},
    rng::Rng,
    variant::Variant,
};
use bytes::Bytes;
use oxkeeper::{
    membership::Membership,
    zab::{Action, Event, Link, Options, Quorum, RecentBounds, Role},
};
use oxkeeper_codec::{
    OpCode, ServerId, SessionId, Zxid,
    records::{SetDataTxn, TxnHeader},
    txn::{LoggedTxn, Txn},
};
use script::StopAt;
use std::{collections::BTreeMap, fmt};

/// Faults end here; then the ensemble has to come to rest, in ms.
const FAULTS_UNTIL_MS: i64 = 30_000;
/// It has so long for that, in ms.
const REST_WITHIN_MS: i64 = 60_000;
/// So long it takes until a member knows whom it can reach, in ms: always the same, so that the last word is the last.
const REACHABILITY_AFTER_MS: i64 = 3;
/// One action in so many is the last one of its member.
const CRASH_AT_ACTION: i64 = 500;
/// Who has had no leader for so long serves those who only read, in ms.
const READ_ONLY_AFTER_MS: i64 = 1000;

/// So many clients read.
const CLIENTS: i64 = 3;

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    committed: usize,
    crashes: usize,
    leaders: usize,
    diffs: usize,
    truncs: usize,
    snaps: usize,
    log_diffs: usize,
    disk_failures: usize,
    changes: usize,
    hand_overs: usize,
    read_only: usize,
}

impl Figures {
    const NAMES: [&str; 11] = [
        "committed",
        "crashes",
        "leaders",
        "DIFF",
        "TRUNC",
        "SNAP",
        "DIFF from log files",
        "disk failures",
        "changes of the configuration",
        "leaders removed",
        "read-only",
    ];

    const fn all(&self) -> [usize; 11] {
        let Self { committed, crashes, leaders, diffs, truncs, snaps, log_diffs, disk_failures, .. } = *self;
        let Self { changes, hand_overs, read_only, .. } = *self;
        [
            committed,
            crashes,
            leaders,
            diffs,
            truncs,
            snaps,
            log_diffs,
            disk_failures,
            changes,
            hand_overs,
            read_only,
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.committed += other.committed;
        self.crashes += other.crashes;
        self.leaders += other.leaders;
        self.diffs += other.diffs;
        self.truncs += other.truncs;
        self.snaps += other.snaps;
        self.log_diffs += other.log_diffs;
        self.disk_failures += other.disk_failures;
        self.changes += other.changes;
        self.hand_overs += other.hand_overs;
        self.read_only += other.read_only;
    }

    pub(crate) fn assert_all_happened(&self) {
        for (name, figure) in Self::NAMES.iter().zip(self.all()) {
            assert!(figure > 0, "{name} never happened");
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            Self::NAMES.iter().zip(self.all()).map(|(name, figure)| format!("{figure} {name}")).collect();
        f.write_str(&parts.join(", "))
    }
}

/// What is due at some time.
#[derive(Debug)]
enum Due {
    /// An event for a member, as it was started.
    Event(ServerId, u32, Event),
    /// Something comes over the network, for a member as it was started.
    Arrives(ServerId, u32, Message),
    /// A member dials once more.
    Dials(ServerId, u32),
    /// A member's disk has synced.
    Synced(ServerId, u32),
    /// A member starts.
    Starts(ServerId),
    DiskRecovers(ServerId, u32),
    Heals,
    /// Somebody asks for a write.
    Write,
    /// Broken variant: entries are written that belong to an earlier role.
    Stale(ServerId, u32, Vec<Entry>),
    /// Somebody asks for another configuration.
    Change,
    /// Something goes wrong.
    Fault,
}

struct World {
    rng: Rng,
    variant: Variant,
    now_ms: i64,
    due: BTreeMap<(i64, u64), Due>,
    sequence: u64,
    members: BTreeMap<ServerId, Member>,
    network: Network,
    /// What waits on its way, from whom to whom.
    held: Vec<((ServerId, ServerId), Due)>,
    properties: Properties,
    /// What the member that has delivered most has delivered.
    committed: usize,
    figures: Figures,
    faults: bool,
    /// Whether a disk may have more after a crash than it has said.
    keeps_unsynced: bool,
    writes: u32,
    /// The last zxid that each client has read.
    seen: BTreeMap<usize, Zxid>,
    /// Where a script stops somebody.
    stop_at: Option<StopAt>,
    /// Whether everything is printed (`ZAB_TRACE`).
    trace: bool,
}

/// Runs one seed.
pub(crate) fn run(seed: u64, variant: Variant) -> Figures {
    let mut world = World::new(seed, variant);
    world.run_until(FAULTS_UNTIL_MS);
    world.come_to_rest();
    world.figures.committed = world.committed;
    world.figures
}

/// How every member is set, but for the transactions that a leader remembers.
const fn options(recent_count: usize) -> Options {
    Options {
        init_ms: 2000,
        sync_ms: 1000,
        connect_ms: 2000,
        ping_ms: 100,
        epoch_wait_ms: None,
        read_only_after_ms: Some(READ_ONLY_AFTER_MS),
        force_snapshot: false,
        recent: RecentBounds { count: recent_count, bytes: 1 << 20 },
    }
}

impl World {
    fn new(seed: u64, variant: Variant) -> Self {
        let mut rng = Rng::new(seed);
        let voters = rng.pick(&[1, 2, 3, 3, 3, 4, 5, 5]);
        let observers = rng.pick(&[0, 0, 1]);
        let ids = |from: i64, count: i64| (from..from + count).map(ServerId);
        let spare = rng.pick(&[0, 0, 1, 2]);
        let may_change = !rng.one_in(3);
        let config = configuration(0, ids(1, voters).collect(), ids(1 + voters, observers).collect());
        let options = options(rng.pick(&[2, 10, 500]));
        let spare = if may_change { spare } else { 0 };
        let all = ids(1, voters + observers + spare);
        let members = all.map(|id| (id, Member::new(id, options, (config.clone(), may_change))));
        let mut world = Self::of(rng, variant, members.collect());
        world.faults = true;
        world.network.slow = world.rng.one_in(3);
        for id in world.ids() {
            let after_ms = world.rng.below(500);
            world.after(after_ms, Due::Starts(id));
        }
        world.after(100, Due::Write);
        world.after(1000, Due::Fault);
        if may_change {
            world.after(1500, Due::Change);
        }
        world
    }

    /// Members of which none was started, and nothing that goes wrong.
    fn of(rng: Rng, variant: Variant, members: BTreeMap<ServerId, Member>) -> Self {
        Self {
            rng,
            variant,
            now_ms: 0,
            due: BTreeMap::new(),
            sequence: 0,
            members,
            network: Network::default(),
            held: Vec::new(),
            properties: Properties::default(),
            committed: 0,
            figures: Figures::default(),
            faults: false,
            keeps_unsynced: true,
            writes: 0,
            seen: BTreeMap::new(),
            stop_at: None,
            trace: std::env::var_os("ZAB_TRACE").is_some(),
        }
    }

    fn ids(&self) -> Vec<ServerId> {
        self.members.keys().copied().collect()
    }

    fn after(&mut self, ms: i64, due: Due) {
        self.at(self.now_ms + ms, due);
    }

    fn at(&mut self, ms: i64, due: Due) {
        self.sequence += 1;
        self.due.insert((ms, self.sequence), due);
    }

    fn run_until(&mut self, until_ms: i64) {
        while self.now_ms < until_ms {
            let next = self.due.first_key_value().map_or(until_ms, |(&(at, _), _)| at);
            let wake = self
                .members
                .values()
                .filter_map(|member| Some((member.running.as_ref()?.zab.deadline_ms()?, member.id)));
            match wake.min() {
                Some((at, id)) if at < next => {
                    self.now_ms = at.max(self.now_ms);
                    self.step(id, Event::Wake);
                }
                _ if next >= until_ms => self.now_ms = until_ms,
                _ => {
                    let ((at, _), due) = self.due.pop_first().unwrap();
                    self.now_ms = at;
                    self.happen(due);
                }
            }
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Event(id, start, event) => {
                if self.is(id, start) {
                    self.step(id, event);
                }
            }
            Due::Arrives(id, start, message) => {
                if self.is(id, start) {
                    self.arrive(id, message);
                }
            }
            Due::Dials(id, dial) => self.dial(id, dial),
            Due::Synced(id, start) => {
                if self.is(id, start) {
                    self.synced(id);
                }
            }
            Due::Starts(id) => self.start(id),
            Due::DiskRecovers(id, start) => {
                if self.is(id, start) {
                    self.members.get_mut(&id).unwrap().disk_failed = false;
                    self.schedule_sync(id);
                    self.step(id, Event::DiskRecovered);
                }
            }
            Due::Heals => self.heal(),
            Due::Write => {
                self.write();
                self.read();
                let pause_ms = 1 + self.rng.below(60);
                self.after(pause_ms, Due::Write);
            }
            Due::Stale(id, start, entries) => {
                if self.is(id, start) {
                    entries.into_iter().for_each(|entry| self.write_to_disk(id, Write::Append(entry)));
                }
            }
            Due::Change => {
                if self.faults {
                    self.change();
                    let pause_ms = 1 + self.rng.below(4000);
                    self.after(pause_ms, Due::Change);
                }
            }
            Due::Fault => {
                if self.faults {
                    self.fault();
                    let pause_ms = 1 + self.rng.below(3000);
                    self.after(pause_ms, Due::Fault);
                }
            }
        }
    }

    fn is(&self, id: ServerId, start: u32) -> bool {
        let member = &self.members[&id];
        member.lives() && member.start == start
    }

    fn start(&mut self, id: ServerId) {
        if !self.members[&id].lives() {
            self.launch(id);
            self.tell_reachability();
        }
    }

    /// A member starts, and nobody else hears of it yet.
    fn launch(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        let event = member.start(self.now_ms);
        self.properties.see(Fact::Starts { member: id, disk: &member.disk });
        self.step(id, event);
    }

    /// Everything comes through again.
    fn heal(&mut self) {
        self.network.heal();
        for (_, due) in std::mem::take(&mut self.held) {
            self.after(1, due);
        }
        self.tell_reachability();
    }

    /// Everybody hears whom it can reach, a moment later.
    fn tell_reachability(&mut self) {
        for a in self.ids() {
            for b in self.ids().into_iter().filter(|&b| b != a) {
                let up = self.members[&b].lives() && self.network.connects(a, b);
                let event = if up { Event::Reachable(b) } else { Event::Unreachable(b) };
                let start = self.members[&a].start;
                self.after(REACHABILITY_AFTER_MS, Due::Event(a, start, event));
            }
        }
        // Connections across a cut are found to be broken sooner or later.
        let broken: Vec<(Link, ServerId, ServerId)> = self
            .network
            .links
            .iter()
            .filter(|(_, ends)| !self.network.connects(ends.learner, ends.leader))
            .map(|(&link, ends)| (link, ends.learner, ends.leader))
            .collect();
        for (link, learner, leader) in broken {
            self.network.links.remove(&link);
            for id in [learner, leader] {
                let (start, delay_ms) = (self.members[&id].start, 1 + self.rng.below(1500));
                self.after(delay_ms, Due::Arrives(id, start, Message::Closed(link)));
            }
        }
    }

    /// A member stops, and starts again some time.
    fn crash(&mut self, id: ServerId) {
        if self.members[&id].lives() {
            self.stop(id);
            let pause_ms = self.rng.below(2500);
            self.after(pause_ms, Due::Starts(id));
        }
    }

    /// A member's process ends.
    fn stop(&mut self, id: ServerId) {
        let member = self.members.get_mut(&id).unwrap();
        member.running = None;
        self.figures.crashes += 1;
        let most = if self.keeps_unsynced { member.disk.unsynced() } else { 0 };
        member.disk.crash(usize::try_from(self.rng.below(i64::try_from(most).unwrap() + 1)).unwrap());
        self.properties.see(Fact::Crashes { member: id });
        self.loses(id);
        let links: Vec<Link> = self.links_of(id);
        links.into_iter().for_each(|link| self.hang_up(id, link));
        self.tell_reachability();
    }

    fn links_of(&self, id: ServerId) -> Vec<Link> {
        let of = self.network.links.iter().filter(|(_, ends)| ends.learner == id || ends.leader == id);
        of.map(|(&link, _)| link).collect()
    }

    /// Both ends hear of it.
    fn break_link(&mut self, link: Link) {
        let learner = self.network.links[&link].learner;
        let start = self.members[&learner].start;
        self.after(1, Due::Arrives(learner, start, Message::Closed(link)));
        self.hang_up(learner, link);
    }

    /// The other end hears of it.
    fn hang_up(&mut self, id: ServerId, link: Link) {
        let Some(ends) = self.network.links.remove(&link) else { return };
        let other = if ends.learner == id { ends.leader } else { ends.learner };
        let delay_ms = self.network.delay_ms(&mut self.rng);
        self.transmit(id, other, self.now_ms + delay_ms, Message::Closed(link));
    }

    fn fault(&mut self) {
        let ids = self.ids();
        let (a, b) = (self.rng.pick(&ids), self.rng.pick(&ids));
        match self.rng.below(6) {
            0 | 1 => self.crash(a),
            2 => {
                self.network.cut(a, b);
                self.tell_reachability();
                let pause_ms = self.rng.below(4000);
                self.after(pause_ms, Due::Heals);
            }
            3 => {
                for other in ids.into_iter().filter(|&other| other != a) {
                    self.network.cut(a, other);
                    self.network.cut(other, a);
                }
                self.tell_reachability();
                let pause_ms = self.rng.below(4000);
                self.after(pause_ms, Due::Heals);
            }
            4 => {
                let links: Vec<Link> = self.network.links.keys().copied().collect();
                if !links.is_empty() {
                    let link = self.rng.pick(&links);
                    self.break_link(link);
                }
            }
            _ => {
                let member = self.members.get_mut(&a).unwrap();
                if member.lives() && !member.disk_failed {
                    member.disk_failed = true;
                    self.figures.disk_failures += 1;
                    let (start, pause_ms) = (member.start, self.rng.below(1000));
                    self.after(pause_ms, Due::DiskRecovers(a, start));
                    self.step(a, Event::DiskFailed);
                }
            }
        }
    }

    fn write(&mut self) {
        for id in self.ids() {
            let now_ms = self.now_ms;
            let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { continue };
            let Some(zxid) = running.zab.next_zxid() else { continue };
            self.writes += 1;
            let txn = Bytes::from(format!("{} by {id}", self.writes));
            let actions = running.zab.propose(now_ms, txn.clone());
            self.proposes(id, (zxid, txn));
            self.act(id, actions);
        }
    }

    /// A client reads at some member. As officially, one that has less than the client has seen is not asked.
    fn read(&mut self) {
        let client = usize::try_from(self.rng.below(CLIENTS)).unwrap();
        let member = self.rng.pick(&self.ids());
        let seen = self.seen.entry(client).or_insert(Zxid::ZERO);
        let Some(running) = &self.members[&member].running else { return };
        let delivered = running.delivered();
        if let Some((last, _)) = delivered.last().filter(|(last, _)| running.serves && last >= seen) {
            *seen = *last;
            self.properties.see(Fact::Reads { client, delivered });
        }
    }

    /// Somebody asks each leader for some of the members, in some roles. As officially, the leader must have a quorum of them.
    fn change(&mut self) {
        let (mut voters, mut observers) = (Vec::new(), Vec::new());
        for id in self.ids() {
            match self.rng.below(6) {
                0..=3 => voters.push(id),
                4 => observers.push(id),
                _ => {}
            }
        }
        if voters.is_empty() {
            return;
        }
        for id in self.ids() {
            let now_ms = self.now_ms;
            let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { continue };
            let Some(zxid) = running.zab.next_zxid() else { continue };
            let config = configuration(zxid.0, voters.clone(), observers.clone());
            let quorum = Quorum::from(&config);
            if running.zab.ensemble().next().is_some() || !quorum.is_met_by(&running.zab.synced_followers()) {
                continue;
            }
            let txn = change_to(zxid, &config);
            let actions = running.zab.propose(now_ms, txn.clone());
            self.proposes(id, (zxid, txn));
            self.act(id, actions);
        }
    }

    fn proposes(&mut self, primary: ServerId, entry: Entry) {
        self.properties.see(Fact::Proposes { primary, epoch: entry.0.epoch(), entry: &entry });
    }

    fn step(&mut self, id: ServerId, event: Event) {
        let now_ms = self.now_ms;
        let synced = if let Event::Synced(zxid) = event { Some(zxid) } else { None };
        let event = self.spoil_event(id, event);
        let keeps_memory = self.keeps_memory(id);
        let member = self.members.get_mut(&id).unwrap();
        let Some(running) = &mut member.running else { return };
        if let Event::HistoryReplaced(last) = event {
            if !keeps_memory {
                running.history = member.disk.log().to_vec();
            }
            // A snapshot holds what is committed, and a log that was cut has what it had before the cut.
            let installed = std::mem::take(&mut running.installing);
            member.delivered = if installed { 0 } else { member.delivered.min(running.history.len()) };
            running.committed = if installed { last } else { running.committed.min(last) };
        }
        if let Event::Closed(link) = event
            && running.receiving == Some(link)
        {
            running.receiving = None;
            member.disk.write(Write::GiveUp);
            self.schedule_sync(id);
        }
        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
        if self.trace {
            println!("{now_ms} server {id}: {event:?}");
        }
        let actions = running.zab.step(now_ms, event);
        self.act(id, actions);
        if let Some(zxid) = synced {
            self.spoil_after_sync(id, zxid);
        }
    }

    fn act(&mut self, id: ServerId, actions: Vec<Action>) {
        for action in self.spoil(id, actions) {
            if self.faults && self.rng.one_in(CRASH_AT_ACTION) {
                self.crash(id);
                return;
            }
            let stops = self.stop_at.as_ref().is_some_and(|stop| stop.is_here(id, &action));
            self.do_one(id, action);
            if stops {
                self.stop_here();
            }
            if !self.members[&id].lives() {
                return;
            }
        }
    }

    /// No more faults: everybody has to find together, within a bound.
    fn come_to_rest(&mut self) {
        self.faults = false;
        self.network.slow = false;
        self.heal();
        let until_ms = self.now_ms + REST_WITHIN_MS;
        let mut written = None;
        while self.now_ms < until_ms {
            self.run_until(self.now_ms + 200);
            if self.all_serve() {
                // A few more writes, then all have the same.
                let goal = *written.get_or_insert_with(|| self.committed + 5);
                if self.committed >= goal && self.all_have(goal) {
                    return;
                }
            }
        }
        let roles: BTreeMap<ServerId, Option<Role>> =
            self.members.iter().map(|(&id, m)| (id, m.running.as_ref().map(|r| r.zab.role()))).collect();
        panic!("liveness: no rest within {REST_WITHIN_MS} ms: {roles:?}");
    }

    fn all_serve(&self) -> bool {
        self.members.values().all(|member| member.running.as_ref().is_some_and(|running| running.serves))
    }

    fn all_have(&self, count: usize) -> bool {
        self.members.values().all(|m| m.running.as_ref().is_some_and(|r| r.delivered().len() >= count))
    }
}

fn configuration(version: i64, voters: Vec<ServerId>, observers: Vec<ServerId>) -> Membership {
    let line = |id: ServerId, role: &str| format!("server.{id}=h{id}:1:2:{role}\n");
    let voting = voters.into_iter().map(|id| line(id, "participant"));
    let observing = observers.into_iter().map(|id| line(id, "observer"));
    let lines: String = voting.chain(observing).collect();
    Membership::parse(&format!("{lines}version={version:x}")).unwrap()
}

/// The transaction that makes this configuration.
fn change_to(zxid: Zxid, config: &Membership) -> Bytes {
    let header = TxnHeader { client_id: SessionId(1), cxid: 1, zxid, time: 0, op: OpCode::RECONFIG };
    let data = Some(Bytes::from(config.to_string()));
    let txn = Txn::Reconfig(SetDataTxn { path: "/zookeeper/config".into(), data, version: -1 });
    let mut bytes = Vec::new();
    LoggedTxn { header, txn, digest: None }.encode(&mut bytes);
    bytes.into()
}
