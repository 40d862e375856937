//! What random requests are made of: paths, data, ACL entries, versions and flags, most of them few so that requests meet
//! each other, some of them odd.

use crate::client::Acl;
use crate::random::Random;
use std::ops::{Deref, DerefMut};

/// Where most requests go.
const USUAL: &[&[u8]] = &[
    b"/a", b"/a/b", b"/a/b/c", b"/a/c", b"/b", b"/b/x", b"/e", b"/a/e", b"/q", b"/q/x", b"/q/x/y", b"/t",
    b"/t/u",
];
/// Names that sequential nodes get at the start of a sequence.
const NUMBERED: &[&[u8]] = &[
    b"/a/s0000000000",
    b"/a/s0000000001",
    b"/a/s0000000002",
    b"/b/s0000000000",
    b"/q/s0000000000",
    b"/a/0000000000",
    b"/s-000000001",
];
/// What the server itself keeps.
const OWN: &[&[u8]] = &[b"/", b"/zookeeper", b"/zookeeper/quota", b"/zookeeper/config", b"/zookeeper/x", b""];
/// Quota nodes and what looks like one.
const QUOTA: &[&[u8]] = &[
    b"/zookeeper/quota/q",
    b"/zookeeper/quota/q/zookeeper_limits",
    b"/zookeeper/quota/q/zookeeper_stats",
    b"/zookeeper/quota/q/x",
    b"/zookeeper/quota/q/x/zookeeper_limits",
    b"/zookeeper/quota/q/x/zookeeper_stats",
    b"/zookeeper/quota/a",
    b"/zookeeper/quota/a/zookeeper_limits",
    b"/zookeeper/quota/a/zookeeper_stats",
];
/// What path rules are about.
const ODD: &[&[u8]] = &[
    b"a",
    b"a/b",
    b"//",
    b"/a/",
    b"//a",
    b"/a//b",
    b"/.",
    b"/..",
    b"/a/.",
    b"/a/..",
    b"/a/./b",
    b"/a/../b",
    b"/a/.b",
    b"/...",
    b".",
    b"/a\0",
    b"\0",
    b"/a/b\0c",
    b"/\x1f",
    b"/\x7f",
    b"/a\n",
    b" ",
    b"/ ",
    b"/a b",
    b"/A",
    b"/-1",
    "/\u{e4}".as_bytes(),
    "/a/\u{20ac}".as_bytes(),
    "/\u{85}".as_bytes(),
    "/\u{d7ff}".as_bytes(),
    "/\u{e000}".as_bytes(),
    "/\u{f8ff}".as_bytes(),
    "/\u{f900}".as_bytes(),
    "/\u{ffef}".as_bytes(),
    "/\u{fff0}".as_bytes(),
    "/\u{1f600}".as_bytes(),
    "/a/\u{10ffff}".as_bytes(),
    // Surrogates as Java's modified UTF-8 writes them, alone and in a pair, and what is no UTF-8 at all.
    b"/\xed\xa0\xbd\xed\xb8\x80",
    b"/\xed\xa0\x80",
    b"/a/\xed\xbf\xbf",
    b"/\xff\xfe",
    b"/\xc0\xaf",
    b"/\xc0\x80",
    b"/\xf0\x9f\x98",
    b"/\xf4\x90\x80\x80",
    b"/\xe2\x82",
    b"/a\x80b",
];

/// Random numbers, and what one sequence favours.
#[derive(Debug)]
pub(super) struct Dice {
    random: Random,
    /// Paths to which this sequence comes back again and again.
    hot: Vec<&'static [u8]>,
    /// How many of a hundred ACLs are not open.
    narrow: u64,
}

impl Deref for Dice {
    type Target = Random;
    fn deref(&self) -> &Random {
        &self.random
    }
}

impl DerefMut for Dice {
    fn deref_mut(&mut self) -> &mut Random {
        &mut self.random
    }
}

impl Dice {
    /// The dice of a seed.
    pub(super) fn new(seed: u64, narrow: u64) -> Self {
        let mut random = Random::new(seed);
        let hot = (0..4).map(|_| random.pick(USUAL)).collect();
        Self { random, hot, narrow }
    }

    /// A path, most often a usual one.
    pub(super) fn path(&mut self) -> Vec<u8> {
        if self.percent(12) { self.pick(QUOTA).to_vec() } else { self.plain_path() }
    }

    /// One of the few that this sequence favours.
    pub(super) fn hot_path(&mut self) -> Vec<u8> {
        let at = self.random.index(self.hot.len());
        self.hot[at].to_vec()
    }

