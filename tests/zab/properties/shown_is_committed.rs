//! What is shown is committed: whatever a client of a member with a leader is answered with is in the history that is delivered later, also
//! where it is answered while that leader is gone.

use super::{Fact, Property, Verdict, require};
use oxkeeper_codec::Zxid;
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ShownIsCommitted {
    /// What was shown, and nobody has delivered yet.
    shown: BTreeSet<Zxid>,
    /// The last transaction that anybody has delivered.
    last: Zxid,
}

impl Property for ShownIsCommitted {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Shows { zxid } if zxid > self.last => drop(self.shown.insert(zxid)),
            Fact::Delivers { delivered, .. } => {
                let last = delivered.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
                let later = self.shown.split_off(&last.next());
                for zxid in std::mem::replace(&mut self.shown, later) {
                    let is_there = delivered.binary_search_by_key(&zxid, |(zxid, _)| *zxid).is_ok();
                    require(is_there, || {
                        format!("{zxid} was shown, and is not in the history up to {last}")
                    })?;
                }
                self.last = self.last.max(last);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{allows, delivers, entry, refuses},
        *,
    };

    #[test]
    fn what_is_shown_early_is_delivered_later() {
        let all = [entry(1, 1), entry(1, 2)];
        let shows = Fact::Shows { zxid: all[1].0 };
        allows(ShownIsCommitted::default(), &[delivers(1, &all[..1]), shows, delivers(1, &all)]);
    }

    #[test]
    fn what_was_shown_and_is_cut_is_refused() {
        let (cut, all) = (entry(1, 2), [entry(1, 1), entry(2, 1)]);
        refuses(ShownIsCommitted::default(), &[Fact::Shows { zxid: cut.0 }, delivers(1, &all)]);
    }
}
