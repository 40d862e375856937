//! The oracles that see everything: what was logged, and a plain copy of the state that follows from it.
//!
//! Checked here: zxids follow each other; what clients were shown is there after any crash; tree, sessions and digests
//! are those that the log's transactions make, one after the other; no version, no sequence number and no session id
//! repeats; ephemerals live as long as their sessions, and sessions as long as they are heard of.

use oxkeeper::{
    node::LogBatch,
    tree::{Change, ChangeKind, NodeRef, Owner, OwnerRules, Tree, TreeOptions},
};
use oxkeeper_codec::{
    SessionId, Zxid,
    records::{Acl, Stat},
    txn::{LoggedTxn, Txn},
};
use std::collections::{BTreeMap, BTreeSet};

/// How trees are made here.
pub(crate) const TREE_OPTIONS: TreeOptions = TreeOptions {
    owners: OwnerRules { extended_types: true, emulate_353: false },
    digest: true,
    hash_seed: 1,
};

/// A znode at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// Its data.
    pub(crate) data: Option<Vec<u8>>,
    /// What clients are told.
    pub(crate) stat: Stat,
    /// Names of its children, in order.
    pub(crate) children: Vec<String>,
    /// Its ACL.
    pub(crate) acl: Vec<Acl>,
}

impl State {
    fn of(node: &NodeRef<'_>) -> Self {
        let name = |child: NodeRef<'_>| String::from_utf8_lossy(child.name()).into_owned();
        let mut children: Vec<_> = node.children().map(name).collect();
        children.sort();
        Self { data: node.data().map(<[u8]>::to_vec), stat: node.stat(), children, acl: node.acl().to_vec() }
    }
}

/// What one path has gone through.
#[derive(Debug, Default)]
struct PathHistory {
    /// Its state from each zxid on.
    states: Vec<(Zxid, Option<State>)>,
    /// When a watch on its data would have fired.
    data_changes: Vec<Zxid>,
    /// When a watch on its children would have fired.
    child_changes: Vec<Zxid>,
}

/// The oracles.
#[derive(Debug)]
pub(crate) struct Check {
    logged: BTreeMap<Zxid, LoggedTxn>,
    shadow: Tree,
    sessions: BTreeMap<SessionId, i32>,
    ever: BTreeSet<SessionId>,
    paths: BTreeMap<String, PathHistory>,
    sequentials: BTreeSet<(Zxid, String)>,
    heard_ms: BTreeMap<SessionId, i64>,
    shown: Zxid,
    /// Replies that were compared.
    pub(crate) replies: u64,
    /// Crashes that were survived.
    pub(crate) crashes: u64,
    /// Snapshots that were finished.
    pub(crate) snapshots: u64,
    /// Watch events that were expected and came.
    pub(crate) events: u64,
    /// Sessions that expired.
    pub(crate) expired: u64,
    /// Times that the log failed and recovered.
    pub(crate) log_failures: u64,
}

