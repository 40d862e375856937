//! Rebuilding tree and sessions from what [`crate::storage::recover`] finds in the files; the shell and the simulator
//! share it.
//!
//! Invariants: no I/O, no clock; a transaction is applied only to a tree that was loaded whole, or to an empty one.

use crate::{
    storage::{Prepare, RecoverySink, SnapshotTail, SnapshotVisitor},
    topics,
    tree::{
        Foreseen, LoadError, Loader, PreparedNode, PreparedTxn, Preparer, Replay, Tree, TreeOptions,
        Unresolved, is_path,
    },
};
use oxkeeper_codec::{
    SessionId, Zxid,
    file::DIGEST_VERSION,
    records::{Acl, DataNode, TxnDigest},
    txn::{LoggedCreate, LoggedTxn, Txn},
};
use std::collections::{BTreeMap, BTreeSet};

/// So many znodes are named in a message.
const NAMED: usize = 10;
/// So much of a path is shown, in characters.
const SHOWN: usize = 200;

/// Takes in a snapshot, then transactions.
#[derive(Debug)]
pub struct Rebuild {
    options: TreeOptions,
    stage: Stage,
    sessions: BTreeMap<SessionId, i32>,
    foreseen: Foreseen,
    ahead: Replay,
    /// The snapshot holds a path twice.
    twice: bool,
    /// Transactions after which the digest was not the one foreseen.
    pub digest_mismatches: Vec<Zxid>,
}

#[derive(Debug)]
enum Stage {
    Loading(Box<Loader>),
    Replaying(Box<Tree>, Unresolved),
    Failed,
}

/// What recovery is done with.
#[derive(Debug)]
pub struct Rebuilt {
    /// The tree.
    pub tree: Tree,
    /// Sessions and their time-outs in ms.
    pub sessions: BTreeMap<SessionId, i32>,
    /// Sessions that were not known any more, and whose ephemerals are deleted. No transaction says so, and one that is
    /// logged from now on may create such a znode anew: what the files hold must not come back before it.
    pub forgotten: usize,
}

impl Rebuild {
    /// Nothing is known yet.
    pub fn new(options: TreeOptions) -> Self {
        let stage = Stage::Replaying(Box::new(Tree::new(options)), Unresolved::default());
        Self {
            options,
            stage,
            sessions: BTreeMap::new(),
            foreseen: Foreseen::default(),
            ahead: Replay::default(),
            twice: false,
            digest_mismatches: Vec::new(),
        }
    }

    /// Tree and sessions, once recovery is done. Ephemerals of sessions that are not known any more are deleted, as the
    /// official server does while it loads.
    pub fn finish(self) -> Rebuilt {
        let (mut tree, sessions) = self.finish_keeping_orphans();
        let known: BTreeSet<SessionId> = sessions.keys().copied().collect();
        let orphans = tree.orphans(&known);
        for &session in &orphans {
            tracing::info!(target: topics::DATA, %session, "deleting the ephemerals of a session that is not known any more");
            tree.forget_session(session);
        }
        Rebuilt { tree, sessions, forgotten: orphans.len() }
    }

    /// The same, exactly as the files have it.
    pub fn finish_keeping_orphans(self) -> (Tree, BTreeMap<SessionId, i32>) {
        match self.stage {
            Stage::Replaying(mut tree, unresolved) => {
                report_unresolved(&unresolved.settle(&mut tree));
                tree.shrink();
                (*tree, self.sessions)
            }
            Stage::Loading(_) | Stage::Failed => (Tree::new(self.options), self.sessions),
        }
    }

    fn load_error(&mut self, error: &LoadError) -> String {
        self.twice |= matches!(error, LoadError::Twice);
        error.to_string()
    }

