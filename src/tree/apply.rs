//! Applying transactions (`DataTree.processTxn`).

use super::{AclId, AclRef, Change, ChangeKind, NodeId, Owner, PreparedTxn, Tree, acl::AclTable, quota};
use oxkeeper_codec::{
    ByteStr, Code, OpCode, SessionId,
    records::{Acl, SetAclTxn, SetDataTxn, Stat, StatPersisted, TxnDigest, TxnHeader},
    txn::{LoggedCreate, LoggedTxn, Txn},
};

/// Is told of a znode before it changes or goes, and of new ones: how a snapshot under way keeps what it still has to
/// write, and nothing else.
pub trait Observer {
    /// The znode `id` is about to change or to go.
    fn before_change(&mut self, tree: &Tree, id: NodeId);

    /// The znode `id` is new.
    fn created(&mut self, id: NodeId);
}

impl Observer for () {
    fn before_change(&mut self, _: &Tree, _: NodeId) {}
    fn created(&mut self, _: NodeId) {}
}

/// What became of a transaction: the facts that the reply is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// How it ended; also of a multi, the first error inside.
    pub code: Code,
    /// The created path, for transactions that create.
    pub path: Option<ByteStr>,
    /// The znode's `Stat` afterwards, for transactions that answer with one.
    pub stat: Option<Stat>,
    /// Of a multi, one for each operation, with what it was; an error, if the multi failed.
    pub multi: Vec<(OpCode, Self)>,
}

impl Applied {
    const fn of(code: Code) -> Self {
        Self { code, path: None, stat: None, multi: Vec::new() }
    }
}

/// One transaction on its way into the tree.
struct Application<'a, O> {
    tree: &'a mut Tree,
    observer: &'a mut O,
    changes: &'a mut Vec<Change>,
    header: &'a TxnHeader,
    /// What is known of it.
    prepared: &'a PreparedTxn,
    /// Nobody asks for the changes, nor how it ended.
    quiet: bool,
}

/// The list of a znode to be created.
enum NewAcl<'a> {
    List(&'a [Acl]),
    /// Of a log.
    Encoded(&'a LoggedCreate<'a>),
}

impl NewAcl<'_> {
    /// Its number in the table; one more znode uses it.
    fn acquire(&self, acls: &mut AclTable) -> AclId {
        match self {
            Self::List(list) => acls.acquire(list),
            Self::Encoded(create) => acls.acquire_encoded(create.acl, || create.acl()),
        }
    }
}

/// A znode to be created.
struct NewNode<'a> {
    path: &'a str,
    data: Option<&'a [u8]>,
    acl: NewAcl<'a>,
    owner: Owner,
    parent_cversion: i32,
}

impl Tree {
    /// Applies a transaction; its changes are appended to `changes` in the order of their events.
    ///
    /// A transaction that cannot be applied to this state (replay over a snapshot that has it already) changes
    /// nothing but what must only grow, and says so in its code.
    pub fn apply<O: Observer>(
        &mut self,
        logged: &LoggedTxn,
        observer: &mut O,
        changes: &mut Vec<Change>,
    ) -> Applied {
        self.apply_prepared(logged, &PreparedTxn::NOTHING, observer, changes)
    }

    /// The same for a transaction of which something is known.
    pub fn apply_prepared<O: Observer>(
        &mut self,
        logged: &LoggedTxn,
        prepared: &PreparedTxn,
        observer: &mut O,
        changes: &mut Vec<Change>,
    ) -> Applied {
        let header = &logged.header;
        let application = Application { tree: self, observer, changes, header, prepared, quiet: false };
        let applied = application.apply(&logged.txn);
        self.last_zxid = self.last_zxid.max(header.zxid);
        applied
    }

    /// Applies a transaction of which nobody wants to know what became. A [`Preparer`](super::Preparer) with the options
    /// of this tree has prepared it.
    pub(super) fn replay(&mut self, logged: &LoggedTxn, prepared: &PreparedTxn) {
        let header = &logged.header;
        let (observer, changes) = (&mut (), &mut Vec::new());
        Application { tree: self, observer, changes, header, prepared, quiet: true }.apply(&logged.txn);
        self.last_zxid = self.last_zxid.max(header.zxid);
    }

