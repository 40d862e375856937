//! Rebuilding tree and sessions from what [`crate::storage::recover`] finds in the files; the shell and the simulator
//! share it.
//!
//! Invariants: no I/O, no clock; a transaction is applied only to a tree that was loaded whole, or to an empty one.

use crate::{
    storage::{RecoverySink, SnapshotTail, SnapshotVisitor},
    topics,
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
    /// A snapshot of the official server shows changes that came while it was written: until this transaction the
    /// tree is ahead of what is replayed, and its digest is nobody's.
    ahead_until: Zxid,
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
        Self {
            options,
            stage,
            sessions: BTreeMap::new(),
            ahead_until: Zxid::ZERO,
            digest_mismatches: Vec::new(),
        }
    }

    /// The tree and the sessions (time-outs in ms), once recovery is done. Ephemerals of sessions that are not
    /// known any more are deleted, as the official server does while it loads.
    pub fn finish(self) -> (Tree, BTreeMap<SessionId, i32>) {
        let (mut tree, sessions) = self.finish_keeping_orphans();
        let known: BTreeSet<SessionId> = sessions.keys().copied().collect();
        for session in tree.orphans(&known) {
            tracing::info!(target: topics::DATA, %session, "deleting the ephemerals of a session that is not known any more");
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
                let digest_zxid = tail.digest.map_or(Zxid::ZERO, |digest| digest.zxid);
                self.ahead_until = digest_zxid.max(tail.last_zxid.unwrap_or(Zxid::ZERO));
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
            Err(error) => tracing::error!(target: topics::DATA, %error, "the snapshot does not hold a tree"),
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
        if logged.header.zxid >= self.ahead_until && !tree.digest_matches(&logged) {
            self.digest_mismatches.push(logged.header.zxid);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::ZxidDigest;
    use bytes::Bytes;
    use oxkeeper_codec::{
        OpCode, Perms,
        records::{CreateTxn, Id, TxnDigest, TxnHeader},
    };

    fn create(zxid: i64, path: &str) -> LoggedTxn {
        let header =
            TxnHeader { client_id: SessionId(1), cxid: 1, zxid: Zxid(zxid), time: zxid, op: OpCode::CREATE };
        let acl = vec![Acl { perms: Perms::ALL, id: Id { scheme: "world".into(), id: "anyone".into() } }];
        let data = Some(Bytes::from_static(b"data"));
        let parent_cversion = i32::try_from(zxid).unwrap();
        let txn = CreateTxn { path: path.into(), data, acl, ephemeral: false, parent_cversion };
        LoggedTxn { header, txn: Txn::Create(txn), digest: None }
    }

    /// Three creates with the digests that a server logs with them, and the tree after all of them.
    fn history() -> (Vec<LoggedTxn>, Tree) {
        let mut tree = Tree::new(TreeOptions::default());
        let mut logged = Vec::new();
        for (zxid, path) in [(1, "/a"), (2, "/b"), (3, "/c")] {
            let mut txn = create(zxid, path);
            tree.apply(&txn, &mut (), &mut Vec::new());
            let tree_digest = tree.digest().cast_signed();
            txn.digest = Some(TxnDigest { version: DIGEST_VERSION, tree_digest });
            logged.push(txn);
        }
        (logged, tree)
    }

    /// Loads a snapshot that is named after zxid 1 and shows all of `tree`, then replays what is behind zxid 1.
    fn replayed(tree: &Tree, digest: Option<ZxidDigest>, logged: Vec<LoggedTxn>) -> Rebuild {
        let mut rebuild = Rebuild::new(TreeOptions::default());
        rebuild.restart();
        for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/a", "/b", "/c"] {
            let node = tree.get(path).unwrap();
            let data_node = DataNode { data: node.data(), acl: -1, stat: node.persisted() };
            rebuild.node(if path == "/" { "" } else { path }, data_node).unwrap();
        }
        rebuild.snapshot_end(Zxid(1), SnapshotTail { digest, last_zxid: None });
        for txn in logged.into_iter().skip(1) {
            rebuild.txn(txn).unwrap();
        }
        rebuild
    }

    #[test]
    fn a_snapshot_that_is_ahead_of_its_name_has_the_digest_of_where_it_ended() {
        let (logged, tree) = history();
        let digest = |digest: u64| {
            Some(ZxidDigest { zxid: Zxid(3), version: DIGEST_VERSION, digest: digest.cast_signed() })
        };
        let rebuild = replayed(&tree, digest(tree.digest()), logged.clone());
        assert_eq!(rebuild.digest_mismatches, []);
        let (rebuilt, _) = rebuild.finish();
        assert_eq!(rebuilt.digest(), tree.digest());

        let mut other = logged;
        other[2] = create(3, "/c");
        other[2].digest = Some(TxnDigest { version: DIGEST_VERSION, tree_digest: 7 });
        assert_eq!(replayed(&tree, digest(7), other).digest_mismatches, [Zxid(3)]);
    }
}
