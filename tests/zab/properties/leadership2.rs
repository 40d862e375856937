//! Leadership 2: an epoch has at most one leader, ever. And whoever has promised a later epoch helps nobody to be established in an
//! earlier one, and is not established in one either.
//!
//! It may still be that a leader is established in an epoch after another one was in a later epoch: with an acknowledgement that it has
//! had before, and its own disk, which was slow (seed 56010 of members with a node). What it can commit then is nothing new, which is
//! what the properties of order and of durability are about.

use super::{Fact, Property, Verdict, require};
use oxkeeper::zab::Action;
use oxkeeper_codec::{ServerId, learner::ToLeader};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Leadership2 {
    leaders: BTreeMap<i64, ServerId>,
    /// The last epoch that each member has promised since its start.
    promised: BTreeMap<ServerId, i64>,
}

impl Leadership2 {
    /// A member has its part in an epoch.
    fn takes_part(&self, member: ServerId, epoch: i64) -> Verdict {
        let promised = self.promised.get(&member).copied().unwrap_or(0);
        require(epoch >= promised, || {
            format!("server {member} has its part in {epoch:#x}, and has promised {promised:#x}")
        })
    }
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
            Fact::Leads { leader, epoch, .. } => self.takes_part(leader, epoch),
            // Of a leader's history: transactions are numbered from 1.
            Fact::TellsLeader { member, packet: ToLeader::Ack(zxid), .. } if zxid.0 & 0xffff_ffff == 0 => {
                self.takes_part(member, zxid.epoch())
            }
            Fact::IsTold { member, action: &Action::StoreAcceptedEpoch(epoch) } => {
                self.promised.insert(member, epoch);
                Ok(())
            }
            Fact::Starts { member, disk } => {
                self.promised.insert(member, disk.epochs().0);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::refuses, *};
    use crate::disk::Disk;
    use oxkeeper::{membership::Membership, zab::Link};
    use oxkeeper_codec::Zxid;

    fn membership() -> Membership {
        Membership::parse("server.1=h:1:2").expect("a line")
    }

    const fn synchronises(leader: i64, epoch: i64) -> Fact<'static> {
        Fact::Synchronises { leader: ServerId(leader), epoch }
    }

    const fn promises(member: i64, action: &Action) -> Fact<'_> {
        Fact::IsTold { member: ServerId(member), action }
    }

    #[test]
    fn a_second_leader_of_an_epoch_is_refused_also_when_the_first_is_gone() {
        let crashes = Fact::Crashes { member: ServerId(1) };
        refuses(Leadership2::default(), &[synchronises(1, 5), crashes, synchronises(2, 5)]);
    }

    #[test]
    fn a_leader_that_has_promised_a_later_epoch_is_refused() {
        let later = Action::StoreAcceptedEpoch(5);
        let leads = Fact::Leads { leader: ServerId(1), epoch: 4, delivered: &[] };
        refuses(Leadership2::default(), &[promises(1, &later), leads]);
    }

    #[test]
    fn a_follower_that_helps_to_establish_an_earlier_epoch_is_refused() {
        let (disk, later) = (Disk::new(membership()), Action::StoreAcceptedEpoch(5));
        let packet = ToLeader::Ack(Zxid::begin_of(4));
        let acknowledges =
            Fact::TellsLeader { member: ServerId(1), link: Link(1), packet: &packet, disk: &disk };
        refuses(Leadership2::default(), &[promises(1, &later), acknowledges]);
    }
}
