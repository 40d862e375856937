//! `cons` and `crst`, and what other words say of connections (`ServerCnxn.dumpConnectionInfo`).

use crate::server::{
    io::{Conn, ConnStats, Phase, State},
    operators::{
        ask::{Ask, NoAnswer, Slice},
        lop,
    },
    sequence::Shard,
};
use oxkeeper_codec::SessionId;
use std::{fmt::Write, net::SocketAddr};

/// Connections that one step looks at.
const CONNS_A_STEP: usize = 4096;
/// Bits of the mask of what a connection is looked at for.
const READ: u8 = 1;
const WRITE: u8 = 4;

/// A connection, as words show it.
#[derive(Debug, Clone)]
pub(super) struct ConnInfo {
    pub(super) peer: SocketAddr,
    pub(super) interest: u8,
    pub(super) queued: usize,
    pub(super) session: Option<SessionId>,
    pub(super) timeout_ms: i32,
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
            timeout_ms: conn.timeout_ms,
            heard_ms: conn.heard_ms,
            stats: conn.stats.clone(),
        }
    }

    /// One line without its end. `wall_offset_ms`: what to add to the elapsed clock for the time since 1970.
    pub(super) fn line(&self, brief: bool, wall_offset_ms: i64, out: &mut String) {
        let Self { interest, queued, stats, .. } = self;
        let ConnStats { received, sent, .. } = stats;
        let peer = Peer(self.peer);
        _ = write!(out, " {peer}[{interest:x}](queued={queued},recved={received},sent={sent}");
        if let Some(session) = self.session.filter(|_| !brief) {
            self.session_fields(session, wall_offset_ms, out);
        }
        out.push(')');
    }

    fn session_fields(&self, session: SessionId, wall_offset_ms: i64, out: &mut String) {
        let stats = &self.stats;
        let established = stats.established_ms + wall_offset_ms;
        let (op, timeout) = (lop::name(stats.last_op), self.timeout_ms);
        _ = write!(out, ",sid=0x{:x},lop={op},est={established},to={timeout}", session.0);
        if stats.last_xid >= 0 {
            _ = write!(out, ",lcxid=0x{:x}", stats.last_xid);
        }
        let min = if stats.latencies == 0 { 0 } else { stats.min_latency_ms };
        let average = stats.total_latency_ms.checked_div(stats.latencies).unwrap_or(0);
        _ = write!(
            out,
            ",lzxid=0x{:x},lresp={},llat={},minlat={min},avglat={average},maxlat={}",
            stats.last_zxid.0, stats.last_response_ms, stats.last_latency_ms, stats.max_latency_ms
        );
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

/// The lines of `cons` or, briefly, of `stat`.
pub(super) fn lines(ask: &Ask<'_>, brief: bool) -> Result<String, NoAnswer> {
    let offset_ms = ask.front().hub.clock.wall_offset_ms();
    let mut text = String::new();
    for conn in all(ask)? {
        conn.line(brief, offset_ms, &mut text);
        text.push('\n');
    }
    text.push('\n');
    Ok(text)
}

/// The connections in full.
pub(super) fn cons(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    lines(ask, false)
}

/// Has every connection's figures begin anew.
pub(super) fn crst(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    ask.workers(|_, state, _| state.conns.iter_mut().for_each(|conn| conn.stats.reset()))?;
    Ok("Connection stats reset.\n".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxkeeper_codec::{OpCode, Zxid};

    fn info(peer: &str, session: Option<i64>) -> ConnInfo {
        ConnInfo {
            peer: peer.parse().expect("an address"),
            interest: READ,
            queued: 0,
            session: session.map(SessionId),
            timeout_ms: 10_000,
            heard_ms: 0,
            stats: ConnStats::new(5),
        }
    }

    fn line(info: &ConnInfo, brief: bool) -> String {
        let mut text = String::new();
        info.line(brief, 1000, &mut text);
        text
    }

    #[test]
    fn a_connection_without_a_session_is_short() {
        let conn = info("127.0.0.1:4711", None);
        assert_eq!(line(&conn, false), " /127.0.0.1:4711[1](queued=0,recved=0,sent=0)");
        let conn = info("[::1]:4711", None);
        assert_eq!(line(&conn, false), " /[0:0:0:0:0:0:0:1]:4711[1](queued=0,recved=0,sent=0)");
    }

    #[test]
    fn a_session_shows_its_last_request() {
        let mut conn = info("127.0.0.1:4711", Some(0x1_0000_0ed7_de00));
        assert_eq!(line(&conn, true), " /127.0.0.1:4711[1](queued=0,recved=0,sent=0)");
        assert!(
            line(&conn, false).contains(",lop=NA,est=1005,to=10000,lzxid=0xffffffffffffffff,lresp=0,llat=0,")
        );
        conn.stats.replied(OpCode::SET_DATA, 0x91, Zxid(0x90), 973_386, 1);
        conn.stats.replied(OpCode::PING, -2, Zxid(0x90), 973_387, 4);
        assert_eq!(
            line(&conn, false),
            " /127.0.0.1:4711[1](queued=0,recved=0,sent=0,sid=0x100000ed7de00,lop=PING,est=1005,to=10000,\
             lcxid=0x91,lzxid=0x90,lresp=973387,llat=4,minlat=1,avglat=2,maxlat=4)"
        );
    }
}
