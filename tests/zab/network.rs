//! The network: messages in flight, connections that break, partitions by direction.

use crate::{disk::Entry, rng::Rng};
use oxkeeper::zab::Link;
use oxkeeper_codec::{
    ServerId,
    election::Notification,
    learner::{ToLeader, ToLearner},
};
use std::collections::{BTreeMap, BTreeSet};

/// What a leader sends: packets, and the snapshot behind SNAP.
#[derive(Debug, Clone)]
pub(crate) enum Down {
    Packet(ToLearner),
    /// The whole history.
    Snapshot(Vec<Entry>),
}

/// What arrives somewhere.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    /// Over which of the connections that the two have had.
    Notification(ServerId, Notification, u32),
    Down(Link, Down),
    Up(Link, ToLeader),
    Closed(Link),
}

/// A connection between a learner and its leader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) learner: ServerId,
    pub(crate) leader: ServerId,
    /// When the last packet of each direction arrives: they stay in order.
    pub(crate) down_ms: i64,
    pub(crate) up_ms: i64,
    /// Whether the learner has acknowledged NEWLEADER.
    pub(crate) vouched: bool,
    /// Another connection, which only the leader knows of.
    twin: Option<Link>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// From whom to whom nothing comes through.
    cut: BTreeSet<(ServerId, ServerId)>,
    /// From whom to whom everything waits, and nobody is told.
    stalled: BTreeSet<(ServerId, ServerId)>,
    /// How many connections over which they vote two members have had.
    connections: BTreeMap<(ServerId, ServerId), u32>,
    pub(crate) links: BTreeMap<Link, Ends>,
    next_link: u64,
    pub(crate) slow: bool,
}

impl Network {
    pub(crate) fn passes(&self, from: ServerId, to: ServerId) -> bool {
        !self.cut.contains(&(from, to))
    }

    /// A connection needs both directions.
    pub(crate) fn connects(&self, a: ServerId, b: ServerId) -> bool {
        self.passes(a, b) && self.passes(b, a)
    }

    pub(crate) fn cut(&mut self, from: ServerId, to: ServerId) {
        self.cut.insert((from, to));
    }

    /// What goes from one to the other waits; nobody is told.
    pub(crate) fn stall(&mut self, from: ServerId, to: ServerId) {
        self.stalled.insert((from, to));
    }

    pub(crate) fn is_stalled(&self, from: ServerId, to: ServerId) -> bool {
        self.stalled.contains(&(from, to))
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        self.stalled.clear();
    }

    /// The connection over which these two vote.
    pub(crate) fn connection(&self, a: ServerId, b: ServerId) -> u32 {
        self.connections.get(&(a.min(b), a.max(b))).copied().unwrap_or(0)
    }

    /// What is on its way there is lost.
    pub(crate) fn lose_votes(&mut self, a: ServerId, b: ServerId) {
        *self.connections.entry((a.min(b), a.max(b))).or_insert(0) += 1;
    }

    pub(crate) fn twin(&self, link: Link) -> Option<Link> {
        self.links.get(&link)?.twin
    }

    pub(crate) fn be_twins(&mut self, link: Link, twin: Link) {
        self.links.get_mut(&link).unwrap().twin = Some(twin);
    }

    pub(crate) fn connect(&mut self, learner: ServerId, leader: ServerId, now_ms: i64) -> Link {
        self.next_link += 1;
        let link = Link(self.next_link);
        self.links.insert(
            link,
            Ends { learner, leader, down_ms: now_ms, up_ms: now_ms, vouched: false, twin: None },
        );
        link
    }

    pub(crate) fn delay_ms(&self, rng: &mut Rng) -> i64 {
        if self.slow && rng.one_in(4) { 1 + rng.below(900) } else { 1 + rng.below(5) }
    }
}
