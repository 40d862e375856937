//! The data directory, and what only a made-up one shows (76, 87, 88, 102, 103, 125, 181 to 191).

use super::files::{Snapshot, forged_log, numbered, read_log, read_snapshot};
use super::setups::{FRESH, SNAPS, TYPED_FRESH, TYPED_SNAPS};
use super::{Case, Ctx, case, ensure, same, wait_until};
use crate::client::{OPEN, Outcome};
use crate::requests::{create_body, m_create, m_set};
use crate::transcript::{hex, quoted};
use crate::wire::{Out, PATIENCE};
use std::fs;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    case("files-of-an-empty-directory", &[181, 186], &FRESH, first_files),
    case("log-entries", &[183, 15], &FRESH, log_entries),
    case("snapshot-parts", &[182, 181, 102], &TYPED_SNAPS, snapshot_parts),
    case("stat-survives-restarts", &[88], &FRESH, survives),
    case("snapshots-and-log-rolling", &[189, 181], &SNAPS, rolling),
    case("broken-newest-snapshot", &[185], &SNAPS, broken_snapshot),
    case("logs-without-snapshot", &[185], &FRESH, no_snapshot),
    case("purging", &[191], &SNAPS, purging),
    case("torn-last-entry", &[188], &FRESH, torn),
    case("wrong-checksum", &[188], &FRESH, wrong_checksum),
    case("replay-tolerates", &[184], &FRESH, tolerant),
    case("ephemerals-of-nobody", &[187], &FRESH, nobodys),
    case("ttl-owner-with-types-off", &[103], &TYPED_FRESH, types_off),
    case("sequence-beyond-31-bits", &[76, 74], &FRESH, sequence_wraps),
    case("version-beyond-31-bits", &[87], &FRESH, version_wraps),
    case("stored-empty-acl", &[125], &FRESH, empty_acl),
];

/// Logs and snapshots. oxkeeper's note of what it has synced is none, and official servers pass over it (`datadir`).
fn names(t: &Ctx<'_>) -> Vec<String> {
    let entries = fs::read_dir(t.server.version_2()).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name != "synced");
    names.sort();
    names
}

/// CreateTxn.
fn create_txn(path: &str, acl: &[(i32, &str, &str)], ephemeral: bool, cversion: i32) -> (i32, Vec<u8>) {
    let out = Out::new().str(path).str("d").int(i32::try_from(acl.len()).unwrap_or_default());
    let out = acl.iter().fold(out, |out, (perms, scheme, id)| out.int(*perms).str(scheme).str(id));
    (1, out.byte(u8::from(ephemeral)).int(cversion).done())
}

/// Stops the server, puts a made-up log behind its snapshot.0 and starts it again.
fn start_with_log(t: &mut Ctx<'_>, transactions: &[(i32, Vec<u8>)], tail: &[u8]) -> Outcome {
    put_log(t, transactions, tail)?;
    t.server.launch()
}

fn put_log(t: &mut Ctx<'_>, transactions: &[(i32, Vec<u8>)], tail: &[u8]) -> Outcome {
    t.server.kill();
    for (_, path) in numbered(&t.server.version_2(), "log.") {
        fs::remove_file(path).map_err(|e| e.to_string())?;
    }
    let bytes = [&forged_log(1, transactions)[..], tail].concat();
    fs::write(t.server.version_2().join("log.1"), bytes).map_err(|e| e.to_string())
}

fn first_files(t: &mut Ctx<'_>) -> Outcome {
    t.note("files", names(t).join(" "));
    ensure(names(t).contains(&"snapshot.0".to_owned()), || "no snapshot.0".to_owned())?;
    read_snapshot(&t.server.version_2().join("snapshot.0"))?;
    let mut c = t.session()?;
    c.create("/a", 0)?.ok()?;
    t.note("files", names(t).join(" "));
    ensure(names(t).contains(&"log.1".to_owned()), || "no log.1".to_owned())?;
    t.server.kill();
    t.server.launch()?;
    c = t.session()?;
    c.exists("/a", false)?.ok()?;
    t.note("logs after a restart", numbered(&t.server.version_2(), "log.").len().to_string());
    t.fact("the new log starts with the next zxid", t.server.version_2().join("log.3").is_file())
}

