//! Snapshots that somebody has asked for.

use oxkeeper_codec::Zxid;
use std::sync::mpsc::Sender;

/// A snapshot that was written.
#[derive(Debug, Clone)]
pub(crate) struct TakenSnapshot {
    /// Its file in the directory of snapshots.
    pub(crate) name: String,
    /// The last transaction that is in it.
    pub(crate) zxid: Zxid,
}

/// Those who want to hear of a snapshot.
pub(crate) type Askers = Vec<Sender<Option<TakenSnapshot>>>;