    /// Has the tree take in a transaction.
    fn replay(
        &mut self,
        zxid: Zxid,
        digest: Option<&TxnDigest>,
        apply: impl FnOnce(&mut Replay, &mut Tree),
    ) -> Result<(), String> {
        if let Stage::Loading(_) = self.stage {
            // Logs without a snapshot: they begin with an empty tree.
            self.stage = Stage::Replaying(Box::new(Tree::new(self.options)), Unresolved::default());
        }
        let Stage::Replaying(tree, _) = &mut self.stage else {
            return Err("there is no tree to apply it to".to_owned());
        };
        // What cannot be applied is in the snapshot already, in whole or in part, or gone again there.
        apply(&mut self.ahead, tree);
        let matches = tree.has_digest(digest);
        self.foreseen.judge(zxid, matches, &mut self.digest_mismatches);
        Ok(())
    }
}

/// Says which znodes have lost their list.
fn report_unresolved(paths: &[String]) {
    if paths.is_empty() {
        return;
    }
    let shown = |path: &String| path.chars().take(SHOWN).collect::<String>();
    let named: Vec<String> = paths.iter().take(NAMED).map(shown).collect();
    tracing::error!(
        target: topics::DATA,
        count = paths.len(),
        paths = ?named,
        "the snapshot has no ACL for these znodes, and the logs behind it are not there: nobody may do anything with \
         them until the superuser sets their ACLs"
    );
}

fn no_path(path: &str) -> String {
    format!("{path:?} is no path of a znode")
}

/// A path of a transaction that is none.
fn bad_path(txn: &Txn) -> Option<&str> {
    let path = match txn {
        Txn::Create(t) | Txn::Create2(t) => &t.path,
        Txn::CreateTtl(t) => &t.path,
        Txn::CreateContainer(t) => &t.path,
        Txn::Delete(t) | Txn::DeleteContainer(t) => &t.path,
        Txn::SetData(t) | Txn::Reconfig(t) => &t.path,
        Txn::SetAcl(t) => &t.path,
        Txn::Check(t) => &t.path,
        Txn::CloseSession(Some(t)) => {
            return t.paths_to_delete.iter().map(|path| &**path).find(|path| !is_path(path));
        }
        Txn::Multi(txns) => return txns.iter().find_map(bad_path),
        Txn::CreateSession(_) | Txn::CloseSession(None) | Txn::Error(_) => return None,
    };
    (!is_path(path)).then_some(path)
}

impl Prepare for Preparer {
    type Node = PreparedNode;
    type Txn = PreparedTxn;

    fn node(&self, path: &str, node: &DataNode<'_>) -> PreparedNode {
        self.node(path, node)
    }

    fn txn(&self, txn: &LoggedTxn) -> PreparedTxn {
        self.txn(txn)
    }

    fn create(&self, create: &LoggedCreate<'_>) -> PreparedTxn {
        self.create(create)
    }
}

impl SnapshotVisitor for Rebuild {
    type Preparer = Preparer;

    fn preparer(&self) -> Preparer {
        Preparer::new(&self.options)
    }

    fn progress(&mut self, read: u64, total: u64) {
        if let Stage::Loading(loader) = &mut self.stage {
            loader.progress(read, total);
        }
    }

    fn expect<'n>(&mut self, nodes: impl Iterator<Item = &'n PreparedNode>) {
        if let Stage::Loading(loader) = &self.stage {
            loader.expect(nodes);
        }
    }

    fn session(&mut self, id: SessionId, timeout_ms: i32) {
        self.sessions.insert(id, timeout_ms);
    }

    fn acl(&mut self, id: i64, acl: Vec<Acl>) {
        if let Stage::Loading(loader) = &mut self.stage {
            loader.acl(id, acl);
        }
    }

    fn node(&mut self, path: &str, node: DataNode<'_>, prepared: PreparedNode) -> Result<(), String> {
        match &mut self.stage {
            Stage::Loading(loader) => match loader.node(path, &node, &prepared) {
                Ok(()) => Ok(()),
                Err(error) => Err(self.load_error(&error)),
            },
            Stage::Replaying(..) | Stage::Failed => Err("a znode outside of a snapshot".to_owned()),
        }
    }
}

