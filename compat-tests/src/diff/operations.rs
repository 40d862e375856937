//! Random requests of every op code.
//!
//! What is left out, because oxkeeper differs on purpose (docs/differences.md) or the official server would
//! not go on:
//! - op codes 20 and -10 (behaviours 105, 45): the server's own, which oxkeeper refuses;
//! - requests that the official server takes and does not get over (docs/differences.md);
//! - ids of ACLs with characters beyond the basic plane, inside a multi: the official server writes and reads the parts
//!   once more, after which they are other ids;
//! - xid -1: a reply with it cannot be told from a watch event.

use super::plan::Request;
use super::pool::Dice;
use crate::client::OPEN;
use crate::requests::{
    auth_body, create_body, delete_body, part, parts_end, read_body, set_acl_body, set_body, watches_body,
};
use crate::transcript::quoted;
use crate::wire::Out;

/// What a configuration changes in the choice of requests.
#[derive(Clone, Copy, Debug)]
pub struct Taste {
    /// Data about as long as a packet may be, at most so many bytes in a packet.
    pub max_packet: usize,
    /// How many of a hundred requests are about quotas.
    pub quotas: u64,
    /// How many of a hundred are authentication.
    pub auths: u64,
    /// How many of a hundred ACLs are not open.
    pub narrow: u64,
}

/// An operation without its xid.
pub(super) struct Operation {
    pub(super) what: String,
    pub(super) op: i32,
    pub(super) since: Option<i64>,
    pub(super) body: Vec<u8>,
}

fn operation(op: i32, what: String, body: Vec<u8>) -> Operation {
    Operation { what, op, since: None, body }
}

fn show(path: &[u8]) -> String {
    let text = quoted(Some(&path[..path.len().min(60)]));
    text[8..].to_owned()
}

impl Operation {
    pub(super) fn numbered(self, xid: i32) -> Request {
        let Self { what, op, since, body } = self;
        // Clients number these so; any other number is answered as well.
        let xid = match op {
            11 => -2,
            100 => -4,
            101 if xid % 2 == 0 => -8,
            _ => xid,
        };
        Request { what, xid, op, since, body }
    }
}

/// Any request that is answered on an open connection.
pub(super) fn any(random: &mut Dice, taste: &Taste) -> Operation {
    if random.percent(taste.quotas) {
        return quota(random);
    }
    if random.percent(taste.auths) {
        return auth(random);
    }
    match random.below(100) {
        0..=29 => create(random, taste),
        30..=38 => delete(random),
        39..=46 => set_data(random, taste),
        47..=50 => set_acl(random),
        51..=69 => read(random),
        70..=77 => multi(random, taste),
        78..=79 => multi_read(random),
        80..=93 => watches(random),
        94..=95 => own(random),
        96 => check(random),
        97 => operation(11, "ping".to_owned(), Vec::new()),
        98 => operation(16, "reconfig".to_owned(), Out::new().str("").buf(None).str("").long(-1).done()),
        _ => unknown(random),
    }
}

/// Requests that go through the official server's pipeline in order, whatever else is in it.
pub(super) fn in_order(random: &mut Dice, taste: &Taste) -> Operation {
    loop {
        let next = any(random, taste);
        // Until it is applied a container with the flag of an ephemeral takes no children.
        let in_between = next.op == 19 && next.body.ends_with(&[0, 0, 0, 1]);
        if in_between {
            continue;
        }
        // auth and sasl are answered by the thread that reads, unknown op codes by the throttler: not in order.
        if is_known(next.op) && !matches!(next.op, 100 | 102) {
            return next;
        }
    }
}

fn is_known(op: i32) -> bool {
    matches!(op, 1..=9 | 11 | 12 | 14..=19 | 21 | 22 | 100..=107)
}

const FLAGS: &[i32] = &[0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, -1, 100, i32::MIN, i32::MAX];
const TTLS: &[i64] = &[1, 1000, 100_000, 0, -1, -2, 0xff_ffff_ffff, 0x100_0000_0000, i64::MAX, i64::MIN];

fn create_path(random: &mut Dice, flags: i32) -> Vec<u8> {
    if matches!(flags, 2 | 3 | 6) && random.percent(70) {
        return random
            .pick(&[&b"/a/s"[..], b"/b/s", b"/q/s", b"/s", b"/a/", b"/", b"/e/s", b"/a/s/"])
            .to_vec();
    }
    random.plain_path()
}

fn create(random: &mut Dice, taste: &Taste) -> Operation {
    let op = random.pick(&[1, 1, 1, 15, 15, 19, 21]);
    let flags = match op {
        21 => random.pick(&[5, 5, 5, 6, 6, 7, -1, 100]),
        19 => random.pick(&[4, 4, 4, 0, 1, 2, 5, 9]),
        _ => random.pick(FLAGS),
    };
    let path = create_path(random, flags);
    let (data, acl) = (data(random, taste), random.acl());
    let mut body = create_body(&path, data.as_deref(), acl.as_deref(), flags);
    let mut what = format!("create({op}) {} flags {flags} acl {acl:?}", show(&path));
    if op == 21 {
        let ttl = random.pick(TTLS);
        body.extend(ttl.to_be_bytes());
        what += &format!(" ttl {ttl}");
    }
    operation(op, what, body)
}

