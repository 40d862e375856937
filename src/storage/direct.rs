//! What a write past the page cache (`O_DIRECT`) takes: whole blocks, from memory that begins at a multiple of their length.
//!
//! A write and its sync cost about 0.7 of the CPU that they do through the page cache, which nobody needs here: a log is not
//! read while it is written. Its last block is seldom full. What is in it is kept, and written again with what comes next;
//! through the page cache it would be no different.

/// What memory and places in a file have to be a multiple of, on every disk.
pub(super) const ALIGNMENT: usize = 4096;
/// What is longer than this, in bytes, gains nothing.
const MAX: usize = 512 << 10;

/// The end of a file that is written from front to back.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// What is used of it begins at a multiple of [`ALIGNMENT`].
    memory: Vec<u8>,
    /// How long the file is.
    end: u64,
    /// What its last block holds, unless that is full.
    tail: Vec<u8>,
}

/// How far a place is from the beginning of its block.
fn in_block(place: u64) -> usize {
    usize::try_from(place % ALIGNMENT as u64).unwrap_or(0)
}

impl Blocks {
    /// The blocks that hold these bytes, filled up with zeros, and where the first of them begins. `None`: they are too
    /// many, or nobody knows what stands before them.
    pub(super) fn holding(&mut self, offset: u64, bytes: &[u8]) -> Option<(u64, &[u8])> {
        let before = in_block(offset);
        let is_known = before == 0 || offset == self.end && before == self.tail.len();
        if !is_known || bytes.len() > MAX {
            return None;
        }
        let used = before + bytes.len();
        let len = used.next_multiple_of(ALIGNMENT);
        if self.memory.len() < len + ALIGNMENT {
            self.memory = vec![0; (len + ALIGNMENT).next_power_of_two()];
        }
        let start = self.memory.as_ptr().align_offset(ALIGNMENT);
        let blocks = &mut self.memory[start..start + len];
        blocks[..before].copy_from_slice(&self.tail[..before]);
        blocks[before..used].copy_from_slice(bytes);
        blocks[used..].fill(0);
        Some((offset - before as u64, blocks))
    }

    /// These bytes were written, in whatever way.
    pub(super) fn written(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        let in_last = in_block(end);
        match bytes.len().checked_sub(in_last) {
            Some(rest) => {
                self.tail.clear();
                self.tail.extend_from_slice(&bytes[rest..]);
            }
            None if offset == self.end => self.tail.extend_from_slice(bytes),
            // Of another length than what stands there: it is not known.
            None => self.tail.clear(),
        }
        self.end = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_hold_what_was_written_before_them(
            writes in prop::collection::vec((0u8..10, 0usize..3 * ALIGNMENT), 1..40),
        ) {
            let (mut blocks, mut file, mut direct) = (Blocks::default(), Vec::new(), 0);
            for (i, (kind, len)) in writes.into_iter().enumerate() {
                // Short ones too, and seldom one in another place: a file that was cut.
                let len = if kind < 5 { len % 200 } else { len };
                if kind == 9 {
                    file.truncate(file.len() / 2);
                }
                let (offset, bytes) = (file.len(), vec![u8::try_from(i + 1).unwrap(); len]);
                file.extend_from_slice(&bytes);
                if let Some((start, whole)) = blocks.holding(offset as u64, &bytes) {
                    prop_assert_eq!(start as usize % ALIGNMENT + whole.len() % ALIGNMENT, 0);
                    prop_assert_eq!(whole.as_ptr().align_offset(ALIGNMENT), 0);
                    let (used, padding) = whole.split_at(file.len() - start as usize);
                    prop_assert_eq!(used, &file[start as usize..]);
                    prop_assert!(padding.len() < ALIGNMENT && padding.iter().all(|&byte| byte == 0));
                    direct += 1;
                } else {
                    prop_assert!(kind == 9 || i > 0, "the first of all begins a block");
                }
                blocks.written(offset as u64, &bytes);
            }
            prop_assert!(direct > 0);
        }
    }

    #[test]
    fn what_is_long_is_left_to_others() {
        let mut blocks = Blocks::default();
        assert!(blocks.holding(0, &vec![0; MAX + 1]).is_none());
        blocks.written(0, &vec![0; MAX + 1]);
        assert_eq!(
            blocks.holding(MAX as u64 + 1, b"b").map(|(start, whole)| (start, whole[1])),
            Some((MAX as u64, b'b'))
        );
        assert!(blocks.holding(7, b"b").is_none(), "what stands before is not kept");
    }
}