    /// The same for one that creates.
    pub(super) fn replay_create(&mut self, create: &LoggedCreate<'_>, prepared: &PreparedTxn) {
        let header = &create.header;
        let (observer, changes) = (&mut (), &mut Vec::new());
        let new = NewNode {
            path: create.path,
            data: create.data,
            acl: NewAcl::Encoded(create),
            owner: Owner::of(header.client_id, create.ephemeral),
            parent_cversion: create.parent_cversion,
        };
        // What cannot be created is there already, or its parent is gone again.
        let _ = Application { tree: self, observer, changes, header, prepared, quiet: true }.create(&new);
        self.last_zxid = self.last_zxid.max(header.zxid);
    }

    /// Whether the tree's digest is the one that came with a transaction just applied; true without one, or when
    /// it is computed in another way.
    pub fn digest_matches(&self, logged: &LoggedTxn) -> bool {
        self.has_digest(logged.digest.as_ref())
    }

    /// The same for the digest alone.
    pub fn has_digest(&self, digest: Option<&TxnDigest>) -> bool {
        match digest {
            Some(digest) if self.options.digest && digest.version == oxkeeper_codec::file::DIGEST_VERSION => {
                digest.tree_digest.cast_unsigned() == self.digest
            }
            _ => true,
        }
    }
}

