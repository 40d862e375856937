//! `dump`: sessions by the time at which they expire, their ephemerals, and the connections
//! (`ExpiryQueue.dump`, `DataTree.dumpEphemerals`).

use crate::server::{
    operators::{
        ask::{Ask, NoAnswer},
        connections::{self, ConnInfo, Peer},
        sessions::{Life, ephemerals, listed},
    },
    sequence::READ_ONLY,
};
use jiff::{Timestamp, tz::TimeZone};
use oxkeeper_codec::SessionId;
use std::{collections::BTreeMap, fmt::Write};

/// What expires, by the time (ms of the elapsed clock) at which it does.
type Buckets = BTreeMap<i64, Vec<String>>;
/// The whole answer.
pub(super) fn dump(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    let clock = ask.front().hub.clock;
    let dates =
        Dates { zone: TimeZone::try_system().unwrap_or(TimeZone::UTC), offset_ms: clock.wall_offset_ms() };
    let mut text = String::from("SessionTracker dump:\n");
    sessions(ask, &dates, &mut text)?;
    let ephemerals = ephemerals(ask)?;
    _ = writeln!(text, "ephemeral nodes dump:\nSessions with Ephemerals ({}):", ephemerals.len());
    for (session, paths) in ephemerals {
        _ = writeln!(text, "0x{:x}:", session.0);
        for path in paths {
            _ = writeln!(text, "\t{path}");
        }
    }
    text.push_str("Connections dump:\nConnections ");
    let width_ms = i64::from(ask.front().hub.config.client.sessionless_timeout_ms).max(1);
    let mut connections = Buckets::new();
    for conn in connections::all(ask)? {
        let session = conn.session.map_or(0, |session| session.0);
        let line = format!("ip: {} sessionId: 0x{session:x}", Peer(conn.peer));
        connections.entry(expires_ms(&conn, width_ms)).or_default().push(line);
    }
    dates.buckets(&connections, &mut text);
    Ok(text)
}

/// Sessions: those of this member by their deadlines, then those of the ensemble, of whose deadlines whoever decides alone knows.
fn sessions(ask: &Ask<'_>, dates: &Dates, text: &mut String) -> Result<(), NoAnswer> {
    let hub = &ask.front().hub;
    let mode = hub.mode();
    let has_local = hub.config.opens_local_sessions() || mode == Some(READ_ONLY);
    if has_local {
        text.push_str("Local Session ");
        dates.buckets(&buckets(listed(ask, |sessions| &sessions.local)?), text);
    }
    if hub.expires_sessions() {
        text.push_str(if has_local { "Global Session " } else { "Session " });
        dates.buckets(&buckets(listed(ask, |sessions| &sessions.global)?), text);
        return Ok(());
    }
    let global = listed(ask, |sessions| &sessions.global)?;
    _ = writeln!(text, "Global Sessions({}):", global.len());
    for (session, (timeout_ms, _)) in global {
        _ = writeln!(text, "0x{:x}\t{timeout_ms}ms", session.0);
    }
    Ok(())
}

/// Sessions by their deadlines.
fn buckets(sessions: Vec<(SessionId, Life)>) -> Buckets {
    let mut buckets = Buckets::new();
    for (id, (_, deadline_ms)) in sessions {
        if let Some(at) = deadline_ms {
            buckets.entry(at).or_default().push(format!("0x{:x}", id.0));
        }
    }
    buckets
}

/// When a connection that stays silent is closed (`NIOServerCnxnFactory.touchCnxn`).
fn expires_ms(conn: &ConnInfo, width_ms: i64) -> i64 {
    let after_ms = if conn.session.is_some() { i64::from(conn.timeout_ms) } else { width_ms };
    ((conn.heard_ms + after_ms).div_euclid(width_ms) + 1) * width_ms
}

/// Times as Java's `Date` shows them.
struct Dates {
    zone: TimeZone,
    offset_ms: i64,
}

impl Dates {
    fn show(&self, elapsed_ms: i64) -> String {
        let at = Timestamp::from_millisecond(elapsed_ms + self.offset_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        at.to_zoned(self.zone.clone()).strftime("%a %b %d %H:%M:%S %Z %Y").to_string()
    }

    fn buckets(&self, buckets: &Buckets, out: &mut String) {
        let members: usize = buckets.values().map(Vec::len).sum();
        _ = writeln!(out, "Sets ({})/({members}):", buckets.len());
        for (&at, bucket) in buckets {
            _ = writeln!(out, "{} expire at {}:", bucket.len(), self.show(at));
            for member in bucket {
                _ = writeln!(out, "\t{member}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_shown_by_date() {
        let dates = Dates { zone: TimeZone::UTC, offset_ms: 1_795_418_082_000 };
        let buckets =
            Buckets::from([(0, vec!["0x1".to_owned(), "0x2".to_owned()]), (6000, vec!["0x3".to_owned()])]);
        let mut text = String::new();
        dates.buckets(&buckets, &mut text);
        assert_eq!(
            text,
            "Sets (2)/(3):\n2 expire at Mon Nov 23 07:14:42 UTC 2026:\n\t0x1\n\t0x2\n\
             1 expire at Mon Nov 23 07:14:48 UTC 2026:\n\t0x3\n"
        );
    }
}
