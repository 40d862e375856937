//! Access control lists, each kept once (`ReferenceCountedACLCache`).
//!
//! Invariants: a list is in the table exactly as long as something uses it; [`AclId::OPEN`] and [`AclId::UNRESOLVED`]
//! are not in it. A number that is in use is never given to another list.

use super::change::AclRef;
use oxkeeper_codec::{
    ByteStr, Encode, Perms,
    records::{Acl, Id},
};
use std::collections::BTreeMap;

/// A list's number in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclId(u32);

impl AclId {
    /// Everybody may do everything; -1 in files, never in the table.
    pub const OPEN: Self = Self(0);
    /// Of a znode that is being loaded: its list is not known yet. Nobody may do anything.
    pub(super) const UNRESOLVED: Self = Self(u32::MAX);

    /// The number as it stands in a snapshot.
    pub const fn to_file(self) -> i64 {
        if self.0 == Self::OPEN.0 { -1 } else { self.0 as i64 }
    }

    /// The number in two bytes, if they hold it.
    pub(super) fn to_short(self) -> Option<u16> {
        u16::try_from(self.0).ok()
    }

    pub(super) const fn from_short(short: u16) -> Self {
        Self(short as u32)
    }

    /// The number after this one, from the last on to the first.
    const fn following(self) -> Self {
        let next = self.0.wrapping_add(1);
        if next == Self::UNRESOLVED.0 { Self(Self::OPEN.0 + 1) } else { Self(next) }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    acl: AclRef,
    uses: u64,
    /// How many lists were new before it.
    serial: u64,
}

/// The table.
#[derive(Debug, Clone)]
pub(super) struct AclTable {
    open: AclRef,
    nobody: AclRef,
    entries: BTreeMap<AclId, Entry>,
    /// Encoded lists, which order and compare as bytes.
    ids: BTreeMap<Vec<u8>, AclId>,
    /// The number that was given last.
    last: AclId,
    /// How many lists were new, ever: unlike a number, that of one is not used again.
    inserted: u64,
    /// The list that was asked for last, and its id: most trees use one or two.
    recent: Option<(AclRef, AclId)>,
}

impl AclTable {
    pub(super) fn new() -> Self {
        let anyone = Id { scheme: ByteStr::from_static("world"), id: ByteStr::from_static("anyone") };
        let open = AclRef::from([Acl { perms: Perms::ALL, id: anyone.clone() }]);
        let nobody = AclRef::from([Acl { perms: Perms::NONE, id: anyone }]);
        let (entries, ids) = (BTreeMap::new(), BTreeMap::new());
        Self { open, nobody, entries, ids, last: AclId::OPEN, inserted: 0, recent: None }
    }

    /// The list of this number. One that is not known lets nobody in.
    pub(super) fn get(&self, id: AclId) -> &AclRef {
        if id == AclId::OPEN {
            return &self.open;
        }
        debug_assert!(
            id == AclId::UNRESOLVED || self.entries.contains_key(&id),
            "a list is in the table as long as it is used"
        );
        self.entries.get(&id).map_or(&self.nobody, |entry| &entry.acl)
    }

    /// The list that lets nobody in: it gives no permission. An empty one would let everybody in.
    pub(super) const fn nobody(&self) -> &AclRef {
        &self.nobody
    }

    /// Number of lists.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The list's number; one more znode uses it.
    pub(super) fn acquire(&mut self, acl: &[Acl]) -> AclId {
        if let Some((recent, id)) = &self.recent
            && **recent == *acl
            && let Some(entry) = self.entries.get_mut(id)
        {
            entry.uses += 1;
            return *id;
        }
        let key = acl.encoded();
        let id = match self.ids.get(&key) {
            Some(&id) => id,
            None => self.insert(key, acl),
        };
        let entry = self.entries.get_mut(&id).expect("found or inserted above");
        entry.uses += 1;
        self.recent = Some((AclRef::clone(&entry.acl), id));
        id
    }

    /// The same for an encoded list, which is decoded where it is new.
    pub(super) fn acquire_encoded(&mut self, encoded: &[u8], decode: impl FnOnce() -> Vec<Acl>) -> AclId {
        match self.ids.get(encoded) {
            Some(&id) => {
                self.acquire_again(id);
                id
            }
            None => self.acquire(&decode()),
        }
    }

