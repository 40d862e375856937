//! One run: nodes, clients, and what goes wrong between them; then everything heals and has to come to its end.

use super::{
    check::Check,
    client::SimClient,
    core::{Core, Event},
    network::Way,
    node::SimNode,
    variant::Variant,
};

/// Nodes; a standalone server is an ensemble of one.
const NODES: usize = 1;
/// How long things go wrong, in ms.
const STORM_MS: i64 = 2_500;
/// How long things may take to come to their end, in ms.
const CALM_MS: i64 = 40_000;

/// Everything.
struct World {
    core: Core,
    nodes: Vec<SimNode>,
    clients: Vec<SimClient>,
    is_calm: bool,
}

/// Runs a seed to its end; what is wrong panics.
pub(crate) fn run(seed: u64, variant: Variant) -> Check {
    let mut world = World::new(seed, variant);
    world.storm();
    world.calm();
    world.core.check.all_gone();
    world.core.check
}

impl World {
    fn new(seed: u64, variant: Variant) -> Self {
        let mut core = Core::new(seed);
        let nodes: Vec<_> = (0..NODES).map(|id| SimNode::new(id, variant, &mut core)).collect();
        let clients = 2 + usize::try_from(core.rng.below(4)).unwrap();
        let clients: Vec<_> = (0..clients).map(|id| SimClient::new(id, NODES, &mut core)).collect();
        for id in 0..NODES {
            core.after(0, Event::Start(id));
        }
        for id in 0..clients.len() {
            core.soon(Event::Client(id));
        }
        Self { core, nodes, clients, is_calm: false }
    }

    fn storm(&mut self) {
        for node in 0..NODES {
            self.plan(Event::PowerFails(node), 1200);
            self.plan(Event::DiskFails(node), 3000);
            self.plan(Event::ClockJumps(node), 3000);
        }
        self.plan(Event::Cut, 2000);
        while self.core.now_ms < STORM_MS {
            self.step();
        }
    }

    /// It happens again and again, about so often.
    fn plan(&mut self, event: Event, every_ms: i64) {
        let delay_ms = self.core.rng.below(2 * every_ms);
        self.core.after(delay_ms, event);
    }

    /// Faults stop; everybody finishes; sessions that nobody uses end.
    fn calm(&mut self) {
        self.is_calm = true;
        for node in &self.nodes {
            node.calm();
        }
        self.clients.iter_mut().for_each(SimClient::finish);
        let until_ms = self.core.now_ms + CALM_MS;
        while self.core.now_ms < until_ms && !self.clients.iter().all(SimClient::is_gone) {
            self.step();
        }
        for client in &self.clients {
            assert!(client.is_gone(), "stuck: {client:?}");
        }
        let last_ms = self.core.now_ms + 8_000;
        while self.core.now_ms < last_ms {
            self.step();
        }
        for node in &self.nodes {
            assert!(node.is_running() && node.backlog() == 0, "stuck: {node:?}");
        }
    }

    fn step(&mut self) {
        let Some(event) = self.core.next() else { panic!("nothing happens any more") };
        let core = &mut self.core;
        match event {
            Event::Arrive(conn, way) => {
                let Some((client, node)) = core.net.link(conn).map(|link| (link.client, link.node)) else {
                    return;
                };
                let Some(packet) = core.net.arrive(conn, way) else { return };
                match way {
                    Way::ToClient => self.clients[client].arrives(core, conn, packet),
                    Way::ToNode if self.nodes[node].is_running() => {
                        self.nodes[node].arrives(core, conn, packet);
                    }
                    Way::ToNode => core.cut(conn),
                }
            }
            Event::NodeLost(node, conn) => self.nodes[node].lost(core, conn),
            Event::ClientLost(client, conn) => self.clients[client].lost(conn),
            Event::Client(client) => self.clients[client].go_on(core),
            Event::Node(node, starts, part) => self.nodes[node].go_on(core, starts, part),
            Event::Start(node) => self.nodes[node].start(core),
            Event::DiskHeals(node) => self.nodes[node].disk_heals(),
            Event::PowerFails(_) | Event::DiskFails(_) | Event::ClockJumps(_) | Event::Cut => {
                self.trouble(event);
            }
        }
    }

    fn trouble(&mut self, event: Event) {
        if self.is_calm {
            return;
        }
        let core = &mut self.core;
        match event {
            Event::PowerFails(node) => {
                if self.nodes[node].is_running() {
                    self.nodes[node].power_fails(core);
                }
                self.plan(event, 1200);
            }
            Event::DiskFails(node) => {
                self.nodes[node].disk_fails(core);
                let lasts_ms = core.rng.below(1000);
                core.after(lasts_ms, Event::DiskHeals(node));
                self.plan(event, 3000);
            }
            Event::ClockJumps(node) => {
                let by_ms = core.rng.below(5000);
                self.nodes[node].clock_jumps(by_ms);
                self.plan(event, 3000);
            }
            _ => {
                let conns = core.net.conns();
                if !conns.is_empty() {
                    let conn = core.rng.pick(&conns);
                    core.cut(conn);
                }
                self.plan(event, 2000);
            }
        }
    }
}
