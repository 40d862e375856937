//! Replaying transactions that were decoded ahead.
//!
//! What a run of creates needs to know of the tree is looked up for all of them before the first is applied: misses of the
//! cache cost less where nothing else is between them. Creates alone leave that as it is: ids and paths of what was there
//! stay, and what was not there is so until one of them creates it. Behind anything else nothing of it is believed.
//!
//! Invariant: the tree ends as if each transaction had been [applied](Tree::apply) by itself.

use super::{PreparedTxn, Tree};
use oxkeeper_codec::txn::{LoggedCreate, LoggedTxn};

/// Hashes of paths are told apart by so many bits.
const MARK_BITS: u32 = 16;

/// What is known while transactions are replayed.
#[derive(Debug)]
pub struct Replay {
    /// A bit for each hash, as far as it is told apart, of what was created since the last look.
    created: Vec<u64>,
    /// Whether there were creates alone since the last look.
    fresh: bool,
}

impl Default for Replay {
    fn default() -> Self {
        Self { created: vec![0; 1 << (MARK_BITS - u64::BITS.trailing_zeros())], fresh: false }
    }
}

impl Replay {
    /// Looks up what these creates need, which come next.
    pub fn expect<'t, 'a: 't>(
        &mut self,
        tree: &Tree,
        creates: impl Iterator<Item = (&'t LoggedCreate<'a>, &'t mut PreparedTxn)>,
    ) {
        self.created.fill(0);
        self.fresh = true;
        for (create, prepared) in creates {
            if let Some(node) = &prepared.created {
                prepared.is_new = tree.index.approach(node.facts.hash).is_none();
                prepared.parent = tree.find_parent(create.path, node);
            }
        }
    }

    /// Applies a create.
    pub fn create(&mut self, tree: &mut Tree, create: &LoggedCreate<'_>, mut prepared: PreparedTxn) {
        if let Some(node) = &prepared.created {
            let mark = node.facts.hash >> (u32::BITS - MARK_BITS);
            let (word, bit) = (&mut self.created[mark as usize / 64], 1 << (mark % 64));
            prepared.is_new &= self.fresh && *word & bit == 0;
            *word |= bit;
        }
        prepared.parent = prepared.parent.filter(|_| self.fresh);
        tree.replay_create(create, &prepared);
    }

    /// Applies another transaction, or any.
    pub fn txn(&mut self, tree: &mut Tree, logged: &LoggedTxn, prepared: PreparedTxn) {
        self.fresh = false;
        let prepared = PreparedTxn { parent: None, is_new: false, ..prepared };
        tree.replay(logged, &prepared);
    }
}
