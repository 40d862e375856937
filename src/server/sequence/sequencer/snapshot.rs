//! Snapshots of this server's own: begun by the sequencer's thread, written in slices beside the traffic.

use super::{
    super::{
        snapshots::{Step, tail},
        taken::TakenSnapshot,
    },
    Sequencer,
};
use crate::{
    node::Recipient,
    server::{chance::random, clock},
    topics,
};
use std::{
    sync::mpsc::Sender,
    time::{Duration, Instant},
};

/// A piece of a snapshot, in bytes: a slice of work between two looks at the mailbox.
const SNAPSHOT_PIECE_BYTES: usize = 32 * 1024;
/// For so many transactions applied meanwhile the slice is one piece longer: under load the snapshot has to be done
/// long before the next one is due.
const SNAPSHOT_TXNS_A_PIECE: usize = 64;
/// The longest slice, in pieces.
const SNAPSHOT_PIECES_MAX: usize = 8;
/// Between two slices of a snapshot, for the other threads' sake.
pub(super) const SNAPSHOT_PAUSE: Duration = Duration::from_micros(200);
/// What a snapshot may have waiting in memory before it is given up: the disk does not keep up with the changes.
pub(super) const SNAPSHOT_BACKLOG_BYTES: usize = 256 << 20;

/// Where the snapshot under way stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is none.
    None,
    /// Znodes are being written.
    Body,
    /// The disk has to finish it.
    Ending,
}

impl Sequencer {
    /// When the next slice is due.
    pub(super) fn snapshot_deadline(&self) -> Option<Instant> {
        let goes_on = self.snapshot == Stage::Body && self.snapshots.has_room();
        goes_on.then(|| clock::now() + SNAPSHOT_PAUSE)
    }

    /// Whether a snapshot is to begin. The thread does it: what it takes down at once grows with the sessions.
    pub(super) fn is_snapshot_due(&self) -> bool {
        let keeps = self.member.as_ref().is_none_or(|member| member.keeps);
        (self.schedule.is_due() || !self.snapshot_wanted.is_empty())
            && keeps
            && self.restoring.is_none()
            && self.snapshot == Stage::None
            && self.node.serves()
            && !self.stopping
    }

    /// Somebody wants one: it is begun as soon as none is under way.
    pub(super) fn want_snapshot(&mut self, asker: Sender<Option<TakenSnapshot>>) {
        let keeps = self.member.as_ref().is_none_or(|member| member.keeps);
        if keeps && self.node.serves() {
            self.snapshot_wanted.push(asker);
        }
    }

    /// Begins a snapshot; there must be none under way.
    pub(crate) fn begin_snapshot(&mut self) {
        self.schedule.reset([random(), random()]);
        self.node.begin_snapshot(Recipient::Disk, self.tree.tree());
        self.log.roll();
        self.snapshot = Stage::Body;
        let wanted = std::mem::take(&mut self.snapshot_wanted);
        self.snapshots.send(Step::Begin(self.tree.tree().last_zxid(), wanted));
    }

    /// Writes a slice of each snapshot under way, for this server and for learners.
    pub(super) fn advance_snapshots(&mut self) {
        let pieces = 1 + self.applied / SNAPSHOT_TXNS_A_PIECE;
        let slice_bytes = pieces.min(SNAPSHOT_PIECES_MAX) * SNAPSHOT_PIECE_BYTES;
        let own = self.advance_snapshot(slice_bytes);
        if self.advance_feeds(slice_bytes) || own {
            self.applied = 0;
        }
    }

    /// The same of this server's own. Whether there was any.
    fn advance_snapshot(&mut self, slice_bytes: usize) -> bool {
        if self.snapshot != Stage::Body {
            return false;
        }
        let Some(snapshotter) = self.node.snapshot(Recipient::Disk) else { return false };
        if !self.snapshots.has_room() {
            if snapshotter.waiting() > SNAPSHOT_BACKLOG_BYTES {
                tracing::error!(target: topics::DATA, "the snapshot is given up: the disk does not keep up with the changes");
                self.abandon_snapshot();
            }
            return false;
        }
        let tail = tail(&self.hub.config, snapshotter);
        let Some(piece) = self.node.snapshot_piece(Recipient::Disk, self.tree.tree(), slice_bytes) else {
            return false;
        };
        self.snapshots.send(Step::Piece(piece.bytes));
        if piece.is_last {
            self.node.end_snapshot(Recipient::Disk);
            self.snapshot = Stage::Ending;
            self.snapshots.send(Step::End(tail));
        }
        true
    }

    /// Gives the snapshot under way up.
    pub(super) fn abandon_snapshot(&mut self) {
        self.node.end_snapshot(Recipient::Disk);
        if self.snapshot == Stage::Body {
            self.snapshot = Stage::Ending;
            self.snapshots.send(Step::Abandon);
        }
    }

    /// Nobody writes a snapshot any more.
    pub(super) fn snapshot_ended(&mut self) {
        self.snapshot = Stage::None;
        self.replace_history();
        self.restore_when_idle();
    }
}
