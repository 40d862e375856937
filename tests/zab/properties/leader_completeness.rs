//! Leader log completeness: whoever is established as leader has all that any member has delivered of earlier epochs. (One that is
//! established late, after another one in a later epoch, lacks what that one has committed: see `leadership2`.)

use super::{Fact, Property, Verdict, require};
use crate::disk::Entry;
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LeaderCompleteness {
    delivered: BTreeSet<Entry>,
}

impl Property for LeaderCompleteness {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Delivers { delivered, from, .. } => {
                self.delivered.extend(delivered[from..].iter().cloned());
                Ok(())
            }
            Fact::Leads { leader, epoch, delivered } => {
                // Both are in order.
                let mut own = delivered.iter();
                let mut earlier = self.delivered.iter().filter(|(zxid, _)| zxid.epoch() < epoch);
                let lacks = earlier.find(|entry| !own.any(|other| other == *entry));
                require(lacks.is_none(), || {
                    format!("server {leader} leads in epoch {epoch:#x} without {lacks:?}")
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{delivers, entry, refuses},
        *,
    };
    use oxkeeper_codec::ServerId;

    #[test]
    fn a_leader_that_lacks_what_was_delivered_is_refused() {
        let all = [entry(1, 1), entry(1, 2), entry(1, 3)];
        let leads = |delivered| Fact::Leads { leader: ServerId(2), epoch: 2, delivered };
        refuses(LeaderCompleteness::default(), &[delivers(1, &all[..2]), leads(&all[..2]), leads(&all[..1])]);
        refuses(LeaderCompleteness::default(), &[delivers(1, &all[..2]), leads(&all), leads(&all[1..])]);
    }
}
