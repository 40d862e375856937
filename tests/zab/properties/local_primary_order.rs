//! Local primary order: if a primary broadcasts a before b, then whoever delivers b delivers a before it.

use super::{Fact, Property, Verdict, require};
use crate::disk::Entry;
use oxkeeper_codec::ServerId;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LocalPrimaryOrder {
    /// The last one that each has broadcast, in its epoch.
    last: BTreeMap<(ServerId, i64), Entry>,
    /// The one that its primary has broadcast before it.
    before: BTreeMap<Entry, Option<Entry>>,
}

impl Property for LocalPrimaryOrder {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Proposes { primary, epoch, entry } => {
                let before = self.last.insert((primary, epoch), entry.clone());
                self.before.insert(entry.clone(), before);
                Ok(())
            }
            Fact::Delivers { member, delivered, from } => {
                for (at, entry) in delivered.iter().enumerate().skip(from) {
                    let Some(Some(before)) = self.before.get(entry) else { continue };
                    // It is nearly always the last one.
                    require(delivered[..at].iter().rev().any(|other| other == before), || {
                        format!("server {member} delivers {} without {} before it", entry.0, before.0)
                    })?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{allows, delivers, entry, proposes, refuses},
        *,
    };

    #[test]
    fn a_hole_in_what_a_primary_has_broadcast_is_refused() {
        let proposed = [entry(1, 1), entry(1, 2)];
        let facts = [proposes(1, &proposed[0]), proposes(1, &proposed[1]), delivers(2, &proposed[1..])];
        refuses(LocalPrimaryOrder::default(), &facts);
    }

    #[test]
    fn its_order_turned_round_is_refused() {
        let proposed = [entry(1, 1), entry(1, 2)];
        let turned = [entry(1, 2), entry(1, 1)];
        let facts = [proposes(1, &proposed[0]), proposes(1, &proposed[1]), delivers(2, &turned)];
        refuses(LocalPrimaryOrder::default(), &facts);
    }

    #[test]
    fn another_primary_may_go_on_before_its_end() {
        let (old, new) = ([entry(1, 1), entry(1, 2)], entry(2, 1));
        let delivered = [old[0].clone(), new.clone()];
        let facts = [proposes(1, &old[0]), proposes(1, &old[1]), proposes(2, &new), delivers(3, &delivered)];
        allows(LocalPrimaryOrder::default(), &facts);
    }
}
