//! A small ensemble at one moment, and what each step makes of it.

mod actions;

use super::Bounds;
use crate::{
    disk::{Disk, Entry, Write},
    variant::Variant,
    world::scripted,
};
use bytes::Bytes;
use oxkeeper::{
    membership::Membership,
    zab::{Ensemble, Event, Install, Link, Zab},
};
use oxkeeper_codec::{
    ServerId, Zxid,
    election::Notification,
    learner::{ToLeader, ToLearner},
};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt::{self, Write as _},
    hash::{Hash, Hasher},
};

const VOTERS: i64 = 3;
/// Where nothing is under way, time alone brings everybody together within this, in ms.
const TOGETHER_WITHIN_MS: i64 = 60_000;

/// What a member says to another one over the election port, or what it hears of its connection.
#[derive(Debug, Clone)]
enum Vote {
    Says(Notification),
    Comes,
    Goes,
}

/// What goes over a link.
#[derive(Debug, Clone)]
enum Packet {
    Up(ToLeader),
    Down(ToLearner),
    Snapshot(Vec<Entry>),
    Closed,
}

/// A link, from both ends: what is on its way, and whether the end is open.
#[derive(Debug, Clone)]
struct Ends {
    learner: ServerId,
    leader: ServerId,
    up: VecDeque<Packet>,
    down: VecDeque<Packet>,
    learner_open: bool,
    leader_open: bool,
}

#[derive(Debug, Clone)]
struct Running {
    zab: Zab,
    history: Vec<Entry>,
    committed: Zxid,
    serves: bool,
    listens: bool,
    dials: Option<ServerId>,
    /// A snapshot that is to be put in place, once it has come.
    wanted: Option<Install>,
    /// A snapshot that has come over this link.
    received: Option<(Link, Vec<Entry>)>,
    installing: bool,
}

#[derive(Debug, Clone)]
struct Peer {
    disk: Disk,
    running: Option<Running>,
}

/// All of it.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Stands still, but where nothing is left to happen, in ms.
    now_ms: i64,
    peers: BTreeMap<ServerId, Peer>,
    links: BTreeMap<Link, Ends>,
    votes: BTreeMap<(ServerId, ServerId), VecDeque<Vote>>,
    last_link: u64,
    /// So many are still to come.
    transactions: u8,
    crashes: u8,
    /// What was delivered by anybody, in order.
    delivered: Vec<Entry>,
    leaders: BTreeMap<i64, ServerId>,
    pub(super) wrong: Option<String>,
    /// What a member hears before anything else happens.
    soon: VecDeque<(ServerId, Soon)>,
}

/// Events that follow at once.
#[derive(Debug, Clone)]
enum Soon {
    Arrived(Link),
    Dialled(Link),
    NotDialled(ServerId),
    LogSearched(Link, bool),
}

/// What can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Proposes(ServerId),
    Syncs(ServerId),
    Dials(ServerId),
    Up(Link),
    Down(Link),
    Vote(ServerId, ServerId),
    /// Whether the disk keeps what was not synced, and whether what was sent arrives.
    Crashes {
        id: ServerId,
        keeps: bool,
        sends: bool,
    },
    Starts(ServerId),
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

/// States are told apart by all that they show: `Zab` has no other way to be compared, and needs none elsewhere.
impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        struct Text<'a, H>(&'a mut H);
        impl<H: Hasher> fmt::Write for Text<'_, H> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.write(text.as_bytes());
                Ok(())
            }
        }
        write!(Text(state), "{self:?}").expect("a hasher takes everything");
    }
}