impl<O: Observer> Application<'_, O> {
    fn apply(mut self, txn: &Txn) -> Applied {
        self.apply_one(txn)
    }

    fn apply_one(&mut self, txn: &Txn) -> Applied {
        let result = match txn {
            Txn::Create(t) | Txn::Create2(t) => {
                let owner = Owner::of(self.header.client_id, t.ephemeral);
                self.create_and_say(&t.path, t.data.as_deref(), &t.acl, owner, t.parent_cversion)
            }
            Txn::CreateTtl(t) => {
                let owner = Owner::Ttl(t.ttl);
                self.create_and_say(&t.path, t.data.as_deref(), &t.acl, owner, t.parent_cversion)
            }
            Txn::CreateContainer(t) => {
                let owner = Owner::Container;
                self.create_and_say(&t.path, t.data.as_deref(), &t.acl, owner, t.parent_cversion)
            }
            Txn::Delete(t) | Txn::DeleteContainer(t) => self.delete(&t.path).map(|()| Applied::of(Code::OK)),
            Txn::SetData(t) | Txn::Reconfig(t) => self.set_data(t),
            Txn::SetAcl(t) => self.set_acl(t),
            Txn::Check(_) | Txn::CreateSession(_) => Ok(Applied::of(Code::OK)),
            Txn::CloseSession(t) => {
                let listed = t.as_ref().map_or(&[][..], |t| &t.paths_to_delete);
                self.close_session(self.header.client_id, listed);
                Ok(Applied::of(Code::OK))
            }
            Txn::Error(t) => Err(t.err),
            Txn::Multi(txns) => Ok(self.multi(txns)),
        };
        result.unwrap_or_else(Applied::of)
    }

    /// All of them or none: if one is an error, all are (`-2` for those behind it, `0` for those before).
    fn multi(&mut self, txns: &[Txn]) -> Applied {
        let first_error = txns.iter().position(|txn| matches!(txn, Txn::Error(_)));
        let mut all = Applied { multi: Vec::with_capacity(txns.len()), ..Applied::of(Code::OK) };
        for (i, txn) in txns.iter().enumerate() {
            let applied = match (first_error, txn) {
                (None, _) | (Some(_), Txn::Error(_)) => self.apply_one(txn),
                (Some(first), _) if i < first => Applied::of(Code::OK),
                (Some(_), _) => Applied::of(Code::RUNTIME_INCONSISTENCY),
            };
            if all.code == Code::OK {
                all.code = applied.code;
            }
            let op = if first_error.is_some() { OpCode::ERROR } else { txn.op() };
            all.multi.push((op, applied));
        }
        all
    }

    /// Creates a znode and says so.
    fn create_and_say(
        &mut self,
        path: &ByteStr,
        data: Option<&[u8]>,
        acl: &[Acl],
        owner: Owner,
        parent_cversion: i32,
    ) -> Result<Applied, Code> {
        let id = self.create(&NewNode { path, data, acl: NewAcl::List(acl), owner, parent_cversion })?;
        let data_len = data.map_or(0, <[u8]>::len);
        let applied = if self.quiet { Applied::of(Code::OK) } else { self.say_created(path, data_len, id) };
        Ok(applied)
    }

    fn create(&mut self, new: &NewNode<'_>) -> Result<NodeId, Code> {
        let path = new.path;
        let (parent_path, name) = path.rsplit_once('/').ok_or(Code::BAD_ARGUMENTS)?;
        let (parent, existing) = self.find_places(path, parent_path);
        let parent = parent.ok_or(Code::NO_NODE)?;
        if let Some(existing) = existing {
            return Err(self.create_again(new, parent_path, parent, existing));
        }
        self.observer.before_change(self.tree, parent);
        self.raise_cversion(parent_path, parent, new.parent_cversion);
        let acl_id = new.acl.acquire(&mut self.tree.acls);
        let stat = StatPersisted::created(self.header.zxid, self.header.time, new.owner.stored());
        let known = &self.prepared.created;
        let facts = known.map_or_else(|| self.tree.facts(path, new.data, &stat), |known| known.facts);
        let id = self.tree.insert_known(parent, name, new.data, acl_id, &stat, &facts);
        self.observer.created(id);
        self.quota_after_create(parent_path, name, path, new.data.map_or(0, <[u8]>::len));
        Ok(id)
    }

    /// The parent of a new znode, and the znode if it is there.
    fn find_places(&self, path: &str, parent_path: &str) -> (Option<NodeId>, Option<NodeId>) {
        let (tree, prepared) = (&*self.tree, self.prepared);
        let Some(known) = &prepared.created else { return (tree.find(parent_path), tree.find(path)) };
        let parent = prepared.parent.or_else(|| tree.find_parent(path, known));
        (parent, if prepared.is_new { None } else { tree.find_known(path, known) })
    }

    /// The change and the reply.
    fn say_created(&mut self, path: &ByteStr, data_len: usize, id: NodeId) -> Applied {
        let node = self.tree.node(id);
        let parent = self.tree.node(self.tree.nodes.get(id).parent);
        let (stat, acl, parent_acl) = (node.stat(), AclRef::clone(node.acl()), AclRef::clone(parent.acl()));
        self.changes.push(Change {
            kind: ChangeKind::Created,
            path: path.clone(),
            acl,
            parent_acl: Some(parent_acl),
            data_len,
        });
        Applied { path: Some(path.clone()), stat: Some(stat), ..Applied::of(Code::OK) }
    }

    /// Replay over a snapshot that has the znode: its ACL may be older there, and the parent's counter too.
    fn create_again(
        &mut self,
        new: &NewNode<'_>,
        parent_path: &str,
        parent: NodeId,
        existing: NodeId,
    ) -> Code {
        self.observer.before_change(self.tree, parent);
        self.observer.before_change(self.tree, existing);
        let acl = new.acl.acquire(&mut self.tree.acls);
        let old = self.tree.nodes.set_acl(existing, acl);
        self.tree.acls.release(old);
        self.raise_cversion(parent_path, parent, new.parent_cversion);
        Code::NODE_EXISTS
    }

    /// The parent of a new znode: its counter and pzxid only ever grow.
    fn raise_cversion(&mut self, path: &str, parent: NodeId, cversion: i32) {
        let zxid = self.header.zxid;
        self.tree.digest_remove(path, parent);
        let stat = &mut self.tree.nodes.extra_mut(parent).stat;
        let cversion = if cversion == -1 { stat.cversion.wrapping_add(1) } else { cversion };
        if cversion > stat.cversion {
            stat.cversion = cversion;
            stat.pzxid = zxid;
        }
        self.tree.digest_add(path, parent);
    }

    fn delete(&mut self, path: &ByteStr) -> Result<(), Code> {
        let (parent_path, name) = path.rsplit_once('/').ok_or(Code::BAD_ARGUMENTS)?;
        let parent = self.tree.find(parent_path).ok_or(Code::NO_NODE)?;
        self.observer.before_change(self.tree, parent);
        self.tree.digest_remove(parent_path, parent);
        let stat = &mut self.tree.nodes.extra_mut(parent).stat;
        stat.pzxid = stat.pzxid.max(self.header.zxid);
        self.tree.digest_add(parent_path, parent);

        let id = self.tree.find(path).filter(|&id| id != NodeId::ROOT).ok_or(Code::NO_NODE)?;
        self.delete_below(path, id);
        self.observer.before_change(self.tree, id);
        let acl = AclRef::clone(self.tree.node(id).acl());
        let parent_acl = AclRef::clone(self.tree.node(parent).acl());
        let data_len = self.tree.nodes.content(id).data_len();
        self.tree.remove_node(path, id);
        self.quota_after_delete(parent_path, name, path, data_len);
        self.changes.push(Change {
            kind: ChangeKind::Deleted,
            path: path.clone(),
            acl,
            parent_acl: Some(parent_acl),
            data_len: 0,
        });
        Ok(())
    }

    /// Whoever logged the deletion of a znode has seen it empty. Where a replay finds children, the snapshot shows a later
    /// znode of the same name: the log creates them all again behind this, as it does with the znode. (The official
    /// server deletes the znode alone here, and then lists no children of the new one.)
    fn delete_below(&mut self, path: &str, id: NodeId) {
        let mut below = Vec::new();
        let mut todo = vec![(id, path.to_owned())];
        while let Some((id, path)) = todo.pop() {
            todo.extend(
                self.tree
                    .node(id)
                    .children()
                    .map(|child| (child.id(), format!("{path}/{}", String::from_utf8_lossy(child.name())))),
            );
            below.push(ByteStr::from(path));
        }
        // Each behind what is below it; the first is the znode itself.
        for path in below.iter().skip(1).rev() {
            let _ = self.delete(path);
        }
    }

    fn set_data(&mut self, txn: &SetDataTxn) -> Result<Applied, Code> {
        let path = txn.path.as_str();
        let known = self.prepared.set;
        let id = known.id.or_else(|| self.tree.find(path)).ok_or(Code::NO_NODE)?;
        debug_assert_eq!(
            Some(id),
            self.tree.find(path),
            "what was found when {path} was judged is there still"
        );
        self.observer.before_change(self.tree, id);
        let old_len = self.tree.nodes.content(id).data_len();
        self.tree.digest_remove(path, id);
        self.replace_data(id, txn.data.as_deref(), known.crc);
        let stat = &mut self.tree.nodes.extra_mut(id).stat;
        stat.mtime = self.header.time;
        stat.mzxid = self.header.zxid;
        stat.version = txn.version;
        self.tree.digest_add(path, id);
        let new_len = txn.data.as_ref().map_or(0, bytes::Bytes::len);
        let diff = len_diff(new_len, old_len);
        self.tree.data_size += diff;
        if let Some(subtree) = self.tree.quotas.covering(path).map(str::to_owned) {
            self.update_quota(&subtree, 0, diff);
        }
        let node = self.tree.node(id);
        let (stat, acl) = (node.stat(), AclRef::clone(node.acl()));
        self.changes.push(Change {
            kind: ChangeKind::DataChanged,
            path: txn.path.clone(),
            acl,
            parent_acl: None,
            data_len: new_len,
        });
        Ok(Applied { stat: Some(stat), ..Applied::of(Code::OK) })
    }

    /// Swaps the data; digests and sizes are the caller's. `crc`: of the path and the new data, if it is known.
    fn replace_data(&mut self, id: NodeId, data: Option<&[u8]>, crc: Option<u32>) {
        self.tree.nodes.set_data(id, data);
        self.tree.nodes.set_crc(id, crc);
    }

    fn set_acl(&mut self, txn: &SetAclTxn) -> Result<Applied, Code> {
        let id = self.tree.find(&txn.path).ok_or(Code::NO_NODE)?;
        self.observer.before_change(self.tree, id);
        self.tree.digest_remove(&txn.path, id);
        let acl = self.tree.acls.acquire(&txn.acl);
        let old = self.tree.nodes.set_acl(id, acl);
        self.tree.nodes.extra_mut(id).stat.aversion = txn.version;
        self.tree.acls.release(old);
        self.tree.digest_add(&txn.path, id);
        Ok(Applied { stat: Some(self.tree.node(id).stat()), ..Applied::of(Code::OK) })
    }

    /// Deletes a session's ephemerals: those that the transaction lists, then what else is there.
    fn close_session(&mut self, session: SessionId, listed: &[ByteStr]) {
        for path in listed {
            // One that is gone already was deleted by a transaction that the snapshot has.
            let _ = self.delete(path);
        }
        let left: Vec<ByteStr> = self.tree.ephemerals_of(session).map(ByteStr::from).collect();
        for path in &left {
            let _ = self.delete(path);
        }
        self.tree.ephemerals.remove(&session);
    }

    fn quota_after_create(&mut self, parent_path: &str, name: &str, path: &str, data_len: usize) {
        if let Some(subtree) = parent_path.strip_prefix(quota::QUOTA_ROOT) {
            if name == quota::LIMITS_NAME {
                self.tree.quotas.add(subtree);
            }
            if name == quota::STATS_NAME {
                self.count_quota(subtree);
            }
        }
        if let Some(subtree) = self.tree.quotas.covering(path).map(str::to_owned) {
            self.update_quota(&subtree, 1, len_diff(data_len, 0));
        }
    }

    fn quota_after_delete(&mut self, parent_path: &str, name: &str, path: &str, data_len: usize) {
        if name == quota::LIMITS_NAME
            && let Some(subtree) = parent_path.strip_prefix(quota::QUOTA_ROOT)
        {
            self.tree.quotas.remove(subtree);
        }
        if let Some(subtree) = self.tree.quotas.covering(path).map(str::to_owned) {
            self.update_quota(&subtree, -1, len_diff(0, data_len));
        }
    }

    /// Writes the figures of a subtree anew.
    fn count_quota(&mut self, subtree: &str) {
        let figures = self.tree.count_subtree(subtree);
        self.write_figures(&quota::stats_path(subtree), |_| figures);
    }

    fn update_quota(&mut self, subtree: &str, count: i64, bytes: i64) {
        self.write_figures(&quota::stats_path(subtree), |mut figures| {
            figures.add(count, bytes);
            figures
        });
    }

    /// Changes the figures in place, without a trace in the znode's `Stat`.
    fn write_figures(&mut self, stats_path: &str, change: impl FnOnce(quota::Figures) -> quota::Figures) {
        let Some(id) = self.tree.find(stats_path) else { return };
        self.observer.before_change(self.tree, id);
        let text = change(quota::Figures::parse(self.tree.node(id).data())).to_text();
        self.replace_data(id, Some(text.as_bytes()), None);
    }
}

