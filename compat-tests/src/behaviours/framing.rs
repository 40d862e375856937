//! Packets, the handshake and connection limits (1 to 18).

use super::setups::{FEW, FEW_IN_ALL, FRESH, PLAIN, QUICK};
use super::{Case, Ctx, case, ensure, same};
use crate::client::{Hello, OPEN, Outcome};
use crate::requests::{create_body, read_body};
use crate::transcript::session_password;
use crate::wire::Out;
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[
    case("packet-length-limits", &[1], &PLAIN, length_limits),
    case("packet-too-short", &[2], &PLAIN, too_short),
    case("hello-with-and-without-read-only", &[3], &PLAIN, read_only_byte),
    case("hello-version-and-passwords", &[4, 5, 6], &PLAIN, version_and_passwords),
    case("timeout-is-clamped", &[7], &PLAIN, timeout_clamped),
    case("hello-with-future-zxid", &[8, 9], &PLAIN, future_zxid),
    case("hello-with-dead-session", &[10], &PLAIN, dead_session),
    case("hello-with-wrong-password", &[11], &PLAIN, wrong_password),
    case("wrong-password-and-owner", &[12], &PLAIN, wrong_password_and_owner),
    case("renewal-closes-old-connection", &[12, 13], &PLAIN, renewal),
    case("session-ids", &[14], &FRESH, session_ids),
    case("first-session-is-transaction-1", &[15], &FRESH, first_transaction),
    case("requests-behind-hello", &[16], &PLAIN, pipelined_hello),
    case("connection-without-session", &[17], &QUICK, sessionless),
    case("connections-of-one-address", &[18], &FEW, too_many),
    case("connections-in-all", &[18], &FEW_IN_ALL, too_many),
];

/// A create request whose packet has exactly this length.
fn create_of_length(path: &str, length: usize) -> Vec<u8> {
    let empty = create_body(path, Some(b""), Some(OPEN), 0).len() + 8;
    let data = vec![b'x'; length - empty];
    create_body(path, Some(&data), Some(OPEN), 0)
}

fn length_limits(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.call("create in a packet of 1048575 bytes", 1, &create_of_length("/b001", 1_048_575))?.ok()?;
    c.get("/b001", false)?.ok()?;
    c.post(9, 1, &create_of_length("/b001x", 1_048_576));
    c.closed("packet of 1048576 bytes")?;
    for length in [-1, i32::MIN, i32::MAX] {
        let mut c = t.session()?;
        c.conn.send(&Out::new().int(length).done());
        c.closed(&format!("length {length}"))?;
        let mut c = t.connect()?;
        c.conn.send(&Out::new().int(length).done());
        c.closed(&format!("length {length} as the first"))?;
    }
    t.session()?.exists("/b001x", false)?.err(-101).map(|_| ())
}

fn too_short(t: &mut Ctx<'_>) -> Outcome {
    for length in [0_usize, 1, 4, 7] {
        let mut c = t.session()?;
        c.conn.send_packet(&vec![0; length]);
        c.closed(&format!("packet of {length} bytes"))?;
    }
    let mut c = t.connect()?;
    c.conn.send_packet(&[]);
    c.closed("hello of 0 bytes")?;
    let mut c = t.connect()?;
    c.conn.send_packet(&Hello::default().bytes()[..20]);
    c.closed("hello of 20 bytes")
}

fn read_only_byte(t: &mut Ctx<'_>) -> Outcome {
    for (byte, length) in [(None, 36), (Some(0), 37), (Some(1), 37)] {
        let hello = Hello { read_only: byte, ..Hello::default() };
        let mut c = t.session_with(&format!("with readOnly {byte:?}"), &hello)?;
        same("length", c.welcome.length, length)?;
        c.ping()?.ok()?;
        c.close()?;
    }
    Ok(())
}

fn version_and_passwords(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session_with("with version 7", &Hello { version: 7, ..Hello::default() })?;
    c.close()?;
    for password in [None, Some(vec![]), Some(vec![1; 4]), Some(vec![9; 16]), Some(vec![9; 40])] {
        let what = format!("with a password of {:?} bytes", password.as_ref().map(Vec::len));
        let mut c = t.session_with(&what, &Hello { password, ..Hello::default() })?;
        same("password", &c.welcome.password[..], &session_password(c.welcome.session)[..])?;
        c.close()?;
    }
    Ok(())
}

fn timeout_clamped(t: &mut Ctx<'_>) -> Outcome {
    let wanted =
        [(i32::MIN, 4000), (-1, 4000), (0, 4000), (1, 4000), (3999, 4000), (4001, 4001), (39_999, 39_999)];
    for (timeout, granted) in wanted.into_iter().chain([(40_001, 40_000), (i32::MAX, 40_000)]) {
        let mut c =
            t.session_with(&format!("with timeout {timeout}"), &Hello { timeout, ..Hello::default() })?;
        same("timeout", c.welcome.timeout, granted)?;
        c.close()?;
    }
    Ok(())
}