impl Check {
    /// Nothing has happened.
    pub(crate) fn new() -> Self {
        let mut check = Self {
            logged: BTreeMap::new(),
            shadow: Tree::new(TREE_OPTIONS),
            sessions: BTreeMap::new(),
            ever: BTreeSet::new(),
            paths: BTreeMap::new(),
            sequentials: BTreeSet::new(),
            heard_ms: BTreeMap::new(),
            shown: Zxid::ZERO,
            replies: 0,
            crashes: 0,
            snapshots: 0,
            events: 0,
            expired: 0,
            log_failures: 0,
        };
        for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
            check.note_state(Zxid::ZERO, path);
        }
        check
    }

    /// A node has handed these to its log.
    pub(crate) fn appended(&mut self, batch: &LogBatch, now_ms: i64) {
        for (zxid, body) in batch.entries() {
            let last = self.logged.keys().next_back().copied().unwrap_or(Zxid::ZERO);
            assert_eq!(zxid, last.next(), "zxids follow each other");
            let logged = LoggedTxn::from_bytes(&bytes::Bytes::copy_from_slice(body)).unwrap();
            assert_eq!(logged.header.zxid, zxid);
            let session = logged.header.client_id;
            match &logged.txn {
                Txn::CreateSession(_) => {
                    assert!(self.ever.insert(session), "the session id {session} repeats");
                    self.heard_ms.insert(session, now_ms);
                }
                Txn::CloseSession(_) if logged.header.cxid == 0 => self.check_expiry(session, now_ms),
                _ => {}
            }
            self.logged.insert(zxid, logged);
        }
    }

    fn check_expiry(&mut self, session: SessionId, now_ms: i64) {
        let timeout_ms = self.sessions.get(&session).copied().unwrap_or(0);
        let silent_ms = now_ms - self.heard_ms[&session];
        assert!(
            silent_ms >= i64::from(timeout_ms),
            "the session {session} expires {silent_ms} ms after it was heard of, its time-out is {timeout_ms}"
        );
        self.expired += 1;
    }

    /// A node has heard of a session.
    pub(crate) fn heard(&mut self, session: SessionId, now_ms: i64) {
        self.heard_ms.insert(session, now_ms);
    }

    /// A client is about to be shown the state of this moment.
    pub(crate) fn show(&mut self, zxid: Zxid) {
        self.shown = self.shown.max(zxid);
    }

    /// A node has applied everything up to its tree's last zxid.
    pub(crate) fn applied(&mut self, tree: &Tree, thorough: bool) {
        self.advance(tree.last_zxid());
        assert_eq!(tree.last_zxid(), self.shadow.last_zxid(), "the node is where the log is");
        assert_eq!(tree.digest(), self.shadow.digest(), "digests agree at {}", tree.last_zxid());
        if thorough {
            tree.check();
        }
    }

    /// A node is back with this state. What was logged behind it is lost, and nobody may have seen it.
    pub(crate) fn recovered(&mut self, tree: &Tree, sessions: &BTreeMap<SessionId, i32>, now_ms: i64) {
        let last = tree.last_zxid();
        assert!(last >= self.shown, "clients have seen {}, and only {last} is left", self.shown);
        assert!(last >= self.shadow.last_zxid(), "what was applied is lost");
        self.logged.split_off(&last.next());
        self.advance(last);
        tree.check();
        assert_eq!(tree.last_zxid(), self.shadow.last_zxid());
        assert_eq!(all(tree), all(&self.shadow), "the state is the one that was logged");
        assert_eq!(tree.digest(), self.shadow.digest());
        let (known, left): (Vec<_>, Vec<_>) = (self.sessions.keys().collect(), sessions.keys().collect());
        assert_eq!(known, left, "sessions survive");
        let ids: BTreeSet<SessionId> = sessions.keys().copied().collect();
        assert_eq!(tree.orphans(&ids), [], "ephemerals go with their sessions");
        for &id in &ids {
            self.heard_ms.insert(id, now_ms);
        }
        self.crashes += 1;
    }

    /// Applies to the copy what was logged up to here.
    fn advance(&mut self, to: Zxid) {
        let from = self.shadow.last_zxid().next();
        let due = self.logged.range(from..).take_while(|(zxid, _)| **zxid <= to);
        let due: Vec<LoggedTxn> = due.map(|(_, logged)| logged.clone()).collect();
        for logged in due {
            self.apply(&logged);
        }
    }

    fn apply(&mut self, logged: &LoggedTxn) {
        let zxid = logged.header.zxid;
        self.check_versions(&logged.txn);
        if let Txn::DeleteContainer(txn) = &logged.txn {
            self.check_deletion(&txn.path, logged.header.time);
        }
        let mut changes = Vec::new();
        self.shadow.apply(logged, &mut (), &mut changes);
        assert!(self.shadow.digest_matches(logged), "the digest of {zxid} was foreseen");
        match &logged.txn {
            Txn::CreateSession(txn) => {
                self.sessions.insert(logged.header.client_id, txn.time_out);
            }
            Txn::CloseSession(_) => {
                self.sessions.remove(&logged.header.client_id);
                let left = self.shadow.ephemerals_of(logged.header.client_id).count();
                assert_eq!(left, 0, "ephemerals go with their session");
            }
            Txn::SetAcl(txn) => self.note_state(zxid, &txn.path),
            _ => {}
        }
        for change in &changes {
            self.note_change(zxid, change);
        }
    }

    /// Versions count up by one.
    fn check_versions(&self, txn: &Txn) {
        if let Txn::SetData(txn) = txn {
            let before = self.shadow.get(&txn.path).expect("written to").persisted().version;
            assert_eq!(txn.version, before + 1, "no version of {} repeats", txn.path);
        }
    }

    /// The server deletes only containers that were used and TTL nodes whose time is over.
    fn check_deletion(&self, path: &str, wall_ms: i64) {
        let node = self.shadow.get(path).expect("it was there");
        assert_eq!(node.num_children(), 0);
        let stat = node.persisted();
        match node.owner() {
            Owner::Container => assert!(stat.cversion > 0, "the container {path} was never used"),
            Owner::Ttl(ttl_ms) => assert!(wall_ms - stat.mtime > ttl_ms, "{path} has time left"),
            Owner::Nobody | Owner::Session(_) => panic!("{path} is not the server's to delete"),
        }
    }

    fn note_change(&mut self, zxid: Zxid, change: &Change) {
        let path = change.path.as_str();
        let parent = parent(path);
        self.note_state(zxid, path);
        self.history(path).data_changes.push(zxid);
        if change.kind == ChangeKind::DataChanged {
            return;
        }
        self.note_state(zxid, parent);
        self.history(parent).child_changes.push(zxid);
        if change.kind == ChangeKind::Deleted {
            self.history(path).child_changes.push(zxid);
        }
        let is_sequential = path.len() > 10 && path[path.len() - 10..].bytes().all(|b| b.is_ascii_digit());
        if change.kind == ChangeKind::Created && is_sequential {
            let above = self.shadow.get(parent).map_or(Zxid::ZERO, |node| node.persisted().czxid);
            assert!(self.sequentials.insert((above, path.to_owned())), "the sequential {path} repeats");
        }
    }

    fn history(&mut self, path: &str) -> &mut PathHistory {
        self.paths.entry(path.to_owned()).or_default()
    }

    fn note_state(&mut self, zxid: Zxid, path: &str) {
        let state = self.shadow.get(path).map(|node| State::of(&node));
        let states = &mut self.history(path).states;
        states.retain(|(at, _)| *at != zxid);
        states.push((zxid, state));
    }

    /// What a path was right after this zxid.
    pub(crate) fn state(&self, path: &str, zxid: Zxid) -> Option<&State> {
        let states = &self.paths.get(path)?.states;
        let behind = states.partition_point(|(at, _)| *at <= zxid);
        states[..behind].last()?.1.as_ref()
    }

    /// When a watch that was set at `set` fires.
    pub(crate) fn first_event(&self, path: &str, on_children: bool, set: Zxid) -> Option<Zxid> {
        let history = self.paths.get(path)?;
        let changes = if on_children { &history.child_changes } else { &history.data_changes };
        changes.get(changes.partition_point(|at| *at <= set)).copied()
    }

    /// A transaction that is applied.
    pub(crate) fn transaction(&self, zxid: Zxid) -> &LoggedTxn {
        assert!(zxid <= self.shadow.last_zxid(), "what is answered is applied");
        self.logged.get(&zxid).expect("every reply to a write names its transaction")
    }

    /// Whether a session is open, as far as is applied.
    pub(crate) fn is_open(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Whether the end of a session is logged or applied.
    pub(crate) fn may_be_gone(&self, session: SessionId) -> bool {
        let is_end = |logged: &LoggedTxn| {
            logged.header.client_id == session && matches!(logged.txn, Txn::CloseSession(_))
        };
        !self.is_open(session)
            || self.logged.range(self.shadow.last_zxid()..).any(|(_, logged)| is_end(logged))
    }

    /// At the end: nobody is left, and nothing of them.
    pub(crate) fn all_gone(&self) {
        assert!(self.sessions.is_empty(), "sessions that nobody uses end: {:?}", self.sessions);
        assert_eq!(self.shadow.ephemeral_count(), 0);
    }
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

/// Every znode of a tree.
fn all(tree: &Tree) -> BTreeMap<String, State> {
    let mut found = BTreeMap::new();
    let mut todo: Vec<NodeRef<'_>> = tree.get("/").into_iter().collect();
    while let Some(node) = todo.pop() {
        found.insert(node.path(), State::of(&node));
        todo.extend(node.children());
    }
    found
}
