//! Quotas: for a subtree /p the pair of znodes `/zookeeper/quota/p/zookeeper_limits` and `…/zookeeper_stats`
//! (`Quotas`, `StatsTrack`). The limits are written by clients, the figures by every server on its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Where quotas live.
pub const QUOTA_ROOT: &str = "/zookeeper/quota";
/// Name of the znode with the limits.
pub const LIMITS_NAME: &str = "zookeeper_limits";
/// Name of the znode with the figures.
pub const STATS_NAME: &str = "zookeeper_stats";

/// Path of the limits of a subtree.
pub fn limits_path(subtree: &str) -> String {
    format!("{QUOTA_ROOT}{subtree}/{LIMITS_NAME}")
}

/// Path of the figures of a subtree.
pub fn stats_path(subtree: &str) -> String {
    format!("{QUOTA_ROOT}{subtree}/{STATS_NAME}")
}

/// The text of limits or figures: `count=N,bytes=N`, then optionally `=;byteHardLimit=N;countHardLimit=N`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures(BTreeMap<String, i64>);

const COUNT: &str = "count";
const BYTES: &str = "bytes";

impl Figures {
    /// Reads the text; what cannot be read counts as not set.
    pub fn parse(data: Option<&[u8]>) -> Self {
        let text = String::from_utf8_lossy(data.unwrap_or_default());
        let pairs = text.split([',', ';']).filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let value = value.trim_end_matches('=');
            Some((key.to_owned(), value.parse().unwrap_or(-1)))
        });
        Self(pairs.collect())
    }

    /// Reads the text as strictly as the official server (`StatsTrack`): null is none, and neither is whatever is no key
    /// with a number.
    pub fn parse_strictly(data: Option<&[u8]>) -> Option<Self> {
        let text = String::from_utf8_lossy(data?);
        if text.is_empty() {
            return Some(Self::default());
        }
        // Java's split leaves out what is empty at the end, and keeps what is empty at the start.
        let separators = [',', ';'];
        let text = text.trim_end_matches(separators);
        let first_is_empty = text.starts_with(separators);
        let mut figures = BTreeMap::new();
        for pair in text.split(separators).filter(|pair| !pair.is_empty()) {
            let mut parts = pair.trim_end_matches('=').split('=');
            let (key, value) = (parts.next()?, parts.next()?);
            figures.insert(key.to_owned(), if value.is_empty() { -1 } else { value.parse().ok()? });
        }
        (!first_is_empty).then_some(Self(figures))
    }

    /// Figures of a subtree.
    pub fn new(count: i64, bytes: i64) -> Self {
        Self(BTreeMap::from([(COUNT.to_owned(), count), (BYTES.to_owned(), bytes)]))
    }

    fn get(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }

    /// Number of znodes; -1 if not set.
    pub fn count(&self) -> i64 {
        self.get(COUNT)
    }

    /// Bytes of data; -1 if not set.
    pub fn bytes(&self) -> i64 {
        self.get(BYTES)
    }

    /// Number of znodes that is never exceeded; -1 if not set.
    pub fn count_hard_limit(&self) -> i64 {
        self.get("countHardLimit")
    }

    /// Bytes of data that are never exceeded; -1 if not set.
    pub fn byte_hard_limit(&self) -> i64 {
        self.get("byteHardLimit")
    }

    /// Counts a change.
    pub fn add(&mut self, count: i64, bytes: i64) {
        let (count, bytes) = (self.count() + count, self.bytes() + bytes);
        self.0.insert(COUNT.to_owned(), count);
        self.0.insert(BYTES.to_owned(), bytes);
    }

    /// The text.
    pub fn to_text(&self) -> String {
        let mut text = format!("{COUNT}={},{BYTES}={}", self.count(), self.bytes());
        let mut lead = "=;";
        for (key, value) in self.0.iter().filter(|(key, _)| *key != COUNT && *key != BYTES) {
            text.push_str(&format!("{lead}{key}={value}"));
            lead = ";";
        }
        text
    }
}

/// The subtrees that have limits.
#[derive(Debug, Default)]
pub(super) struct QuotaSet(BTreeSet<String>);

impl QuotaSet {
    pub(super) fn add(&mut self, subtree: &str) {
        self.0.insert(subtree.to_owned());
    }

    pub(super) fn remove(&mut self, subtree: &str) {
        self.0.remove(subtree);
    }

    /// The longest subtree with limits that `path` is in; the whole tree does not count.
    pub(super) fn covering<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let mut subtree = path;
        while !subtree.is_empty() && subtree != "/" {
            if self.0.contains(subtree) {
                return Some(subtree);
            }
            subtree = subtree.rsplit_once('/')?.0;
        }
        None
    }
}

/// A quota that a change exceeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// The subtree.
    pub subtree: String,
    /// Whether the limit is one that refuses.
    pub hard: bool,
    /// What is counted.
    pub what: Counted,
    /// The figure after the change.
    pub total: i64,
    /// The limit.
    pub limit: i64,
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Znodes.
    Count,
    /// Bytes of data.
    Bytes,
}

