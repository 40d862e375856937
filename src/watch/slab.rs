//! Values under small numbers, in pieces that never move.
//!
//! Promises: a number stays with its value until the value is removed, and is then used again; growing copies
//! nothing but one piece, so that memory follows the number of values closely; an empty slab holds no memory.
//! Invariant: `len` + `free` = the slots there are.

/// Slots of one piece.
const PIECE: usize = 256;

/// A number as it is stored; everything counted here fits, for memory ends long before.
pub(super) fn small(number: usize) -> u32 {
    assert!(u32::try_from(number).is_ok(), "{number} watches are more than memory holds");
    number as u32
}

/// Where a number's slot is.
const fn place(id: u32) -> (usize, usize) {
    (id as usize / PIECE, id as usize % PIECE)
}

/// Values under small numbers.
#[derive(Debug)]
pub(super) struct Slab<T> {
    pieces: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new(), free: Vec::new(), len: 0 }
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if let Some(id) = self.free.pop() {
            let (piece, slot) = place(id);
            assert!(self.pieces[piece][slot].is_none(), "slot {id} is free");
            self.pieces[piece][slot] = Some(value);
            return id;
        }
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(Some(value)),
            _ => self.pieces.push(vec![Some(value)]),
        }
        small(self.len - 1)
    }

    pub(super) fn remove(&mut self, id: u32) -> T {
        let (piece, slot) = place(id);
        let value = self.pieces[piece][slot].take().expect("only numbers in use are removed");
        self.len -= 1;
        self.free.push(id);
        if self.len == 0 {
            *self = Self::new();
        }
        value
    }

    pub(super) fn at(&self, id: u32) -> &T {
        let (piece, slot) = place(id);
        self.pieces[piece][slot].as_ref().expect("only numbers in use are asked for")
    }

    pub(super) fn at_mut(&mut self, id: u32) -> &mut T {
        let (piece, slot) = place(id);
        self.pieces[piece][slot].as_mut().expect("only numbers in use are asked for")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let slots = self.pieces.iter().flatten().enumerate();
        slots.filter_map(|(id, slot)| Some((small(id), slot.as_ref()?)))
    }

    #[cfg(test)]
    pub(super) fn check_consistent(&self) {
        assert_eq!(self.iter().count(), self.len);
        assert_eq!(self.pieces.iter().map(Vec::len).sum::<usize>(), self.len + self.free.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_an_empty_slab_holds_nothing() {
        let mut slab = Slab::new();
        let ids: Vec<u32> = (0..1000).map(|n| slab.insert(n)).collect();
        assert_eq!(ids, (0..1000).collect::<Vec<u32>>());
        assert_eq!(slab.remove(300), 300);
        slab.check_consistent();
        assert_eq!(slab.insert(7), 300);
        assert_eq!((*slab.at(300), slab.iter().count()), (7, 1000));
        *slab.at_mut(300) += 1;
        assert_eq!(slab.remove(300), 8);
        for id in (0..1000).filter(|id| *id != 300) {
            slab.remove(id);
            slab.check_consistent();
        }
        assert_eq!(slab.pieces.capacity() + slab.free.capacity(), 0);
    }
}