    /// A path that a write goes to: no quota node, as these take well-formed data only.
    pub(super) fn plain_path(&mut self) -> Vec<u8> {
        match self.below(100) {
            0..=39 => self.hot_path(),
            40..=69 => self.pick(USUAL).to_vec(),
            70..=77 => self.pick(NUMBERED).to_vec(),
            78..=85 => self.pick(OWN).to_vec(),
            86..=88 => [&b"/"[..], &vec![b'n'; 200 + self.index(300)]].concat(),
            89 => [&b"/a/b/c"[..], &b"/d".repeat(self.index(40))].concat(),
            _ => self.pick(ODD).to_vec(),
        }
    }

    /// A version to expect.
    pub(super) fn version(&mut self) -> i32 {
        match self.below(20) {
            0..=10 => -1,
            11..=13 => 0,
            14 => 1,
            15 => 2,
            16 => -2,
            17 => i32::MIN,
            18 => i32::MAX,
            _ => i32::try_from(self.below(6)).unwrap_or_default(),
        }
    }

    /// Data: null, empty, short, at times some kilobytes.
    pub(super) fn data(&mut self) -> Option<Vec<u8>> {
        match self.below(20) {
            0..=1 => None,
            2..=3 => Some(Vec::new()),
            4 => Some(vec![b'x'; 100 + self.index(3000)]),
            _ => {
                let len = 1 + self.index(12);
                Some(self.bytes(len))
            }
        }
    }

    /// An ACL: most often open.
    pub(super) fn acl(&mut self) -> Option<Vec<Acl<'static>>> {
        if !self.random.percent(self.narrow) {
            return Some(vec![(31, "world", "anyone")]);
        }
        match self.below(100) {
            0..=3 => None,
            4..=7 => Some(Vec::new()),
            8..=14 => Some(vec![(31, "auth", "")]),
            15..=44 => Some(vec![(self.pick(PERMS), "world", "anyone")]),
            45..=64 => Some(vec![(self.pick(PERMS), "digest", U_P), (self.pick(PERMS), "ip", "127.0.0.1")]),
            65..=74 => Some(vec![(self.pick(PERMS), "world", "anyone"), (31, "digest", SUPER_ADMIN)]),
            _ => Some((0..1 + self.index(4)).map(|_| entry(self)).collect()),
        }
    }

    /// A byte for a boolean.
    pub(super) fn flag(&mut self) -> u8 {
        self.pick(&[0, 0, 1, 1, 1, 2, 255])
    }
}

const PERMS: &[i32] = &[31, 31, 31, 1, 2, 3, 4, 5, 8, 12, 15, 16, 30, 0, 32, -1, 63, i32::MIN, i32::MAX];
/// The digest id of the user "super" with the password "admin".
const SUPER_ADMIN: &str = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";
/// That of the user "u" with the password "p".
const U_P: &str = "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=";
// No id has a line break behind its colon: what readers are shown of it differs on purpose (behaviour 133).
const DIGESTS: &[&str] =
    &[SUPER_ADMIN, U_P, "a:b", "user", "", ":", "a:", ":b", "a:b:c", "\u{e4}:x", "a b:c", "\u{1f600}:x"];
const ADDRESSES: &[&str] = &[
    "127.0.0.1",
    "127.0.0.1/32",
    "127.0.0.0/8",
    "10.0.0.0/8",
    "0.0.0.0/0",
    "127.0.0.1/0",
    "127.0.0.1/33",
    "127.0.0.1/-1",
    "127.0.0.1/",
    "/8",
    "127.0.0.1/8/8",
    "127.0.0.1/x",
    "1.2.3",
    "256.1.1.1",
    "127.0.0.01",
    "127.0.0.1 ",
    "+127.0.0.1",
    "localhost",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::1/64",
    "::ffff:127.0.0.1",
    "",
];
const SCHEMES: &[&str] = &["sasl", "x509", "super", "", "WORLD", "unknown", "key", "ensemble", "\u{e4}"];

fn entry(random: &mut Dice) -> Acl<'static> {
    let perms = random.pick(PERMS);
    match random.below(10) {
        0..=2 => (perms, "world", random.pick(&["anyone", "anyone", "anyone", "ANYONE", "", "x"])),
        3..=4 => (perms, "auth", random.pick(&["", "", "anyone", "super"])),
        5..=6 => (perms, "digest", random.pick(DIGESTS)),
        7..=8 => (perms, "ip", random.pick(ADDRESSES)),
        _ => (perms, random.pick(SCHEMES), random.pick(DIGESTS)),
    }
}
