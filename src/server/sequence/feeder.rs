//! What learners lack and the log files have: looked for, and sent, by a thread for each.

use super::{hub::Hub, load::Disks, mailbox::Message};
use crate::{
    server::peers::PieceWriter,
    storage::{LogRange, LogSearch, SnapshotName, StoreError, search_log},
    topics,
    zab::Link,
};
use oxkeeper_codec::{Zxid, learner::ToLearner};
use std::{io, sync::Arc};

/// About so many bytes are sent in one piece.
const PIECE_BYTES: usize = 128 << 10;

/// See the module.
#[derive(Clone)]
pub(crate) struct Feeder {
    hub: Arc<Hub>,
    disks: Arc<Disks>,
    /// Held by each thread that sends.
    sending: Arc<()>,
}

impl Feeder {
    pub(crate) fn new(hub: Arc<Hub>, disks: Arc<Disks>) -> Self {
        Self { hub, disks, sending: Arc::new(()) }
    }

    /// Looks whether the logs have all behind `from` up to `until`, and not more than is worth sending. Answered with
    /// [`Message::LogSearched`].
    pub(super) fn search(&self, link: Link, from: Zxid, until: Zxid) {
        let feeder = self.clone();
        let searched = run("log-search", move || {
            let found = match feeder.range(from, until) {
                Ok(found) => found.is_some(),
                Err(error) => {
                    tracing::warn!(target: topics::PEERS, %error, "the logs cannot be searched for a learner: it is sent a snapshot");
                    false
                }
            };
            feeder.hub.mailbox.send(Message::LogSearched(link, found));
        });
        if searched.is_err() {
            self.hub.mailbox.send(Message::LogSearched(link, false));
        }
    }

    /// Sends what the logs have behind `from` up to `until`, each with its COMMIT.
    pub(super) fn send(&self, link: Link, from: Zxid, until: Zxid, to: PieceWriter) {
        // This one has it as well.
        if Arc::strong_count(&self.sending) > self.hub.diff_syncs() {
            tracing::warn!(target: topics::PEERS, link = link.0, "as many learners as may be are sent logs already (leader.maxConcurrentDiffSyncs): another one has to come again");
            self.hub.mailbox.send(Message::FeedBroken(link));
            return;
        }
        let feeder = self.clone();
        let sent = run("log-feed", move || {
            let sent = match feeder.range(from, until) {
                Ok(Some(range)) => send_all(range, &to),
                Ok(None) => Ok(false),
                Err(error) => Err(error),
            };
            match sent {
                Ok(true) => {}
                Ok(false) if to.is_closed() => {}
                Ok(false) => {
                    tracing::warn!(target: topics::PEERS, %from, %until, "the logs do not have any more what a learner lacks: it has to come again");
                    feeder.hub.mailbox.send(Message::FeedBroken(link));
                }
                Err(error) => {
                    tracing::warn!(target: topics::PEERS, %error, "the logs cannot be read for a learner: it has to come again");
                    feeder.hub.mailbox.send(Message::FeedBroken(link));
                }
            }
        });
        if sent.is_err() {
            self.hub.mailbox.send(Message::FeedBroken(link));
        }
    }

    fn range(&self, from: Zxid, until: Zxid) -> Result<Option<LogRange>, StoreError> {
        let Some(max_bytes) = self.max_bytes()? else { return Ok(None) };
        Ok(match search_log(&*self.disks.snap, &self.disks.log, (from, until), max_bytes)? {
            LogSearch::Found(range) => Some(range),
            LogSearch::Missing | LogSearch::TooLong => None,
        })
    }

    /// More than so many bytes are not worth reading: a snapshot is sent instead (`snapshotSizeFactor`). `None`: logs are
    /// never used.
    fn max_bytes(&self) -> Result<Option<u64>, StoreError> {
        let Some(factor) = self.hub.config.storage.snapshot_size_factor else { return Ok(None) };
        let disk = &self.disks.snap;
        let files = disk.list().map_err(|source| StoreError::Io {
            action: "list",
            path: disk.dir().to_path_buf(),
            source,
        })?;
        let newest = files.iter().filter_map(|file| Some((SnapshotName::parse(&file.name)?.zxid, file.len)));
        let len = newest.max().map_or(0, |(_, len)| len);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate"
        )]
        let max_bytes = (len as f64 * factor.max(0.0)) as u64;
        Ok(Some(max_bytes))
    }
}

/// Whether all of it went out.
fn send_all(mut range: LogRange, to: &PieceWriter) -> Result<bool, StoreError> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    while let Some((zxid, txn)) = range.next_txn()? {
        ToLearner::Proposal(zxid, txn).encode(&mut piece);
        ToLearner::Commit(zxid).encode(&mut piece);
        if piece.len() >= PIECE_BYTES && !to.blocking_send(std::mem::take(&mut piece).into()) {
            return Ok(false);
        }
    }
    Ok(piece.is_empty() || to.blocking_send(piece.into()))
}

fn run(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    if let Err(error) = &spawned {
        tracing::warn!(target: topics::PEERS, %error, "a learner cannot be served from the logs");
    }
    spawned.map(drop)
}
