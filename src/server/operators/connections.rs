//! All connections with their figures (`ServerCnxn.getConnectionInfo`), and their beginning anew.

use super::ask::{Ask, NoAnswer, Slice};
use crate::server::{
    io::{Conn, ConnStats, Phase, State},
    sequence::Shard,
};
use oxkeeper_codec::SessionId;
use std::net::SocketAddr;

/// Connections that one step looks at.
const CONNS_A_STEP: usize = 4096;
/// Bits of the mask of what a connection is looked at for.
const READ: u8 = 1;
const WRITE: u8 = 4;

/// A connection.
#[derive(Debug, Clone)]
pub(super) struct ConnInfo {
    /// The client's address.
    pub(super) peer: SocketAddr,
    /// What it is looked at for: 1 to read, 4 to write.
    pub(super) interest: u8,
    /// Requests in work.
    pub(super) queued: usize,
    pub(super) session: Option<SessionId>,
    /// Whether it speaks TLS.
    pub(super) is_secure: bool,
    pub(super) timeout_ms: i32,
    /// When it was last heard of, in ms of the elapsed clock.
    pub(super) heard_ms: i64,
    pub(super) stats: ConnStats,
}

impl ConnInfo {
    fn of(conn: &Conn) -> Self {
        let reads = matches!(conn.phase, Phase::Fresh | Phase::Open(_)) && !conn.held_back;
        let read = if reads { READ } else { 0 };
        let write = if conn.unsent() > 0 { WRITE } else { 0 };
        Self {
            peer: conn.peer,
            interest: read | write,
            queued: conn.waiting.counting(),
            session: conn.session,
            is_secure: conn.is_secure(),
            timeout_ms: conn.timeout_ms,
            heard_ms: conn.heard_ms,
            stats: conn.stats.clone(),
        }
    }

    /// Ms that its requests took: the shortest, the mean, the longest.
    pub(super) fn latencies_ms(&self) -> [i64; 3] {
        let stats = &self.stats;
        let min = if stats.latencies == 0 { 0 } else { stats.min_latency_ms };
        [min, stats.total_latency_ms.checked_div(stats.latencies).unwrap_or(0), stats.max_latency_ms]
    }
}

/// An address as Java shows it: a slash, and IPv6 with all its groups in brackets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            SocketAddr::V4(address) => write!(f, "/{address}"),
            SocketAddr::V6(address) => {
                let groups = address.ip().segments().map(|group| format!("{group:x}"));
                write!(f, "/[{}]:{}", groups.join(":"), address.port())
            }
        }
    }
}

/// All connections, a few at a time.
pub(super) fn all(ask: &Ask<'_>) -> Result<Vec<ConnInfo>, NoAnswer> {
    fn step(state: &mut State, _: &mut Shard, from: usize) -> Slice<ConnInfo, usize> {
        let mut conns = state.conns.starting_at(from);
        let items = conns.by_ref().take(CONNS_A_STEP).map(|(_, conn)| ConnInfo::of(conn)).collect();
        let next = conns.next().map(|(place, _)| place);
        Slice { items, next }
    }
    let mut all = Vec::new();
    for worker in 0..ask.front().hub.workers.len() {
        all.extend(ask.worker_in_slices(worker, step)?);
    }
    Ok(all)
}

/// Has every connection's figures begin anew.
pub(super) fn reset(ask: &Ask<'_>) -> Result<(), NoAnswer> {
    ask.workers(|_, state, _| state.conns.iter_mut().for_each(|conn| conn.stats.reset())).map(drop)
}
