//! A snapshot of an operator's takes the place of all data (`ZooKeeperServer.restoreFromSnapshot`).
//!
//! What clients ask meanwhile waits. Of a server that is alone connections stay whose sessions are in the snapshot, with their watches; no
//! event tells of what has changed by it. Zxids go on behind the snapshot's.
//!
//! In an ensemble its leader takes it, as one more transaction ([`crate::zab::Zab::restores_at`]): once its files are the snapshot, it
//! leads no more, is elected for what it has, and the others are sent that. Whoever has asked is told when it leads again.
//!
//! Invariant: whoever is told that it is done finds it after any crash: the log writer has cut the logs, and put the snapshot in their
//! place, before the tree is another one; and a quorum has it.

use super::{
    super::{
        log_queue::{History, Replacement, State},
        mailbox::Message,
    },
    Sequencer,
    ensemble::Member,
    snapshot::Stage,
};
use crate::{
    storage::ReceivedSnapshot,
    topics,
    zab::{self, Members, Role},
};
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

impl Restoring {
    /// Whether the log writer has the snapshot.
    pub(super) const fn is_begun(&self) -> bool {
        self.received.is_none()
    }
}

impl Sequencer {
    /// Begins one. Whoever asks for a second one meanwhile, or a member that does not lead, is told nothing.
    pub(super) fn restore(&mut self, received: ReceivedSnapshot, asker: Sender<Zxid>) {
        if !self.may_restore() || self.restoring.is_some() || self.stopping {
            return;
        }
        if let Some(member) = &mut self.member {
            member.asked.close();
        }
        self.restoring = Some(Restoring { received: Some(received), asker, held: Vec::new() });
        self.abandon_snapshot();
        self.restore_when_idle();
    }

    /// Whether time stands still for clients until a restore is over. Those of a leader that leads no more wait for nothing.
    pub(super) fn is_restoring(&self) -> bool {
        self.restoring.is_some() && self.may_restore()
    }

    fn may_restore(&self) -> bool {
        self.member.as_ref().is_none_or(|member| member.zab.role() == Role::Leading(true))
    }

    /// Has the log writer install it once all that clients have asked before is answered, and nobody writes a snapshot. Whoever leads no
    /// more does not begin it, and lets nobody wait for one that was begun: its disk may be failing.
    pub(super) fn restore_when_idle(&mut self) {
        // Asked in every turn.
        let Some(is_begun) = self.restoring.as_ref().map(Restoring::is_begun) else { return };
        if !self.may_restore() {
            let held = self.restoring.as_mut().map(|it| std::mem::take(&mut it.held));
            if !is_begun {
                self.restoring = None;
            }
            held.into_iter().flatten().for_each(|message| self.take_in(message));
        }
        if is_begun || self.restoring.is_none() {
            return;
        }
        let is_idle = self.node.queued() == 0 && self.snapshot == Stage::None && self.looking.is_none();
        let place = self.member.as_ref().map(|member| member.zab.restores_at());
        if !is_idle || place == Some(None) {
            return;
        }
        let Some(mut received) = self.restoring.as_mut().and_then(|it| it.received.take()) else { return };
        if let Some(place) = place.flatten() {
            self.tell_absent();
            self.zab(zab::Event::Restoring(received.zxid().epoch()));
            received.becomes(place);
        }
        self.log.replace(Some(Replacement::Install(received, None)));
    }

    /// Says who has to be looked after: an official server keeps its logs where a snapshot takes the place of what they have, and leads whoever
    /// comes back on from there, past the snapshot.
    fn tell_absent(&self) {
        let Some(Member { zab, .. }) = &self.member else { return };
        let synced = zab.synced_followers();
        let absent: Members =
            zab.ensemble().current().participants().filter(|sid| !synced.contains(sid)).collect();
        if !absent.is_empty() {
            tracing::warn!(target: topics::DATA, ?absent, "an operator's snapshot takes the place of all data while members are away: where an official server may lead when one of them comes back, empty its version-2 before");
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
    pub(super) fn restored(&mut self, history: History) {
        let Some(Restoring { asker, held, .. }) = self.restoring.take() else { return };
        if let Some(State { tree, .. }) = &history.state {
            tracing::info!(target: topics::DATA, zxid = %history.last, znodes = tree.node_count(), "all data was replaced by an operator's snapshot");
        }
        if self.member.is_some() {
            self.restored = Some(asker);
            self.zab(zab::Event::Restored);
            self.begin_with(history);
        } else if let History { last, state: Some(state), .. } = history {
            self.put_in_place(state);
            // Who has asked may have gone.
            _ = asker.send(last);
        }
        held.into_iter().for_each(|message| self.take_in(message));
    }

    /// This member leads again: a quorum has what an operator has given.
    pub(super) fn tell_restored(&mut self) {
        if let Some(asker) = self.restored.take() {
            _ = asker.send(self.tree.tree().last_zxid());
        }
    }
}
