//! What a member makes of its history: the real node and the real tree, driven as `src/server/sequence/sequencer/ensemble.rs`
//! drives them. The tree is rebuilt by the real recovery, from the history that the disk has.

use crate::disk::Entry;
use oxkeeper::{
    node::{
        Action, CommittedBatch, ContainerRules, Delivery, Event, MemberEvent, NewSessions, Node, NodeOptions,
        Now,
    },
    processor::Rules,
    recovery::Rebuild,
    session::TimeoutBounds,
    storage::{RecoverySink, SnapshotVisitor},
    tree::{OwnerRules, Tree, TreeOptions},
};
use oxkeeper_codec::{ServerId, SessionId, Zxid, txn::LoggedTxn};
use std::collections::BTreeMap;

pub(crate) const TREE_OPTIONS: TreeOptions = TreeOptions {
    owners: OwnerRules { extended_types: true, emulate_353: false },
    digest: true,
    hash_seed: 1,
};
/// So many transactions are applied at once.
const BATCH: usize = 5;

/// A tree, and the sessions that are known.
pub(crate) type State = (Tree, BTreeMap<SessionId, i32>);

/// See the module.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) node: Node,
    tree: Tree,
}

impl Server {
    /// It starts with what its history has made, and knows of no leader.
    pub(crate) fn start(id: ServerId, state: State, new_sessions: NewSessions, now_ms: i64) -> Self {
        let (tree, sessions) = state;
        let mut server =
            Self { node: Node::new(options(id, new_sessions), &tree, sessions, now(now_ms)), tree };
        let last = server.tree.last_zxid();
        let actions = server.step(now_ms, Event::Member(MemberEvent::Resign(last)));
        assert!(actions.is_empty(), "nobody asks a member that starts");
        server
    }

    /// The history is another one from now on, and has made this. What its clients are told: to leave.
    pub(crate) fn replaced(&mut self, state: State, now_ms: i64) -> Vec<Delivery> {
        let mut actions = self.step(now_ms, Event::Member(MemberEvent::LetGo));
        let (tree, sessions) = state;
        self.tree = tree;
        let event = MemberEvent::Replaced(sessions.into_iter().collect());
        actions.extend(self.step(now_ms, Event::Member(event)));
        let told = actions.into_iter().flat_map(|action| match action {
            Action::Deliver(deliveries) => deliveries,
            other => panic!("nobody is served meanwhile: {other:?}"),
        });
        told.collect()
    }

    pub(crate) fn step(&mut self, now_ms: i64, event: Event) -> Vec<Action> {
        self.node.step(now(now_ms), &self.tree, event)
    }

    /// Applies some of what is committed, if there is any.
    pub(crate) fn apply(&mut self) -> Option<CommittedBatch> {
        let batch = self.node.can_apply().then(|| self.node.apply(&mut self.tree, BATCH))?;
        assert!(batch.digest_mismatches.is_empty(), "digests are those that the leader has foreseen");
        Some(batch)
    }

    /// What it has made of all up to this zxid.
    pub(crate) fn state(&self) -> (Zxid, u64) {
        (self.tree.last_zxid(), self.tree.digest())
    }

    /// Sessions whose time may be over.
    pub(crate) fn due(&self, now_ms: i64) -> Option<Vec<SessionId>> {
        (now_ms >= self.node.next_tick_ms()).then(|| self.node.due_sessions(now(now_ms)))
    }
}

const fn now(now_ms: i64) -> Now {
    Now { elapsed_ms: now_ms, wall_ms: now_ms }
}

fn options(id: ServerId, new_sessions: NewSessions) -> NodeOptions {
    NodeOptions {
        rules: Rules { extended_types: true, ..Rules::default() },
        tick_ms: 800,
        timeouts: TimeoutBounds { min_ms: 1000, max_ms: 10_000 },
        containers: ContainerRules { interval_ms: 60_000, max_per_minute: 100, never_used_ms: 0 },
        server_id: u8::try_from(id.0).unwrap(),
        leader_serves: true,
        // Some do as the official server does.
        keep_connections: id.0 != 3,
        new_sessions,
    }
}

/// What a history makes.
pub(crate) fn rebuild(history: &[Entry]) -> State {
    let mut rebuild = Rebuild::new(TREE_OPTIONS);
    let preparer = rebuild.preparer();
    for (_, txn) in history {
        let logged = LoggedTxn::from_bytes(txn).unwrap();
        let prepared = preparer.txn(&logged);
        rebuild.txn(logged, prepared).expect("what was logged can be applied");
    }
    rebuild.end();
    assert!(rebuild.digest_mismatches.is_empty(), "digests are those that the leader has foreseen");
    rebuild.finish_keeping_orphans()
}