impl State {
    /// Nobody has ever run; then all start, and go on until one leads and everybody serves.
    pub(super) fn established(bounds: Bounds) -> Self {
        let lines: String = (1..=VOTERS).map(|id| format!("server.{id}=h{id}:1:2:participant\n")).collect();
        let config = Membership::parse(&lines).unwrap();
        let ids = (1..=VOTERS).map(ServerId);
        let peers = ids.clone().map(|id| (id, Peer { disk: Disk::new(config.clone()), running: None }));
        let mut state = Self {
            now_ms: 0,
            peers: peers.collect(),
            links: BTreeMap::new(),
            votes: BTreeMap::new(),
            last_link: 0,
            transactions: bounds.transactions,
            crashes: bounds.crashes,
            delivered: Vec::new(),
            leaders: BTreeMap::new(),
            wrong: None,
            soon: VecDeque::new(),
        };
        ids.for_each(|id| state.start(id));
        state.settle(Bounds { votes_in_any_order: false, ..bounds });
        while let Some(&step) = state.forced().first() {
            state.take(step, Bounds { votes_in_any_order: false, ..bounds });
        }
        assert!(state.all_serve(), "the ensemble comes together: {state:?}");
        state
    }

    fn all_serve(&self) -> bool {
        self.running().all(|running| running.serves)
    }

    fn running(&self) -> impl Iterator<Item = &Running> {
        self.peers.values().filter_map(|peer| peer.running.as_ref())
    }

    /// Whether a quorum runs, and all that is left to do is done.
    pub(super) fn is_at_rest(&self) -> bool {
        2 * self.running().count() > self.peers.len() && self.forced().is_empty()
    }

    /// Whether all who run serve in the end, when nothing goes wrong any more and time passes.
    pub(super) fn comes_together(&self, bounds: Bounds) -> bool {
        let mut state = self.clone();
        while !state.all_serve() && state.now_ms < TOGETHER_WITHIN_MS {
            if let Some(&step) = state.forced().first() {
                state.take(step, bounds);
            } else if bounds.variant == Variant::NeverGivesUp || !state.wait() {
                return false;
            }
        }
        state.all_serve() && state.wrong == self.wrong
    }

    /// Whoever waits for a time, and for the earliest, is woken then.
    fn wait(&mut self) -> bool {
        let wakes = |(&id, peer): (&ServerId, &Peer)| Some((peer.running.as_ref()?.zab.deadline_ms()?, id));
        let Some((at_ms, id)) = self.peers.iter().filter_map(wakes).min() else { return false };
        self.now_ms = self.now_ms.max(at_ms);
        self.step(id, Event::Wake);
        true
    }

