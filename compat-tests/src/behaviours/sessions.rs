//! Expiry, closing and renewal of sessions (20 to 31).

use super::setups::{PLAIN, QUICK};
use super::{Case, Ctx, case, ensure, wait_until};
use crate::client::{Hello, Outcome};
use crate::requests::{DATA, create_body, delete_body};
use crate::wire::{Got, Out};
use std::time::{Duration, Instant};

pub(super) const CASES: &[Case] = &[
    case("expiry-is-never-early", &[20, 22], &QUICK, expiry_time),
    case("expiry-in-buckets", &[20], &QUICK, expiry_buckets),
    case("every-packet-keeps-alive", &[21], &QUICK, packets_keep_alive),
    case("expiry-removes-ephemerals", &[22, 24], &QUICK, expiry_removes),
    case("sessions-survive-a-kill", &[29, 26], &QUICK, restart),
    case("close-session", &[23, 40], &PLAIN, close_session),
    case("close-removes-ephemerals-at-once", &[24], &PLAIN, close_removes),
    case("close-with-changes-in-flight", &[25], &PLAIN, close_in_flight),
    case("requests-before-the-connection-ends", &[25], &PLAIN, close_and_go),
    case("requests-behind-close", &[27], &PLAIN, behind_close),
    case("lost-connection-keeps-session", &[26], &PLAIN, lost_connection),
    case("watches-belong-to-the-connection", &[30], &PLAIN, watches_vanish),
    case("auth-belongs-to-the-connection", &[31], &PLAIN, auth_vanishes),
];

fn hello(timeout: i32) -> Hello {
    Hello { timeout, ..Hello::default() }
}

fn expiry_time(t: &mut Ctx<'_>) -> Outcome {
    let began = Instant::now();
    let mut c = t.session_with("with timeout 1000", &hello(1000))?;
    c.closed("silent session")?;
    c.forget();
    let took = began.elapsed();
    t.fact("not early", took >= Duration::from_millis(1000))?;
    t.fact("about a tick late at most", took < Duration::from_millis(2500))?;
    let mut c = t.connect()?;
    let welcome = c.hello("of the expired session", &Hello { session: c.welcome.session, ..hello(1000) })?;
    c.close()?;
    ensure(welcome.session != 0, || "a new session is to be had".to_owned())
}

/// Sessions opened a few ms apart end together, at most one group a tick.
fn expiry_buckets(t: &mut Ctx<'_>) -> Outcome {
    t.mute(true);
    let mut clustered = false;
    for _attempt in 0..4 {
        let mut sessions = Vec::new();
        for _ in 0..8 {
            sessions.push(t.session_with("", &hello(600))?);
            std::thread::sleep(Duration::from_millis(55));
        }
        let mut ends = Vec::new();
        for c in &mut sessions {
            // Their deadlines are in order, so waiting for one after the other loses no time.
            c.closed("")?;
            c.forget();
            ends.push(Instant::now());
        }
        let gaps: Vec<u128> = ends.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
        clustered = gaps.iter().all(|gap| *gap < 40 || *gap > 120) && gaps.iter().any(|gap| *gap < 20);
        if clustered {
            break;
        }
    }
    t.fact("sessions end in groups, a tick apart", clustered)
}

fn packets_keep_alive(t: &mut Ctx<'_>) -> Outcome {
    t.mute(true);
    let mut c = t.session_with("", &hello(1000))?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2600) {
        c.exists("/b021", false)?.err(-101)?;
        std::thread::sleep(Duration::from_millis(150));
    }
    t.fact("a session that only reads lives on", c.probe("")?)
}

fn expiry_removes(t: &mut Ctx<'_>) -> Outcome {
    let mut watcher = t.session_with("with timeout 4000", &hello(4000))?;
    watcher.create("/b022", 0)?.ok()?;
    let mut c = t.session_with("with timeout 400", &hello(400))?;
    c.create("/b022/a", 1)?.ok()?;
    c.create("/b022/b", 1)?.ok()?;
    watcher.exists("/b022/a", true)?.ok()?;
    watcher.exists("/b022/b", true)?.ok()?;
    watcher.children("/b022", true)?.ok()?;
    c.closed("expired")?;
    c.forget();
    watcher.events_in_any_order(&[(2, "/b022/a"), (2, "/b022/b"), (4, "/b022")])?;
    watcher.children2("/b022", false)?.ok().map(|_| ())
}

fn restart(t: &mut Ctx<'_>) -> Outcome {
    let mut kept = t.session_with("with timeout 2400", &hello(2400))?;
    kept.create("/b029", 0)?.ok()?;
    kept.create("/b029/kept", 1)?.ok()?;
    let mut lost = t.session_with("that stays away", &hello(2400))?;
    lost.create("/b029/lost", 1)?.ok()?;
    let contact = Instant::now();
    t.server.kill();
    kept.closed("killed")?;
    while contact.elapsed() < Duration::from_millis(2800) {
        std::thread::sleep(Duration::from_millis(20));
    }
    // A slow start counts: the server's own clock begins some time during it.
    let started = Instant::now();
    t.server.launch()?;
    let mut c = t.session_with("after more than its timeout", &Hello { timeout: 4000, ..kept.renewal() })?;
    c.exists("/b029/kept", false)?.ok()?;
    c.exists("/b029/lost", false)?.ok()?;
    t.mute(true);
    let wait = Duration::from_millis(6000);
    wait_until("the other session ends", wait, || Ok(c.exists("/b029/lost", false)?.err == -101))?;
    lost.forget();
    t.fact("the other one had its full timeout again", started.elapsed() >= Duration::from_millis(2400))
}

