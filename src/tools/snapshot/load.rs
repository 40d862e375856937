//! A snapshot in memory, for a look at it.

use crate::{
    storage::{
        Compression, PreparedNode, SnapshotError, SnapshotName, SnapshotTail, SnapshotVisitor, read_snapshot,
    },
    tools::{ToolError, error::read, progress::Progress},
};
use oxkeeper_codec::{
    SessionId, Zxid,
    records::{Acl, DataNode, StatPersisted},
};
use std::{cmp::Ordering, collections::BTreeMap, path::Path};

/// A znode.
#[derive(Debug)]
pub(crate) struct Znode {
    /// Its path; that of the root is "/".
    pub(crate) path: String,
    pub(crate) data: Option<Box<[u8]>>,
    pub(crate) acl: i64,
    pub(crate) stat: StatPersisted,
}

impl Znode {
    pub(crate) fn data_len(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.len())
    }

    /// The last component of its path; that of the root is "/".
    pub(crate) fn name(&self) -> &str {
        match self.path.rsplit_once('/') {
            Some((_, name)) if !name.is_empty() => name,
            _ => "/",
        }
    }

    /// Which of two comes first in [`Snapshot::znodes`].
    pub(crate) fn compare_place(&self, other: &Self) -> Ordering {
        in_order(&self.path, &other.path)
    }

    /// How many components its path has.
    pub(crate) fn depth(&self) -> usize {
        if self.path == "/" { 0 } else { self.path.bytes().filter(|&byte| byte == b'/').count() }
    }
}

/// What a snapshot holds.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Each before what is below it, siblings by name. The root is the first.
    pub(crate) znodes: Vec<Znode>,
    /// Time-outs, in ms.
    pub(crate) sessions: BTreeMap<i64, i32>,
    pub(crate) acls: BTreeMap<i64, Vec<Acl>>,
    pub(crate) tail: SnapshotTail,
    /// What its name tells.
    pub(crate) named: Option<Zxid>,
}

impl Snapshot {
    /// Reads a whole snapshot, compressed or not.
    pub(crate) fn load(path: &Path) -> Result<Self, ToolError> {
        let _shown = Progress::of(format!("reading {}", path.display()));
        let file = read(path)?;
        let mut visitor = Visitor::default();
        let tail = read_snapshot(&file, Compression::of_content(&file), &mut visitor).map_err(|error| {
            ToolError::content(
                path,
                match error {
                    SnapshotError::Damage(damage) => format!("is damaged {damage}"),
                    SnapshotError::Version(version) => {
                        format!("has version {version}, and only version 2 is known")
                    }
                },
            )
        })?;
        let Visitor { mut znodes, sessions, acls } = visitor;
        znodes.sort_by(Znode::compare_place);
        let named = path.file_name().and_then(|name| SnapshotName::parse(name.to_str()?));
        Ok(Self { znodes, sessions, acls, tail, named: named.map(|name| name.zxid) })
    }

    /// The last transaction that it is known to hold: that of its name, or the last one that a znode tells of.
    pub(crate) fn last_zxid(&self) -> Zxid {
        let told = self.znodes.iter().map(|znode| znode.stat.mzxid.max(znode.stat.pzxid)).max();
        told.max(self.named).unwrap_or(Zxid(0))
    }

    /// How many znodes a session owns.
    pub(crate) fn ephemerals(&self) -> BTreeMap<i64, usize> {
        let mut counts = BTreeMap::new();
        for znode in
            self.znodes.iter().filter(|znode| self.sessions.contains_key(&znode.stat.ephemeral_owner))
        {
            *counts.entry(znode.stat.ephemeral_owner).or_default() += 1;
        }
        counts
    }

    /// For each znode, how many are below it and how many bytes of data it and they have.
    pub(crate) fn sums(&self) -> Vec<Sum> {
        let mut sums: Vec<Sum> =
            self.znodes.iter().map(|znode| Sum { below: 0, bytes: znode.data_len() as u64 }).collect();
        // From the back: whatever is below a znode stands behind it, and its parent is the nearest one before it that is one
        // level up.
        let mut open: Vec<Sum> = Vec::new();
        for (at, znode) in self.znodes.iter().enumerate().rev() {
            let depth = znode.depth();
            open.resize(open.len().max(depth + 2), Sum::default());
            let below = std::mem::take(&mut open[depth + 1]);
            sums[at].below += below.below;
            sums[at].bytes += below.bytes;
            open[depth].below += sums[at].below + 1;
            open[depth].bytes += sums[at].bytes;
        }
        sums
    }
}

/// What a subtree holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) below: u64,
    pub(crate) bytes: u64,
}

/// A parent comes before its children, and siblings by name: a slash before all other characters.
fn in_order(a: &str, b: &str) -> Ordering {
    // The root has no name, and is first.
    fn key(path: &str) -> impl Iterator<Item = u8> {
        path.trim_end_matches('/').bytes().map(|byte| if byte == b'/' { 0 } else { byte })
    }
    key(a).cmp(key(b))
}

#[derive(Default)]
struct Visitor {
    znodes: Vec<Znode>,
    sessions: BTreeMap<i64, i32>,
    acls: BTreeMap<i64, Vec<Acl>>,
}

impl SnapshotVisitor for Visitor {
    type Preparer = ();

    fn preparer(&self) {}

    fn session(&mut self, id: SessionId, timeout_ms: i32) {
        self.sessions.insert(id.0, timeout_ms);
    }

    fn acl(&mut self, id: i64, acl: Vec<Acl>) {
        self.acls.insert(id, acl);
    }

    fn node(&mut self, path: &str, node: DataNode<'_>, (): PreparedNode<Self>) -> Result<(), String> {
        let path = if path.is_empty() { "/" } else { path };
        self.znodes.push(Znode {
            path: path.to_owned(),
            data: node.data.map(Box::from),
            acl: node.acl,
            stat: node.stat,
        });
        Ok(())
    }
}