fn log_entries(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/a", 0)?.ok()?;
    c.create2("/a/s-", 2)?.ok()?;
    c.create("/a/e", 1)?.ok()?;
    c.create("/a", 0)?.err(-110)?;
    c.container("/c", 4)?.ok()?;
    c.set("/a", b"new", -1)?.ok()?;
    c.set_acl("/a", OPEN, -1)?.ok()?;
    c.call("create with null data", 1, &create_body("/null", None, Some(OPEN), 0))?.ok()?;
    c.multi("of two", &[m_create("/m", 0), m_set("/m", -1)])?.ok()?;
    c.multi("that fails", &[m_create("/n", 0), m_set("/no", -1)])?.ok()?;
    c.delete("/m", -1)?.ok()?;
    c.ping()?.ok()?;
    c.close()?.ok()?;
    let log = t.server.version_2().join("log.1");
    let entries = read_log(&log)?;
    for entry in &entries {
        // Error transactions carry no digest.
        let digest = entry.rest.len() - if entry.kind == -1 { 0 } else { 12 };
        let session = t.session_token(entry.session);
        let recent = (entry.time - crate::transcript::now_ms()).abs() < 60_000;
        t.note(
            &format!("entry {}", entry.zxid),
            format!(
                "type {} of {session} cxid {} recent {recent} record {} digest version {}",
                entry.kind,
                entry.cxid,
                quoted(Some(&entry.rest[..digest])),
                hex(entry.rest.get(digest..digest + 4).unwrap_or_default())
            ),
        );
    }
    let length = fs::metadata(&log).map_err(|e| e.to_string())?.len();
    // The official server starts to pad behind the header, so its file is 16 bytes longer.
    t.fact("padded in steps of 64 MiB", [0, 16].contains(&(length % (64 << 20))) && length >= 64 << 20)?;
    same("zxids", entries.iter().map(|e| e.zxid).collect::<Vec<i64>>(), (1..=13).collect())
}

fn snapshot_parts(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/s", 0)?.ok()?;
    c.create("/s/b", 0)?.ok()?;
    c.create("/s/e", 1)?.ok()?;
    c.create_acl("/s/acl", &[(1, "world", "anyone"), (2, "ip", "10.0.0.1")])?.ok()?;
    c.call("create with null data", 1, &create_body("/s/null", None, Some(OPEN), 0))?.ok()?;
    c.container("/s/c", 4)?.ok()?;
    c.ttl("/s/t", 5, 1_099_511_627_775)?.ok()?;
    c.set("/s/b", b"new", -1)?.ok()?;
    c.delete("/s/null", -1)?.ok()?;
    t.mute(true);
    for n in 0..40 {
        c.create(&format!("/filler{n}"), 0)?.ok()?;
    }
    let directory = t.server.version_2();
    let complete =
        || numbered(&directory, "snapshot.").into_iter().rev().filter(|(zxid, _)| *zxid > t.base + 10);
    let newest = || complete().find_map(|(_, path)| read_snapshot(&path).ok());
    wait_until("a snapshot of all this", PATIENCE, || Ok(newest().is_some()))?;
    show_snapshot(t, &newest().unwrap_or_default())
}

fn show_snapshot(t: &Ctx<'_>, snapshot: &Snapshot) -> Outcome {
    for (id, timeout) in &snapshot.sessions {
        t.note("session", format!("{} {timeout}", t.session_token(*id)));
    }
    let mut acls: Vec<String> = snapshot.acls.iter().map(|(_, entries)| hex(entries)).collect();
    acls.sort();
    acls.iter().for_each(|acl| t.note("acl", acl));
    let mut lines = Vec::new();
    for (index, node) in snapshot.nodes.iter().enumerate() {
        let parent = node.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let before = node.path.is_empty() || snapshot.nodes[..index].iter().any(|n| n.path == parent);
        ensure(before, || format!("{:?} comes before its parent", node.path))?;
        let owner =
            if node.owner >> 56 == 1 { t.session_token(node.owner) } else { format!("{:x}", node.owner) };
        let acl = snapshot
            .acls
            .iter()
            .find(|(id, _)| *id == node.acl)
            .map_or_else(String::new, |(_, acl)| hex(acl));
        let versions = format!("{} {} {}", node.version, node.cversion, node.aversion);
        let zxids = format!("{:x} {:x}", node.czxid, node.pzxid);
        let data = quoted(node.data.as_deref());
        if node.path.starts_with("/s") || node.path.starts_with("/zookeeper") {
            lines.push(format!(
                "{:?} {data} acl {acl} versions {versions} zxids {zxids} owner {owner}",
                node.path
            ));
        }
    }
    lines.sort();
    lines.iter().for_each(|line| t.note("node", line));
    t.note("parts behind the tree", format!("{:?}", snapshot.trailers));
    t.fact("the first node is the root", snapshot.nodes.first().is_some_and(|node| node.path.is_empty()))?;
    let owner =
        |path: &str| snapshot.nodes.iter().find(|n| n.path == path).map_or(0, |n| n.owner.cast_unsigned());
    same("owners", (owner("/s/c"), owner("/s/t")), (1 << 63, 0xFF00_00FF_FFFF_FFFF))
}