/// Data, at times so long that the packet is about as long as it may be.
fn data(random: &mut Dice, taste: &Taste) -> Option<Vec<u8>> {
    let odds = if taste.max_packet < 10_000 { 8 } else { 400 };
    if random.below(odds) == 0 {
        let around = taste.max_packet.saturating_sub(20 + random.index(60));
        return Some(vec![b'l'; around]);
    }
    random.data()
}

fn delete(random: &mut Dice) -> Operation {
    let (path, version) = (random.path(), random.version());
    operation(2, format!("delete {} version {version}", show(&path)), delete_body(&path, version))
}

fn set_data(random: &mut Dice, taste: &Taste) -> Operation {
    let (path, data, version) = (random.plain_path(), data(random, taste), random.version());
    let body = set_body(&path, data.as_deref(), version);
    operation(5, format!("setData {} version {version}", show(&path)), body)
}

fn set_acl(random: &mut Dice) -> Operation {
    let (path, acl, version) = (random.path(), random.acl(), random.version());
    let body = set_acl_body(&path, acl.as_deref(), version);
    operation(7, format!("setACL {} {acl:?} version {version}", show(&path)), body)
}

fn read(random: &mut Dice) -> Operation {
    let path = random.path();
    let (op, name) = random.pick(&[
        (3, "exists"),
        (3, "exists"),
        (4, "getData"),
        (4, "getData"),
        (8, "getChildren"),
        (12, "getChildren2"),
        (6, "getACL"),
        (104, "getAllChildrenNumber"),
        (9, "sync"),
    ]);
    if matches!(op, 6 | 9 | 104) {
        return operation(op, format!("{name} {}", show(&path)), Out::new().text(&path).done());
    }
    let watch = random.flag();
    operation(op, format!("{name} {} watch {watch}", show(&path)), read_body(&path, watch))
}

/// What is about the asker alone.
fn own(random: &mut Dice) -> Operation {
    let prefixes: &[Option<&[u8]>] =
        &[None, Some(b""), Some(b"/"), Some(b"/a"), Some(b" / "), Some(b"/e"), Some(b"\x01"), Some(b"/a/b")];
    match random.below(12) {
        0..=3 => operation(107, "whoAmI".to_owned(), Vec::new()),
        4 => operation(102, "sasl".to_owned(), Out::new().buf(Some(b"token")).done()),
        _ => {
            let prefix = random.pick(prefixes);
            operation(103, format!("getEphemerals {prefix:?}"), Out::new().buf(prefix).done())
        }
    }
}

/// A version check that stands alone, which the official server refuses.
fn check(random: &mut Dice) -> Operation {
    let (path, version) = (random.path(), random.version());
    operation(13, format!("check {} version {version}", show(&path)), delete_body(&path, version))
}

fn unknown(random: &mut Dice) -> Operation {
    let ops = [0, 10, 23, 99, 108, -1, -2, -12, 1000, i32::MIN, i32::MAX];
    let op = random.pick(&ops);
    operation(op, format!("op code {op}"), read_body("/a", 0))
}

/// Schemes and credentials.
const CREDENTIALS: &[(&str, &[u8])] = &[
    ("digest", b"super:admin"),
    ("digest", b"super:admin"),
    ("digest", b"u:p"),
    ("digest", b"u:p"),
    ("digest", b"super:wrong"),
    ("digest", b"v:q:r"),
    ("digest", b"user"),
    ("digest", b""),
    ("digest", b":"),
    ("digest", b"\xff:\xfe"),
    ("digest", b"\xed\xa0\x80:p"),
    ("ip", b""),
    ("ip", b"10.0.0.1"),
    ("world", b"anyone"),
    ("auth", b""),
    ("sasl", b"x"),
    ("", b""),
    ("unknown", b"x"),
];

pub(super) fn auth(random: &mut Dice) -> Operation {
    let (scheme, credential) = random.pick(CREDENTIALS);
    operation(100, format!("auth {scheme} {}", show(credential)), auth_body(scheme, credential))
}

/// A part of a multi; every op code that may stand in one, at times one that may not.
fn multi_part(random: &mut Dice, taste: &Taste) -> (String, Vec<u8>) {
    loop {
        let inner = any_part(random, taste);
        if !inner.body.contains(&0xf0) || inner.op != 1 && inner.op < 15 {
            let bytes = part(inner.op, &inner.body);
            return (inner.what, bytes);
        }
    }
}

