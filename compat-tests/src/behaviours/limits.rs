//! Standalone consistency, limits and throttles (163, 165, 169, 176 to 179).

use super::setups::{FRESH, LARGE, OUTSTANDING, PLAIN, RECONFIG, STALE, THROTTLED};
use super::{Case, Ctx, case, ensure, same, wait_until};
use crate::client::{OPEN, Outcome};
use crate::requests::{create_body, read_body};
use crate::wire::{Out, PATIENCE};

pub(super) const CASES: &[Case] = &[
    case("standalone-epoch", &[165], &FRESH, epoch),
    case("reconfig-standalone", &[169], &PLAIN, reconfig),
    case("reconfig-enabled-standalone", &[169], &RECONFIG, reconfig),
    case("outstanding-limit-refuses-nothing", &[176], &OUTSTANDING, outstanding),
    case("large-requests", &[177], &LARGE, large),
    case("throttled-operations", &[178], &THROTTLED, throttled),
    case("stale-requests", &[179], &STALE, stale),
];

fn epoch(t: &mut Ctx<'_>) -> Outcome {
    let mut zxids = vec![t.session()?.ping()?.zxid];
    t.server.kill();
    t.server.launch()?;
    zxids.push(t.session()?.ping()?.zxid);
    t.server.kill();
    t.server.launch()?;
    zxids.push(t.session()?.ping()?.zxid);
    same("zxids go on in epoch 0", zxids, vec![1, 2, 3])
}

fn reconfig(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for config in [-1, 7] {
        let body = Out::new().str("server.2=127.0.0.1:1:2").str("").str("").long(config).done();
        let code = if t.server_is("reconfig") { -6 } else { -123 };
        c.call(&format!("reconfig with config id {config}"), 16, &body)?.err(code)?;
    }
    c.ping()?.ok().map(|_| ())
}

/// Sends many creates at once.
fn flood(c: &mut crate::client::Client, parent: &str, count: usize) {
    let create = |n: usize| create_body(format!("{parent}/{n:05}"), None, Some(OPEN), 0);
    let packets = (0..count).map(|n| {
        let xid = i32::try_from(n).unwrap_or_default() + 1;
        Out::new().buf(Some(&Out::new().int(xid).int(1).raw(&create(n)).done())).done()
    });
    let bytes: Vec<u8> = packets.flatten().collect();
    c.conn.send(&bytes);
}

fn outstanding(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b176", 0)?.ok()?;
    t.mute(true);
    flood(&mut c, "/b176", 500);
    for _ in 0..500 {
        c.reply("create", 1)?.ok()?;
    }
    for xid in [0, -7, -1] {
        for _ in 0..100 {
            c.post(xid, 3, &read_body("/no", 0));
        }
        for _ in 0..100 {
            same("xid", c.reply(&format!("exists with xid {xid}"), 3)?.err(-101)?.xid, xid)?;
        }
    }
    t.mute(false);
    c.exists("/b176", false)?.ok().map(|_| ())
}

fn large(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for size in [500, 1500, 2500] {
        let body = create_body(format!("/b177-{size}"), Some(&vec![b'x'; size]), Some(OPEN), 0);
        c.call(&format!("create of {size} bytes"), 1, &body)?.ok()?;
    }
    c.post(9, 1, &create_body("/b177-big", Some(&[b'x'; 3500]), Some(OPEN), 0));
    c.closed("after a request over the budget")?;
    let mut c = t.session()?;
    c.exists("/b177-big", false)?.err(-101)?;
    let body = create_body("/b177-again", Some(&[b'x'; 2500]), Some(OPEN), 0);
    c.call("create of 2500 bytes", 1, &body)?.ok().map(|_| ())
}

fn throttled(t: &mut Ctx<'_>) -> Outcome {
    t.mute(true);
    let mut c = t.session()?;
    // A stalled disk may throttle this one as well.
    wait_until("the parent", PATIENCE, || Ok([0, -110].contains(&c.create("/b178", 0)?.err)))?;
    let before = c.ping()?.zxid;
    let count = 3000;
    flood(&mut c, "/b178", count);
    let (mut done, mut refused, mut zxids) = (0, 0, Vec::new());
    for _ in 0..count {
        let reply = c.reply("create", 1)?;
        match reply.err {
            0 => done += 1,
            -127 => refused += 1,
            _ => return Err(reply.what),
        }
        ensure(reply.err == 0 || reply.body.is_empty(), || reply.what.clone())?;
        zxids.push(reply.zxid);
    }
    t.fact("some were refused with -127", refused > 0)?;
    t.fact("zxids never fall", zxids.is_sorted())?;
    let last = c.ping()?.ok()?.zxid;
    t.fact("refused ones took no zxid", last == before + done)?;
    let children = c.children("/b178", false)?.ok()?.names()?;
    t.fact("refused ones were not carried out", i64::try_from(children.len()) == Ok(done))
}

fn stale(t: &mut Ctx<'_>) -> Outcome {
    t.mute(true);
    let mut watcher = t.session()?;
    watcher.create("/b179", 0)?.ok()?;
    let mut c = t.session()?;
    let count = 4000;
    flood(&mut c, "/b179", count);
    drop(c);
    // What is still in work when the count no longer changes will not change it.
    let (mut before, mut calm) = (0, 0);
    wait_until("the rest to be dropped", PATIENCE, || {
        std::thread::sleep(std::time::Duration::from_millis(30));
        let now = watcher.children("/b179", false)?.ok()?.names()?.len();
        calm = if now == before { calm + 1 } else { 0 };
        before = now;
        Ok(calm > 10)
    })?;
    let names = watcher.children("/b179", false)?.ok()?.names()?;
    let wanted: Vec<String> = (0..names.len()).map(|n| format!("{n:05}")).collect();
    t.fact("what was carried out is an unbroken beginning", names == wanted)?;
    t.fact("the requests of the closed connection were dropped", names.len() < count)
}
