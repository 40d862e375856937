//! Reply headers, undecodable requests, unknown opcodes and order (33 to 48, 105).

use super::setups::{FRESH, PLAIN};
use super::{Case, Ctx, case, ensure, same};
use crate::client::{OPEN, Outcome};
use crate::requests::{
    auth_body, create_body, delete_body, m_check, m_create, m_delete, m_read, part, parts_end, read_body,
    set_body, watches_body,
};
use crate::wire::Out;

pub(super) const CASES: &[Case] = &[
    case("xid-is-echoed", &[33, 34, 35], &PLAIN, xids),
    case("reply-zxids", &[36, 37, 38, 39, 40], &PLAIN, zxids),
    case("forbidden-multi-read", &[41], &PLAIN, forbidden_multi_read),
    case("bodies-that-end-early", &[42, 38], &PLAIN, short_bodies),
    case("null-paths-and-negative-lengths", &[42], &PLAIN, bad_fields),
    case("bytes-after-the-record", &[43], &PLAIN, trailing_bytes),
    case("any-non-zero-byte-is-true", &[44], &PLAIN, booleans),
    case("unknown-opcodes", &[45, 46], &PLAIN, unknown_opcodes),
    case("delete-container-from-a-client", &[105], &FRESH, delete_container),
    case("delete-container-without-permission", &[105], &FRESH, delete_container_acl),
    case("create-session-as-a-request", &[45], &FRESH, create_session),
    case("pipelined-order", &[47], &PLAIN, pipelined),
    case("reads-never-go-back", &[48], &PLAIN, monotonic),
];

fn xids(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for xid in [0, 5, 5, -1, -2, -3, -4, -5, -8, i32::MIN, i32::MAX] {
        let reply =
            c.call_as(xid, &format!("exists with xid {xid}"), 3, &read_body("/b033", 0))?.err(-101)?;
        same("xid", reply.xid, xid)?;
    }
    for (count, xid) in [0, 5, 5, -2, -3, i32::MIN, i32::MAX].into_iter().enumerate() {
        let body = create_body(format!("/b033-{count}"), None, Some(OPEN), 0);
        same("xid", c.call_as(xid, &format!("create with xid {xid}"), 1, &body)?.ok()?.xid, xid)?;
    }
    for xid in [77, 0, -8, -2] {
        same("xid", c.call_as(xid, &format!("ping with xid {xid}"), 11, &[])?.ok()?.xid, -2)?;
    }
    let auth = auth_body("digest", b"u:p");
    same("xid", c.call_as(5, "auth with xid 5", 100, &auth)?.ok()?.xid, 5)?;
    let watches = watches_body::<&str>(0, &[&[], &[], &[]]);
    same("xid", c.call_as(6, "setWatches with xid 6", 101, &watches)?.ok()?.xid, 6)
}

fn zxids(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let base = t.base;
    let at = |what: &str, zxid: i64, wanted: i64| same(what, zxid - base, wanted);
    at("ping", c.ping()?.zxid, 1)?;
    at("create", c.create("/b036", 0)?.ok()?.zxid, 2)?;
    at("failed read", c.get("/b036/no", false)?.err(-101)?.zxid, 2)?;
    for (count, reply) in [
        (3, c.create("/b036", 0)?.err(-110)?),
        (4, c.delete("/b036", 7)?.err(-103)?),
        (5, c.set("/b036/no", b"", -1)?.err(-101)?),
        (6, c.set_acl("/b036", &[], -1)?.err(-114)?),
        (7, c.create("b036", 0)?.err(-8)?),
        (8, c.create("/b036x", 9)?.err(-8)?),
        (9, c.ttl("/b036t", 5, 1)?.err(-6)?),
    ] {
        at("failed write", reply.zxid, count)?;
        ensure(reply.body.is_empty(), || reply.what.clone())?;
    }
    at("undecodable write", c.call("create without a body", 1, &[])?.err(-5)?.zxid, 9)?;
    at("sync", c.sync("/")?.ok()?.zxid, 9)?;
    same("auth", c.auth("digest", "u:p")?.ok()?.zxid, 0)?;
    let mut other = t.session()?;
    at("new session", other.ping()?.zxid, 10)?;
    at("read of the first", c.exists("/b036", false)?.ok()?.zxid, 10)
}

