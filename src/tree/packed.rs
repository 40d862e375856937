//! Byte strings of all lengths, packed: short ones lie side by side in slots of one size, without a header or a
//! pointer each; long ones are allocations of their own.
//!
//! Chunks of slots are large, so that the allocator maps each by itself: what lives long leaves no holes between
//! what is gone at once, and memory that was never written to costs nothing.
//!
//! Invariants: a [`Place`] stays valid until it is removed; a chunk is `open` exactly if it has room; one that has become
//! empty holds next to no memory, so what a deleted subtree took goes back.

use std::num::NonZeroU8;

/// Slots of a class are so many bytes longer than those of the one before: half a byte is lost on the average.
const STEP: usize = 2;
/// What is longer is allocated by itself.
const SHORT_MAX: usize = 508;
const CLASSES: usize = SHORT_MAX / STEP;
/// What stands for the class of a long string.
const LONG: NonZeroU8 = NonZeroU8::MAX;
const _: () = assert!(CLASSES < LONG.get() as usize);
/// Chunks have at least so many bytes, and less than twice as many.
const CHUNK_BYTES: usize = 512 << 10;
/// An empty chunk that has used no more stays, so that one string that comes and goes costs little.
const KEPT_BYTES: usize = 4 << 10;
/// The shortest slot: a free one holds the number of the next.
const STEPS_MIN: usize = size_of::<u32>() / STEP;
/// Ends the list of free slots.
const NONE: u32 = u32::MAX;

/// Where a byte string lies.
#[derive(Debug, Clone, Copy)]
#[repr(Rust, packed(2))]
pub(super) struct Place {
    /// Which slot of its class, or which of the long ones.
    index: u32,
    /// Length of its slots in steps; [`LONG`]: an allocation of its own.
    class: NonZeroU8,
    /// Bytes of its slot that it does not fill.
    spare: u8,
}

#[derive(Debug)]
struct Chunk {
    /// Slots up to the last that was used since it was empty.
    bytes: Vec<u8>,
    /// The first free slot among them. Each begins with the number of the next.
    free: u32,
    used: u32,
}

/// Chunks with slots of one length.
#[derive(Debug, Default)]
struct Class {
    chunks: Vec<Chunk>,
    /// Chunks with room.
    open: Vec<u32>,
}

/// The store.
#[derive(Debug)]
pub(super) struct Packed {
    classes: Vec<Class>,
    long: Vec<Box<[u8]>>,
    /// Free places in `long`.
    free: Vec<u32>,
}

/// Binary logarithm of the number of slots in a chunk.
const fn slots_log2(slot_len: usize) -> u32 {
    (CHUNK_BYTES / slot_len).next_power_of_two().trailing_zeros()
}

impl Place {
    const fn class(self) -> usize {
        self.class.get() as usize - 1
    }

    const fn slot_len(self) -> usize {
        self.class.get() as usize * STEP
    }

    const fn chunk(self) -> usize {
        (self.index >> slots_log2(self.slot_len())) as usize
    }

    /// Which slot of its chunk.
    const fn slot(self) -> u32 {
        self.index & ((1 << slots_log2(self.slot_len())) - 1)
    }

    const fn range(self) -> std::ops::Range<usize> {
        let start = self.slot() as usize * self.slot_len();
        start..start + self.slot_len() - self.spare as usize
    }
}

impl Chunk {
    const fn empty() -> Self {
        Self { bytes: Vec::new(), free: NONE, used: 0 }
    }

    fn is_full(&self, slot_len: usize) -> bool {
        self.free == NONE && self.bytes.len() == slot_len << slots_log2(slot_len)
    }

    /// Takes a slot; there must be room.
    fn take(&mut self, slot_len: usize) -> u32 {
        self.used += 1;
        if self.free != NONE {
            let slot = self.free;
            let start = slot as usize * slot_len;
            let next = self.bytes[start..].first_chunk().expect("a slot has room for a number");
            self.free = u32::from_ne_bytes(*next);
            return slot;
        }
        let start = self.bytes.len();
        if start == 0 {
            self.bytes.reserve_exact(slot_len << slots_log2(slot_len));
        }
        self.bytes.resize(start + slot_len, 0);
        to_u32(start / slot_len)
    }

    fn give_back(&mut self, slot: u32, slot_len: usize) {
        self.used -= 1;
        if self.used == 0 {
            self.free = NONE;
            if self.bytes.len() > KEPT_BYTES {
                self.bytes = Vec::new();
            }
            self.bytes.clear();
            return;
        }
        let start = slot as usize * slot_len;
        self.bytes[start..start + size_of::<u32>()].copy_from_slice(&self.free.to_ne_bytes());
        self.free = slot;
    }
}

impl Class {
    /// A chunk with room.
    fn open_chunk(&mut self, slot_len: usize) -> u32 {
        if let Some(&index) = self.open.last() {
            return index;
        }
        let index = to_u32(self.chunks.len());
        assert!(index <= u32::MAX >> slots_log2(slot_len), "the tree is full: 2^32 places of one length");
        self.chunks.push(Chunk::empty());
        self.open.push(index);
        index
    }
}

