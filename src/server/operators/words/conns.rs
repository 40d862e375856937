//! `cons` and `crst` (`ServerCnxn.dumpConnectionInfo`).

use crate::server::{
    io::ConnStats,
    operators::{
        ask::{Ask, NoAnswer},
        connections::{self, ConnInfo, Peer},
        lop,
    },
};
use oxkeeper_codec::SessionId;
use std::fmt::Write;

impl ConnInfo {
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
        let [min, average, max] = self.latencies_ms();
        _ = write!(
            out,
            ",lzxid=0x{:x},lresp={},llat={},minlat={min},avglat={average},maxlat={max}",
            stats.last_zxid.0, stats.last_response_ms, stats.last_latency_ms
        );
    }
}

/// The lines of `cons` or, briefly, of `stat`.
pub(super) fn lines(ask: &Ask<'_>, brief: bool) -> Result<String, NoAnswer> {
    let offset_ms = ask.front().hub.clock.wall_offset_ms();
    let mut text = String::new();
    for conn in connections::all(ask)? {
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
    connections::reset(ask)?;
    Ok("Connection stats reset.\n".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxkeeper_codec::{OpCode, Zxid};

    fn info(peer: &str, session: Option<i64>) -> ConnInfo {
        ConnInfo {
            peer: peer.parse().expect("an address"),
            interest: 1,
            queued: 0,
            session: session.map(SessionId),
            is_secure: false,
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
