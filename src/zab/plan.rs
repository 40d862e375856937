//! How a learner is brought to where its leader is (`LearnerHandler.syncFollower`): a pure decision.

use super::recent::{Place, Recent};
use oxkeeper_codec::Zxid;

/// What a learner is sent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// DIFF, then the transactions behind this zxid.
    Diff(Zxid),
    /// TRUNC to this zxid, then the transactions behind it.
    Trunc(Zxid),
    /// SNAP.
    Snap,
    /// The log files may have what the memory has no more.
    SearchLog,
}

/// The plan for a learner whose log ends with `last`, when the history of the leader of `epoch` is committed up to
/// `committed`.
///
/// | the learner's last zxid | sent |
/// |---|---|
/// | is the last committed one, or the beginning of an epoch without any | DIFF with nothing |
/// | is beyond it, in a proposal of its epoch | TRUNC to it |
/// | is one that the memory has, or just before the first | DIFF |
/// | is counter 0 of an epoch that begins here | DIFF |
/// | was never committed, and the next one is of the same epoch | TRUNC to the one before |
/// | was never committed, and the next one is of a later epoch | SNAP: old learners fail at a TRUNC across epochs |
/// | is older than the memory | DIFF from the log files if they reach back, else SNAP |
pub(super) fn plan(last: Zxid, epoch: i64, committed: Zxid, recent: &Recent) -> Plan {
    let begins_epoch = last.counter() == 0;
    if last == committed || (last == Zxid::begin_of(epoch) && committed < last) {
        return Plan::Diff(last);
    }
    if last > committed {
        // Nothing that it could be cut to has counter 0.
        return if begins_epoch { Plan::Snap } else { Plan::Trunc(committed) };
    }
    match recent.place(last) {
        Place::Here => Plan::Diff(last),
        Place::Between(..) if begins_epoch => Plan::Diff(last),
        Place::Between(before, after) if after.epoch() == last.epoch() => Plan::Trunc(before),
        Place::Between(..) | Place::Newer => Plan::Snap,
        Place::Older => Plan::SearchLog,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zab::recent::RecentBounds;
    use bytes::Bytes;

    fn zxid(epoch: i64, counter: i64) -> Zxid {
        Zxid((epoch << 32) + counter)
    }

    fn recent(base: Zxid, zxids: &[Zxid]) -> Recent {
        let mut recent = Recent::new(RecentBounds { count: 100, bytes: 1000 }, base);
        zxids.iter().for_each(|&zxid| recent.push(zxid, Bytes::from_static(b"txn"), zxid));
        recent
    }

    #[test]
    fn what_official_leaders_were_seen_to_send() {
        let fresh = recent(Zxid::ZERO, &[]);
        assert_eq!(plan(Zxid::ZERO, 1, Zxid::ZERO, &fresh), Plan::Diff(Zxid::ZERO), "all fresh");

        let ten: Vec<Zxid> = (1..=10).map(|counter| zxid(1, counter)).collect();
        let some = recent(zxid(1, 0), &ten);
        let of_epoch_1 = |last: Zxid| plan(last, 1, zxid(1, 10), &some);
        assert_eq!(of_epoch_1(zxid(1, 4)), Plan::Diff(zxid(1, 4)), "missed some");
        assert_eq!(of_epoch_1(zxid(1, 10)), Plan::Diff(zxid(1, 10)), "missed nothing");
        assert_eq!(of_epoch_1(zxid(1, 0)), Plan::Diff(zxid(1, 0)), "was at the beginning of it");
        assert_eq!(of_epoch_1(Zxid::ZERO), Plan::SearchLog, "is empty");
        assert_eq!(plan(zxid(1, 11), 2, zxid(1, 10), &some), Plan::Trunc(zxid(1, 10)), "one not committed");

        let two = recent(zxid(1, 0), &[zxid(1, 1), zxid(1, 2), zxid(2, 1)]);
        let of_epoch_2 = |last: Zxid| plan(last, 2, zxid(2, 1), &two);
        assert_eq!(of_epoch_2(zxid(1, 3)), Plan::Snap, "not committed, and the new epoch has transactions");
        assert_eq!(of_epoch_2(zxid(1, 1)), Plan::Diff(zxid(1, 1)), "missed some of both epochs");
        assert_eq!(of_epoch_2(zxid(2, 0)), Plan::Diff(zxid(2, 0)), "was at the beginning of the second");
        assert_eq!(of_epoch_2(zxid(3, 0)), Plan::Snap);
    }

    #[test]
    fn a_learner_at_the_beginning_of_an_epoch_without_a_transaction_has_all() {
        let some = recent(zxid(1, 0), &[zxid(1, 1)]);
        assert_eq!(plan(zxid(2, 0), 2, zxid(1, 1), &some), Plan::Diff(zxid(2, 0)));
        assert_eq!(plan(zxid(2, 0), 3, zxid(1, 1), &some), Plan::Snap, "of an epoch that is over");
    }
}
