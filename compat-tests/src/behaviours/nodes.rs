//! Stat, versions, reads, and nodes that go away by themselves (78 to 101).

use super::setups::{FRESH, PLAIN, TYPED};
use super::{Case, Ctx, case, ensure, same, wait_until};
use crate::client::{OPEN, Outcome};
use crate::wire::PATIENCE;

pub(super) const CASES: &[Case] = &[
    case("initial-nodes", &[78, 85, 172], &FRESH, initial_nodes),
    case("cversion-and-pzxid", &[78, 79, 80], &PLAIN, parents),
    case("set-data-and-set-acl", &[81, 82, 86], &PLAIN, changes),
    case("ephemeral-owner", &[83], &TYPED, owners),
    case("times", &[84], &PLAIN, times),
    case("versions", &[86], &PLAIN, versions),
    case("delete-order-of-checks", &[89, 90], &PLAIN, delete_order),
    case("set-data-order-of-checks", &[91], &PLAIN, set_order),
    case("reads-and-permissions", &[92, 93], &PLAIN, reads),
    case("descendants", &[94], &FRESH, descendants),
    case("own-ephemerals", &[95], &PLAIN, ephemerals),
    case("sync-echoes", &[96], &PLAIN, sync),
    case("children-in-any-order", &[98], &PLAIN, children),
    case("containers-go-away", &[99, 101], &TYPED, containers),
    case("ttl-nodes-go-away", &[100, 101], &TYPED, ttl_nodes),
    case("ttl-is-renewed-by-set-data", &[100], &TYPED, ttl_renewed),
];

fn initial_nodes(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for (path, cversion) in [("/", -1), ("/zookeeper", -2), ("/zookeeper/quota", 0), ("/zookeeper/config", 0)]
    {
        let stat = c.get(path, false)?.ok()?.stat()?;
        same(path, (stat.cversion, stat.czxid, stat.ctime), (cversion, 0, 0))?;
        c.get_acl(path)?.ok()?;
        c.children2(path, false)?.ok()?;
    }
    c.delete("/zookeeper/config", -1)?.err(-8)?;
    c.set("/zookeeper/config", b"x", -1)?.err(-102)?;
    c.create("/a", 0)?.ok()?;
    same("cversion", c.exists("/", false)?.ok()?.stat()?.cversion, 0)?;
    c.delete("/a", 0)?.ok()?;
    same("cversion", c.exists("/", false)?.ok()?.stat()?.cversion, 1)
}

fn parents(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let fresh = c.create2("/b078", 0)?.ok()?.stat()?;
    same("pzxid of a new node", fresh.pzxid, fresh.czxid)?;
    let born = c.create2("/b078/x", 0)?.ok()?.stat()?;
    let seen = c.exists("/b078", false)?.ok()?.stat()?;
    same("after a create", (seen.cversion, seen.children, seen.pzxid), (1, 1, born.czxid))?;
    c.set("/b078/x", b"new", -1)?.ok()?;
    c.set_acl("/b078/x", OPEN, -1)?.ok()?;
    c.create("/b078/x/y", 0)?.ok()?;
    c.set("/b078", b"own", -1)?.ok()?;
    c.set_acl("/b078", OPEN, -1)?.ok()?;
    c.create("/b078/x", 0)?.err(-110)?;
    let later = c.exists("/b078", false)?.ok()?.stat()?;
    same("nothing else counts", (later.cversion, later.children, later.pzxid), (1, 1, born.czxid))?;
    c.delete("/b078/x/y", -1)?.ok()?;
    let gone = c.delete("/b078/x", -1)?.ok()?;
    let seen = c.exists("/b078", false)?.ok()?.stat()?;
    same("after a delete", (seen.cversion, seen.children, seen.pzxid), (2, 0, gone.zxid))
}

fn changes(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let mut stat = c.create2("/b081", 0)?.ok()?.stat()?;
    let set = c.set("/b081", b"four", 0)?.ok()?;
    let new = set.stat()?;
    (stat.version, stat.mzxid, stat.mtime, stat.length) = (1, set.zxid, new.mtime, 4);
    same("after setData", &new, &stat)?;
    let new = c.set_acl("/b081", &[(31, "world", "anyone"), (1, "ip", "10.0.0.1")], 0)?.ok()?.stat()?;
    stat.aversion = 1;
    same("after setACL", &new, &stat)?;
    c.set_acl("/b081", OPEN, 0)?.err(-103)?;
    c.set_acl("/b081", OPEN, -2)?.err(-103)?;
    c.set_acl("/b081", OPEN, 1)?.ok()?;
    c.set("/b081", b"four", 0)?.err(-103)?;
    same("the same again", &c.exists("/b081", false)?.ok()?.stat()?.version, &1)
}

