//! The newest transactions in memory: what a learner that was away for a while is sent.

use bytes::Bytes;
use oxkeeper_codec::Zxid;
use std::collections::VecDeque;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecentBounds {
    /// Transactions (`commitLogCount`).
    pub count: usize,
    /// Bytes of them, together.
    pub bytes: usize,
}

/// Transactions in order, each the next one in the log, shared with whoever sends or writes them.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    bounds: RecentBounds,
    /// The zxid before the first of them.
    base: Zxid,
    txns: VecDeque<(Zxid, Bytes)>,
    bytes: usize,
}

/// Where a zxid is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Older than what is kept.
    Older,
    /// It is one of them, or just before the first.
    Here,
    /// It is none of them: this one is the last before it, and this the first behind it.
    Between(Zxid, Zxid),
    /// Behind the last.
    Newer,
}

impl Recent {
    pub(super) const fn new(bounds: RecentBounds, base: Zxid) -> Self {
        Self { bounds, base, txns: VecDeque::new(), bytes: 0 }
    }

    /// The zxid before the first of them.
    pub(super) const fn base(&self) -> Zxid {
        self.base
    }

    /// The last zxid.
    pub(super) fn last(&self) -> Zxid {
        self.txns.back().map_or(self.base, |(zxid, _)| *zxid)
    }

    /// Keeps one more. What is not committed is kept whatever the bounds are.
    pub(super) fn push(&mut self, zxid: Zxid, txn: Bytes, committed: Zxid) {
        debug_assert!(zxid > self.last(), "{zxid} behind {}", self.last());
        self.bytes += txn.len();
        self.txns.push_back((zxid, txn));
        while self.txns.len() > self.bounds.count || self.bytes > self.bounds.bytes {
            match self.txns.front() {
                Some((first, txn)) if *first <= committed => {
                    self.base = *first;
                    self.bytes -= txn.len();
                    self.txns.pop_front();
                }
                _ => break,
            }
        }
    }

    /// Forgets what is behind `zxid`, which is kept itself.
    pub(super) fn truncate(&mut self, zxid: Zxid) {
        while let Some((last, txn)) = self.txns.back()
            && *last > zxid
        {
            self.bytes -= txn.len();
            self.txns.pop_back();
        }
    }

    /// Begins anew behind a snapshot.
    pub(super) fn reset(&mut self, base: Zxid) {
        *self = Self::new(self.bounds, base);
    }

    pub(super) fn place(&self, zxid: Zxid) -> Place {
        if zxid == self.base {
            return Place::Here;
        }
        if zxid < self.base {
            return Place::Older;
        }
        let at = self.txns.partition_point(|(other, _)| *other < zxid);
        match self.txns.get(at) {
            None => Place::Newer,
            Some((found, _)) if *found == zxid => Place::Here,
            Some((after, _)) => {
                let before = at.checked_sub(1).map_or(self.base, |before| self.txns[before].0);
                Place::Between(before, *after)
            }
        }
    }

    /// Those behind `zxid`, in order.
    pub(super) fn after(&self, zxid: Zxid) -> impl Iterator<Item = &(Zxid, Bytes)> {
        self.txns.range(self.txns.partition_point(|(other, _)| *other <= zxid)..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recent(zxids: &[i64]) -> Recent {
        let mut recent = Recent::new(RecentBounds { count: 4, bytes: 100 }, Zxid(1));
        for &zxid in zxids {
            recent.push(Zxid(zxid), Bytes::from_static(&[0; 10]), Zxid(zxid - 1));
        }
        recent
    }

    fn zxids(recent: &Recent, after: i64) -> Vec<i64> {
        recent.after(Zxid(after)).map(|(zxid, _)| zxid.0).collect()
    }

    #[test]
    fn it_keeps_the_newest_and_knows_what_is_before_them() {
        let recent = recent(&[2, 3, 4, 5, 6, 7]);
        assert_eq!(zxids(&recent, 0), [4, 5, 6, 7]);
        assert_eq!([recent.place(Zxid(2)), recent.place(Zxid(3))], [Place::Older, Place::Here]);
        assert_eq!([recent.place(Zxid(7)), recent.place(Zxid(8))], [Place::Here, Place::Newer]);
        assert_eq!(zxids(&recent, 5), [6, 7]);
    }

    #[test]
    fn what_is_not_committed_stays() {
        let mut recent = Recent::new(RecentBounds { count: 2, bytes: 5 }, Zxid(0));
        (1..=4).for_each(|zxid| recent.push(Zxid(zxid), Bytes::from_static(b"abc"), Zxid(1)));
        assert_eq!(zxids(&recent, 0), [2, 3, 4]);
    }

    #[test]
    fn a_zxid_that_was_never_there_has_neighbours() {
        let (old, new) = ((1 << 32) + 2, (2 << 32) + 1);
        let recent = recent(&[old, new]);
        assert_eq!(recent.place(Zxid(old + 5)), Place::Between(Zxid(old), Zxid(new)));
    }

    #[test]
    fn truncating_forgets_the_end() {
        let mut recent = recent(&[2, 3, 4]);
        recent.truncate(Zxid(3));
        assert_eq!((recent.last(), zxids(&recent, 0)), (Zxid(3), vec![2, 3]));
    }
}
