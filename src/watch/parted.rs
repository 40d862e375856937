//! A hash table that never does much at once.
//!
//! Promises: a call costs at most the growth of a part, about 1/256 of a large table: a table of a million would
//! otherwise stand still for tens of milliseconds now and then, and its worker's lock with it. A small table is one
//! part, an empty one holds no memory, and one that has become small gives memory back. The caller hashes.
//! Invariants: a value is in the part that its hash names; `len` is the sum of the parts.

use hashbrown::HashTable;

/// Parts of a large table.
const PARTS: usize = 256;
/// A table beyond this has parts; one far below has them no longer.
const SPLIT_ABOVE: usize = 4096;

/// The part of a hash: bits that choose neither the place within a part of usual size (low) nor the tag (high).
const fn part_of(hash: u64) -> usize {
    (hash >> 17) as usize % PARTS
}

/// A hash table, in parts if it is large.
#[derive(Debug)]
pub(super) enum Parted<T> {
    Small(HashTable<T>),
    Large { parts: Box<[HashTable<T>]>, len: usize },
}

impl<T> Default for Parted<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Parted<T> {
    pub(super) const fn new() -> Self {
        Self::Small(HashTable::new())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Small(part) => part.len(),
            Self::Large { len, .. } => *len,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn find(&self, hash: u64, same: impl Fn(&T) -> bool) -> Option<&T> {
        let part = match self {
            Self::Small(part) => part,
            Self::Large { parts, .. } => &parts[part_of(hash)],
        };
        part.find(hash, same)
    }

    fn part_mut(&mut self, hash: u64) -> &mut HashTable<T> {
        match self {
            Self::Small(part) => part,
            Self::Large { parts, .. } => &mut parts[part_of(hash)],
        }
    }

    pub(super) fn find_mut(&mut self, hash: u64, same: impl Fn(&T) -> bool) -> Option<&mut T> {
        self.part_mut(hash).find_mut(hash, same)
    }

    /// Adds a value that is not there yet.
    pub(super) fn insert(&mut self, hash: u64, value: T, rehash: impl Fn(&T) -> u64) {
        if let Self::Small(part) = self
            && part.len() == SPLIT_ABOVE
        {
            let values = std::mem::take(part);
            let mut parts: Box<[_]> = (0..PARTS).map(|_| HashTable::new()).collect();
            for value in values {
                let hash = rehash(&value);
                parts[part_of(hash)].insert_unique(hash, value, &rehash);
            }
            *self = Self::Large { parts, len: SPLIT_ABOVE };
        }
        self.part_mut(hash).insert_unique(hash, value, rehash);
        if let Self::Large { len, .. } = self {
            *len += 1;
        }
    }

    pub(super) fn remove(
        &mut self,
        hash: u64,
        same: impl Fn(&T) -> bool,
        rehash: impl Fn(&T) -> u64,
    ) -> Option<T> {
        let part = self.part_mut(hash);
        let (value, _) = part.find_entry(hash, same).ok()?.remove();
        if part.capacity() / 16 > part.len() {
            part.shrink_to(part.len() * 2, &rehash);
        }
        if let Self::Large { parts, len } = self {
            *len -= 1;
            if *len < SPLIT_ABOVE / 4 {
                let mut joined = HashTable::with_capacity(*len);
                for value in parts.iter_mut().flat_map(std::mem::take) {
                    joined.insert_unique(rehash(&value), value, &rehash);
                }
                *self = Self::Small(joined);
            }
        }
        Some(value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let parts = match self {
            Self::Small(part) => std::slice::from_ref(part),
            Self::Large { parts, .. } => parts,
        };
        parts.iter().flatten()
    }

    #[cfg(test)]
    pub(super) fn check_consistent(&self, rehash: impl Fn(&T) -> u64) {
        assert_eq!(self.iter().count(), self.len());
        if let Self::Large { parts, len } = self {
            assert!(*len >= SPLIT_ABOVE / 4);
            for (number, part) in parts.iter().enumerate() {
                assert!(part.iter().all(|value| part_of(rehash(value)) == number));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spreads well enough.
    fn hash(number: &u32) -> u64 {
        u64::from(*number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn small_large_and_small_again() {
        const MANY: u32 = 20_000;
        let mut table = Parted::default();
        for number in 0..MANY {
            table.insert(hash(&number), number, hash);
            assert_eq!(matches!(table, Parted::Large { .. }), number as usize >= SPLIT_ABOVE);
        }
        table.check_consistent(hash);
        assert_eq!(
            table.iter().map(|n| u64::from(*n)).sum::<u64>(),
            u64::from(MANY) * u64::from(MANY - 1) / 2
        );
        assert_eq!(table.find(hash(&MANY), |n| *n == MANY), None);
        assert_eq!(table.remove(hash(&MANY), |n| *n == MANY, hash), None);
        for number in 0..MANY {
            assert_eq!(table.find(hash(&number), |n| *n == number), Some(&number));
            assert_eq!(table.find_mut(hash(&number), |n| *n == number), Some(&mut { number }));
            assert_eq!(table.remove(hash(&number), |n| *n == number, hash), Some(number));
            let left = (MANY - 1 - number) as usize;
            assert_eq!((table.len(), table.is_empty()), (left, left == 0));
            if number % 500 == 0 {
                table.check_consistent(hash);
            }
        }
        assert!(matches!(table, Parted::Small(part) if part.capacity() < 16));
    }
}
