//! Changes that are proposed and not applied yet: what the next request has to be judged by
//! (`ZooKeeperServer.outstandingChanges`).
//!
//! Invariants: a path is here exactly as long as a proposed transaction that changed it is not applied; the digest
//! is the one that the tree will have once all of them are; a session's pending ephemerals are listed under it, and
//! nothing else is.

use crate::tree::{self, AclRef, NodeId, Owner, OwnerRules, Tree};
use foldhash::fast::FixedState;
use hashbrown::{HashMap, hash_map::Entry as MapEntry};
use oxkeeper_codec::{ByteStr, SessionId, Zxid, records::StatPersisted};
use std::collections::{BTreeMap, VecDeque};

/// A znode as it will be.
#[derive(Debug, Clone)]
pub(super) struct Record {
    /// Which znode of the tree it is; `None`: it is to be created.
    pub(super) id: Option<NodeId>,
    pub(super) stat: StatPersisted,
    /// Number of the next sequential child. Differs from the counter in `stat` only beyond 2^31 - 1, where that one
    /// stays and this one wraps for as long as the change is pending, as in the official server.
    pub(super) sequence: i32,
    pub(super) children: usize,
    /// Whether it may have no children: it is an ephemeral, or is asked for as one. (A container may be, which it is
    /// once that is applied.)
    pub(super) childless: bool,
    pub(super) acl: AclRef,
    pub(super) data_len: usize,
    /// CRC-32 of path and data; see [`tree::node_digest`].
    pub(super) crc: Option<u32>,
}

impl Record {
    /// What the znode contributes to the tree's digest.
    pub(super) fn digest(&self) -> u64 {
        tree::node_digest(self.crc, &self.stat)
    }
}

#[derive(Debug)]
struct Entry {
    /// The last transaction that changed it.
    zxid: Zxid,
    /// Where that transaction changed it first, among all changes.
    place: u64,
    /// `None`: it will be gone.
    record: Option<Record>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Pending {
    by_path: HashMap<ByteStr, Entry, FixedState>,
    /// Each change, in zxid order.
    order: VecDeque<(Zxid, ByteStr)>,
    /// Ephemerals that will be there, by session and place: what a session's end needs costs what the session has.
    ephemerals: BTreeMap<SessionId, BTreeMap<u64, ByteStr>>,
    /// The place of the next change.
    next_place: u64,
    owners: OwnerRules,
    digest: u64,
    keeps_digest: bool,
}

/// What a multi that fails takes back.
#[derive(Debug)]
pub(super) struct Savepoint {
    order_len: usize,
    digest: u64,
    /// What was there before, newest first when undone.
    replaced: Vec<(ByteStr, Option<Entry>)>,
    /// Whether it can be gone back to: a request that stands alone changes nothing before it is sure to succeed.
    kept: bool,
}

/// The root is known under one name here.
fn key(path: &ByteStr) -> ByteStr {
    if *path == "/" { ByteStr::default() } else { path.clone() }
}

/// As many znodes as go with one transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// How many.
    pub(super) count: usize,
    /// Bytes of their paths.
    pub(super) bytes: usize,
}

impl Pending {
    pub(super) fn new(tree: &Tree) -> Self {
        let options = tree.options();
        Self {
            by_path: HashMap::with_hasher(FixedState::with_seed(options.hash_seed)),
            order: VecDeque::new(),
            ephemerals: BTreeMap::new(),
            next_place: 0,
            owners: options.owners,
            digest: tree.digest(),
            keeps_digest: options.digest,
        }
    }

    /// The digest of the tree once everything is applied.
    pub(super) const fn digest(&self) -> u64 {
        self.digest
    }

    /// Whether digests are kept at all.
    pub(super) const fn keeps_digest(&self) -> bool {
        self.keeps_digest
    }

    /// The znode as it will be; `None` if it is not there or will be gone.
    pub(super) fn get(&self, tree: &Tree, path: &str) -> Option<Record> {
        let name = if path == "/" { "" } else { path };
        if !self.by_path.is_empty()
            && let Some(entry) = self.by_path.get(name)
        {
            return entry.record.clone();
        }
        let node = tree.get(name)?;
        let crc = if tree.options().digest { node.content_crc(name) } else { None };
        let stat = node.persisted();
        let childless = matches!(tree.options().owners.read(stat.ephemeral_owner), Owner::Session(_));
        Some(Record {
            id: Some(node.id()),
            sequence: stat.cversion,
            stat,
            children: node.num_children(),
            childless,
            acl: AclRef::clone(node.acl()),
            data_len: node.data().map_or(0, <[u8]>::len),
            crc,
        })
    }

    /// Whether anything about the znode is pending.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    /// Records what a znode will be, `None` for gone. `old_digest` is what it contributed before; the difference is
    /// taken into account.
    pub(super) fn put(
        &mut self,
        zxid: Zxid,
        path: &ByteStr,
        record: Option<Record>,
        old_digest: u64,
        undo: &mut Savepoint,
    ) {
        if self.keeps_digest {
            let new = record.as_ref().map_or(0, Record::digest);
            self.digest = self.digest.wrapping_sub(old_digest).wrapping_add(new);
        }
        let path = key(path);
        // Only a multi changes an ephemeral twice.
        let before = if undo.kept { self.by_path.get(&path) } else { None };
        let place = before.filter(|entry| entry.zxid == zxid).map_or(self.next_place, |entry| entry.place);
        self.next_place += 1;
        let replaced = self.set(&path, Some(Entry { zxid, place, record }));
        if undo.kept {
            undo.replaced.push((path.clone(), replaced));
        }
        self.order.push_back((zxid, path));
    }