fn owners(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    same("persistent", c.create2("/b083", 0)?.ok()?.stat()?.owner, 0)?;
    same("ephemeral", c.create2("/b083/e", 1)?.ok()?.stat()?.owner, c.welcome.session)?;
    same("container", c.container("/b083/c", 4)?.ok()?.stat()?.owner, 0)?;
    same("ttl", c.ttl("/b083/t", 5, 500_000)?.ok()?.stat()?.owner, 0)?;
    for path in ["/b083/e", "/b083/c", "/b083/t"] {
        c.get(path, false)?.ok()?;
    }
    c.ephemerals(None)?.ok().map(|_| ())
}

fn times(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let before = crate::transcript::now_ms();
    let made = c.create2("/b084", 0)?.ok()?.stat()?;
    let set = c.set("/b084", b"x", -1)?.ok()?.stat()?;
    let after = crate::transcript::now_ms();
    t.fact(
        "ctime is the time of the create",
        (before..=after).contains(&made.ctime) && made.ctime == made.mtime,
    )?;
    t.fact(
        "mtime is the time of the setData",
        (made.ctime..=after).contains(&set.mtime) && set.ctime == made.ctime,
    )
}

fn versions(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b086", 0)?.ok()?;
    for version in [1, -2, -3, i32::MIN, i32::MAX] {
        c.set("/b086", b"x", version)?.err(-103)?;
        c.set_acl("/b086", OPEN, version)?.err(-103)?;
        c.delete("/b086", version)?.err(-103)?;
    }
    c.set("/b086", b"x", -1)?.ok()?;
    c.set("/b086", b"x", 1)?.ok()?;
    c.set_acl("/b086", OPEN, -1)?.ok()?;
    c.delete("/b086", 1)?.err(-103)?;
    c.delete("/b086", 2)?.ok().map(|_| ())
}

fn delete_order(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b089", 0)?.ok()?;
    c.create("/b089/shut", 0)?.ok()?;
    c.create("/b089/shut/full", 0)?.ok()?;
    c.create("/b089/shut/full/x", 0)?.ok()?;
    c.set_acl("/b089/shut", &[(23, "world", "anyone")], -1)?.ok()?;
    c.delete("/b089/no/x", 7)?.err(-101)?;
    c.delete("/b089/shut/no", 7)?.err(-102)?;
    c.delete("/b089/shut/full", 7)?.err(-102)?;
    c.delete("/b089/no", 7)?.err(-101)?;
    c.delete("/b089/shut", 7)?.err(-103)?;
    c.delete("/b089/shut", 0)?.err(-111)?;
    c.create_acl("/b089/denied", &[(1, "ip", "10.0.0.1")])?.ok()?;
    c.get("/b089/denied", false)?.err(-102)?;
    c.delete("/b089/denied", 0)?.ok().map(|_| ())
}

fn set_order(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create_acl("/b091", &[(1, "world", "anyone")])?.ok()?;
    c.set("/b091/", b"x", 7)?.err(-8)?;
    c.set("/b091/no", b"x", 7)?.err(-101)?;
    c.set("/b091", b"x", 7)?.err(-102)?;
    c.create("/b091x", 0)?.ok()?;
    c.set("/b091x", b"x", 7)?.err(-103)?;
    c.set_acl("/b091/", &[], 7)?.err(-8)?;
    c.set_acl("/b091/no", &[], 7)?.err(-114)?;
    c.set_acl("/b091/no", OPEN, 7)?.err(-101)?;
    c.set_acl("/b091", OPEN, 7)?.err(-102)?;
    c.set_acl("/b091x", OPEN, 7)?.err(-103).map(|_| ())
}

fn reads(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b092", 0)?.ok()?;
    c.create("/b092/open", 0)?.ok()?;
    c.create_acl("/b092/shut", &[(30, "world", "anyone")])?.ok()?;
    c.set_acl("/b092", &[(30, "world", "anyone")], -1)?.ok()?;
    for (path, code) in [("/b092/shut", -102), ("/b092/open", 0), ("/b092/no", -101), ("/b092/shut/no", -101)]
    {
        c.exists(path, false)?.err(code)?;
        c.get(path, false)?.err(code)?;
        c.children(path, false)?.err(code)?;
        c.children2(path, false)?.err(code)?;
        c.descendants(path)?.err(code)?;
    }
    // ADMIN is enough for getACL.
    c.get_acl("/b092/shut")?.ok()?;
    c.create_acl("/b092/neither", &[(14, "world", "anyone")])?.ok()?;
    c.get_acl("/b092/neither")?.err(-102).map(|_| ())
}

