//! Small requests that cost much to answer: by themselves, one behind the other, and behind a write.

use super::Stage;
use crate::client::OPEN;
use crate::requests::{create_body, m_read, part, parts_end, read_body, set_body, watches_body};
use crate::session::Session;
use crate::wire::PATIENCE;
use std::sync::atomic::{AtomicU32, Ordering};

/// Znodes of one wide parent. Far more than are looked at in one step.
const WIDE: usize = 60_000;
/// Ephemerals of a session that are few enough to be looked at in a moment, if it is once.
const SOME: usize = 16_000;
/// Children that one multi creates.
const A_MULTI: usize = 4000;

const GET_EPHEMERALS: i32 = 103;
const GET_ALL_CHILDREN_NUMBER: i32 = 104;
const SET_WATCHES: i32 = 101;

/// Creates a parent with so many children.
fn widen(session: &mut Session, path: &str, count: usize, flags: i32) -> Result<(), String> {
    session.create(path, b"", 0)?;
    for from in (0..count).step_by(A_MULTI) {
        let create = |n: usize| part(1, &create_body(format!("{path}/{n:08}"), None, Some(OPEN), flags));
        let parts: Vec<u8> = (from..from + A_MULTI).flat_map(create).collect();
        session.call(14, &[parts, parts_end()].concat())?.ok()?;
    }
    Ok(())
}

/// Deletes what `widen` has created.
fn narrow(session: &mut Session, path: &str) -> Result<(), String> {
    for from in (0..WIDE).step_by(A_MULTI) {
        let delete = |n: usize| part(2, &crate::requests::delete_body(format!("{path}/{n:08}"), -1));
        let parts: Vec<u8> = (from..from + A_MULTI).flat_map(delete).collect();
        session.call(14, &[parts, parts_end()].concat())?.ok()?;
    }
    session.call(2, &crate::requests::delete_body(path, -1))?.ok().map(drop)
}

/// Asks the same thing again and again, alone and behind writes, and takes all answers.
fn again(session: &mut Session, op: i32, body: &[u8], times: usize) -> Result<(), String> {
    let mut bytes = Vec::new();
    for n in 0..times {
        if n % 4 == 3 {
            bytes.extend(session.request(5, &set_body("/calm/none", Some(b""), -1)));
        }
        bytes.extend(session.request(op, body));
    }
    session.conn.send(&bytes);
    for n in 0..times {
        if n % 4 == 3 {
            session.answer(PATIENCE)?;
        }
        session.answer(PATIENCE).map_err(|e| format!("answer {n} to {op}: {e}"))?.ok()?;
    }
    Ok(())
}

/// Counting a subtree, 3,000 times in some 60 KiB of requests.
pub(super) fn counts(stage: &Stage) -> Result<(), String> {
    let mut session = Session::open(stage.addr, 30_000)?;
    widen(&mut session, "/counted", WIDE, 0)?;
    let path = crate::wire::Out::new().str("/counted").done();
    stage.counted(|| again(&mut session, GET_ALL_CHILDREN_NUMBER, &path, 3000))?;
    narrow(&mut session, "/counted")?;
    session.close()
}

/// Long lists of children, of one's own ephemerals, and several of them in one multi-read.
pub(super) fn lists(stage: &Stage) -> Result<(), String> {
    let path = &another("listed");
    let mut session = Session::open(stage.addr, 30_000)?;
    widen(&mut session, path, WIDE, 1)?;
    let reads = [m_read(8, path, 0).repeat(20), parts_end()].concat();
    stage.counted(|| {
        again(&mut session, 8, &read_body(path, 1), 40)?;
        again(&mut session, 12, &read_body(path, 0), 40)?;
        again(&mut session, GET_EPHEMERALS, &crate::wire::Out::new().str("/").done(), 40)?;
        again(&mut session, 22, &reads, 8)
    })?;
    // It takes them all along.
    session.close()
}

/// One's own ephemerals by a prefix that none has: all of them are looked at, for a reply of 24 bytes.
pub(super) fn in_vain(stage: &Stage) -> Result<(), String> {
    let mut session = Session::open(stage.addr, 30_000)?;
    widen(&mut session, &another("unlisted"), SOME, 1)?;
    let prefix = crate::wire::Out::new().str("/none").done();
    // No write among them: it would be answered in between.
    let requests: Vec<u8> = (0..300).flat_map(|_| session.request(GET_EPHEMERALS, &prefix)).collect();
    stage.counted(|| {
        session.conn.send(&requests);
        (0..300).try_for_each(|_| session.answer(PATIENCE)?.ok().map(drop))
    })?;
    session.close()
}

/// A parent that is not there yet. It stays when its children go with their session, so another try takes another.
fn another(name: &str) -> String {
    static TRIES: AtomicU32 = AtomicU32::new(0);
    format!("/{name}{}", TRIES.fetch_add(1, Ordering::Relaxed))
}

/// Watches brought back by the ten thousand, of which half are told something at once.
pub(super) fn watches(stage: &Stage) -> Result<(), String> {
    let mut session = Session::open(stage.addr, 30_000)?;
    let gone: Vec<String> = (0..20_000).map(|n| format!("/none/{n}")).collect();
    let there = vec!["/calm".to_owned(); 20_000];
    let body = watches_body(i64::MAX, &[&there[..], &gone[..10_000], &gone[10_000..]]);
    stage.counted(|| {
        for _ in 0..10 {
            let request = session.request(SET_WATCHES, &body);
            session.conn.send(&request);
            // Events of those that are gone come before the reply.
            session.answer(PATIENCE)?.ok()?;
        }
        Ok(())
    })?;
    session.close()
}
