//! Primary integrity: a primary delivers whatever is delivered of earlier epochs before it broadcasts anything. So once somebody
//! has broadcast in an epoch, nothing of an earlier one is delivered for the first time.

use super::{Fact, Property, Verdict, require};
use crate::disk::Entry;
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PrimaryIntegrity {
    delivered: BTreeSet<Entry>,
    /// The latest epoch in which something was broadcast.
    broadcast: i64,
}

impl Property for PrimaryIntegrity {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Proposes { epoch, .. } => self.broadcast = self.broadcast.max(epoch),
            Fact::Delivers { member, delivered, from } => {
                for entry in &delivered[from..] {
                    if !self.delivered.contains(entry) {
                        self.delivered.insert(entry.clone());
                        let (zxid, latest) = (entry.0, self.broadcast);
                        require(zxid.epoch() >= latest, || {
                            format!(
                                "server {member} is the first to deliver {zxid}: a primary of {latest:#x} has broadcast without it"
                            )
                        })?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{allows, delivers, entry, proposes, refuses},
        *,
    };

    #[test]
    fn a_primary_that_broadcasts_without_what_came_before_is_refused() {
        let (old, new) = ([entry(1, 1), entry(1, 2)], entry(2, 1));
        let facts = [delivers(1, &old[..1]), proposes(3, &new), delivers(2, &old)];
        refuses(PrimaryIntegrity::default(), &facts);
    }

    #[test]
    fn who_comes_later_with_what_others_had_before_is_not() {
        let (old, new) = ([entry(1, 1)], entry(2, 1));
        allows(PrimaryIntegrity::default(), &[delivers(1, &old), proposes(3, &new), delivers(2, &old)]);
    }
}
