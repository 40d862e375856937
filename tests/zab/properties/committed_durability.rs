//! Committed-log durability: what was committed once is on the disks of a quorum, whatever happens later. A single disk may lose it:
//! a leader has members cut what it does not know to be committed, and sends it anew.

use super::{Fact, Property, Verdict, require};
use crate::disk::{Disk, Entry, entry_at};
use oxkeeper::zab::{Members, Quorums};
use oxkeeper_codec::ServerId;
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct CommittedDurability {
    delivered: BTreeSet<Entry>,
    /// Who decided when something was committed last.
    quorums: Option<Quorums>,
}

impl Property for CommittedDurability {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::Delivers { delivered, from, .. } => {
                self.delivered.extend(delivered[from..].iter().cloned());
                Ok(())
            }
            Fact::Commits { leader, entry, quorums, disks } => {
                if self.quorums.as_ref() != Some(quorums) {
                    self.quorums = Some(quorums.clone());
                }
                let holders = holders(entry, disks);
                require(quorums.are_met_by(&holders), || {
                    format!("server {leader} commits {}, which only {holders:?} have", entry.0)
                })
            }
            Fact::Loses { member, lost, disks } => {
                let Some(committed) = lost.iter().rfind(|entry| self.delivered.contains(entry)) else {
                    return Ok(());
                };
                let holders = holders(committed, disks);
                require(self.quorums.as_ref().is_none_or(|quorums| quorums.are_met_by(&holders)), || {
                    format!("server {member} has lost {}, which only {holders:?} have now", committed.0)
                })
            }
            _ => Ok(()),
        }
    }
}

fn holders(entry: &Entry, disks: &[(ServerId, &Disk)]) -> Members {
    let holding = disks.iter().filter(|(_, disk)| entry_at(disk.log(), entry.0) == Some(entry));
    holding.map(|(id, _)| *id).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{allows, delivers, entry, refuses},
        *,
    };
    use crate::{disk::Write, variant::Variant};
    use oxkeeper::{membership::Membership, zab::Quorum};

    fn three() -> Membership {
        Membership::parse("server.1=h:1:2\nserver.2=i:1:2\nserver.3=j:1:2").unwrap()
    }

    fn disk(log: &[Entry]) -> Disk {
        let mut disk = Disk::new(three());
        for entry in log {
            disk.write(Write::Append(entry.clone()));
            disk.sync(Variant::Sound, None);
        }
        disk
    }

    #[test]
    fn a_commit_of_what_a_minority_has_is_refused() {
        let (entry, quorums) = (entry(1, 1), Quorums::one(Quorum::from(&three())));
        let (with, without) = (disk(std::slice::from_ref(&entry)), disk(&[]));
        let two = [(ServerId(1), &with), (ServerId(2), &with), (ServerId(3), &without)];
        let one = [(ServerId(1), &without), (ServerId(2), &with), (ServerId(3), &without)];
        let commits = |disks| Fact::Commits { leader: ServerId(1), entry: &entry, quorums: &quorums, disks };
        refuses(CommittedDurability::default(), &[commits(&two), commits(&one)]);
    }

    #[test]
    fn a_loss_that_leaves_a_minority_is_refused() {
        let (entries, quorums) = ([entry(1, 1)], Quorums::one(Quorum::from(&three())));
        let (with, without) = (disk(&entries), disk(&[]));
        let all = [(ServerId(1), &with), (ServerId(2), &with), (ServerId(3), &with)];
        let two = [(ServerId(1), &with), (ServerId(2), &with), (ServerId(3), &without)];
        let one = [(ServerId(1), &with), (ServerId(2), &without), (ServerId(3), &without)];
        let commits =
            Fact::Commits { leader: ServerId(1), entry: &entries[0], quorums: &quorums, disks: &all };
        let loses = |member, disks| Fact::Loses { member: ServerId(member), lost: &entries, disks };
        refuses(
            CommittedDurability::default(),
            &[delivers(1, &entries), commits, loses(3, &two), loses(2, &one)],
        );
        allows(CommittedDurability::default(), &[commits, loses(2, &one)]);
    }
}
