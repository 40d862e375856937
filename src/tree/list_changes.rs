//! Which places of long lists of children have changed of late: whoever copies such a list in steps copies those again,
//! instead of all of it.
//!
//! Promise: each change of a list with [`LONG`] children or more is here, until [`KEPT`] others have come after it; a list
//! that becomes shorter than that has changed everywhere.

use super::NodeId;
use std::collections::VecDeque;

/// Lists of so many children are long.
pub const LONG: usize = 1 << 12;
/// Changes that are kept: 8 bytes each.
const KEPT: usize = 1 << 16;
/// In the place of a place: all of them.
const EVERYWHERE: u32 = u32::MAX;

/// Changes of long lists, in order.
#[derive(Debug, Default)]
pub(super) struct ListChanges {
    kept: VecDeque<(NodeId, u32)>,
    /// How many there have been.
    count: u64,
}

/// What has changed in one list since a moment.
#[derive(Debug, PartialEq, Eq)]
pub enum ListChange {
    /// The child in this place, which may be behind the end by now.
    At(usize),
    /// Anything.
    Everywhere,
}

impl ListChanges {
    fn add(&mut self, parent: NodeId, place: u32) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((parent, place));
        self.count += 1;
    }

    /// A child has come, in the last place.
    pub(super) fn pushed(&mut self, parent: NodeId, place: u32) {
        if place as usize >= LONG {
            self.add(parent, place);
        }
    }

    /// A child has gone, and the last one, which was in `last`, is in its place.
    pub(super) fn removed(&mut self, parent: NodeId, place: u32, last: usize) {
        if last < LONG {
            return;
        }
        if last == LONG {
            // What happens while it is shorter is not noted.
            self.add(parent, EVERYWHERE);
            return;
        }
        self.add(parent, place);
        let last = u32::try_from(last).expect("fewer than 2^32 znodes");
        if last != place {
            self.add(parent, last);
        }
    }

    /// How many changes there have been: the moment, for [`ListChanges::since`].
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// What has changed in one list since a moment. `None`: too much has happened since.
    pub(super) fn since(&self, moment: u64, parent: NodeId) -> Option<impl Iterator<Item = ListChange>> {
        let since = usize::try_from(self.count - moment).ok()?;
        let from = self.kept.len().checked_sub(since)?;
        let own = self.kept.range(from..).filter(move |(changed, _)| *changed == parent);
        Some(own.map(|&(_, place)| match place {
            EVERYWHERE => ListChange::Everywhere,
            place => ListChange::At(place as usize),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: NodeId = NodeId::ROOT;

    fn since(changes: &ListChanges, moment: u64) -> Vec<ListChange> {
        changes.since(moment, LIST).expect("they are kept").collect()
    }

    #[test]
    fn a_long_list_has_its_changes_noted() {
        let mut changes = ListChanges::default();
        let long = u32::try_from(LONG).unwrap();
        changes.pushed(LIST, long - 1);
        assert_eq!(since(&changes, 0), [], "it is not long yet");
        changes.pushed(LIST, long);
        changes.pushed(LIST, long + 1);
        changes.pushed(NodeId::MAX, long);
        changes.removed(LIST, 7, LONG + 1);
        changes.removed(NodeId::MAX, 0, LONG);
        let at = ListChange::At;
        assert_eq!(since(&changes, 0), [at(LONG), at(LONG + 1), at(7), at(LONG + 1)]);
        let moment = changes.count();
        changes.removed(LIST, long, LONG);
        changes.removed(LIST, 0, LONG - 1);
        assert_eq!(since(&changes, moment), [ListChange::Everywhere]);
    }

    #[test]
    fn old_changes_are_forgotten() {
        let mut changes = ListChanges::default();
        let long = u32::try_from(LONG).unwrap();
        (0..KEPT).for_each(|_| changes.pushed(LIST, long));
        assert_eq!(since(&changes, 0).len(), KEPT);
        changes.pushed(LIST, long);
        assert!(changes.since(0, LIST).is_none());
        assert_eq!(since(&changes, 1).len(), KEPT);
        assert_eq!(since(&changes, changes.count()), []);
    }
}