    /// One more znode uses a list that is in use already.
    pub(super) fn acquire_again(&mut self, id: AclId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.uses += 1;
        }
    }

    fn insert(&mut self, key: Vec<u8>, acl: &[Acl]) -> AclId {
        // The official server counts on in 64 bits. Here the first 2^32 lists are behind after a long life, and numbers
        // of lists that are gone are used again.
        let mut id = self.last.following();
        while self.entries.contains_key(&id) {
            assert!(id != self.last, "the tree is full: 2^32 access control lists");
            id = id.following();
        }
        self.last = id;
        self.ids.insert(key, id);
        let own = |text: &Id| Id { scheme: text.scheme.detached(), id: text.id.detached() };
        let acl = acl.iter().map(|acl| Acl { perms: acl.perms, id: own(&acl.id) }).collect();
        self.entries.insert(id, Entry { acl, uses: 0, serial: self.inserted });
        self.inserted += 1;
        id
    }

    /// One znode less uses the list.
    pub(super) fn release(&mut self, id: AclId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.uses -= 1;
        if entry.uses == 0 {
            let acl = AclRef::clone(&entry.acl);
            self.entries.remove(&id);
            self.ids.remove(&acl.encoded());
            if self.recent.as_ref().is_some_and(|(_, recent)| *recent == id) {
                self.recent = None;
            }
        }
    }

    /// How many lists were new, ever.
    pub(super) const fn inserted(&self) -> u64 {
        self.inserted
    }

    /// From this number on, each list with its number, and how many lists were new before it.
    pub(super) fn from(&self, first: AclId) -> impl Iterator<Item = (AclId, u64, &AclRef)> {
        self.entries.range(first..).map(|(&id, entry)| (id, entry.serial, &entry.acl))
    }
}

/// A list as a key that orders.
trait AclKey {
    fn encoded(&self) -> Vec<u8>;
}

impl AclKey for [Acl] {
    fn encoded(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(self.encoded_len());
        self.encode(&mut key);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(id: &str) -> Vec<Acl> {
        vec![Acl { perms: Perms::ALL, id: Id { scheme: "digest".into(), id: id.into() } }]
    }

    #[test]
    fn a_list_is_kept_once_and_as_long_as_it_is_used() {
        let mut table = AclTable::new();
        let a = table.acquire(&acl("a"));
        assert_eq!(table.acquire(&acl("a")), a);
        let b = table.acquire(&acl("b"));
        assert_ne!(a, b);
        table.release(a);
        assert_eq!(**table.get(a), acl("a")[..]);
        table.release(a);
        assert_eq!(table.len(), 1);
        assert_ne!(table.acquire(&acl("a")), b);
    }

    #[test]
    fn the_open_list_is_not_counted() {
        let mut table = AclTable::new();
        table.release(AclId::OPEN);
        assert_eq!(table.len(), 0);
        assert_eq!(AclId::OPEN.to_file(), -1);
    }

    #[test]
    fn after_the_last_number_come_those_that_are_free() {
        let mut table = AclTable::new();
        let first = table.acquire(&acl("first"));
        let gone = table.acquire(&acl("gone"));
        let third = table.acquire(&acl("third"));
        table.release(gone);
        table.last = AclId(u32::MAX - 2);
        let last = table.acquire(&acl("last"));
        assert_eq!(last.0, u32::MAX - 1);
        let again = table.acquire(&acl("again"));
        assert_eq!(again, gone, "not the open list, none in use");
        assert_eq!(table.acquire(&acl("more")).0, third.0 + 1);
        for (id, name) in [(first, "first"), (third, "third"), (last, "last"), (again, "again")] {
            assert_eq!(**table.get(id), acl(name)[..]);
        }
    }

    #[test]
    fn what_is_not_known_lets_nobody_in() {
        let table = AclTable::new();
        let list = table.get(AclId::UNRESOLVED);
        assert!(!list.is_empty(), "an empty list lets everybody in");
        assert!(list.iter().all(|entry| !entry.perms.intersects(Perms::ALL)));
    }
}
