//! What is told to another member is on disk: the one rule of the design (section 5), looked at with each message. Who observes
//! without a disk may tell its leader more, which nobody relies on.

use super::{Fact, Property, Verdict, require};
use crate::disk::{Disk, changes_at, last_change};
use oxkeeper::zab::Action;
use oxkeeper_codec::{
    ServerId, Zxid,
    election::{Notification, PeerState},
    learner::{ToLeader, ToLearner},
};
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ToldIsDurable {
    /// Who observes without a disk.
    keep_nothing: BTreeSet<ServerId>,
}

impl Property for ToldIsDurable {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Notifies { member, said, disk } => votes(member, said, disk),
            Fact::IsTold { member, action: Action::KeepNothing } => {
                self.keep_nothing.insert(member);
                Ok(())
            }
            Fact::IsTold { member, action: Action::GoBack } | Fact::Crashes { member } => {
                self.keep_nothing.remove(&member);
                Ok(())
            }
            Fact::TellsLeader { member, packet: ToLeader::AckEpoch { .. } | ToLeader::Ack(_), .. }
                if self.keep_nothing.contains(&member) =>
            {
                Ok(())
            }
            Fact::TellsLeader { member, packet, disk, .. } => tells_leader(member, packet, disk),
            // Whoever has a history knows what it makes: its own quorum decides.
            Fact::Starts { member, disk } => {
                require(last_change(disk.log()).is_none_or(|zxid| disk.knows_config(zxid)), || {
                    format!("server {member} has a change of the configuration, and not what it makes")
                })
            }
            Fact::TellsLearners { member, packet: ToLearner::LeaderInfo { epoch, .. }, disk } => {
                require(disk.epochs().0 >= *epoch, || {
                    format!("server {member}: LEADERINFO without its own promise")
                })
            }
            _ => Ok(()),
        }
    }
}

fn votes(member: ServerId, said: &Notification, disk: &Disk) -> Verdict {
    if said.state != PeerState::Looking || said.leader != member {
        return Ok(());
    }
    let (last, (_, current)) = (disk.last(), disk.epochs());
    require(said.zxid == last, || {
        format!("server {member} votes with {}, its disk ends with {last}", said.zxid)
    })?;
    require(said.peer_epoch <= current, || {
        format!("server {member} votes with an epoch that is not on its disk")
    })
}

fn tells_leader(member: ServerId, packet: &ToLeader, disk: &Disk) -> Verdict {
    let (accepted, current) = disk.epochs();
    match packet {
        ToLeader::Info(info) => require(info.accepted_epoch <= accepted, || {
            format!("server {member}: FOLLOWERINFO with a promise that is not on its disk")
        }),
        ToLeader::AckEpoch { last_zxid, current_epoch } => {
            let known = current_epoch.is_none_or(|epoch| i64::from(epoch) <= current);
            // No history, but a request for a snapshot. A leader of its epoch would take it for the later history, and fall.
            let asks = *last_zxid == Zxid::begin_of(accepted + 1);
            require((asks || *last_zxid == disk.last()) && known, || {
                format!(
                    "server {member}: ACKEPOCH of what is not on its disk: {last_zxid}, {current_epoch:?}"
                )
            })
        }
        ToLeader::Ack(zxid) if zxid.counter() == 0 => require(current == zxid.epoch(), || {
            format!("server {member}: ACK of NEWLEADER without its epoch, {:#x}", zxid.epoch())
        }),
        ToLeader::Ack(zxid) => acknowledges(member, *zxid, disk),
        _ => Ok(()),
    }
}

fn acknowledges(member: ServerId, zxid: Zxid, disk: &Disk) -> Verdict {
    require(zxid <= disk.last(), || format!("server {member}: ACK of {zxid}, which is not on its disk"))?;
    require(!changes_at(disk.log(), zxid) || disk.knows_config(zxid), || {
        format!("server {member}: ACK of the change {zxid} without what it makes")
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{allows, entry, refuses},
        *,
    };
    use crate::disk::Write;
    use oxkeeper::{membership::Membership, zab::Link};

    fn disk() -> Disk {
        let mut disk = Disk::new(Membership::parse("server.1=h:1:2").unwrap());
        for write in [Write::AcceptedEpoch(2), Write::CurrentEpoch(1), Write::Append(entry(1, 1))] {
            disk.write(write);
            disk.sync(crate::variant::Variant::Sound, None);
        }
        disk.write(Write::Append(entry(1, 2)));
        disk
    }

    fn tells<'a>(packet: &'a ToLeader, disk: &'a Disk) -> Fact<'a> {
        Fact::TellsLeader { member: ServerId(1), link: Link(1), packet, disk }
    }

    #[test]
    fn what_is_not_synced_is_not_acknowledged() {
        let (disk, durable) = (disk(), Zxid::begin_of(1).next());
        allows(ToldIsDurable::default(), &[tells(&ToLeader::Ack(durable), &disk)]);
        let ahead = durable.next();
        refuses(ToldIsDurable::default(), &[tells(&ToLeader::Ack(ahead), &disk)]);
        refuses(ToldIsDurable::default(), &[tells(&ToLeader::Ack(Zxid::begin_of(2)), &disk)]);
        let proves = ToLeader::AckEpoch { last_zxid: ahead, current_epoch: Some(1) };
        refuses(ToldIsDurable::default(), &[tells(&proves, &disk)]);
        let asks = |epoch| ToLeader::AckEpoch { last_zxid: Zxid::begin_of(3), current_epoch: Some(epoch) };
        allows(ToldIsDurable::default(), &[tells(&asks(1), &disk)]);
        refuses(ToldIsDurable::default(), &[tells(&asks(2), &disk)]);
    }

    #[test]
    fn a_vote_names_what_is_synced() {
        let (disk, durable) = (disk(), Zxid::begin_of(1).next());
        let said = |zxid| Notification {
            state: PeerState::Looking,
            leader: ServerId(1),
            zxid,
            election_epoch: 1,
            peer_epoch: 1,
            config: None,
        };
        let (right, wrong) = (said(durable), said(durable.next()));
        let notifies = |said| Fact::Notifies { member: ServerId(1), said, disk: &disk };
        refuses(ToldIsDurable::default(), &[notifies(&right), notifies(&wrong)]);
    }
}
