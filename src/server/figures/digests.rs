//! What `hash` tells: the digests of the tree of late.

use oxkeeper_codec::Zxid;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Digests kept.
const DIGESTS: usize = 1024;

/// The digests of the tree after some of the last transactions (`DataTree.logZxidDigest`). It begins empty: what
/// was replayed at the start is not in it.
#[derive(Debug, Default)]
pub(crate) struct DigestHistory(Mutex<VecDeque<(Zxid, u64)>>);

impl DigestHistory {
    /// Takes in digests, each with the zxid after which the tree had it.
    pub(crate) fn extend(&self, digests: &[(Zxid, u64)]) {
        if digests.is_empty() {
            return;
        }
        let mut kept = self.0.lock();
        kept.extend(digests);
        let over = kept.len().saturating_sub(DIGESTS);
        kept.drain(..over);
    }

    /// Those that are kept, oldest first.
    pub(crate) fn list(&self) -> Vec<(Zxid, u64)> {
        self.0.lock().iter().copied().collect()
    }

    /// One line each, oldest first.
    pub(crate) fn to_text(&self) -> String {
        self.list().iter().map(|(zxid, digest)| format!("{:x}: {}\n", zxid.0, digest.cast_signed())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_digests_are_kept() {
        let history = DigestHistory::default();
        for n in 1..=1030 {
            history.extend(&[(Zxid(n * 128), u64::MAX)]);
        }
        let text = history.to_text();
        assert_eq!(text.lines().count(), DIGESTS);
        assert_eq!(text.lines().next(), Some("380: -1"));
    }
}