fn survives(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/a", 0)?.ok()?;
    for _ in 0..3 {
        c.create("/a/s-", 2)?.ok()?;
    }
    c.delete("/a/s-0000000001", -1)?.ok()?;
    c.set("/a", b"x", -1)?.ok()?;
    c.set_acl("/a", OPEN, -1)?.ok()?;
    c.create("/a/e", 1)?.ok()?;
    let before =
        [c.get("/a", false)?.ok()?.body, c.get("/a/e", false)?.ok()?.body, c.get("/", false)?.ok()?.body];
    for _ in 0..2 {
        t.server.kill();
        c.closed("killed")?;
        t.server.launch()?;
        c = t.session_with("renewal", &c.renewal())?;
        let after =
            [c.get("/a", false)?.ok()?.body, c.get("/a/e", false)?.ok()?.body, c.get("/", false)?.ok()?.body];
        t.fact("every byte is as before", after == before)?;
    }
    same("next", c.create("/a/s-", 2)?.ok()?.path()?, "/a/s-0000000004".to_owned())?;
    c.ephemerals(None)?.ok()?;
    t.server.stop();
    t.server.launch()?;
    let mut c = t.session_with("renewal after a polite stop", &c.renewal())?;
    c.get("/a", false)?.ok()?;
    c.get("/a/e", false)?.ok().map(|_| ())
}