/// In the words of the official server.
impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subtree, hard, what, total, limit } = self;
        let kind = if *hard { "hard" } else { "soft" };
        let (name, limit_name) = match what {
            Counted::Count => (COUNT, "CountLimit"),
            Counted::Bytes => (BYTES, "ByteLimit"),
        };
        write!(f, "{subtree} [current {name}={total}, {kind}{limit_name}={limit}]")
    }
}

/// Whether limits have a say in a change at all: otherwise the figures are not looked at.
pub fn concerns(limits: &Figures, count: i64, bytes: i64) -> bool {
    count != 0 && (limits.count() > -1 || limits.count_hard_limit() > -1)
        || bytes != 0 && (limits.bytes() > -1 || limits.byte_hard_limit() > -1)
}

/// Compares a change in `subtree` with its limits (`ZooKeeperServer.checkQuota`): what it exceeds, of count and bytes.
/// The first hard limit is the last that is looked at: it refuses.
pub fn check(subtree: &str, limits: &Figures, stats: &Figures, count: i64, bytes: i64) -> Vec<Exceeded> {
    let one = |what, diff: i64, total: i64, hard: i64, soft: i64| {
        let (is_hard, limit) = if hard > -1 { (true, hard) } else { (false, soft) };
        let subtree = subtree.to_owned();
        (diff != 0 && limit > -1 && total > limit).then_some(Exceeded {
            subtree,
            hard: is_hard,
            what,
            total,
            limit,
        })
    };
    let by_count =
        one(Counted::Count, count, stats.count() + count, limits.count_hard_limit(), limits.count());
    if by_count.as_ref().is_some_and(|exceeded| exceeded.hard) {
        return by_count.into_iter().collect();
    }
    let by_bytes =
        one(Counted::Bytes, bytes, stats.bytes() + bytes, limits.byte_hard_limit(), limits.bytes());
    by_count.into_iter().chain(by_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviour_157_text_of_limits() {
        for text in ["count=1,bytes=2", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3"] {
            assert_eq!(Figures::parse(Some(text.as_bytes())).to_text(), text);
        }
        assert_eq!(Figures::parse(Some(b"count=x,bytes=")).to_text(), "count=-1,bytes=-1");
        assert_eq!(Figures::parse(None).count(), -1);
    }

    #[test]
    fn what_the_official_server_falls_over() {
        let good: &[&str] = &[
            "",
            "count=1,bytes=2",
            "count=-1,bytes=-1=;byteHardLimit=1",
            "a==3",
            "=5",
            ",",
            "a=1,,;b=2;",
            "a=+1",
        ];
        for text in good {
            assert!(Figures::parse_strictly(Some(text.as_bytes())).is_some(), "{text:?}");
        }
        for text in ["x", "count=", "count=x", ",count=1", "=", "a=1,=", "a=99999999999999999999", "a= 1"] {
            assert_eq!(Figures::parse_strictly(Some(text.as_bytes())), None, "{text:?}");
        }
        assert_eq!(Figures::parse_strictly(None), None);
    }

    #[test]
    fn behaviour_162_the_longest_subtree_decides_and_the_root_does_not() {
        let mut set = QuotaSet::default();
        for subtree in ["", "/a", "/a/b"] {
            set.add(subtree);
        }
        assert_eq!(set.covering("/a/b/c"), Some("/a/b"));
        assert_eq!(set.covering("/a/bc"), Some("/a"));
        assert_eq!(set.covering("/ab"), None);
    }

    #[test]
    fn behaviour_160_only_hard_limits_refuse() {
        let soft = Figures::parse(Some(b"count=1,bytes=-1"));
        let hard = Figures::parse(Some(b"count=1,bytes=-1=;countHardLimit=2"));
        let stats = Figures::new(2, 0);
        let said = |limits: &Figures, stats: &Figures, count, bytes| {
            let exceeded = check("/a", limits, stats, count, bytes);
            assert!(
                exceeded.iter().rev().skip(1).all(|exceeded| !exceeded.hard),
                "nothing behind a hard one"
            );
            exceeded.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(said(&soft, &stats, 1, 0), ["/a [current count=3, softCountLimit=1]"]);
        assert_eq!(said(&hard, &stats, 1, 0), ["/a [current count=3, hardCountLimit=2]"]);
        assert!(said(&hard, &Figures::new(1, 0), 1, 0).is_empty());
        let both = Figures::parse(Some(b"count=1,bytes=5=;byteHardLimit=10"));
        let expected = ["/a [current count=3, softCountLimit=1]", "/a [current bytes=11, hardByteLimit=10]"];
        assert_eq!(said(&both, &stats, 1, 11), expected);
        assert!(said(&both, &stats, 0, 10).is_empty(), "what does not change is not looked at");
    }
}
