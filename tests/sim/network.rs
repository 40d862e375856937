//! Connections of clients to nodes: bytes arrive in order, some time later, or not at all.
//!
//! Each direction is a pipe of its own. A connection that is cut loses what is under way; one that the server ends,
//! or whose server falls, still delivers what was sent.

use super::rng::Rng;
use oxkeeper::session::ConnId;
use std::collections::{BTreeMap, VecDeque};

/// What goes through a pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    /// A piece of the stream.
    Bytes(Vec<u8>),
    /// Nothing follows.
    End,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    packets: VecDeque<Packet>,
    last_arrival_ms: i64,
}

impl Pipe {
    /// Takes a packet in; when it arrives.
    fn push(&mut self, packet: Packet, now_ms: i64, rng: &mut Rng) -> i64 {
        let delay_ms = if rng.one_in(20) { rng.below(200) } else { rng.below(4) };
        self.last_arrival_ms = self.last_arrival_ms.max(now_ms + delay_ms);
        self.packets.push_back(packet);
        self.last_arrival_ms
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Its client.
    pub(crate) client: usize,
    /// Its node.
    pub(crate) node: usize,
    to_node: Pipe,
    to_client: Pipe,
    /// The node has ended it: what still comes from the client falls on the floor.
    is_ended: bool,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// From the client.
    ToNode,
    /// To the client.
    ToClient,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Network {
    links: BTreeMap<ConnId, Link>,
    opened: u64,
}

impl Network {
    /// A new connection to one of the workers of a node.
    pub(crate) fn open(&mut self, client: usize, node: usize, worker: u64) -> ConnId {
        self.opened += 1;
        let conn = ConnId((worker << 56) | self.opened);
        let link =
            Link { client, node, to_node: Pipe::default(), to_client: Pipe::default(), is_ended: false };
        self.links.insert(conn, link);
        conn
    }

    /// The connection, as long as it is there.
    pub(crate) fn link(&self, conn: ConnId) -> Option<&Link> {
        self.links.get(&conn)
    }

    /// Sends; returns when it arrives, or `None` if the connection is gone.
    pub(crate) fn send(
        &mut self,
        conn: ConnId,
        way: Way,
        packet: Packet,
        now_ms: i64,
        rng: &mut Rng,
    ) -> Option<i64> {
        let link = self.links.get_mut(&conn)?;
        if way == Way::ToClient && packet == Packet::End {
            link.is_ended = true;
        }
        let pipe = if way == Way::ToNode { &mut link.to_node } else { &mut link.to_client };
        Some(pipe.push(packet, now_ms, rng))
    }

    /// The packet that arrives now.
    pub(crate) fn arrive(&mut self, conn: ConnId, way: Way) -> Option<Packet> {
        let link = self.links.get_mut(&conn)?;
        if way == Way::ToNode && link.is_ended {
            return None;
        }
        let pipe = if way == Way::ToNode { &mut link.to_node } else { &mut link.to_client };
        pipe.packets.pop_front()
    }

    /// The connection is gone, with all that is under way.
    pub(crate) fn cut(&mut self, conn: ConnId) -> Option<Link> {
        self.links.remove(&conn)
    }

    /// The connections of a node, in order.
    pub(crate) fn conns_of(&self, node: usize) -> Vec<ConnId> {
        self.links.iter().filter(|(_, link)| link.node == node).map(|(&conn, _)| conn).collect()
    }

    /// All connections, in order.
    pub(crate) fn conns(&self) -> Vec<ConnId> {
        self.links.keys().copied().collect()
    }
}