/// Writes one after the other, waiting now and then so that snapshots can keep up.
fn write_many(t: &mut Ctx<'_>, count: i32) -> Outcome {
    t.mute(true);
    let mut c = t.session()?;
    for n in 0..count {
        c.create(&format!("/n{n}"), 0)?.ok()?;
        if n % 10 == 9 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    c.close()?;
    t.mute(false);
    Ok(())
}

fn rolling(t: &mut Ctx<'_>) -> Outcome {
    write_many(t, 100)?;
    let directory = t.server.version_2();
    wait_until("four snapshots", PATIENCE, || Ok(numbered(&directory, "snapshot.").len() >= 4))?;
    let snapshots: Vec<i64> = numbered(&directory, "snapshot.").into_iter().map(|(zxid, _)| zxid).collect();
    let logs: Vec<i64> = numbered(&directory, "log.").into_iter().map(|(zxid, _)| zxid).collect();
    t.fact("the first snapshot is snapshot.0", snapshots.first() == Some(&0))?;
    t.fact("the first log is log.1", logs.first() == Some(&1))?;
    let gaps: Vec<i64> = logs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    t.fact("logs are rolled after more than snapCount/2 entries", gaps.iter().all(|gap| *gap > 10))?;
    t.fact("and after snapCount + 1 at the latest", gaps.iter().all(|gap| *gap <= 21))?;
    let mut all = Vec::new();
    for (first, path) in numbered(&directory, "log.") {
        let zxids: Vec<i64> = read_log(&path)?.iter().map(|entry| entry.zxid).collect();
        ensure(zxids.first().is_none_or(|zxid| *zxid == first), || {
            format!("log.{first:x} starts at {zxids:?}")
        })?;
        all.extend(zxids);
    }
    t.fact("the logs hold every transaction once", all == (1..=102).collect::<Vec<i64>>())?;
    for (_, path) in &numbered(&directory, "snapshot.")[..3] {
        read_snapshot(path)?;
    }
    Ok(())
}

fn broken_snapshot(t: &mut Ctx<'_>) -> Outcome {
    write_many(t, 60)?;
    let directory = t.server.version_2();
    wait_until("three snapshots", PATIENCE, || Ok(numbered(&directory, "snapshot.").len() >= 3))?;
    t.server.kill();
    let snapshots = numbered(&directory, "snapshot.");
    let (_, newest) = &snapshots[snapshots.len() - 1];
    let bytes = fs::read(newest).map_err(|e| e.to_string())?;
    fs::write(newest, &bytes[..bytes.len() / 2]).map_err(|e| e.to_string())?;
    t.server.launch()?;
    t.mute(true);
    let mut c = t.session()?;
    let count = c.children("/", false)?.ok()?.names()?.len();
    t.fact("nothing is lost", count == 61)
}

fn no_snapshot(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/a", 0)?.ok()?;
    t.server.kill();
    for (_, path) in numbered(&t.server.version_2(), "snapshot.") {
        fs::remove_file(path).map_err(|e| e.to_string())?;
    }
    let status = t.server.launch_refused()?;
    t.fact("refuses to start", !status.success())?;
    t.server.add_key("snapshot.trust.empty=true");
    t.server.launch()?;
    let mut c = t.session()?;
    c.get("/a", false)?.ok().map(|_| ())
}

fn purging(t: &mut Ctx<'_>) -> Outcome {
    write_many(t, 160)?;
    let directory = t.server.version_2();
    wait_until("six snapshots", PATIENCE, || Ok(numbered(&directory, "snapshot.").len() >= 6))?;
    t.server.kill();
    t.server.add_key("autopurge.purgeInterval=1");
    // Less than 3 is not accepted.
    t.server.add_key("autopurge.snapRetainCount=1");
    t.server.launch()?;
    // The start itself may add one while the purge runs.
    wait_until("the purge", PATIENCE, || Ok(numbered(&directory, "snapshot.").len() <= 4))?;
    // The purge takes one file after the other: what is judged is what it leaves.
    let list = || (numbered(&directory, "snapshot."), numbered(&directory, "log."));
    let mut before = list();
    wait_until("the end of the purge", PATIENCE, || {
        std::thread::sleep(Duration::from_millis(300));
        let now = list();
        let ended = now == before;
        before = now;
        Ok(ended)
    })?;
    let (snapshots, logs) = before;
    t.fact("at least three snapshots are kept", snapshots.len() >= 3)?;
    let reaches_back = logs.iter().any(|(first, _)| *first <= snapshots[0].0 + 1);
    t.fact("the logs reach back to the oldest snapshot", reaches_back)?;
    t.server.kill();
    for (_, path) in &numbered(&directory, "snapshot.")[1..] {
        fs::remove_file(path).map_err(|e| e.to_string())?;
    }
    t.server.launch()?;
    t.mute(true);
    let count = t.session()?.children("/", false)?.ok()?.names()?.len();
    t.fact("the oldest kept snapshot and the logs give everything", count == 161)
}

fn torn(t: &mut Ctx<'_>) -> Outcome {
    let whole = [create_txn("/a", OPEN, false, 1), create_txn("/b", OPEN, false, 2)];
    let third = &forged_log(3, &[create_txn("/c", OPEN, false, 3)])[16..];
    for cut in [1, 9, 12, 13, 20, third.len() - 2] {
        start_with_log(t, &whole, &third[..cut])?;
        let mut c = t.session()?;
        c.children("/", false)?.ok()?;
        same(&format!("cut to {cut} bytes: zxid"), c.create("/d", 0)?.ok()?.zxid, 4)?;
        c.delete("/d", -1)?.ok()?;
        c.forget();
        t.server.kill();
        for (zxid, path) in numbered(&t.server.version_2(), "snapshot.") {
            if zxid > 0 {
                fs::remove_file(path).map_err(|e| e.to_string())?;
            }
        }
    }
    start_with_log(t, &whole, third)?;
    let mut c = t.session()?;
    c.exists("/c", false)?.ok().map(|_| ())
}

fn wrong_checksum(t: &mut Ctx<'_>) -> Outcome {
    let mut third = forged_log(3, &[create_txn("/c", OPEN, false, 3)])[16..].to_vec();
    third[0] ^= 1;
    third[7] ^= 1;
    put_log(t, &[create_txn("/a", OPEN, false, 1)], &third)?;
    let status = t.server.launch_refused()?;
    t.fact("refuses to start", !status.success())
}

fn tolerant(t: &mut Ctx<'_>) -> Outcome {
    let path_only = |path: &str| Out::new().str(path).done();
    let transactions = [
        create_txn("/a", OPEN, false, 1),
        create_txn("/a", OPEN, false, 2),
        (2, path_only("/not-there")),
        (5, Out::new().str("/not-there").str("x").int(7).done()),
        (7, Out::new().str("/not-there").int(0).int(1).done()),
        create_txn("/no/parent", OPEN, false, 1),
        (-1, Out::new().int(-101).done()),
        create_txn("/b", OPEN, false, 9),
    ];
    start_with_log(t, &transactions, &[])?;
    let mut c = t.session()?;
    c.children("/", false)?.ok()?;
    c.get("/a", false)?.ok()?;
    c.exists("/", false)?.ok()?;
    same("next", c.create("/s-", 2)?.ok()?.path()?, "/s-0000000009".to_owned())
}

fn nobodys(t: &mut Ctx<'_>) -> Outcome {
    let transactions = [create_txn("/stays", OPEN, false, 1), create_txn("/goes", OPEN, true, 2)];
    let mut log = transactions.to_vec();
    log.push(create_txn("/stays/goes", OPEN, true, 1));
    t.server.kill();
    // The writer of made-up logs uses session 0, which owns nothing; a real owner is needed here.
    let bytes = super::files::forged_log_of(0x0100_0000_0000_0042, 1, &log);
    fs::write(t.server.version_2().join("log.1"), bytes).map_err(|e| e.to_string())?;
    t.server.launch()?;
    let mut c = t.session()?;
    c.exists("/stays", false)?.ok()?;
    c.exists("/goes", false)?.err(-101)?;
    c.exists("/stays/goes", false)?.err(-101).map(|_| ())
}

fn types_off(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/a", 0)?.ok()?;
    c.ttl("/a/t", 5, 1_000_000)?.ok()?;
    c.container("/a/c", 4)?.ok()?;
    c.close()?.ok()?;
    t.server.kill();
    t.server.add_key("extendedTypesEnabled=false");
    t.server.launch()?;
    let mut c = t.session()?;
    c.exists("/a/t", false)?.err(-101)?;
    c.exists("/a/c", false)?.ok()?;
    c.children2("/a", false)?.ok().map(|_| ())
}

fn sequence_wraps(t: &mut Ctx<'_>) -> Outcome {
    let parents = [create_txn("/a", OPEN, false, 1), create_txn("/b", OPEN, false, 2)];
    let children = [create_txn("/a/x", OPEN, false, i32::MAX), create_txn("/b/x", OPEN, false, i32::MAX)];
    start_with_log(t, &[parents, children].concat(), &[])?;
    let mut c = t.session()?;
    c.exists("/a", false)?.ok()?;
    same("last", c.create("/a/s-", 2)?.ok()?.path()?, "/a/s-2147483647".to_owned())?;
    // The stored counter is only ever raised, so it stays where it is once the change is applied.
    c.create("/a/s-", 2)?.err(-110)?;
    c.create("/a/s-", 2)?.err(-110)?;
    c.exists("/a", false)?.ok()?;
    // Inside a multi it does wrap.
    c.multi("of two sequential ones", &[m_create("/b/s-", 2), m_create("/b/s-", 2)])?.ok()?;
    c.exists("/b", false)?.ok()?;
    c.children("/b", false)?.ok().map(|_| ())
}

fn version_wraps(t: &mut Ctx<'_>) -> Outcome {
    let set = |path: &str, version: i32| (5, Out::new().str(path).str("x").int(version).done());
    let transactions = [
        create_txn("/max", OPEN, false, 1),
        create_txn("/minus", OPEN, false, 2),
        set("/max", i32::MAX),
        set("/minus", -3),
    ];
    start_with_log(t, &transactions, &[])?;
    let mut c = t.session()?;
    same("wraps", c.set("/max", b"y", i32::MAX)?.ok()?.stat()?.version, i32::MIN)?;
    c.set("/max", b"y", i32::MIN)?.ok()?;
    for _ in 0..4 {
        c.set("/minus", b"y", -1)?.ok()?;
    }
    c.get("/minus", false)?.ok().map(|_| ())
}

fn empty_acl(t: &mut Ctx<'_>) -> Outcome {
    start_with_log(t, &[create_txn("/a", &[], false, 1)], &[])?;
    let mut c = t.session()?;
    c.get("/a", false)?.ok()?;
    c.get_acl("/a")?.ok()?;
    c.set("/a", b"x", -1)?.ok()?;
    c.create("/a/x", 0)?.ok()?;
    c.delete("/a/x", -1)?.ok()?;
    c.set_acl("/a", OPEN, -1)?.ok()?;
    c.get_acl("/a")?.ok().map(|_| ())
}