fn future_zxid(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.connect()?;
    c.conn.send_packet(&Hello { zxid: t.base + 1, ..Hello::default() }.bytes());
    c.closed("hello with the next zxid")?;
    let mut c = t.session_with("with the last zxid", &Hello { zxid: t.base, ..Hello::default() })?;
    c.close()?;
    let mut c = t.session_with("with zxid -1", &Hello { zxid: -1, ..Hello::default() })?;
    c.close().map(|_| ())
}

fn refused(t: &mut Ctx<'_>, what: &str, hello: &Hello) -> Outcome {
    let mut c = t.connect()?;
    let welcome = c.hello(what, hello)?;
    same("timeout and session", (welcome.timeout, welcome.session), (0, 0))?;
    same("password", welcome.password, vec![0; 16])?;
    c.closed("after it")
}

fn dead_session(t: &mut Ctx<'_>) -> Outcome {
    refused(t, "of an unknown session", &Hello { session: 0x0123_4567_89AB, ..Hello::default() })?;
    refused(t, "of a negative session", &Hello { session: -7, ..Hello::default() })?;
    let known = Hello { session: 0x55, password: Some(session_password(0x55).to_vec()), ..Hello::default() };
    refused(t, "of an unknown session with its password", &known)?;
    refused(t, "of an unknown session without readOnly", &Hello { read_only: None, ..known })?;
    let mut c = t.session()?;
    let renewal = c.renewal();
    c.close()?;
    refused(t, "of a closed session", &renewal)
}

fn wrong_password(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b011", 1)?.ok()?;
    let renewal = c.renewal();
    drop(c);
    for password in [Some(vec![1; 16]), Some(vec![]), None] {
        let what = format!("with a wrong password of {:?} bytes", password.as_ref().map(Vec::len));
        refused(t, &what, &Hello { password, ..renewal.clone() })?;
    }
    let mut c = t.session_with("with the right password", &renewal)?;
    c.exists("/b011", false)?.ok()?;
    c.close().map(|_| ())
}

fn wrong_password_and_owner(t: &mut Ctx<'_>) -> Outcome {
    let mut owner = t.session()?;
    let hello = Hello { password: Some(vec![1; 16]), ..owner.renewal() };
    refused(t, "of a held session with a wrong password", &hello)?;
    let open = owner.probe("the owner afterwards")?;
    ensure(open == t.oxkeeper(), || format!("the owner's connection is open: {open}"))
}

fn renewal(t: &mut Ctx<'_>) -> Outcome {
    let mut old = t.session()?;
    let mut c = t.connect()?;
    let welcome = c.hello("renewal with timeout 8000", &Hello { timeout: 8000, ..old.renewal() })?;
    same("session and timeout", (welcome.session, welcome.timeout), (old.welcome.session, 8000))?;
    same("password", &welcome.password, &old.welcome.password)?;
    old.closed("the old connection")?;
    c.ping()?.ok()?;
    let mut again = t.session_with("renewal with timeout 1", &Hello { timeout: 1, ..c.renewal() })?;
    same("timeout", again.welcome.timeout, 4000)?;
    c.closed("the second connection")?;
    again.close().map(|_| ())
}

fn session_ids(t: &mut Ctx<'_>) -> Outcome {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(t.session()?.welcome.session);
    }
    t.fact("the top byte is 1", ids.iter().all(|id| id >> 56 == 1))?;
    t.fact("the counter starts at 0", ids[0] & 0xFFFF == 0)?;
    t.fact("the clock is not 0", ids[0] >> 16 & 0xFF_FFFF_FFFF != 0)?;
    t.fact("ids count up by one", ids[1] == ids[0] + 1 && ids[2] == ids[0] + 2)
}

fn first_transaction(t: &mut Ctx<'_>) -> Outcome {
    same("zxid of an empty server", t.base, 0)?;
    let mut c = t.session()?;
    let reply = c.ping()?.ok()?;
    same("zxid", reply.zxid, 1)?;
    t.fact("the log is log.1", t.server.version_2().join("log.1").is_file())?;
    t.session()?;
    same("zxid", c.ping()?.ok()?.zxid, 2)
}

fn pipelined_hello(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.connect()?;
    let create = Out::new().int(1).int(1).raw(&create_body("/b016", Some(b"d"), Some(OPEN), 0)).done();
    let read = Out::new().int(2).int(4).raw(&read_body("/b016", 0)).done();
    let all = Out::new().buf(Some(&Hello::default().bytes())).buf(Some(&create)).buf(Some(&read)).done();
    c.conn.send(&all);
    c.welcomed("answered with requests behind it")?;
    c.reply("create", 1)?.ok()?;
    c.reply("getData", 4)?.ok().map(|_| ())
}

fn sessionless(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.connect()?;
    let began = Instant::now();
    c.closed("connection that says nothing")?;
    let took = began.elapsed();
    t.fact("not before the timeout", took >= Duration::from_millis(490))?;
    t.fact("not long after twice the timeout", took < Duration::from_millis(2000))
}

fn too_many(t: &mut Ctx<'_>) -> Outcome {
    let _first = (t.session()?, t.session()?);
    let mut third = t.session()?;
    let mut fourth = t.connect()?;
    fourth.closed("the fourth connection")?;
    third.close()?;
    let mut fifth = t.session()?;
    fifth.ping()?.ok().map(|_| ())
}