fn any_part(random: &mut Dice, taste: &Taste) -> Operation {
    match random.below(20) {
        0..=7 => create(random, taste),
        8..=10 => delete(random),
        11..=14 => set_data(random, taste),
        15..=18 => check(random),
        _ => match random.below(3) {
            0 => read(random),
            1 => set_acl(random),
            _ => create(random, taste),
        },
    }
}

fn multi(random: &mut Dice, taste: &Taste) -> Operation {
    let count = random.pick(&[0, 1, 1, 2, 2, 2, 3, 3, 4, 6]);
    let (whats, parts): (Vec<_>, Vec<_>) = (0..count).map(|_| multi_part(random, taste)).unzip();
    operation(14, format!("multi [{}]", whats.join("; ")), [parts.concat(), parts_end()].concat())
}

fn multi_read(random: &mut Dice) -> Operation {
    let mut parts = Vec::new();
    let mut whats = Vec::new();
    for _ in 0..random.index(5) {
        let path = random.path();
        let op = random.pick(&[4, 4, 4, 8, 8, 8, 8, 3, 1]);
        let body =
            if op == 1 { create_body(&path, None, Some(OPEN), 0) } else { read_body(&path, random.flag()) };
        parts.push(part(op, &body));
        whats.push(format!("({op}) {}", show(&path)));
    }
    operation(22, format!("multiRead [{}]", whats.join("; ")), [parts.concat(), parts_end()].concat())
}

fn watches(random: &mut Dice) -> Operation {
    let path = if random.percent(50) { random.hot_path() } else { random.path() };
    match random.below(10) {
        0..=3 => {
            let mode = random.pick(&[0, 0, 0, 1, 1, 1, 2, -1, i32::MAX]);
            operation(106, format!("addWatch {} mode {mode}", show(&path)), delete_body(&path, mode))
        }
        4..=7 => {
            let (op, name) = random.pick(&[(17, "checkWatches"), (18, "removeWatches")]);
            let kind = random.pick(&[1, 2, 3, 3, 3, 4, 4, 5, 5, 0, -1, 6, i32::MAX]);
            operation(op, format!("{name} {} type {kind}", show(&path)), delete_body(&path, kind))
        }
        _ => set_watches(random),
    }
}

fn set_watches(random: &mut Dice) -> Operation {
    let op = random.pick(&[101, 105]);
    let count = if op == 101 { 3 } else { 5 };
    let lists: Vec<Vec<Vec<u8>>> =
        (0..count).map(|_| (0..random.index(3)).map(|_| random.path()).collect()).collect();
    let shown: Vec<String> =
        lists.iter().map(|list| list.iter().map(|path| show(path)).collect::<Vec<_>>().join(" ")).collect();
    let lists: Vec<&[Vec<u8>]> = lists.iter().map(Vec::as_slice).collect();
    let mut body = watches_body(0, &lists);
    let since = i64::try_from(random.below(200)).unwrap_or_default() - 5;
    body.drain(..8);
    let what = format!("setWatches({op}) since {since} [{}]", shown.join("|"));
    Operation { since: Some(since), ..operation(op, what, body) }
}

/// Limits and figures as the official tools write them; figures that do not parse end the official server.
const FIGURES: &[&[u8]] = &[
    b"count=3,bytes=20",
    b"count=-1,bytes=-1",
    b"count=-1,bytes=10",
    b"count=2,bytes=-1=;byteHardLimit=30;countHardLimit=4",
    b"count=-1,bytes=-1=;byteHardLimit=12;countHardLimit=-1",
    b"count=1,bytes=100=;byteHardLimit=-1;countHardLimit=2",
    b"count=5,bytes=0=;unknown=7",
    b"",
];

/// Limits that do not parse: writes under them are refused where quotas are enforced.
const BAD_LIMITS: &[&[u8]] = &[
    b"x",
    b"count=",
    b"count=x",
    b",count=1",
    b"=",
    b"count==1",
    b",",
    b"count=1,,bytes=1,",
    b"count=+1",
    b"count= 1",
];

/// Quota nodes and writes below them.
fn quota(random: &mut Dice) -> Operation {
    let of = random.pick(&["q", "q", "q", "a", "q/x", "e"]);
    let leaf = random.pick(&["", "/zookeeper_limits", "/zookeeper_limits", "/zookeeper_stats"]);
    let path = format!("/zookeeper/quota/{of}{leaf}");
    let bad = leaf != "/zookeeper_stats" && random.percent(15);
    let figures = if bad { random.pick(BAD_LIMITS) } else { random.pick(FIGURES) };
    match random.below(10) {
        0..=5 => {
            let body = create_body(&path, Some(figures), Some(OPEN), 0);
            operation(1, format!("create {path} {}", show(figures)), body)
        }
        6..=7 => {
            operation(5, format!("setData {path} {}", show(figures)), set_body(&path, Some(figures), -1))
        }
        _ => operation(2, format!("delete {path}"), delete_body(&path, -1)),
    }
}
