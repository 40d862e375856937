//! multi and multiRead (106 to 117).

use super::setups::{PLAIN, TYPED};
use super::{Case, Ctx, case, same};
use crate::client::{OPEN, Outcome, Reply};
use crate::requests::{
    DATA, create_body, m_check, m_create, m_delete, m_read, m_set, part, parts_end, set_acl_body, ttl_body,
};
use crate::wire::{In, Out};

pub(super) const CASES: &[Case] = &[
    case("multi-shares-zxid-and-state", &[106, 115], &PLAIN, shared),
    case("multi-that-fails", &[107, 108, 109, 113, 114], &PLAIN, failing),
    case("multi-result-types", &[110], &TYPED, result_types),
    case("multi-empty", &[111], &PLAIN, empty),
    case("multi-undecodable", &[112], &PLAIN, undecodable),
    case("multi-logical-failures", &[113], &PLAIN, logical),
    case("multi-watches", &[116, 108], &PLAIN, watches),
    case("multi-read", &[117], &PLAIN, multi_read),
];

/// The error codes of the results, 0 for those that are none.
fn codes(reply: &Reply) -> Outcome<Vec<i32>> {
    let mut body = In(&reply.body);
    let mut codes = Vec::new();
    loop {
        let mut next = || Some((body.int()?, body.take(1)?[0], body.int()?));
        let (kind, done, err) = next().ok_or_else(|| reply.what.clone())?;
        if done != 0 {
            return Ok(codes);
        }
        same("type of an error result", kind, -1)?;
        same("the code comes twice", body.int(), Some(err))?;
        codes.push(err);
    }
}

fn shared(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let parts = [
        m_create("/b106", 0),
        m_create("/b106/a", 0),
        m_set("/b106/a", 0),
        m_check("/b106/a", 1),
        m_set("/b106/a", 1),
        m_create("/b106/s-", 2),
        m_create("/b106/gone", 0),
        m_delete("/b106/gone", 0),
        m_create("/b106/gone", 1),
    ];
    let zxid = c.multi("of nine", &parts)?.ok()?.zxid;
    same("one zxid", zxid, t.base + 2)?;
    let stat = c.get("/b106", false)?.ok()?.stat()?;
    same("parent", (stat.cversion, stat.pzxid, stat.children), (5, zxid, 3))?;
    let child = c.get("/b106/a", false)?.ok()?.stat()?;
    same("child", (child.version, child.mzxid, child.mtime), (2, zxid, child.ctime))?;
    same("next number", c.create("/b106/s-", 2)?.ok()?.path()?, "/b106/s-0000000004".to_owned())
}

fn failing(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b107", 0)?.ok()?;
    let before = c.get("/b107", false)?.ok()?.stat()?;
    let parts = [m_create("/b107/a", 0), m_set("/b107", -1), m_check("/b107", 9), m_delete("/b107/a", -1)];
    let reply = c.multi("with a wrong check", &parts)?.ok()?;
    same("codes", codes(&reply)?, vec![0, 0, -103, -2])?;
    same("zxid", reply.zxid, t.base + 3)?;
    same("stat", &c.get("/b107", false)?.ok()?.stat()?, &before)?;
    let reply = c.multi("twice the same", &[m_create("/b107/a", 0), m_create("/b107/a", 0)])?.ok()?;
    same("codes", codes(&reply)?, vec![0, -110])?;
    let reply = c.multi("the first fails", &[m_delete("/b107/x", -1), m_create("/b107/a", 0)])?.ok()?;
    same("codes", codes(&reply)?, vec![-101, -2])?;
    let parts = [m_set("/b107", 0), m_set("/b107", 0)];
    same("codes", codes(&c.multi("a version used twice", &parts)?.ok()?)?, vec![0, -103])?;
    same("stat", &c.get("/b107", false)?.ok()?.stat()?, &before)?;
    c.set("/b107", b"x", 0)?.ok().map(|_| ())
}

fn result_types(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b110", 0)?.ok()?;
    let parts = [
        m_create("/b110/a", 0),
        part(15, &create_body("/b110/b-", DATA, Some(OPEN), 3)),
        part(19, &create_body("/b110/c", None, Some(OPEN), 4)),
        part(21, &ttl_body("/b110/d", 5, 500_000)),
        part(21, &ttl_body("/b110/e-", 6, 500_000)),
        m_set("/b110/a", 0),
        m_check("/b110/a", -1),
        m_delete("/b110/a", -1),
    ];
    let reply = c.multi("of every kind", &parts)?.ok()?;
    t.fact("ends with the terminator", reply.body.ends_with(&parts_end()))?;
    c.children2("/b110", false)?.ok().map(|_| ())
}

fn empty(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let reply = c.multi("of nothing", &[])?.ok()?;
    same("zxid", reply.zxid, t.base + 2)?;
    same("body", reply.body, parts_end())?;
    let reply = c.multi_read("of nothing", &[])?.ok()?;
    same("zxid", reply.zxid, t.base + 2)
}

