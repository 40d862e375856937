//! Where a log is cut so that it ends with a given transaction (`LogChopper`).

use super::Log;
use crate::{
    storage::{RawStep, follows},
    tools::ToolError,
};
use oxkeeper_codec::{
    Decode, Zxid,
    file::{END_OF_ENTRY, FILE_HEADER_LEN},
    records::TxnHeader,
};

/// The part of a log that stays.
#[derive(Debug)]
pub(crate) struct Chopped {
    /// Its length, in bytes from the start of the file.
    pub(crate) len: usize,
    /// How many transactions it holds.
    pub(crate) entries: u64,
}

/// Why a log cannot be cut there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChopError {
    /// Everything precedes that transaction, or it is the last one.
    #[error("it ends after {0} transactions, and nothing is behind the zxid: there is nothing to chop")]
    NothingBehind(u64),
    /// It is not there.
    #[error("it does not contain zxid {0}")]
    NotThere(Zxid),
    /// An entry has another checksum than it should.
    #[error("at offset {offset}: the checksum is {stored}, and should be {right}")]
    Checksum {
        /// Where the entry begins.
        offset: usize,
        /// What stands there.
        stored: i64,
        /// What should.
        right: i64,
    },
    /// An entry has another end, or none.
    #[error("at offset {0}: the entry has no end")]
    Partial(usize),
    /// An entry is no transaction.
    #[error("at offset {0}: {1}")]
    Content(usize, String),
    /// Whoever is told of holes could not take it.
    #[error(transparent)]
    Tool(#[from] ToolError),
}

/// A place where transactions may be missing: the last one before it and the first one behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gap(pub(crate) Zxid, pub(crate) Zxid);

/// Finds the end of transaction `zxid`, and tells of gaps before it.
pub(crate) fn chop(
    log: &Log,
    zxid: Zxid,
    tell: &mut dyn FnMut(Gap) -> Result<(), ToolError>,
) -> Result<Chopped, ChopError> {
    let mut chopped = Chopped { len: FILE_HEADER_LEN, entries: 0 };
    let (mut entries, mut last, mut seen) = (log.entries(), None::<Zxid>, false);
    loop {
        let RawStep::Entry(entry) = entries.step() else {
            return Err(ChopError::NothingBehind(chopped.entries));
        };
        if !entry.is_sound() {
            let (offset, stored, right) = (entry.offset, entry.stored, entry.checksum());
            return Err(ChopError::Checksum { offset, stored, right });
        }
        let header = TxnHeader::from_slice(entry.body)
            .map_err(|error| ChopError::Content(entry.offset, error.to_string()))?;
        if entry.mark != Some(END_OF_ENTRY) {
            return Err(ChopError::Partial(entry.offset));
        }
        seen |= header.zxid == zxid;
        if let Some(last) = last.filter(|&last| !follows(last, header.zxid)) {
            tell(Gap(last, header.zxid))?;
        }
        last = Some(header.zxid);
        if header.zxid > zxid {
            return if seen { Ok(chopped) } else { Err(ChopError::NotThere(zxid)) };
        }
        chopped.entries += 1;
        chopped.len = entry.end();
    }
}