fn close_session(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let reply = c.call_as(77, "closeSession", -11, &[])?.ok()?;
    ensure(reply.xid == 77 && reply.body.is_empty(), || reply.what.clone())?;
    ensure(reply.zxid == t.base + 2, || reply.what.clone())?;
    c.closed("afterwards")?;
    c.forget();
    Ok(())
}

fn close_removes(t: &mut Ctx<'_>) -> Outcome {
    let mut watcher = t.session()?;
    watcher.create("/b024", 0)?.ok()?;
    let mut c = t.session()?;
    for path in ["/b024/a", "/b024/b", "/b024/c"] {
        c.create(path, 1)?.ok()?;
        watcher.get(path, true)?.ok()?;
    }
    c.create("/b024/stays", 0)?.ok()?;
    watcher.add_watch("/b024", 0)?.ok()?;
    c.close()?.ok()?;
    let gone = [(2, "/b024/a"), (2, "/b024/b"), (2, "/b024/c"), (4, "/b024"), (4, "/b024"), (4, "/b024")];
    watcher.events_in_any_order(&gone)?;
    watcher.children2("/b024", false)?.ok().map(|_| ())
}

/// Requests (number, op code, body) in one piece, so that they arrive together.
fn together(requests: &[(i32, i32, &[u8])]) -> Vec<u8> {
    let frame = |(xid, op, body): &(i32, i32, &[u8])| Out::new().int(*xid).int(*op).raw(body).done();
    requests.iter().fold(Out::new(), |out, request| out.buf(Some(&frame(request)))).done()
}

fn close_in_flight(t: &mut Ctx<'_>) -> Outcome {
    let mut watcher = t.session()?;
    watcher.create("/b025", 0)?.ok()?;
    let mut c = t.session()?;
    c.create("/b025/old", 1)?.ok()?;
    watcher.add_watch("/b025", 1)?.ok()?;
    let create = create_body("/b025/new", DATA, Some(crate::client::OPEN), 1);
    let delete = delete_body("/b025/old", -1);
    c.conn.send(&together(&[(5, 1, &create), (6, 2, &delete), (7, -11, &[])]));
    c.reply("create", 1)?.ok()?;
    c.reply("delete", 2)?.ok()?;
    c.reply("closeSession", -11)?.ok()?;
    c.closed("afterwards")?;
    c.forget();
    watcher.event(1, "/b025/new")?;
    watcher.event(2, "/b025/old")?;
    watcher.event(2, "/b025/new")?;
    watcher.children2("/b025", false)?.after(&[])?.ok().map(|_| ())
}

/// A client that waits for no answer: what it sent right before it closed the connection is carried out.
fn close_and_go(t: &mut Ctx<'_>) -> Outcome {
    let mut watcher = t.session()?;
    watcher.create("/b025g", 0)?.ok()?;
    t.mute(true);
    let rounds = 0..40;
    for n in rounds.clone() {
        let mut c = t.session()?;
        c.create(&format!("/b025g/old{n}"), 1)?.ok()?;
        let create = create_body(format!("/b025g/new{n}"), DATA, Some(crate::client::OPEN), 0);
        c.conn.send(&together(&[(5, 1, &create), (6, -11, &[])]));
        c.forget();
    }
    let mut left: Vec<String> = rounds.map(|n| format!("new{n}")).collect();
    left.sort();
    wait_until("all that was asked is done", Duration::from_secs(3), || {
        let mut names = watcher.children("/b025g", false)?.ok()?.names()?;
        names.sort();
        Ok(names == left)
    })?;
    t.mute(false);
    t.fact("all that was asked is done", true)
}

fn behind_close(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let create = create_body("/b027", DATA, Some(crate::client::OPEN), 0);
    c.conn.send(&together(&[(1, -11, &[]), (2, 1, &create)]));
    c.reply("closeSession", -11)?.ok()?;
    c.forget();
    // Whether the refusal (-112) still gets out before the close is a matter of timing.
    match c.conn.recv(Duration::from_secs(10)) {
        Got::Closed { .. } => {}
        Got::Packet(packet) => ensure(packet.ends_with(&(-112_i32).to_be_bytes()), || format!("{packet:?}"))?,
        Got::Nothing => return Err("the connection stays open".to_owned()),
    }
    t.mute(true);
    let exists = t.session()?.exists("/b027", false)?.err;
    t.fact("a request behind closeSession is not carried out", exists == -101)
}

fn lost_connection(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b026", 1)?.ok()?;
    let renewal = c.renewal();
    drop(c);
    let mut c = t.session_with("renewal", &renewal)?;
    c.exists("/b026", false)?.ok()?;
    c.ephemerals(None)?.ok().map(|_| ())
}

fn watches_vanish(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b030", 0)?.ok()?;
    c.get("/b030", true)?.ok()?;
    c.children("/b030", true)?.ok()?;
    c.add_watch("/b030", 1)?.ok()?;
    let renewal = c.renewal();
    drop(c);
    let mut c = t.session_with("renewal", &renewal)?;
    c.check_watches("/b030", 3)?.err(-121)?;
    c.set("/b030", b"x", -1)?.after(&[])?.ok()?;
    c.create("/b030/x", 0)?.after(&[])?.ok()?;
    c.quiet()
}

fn auth_vanishes(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.auth("digest", "u:p")?.ok()?;
    c.create_acl("/b031", &[(31, "auth", "")])?.ok()?;
    c.get("/b031", false)?.ok()?;
    let renewal = c.renewal();
    drop(c);
    let mut c = t.session_with("renewal", &renewal)?;
    c.who_am_i()?.ok()?;
    c.get("/b031", false)?.err(-102)?;
    c.auth("digest", "u:p")?.ok()?;
    c.get("/b031", false)?.ok().map(|_| ())
}
