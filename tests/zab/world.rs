//! Several members, their network and disks, and what goes wrong.

mod actions;
mod broken;
mod clients;
mod faults;
mod figures;
mod nodes;
mod rest;
pub(crate) mod script;
mod sessions;

use crate::{
    disk::{Entry, Write},
    files::Files,
    member::Member,
    network::{Message, Network},
    properties::{Fact, Properties},
    rng::Rng,
    server::rebuild,
    variant::Variant,
};
use clients::configuration;
pub(crate) use figures::{Figure, Figures};
use oxkeeper::zab::{Action, Event, Link, ObserverPauses, Options, RecentBounds};
use oxkeeper_codec::{ServerId, Zxid};
use script::StopAt;
use sessions::Clients;
use std::collections::{BTreeMap, BTreeSet};

/// Faults end here; then the ensemble has to come to rest, in ms.
const FAULTS_UNTIL_MS: i64 = 30_000;
/// Members look at their sessions every so many ms.
const TICK_MS: i64 = 100;
/// One action in so many is the last one of its member.
const CRASH_AT_ACTION: i64 = 500;

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
    /// Somebody who is outside of the core stops, or starts.
    Restarts(ServerId),
    /// A link ends.
    Breaks(Link),
    /// Members know again whom they can reach.
    Reconnects,
    /// A client with a session goes on.
    Client(usize),
    /// A member looks at its sessions.
    Tick(ServerId, u32),
    /// Somebody asks for a write.
    Write,
    /// Broken variant: entries are written that belong to an earlier role.
    Stale(ServerId, u32, Vec<Entry>),
    /// Somebody asks for another configuration.
    Change,
    /// An operator has all data replaced.
    Restore,
    /// A member begins a snapshot, or ends one.
    Snapshot(ServerId, u32),
    /// Something goes wrong.
    Fault,
}

struct World {
    rng: Rng,
    variant: Variant,
    with: With,
    now_ms: i64,
    due: BTreeMap<(i64, u64), Due>,
    sequence: u64,
    members: BTreeMap<ServerId, Member>,
    network: Network,
    /// What waits on its way, and when it would have arrived, in ms.
    held: Vec<(i64, Due)>,
    /// Who does not start again.
    outside: BTreeSet<ServerId>,
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
    clients: Clients,
    /// What an operator does who restores.
    operator: Option<Rng>,
    /// Where a script stops somebody.
    stop_at: Option<StopAt>,
    /// Whether everything is printed (`ZAB_TRACE`).
    trace: bool,
}

/// What members are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    /// The protocol alone: what is proposed is no transaction, but for changes of the configuration.
    Zab,
    /// Node and tree besides, and clients with sessions.
    Nodes,
    /// The protocol, and disks in files.
    Files,
    /// Node, tree, clients and disks in files.
    NodesAndFiles,
}

impl With {
    pub(crate) const fn nodes(self) -> bool {
        matches!(self, Self::Nodes | Self::NodesAndFiles)
    }

    pub(crate) const fn files(self) -> bool {
        matches!(self, Self::Files | Self::NodesAndFiles)
    }
}

/// Runs one seed.
pub(crate) fn run(seed: u64, variant: Variant, with: With) -> Figures {
    let mut world = World::new(seed, variant, with);
    world.run_until(FAULTS_UNTIL_MS);
    world.core_goes_on();
    world.come_to_rest();
    world.read_back();
    world.figures.count(Figure::Committed, world.committed);
    let files = world.members.values().filter_map(|member| member.files.as_ref());
    files.for_each(|files| world.figures.add(&files.figures));
    world.figures
}

