//! Prefix consistency: of what any two members have committed, the shorter history is the beginning of the longer one.

use super::{Fact, Property, Verdict, require};
use crate::disk::Entry;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PrefixConsistency {
    longest: Vec<Entry>,
}

impl Property for PrefixConsistency {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        let Fact::Delivers { member, delivered, from } = *fact else { return Ok(()) };
        for (at, entry) in delivered.iter().enumerate().skip(from) {
            match self.longest.get(at) {
                Some(other) => require(other == entry, || {
                    format!("server {member} has {} at place {at}, others have {}", entry.0, other.0)
                })?,
                None => self.longest.push(entry.clone()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{delivers, entry, entry_of, refuses},
        *,
    };

    #[test]
    fn histories_that_part_are_refused() {
        let (one, two) = ([entry(1, 1), entry(1, 2)], [entry(1, 1), entry(2, 1)]);
        refuses(PrefixConsistency::default(), &[delivers(1, &one), delivers(2, &two)]);
    }

    #[test]
    fn the_same_zxid_with_another_value_is_refused() {
        let (one, two) = ([entry(1, 1)], [entry_of(1, 1, "y")]);
        refuses(PrefixConsistency::default(), &[delivers(1, &one), delivers(2, &two)]);
    }
}
