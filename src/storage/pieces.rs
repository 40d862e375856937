//! The entries of a log in pieces, checked and decoded: what can be done while others are taken in.
//!
//! Invariant: entries come in the order of the file, and what is wrong with it behind those before.

use super::{
    error::Damage,
    log_reader::{Entry, LogReader},
    snapshot_reader::Prepare,
};
use oxkeeper_codec::{
    Zxid,
    txn::{LoggedCreate, LoggedTxn},
};

/// What is in an entry.
pub(super) enum Content<'a, T> {
    /// A transaction that creates, and what its preparer knows of it.
    Create(LoggedCreate<'a>, T),
    /// Another one.
    Other(LoggedTxn, T),
    /// None.
    Bad(Damage),
    /// The snapshot has it: it was not looked at.
    Before,
}

impl<'a, T> Content<'a, T> {
    fn of(entry: &Entry<'a>, preparer: &impl Prepare<Txn = T>) -> Self {
        if let Some(create) = LoggedCreate::from_body(entry.body) {
            let prepared = preparer.create(&create);
            return Self::Create(create, prepared);
        }
        match entry.decode() {
            Ok(txn) => {
                let prepared = preparer.txn(&txn);
                Self::Other(txn, prepared)
            }
            Err(damage) => Self::Bad(damage),
        }
    }

    pub(super) const fn create_mut(&mut self) -> Option<(&LoggedCreate<'a>, &mut T)> {
        match self {
            Self::Create(create, prepared) => Some((create, prepared)),
            _ => None,
        }
    }
}

/// So many bytes of a log are decoded at once.
const PIECE_LEN: usize = 128 << 10;
/// A piece has room for so many entries from the start.
const PIECE_ENTRIES: usize = 1024;

/// Some entries of a log, and what is wrong behind them.
pub(super) struct Piece<'a, T> {
    pub(super) entries: Vec<(Entry<'a>, Content<'a, T>)>,
    pub(super) damage: Option<Damage>,
}

/// Checks and decodes a log in pieces.
pub(super) struct Pieces<'a, P> {
    pub(super) reader: LogReader<'a>,
    pub(super) preparer: P,
    /// The snapshot's transaction.
    pub(super) behind: Zxid,
    /// Nothing behind it is looked at.
    pub(super) through: Zxid,
    pub(super) ended: bool,
}

impl<'a, P: Prepare> Iterator for Pieces<'a, P> {
    type Item = Piece<'a, P::Txn>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = Piece { entries: Vec::with_capacity(PIECE_ENTRIES), damage: None };
        let mut len = 0;
        while !self.ended && len < PIECE_LEN {
            match self.reader.next_entry() {
                Ok(Some(entry)) if entry.zxid > self.through => self.ended = true,
                Ok(Some(entry)) => {
                    len += entry.body.len();
                    self.ended = entry.zxid == self.through;
                    let content = if entry.zxid > self.behind {
                        Content::of(&entry, &self.preparer)
                    } else {
                        Content::Before
                    };
                    piece.entries.push((entry, content));
                }
                Ok(None) => self.ended = true,
                Err(damage) => {
                    piece.damage = Some(damage);
                    self.ended = true;
                }
            }
        }
        (!piece.entries.is_empty() || piece.damage.is_some()).then_some(piece)
    }
}