impl World {
    fn new(seed: u64, variant: Variant, with: With) -> Self {
        let mut rng = Rng::new(seed);
        let voters = rng.pick(&[1, 2, 3, 3, 3, 4, 5, 5]);
        let observers = rng.pick(&[0, 0, 1]);
        let ids = |from: i64, count: i64| (from..from + count).map(ServerId);
        let spare = rng.pick(&[0, 0, 1, 2]);
        let may_change = !with.nodes() && !rng.one_in(3);
        let config = configuration(0, ids(1, voters).collect(), ids(1 + voters, observers).collect());
        let spare = if may_change { spare } else { 0 };
        let all = ids(1, voters + observers + spare);
        // All members have it, or none: drawn apart from what each seed draws besides.
        let mut apart = Rng::new(!seed);
        let observer_masters = apart.one_in(2);
        let mut drawn = || {
            let mut pause_ms = || if apart.one_in(4) { apart.below(500).unsigned_abs() } else { 0 };
            let observer_pauses = ObserverPauses { election_ms: pause_ms(), reconnect_ms: pause_ms() };
            Options { observer_masters, observer_pauses, ..options(&mut rng) }
        };
        let members = all.map(|id| (id, Member::new(id, drawn(), (config.clone(), may_change))));
        let members = members.collect();
        let mut world = Self::of(rng, variant, members);
        world.faults = true;
        world.network.slow = world.rng.one_in(3);
        for id in world.ids() {
            let after_ms = world.rng.below(500);
            world.after(after_ms, Due::Starts(id));
        }
        world.after(100, Due::Write);
        world.after(1000, Due::Fault);
        world.with = with;
        if with.nodes() {
            world.open_sessions();
        }
        if with.files() {
            let mut files = || Files::new(apart.next(), variant, &config);
            world.members.values_mut().for_each(|member| member.files = Some(files()));
        }
        if may_change {
            world.after(1500, Due::Change);
        }
        // Drawn apart, too, in some of the runs.
        let mut operator = Rng::new(seed.rotate_left(32));
        if variant == Variant::Sound && !with.nodes() && operator.one_in(4) {
            world.operator = Some(operator);
            world.after(1000, Due::Restore);
        }
        world
    }

