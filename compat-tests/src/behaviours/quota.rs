//! Quotas (157 to 162).

use super::setups::{PLAIN, QUOTA};
use super::{Case, Ctx, case, same};
use crate::client::{Client, OPEN, Outcome};
use crate::requests::{m_check, m_create};

pub(super) const CASES: &[Case] = &[
    case("quota-nodes", &[157, 158, 159], &QUOTA, nodes),
    case("quota-hard-limits", &[160, 161], &QUOTA, hard),
    case("quota-soft-limits", &[160], &QUOTA, soft),
    case("quota-and-other-errors", &[61, 91], &QUOTA, order),
    case("quota-longest-path", &[162], &QUOTA, longest),
    case("quota-not-enforced", &[160], &PLAIN, not_enforced),
];

/// Sets a quota the way the official command line does.
fn set_quota(c: &mut Client, path: &str, limits: &str) -> Outcome {
    let mut node = "/zookeeper/quota".to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        node = format!("{node}/{part}");
        c.create_with(&node, None, OPEN, 0)?;
    }
    c.create_with(&format!("{node}/zookeeper_limits"), Some(limits.as_bytes()), OPEN, 0)?.ok()?;
    c.create_with(&format!("{node}/zookeeper_stats"), Some(b"count=0,bytes=0"), OPEN, 0)?.ok().map(|_| ())
}

fn stats(c: &mut Client, path: &str) -> Outcome<String> {
    let reply = c.get(&format!("/zookeeper/quota{path}/zookeeper_stats"), false)?.ok()?;
    Ok(String::from_utf8_lossy(&reply.data()?.unwrap_or_default()).into_owned())
}

fn nodes(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b157", 0)?.ok()?;
    c.create_with("/b157/x", Some(b"12345"), OPEN, 0)?.ok()?;
    set_quota(&mut c, "/b157", "count=100,bytes=1000")?;
    same("counted at once", stats(&mut c, "/b157")?, "count=2,bytes=6".to_owned())?;
    c.get("/zookeeper/quota/b157/zookeeper_stats", true)?.ok()?;
    c.create_with("/b157/a-very-long-name", None, OPEN, 0)?.ok()?;
    c.set("/b157/x", b"1234567", -1)?.ok()?;
    same("kept up to date", stats(&mut c, "/b157")?, "count=3,bytes=8".to_owned())?;
    c.set("/b157", b"", -1)?.ok()?;
    c.delete("/b157/x", -1)?.ok()?;
    c.create("/b157/e", 1)?.ok()?;
    same("kept up to date", stats(&mut c, "/b157")?, "count=3,bytes=1".to_owned())?;
    c.get("/zookeeper/quota/b157/zookeeper_limits", false)?.ok()?;
    c.children("/zookeeper/quota/b157", false)?.ok()?;
    c.delete("/zookeeper/quota/b157/zookeeper_stats", -1)?.ok()?;
    c.delete("/zookeeper/quota/b157/zookeeper_limits", -1)?.ok()?;
    c.create("/b157/y", 0)?.ok().map(|_| ())
}

fn hard(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create_with("/b160", None, OPEN, 0)?.ok()?;
    set_quota(&mut c, "/b160", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3")?;
    c.create_with("/b160/a", Some(b"12345"), OPEN, 0)?.ok()?;
    c.create_with("/b160/b", Some(b"123456"), OPEN, 0)?.err(-125)?;
    c.create_with("/b160/b", Some(b"12345"), OPEN, 0)?.ok()?;
    c.set("/b160/b", b"123456", -1)?.err(-125)?;
    c.set("/b160/b", b"54321", -1)?.ok()?;
    c.create_with("/b160/c", None, OPEN, 0)?.err(-125)?;
    c.create2("/b160/c", 0)?.err(-125)?;
    c.create("/b160/c-", 3)?.err(-125)?;
    c.container("/b160/c", 4)?.err(-125)?;
    c.set("/b160/a", b"1", -1)?.ok()?;
    c.set_acl("/b160/a", OPEN, -1)?.ok()?;
    c.multi("over the quota", &[m_create("/b160/m", 0), m_check("/b160", -1)])?.ok()?;
    c.delete("/b160/b", -1)?.ok()?;
    c.create_with("/b160/c", Some(b"1"), OPEN, 0)?.ok()?;
    same("stats", stats(&mut c, "/b160")?, "count=3,bytes=2".to_owned())
}

fn soft(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b160s", 0)?.ok()?;
    set_quota(&mut c, "/b160s", "count=1,bytes=1")?;
    c.create("/b160s/x", 0)?.ok()?;
    c.set("/b160s/x", b"0123456789", -1)?.ok()?;
    same("stats", stats(&mut c, "/b160s")?, "count=2,bytes=11".to_owned())
}

fn order(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create_with("/b091q", Some(b"1"), OPEN, 0)?.ok()?;
    set_quota(&mut c, "/b091q", "count=-1,bytes=-1=;byteHardLimit=2;countHardLimit=1")?;
    c.set("/b091q", b"123", 7)?.err(-125)?;
    c.set("/b091q", b"12", 7)?.err(-103)?;
    c.set("/b091q/no", b"123", 7)?.err(-101)?;
    c.create("/b091q/x", 0)?.err(-125)?;
    c.create("/b091q/.", 0)?.err(-8)?;
    c.create("/b091q", 0)?.err(-110)?;
    c.create_with("/b091q/x", None, &[], 0)?.err(-114).map(|_| ())
}

fn longest(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b162", 0)?.ok()?;
    c.create("/b162/in", 0)?.ok()?;
    set_quota(&mut c, "/b162", "count=-1,bytes=-1=;countHardLimit=3")?;
    set_quota(&mut c, "/b162/in", "count=-1,bytes=-1=;countHardLimit=5")?;
    c.create("/b162/x", 0)?.ok()?;
    c.create("/b162/y", 0)?.err(-125)?;
    c.create("/b162/in/x", 0)?.ok()?;
    c.create("/b162x", 0)?.ok()?;
    c.create("/b162x/y", 0)?.ok()?;
    stats(&mut c, "/b162")?;
    stats(&mut c, "/b162/in").map(|_| ())
}

fn not_enforced(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b160n", 0)?.ok()?;
    set_quota(&mut c, "/b160n", "count=-1,bytes=-1=;byteHardLimit=1;countHardLimit=1")?;
    c.create("/b160n/x", 0)?.ok()?;
    c.set("/b160n/x", b"123", -1)?.ok()?;
    same("stats", stats(&mut c, "/b160n")?, "count=2,bytes=4".to_owned())
}