impl RecoverySink for Rebuild {
    fn restart(&mut self) {
        let twice = std::mem::take(&mut self.twice);
        let loader = if twice { Loader::careful(self.options) } else { Loader::new(self.options) };
        self.stage = Stage::Loading(Box::new(loader));
        self.sessions.clear();
    }

    fn snapshot_end(&mut self, snapshot_zxid: Zxid, tail: SnapshotTail) -> Result<(), String> {
        let Stage::Loading(loader) = std::mem::replace(&mut self.stage, Stage::Failed) else {
            return Err("a snapshot ends that was not begun".to_owned());
        };
        let (tree, unresolved) = loader.finish(snapshot_zxid).map_err(|error| self.load_error(&error))?;
        self.foreseen = tail.digest.map_or(Foreseen::unsaid(), |digest| {
            Foreseen::behind(digest.zxid.max(tail.last_zxid.unwrap_or(Zxid::ZERO)))
        });
        if let Some(digest) = tail.digest
            && self.options.digest
            && digest.version == DIGEST_VERSION
            && digest.zxid == snapshot_zxid
            && digest.digest.cast_unsigned() != tree.digest()
        {
            self.digest_mismatches.push(snapshot_zxid);
        }
        self.stage = Stage::Replaying(Box::new(tree), unresolved);
        Ok(())
    }

    fn asks_again(&self) -> bool {
        self.twice
    }

    fn expect_creates<'t, 'a: 't>(
        &mut self,
        creates: impl Iterator<Item = (&'t LoggedCreate<'a>, &'t mut PreparedTxn)>,
    ) {
        if let Stage::Replaying(tree, _) = &self.stage {
            self.ahead.expect(tree, creates);
        }
    }

    fn create(&mut self, create: &LoggedCreate<'_>, prepared: PreparedTxn) -> Result<(), String> {
        if !prepared.is_create() && !is_path(create.path) {
            return Err(no_path(create.path));
        }
        let apply = |ahead: &mut Replay, tree: &mut Tree| ahead.create(tree, create, prepared);
        self.replay(create.header.zxid, create.digest.as_ref(), apply)
    }