    /// A place to go back to, if `kept`.
    pub(super) fn savepoint(&self, kept: bool) -> Savepoint {
        Savepoint { order_len: self.order.len(), digest: self.digest, replaced: Vec::new(), kept }
    }

    /// Takes back everything since the savepoint.
    pub(super) fn roll_back(&mut self, undo: Savepoint) {
        assert!(undo.kept || self.order.len() == undo.order_len, "nothing to take back, or all of it kept");
        for (path, replaced) in undo.replaced.into_iter().rev() {
            self.set(&path, replaced);
        }
        self.order.truncate(undo.order_len);
        self.digest = undo.digest;
    }

    /// Transactions up to `zxid` are applied.
    pub(super) fn retire(&mut self, zxid: Zxid) {
        while let Some((at, _)) = self.order.front()
            && *at <= zxid
        {
            let (at, path) = self.order.pop_front().expect("there is a front");
            if let MapEntry::Occupied(place) = self.by_path.entry(path)
                && place.get().zxid == at
            {
                let retired = place.remove();
                self.unlist(&retired);
            }
        }
    }

    /// Puts an entry in the place of what is there, which it returns; keeps the lists of ephemerals.
    fn set(&mut self, path: &ByteStr, entry: Option<Entry>) -> Option<Entry> {
        let listed = entry.as_ref().and_then(|entry| self.listed_under(entry));
        let replaced = match entry {
            Some(entry) => self.by_path.insert(path.clone(), entry),
            None => self.by_path.remove(path),
        };
        if let Some(replaced) = &replaced {
            self.unlist(replaced);
        }
        if let Some((session, place)) = listed {
            self.ephemerals.entry(session).or_default().insert(place, path.clone());
        }
        replaced
    }

    /// Takes an entry that is gone from the lists of ephemerals.
    fn unlist(&mut self, gone: &Entry) {
        if let Some((session, place)) = self.listed_under(gone)
            && let Some(paths) = self.ephemerals.get_mut(&session)
        {
            paths.remove(&place);
            if paths.is_empty() {
                self.ephemerals.remove(&session);
            }
        }
    }

    /// The session and the place that an ephemeral is listed under.
    fn listed_under(&self, entry: &Entry) -> Option<(SessionId, u64)> {
        match self.owners.read(entry.record.as_ref()?.stat.ephemeral_owner) {
            Owner::Session(session) => Some((session, entry.place)),
            Owner::Nobody | Owner::Container | Owner::Ttl(_) => None,
        }
    }

    /// A session's ephemerals once everything is applied, in a fixed order: those of the tree that nothing is pending
    /// about, then the others as they were changed. (The official order is that of a hash set.)
    pub(super) fn ephemerals_of(&self, tree: &Tree, session: SessionId) -> Vec<ByteStr> {
        let mut paths: Vec<ByteStr> = tree.ephemerals_of(session).map(ByteStr::from).collect();
        if self.by_path.is_empty() {
            return paths;
        }
        paths.retain(|path| !self.by_path.contains_key(path));
        paths.extend(self.ephemerals.get(&session).into_iter().flat_map(BTreeMap::values).cloned());
        paths
    }

    /// Some of them: as many as there are, or so many as make a step.
    pub(super) fn some_ephemerals_of(&self, tree: &Tree, session: SessionId, step: Step) -> Vec<ByteStr> {
        let applied = tree.ephemerals_after(session, None).map(|node| ByteStr::from(node.path()));
        let applied = applied.filter(|path| !self.by_path.contains_key(path));
        let pending = self.ephemerals.get(&session).into_iter().flat_map(BTreeMap::values).cloned();
        let mut bytes = 0;
        let fits = |path: &ByteStr| {
            bytes += path.len();
            bytes <= step.bytes
        };
        // One at least, however long.
        let mut all = applied.chain(pending).take(step.count);
        let first = all.next();
        first.into_iter().chain(all.take_while(fits)).collect()
    }

    /// How many there are, or more: those that a pending transaction deletes may count.
    pub(super) fn at_most_ephemerals_of(&self, tree: &Tree, session: SessionId) -> usize {
        tree.ephemeral_count_of(session) + self.ephemerals.get(&session).map_or(0, BTreeMap::len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The lists of ephemerals are what a walk through everything that is pending finds, in its order.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut expected: BTreeMap<SessionId, Vec<ByteStr>> = BTreeMap::new();
        for (zxid, path) in &self.order {
            let Some(Entry { zxid: last, record: Some(record), .. }) = self.by_path.get(path) else {
                continue;
            };
            let Owner::Session(session) = self.owners.read(record.stat.ephemeral_owner) else { continue };
            let paths = expected.entry(session).or_default();
            if last == zxid && !paths.contains(path) {
                paths.push(path.clone());
            }
        }
        expected.retain(|_, paths| !paths.is_empty());
        let listed = self.ephemerals.iter().map(|(id, paths)| (*id, paths.values().cloned().collect()));
        assert_eq!(listed.collect::<BTreeMap<_, Vec<_>>>(), expected);
    }
}
