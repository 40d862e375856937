//! Total order: if one member delivers a before b, then whoever delivers b delivers a before it. So each transaction has the same
//! one before it everywhere.

use super::{Fact, Property, Verdict, require};
use crate::disk::Entry;
use oxkeeper_codec::Zxid;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TotalOrder {
    before: BTreeMap<Entry, Option<Entry>>,
}

impl Property for TotalOrder {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        let Fact::Delivers { member, delivered, from } = *fact else { return Ok(()) };
        for (at, entry) in delivered.iter().enumerate().skip(from) {
            let before = at.checked_sub(1).map(|at| &delivered[at]);
            let other = self.before.entry(entry.clone()).or_insert_with(|| before.cloned());
            require(other.as_ref() == before, || {
                let zxid = |entry: Option<&Entry>| entry.map_or(Zxid::ZERO, |(zxid, _)| *zxid);
                let (here, elsewhere) = (zxid(before), zxid(other.as_ref()));
                format!("server {member} delivers {} behind {here}, others behind {elsewhere}", entry.0)
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{delivers, entry, refuses},
        *,
    };

    #[test]
    fn two_orders_are_refused() {
        let (one, two) = ([entry(1, 1), entry(1, 2)], [entry(1, 2), entry(1, 1)]);
        refuses(TotalOrder::default(), &[delivers(1, &one), delivers(2, &two)]);
    }

    #[test]
    fn a_hole_is_refused() {
        let (one, two) = ([entry(1, 1), entry(1, 2), entry(1, 3)], [entry(1, 1), entry(1, 3)]);
        refuses(TotalOrder::default(), &[delivers(1, &one), delivers(2, &two)]);
    }
}
