//! Leadership 2: an epoch has at most one leader, ever. And whoever is established is so in a later epoch than all before.

use super::{Fact, Property, Verdict, require};
use oxkeeper_codec::ServerId;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Leadership2 {
    leaders: BTreeMap<i64, ServerId>,
    established: i64,
}

impl Property for Leadership2 {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Synchronises { leader, epoch } => {
                let first = *self.leaders.entry(epoch).or_insert(leader);
                require(first == leader, || {
                    format!("epoch {epoch:#x} of server {first} is also that of {leader}")
                })
            }
            Fact::Leads { leader, epoch, .. } => {
                let last = std::mem::replace(&mut self.established, epoch);
                require(epoch > last, || {
                    format!("server {leader} is established in {epoch:#x}, after {last:#x}")
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::refuses, *};

    const fn synchronises(leader: i64, epoch: i64) -> Fact<'static> {
        Fact::Synchronises { leader: ServerId(leader), epoch }
    }

    #[test]
    fn a_second_leader_of_an_epoch_is_refused_also_when_the_first_is_gone() {
        let crashes = Fact::Crashes { member: ServerId(1) };
        refuses(Leadership2::default(), &[synchronises(1, 5), crashes, synchronises(2, 5)]);
    }

    #[test]
    fn a_leader_of_an_old_epoch_is_refused() {
        let leads = |leader: i64, epoch| Fact::Leads { leader: ServerId(leader), epoch, delivered: &[] };
        refuses(Leadership2::default(), &[leads(1, 5), leads(2, 4)]);
    }
}