fn forbidden_multi_read(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    // Operations that a multi knows, but not a multiRead: the one error with a body.
    let known =
        [("create", m_create("/b041", 0)), ("delete", m_delete("/b041", -1)), ("check", m_check("/", -1))];
    for (what, wrong) in known {
        let reply = c.multi_read(&format!("with a {what}"), &[wrong])?.err(-5)?;
        same("body", reply.body, parts_end())?;
    }
    // Lists that do not decode have no body.
    for op in [3, 12, 6] {
        let reply =
            c.multi_read(&format!("with operation {op}"), &[part(op, &read_body("/", 0))])?.err(-5)?;
        same("body", reply.body, vec![])?;
    }
    let mixed = [m_read(4, "/", 0), m_create("/b041", 0)];
    same("body", c.multi_read("with a getData and a create", &mixed)?.err(-5)?.body, vec![])?;
    c.exists("/b041", false)?.err(-101).map(|_| ())
}

fn short_bodies(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for op in [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 17, 18, 19, 21, 22, 101, 103, 104, 105, 106] {
        c.call(&format!("opcode {op} without a body"), op, &[])?.err(-5)?;
    }
    c.call("reconfig without a body", 16, &[])?;
    let whole = create_body("/b042", Some(b"data"), Some(OPEN), 0);
    for length in 0..whole.len() {
        c.call(&format!("create cut to {length} bytes"), 1, &whole[..length])?.err(-5)?;
    }
    c.call("create in full", 1, &whole)?.ok()?;
    let whole = set_body("/b042", Some(b"data"), -1);
    for length in 0..whole.len() {
        c.call(&format!("setData cut to {length} bytes"), 5, &whole[..length])?.err(-5)?;
    }
    c.call("getData cut before the boolean", 4, &Out::new().str("/b042").done())?.err(-5)?;
    c.ping()?.ok().map(|_| ())
}

fn bad_fields(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let tail = [0_u8; 40];
    for length in [-1, -2, i32::MIN, i32::MAX, 2_000_000] {
        for op in [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 19, 21, 17, 18, 104, 106] {
            let body = Out::new().int(length).raw(&tail).done();
            let reply = c.call(&format!("opcode {op} with path length {length}"), op, &body)?;
            if length != -1 {
                reply.err(-5)?;
            }
        }
    }
    for length in [-2, i32::MIN, i32::MAX] {
        let body = Out::new().str("/b042b").int(length).raw(&tail).done();
        c.call(&format!("create with data length {length}"), 1, &body)?.err(-5)?;
        let body = Out::new().str("/b042b").buf(None).int(length).raw(&tail).done();
        c.call(&format!("create with an ACL count of {length}"), 1, &body)?;
        let body = Out::new().long(0).int(length).raw(&tail).done();
        c.call(&format!("setWatches with a list of {length}"), 101, &body)?;
    }
    c.ping()?.ok().map(|_| ())
}

fn trailing_bytes(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let with_tail = |body: Vec<u8>| [body, vec![0xAA; 9]].concat();
    c.call("create and 9 bytes", 1, &with_tail(create_body("/b043", None, Some(OPEN), 0)))?.ok()?;
    c.call("exists and 9 bytes", 3, &with_tail(read_body("/b043", 0)))?.ok()?;
    c.call("ping and 9 bytes", 11, &with_tail(vec![]))?.ok()?;
    c.call("whoAmI and 9 bytes", 107, &with_tail(vec![]))?.ok()?;
    c.call("multi and 9 bytes", 14, &with_tail([m_create("/b043/m", 0), parts_end()].concat()))?.ok()?;
    c.call("delete and 9 bytes", 2, &with_tail(delete_body("/b043/m", -1)))?.ok().map(|_| ())
}

fn booleans(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for (byte, kind) in [(0_u8, 0), (1, 2), (2, 2), (0xFF, 2)] {
        let path = format!("/b044-{byte}");
        c.create(&path, 0)?.ok()?;
        c.call(&format!("getData with watch {byte}"), 4, &read_body(&path, byte))?.ok()?;
        let events = [(kind, path.as_str())];
        c.delete(&path, -1)?.after(if kind == 0 { &[] } else { &events })?.ok()?;
    }
    Ok(())
}

