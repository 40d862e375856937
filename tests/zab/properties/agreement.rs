//! Agreement: if one member delivers a, and another one b, then the one delivers b or the other a. So of any two members, one has
//! delivered all that the other has, in whatever order.

use super::{Fact, Property, Verdict, require};
use crate::disk::Entry;
use oxkeeper_codec::ServerId;
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// Who has delivered each, as one bit a member.
    deliverers: BTreeMap<Entry, u32>,
    members: Vec<ServerId>,
    /// What two members have delivered both, by their places in `members`; with itself: what one has delivered.
    common: BTreeMap<(usize, usize), usize>,
}

impl Agreement {
    fn place(&mut self, member: ServerId) -> usize {
        self.members.iter().position(|other| *other == member).unwrap_or_else(|| {
            self.members.push(member);
            self.members.len() - 1
        })
    }

    fn shared(&self, a: usize, b: usize) -> usize {
        self.common.get(&(a.min(b), a.max(b))).copied().unwrap_or(0)
    }

    fn count(&mut self, me: usize, entry: &Entry) {
        let before = self.deliverers.entry(entry.clone()).or_insert(0);
        if *before & (1 << me) != 0 {
            return;
        }
        *before |= 1 << me;
        for other in (0..self.members.len()).filter(|other| *before & (1 << other) != 0) {
            *self.common.entry((me.min(other), me.max(other))).or_insert(0) += 1;
        }
    }
}

impl Property for Agreement {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        let Fact::Delivers { member, delivered, from } = *fact else { return Ok(()) };
        let me = self.place(member);
        for entry in &delivered[from..] {
            self.count(me, entry);
        }
        let own = self.shared(me, me);
        let parted: BTreeSet<ServerId> = (0..self.members.len())
            .filter(|&other| self.shared(me, other) != own.min(self.shared(other, other)))
            .map(|other| self.members[other])
            .collect();
        require(parted.is_empty(), || {
            format!("server {member} and servers {parted:?} have each what the other has not")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{allows, delivers, entry, refuses},
        *,
    };

    #[test]
    fn two_members_that_have_each_what_the_other_has_not_are_refused() {
        let (one, two) = ([entry(1, 1), entry(1, 2)], [entry(1, 1), entry(1, 3)]);
        refuses(Agreement::default(), &[delivers(1, &one), delivers(2, &two)]);
    }

    #[test]
    fn the_order_is_not_its_concern() {
        let (one, two) = ([entry(1, 1), entry(1, 2)], [entry(1, 2), entry(1, 1), entry(1, 3)]);
        allows(Agreement::default(), &[delivers(1, &one), delivers(2, &two)]);
    }
}