    /// Members of which none was started, and nothing that goes wrong.
    fn of(rng: Rng, variant: Variant, members: BTreeMap<ServerId, Member>) -> Self {
        Self {
            rng,
            variant,
            with: With::Zab,
            now_ms: 0,
            due: BTreeMap::new(),
            sequence: 0,
            members,
            network: Network::default(),
            held: Vec::new(),
            outside: BTreeSet::new(),
            properties: Properties::default(),
            committed: 0,
            figures: Figures::default(),
            faults: false,
            keeps_unsynced: true,
            writes: 0,
            seen: BTreeMap::new(),
            clients: Clients::default(),
            operator: None,
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
            let wakes_at = |member: &Member| {
                let running = member.running.as_ref().filter(|running| !self.waits_for_ever(running))?;
                Some(member.clock.when(running.zab.deadline_ms()?))
            };
            let wake = self.members.values().filter_map(|member| Some((wakes_at(member)?, member.id)));
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
                if self.is(id, start) && !self.is_kept_back(&event) {
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
            Due::Write => {
                if !self.with.nodes() {
                    self.write();
                }
                self.read();
                let pause_ms = 1 + self.rng.below(60);
                self.after(pause_ms, Due::Write);
            }
            Due::Client(client) => self.client(client),
            Due::Tick(id, start) => {
                if self.is(id, start) {
                    self.tick(id);
                    self.after(TICK_MS, Due::Tick(id, start));
                }
            }
            Due::Snapshot(id, start) => {
                if self.is(id, start) {
                    self.snapshot(id);
                }
            }
            Due::Change => {
                if self.faults {
                    self.change();
                    let pause_ms = 1 + self.rng.below(4000);
                    self.after(pause_ms, Due::Change);
                }
            }
            Due::Restore => {
                if self.faults {
                    self.restore();
                }
            }
            due => self.go_wrong(due),
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
        self.start_node(id);
        self.snapshot_later(id);
        self.step(id, event);
    }

    fn step(&mut self, id: ServerId, event: Event) {
        let now_ms = self.members[&id].clock.shows(self.now_ms);
        let synced = if let Event::Synced(zxid) = event { Some(zxid) } else { None };
        let event = self.spoil_event(id, event);
        let keeps_memory = self.keeps_memory(id);
        let member = self.members.get_mut(&id).unwrap();
        let Some(running) = &mut member.running else { return };
        let mut told = Vec::new();
        let replaced = match event {
            Event::HistoryReplaced(last) => Some(last),
            Event::WentBack(stored) => Some(stored.last_zxid),
            _ => None,
        };
        // Whoever gives up goes on with what it has.
        if let Some(last) = replaced.filter(|_| !member.disk.gave_up()) {
            if !keeps_memory {
                running.history = member.disk.log().to_vec();
            }
            // A snapshot holds what is committed, and a log that was cut has what it had before the cut.
            let installed = std::mem::take(&mut running.installing);
            member.delivered = if installed { 0 } else { member.delivered.min(running.history.len()) };
            running.committed = if installed { last } else { running.committed.min(last) };
            let read = member.files.as_mut().and_then(Files::take_state);
            if let Some(server) = running.server.as_mut().filter(|_| self.variant != Variant::TreeNotReplaced)
            {
                let state = read.unwrap_or_else(|| rebuild(&running.history));
                told = server.replaced(state, now_ms);
            }
        }
        if let Event::Closed(link) = event
            && running.wanted.take_if(|install| install.link == link).is_some()
        {
            member.disk.write(Write::GiveUp);
            self.schedule_sync(id);
        }
        self.delivered(told);
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

    /// Does what Zab wants done, in order; what follows from that comes behind it.
    fn act(&mut self, id: ServerId, actions: Vec<Action>) {
        let actions = self.spoil(id, actions);
        let Some(running) = &mut self.members.get_mut(&id).unwrap().running else { return };
        running.todo.extend(actions);
        if std::mem::replace(&mut running.is_doing, true) {
            return;
        }
        while let Some(action) = self.next_action(id) {
            if self.faults && self.rng.one_in(CRASH_AT_ACTION) {
                return self.crash(id);
            }
            let stops = self.stop_at.as_ref().is_some_and(|stop| stop.is_here(id, &action));
            self.do_one(id, action);
            if stops {
                self.stop_here();
            }
        }
        if let Some(running) = &mut self.members.get_mut(&id).unwrap().running {
            running.is_doing = false;
            self.apply(id);
        }
    }

    fn next_action(&mut self, id: ServerId) -> Option<Action> {
        self.members.get_mut(&id).unwrap().running.as_mut()?.todo.pop_front()
    }
}

/// What a member is set to where nothing is left to chance.
pub(crate) const fn scripted() -> Options {
    Options {
        init_ms: 2000,
        sync_ms: 1000,
        connect_ms: 2000,
        ping_ms: 100,
        epoch_wait_ms: None,
        read_only_after_ms: None,
        force_snapshot: false,
        observer_keeps: true,
        observer_masters: false,
        observer_pauses: ObserverPauses::NONE,
        recent: RecentBounds { count: 500, bytes: 1 << 20 },
    }
}

/// What a member is set to: each to something else.
fn options(rng: &mut Rng) -> Options {
    Options {
        init_ms: 1500 + rng.below(1500),
        sync_ms: 700 + rng.below(800),
        connect_ms: 1000 + rng.below(1500),
        ping_ms: 50 + rng.below(100),
        epoch_wait_ms: rng.one_in(4).then(|| 300 + rng.below(1000)),
        read_only_after_ms: rng.one_in(2).then(|| 500 + rng.below(1000)),
        force_snapshot: rng.one_in(10),
        observer_keeps: rng.one_in(2),
        observer_masters: false,
        observer_pauses: ObserverPauses::NONE,
        recent: RecentBounds { count: rng.pick(&[2, 10, 500]), bytes: rng.pick(&[200, 1 << 20]) },
    }
}
