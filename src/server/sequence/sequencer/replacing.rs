//! A member's history becomes that of its leader, or of its disk; and whether the disk gets it.
//!
//! Invariant: whoever tells the log writer something comes behind all that it was given before, and nobody writes a snapshot of a
//! history that is being replaced.

use super::{
    super::{
        log_queue::{History, Replacement, State},
        shard::Item,
    },
    Sequencer,
    ensemble::{Fetching, Member},
    restoring::Restoring,
    snapshot::Stage,
};
use crate::{
    node::{Event, MemberEvent},
    server::chance::random,
    storage::Epochs,
    topics, zab,
};

impl Sequencer {
    /// Installs the snapshot that was to come, once it has.
    pub(super) fn install(&mut self) {
        let Some(Member { fetching, .. }) = &mut self.member else { return };
        match (fetching.wanted.take(), fetching.come.take()) {
            (Some(wanted), Some((link, received))) if wanted.link == link => {
                self.replace(Replacement::Install(received, wanted.told));
            }
            (wanted, come) => *fetching = Fetching { wanted, come },
        }
    }

    /// The history is to be replaced: nobody may write a snapshot of the old one meanwhile.
    pub(super) fn replace(&mut self, replacement: Replacement) {
        self.hand_over();
        if let Some(member) = &mut self.member {
            member.replacement = Some(replacement);
            self.abandon_snapshot();
            self.replace_history();
        }
    }

    /// This member observes without a disk: no entry reaches it, and no snapshot of what this member has.
    pub(super) fn keep_nothing(&mut self) {
        self.hand_over();
        if let Some(member) = &mut self.member {
            member.keeps = false;
        }
        self.abandon_snapshot();
        self.log.keep_nothing();
    }

    /// Others will rely on what this member has: it is what the disk has.
    pub(super) fn go_back(&mut self) {
        if let Some(member) = &mut self.member {
            member.keeps = true;
        }
        self.replace(Replacement::GoBack);
    }

    /// Has the history replaced if it is to be, and nobody writes a snapshot.
    pub(super) fn replace_history(&mut self) {
        if self.snapshot == Stage::None
            && let Some(replacement) = self.member.as_mut().and_then(|member| member.replacement.take())
        {
            self.log.replace(Some(replacement));
        }
    }

    /// The history was replaced, or was not: the tree is that of the files.
    pub(super) fn replaced(&mut self, history: History) {
        if self.restoring.as_ref().is_some_and(Restoring::is_begun) {
            return self.restored(history);
        }
        if let History { last, state: Some(State { tree, .. }), epochs } = &history {
            let whose = if epochs.is_some() { "that of the disk" } else { "the leader's" };
            tracing::info!(target: topics::PEERS, zxid = %last, znodes = tree.node_count(), "the history was replaced by {whose}");
        }
        if history.state.is_some() {
            // What an operator has given may be lost with that: nobody is told that it is there.
            self.restored = None;
        }
        self.begin_with(history);
    }

    /// A member that has no leader, or none yet, begins with another tree.
    pub(super) fn begin_with(&mut self, History { last, state, epochs }: History) {
        if let Some(state) = state {
            self.let_go();
            self.put_in_place(state);
        }
        self.zab(match epochs {
            None => zab::Event::HistoryReplaced(last),
            Some(Epochs { accepted, current }) => zab::Event::WentBack(zab::Stored {
                accepted_epoch: accepted,
                current_epoch: current,
                last_zxid: last,
            }),
        });
    }

    /// Another tree takes the place of this one, under all locks. At a server that is alone readers go on with it; those of a member
    /// that were held have gone.
    pub(super) fn put_in_place(&mut self, State { tree, sessions, logged: (txns, bytes) }: State) {
        let is_alone = self.member.is_none();
        let mut guard = self.tree.write();
        let old = std::mem::replace(guard.tree(), *tree);
        for (index, shard) in guard.shards.iter_mut().enumerate() {
            shard.inbox.push(Item::Restored);
            self.hub.workers[index].notify.notify_one();
        }
        drop(guard);
        drop(old);
        let sessions = sessions.into_iter().collect();
        self.step_node(if is_alone {
            Event::Restored(sessions)
        } else {
            Event::Member(MemberEvent::Replaced(sessions))
        });
        self.write_config();
        self.schedule.reset([random(), random()]);
        self.schedule.logged(txns, bytes);
    }
}
