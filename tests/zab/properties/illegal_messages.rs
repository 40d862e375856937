//! Illegal messages never arrive: nobody gives a role up, or sends anybody away, for a message that has no meaning where it came.
//! And over each link the acknowledgement of NEWLEADER goes before that of any proposal (ZOOKEEPER-4685).

use super::{Fact, Property, Verdict, require};
use oxkeeper::zab::{Failure, Link, Refusal};
use oxkeeper_codec::learner::ToLeader;
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct IllegalMessages {
    /// Links over which NEWLEADER was acknowledged.
    vouched: BTreeSet<Link>,
}

impl Property for IllegalMessages {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Resigns { member, failure } => {
                require(!is_illegal(failure), || format!("server {member}: {failure}"))
            }
            Fact::Refuses { member, refusal } => {
                require(!matches!(refusal, Refusal::Unexpected { .. }), || {
                    format!("server {member}: {refusal}")
                })
            }
            Fact::TellsLeader { member, link, packet: ToLeader::Ack(zxid), .. } => {
                if zxid.counter() == 0 {
                    self.vouched.insert(link);
                }
                require(self.vouched.contains(&link), || {
                    format!("server {member}: ACK of {zxid} before that of NEWLEADER")
                })
            }
            _ => Ok(()),
        }
    }
}

/// Whether a role was given up for a message that has no meaning where it came.
pub(crate) const fn is_illegal(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Unexpected { .. }
            | Failure::Gap { .. }
            | Failure::WrongCommit { .. }
            | Failure::WrongHistory { .. }
            | Failure::Configuration { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::{super::testing::refuses, *};
    use crate::disk::Disk;
    use oxkeeper::membership::Membership;
    use oxkeeper_codec::{PacketType, ServerId, Zxid};

    #[test]
    fn a_packet_without_a_meaning_is_refused() {
        let failure = Failure::Gap { last: Zxid(1), zxid: Zxid(3) };
        let goes = Fact::Resigns { member: ServerId(1), failure: &Failure::LeaderGone };
        refuses(
            IllegalMessages::default(),
            &[goes, Fact::Resigns { member: ServerId(1), failure: &failure }],
        );
        let refusal = Refusal::Unexpected { phase: "discovery", packet: PacketType::ACK };
        refuses(IllegalMessages::default(), &[Fact::Refuses { member: ServerId(1), refusal: &refusal }]);
    }

    #[test]
    fn the_ack_of_a_proposal_before_that_of_newleader_is_refused() {
        let disk = Disk::new(Membership::parse("server.1=h:1:2").unwrap());
        let (first, second) = (ToLeader::Ack(Zxid::begin_of(1)), ToLeader::Ack(Zxid::begin_of(1).next()));
        let tells =
            |link, packet| Fact::TellsLeader { member: ServerId(1), link: Link(link), packet, disk: &disk };
        refuses(IllegalMessages::default(), &[tells(1, &first), tells(1, &second), tells(2, &second)]);
    }
}
