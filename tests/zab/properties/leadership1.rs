//! Leadership 1: no two members lead in the same epoch at the same time, in synchronisation or broadcast.

use super::{Fact, Property, Verdict, require};
use oxkeeper_codec::ServerId;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Leadership1 {
    leading: BTreeMap<ServerId, i64>,
}

impl Property for Leadership1 {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Synchronises { leader, epoch } => {
                let other = self.leading.iter().find(|(id, of)| **id != leader && **of == epoch);
                let other = other.map(|(id, _)| *id);
                self.leading.insert(leader, epoch);
                require(other.is_none(), || {
                    format!("servers {leader} and {other:?} lead in epoch {epoch:#x}")
                })
            }
            Fact::Resigns { member, .. } | Fact::Crashes { member } => {
                self.leading.remove(&member);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{allows, refuses},
        *,
    };

    const fn synchronises(leader: i64, epoch: i64) -> Fact<'static> {
        Fact::Synchronises { leader: ServerId(leader), epoch }
    }

    #[test]
    fn two_leaders_at_the_same_time_are_refused() {
        refuses(Leadership1::default(), &[synchronises(1, 5), synchronises(2, 4), synchronises(3, 5)]);
    }

    #[test]
    fn one_after_the_other_is_not_its_concern() {
        let crashes = Fact::Crashes { member: ServerId(1) };
        allows(Leadership1::default(), &[synchronises(1, 5), crashes, synchronises(2, 5)]);
    }
}