    /// All that can happen next.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = self.forced();
        for (&id, peer) in &self.peers {
            let Some(running) = &peer.running else {
                steps.push(Step::Starts(id));
                continue;
            };
            if self.transactions > 0 && running.zab.next_zxid().is_some() {
                steps.push(Step::Proposes(id));
            }
            if self.crashes > 0 {
                for sends in [false, true] {
                    steps.push(Step::Crashes { id, keeps: false, sends });
                    steps.extend((!peer.disk.is_idle()).then_some(Step::Crashes { id, keeps: true, sends }));
                }
            }
        }
        steps
    }

    /// What happens without anybody's will: packets, syncs, connections.
    fn forced(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (&id, peer) in &self.peers {
            let Some(running) = &peer.running else { continue };
            if !peer.disk.is_idle() {
                steps.push(Step::Syncs(id));
            }
            if let Some(leader) = running.dials
                && self.peers[&leader].running.as_ref().is_none_or(|running| running.listens)
            {
                steps.push(Step::Dials(id));
            }
        }
        for (&link, ends) in &self.links {
            if ends.leader_open && !ends.up.is_empty() {
                steps.push(Step::Up(link));
            }
            if ends.learner_open && !ends.down.is_empty() {
                steps.push(Step::Down(link));
            }
        }
        let votes = self.votes.iter().filter(|(_, waiting)| !waiting.is_empty());
        steps.extend(votes.map(|(&(from, to), _)| Step::Vote(from, to)));
        steps
    }

    pub(super) fn take(&mut self, step: Step, bounds: Bounds) {
        match step {
            Step::Proposes(id) => self.propose(id),
            Step::Syncs(id) => {
                if let Some(event) = self.peer(id).disk.sync(bounds.variant, None) {
                    self.step(id, event);
                }
            }
            Step::Dials(id) => self.dial(id),
            Step::Up(link) => self.up(link),
            Step::Down(link) => self.down(link),
            Step::Vote(from, to) => self.vote(from, to),
            Step::Crashes { id, keeps, sends } => {
                self.crashes -= 1;
                self.crash(id, keeps, sends);
            }
            Step::Starts(id) => self.start(id),
        }
        self.settle(bounds);
    }

    /// What follows at once.
    fn settle(&mut self, bounds: Bounds) {
        loop {
            if let Some((id, soon)) = self.soon.pop_front() {
                let event = match soon {
                    Soon::Arrived(link) => Event::Arrived(link),
                    Soon::Dialled(link) => Event::Dialled(link),
                    Soon::NotDialled(leader) => Event::NotDialled(leader),
                    Soon::LogSearched(link, found) => Event::LogSearched { link, found },
                };
                self.step(id, event);
            } else if let Some((from, to)) = self.first_vote().filter(|_| !bounds.votes_in_any_order) {
                self.vote(from, to);
            } else {
                break;
            }
        }
        self.links.retain(|_, ends| ends.learner_open || ends.leader_open);
        self.votes.retain(|_, waiting| !waiting.is_empty());
    }

    fn first_vote(&self) -> Option<(ServerId, ServerId)> {
        self.votes.iter().find(|(_, waiting)| !waiting.is_empty()).map(|(&pair, _)| pair)
    }

    fn peer(&mut self, id: ServerId) -> &mut Peer {
        self.peers.get_mut(&id).unwrap()
    }

    fn others(&self, id: ServerId) -> Vec<ServerId> {
        self.peers.keys().copied().filter(|&other| other != id).collect()
    }

    fn lives(&self, id: ServerId) -> bool {
        self.peers[&id].running.is_some()
    }

    fn start(&mut self, id: ServerId) {
        let now_ms = self.now_ms;
        let peer = self.peer(id);
        let ensemble = Ensemble::from(&peer.disk.configs().0);
        peer.running = Some(Running {
            zab: Zab::new(id, scripted(), ensemble, peer.disk.stored(), now_ms),
            history: peer.disk.log().to_vec(),
            committed: Zxid::ZERO,
            serves: false,
            listens: false,
            dials: None,
            wanted: None,
            received: None,
            installing: false,
        });
        self.step(id, Event::Wake);
        for other in self.others(id) {
            if self.lives(other) {
                self.votes.entry((other, id)).or_default().push_back(Vote::Comes);
                self.votes.entry((id, other)).or_default().push_back(Vote::Comes);
            } else {
                self.votes.entry((other, id)).or_default().push_back(Vote::Goes);
            }
        }
    }

    fn crash(&mut self, id: ServerId, keeps: bool, sends: bool) {
        let peer = self.peer(id);
        peer.running = None;
        let survives = if keeps { peer.disk.unsynced() } else { 0 };
        peer.disk.crash(survives);
        for link in self.links_of(id) {
            let ends = self.links.get_mut(&link).unwrap();
            if !sends {
                if ends.learner == id { ends.up.clear() } else { ends.down.clear() }
            }
            self.hang_up(id, link);
        }
        for other in self.others(id) {
            self.votes.remove(&(other, id));
            let waiting = self.votes.entry((id, other)).or_default();
            if !sends {
                waiting.clear();
            }
            waiting.push_back(Vote::Goes);
        }
    }

    fn links_of(&self, id: ServerId) -> Vec<Link> {
        let is_open = |ends: &&Ends| {
            (ends.learner == id && ends.learner_open) || (ends.leader == id && ends.leader_open)
        };
        self.links.iter().filter(|(_, ends)| is_open(ends)).map(|(&link, _)| link).collect()
    }

    fn hang_up(&mut self, id: ServerId, link: Link) {
        let Some(ends) = self.links.get_mut(&link) else { return };
        let (open, incoming, outgoing) = if ends.learner == id {
            (&mut ends.learner_open, &mut ends.down, &mut ends.up)
        } else {
            (&mut ends.leader_open, &mut ends.up, &mut ends.down)
        };
        if std::mem::replace(open, false) {
            incoming.clear();
            outgoing.push_back(Packet::Closed);
        }
    }

    fn propose(&mut self, id: ServerId) {
        let text = format!("{}", self.transactions);
        self.transactions -= 1;
        let now_ms = self.now_ms;
        let Some(running) = &mut self.peer(id).running else { return };
        let actions = running.zab.propose(now_ms, Bytes::from(text));
        self.act(id, actions);
    }

    fn dial(&mut self, id: ServerId) {
        let Some(leader) = self.peer(id).running.as_mut().and_then(|running| running.dials.take()) else {
            return;
        };
        if self.lives(leader) {
            self.last_link += 1;
            let link = Link(self.last_link);
            let (up, down) = (VecDeque::new(), VecDeque::new());
            let ends = Ends { learner: id, leader, up, down, learner_open: true, leader_open: true };
            self.links.insert(link, ends);
            self.soon.push_back((leader, Soon::Arrived(link)));
            self.soon.push_back((id, Soon::Dialled(link)));
        } else {
            self.soon.push_back((id, Soon::NotDialled(leader)));
        }
    }

    fn vote(&mut self, from: ServerId, to: ServerId) {
        let vote = self.votes.get_mut(&(from, to)).and_then(VecDeque::pop_front);
        let event = match vote {
            Some(Vote::Says(said)) => Event::Notified(from, said),
            Some(Vote::Comes) => Event::Reachable(from),
            Some(Vote::Goes) => Event::Unreachable(from),
            None => return,
        };
        self.step(to, event);
    }

    fn up(&mut self, link: Link) {
        let ends = self.links.get_mut(&link).unwrap();
        let leader = ends.leader;
        match ends.up.pop_front() {
            Some(Packet::Up(packet)) => self.step(leader, Event::FromLearner(link, packet)),
            _ => {
                ends.leader_open = false;
                self.step(leader, Event::Closed(link));
            }
        }
    }

    fn down(&mut self, link: Link) {
        let ends = self.links.get_mut(&link).unwrap();
        let learner = ends.learner;
        match ends.down.pop_front() {
            Some(Packet::Down(packet)) => self.step(learner, Event::FromLeader(link, packet)),
            Some(Packet::Snapshot(history)) => {
                if let Some(running) = &mut self.peer(learner).running {
                    running.received = Some((link, history));
                    self.install(learner);
                }
            }
            _ => {
                ends.learner_open = false;
                self.gives_up(learner, Some(link));
                self.step(learner, Event::Closed(link));
            }
        }
    }

    /// Puts the snapshot in place that is to be, once it has come.
    fn install(&mut self, id: ServerId) {
        let Peer { disk, running } = self.peer(id);
        let Some(running) = running else { return };
        if let (Some(Install { link, zxid, told }), Some((over, history))) =
            (&running.wanted, &running.received)
            && link == over
        {
            disk.write(Write::Install(*zxid, history.clone(), told.clone()));
            (running.wanted, running.received, running.installing) = (None, None, true);
        }
    }

    /// A snapshot that was to come over this link, or any, does not come.
    fn gives_up(&mut self, id: ServerId, link: Option<Link>) {
        let Peer { disk, running } = self.peer(id);
        let Some(running) = running else { return };
        let is_it = |install: &mut Install| link.is_none_or(|link| install.link == link);
        if running.wanted.take_if(is_it).is_some() {
            disk.write(Write::GiveUp);
        }
    }
}
