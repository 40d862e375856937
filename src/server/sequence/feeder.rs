//! What learners lack and the log files have: looked for, and sent, by a thread for each.

use super::{hub::Hub, load::Disks, mailbox::Message};
use crate::{
    server::peers::PieceWriter,
    storage::{LogRange, LogSearch, StoreError, search_log},
    topics,
    zab::Link,
};
use oxkeeper_codec::{Zxid, learner::ToLearner};
use std::{io, sync::Arc};

/// So many bytes are worth reading whatever a snapshot has.
const ALWAYS_BYTES: u64 = 256 << 10;
/// About so many bytes are sent in one piece.
const PIECE_BYTES: usize = 128 << 10;

/// See the module.
#[derive(Clone)]
pub(crate) struct Feeder {
    hub: Arc<Hub>,
    disks: Arc<Disks>,
    /// So many learners may be sent logs at once (`leader.maxConcurrentDiffSyncs`).
    at_once: usize,
    /// Held by each thread that searches or sends.
    at_work: Arc<()>,
}

impl Feeder {
    pub(crate) fn new(hub: Arc<Hub>, disks: Arc<Disks>, at_once: usize) -> Self {
        Self { hub, disks, at_once, at_work: Arc::new(()) }
    }

    /// Looks whether the logs have all behind `from` up to `until`, and not more than is worth sending where a snapshot has about
    /// `snapshot_bytes`. Answered with [`Message::LogSearched`].
    pub(super) fn search(&self, link: Link, (from, until): (Zxid, Zxid), snapshot_bytes: u64) {
        let Some(max_bytes) = self.max_bytes(snapshot_bytes) else {
            return self.hub.mailbox.send(Message::LogSearched(link, false));
        };
        if self.is_busy() {
            return self.send_away(link);
        }
        let feeder = self.clone();
        let searched = run("log-search", move || {
            let found = match feeder.range(from, until, max_bytes) {
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
        if self.is_busy() {
            return self.send_away(link);
        }
        let feeder = self.clone();
        let sent = run("log-feed", move || {
            let sent = match feeder.range(from, until, u64::MAX) {
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

    fn is_busy(&self) -> bool {
        // This one has it as well.
        Arc::strong_count(&self.at_work) > self.at_once
    }

    fn send_away(&self, link: Link) {
        let reason = "as many learners as may be are sent logs already (leader.maxConcurrentDiffSyncs): it has to come again";
        self.hub.stats.warnings.sent_away(self.hub.clock.elapsed_ms(), link.0, &reason);
        self.hub.mailbox.send(Message::FeedBroken(link));
    }

    fn range(&self, from: Zxid, until: Zxid, max_bytes: u64) -> Result<Option<LogRange>, StoreError> {
        Ok(match search_log(&*self.disks.snap, &self.disks.log, (from, until), max_bytes)? {
            LogSearch::Found(range) => Some(range),
            LogSearch::Missing | LogSearch::TooLong => None,
        })
    }

    /// More than so many bytes are not worth reading: a snapshot, of about so many, is sent instead (`snapshotSizeFactor`).
    /// `None`: logs are never used.
    fn max_bytes(&self, snapshot_bytes: u64) -> Option<u64> {
        let factor = self.hub.config.storage.snapshot_size_factor?;
        if factor <= 0.0 {
            // No limit, as officially.
            return Some(u64::MAX);
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate"
        )]
        let share = (snapshot_bytes as f64 * factor) as u64;
        Some(share.max(ALWAYS_BYTES))
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