fn unknown_opcodes(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b045", 1)?.ok()?;
    for op in [13, 0, 10, -1, 23, 24, 99, 108, 1000, -9, -12, i32::MIN, i32::MAX] {
        let reply = c.call(&format!("opcode {op}"), op, &delete_body("/b045", -1))?.err(-6)?;
        same("zxid", reply.zxid, -1)?;
        c.closed("afterwards")?;
        c = t.session_with("renewal", &c.renewal())?;
    }
    c.exists("/b045", false)?.ok().map(|_| ())
}

fn delete_container(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.container("/b105", 4)?.ok()?;
    let reply = c.call("deleteContainer", 20, &Out::new().str("/b105").done())?;
    let open = c.probe("afterwards")?;
    if t.oxkeeper() {
        reply.err(-6)?;
        ensure(!open, || "the connection must be closed".to_owned())?;
    }
    Ok(())
}

fn delete_container_acl(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create_acl("/b105", &[(1, "world", "anyone")])?.ok()?;
    c.create_acl("/b105/x", OPEN)?.err(-102)?;
    let reply = c.call("deleteContainer of an ordinary node", 20, &Out::new().str("/b105").done())?;
    let open = c.probe("afterwards")?;
    if t.oxkeeper() {
        reply.err(-6)?;
        ensure(!open, || "the connection must be closed".to_owned())?;
    }
    let mut c = t.session()?;
    c.exists("/b105", false)?;
    Ok(())
}

fn create_session(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.post(1, -10, &Out::new().int(5000).done());
    if t.oxkeeper() {
        c.reply("hello after createSession", -10)?.err(-6)?;
    } else {
        // The official server answers as to a connect request.
        c.welcomed("after createSession")?;
    }
    c.probe("afterwards")?;
    same("zxid", t.server.zxid()?, if t.oxkeeper() { 1 } else { 2 })
}

fn pipelined(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let mut bytes = Out::new();
    let mut wanted = Vec::new();
    let mut add = |op: i32, body: Vec<u8>| {
        let xid = i32::try_from(wanted.len()).unwrap_or_default() + 1;
        wanted.push((xid, op));
        bytes = std::mem::take(&mut bytes).buf(Some(&Out::new().int(xid).int(op).raw(&body).done()));
    };
    add(1, create_body("/b047", Some(b"0"), Some(OPEN), 0));
    for value in 1..=20_u8 {
        add(4, read_body("/b047", 0));
        add(5, set_body("/b047", Some(&[value]), i32::from(value) - 1));
        add(11, vec![]);
        add(8, read_body("/b047", 0));
    }
    add(2, delete_body("/b047", 20));
    add(3, read_body("/b047", 0));
    c.conn.send(&bytes.done());
    for (xid, op) in wanted {
        let reply = c.reply(&format!("opcode {op}"), op)?;
        same("xid", reply.xid, if op == 11 { -2 } else { xid })?;
        reply.err(if op == 3 { -101 } else { 0 })?;
    }
    Ok(())
}

fn monotonic(t: &mut Ctx<'_>) -> Outcome {
    let mut writer = t.session()?;
    let mut reader = t.session()?;
    writer.create("/b048", 0)?.ok()?;
    t.mute(true);
    let (mut zxid, mut version) = (0, 0);
    for round in 0..20_i32 {
        for xid in 0..10 {
            reader.post(xid, 4, &read_body("/b048", 0));
            writer.post(round * 10 + xid, 5, &set_body("/b048", Some(b"x"), -1));
        }
        for _ in 0..10 {
            let reply = reader.reply("getData", 4)?.ok()?;
            let stat = reply.stat()?;
            ensure(reply.zxid >= zxid && stat.version >= version, || format!("went back: {}", reply.what))?;
            ensure(stat.mzxid <= reply.zxid, || format!("newer than its header: {}", reply.what))?;
            (zxid, version) = (reply.zxid, stat.version);
            writer.reply("setData", 5)?.ok()?;
        }
    }
    t.mute(false);
    reader.exists("/b048", false)?.ok().map(|_| ())
}