    fn txn(&mut self, logged: LoggedTxn, prepared: PreparedTxn) -> Result<(), String> {
        if !prepared.is_create()
            && let Some(path) = bad_path(&logged.txn)
        {
            return Err(no_path(path));
        }
        let apply = |ahead: &mut Replay, tree: &mut Tree| ahead.txn(tree, &logged, prepared);
        self.replay(logged.header.zxid, logged.digest.as_ref(), apply)?;
        match &logged.txn {
            Txn::CreateSession(txn) => {
                self.sessions.insert(logged.header.client_id, txn.time_out);
            }
            Txn::CloseSession(_) => {
                self.sessions.remove(&logged.header.client_id);
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self) {
        self.foreseen.end(&mut self.digest_mismatches);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{MemoryDisk, RecoveryOptions, ZxidDigest, recover};
    use bytes::Bytes;
    use oxkeeper_codec::{
        Encode, OpCode, Perms,
        file::{FILE_VERSION, SNAPSHOT_MAGIC},
        records::{CloseSessionTxn, CreateTxn, DeleteTxn, FileHeader, Id, TxnDigest, TxnHeader},
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
            let path = if path == "/" { "" } else { path };
            let prepared = rebuild.preparer().node(path, &data_node);
            rebuild.node(path, data_node, prepared).unwrap();
        }
        rebuild.snapshot_end(Zxid(1), SnapshotTail { digest, last_zxid: None }).unwrap();
        for txn in logged.into_iter().skip(1) {
            let prepared = rebuild.preparer().txn(&txn);
            rebuild.txn(txn, prepared).unwrap();
        }
        rebuild.end();
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
        assert_eq!(rebuild.finish().tree.digest(), tree.digest());

        let mut other = logged;
        other[2] = create(3, "/c");
        other[2].digest = Some(TxnDigest { version: DIGEST_VERSION, tree_digest: 7 });
        assert_eq!(replayed(&tree, digest(7), other).digest_mismatches, [Zxid(3)]);
    }

    #[test]
    fn the_transaction_behind_the_end_of_a_snapshot_decides_whether_it_was_under_way() {
        let (logged, tree) = history();
        let digest = Some(ZxidDigest { zxid: Zxid(2), version: DIGEST_VERSION, digest: 0 });
        // The snapshot says that it ends with 2, and has a znode of 3 already.
        assert_eq!(replayed(&tree, digest, logged.clone()).digest_mismatches, []);
        assert_eq!(replayed(&tree, digest, logged[..2].to_vec()).digest_mismatches, [Zxid(2)]);
        let mut other = logged;
        other[2].digest = Some(TxnDigest { version: DIGEST_VERSION, tree_digest: 7 });
        assert_eq!(replayed(&tree, digest, other).digest_mismatches, [Zxid(2), Zxid(3)]);
    }

    #[test]
    fn a_logged_path_that_is_none_is_refused() {
        let delete = |path: &str| Txn::Delete(DeleteTxn { path: path.into() });
        let of_session =
            |path: &str| Txn::CloseSession(Some(CloseSessionTxn { paths_to_delete: vec![path.into()] }));
        for path in ["", "no-slash", "/a/", "/a//b"] {
            let created = create(1, path).txn;
            let multi = Txn::Multi(vec![delete("/a"), created.clone()]);
            for txn in [created, delete(path), of_session(path), multi] {
                let mut rebuild = Rebuild::new(TreeOptions::default());
                rebuild.restart();
                let header = TxnHeader { op: txn.op(), ..create(1, "/x").header };
                let logged = LoggedTxn { header, txn, digest: None };
                let prepared = rebuild.preparer().txn(&logged);
                let refused = rebuild.txn(logged, prepared).expect_err(path);
                assert!(refused.contains(&format!("{path:?}")), "{refused}");
            }
        }
    }

    #[test]
    fn a_snapshot_without_a_root_is_no_empty_tree() {
        let mut rebuild = Rebuild::new(TreeOptions::default());
        rebuild.restart();
        rebuild.snapshot_end(Zxid(1), SnapshotTail::default()).expect_err("there is no root");
        let prepared = rebuild.preparer().txn(&create(2, "/a"));
        rebuild.txn(create(2, "/a"), prepared).expect_err("and no tree");
    }

    #[test]
    fn of_a_znode_that_comes_twice_in_a_snapshot_the_later_counts() {
        let mut file = FileHeader { magic: SNAPSHOT_MAGIC, version: FILE_VERSION, dbid: -1 }.to_vec();
        [0, 0].iter().for_each(|count: &i32| count.encode(&mut file));
        for (zxid, path, data) in [(0, "", "root"), (1, "/a", "a"), (2, "/a/b", "b"), (3, "/a", "later")] {
            let stat = oxkeeper_codec::records::StatPersisted::created(Zxid(zxid), zxid, 0);
            path.encode(&mut file);
            DataNode { data: Some(data.as_bytes()), acl: -1, stat }.encode(&mut file);
        }
        "/".encode(&mut file);
        i64::from(simd_adler32::adler32(&file.as_slice())).encode(&mut file);
        "/".encode(&mut file);
        let disk = MemoryDisk::new("data");
        disk.put("snapshot.3", &file);
        let mut rebuild = Rebuild::new(TreeOptions::default());
        let recovered = recover(&disk, &disk, RecoveryOptions::default(), &mut rebuild).expect("it is whole");
        assert_eq!(recovered.rejected, []);
        let tree = rebuild.finish().tree;
        tree.check();
        let data = |path| tree.get(path).and_then(|node| node.data()).map(<[u8]>::to_vec);
        assert_eq!([data("/a"), data("/a/b")], [Some(b"later".to_vec()), Some(b"b".to_vec())]);
    }
}