impl Tree {
    /// Deletes what an unknown session left, with no transaction: every member does so while it loads.
    pub fn forget_session(&mut self, session: SessionId) {
        let header = TxnHeader {
            client_id: session,
            cxid: 0,
            zxid: self.last_zxid,
            time: 0,
            op: OpCode::CLOSE_SESSION,
        };
        let mut changes = Vec::new();
        let changes = &mut changes;
        let prepared = &PreparedTxn::NOTHING;
        Application { tree: self, observer: &mut (), changes, header: &header, prepared, quiet: true }
            .close_session(session, &[]);
    }

    /// Znodes and bytes of a subtree, its root included.
    pub(super) fn count_subtree(&self, subtree: &str) -> quota::Figures {
        let (mut count, mut bytes) = (0, 0);
        let mut todo: Vec<NodeId> = self.find(subtree).into_iter().collect();
        while let Some(id) = todo.pop() {
            count += 1;
            bytes += len_diff(self.nodes.content(id).data_len(), 0);
            todo.extend(self.nodes.children(id));
        }
        quota::Figures::new(count, bytes)
    }

    /// After loading: finds the subtrees with limits and counts them anew (`DataTree.setupQuota`).
    pub(super) fn set_up_quotas(&mut self) {
        let mut todo: Vec<NodeId> = self.find(quota::QUOTA_ROOT).into_iter().collect();
        let mut subtrees = Vec::new();
        while let Some(id) = todo.pop() {
            let node = self.node(id);
            if node.name() == quota::LIMITS_NAME.as_bytes() && node.num_children() == 0 {
                let path = node.path();
                let (parent, _) = path.rsplit_once('/').unwrap_or_default();
                subtrees.extend(parent.strip_prefix(quota::QUOTA_ROOT).map(str::to_owned));
            }
            todo.extend(self.nodes.children(id));
        }
        for subtree in subtrees {
            let text = self.count_subtree(&subtree).to_text();
            if let Some(id) = self.find(&quota::stats_path(&subtree)) {
                self.nodes.set_data(id, Some(text.as_bytes()));
            }
            self.quotas.add(&subtree);
        }
    }
}

/// The difference of two lengths.
fn len_diff(new: usize, old: usize) -> i64 {
    i64::try_from(new).unwrap_or(i64::MAX) - i64::try_from(old).unwrap_or(i64::MAX)
}
