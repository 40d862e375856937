//! Copies of requests that go to the sequencer.
//!
//! Short ones lie side by side in one buffer: an allocation for each cost more than the copy. The buffer is used again
//! once nobody has anything of it, or given up to those who have. They are answered in the order in which they came, so
//! none of them keeps more than its neighbours alive for long.

use bytes::{Bytes, BytesMut};

/// How long a buffer is, in bytes.
const BUFFER_BYTES: usize = 64 << 10;
/// What is longer than this, in bytes, has memory of its own.
const SHORT_MAX: usize = 4 << 10;

/// The buffer that is being filled.
#[derive(Debug, Default)]
pub(super) struct Packets(BytesMut);

impl Packets {
    /// A copy.
    pub(super) fn copy(&mut self, packet: &[u8]) -> Bytes {
        if packet.len() > SHORT_MAX {
            return Bytes::copy_from_slice(packet);
        }
        if self.0.capacity() < packet.len() {
            self.0.reserve(BUFFER_BYTES);
        }
        self.0.extend_from_slice(packet);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_as_they_are_whatever_comes_behind_them() {
        let mut packets = Packets::default();
        let packet = |n: u8| vec![n; usize::from(n) * 37 % (SHORT_MAX + 100)];
        let copies: Vec<Bytes> = (0..=u8::MAX).map(|n| packets.copy(&packet(n))).collect();
        for (n, copy) in (0..=u8::MAX).zip(&copies) {
            assert_eq!(*copy, packet(n));
        }
    }

    #[test]
    fn a_buffer_is_used_again_once_nobody_has_anything_of_it() {
        let mut packets = Packets::default();
        let mut places = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            places.insert(packets.copy(&[7; 1000]).as_ptr());
        }
        assert!(places.len() <= 2 * BUFFER_BYTES / 1000, "{} places", places.len());
    }
}
