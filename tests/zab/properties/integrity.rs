//! Integrity: what a member delivers was broadcast by a primary. And a zxid is used once.

use super::{Fact, Property, Verdict, require};
use bytes::Bytes;
use oxkeeper_codec::Zxid;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Integrity {
    proposed: BTreeMap<Zxid, Bytes>,
}

impl Property for Integrity {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Proposes { primary, entry: (zxid, txn), .. } => {
                let before = self.proposed.insert(*zxid, txn.clone());
                require(before.is_none(), || format!("server {primary} proposes {zxid} for the second time"))
            }
            Fact::Delivers { member, delivered, from } => {
                let unknown =
                    delivered[from..].iter().find(|(zxid, txn)| self.proposed.get(zxid) != Some(txn));
                require(unknown.is_none(), || {
                    format!("server {member} delivers {unknown:?}: nobody proposed it")
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{delivers, entry, entry_of, proposes, refuses},
        *,
    };

    #[test]
    fn what_nobody_proposed_is_refused() {
        let proposed = entry(1, 1);
        let delivered = [entry_of(1, 1, "y")];
        refuses(Integrity::default(), &[proposes(1, &proposed), delivers(2, &delivered)]);
    }

    #[test]
    fn a_zxid_that_is_used_twice_is_refused() {
        let (one, two) = (entry(1, 1), entry_of(1, 1, "y"));
        refuses(Integrity::default(), &[proposes(1, &one), proposes(1, &two)]);
    }
}
