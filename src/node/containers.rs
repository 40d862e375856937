//! The check for empty containers and expired TTL nodes (`ContainerManager`): at intervals, in slices, and no
//! faster than so many a minute. Each deletion is a transaction of its own, judged again when its turn comes.
//!
//! Invariants: one step looks at no more than [`LOOKED_AT_A_STEP`] znodes; a check begins when the one before has
//! looked at all and deleted what it found.

use super::{Node, Now};
use crate::{
    auth::Identities,
    processor::{Known, Proposal},
    tree::{Expirable, NodeRef, Owner, Tree},
};
use oxkeeper_codec::{ByteStr, SessionId};
use std::collections::VecDeque;

/// When they are looked for, and how fast they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerRules {
    /// `znode.container.checkIntervalMs`.
    pub interval_ms: i64,
    /// `znode.container.maxPerMinute`.
    pub max_per_minute: i64,
    /// `znode.container.maxNeverUsedIntervalMs`: after this a container that never had a child goes; 0: never.
    pub never_used_ms: i64,
}

/// Znodes that one step looks at.
const LOOKED_AT_A_STEP: usize = 4096;
/// While so many wait to be deleted, no more are looked for.
const CANDIDATES: usize = 1000;

#[derive(Debug)]
pub(super) struct ContainerCheck {
    rules: ContainerRules,
    next_check_ms: i64,
    next_delete_ms: i64,
    candidates: VecDeque<ByteStr>,
    looking: Looking,
}

/// How far a check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looking {
    /// It has looked at everything.
    Done,
    /// It has looked at this one and those before it.
    At(Option<Expirable>),
}

impl ContainerCheck {
    pub(super) const fn new(rules: ContainerRules, now_ms: i64) -> Self {
        let next_check_ms = now_ms + rules.interval_ms;
        Self {
            rules,
            next_check_ms,
            next_delete_ms: now_ms,
            candidates: VecDeque::new(),
            looking: Looking::Done,
        }
    }

    /// When there is something to do, in ms of the elapsed clock.
    pub(super) fn next_ms(&self) -> i64 {
        if self.looks_on() {
            // At once.
            i64::MIN
        } else if self.candidates.is_empty() {
            self.next_check_ms
        } else {
            self.next_delete_ms.min(self.next_check_ms)
        }
    }

    /// Whether there are znodes to look at now.
    fn looks_on(&self) -> bool {
        self.looking != Looking::Done && self.candidates.len() < CANDIDATES
    }

    /// Looks at some znodes.
    fn look(&mut self, tree: &Tree, wall_ms: i64) {
        let Looking::At(after) = self.looking else { return };
        for (looked_at, expirable) in tree.expirable(after).enumerate() {
            if looked_at == LOOKED_AT_A_STEP || self.candidates.len() >= CANDIDATES {
                return;
            }
            let node = tree.node(expirable.node());
            if self.is_due(&node, wall_ms) {
                self.candidates.push_back(ByteStr::from(node.path()));
            }
            self.looking = Looking::At(Some(expirable));
        }
        self.looking = Looking::Done;
    }

    /// Whether a container or TTL node is due (`ContainerManager.getCandidates`).
    fn is_due(&self, node: &NodeRef<'_>, wall_ms: i64) -> bool {
        if node.num_children() > 0 {
            return false;
        }
        let stat = node.persisted();
        let age_ms = wall_ms - stat.mtime;
        match node.owner() {
            Owner::Container if stat.cversion > 0 => true,
            Owner::Container => self.rules.never_used_ms != 0 && age_ms > self.rules.never_used_ms,
            Owner::Ttl(ttl_ms) => ttl_ms != 0 && age_ms > ttl_ms,
            Owner::Nobody | Owner::Session(_) => false,
        }
    }
}

impl Node {
    pub(super) fn check_containers(&mut self, now: Now, tree: &Tree) {
        let check = &mut self.containers;
        if now.elapsed_ms >= check.next_check_ms {
            check.next_check_ms = now.elapsed_ms + check.rules.interval_ms;
            if check.candidates.is_empty() && check.looking == Looking::Done {
                check.looking = Looking::At(None);
            }
        }
        if check.looks_on() {
            check.look(tree, now.wall_ms);
        }
        let pause_ms = 60_000 / self.containers.rules.max_per_minute.max(1);
        while now.elapsed_ms >= self.containers.next_delete_ms {
            let Some(path) = self.containers.candidates.pop_front() else { break };
            // Since it became a candidate it may have been written, or be another znode by now. (The official
            // server deletes it all the same if it has no children.)
            let still_due = tree.get(&path).is_some_and(|node| self.containers.is_due(&node, now.wall_ms));
            if still_due && !self.processor.is_pending(&path) {
                self.containers.next_delete_ms = now.elapsed_ms + pause_ms;
                self.delete_container(now, tree, &path);
            }
        }
    }

    fn delete_container(&mut self, now: Now, tree: &Tree, path: &ByteStr) {
        let identities = Identities::none();
        let proposal = Proposal {
            zxid: self.proposed.next(),
            time_ms: now.wall_ms,
            session: SessionId(0),
            xid: 0,
            identities: &identities,
            known: Known::Everywhere,
        };
        let logged = self.processor.delete_container(tree, &proposal, path);
        self.propose(logged, None);
    }
}
