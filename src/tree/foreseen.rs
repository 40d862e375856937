//! Whether the tree has the digests that transactions foresee.

use oxkeeper_codec::Zxid;

/// Up to nobody knows where.
const UNSAID: Zxid = Zxid(i64::MAX);

/// A snapshot that was written while its server went on shows changes that came behind its beginning: up to some transaction the tree
/// is ahead of what is applied to it, and its digest is nobody's.
///
/// Where that ends, the transaction behind it decides: the official server may have written the last znode while that one was
/// under way.
#[derive(Debug, Clone, Default)]
pub struct Foreseen {
    /// The last transaction that the tree may have had before.
    ahead_until: Zxid,
    /// The last transaction up to there, if its digest was not the one foreseen.
    doubted: Option<Zxid>,
}

impl Foreseen {
    /// The tree may have all transactions up to this one.
    pub const fn behind(zxid: Zxid) -> Self {
        Self { ahead_until: zxid, doubted: None }
    }

    /// The snapshot does not say where it ended: it is a leader's, or of a version before 3.6.
    pub const fn unsaid() -> Self {
        Self::behind(UNSAID)
    }

    /// The leader has told of all that its snapshot may have: up to this transaction.
    pub fn told_all(&mut self, zxid: Zxid) {
        self.ahead_until = self.ahead_until.min(zxid);
    }

    /// A transaction was applied. Adds those to `wrong` after which the digest was not the one foreseen. Returns whether the tree's digest
    /// now is that of its state behind this transaction, and not of one that is ahead of it.
    pub fn judge(&mut self, zxid: Zxid, matches: bool, wrong: &mut Vec<Zxid>) -> bool {
        let missed = (!matches).then_some(zxid);
        if zxid <= self.ahead_until {
            self.doubted = missed;
            return matches;
        }
        if self.doubted.is_some() {
            let doubted = self.take_doubted();
            wrong.extend(doubted.filter(|_| !matches));
        }
        wrong.extend(missed);
        true
    }

    /// No transaction follows that could decide. A snapshot that did not say where it ended is supposed to have done so before.
    pub fn end(&mut self, wrong: &mut Vec<Zxid>) {
        let doubted = if self.ahead_until == UNSAID { self.doubted.take() } else { self.take_doubted() };
        wrong.extend(doubted);
    }

    /// What is in doubt at the very end; before that the digest says nothing.
    fn take_doubted(&mut self) -> Option<Zxid> {
        self.doubted.take().filter(|&zxid| zxid == self.ahead_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told after these transactions, each with whether its digest was right.
    fn told(
        mut foreseen: Foreseen,
        applied: &[(i64, bool)],
        until: Option<i64>,
        later: &[(i64, bool)],
    ) -> Vec<i64> {
        let mut wrong = Vec::new();
        applied.iter().for_each(|&(zxid, matches)| _ = foreseen.judge(Zxid(zxid), matches, &mut wrong));
        until.into_iter().for_each(|zxid| foreseen.told_all(Zxid(zxid)));
        later.iter().for_each(|&(zxid, matches)| _ = foreseen.judge(Zxid(zxid), matches, &mut wrong));
        wrong.into_iter().map(|zxid| zxid.0).collect()
    }

    #[test]
    fn a_tree_that_is_not_ahead_has_every_digest() {
        assert_eq!(
            told(Foreseen::default(), &[(1, true), (2, false), (3, true), (4, false)], None, &[]),
            [2, 4]
        );
    }

    #[test]
    fn a_tree_of_a_leader_may_be_ahead_of_what_is_told_with_it() {
        let of_leader = Foreseen::unsaid;
        assert!(told(of_leader(), &[(1, false), (2, false), (3, true)], Some(3), &[(4, true)]).is_empty());
        // Some of it is applied later.
        assert!(told(of_leader(), &[(1, false)], Some(3), &[(2, false), (3, true), (4, true)]).is_empty());
        assert!(told(of_leader(), &[(1, false), (2, false)], Some(2), &[(3, true)]).is_empty(), "under way");
        assert_eq!(
            told(of_leader(), &[(1, false), (2, false)], Some(2), &[(3, false), (4, false)]),
            [2, 3, 4]
        );
        assert_eq!(told(of_leader(), &[], Some(0), &[(1, false)]), [1], "nothing was told with it");
    }

    #[test]
    fn a_digest_of_a_tree_that_is_ahead_is_nobodys() {
        let mut foreseen = Foreseen::behind(Zxid(3));
        let mut shown = |zxid, matches| foreseen.judge(Zxid(zxid), matches, &mut Vec::new());
        assert!(!shown(1, false), "ahead");
        assert!(shown(2, true), "it has caught up");
        assert!(!shown(3, false));
        assert!(shown(4, false), "wrong, and this tree's own");
    }

    #[test]
    fn the_last_transaction_decides_where_none_follows() {
        let at_the_end = |mut foreseen: Foreseen, applied: &[(i64, bool)]| {
            let mut wrong = Vec::new();
            applied.iter().for_each(|&(zxid, matches)| _ = foreseen.judge(Zxid(zxid), matches, &mut wrong));
            foreseen.end(&mut wrong);
            wrong.into_iter().map(|zxid| zxid.0).collect::<Vec<_>>()
        };
        assert!(at_the_end(Foreseen::unsaid(), &[(1, false), (2, false), (3, true)]).is_empty());
        assert_eq!(at_the_end(Foreseen::unsaid(), &[(1, false), (2, true), (3, false)]), [3]);
        assert_eq!(at_the_end(Foreseen::behind(Zxid(2)), &[(1, false), (2, false)]), [2]);
        assert!(
            at_the_end(Foreseen::behind(Zxid(3)), &[(1, false), (2, false)]).is_empty(),
            "the log ends before the snapshot does"
        );
    }
}