impl Default for Packed {
    fn default() -> Self {
        let classes = std::iter::repeat_with(Class::default).take(CLASSES).collect();
        Self { classes, long: Vec::new(), free: Vec::new() }
    }
}

impl Packed {
    pub(super) fn get(&self, place: Place) -> &[u8] {
        if place.class == LONG {
            return &self.long[place.index as usize];
        }
        &self.classes[place.class()].chunks[place.chunk()].bytes[place.range()]
    }

    pub(super) fn get_mut(&mut self, place: Place) -> &mut [u8] {
        if place.class == LONG {
            return &mut self.long[place.index as usize];
        }
        &mut self.classes[place.class()].chunks[place.chunk()].bytes[place.range()]
    }

    /// Stores the parts one behind the other.
    pub(super) fn insert(&mut self, parts: [&[u8]; 3]) -> Place {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len > SHORT_MAX {
            return self.insert_long(parts.concat().into_boxed_slice());
        }
        let steps =
            u8::try_from(len.div_ceil(STEP).max(STEPS_MIN)).expect("fewer classes than a byte has values");
        let steps = NonZeroU8::new(steps).expect("a slot has room for a number");
        let slot_len = usize::from(steps.get()) * STEP;
        let class = &mut self.classes[usize::from(steps.get()) - 1];
        let index = class.open_chunk(slot_len);
        let chunk = &mut class.chunks[index as usize];
        let slot = chunk.take(slot_len);
        if chunk.is_full(slot_len) {
            class.open.pop();
        }
        let mut at = slot as usize * slot_len;
        for part in parts {
            chunk.bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        Place {
            index: (index << slots_log2(slot_len)) | slot,
            class: steps,
            spare: u8::try_from(slot_len - len).expect("less than the shortest slot, or a step"),
        }
    }

    fn insert_long(&mut self, bytes: Box<[u8]>) -> Place {
        let index = if let Some(index) = self.free.pop() {
            self.long[index as usize] = bytes;
            index
        } else {
            self.long.push(bytes);
            to_u32(self.long.len() - 1)
        };
        Place { index, class: LONG, spare: 0 }
    }

    /// Gives a place up.
    pub(super) fn remove(&mut self, place: Place) {
        if place.class == LONG {
            self.long[place.index as usize] = Box::default();
            self.free.push(place.index);
            return;
        }
        let class = &mut self.classes[place.class()];
        let chunk = &mut class.chunks[place.chunk()];
        if chunk.is_full(place.slot_len()) {
            class.open.push(to_u32(place.chunk()));
        }
        chunk.give_back(place.slot(), place.slot_len());
    }
}

fn to_u32(index: usize) -> u32 {
    u32::try_from(index).expect("fewer strings than znodes, of which there are fewer than 2^32")
}

const _: () = assert!(size_of::<Option<Place>>() == 6);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl Packed {
        /// Bytes that were written to and are held.
        fn used(&self) -> usize {
            let chunks = self.classes.iter().flat_map(|class| &class.chunks);
            let chunks = chunks.filter(|chunk| chunk.bytes.capacity() > 0).map(|chunk| chunk.bytes.len());
            chunks.sum::<usize>() + self.long.iter().map(|bytes| bytes.len()).sum::<usize>()
        }
    }

    fn lengths() -> impl Strategy<Value = usize> {
        prop_oneof![4 => 0usize..40, 2 => 100usize..120, 1 => 500usize..525]
    }

    proptest! {
        #[test]
        fn what_was_stored_is_there_until_it_is_removed(
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), lengths()), 0..2000),
        ) {
            let mut packed = Packed::default();
            let mut model: Vec<(Place, Vec<u8>)> = Vec::new();
            for (i, (insert, which, len)) in steps.into_iter().enumerate() {
                if insert || model.is_empty() {
                    let bytes = vec![i.to_le_bytes()[0]; len];
                    let (head, tail) = bytes.split_at(len / 3);
                    model.push((packed.insert([head, &[], tail]), bytes));
                } else {
                    let (place, bytes) = model.swap_remove(which.index(model.len()));
                    prop_assert_eq!(packed.get(place), bytes);
                    packed.remove(place);
                }
            }
            for (place, bytes) in &model {
                prop_assert_eq!(packed.get(*place), bytes);
            }
            for (place, _) in model.drain(..) {
                packed.remove(place);
            }
            prop_assert!(packed.used() <= CLASSES * KEPT_BYTES);
        }
    }

    #[test]
    fn strings_lie_side_by_side() {
        let mut packed = Packed::default();
        for _ in 0..64_000 {
            packed.insert([&[1], b"n00000000", &[0; 100]]);
        }
        assert_eq!(packed.used(), 64_000 * 110);
    }

    #[test]
    fn a_free_slot_is_used_again() {
        let mut packed = Packed::default();
        let places: Vec<Place> = (0..200).map(|_| packed.insert([b"abc", b"", b""])).collect();
        packed.remove(places[70]);
        let index = packed.insert([b"", b"defg", b""]).index;
        assert_eq!({ index }, { places[70].index });
    }
}
