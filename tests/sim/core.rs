//! What the parts of the simulation share: the time, the events to come, chance, the network and the oracles.

use super::{
    check::Check,
    network::{Network, Packet, Way},
    rng::Rng,
};
use oxkeeper::session::ConnId;
use std::collections::BTreeMap;

/// Which part of a node goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The sequencer, because something came.
    Sequencer,
    /// The sequencer, because of the time.
    Tick,
    /// An I/O worker.
    Worker(usize),
    /// The log writer.
    Log,
    /// The snapshot writer.
    Snapshots,
    /// Purging.
    Purge,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A packet arrives.
    Arrive(ConnId, Way),
    /// A node finds that a connection is gone.
    NodeLost(usize, ConnId),
    /// A client finds that its connection is gone.
    ClientLost(usize, ConnId),
    /// A client goes on.
    Client(usize),
    /// A part of a node goes on, if it is still the same start of it.
    Node(usize, u32, Part),
    /// The power of a node fails.
    PowerFails(usize),
    /// A node starts.
    Start(usize),
    /// A disk begins to fail.
    DiskFails(usize),
    /// It is well again.
    DiskHeals(usize),
    /// A wall clock jumps.
    ClockJumps(usize),
    /// A connection is cut.
    Cut,
}

/// What they share.
#[derive(Debug)]
pub(crate) struct Core {
    /// The true time, in ms.
    pub(crate) now_ms: i64,
    /// Chance.
    pub(crate) rng: Rng,
    /// Connections.
    pub(crate) net: Network,
    /// Oracles.
    pub(crate) check: Check,
    events: BTreeMap<(i64, u64), Event>,
    scheduled: u64,
}

impl Core {
    /// The beginning.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now_ms: 0,
            rng: Rng::new(seed),
            net: Network::default(),
            check: Check::new(),
            events: BTreeMap::new(),
            scheduled: 0,
        }
    }

    /// Something is to happen in `delay_ms`.
    pub(crate) fn after(&mut self, delay_ms: i64, event: Event) {
        self.scheduled += 1;
        self.events.insert((self.now_ms + delay_ms, self.scheduled), event);
    }

    /// Something is to happen soon.
    pub(crate) fn soon(&mut self, event: Event) {
        let delay_ms = if self.rng.one_in(10) { self.rng.below(40) } else { self.rng.below(3) };
        self.after(delay_ms, event);
    }

    /// Moves the time to the next event.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let ((at_ms, _), event) = self.events.pop_first()?;
        assert!(at_ms >= self.now_ms, "time goes on");
        self.now_ms = at_ms;
        Some(event)
    }

    /// Sends a packet.
    pub(crate) fn send(&mut self, conn: ConnId, way: Way, packet: Packet) {
        if let Some(at_ms) = self.net.send(conn, way, packet, self.now_ms, &mut self.rng) {
            self.after(at_ms - self.now_ms, Event::Arrive(conn, way));
        }
    }

    /// Cuts a connection; both ends find out in time.
    pub(crate) fn cut(&mut self, conn: ConnId) {
        if let Some(link) = self.net.cut(conn) {
            self.soon(Event::NodeLost(link.node, conn));
            self.soon(Event::ClientLost(link.client, conn));
        }
    }
}
