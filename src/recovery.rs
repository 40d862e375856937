//! Rebuilding tree and sessions from what [`crate::storage::recover`] finds in the files; the shell and the simulator
//! share it.
//!
//! Invariants: no I/O, no clock; a transaction is applied only to a tree that was loaded whole, or to an empty one.

use crate::{
    storage::{RecoverySink, SnapshotTail, SnapshotVisitor},
    tree::{Loader, Tree, TreeOptions},
};
use oxkeeper_codec::{
    SessionId, Zxid,
    file::DIGEST_VERSION,
    records::{Acl, DataNode},
    txn::{LoggedTxn, Txn},
};
use std::collections::{BTreeMap, BTreeSet};

/// Takes in a snapshot, then transactions.
#[derive(Debug)]
pub struct Rebuild {
    options: TreeOptions,
    stage: Stage,
    sessions: BTreeMap<SessionId, i32>,
    /// Transactions after which the digest was not the one foreseen.
    pub digest_mismatches: Vec<Zxid>,
}

#[derive(Debug)]
enum Stage {
    Loading(Box<Loader>),
    Replaying(Box<Tree>),
    Failed,
}

impl Rebuild {
    /// Nothing is known yet.
    pub fn new(options: TreeOptions) -> Self {
        let stage = Stage::Replaying(Box::new(Tree::new(options)));
        Self { options, stage, sessions: BTreeMap::new(), digest_mismatches: Vec::new() }
    }

    /// The tree and the sessions (time-outs in ms), once recovery is done. Ephemerals of sessions that are not
    /// known any more are deleted, as the official server does while it loads.
    pub fn finish(self) -> (Tree, BTreeMap<SessionId, i32>) {
        let (mut tree, sessions) = self.finish_keeping_orphans();
        let known: BTreeSet<SessionId> = sessions.keys().copied().collect();
        for session in tree.orphans(&known) {
            tracing::info!(%session, "deleting the ephemerals of a session that is not known any more");
            tree.forget_session(session);
        }
        (tree, sessions)
    }

    /// The same, exactly as the files have it.
    pub fn finish_keeping_orphans(self) -> (Tree, BTreeMap<SessionId, i32>) {
        let tree = match self.stage {
            Stage::Replaying(tree) => *tree,
            Stage::Loading(_) | Stage::Failed => Tree::new(self.options),
        };
        (tree, self.sessions)
    }
}

impl SnapshotVisitor for Rebuild {
    fn session(&mut self, id: SessionId, timeout_ms: i32) {
        self.sessions.insert(id, timeout_ms);
    }

    fn acl(&mut self, id: i64, acl: Vec<Acl>) {
        if let Stage::Loading(loader) = &mut self.stage {
            loader.acl(id, acl);
        }
    }

    fn node(&mut self, path: &str, node: DataNode<'_>) -> Result<(), String> {
        match &mut self.stage {
            Stage::Loading(loader) => loader.node(path, &node).map_err(|error| error.to_string()),
            Stage::Replaying(_) | Stage::Failed => Err("a znode outside of a snapshot".to_owned()),
        }
    }
}

impl RecoverySink for Rebuild {
    fn restart(&mut self) {
        self.stage = Stage::Loading(Box::new(Loader::new(self.options)));
        self.sessions.clear();
    }

    fn snapshot_end(&mut self, snapshot_zxid: Zxid, tail: SnapshotTail) {
        let Stage::Loading(loader) = std::mem::replace(&mut self.stage, Stage::Failed) else { return };
        match loader.finish(snapshot_zxid) {
            Ok(tree) => {
                if let Some(digest) = tail.digest
                    && self.options.digest
                    && digest.version == DIGEST_VERSION
                    && digest.zxid == snapshot_zxid
                    && digest.digest.cast_unsigned() != tree.digest()
                {
                    self.digest_mismatches.push(snapshot_zxid);
                }
                self.stage = Stage::Replaying(Box::new(tree));
            }
            Err(error) => tracing::error!(%error, "the snapshot does not hold a tree"),
        }
    }

    fn txn(&mut self, logged: LoggedTxn) -> Result<(), String> {
        if let Stage::Loading(_) = self.stage {
            // Logs without a snapshot: they begin with an empty tree.
            self.stage = Stage::Replaying(Box::new(Tree::new(self.options)));
        }
        let Stage::Replaying(tree) = &mut self.stage else {
            return Err("there is no tree to apply it to".to_owned());
        };
        match &logged.txn {
            Txn::CreateSession(txn) => {
                self.sessions.insert(logged.header.client_id, txn.time_out);
            }
            Txn::CloseSession(_) => {
                self.sessions.remove(&logged.header.client_id);
            }
            _ => {}
        }
        tree.apply(&logged, &mut (), &mut Vec::new());
        if !tree.digest_matches(&logged) {
            self.digest_mismatches.push(logged.header.zxid);
        }
        Ok(())
    }
}
