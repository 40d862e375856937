//! Small requests that ask for much.

use super::dropped;
use crate::client::{Acl, OPEN};
use crate::requests::{auth_body, create_body, m_read, part, parts_end, set_acl_body, set_body};
use crate::session::{Answer, Session};
use crate::wire::{Conn, Got, Out, PATIENCE};
use std::net::SocketAddr;

/// Reads of half a megabyte each, more than two gigabytes in all.
const READS: usize = 4700;

fn refused(answer: &Answer, what: &str) -> Result<(), String> {
    let Answer { err, body, .. } = answer;
    if *err != 0 && body.is_empty() {
        Ok(())
    } else {
        Err(format!("{what}: error {err} and {} bytes", body.len()))
    }
}

/// Alone, behind writes whose reads wait for them, and one that is answered.
pub(super) fn huge_multi_reads(addr: SocketAddr) -> Result<(), String> {
    let mut session = Session::open(addr, 10_000)?;
    let reads = |count: usize| [m_read(4, "/big", 0).repeat(count), parts_end()].concat();
    for _ in 0..20 {
        refused(&session.call(22, &reads(READS))?, "gigabytes")?;
    }
    let mut bytes = Vec::new();
    for _ in 0..20 {
        bytes.extend(session.request(5, &set_body("/calm/none", Some(b""), -1)));
        bytes.extend(session.request(22, &reads(READS)));
    }
    session.conn.send(&bytes);
    for _ in 0..20 {
        session.answer(PATIENCE)?;
        refused(&session.answer(PATIENCE)?, "gigabytes behind a write")?;
    }
    let answer = session.call(22, &reads(10))?.ok()?;
    if answer.body.len() < 5_000_000 {
        return Err(format!("10 reads came to {} bytes", answer.body.len()));
    }
    session.close()
}

fn auth(session: &mut Session, user: &str) -> Result<bool, String> {
    let body = auth_body("digest", format!("{user}:secret").as_bytes());
    session.conn.send_packet(&Out::new().int(-4).int(100).raw(&body).done());
    match session.conn.recv(PATIENCE) {
        Got::Packet(_) => Ok(!ends(&mut session.conn)),
        Got::Closed { .. } => Ok(false),
        Got::Nothing => Err("an identity was not answered".to_owned()),
    }
}

fn ends(conn: &mut Conn) -> bool {
    matches!(conn.recv(std::time::Duration::from_millis(50)), Got::Closed { .. })
}

/// Identities of a megabyte each, as many as a connection takes, and ACLs that multiply them.
pub(super) fn large_identities(addr: SocketAddr) -> Result<(), String> {
    for len in [1_000_000, 100_000, 2000] {
        let mut session = Session::open(addr, 10_000)?;
        let user = "u".repeat(len);
        for n in 0..60 {
            if !auth(&mut session, &format!("{user}{n}"))? {
                break;
            }
            let entries: Vec<Acl<'_>> = (0..40).map(|perms| ((perms << 5) | 31, "auth", "")).collect();
            for (op, body) in [
                (1, create_body(format!("/multiplied{n}"), Some(b""), Some(&entries), 1)),
                (7, set_acl_body("/calm/none", Some(&entries), -1)),
            ] {
                session.call(op, &body)?;
            }
            let creates = part(1, &create_body("/multiplied-", Some(b""), Some(&[(31, "auth", "")]), 3));
            session.call(14, &[creates.repeat(1000), parts_end()].concat())?;
        }
    }
    Ok(())
}

/// One session with more ephemerals than a transaction should list, all of them on their way when it ends.
pub(super) fn pending_ephemerals(addr: SocketAddr) -> Result<(), String> {
    let mut calm = Session::open(addr, 10_000)?;
    calm.create("/pending", b"", 0)?;
    let mut session = Session::open(addr, 10_000)?;
    let mut bytes = Vec::new();
    for k in 0..6 {
        let create = |n: usize| part(1, &create_body(format!("/pending/{k}-{n:08}"), None, Some(OPEN), 1));
        let parts: Vec<u8> = (0..14_000).flat_map(create).collect();
        bytes.extend(session.request(14, &[parts, parts_end()].concat()));
    }
    bytes.extend(session.request(-11, &[]));
    session.conn.send(&bytes);
    for _ in 0..6 {
        session.answer(PATIENCE)?.ok()?;
    }
    dropped(&mut session.conn, "a session that was closed")?;
    let left = calm.children("/pending")?.len();
    if left == 0 { calm.close() } else { Err(format!("{left} ephemerals are left")) }
}

/// Many sessions that end at the same time, with what they have.
pub(super) fn ends_together(addr: SocketAddr) -> Result<(), String> {
    let mut calm = Session::open(addr, 40_000)?;
    calm.create("/together", b"", 0)?;
    let mut sessions = Vec::new();
    for k in 0..1200 {
        let mut session = Session::open(addr, 8000)?;
        let create = |n: usize| part(1, &create_body(format!("/together/{k}-{n}"), None, Some(OPEN), 1));
        let parts: Vec<u8> = (0..60).flat_map(create).collect();
        session.call(14, &[parts, parts_end()].concat())?.ok()?;
        sessions.push(session);
    }
    // All heard of at about the same time.
    let ping = Out::new().int(-2).int(11).done();
    sessions.iter_mut().for_each(|session| session.conn.send_packet(&ping));
    drop(sessions);
    for _ in 0..200 {
        if calm.children("/together")?.is_empty() {
            return calm.close();
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Err("ephemerals are left after 20 s".to_owned())
}
