//! A snapshot of an operator's takes the place of all data of a server that is alone (`ZooKeeperServer.restoreFromSnapshot`).
//!
//! What clients ask meanwhile waits. Connections stay whose sessions are in the snapshot, with their watches; no event tells of what
//! has changed by it. Zxids go on behind the snapshot's.
//!
//! Invariant: whoever is told that it is done finds it after any crash: the log writer has cut the logs, and put the snapshot in their
//! place, before the tree is another one.

use super::{
    super::{
        log_queue::{History, Replacement, State},
        mailbox::Message,
        shard::Item,
    },
    Sequencer,
    snapshot::Stage,
};
use crate::{node::Event, server::chance::random, storage::ReceivedSnapshot, topics};
use oxkeeper_codec::Zxid;
use std::sync::mpsc::Sender;

/// A restore under way.
pub(super) struct Restoring {
    /// What is to be installed, until the log writer has it.
    received: Option<ReceivedSnapshot>,
    /// Who is told.
    asker: Sender<Zxid>,
    /// What has come from clients meanwhile.
    held: Vec<Message>,
}

impl Sequencer {
    /// Begins one. Whoever asks for a second one meanwhile, or asks a member of an ensemble, is told nothing.
    pub(super) fn restore(&mut self, received: ReceivedSnapshot, asker: Sender<Zxid>) {
        if self.member.is_some() || self.restoring.is_some() || self.stopping {
            return;
        }
        self.restoring = Some(Restoring { received: Some(received), asker, held: Vec::new() });
        self.abandon_snapshot();
        self.restore_when_idle();
    }

    /// Has the log writer install it once all that clients have asked before is answered, and nobody writes a snapshot.
    pub(super) fn restore_when_idle(&mut self) {
        let is_idle = self.node.queued() == 0 && self.snapshot == Stage::None;
        if is_idle && let Some(received) = self.restoring.as_mut().and_then(|it| it.received.take()) {
            self.log.replace(Some(Replacement::Install(received, None)));
        }
    }

    /// What clients ask during a restore waits for its end.
    pub(super) fn unless_restoring(&mut self, message: Message) -> Option<Message> {
        match &mut self.restoring {
            Some(restoring) if matches!(message, Message::Requests(..) | Message::Disconnected { .. }) => {
                restoring.held.push(message);
                None
            }
            _ => Some(message),
        }
    }

    /// The files are those of the snapshot; the tree becomes so.
    pub(super) fn restored(&mut self, History { last, state, .. }: History) {
        let Some(Restoring { asker, held, .. }) = self.restoring.take() else { return };
        if let Some(State { tree, sessions, logged: (txns, bytes) }) = state {
            let mut guard = self.tree.write();
            let old = std::mem::replace(guard.tree(), *tree);
            for (index, shard) in guard.shards.iter_mut().enumerate() {
                shard.inbox.push(Item::Restored);
                self.hub.workers[index].notify.notify_one();
            }
            drop(guard);
            drop(old);
            self.step(Event::Restored(sessions.into_iter().collect()));
            self.write_config();
            self.schedule.reset([random(), random()]);
            self.schedule.logged(txns, bytes);
            tracing::info!(target: topics::DATA, zxid = %last, znodes = self.tree.tree().node_count(), "all data was replaced by an operator's snapshot");
            // Who has asked may have gone.
            _ = asker.send(last);
        }
        held.into_iter().for_each(|message| self.message(message));
    }
}
