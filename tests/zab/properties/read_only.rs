//! Who serves without a leader shows what is on its disk, all of it (and more, if it observes without a disk), and goes on to show
//! the same until it says that it stops.

use super::{Fact, Property, Verdict, require};
use oxkeeper::zab::Action;
use oxkeeper_codec::ServerId;
use std::collections::BTreeSet;

/// See the module: those in that mode now.
#[derive(Default)]
pub(super) struct ReadOnly(BTreeSet<ServerId>);

impl Property for ReadOnly {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        match *fact {
            Fact::ServesReadOnly { member, has_leader, replaces, shown, disk } => {
                self.0.insert(member);
                require(!has_leader, || format!("server {member} has a leader"))?;
                require(!replaces && disk.keeps_history(), || {
                    format!("server {member} shows what it does not have yet")
                })?;
                let kept = if disk.is_behind() { &shown[..shown.len().min(disk.log().len())] } else { shown };
                require(kept == disk.log(), || format!("server {member} shows what is not on its disk"))
            }
            Fact::IsTold { member, action } => {
                if matches!(action, Action::EndReadOnly) {
                    self.0.remove(&member);
                }
                let changes = matches!(
                    action,
                    Action::Append(..)
                        | Action::Commit(_)
                        | Action::Truncate(_)
                        | Action::Install(..)
                        | Action::GoBack
                        | Action::Lead(_)
                        | Action::Serve
                );
                require(!changes || !self.0.contains(&member), || {
                    format!("server {member} only reads: {action:?}")
                })
            }
            Fact::Crashes { member } => {
                self.0.remove(&member);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use crate::disk::{Disk, Write};
    use oxkeeper::membership::Membership;
    use oxkeeper_codec::Zxid;

    const MEMBER: ServerId = ServerId(1);

    fn disk() -> Disk {
        Disk::new(Membership::parse("server.1=h:1:2").unwrap())
    }

    fn serves(disk: &Disk) -> Fact<'_> {
        Fact::ServesReadOnly { member: MEMBER, has_leader: false, replaces: false, shown: &[], disk }
    }

    #[test]
    fn what_is_shown_stays_until_it_is_said_to_end() {
        let disk = disk();
        let [ends, commits] = [Action::EndReadOnly, Action::Commit(Zxid(1))];
        let is_told = |action| Fact::IsTold { member: MEMBER, action };
        allows(ReadOnly::default(), &[serves(&disk), is_told(&ends), is_told(&commits)]);
        refuses(ReadOnly::default(), &[serves(&disk), is_told(&commits)]);
    }

    #[test]
    fn what_is_on_its_way_to_the_disk_is_not_shown_but_for_a_configuration() {
        let mut disk = disk();
        disk.write(Write::Config(Membership::parse("server.1=h:1:2\nversion=1").unwrap()));
        allows(ReadOnly::default(), &[serves(&disk)]);
        disk.write(Write::Append(entry(1, 1)));
        refuses(ReadOnly::default(), &[serves(&disk)]);
    }

    #[test]
    fn nobody_shows_what_is_not_on_its_disk_or_reads_beside_a_leader() {
        let disk = disk();
        let shown = [entry(1, 1)];
        for (has_leader, replaces, shown) in
            [(true, false, &[][..]), (false, true, &[]), (false, false, &shown)]
        {
            refuses(
                ReadOnly::default(),
                &[Fact::ServesReadOnly { member: MEMBER, has_leader, replaces, shown, disk: &disk }],
            );
        }
    }
}