fn undecodable(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let mut zxid = t.base + 1;
    let bad = [
        ("setACL", part(7, &set_acl_body("/", Some(OPEN), -1))),
        ("getData", m_read(4, "/", 0)),
        ("getChildren", m_read(8, "/", 0)),
        ("exists", m_read(3, "/", 0)),
        ("sync", part(9, &Out::new().str("/").done())),
        ("type 0", part(0, &[])),
        ("type 14", part(14, &[])),
        ("type 20", part(20, &Out::new().str("/b112").done())),
        ("type 99", part(99, &[])),
        ("type -1", part(-1, &[])),
        ("flags 7", m_create("/b112", 7)),
        ("flags -1", m_create("/b112", -1)),
        ("TTL flags", m_create("/b112", 5)),
        ("TTL flags in sequence", m_create("/b112", 6)),
    ];
    for (what, wrong) in bad {
        for parts in [vec![m_create("/b112", 0), wrong.clone()], vec![wrong]] {
            let reply = c.multi(&format!("with {what}, {} parts", parts.len()), &parts)?;
            // Reads alone make a list that decodes; they are refused in another place.
            if !what.starts_with("get") || parts.len() == 2 {
                zxid += 1;
                let reply = reply.err(-5)?;
                same("zxid", reply.zxid, zxid)?;
            } else {
                zxid = reply.zxid;
            }
        }
    }
    c.call("multi without an end", 14, &m_create("/b112", 0))?.err(-5)?;
    c.call("multi cut short", 14, &m_create("/b112", 0)[..12])?.err(-5)?;
    c.exists("/b112", false)?.err(-101).map(|_| ())
}

fn logical(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b113", 0)?.ok()?;
    c.create("/b113/full", 0)?.ok()?;
    c.create("/b113/e", 1)?.ok()?;
    let failures = [
        (m_create("/b113/.", 0), -8),
        (m_create("x", 0), -8),
        (m_create("/b113", 0), -110),
        (m_create("/b113/no/x", 0), -101),
        (m_create("/b113/e/x", 0), -108),
        (part(21, &ttl_body("/b113/x", 5, 10)), -6),
        (part(1, &create_body("/b113/x", DATA, Some(&[]), 0)), -114),
        (m_delete("/b113", -1), -111),
        (m_delete("/b113/full", 5), -103),
        (m_delete("/", -1), -8),
        (m_set("/b113/no", -1), -101),
        (m_set("/b113", 5), -103),
        (m_set("/b113/", -1), -8),
        (m_check("/b113/no", -1), -101),
        (m_check("/b113", 5), -103),
        (m_check("b113", -1), -8),
    ];
    for (index, (wrong, code)) in failures.into_iter().enumerate() {
        let reply =
            c.multi(&format!("failure {index}"), &[m_set("/b113", -1), wrong, m_check("/b113", -1)])?.ok()?;
        same("codes", codes(&reply)?, vec![0, code, -2])?;
    }
    same("version", c.get("/b113", false)?.ok()?.stat()?.version, 0)
}

fn watches(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let mut watcher = t.session()?;
    c.create("/b116", 0)?.ok()?;
    c.create("/b116/old", 0)?.ok()?;
    watcher.exists("/b116/new", true)?.err(-101)?;
    watcher.get("/b116/old", true)?.ok()?;
    watcher.get("/b116", true)?.ok()?;
    watcher.children("/b116", true)?.ok()?;
    c.multi("that fails", &[m_create("/b116/new", 0), m_set("/b116/old", -1), m_check("/b116", 7)])?.ok()?;
    watcher.quiet()?;
    let parts =
        [m_create("/b116/new", 0), m_set("/b116/old", -1), m_set("/b116", -1), m_delete("/b116/old", -1)];
    c.multi("of four", &parts)?.ok()?;
    watcher.event(1, "/b116/new")?;
    watcher.event(4, "/b116")?;
    watcher.event(3, "/b116/old")?;
    watcher.event(3, "/b116")?;
    watcher.quiet()?;
    watcher.add_watch("/b116", 1)?.ok()?;
    c.multi("again", &[m_set("/b116", -1), m_set("/b116", -1), m_delete("/b116/new", -1)])?.ok()?;
    watcher.event(3, "/b116")?;
    watcher.event(3, "/b116")?;
    watcher.event(2, "/b116/new")?;
    watcher.quiet()
}

fn multi_read(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b117", 0)?.ok()?;
    c.create("/b117/x", 0)?.ok()?;
    c.create_acl("/b117/shut", &[(30, "world", "anyone")])?.ok()?;
    let parts = [
        m_read(4, "/b117", 1),
        m_read(4, "/b117/no", 1),
        m_read(8, "/b117", 1),
        m_read(8, "/b117/no", 0),
        m_read(4, "/b117/shut", 0),
        m_read(8, "/b117/shut", 0),
        m_read(8, "/b117/x", 0),
        m_read(4, "/b117/x/", 0),
    ];
    c.multi_read("of eight", &parts)?.ok()?;
    c.set("/b117", b"x", -1)?.after(&[])?.ok()?;
    c.create("/b117/new", 0)?.after(&[])?.ok()?;
    c.multi_read("with a check", &[m_read(4, "/b117", 0), m_check("/b117", 0)])?.err(-5)?;
    c.multi("of a read", &[m_read(4, "/b117", 0)])?;
    c.ping()?.ok().map(|_| ())
}
