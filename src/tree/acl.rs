//! Access control lists, each kept once (`ReferenceCountedACLCache`).
//!
//! Invariant: a list is in the table exactly as long as a znode uses it; [`AclId::OPEN`] is not counted.

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

    /// The number as it stands in a snapshot.
    pub const fn to_file(self) -> i64 {
        if self.0 == 0 { -1 } else { self.0 as i64 }
    }
}

#[derive(Debug, Clone)]
struct Entry {
    acl: AclRef,
    uses: u64,
}

/// The table.
#[derive(Debug, Clone)]
pub(super) struct AclTable {
    open: AclRef,
    entries: BTreeMap<AclId, Entry>,
    /// Encoded lists, which order and compare as bytes.
    ids: BTreeMap<Vec<u8>, AclId>,
    last: u32,
    /// The list that was asked for last, and its id: most trees use one or two.
    recent: Option<(AclRef, AclId)>,
}

impl AclTable {
    pub(super) fn new() -> Self {
        let anyone = Id { scheme: ByteStr::from_static("world"), id: ByteStr::from_static("anyone") };
        let open = AclRef::from([Acl { perms: Perms::ALL, id: anyone }]);
        Self { open, entries: BTreeMap::new(), ids: BTreeMap::new(), last: 0, recent: None }
    }

    pub(super) fn get(&self, id: AclId) -> &AclRef {
        match self.entries.get(&id) {
            Some(entry) => &entry.acl,
            None => {
                debug_assert_eq!(id, AclId::OPEN, "a list is in the table as long as it is used");
                &self.open
            }
        }
    }

    /// The list, as long as it is used.
    pub(super) fn find(&self, id: AclId) -> Option<&AclRef> {
        self.entries.get(&id).map(|entry| &entry.acl)
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
            None => self.insert(key, acl, AclId(self.last + 1)),
        };
        let entry = self.entries.get_mut(&id).expect("found or inserted above");
        entry.uses += 1;
        self.recent = Some((AclRef::clone(&entry.acl), id));
        id
    }

    fn insert(&mut self, key: Vec<u8>, acl: &[Acl], id: AclId) -> AclId {
        self.last = self.last.max(id.0);
        self.ids.insert(key, id);
        self.entries.insert(id, Entry { acl: AclRef::from(acl), uses: 0 });
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

    /// The lists by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (AclId, &AclRef)> {
        self.entries.iter().map(|(&id, entry)| (id, &entry.acl))
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
}