fn descendants(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    same("fresh", c.descendants("/")?.ok()?.int()?, 3)?;
    for path in ["/a", "/a/b", "/a/b/c", "/a/d", "/ab", "/ab/x"] {
        c.create(path, 0)?.ok()?;
    }
    same("all", c.descendants("/")?.ok()?.int()?, 9)?;
    same("a subtree", c.descendants("/a")?.ok()?.int()?, 3)?;
    same("a leaf", c.descendants("/a/d")?.ok()?.int()?, 0)?;
    c.descendants("/zookeeper")?.ok()?;
    c.descendants("/no")?.err(-101).map(|_| ())
}

fn ephemerals(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let mut other = t.session()?;
    for path in ["/b095", "/b095/d"] {
        c.create(path, 0)?.ok()?;
    }
    for path in ["/b095/aa", "/b095/ab", "/b095/d/x"] {
        c.create(path, 1)?.ok()?;
    }
    other.create("/b095/other", 1)?.ok()?;
    for (prefix, count) in [(None, 3), (Some(""), 3), (Some("  "), 3), (Some("/"), 3), (Some("/b095/a"), 2)] {
        same("count", c.ephemerals(prefix)?.ok()?.names()?.len(), count)?;
    }
    for (prefix, count) in
        [("/b095/d", 1), ("/b095/d/", 1), ("/b", 3), ("/no", 0), ("b095", 0), ("/b095/aa", 1)]
    {
        same("count", c.ephemerals(Some(prefix))?.ok()?.names()?.len(), count)?;
    }
    c.delete("/b095/aa", -1)?.ok()?;
    c.ephemerals(None)?.ok()?;
    other.ephemerals(None)?.ok().map(|_| ())
}

fn sync(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for path in ["/", "", "x", "/no", "//", "/a/./b", "\0", "日本"] {
        same("path", c.sync(path)?.ok()?.path()?, path.to_owned())?;
    }
    c.call("sync null", 9, &crate::wire::Out::new().buf(None).done())?;
    Ok(())
}

fn children(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b098", 0)?.ok()?;
    c.children("/b098", false)?.ok()?;
    for name in ["z", "a", "m", "b", "10", "9"] {
        c.create(&format!("/b098/{name}"), 0)?.ok()?;
    }
    let names = c.children("/b098", false)?.ok()?.names()?;
    same("names", names, ["10", "9", "a", "b", "m", "z"].map(str::to_owned).to_vec())?;
    c.children2("/b098", false)?.ok().map(|_| ())
}

fn containers(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b099", 0)?.ok()?;
    c.container("/b099/never", 4)?.ok()?;
    c.container("/b099/used", 4)?.ok()?;
    c.create("/b099/used/x", 0)?.ok()?;
    c.get("/b099/used", true)?.ok()?;
    c.children("/b099/used", true)?.ok()?;
    c.children("/b099", true)?.ok()?;
    c.delete("/b099/used/x", -1)?.after(&[(4, "/b099/used")])?.ok()?;
    c.event(2, "/b099/used")?;
    c.event(4, "/b099")?;
    c.children2("/b099", false)?.ok()?;
    c.exists("/b099/never", false)?.ok().map(|_| ())
}

fn ttl_nodes(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b100", 0)?.ok()?;
    c.ttl("/b100/parent", 5, 1000)?.ok()?;
    c.create("/b100/parent/x", 0)?.ok()?;
    c.children("/b100", true)?.ok()?;
    let began = crate::transcript::now_ms();
    c.ttl("/b100/leaf", 5, 600)?.ok()?.after(&[(4, "/b100")])?;
    c.exists("/b100/leaf", true)?.ok()?;
    c.children("/b100", true)?.ok()?;
    c.event(2, "/b100/leaf")?;
    c.event(4, "/b100")?;
    let took = crate::transcript::now_ms() - began;
    t.fact("not before its time", took >= 600)?;
    t.fact("at the next check", took < 2500)?;
    std::thread::sleep(std::time::Duration::from_millis(700));
    c.get("/b100/parent", true)?.ok()?;
    c.delete("/b100/parent/x", -1)?.ok()?;
    c.event(2, "/b100/parent")?;
    c.children2("/b100", false)?.ok().map(|_| ())
}

fn ttl_renewed(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b100r", 0)?.ok()?;
    c.ttl("/b100r/renewed", 5, 1500)?.ok()?;
    c.ttl("/b100r/left", 5, 1500)?.ok()?;
    t.mute(true);
    wait_until("the node that nobody touches", PATIENCE, || {
        c.set("/b100r/renewed", b"x", -1)?.ok()?;
        std::thread::sleep(std::time::Duration::from_millis(100));
        Ok(c.exists("/b100r/left", false)?.err == -101)
    })?;
    ensure(c.exists("/b100r/renewed", false)?.err == 0, || "the renewed node is gone".to_owned())?;
    t.fact("setData renews a TTL node", true)
}
