//! Why storage does not go on: always which file, where possible the offset, and what to do.
//!
//! Invariant: an error here never means "partly done"; the caller stops serving, or retries where the method says
//! that it may.

use oxkeeper_codec::{DecodeError, Zxid};
use std::{fmt, io, path::PathBuf};
use thiserror::Error;

/// What is wrong with the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageKind {
    /// The file does not start with the four bytes of its kind.
    Magic(i32),
    /// The checksum of a log entry does not match its body.
    Checksum,
    /// A log entry's length is negative, or does not end where the entry does.
    Length(i32),
    /// A log entry does not end with 0x42.
    EndMark(u8),
    /// Not an entry, and not what a crash leaves of one.
    NotAnEntry,
    /// A whole entry follows something that is none: so this was not the end when the file was written.
    FollowedByEntry {
        /// Where the whole entry starts.
        at: u64,
        /// What is wrong before it.
        because: Box<Self>,
    },
    /// The checksum is right, and the content is not a transaction.
    Content(DecodeError),
    /// The content was read, and cannot be applied.
    Rejected(String),
    /// A snapshot ends too early.
    SnapshotCut(DecodeError),
    /// The checksum of a snapshot does not match.
    Seal,
    /// A snapshot is whole, and more follows.
    TrailingBytes,
    /// The compressed data cannot be unpacked.
    Compression(String),
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic(found) => {
                write!(f, "the file starts with 0x{found:08x}, which is not its kind's mark")
            }
            Self::Checksum => write!(f, "the entry's checksum does not match its content"),
            Self::Length(len) => write!(f, "the entry's length {len} is wrong"),
            Self::EndMark(byte) => write!(f, "the entry ends with 0x{byte:02x} instead of 0x42"),
            Self::NotAnEntry => write!(f, "the bytes are no entry, and not what a crash leaves of one"),
            Self::FollowedByEntry { at, because } => {
                write!(f, "{because}, and a whole entry follows at offset {at}")
            }
            Self::Content(error) => write!(f, "the checksum is right, but this is no transaction: {error}"),
            Self::Rejected(reason) => write!(f, "the content cannot be applied: {reason}"),
            Self::SnapshotCut(error) => write!(f, "the snapshot cannot be read: {error}"),
            Self::Seal => write!(f, "the snapshot's checksum does not match"),
            Self::TrailingBytes => write!(f, "bytes follow the end of the snapshot"),
            Self::Compression(reason) => write!(f, "the compressed data is damaged: {reason}"),
        }
    }
}

/// Damage at a place of a file that the caller knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where it starts, in bytes from the start of the file (for a compressed snapshot: of what it unpacks to).
    pub offset: u64,
    /// What it is.
    pub kind: DamageKind,
}

impl Damage {
    pub(super) fn new(offset: usize, kind: DamageKind) -> Self {
        Self { offset: u64::try_from(offset).unwrap_or(u64::MAX), kind }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at offset {}: {}", self.offset, self.kind)
    }
}

/// What every refusal over damage advises.
const ADVICE: &str = "Nothing was changed. Bring the file back from a copy, or, if other members of the ensemble \
                      hold the data, move this version-2 directory away and let the server fetch it anew";

/// Why storage does not go on.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk reports an error.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds what nobody wrote.
    #[error("{} is damaged {damage}. {ADVICE}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and how.
        damage: Damage,
    },
    /// A file of a version that is not known.
    #[error("{} has version {found} at offset 4, and only version 2 is known. It was written by newer software, or is damaged", path.display())]
    WrongVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
    },
    /// A transaction is missing between two others.
    #[error("{} continues at offset {offset} with transaction {found}, but {last} was the one before: what lies between is missing. {ADVICE}", path.display())]
    Hole {
        /// The file that goes on behind the hole.
        path: PathBuf,
        /// Where the entry is.
        offset: u64,
        /// The last transaction before the hole.
        last: Zxid,
        /// The first one behind it.
        found: Zxid,
    },
    /// A transaction comes after one that it should precede.
    #[error("{} holds transaction {found} at offset {offset}, behind {last}. {ADVICE}", path.display())]
    OutOfOrder {
        /// The file.
        path: PathBuf,
        /// Where the entry is.
        offset: u64,
        /// The transaction before.
        last: Zxid,
        /// The one that is too late.
        found: Zxid,
    },
    /// There are logs, and no snapshot.
    #[error("No snapshot found in {}, but there are log entries. If these come from a server older than 3.5, which could do without, set snapshot.trust.empty=true for one start; otherwise bring the snapshot back", dir.display())]
    NoSnapshot {
        /// Where snapshots are kept.
        dir: PathBuf,
    },
    /// No snapshot can be read.
    #[error("Not able to find valid snapshots in {}: {tried}. {ADVICE}", dir.display())]
    NoValidSnapshot {
        /// Where snapshots are kept.
        dir: PathBuf,
        /// Each one that was tried, and what is wrong with it.
        tried: String,
    },
    /// Files lie in the other directory.
    #[error("{} holds {found}. Check if dataLogDir and dataDir are configured correctly", dir.display())]
    WrongPlace {
        /// The directory.
        dir: PathBuf,
        /// What lies there and should not.
        found: &'static str,
    },
    /// Another process works on the directory.
    #[error("{} is in use by another process. Stop it, or give this server a directory of its own", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// An earlier write failed and was not made good.
    #[error("the log in {} failed before; TxnLog::retry has to succeed first", dir.display())]
    Failed {
        /// Where logs are kept.
        dir: PathBuf,
    },
    /// A file of an epoch holds something else.
    #[error("{} holds {found:?}, and should hold an epoch: a number of at most 2147483647. Take the right one from a copy, or, if other members of the ensemble hold the data, move this version-2 directory away and let the server fetch it anew", path.display())]
    BadEpoch {
        /// The file.
        path: PathBuf,
        /// Its first line.
        found: String,
    },
    /// The epochs contradict each other, or the history.
    #[error("in {}, acceptedEpoch is {accepted}, which may not be less than currentEpoch {current}, nor than the epoch of the last transaction {last_zxid}: files of different members or times lie together. {ADVICE}", dir.display())]
    EpochsDisagree {
        /// Where they lie.
        dir: PathBuf,
        /// `acceptedEpoch`.
        accepted: i64,
        /// `currentEpoch`.
        current: i64,
        /// The last transaction of the history.
        last_zxid: Zxid,
    },
    /// The history cannot be cut so far back.
    #[error("no snapshot in {} from which transaction {wanted} could be reached, to which the history was to be cut: nothing was changed. A snapshot from the leader has to take its place", dir.display())]
    CutTooFar {
        /// Where snapshots are kept.
        dir: PathBuf,
        /// Where the history was to end.
        wanted: Zxid,
    },
    /// What a leader sends is no snapshot.
    #[error(
        "the stream behind SNAP of {zxid} is no snapshot: it has the length {len} before offset {offset}"
    )]
    BadStream {
        /// The snapshot's transaction.
        zxid: Zxid,
        /// Where the length ends, in bytes from the start of the stream.
        offset: u64,
        /// The length.
        len: i32,
    },
    /// A transaction does not fit into a log entry.
    #[error("a transaction of {len} bytes does not fit into a log entry")]
    TooLarge {
        /// Its length.
        len: usize,
    },
}

impl StoreError {
    pub(super) const fn io(action: &'static str, path: PathBuf, source: io::Error) -> Self {
        Self::Io { action, path, source }
    }

    pub(super) const fn damaged(path: PathBuf, damage: Damage) -> Self {
        Self::Damaged { path, damage }
    }
}
