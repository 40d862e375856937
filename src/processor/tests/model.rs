//! The plain model: znodes by path, rules in the order of the official server, nothing pending, nothing clever.

use crate::tree::quota::{self, Figures};
use oxkeeper_codec::{Code, SessionId, records::StatPersisted};
use std::collections::{BTreeMap, BTreeSet};

pub(super) use oxkeeper_codec::Zxid;

/// A znode of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModelNode {
    pub(super) data: Option<Vec<u8>>,
    /// Permissions of everybody.
    pub(super) perms: i32,
    pub(super) stat: StatPersisted,
}

/// The tree of the model. The root's path is "/".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) nodes: BTreeMap<String, ModelNode>,
    limits: BTreeSet<String>,
}

/// Who asks, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) zxid: Zxid,
    pub(super) time: i64,
    pub(super) session: SessionId,
}

/// What is created.
#[derive(Debug, Clone)]
pub(super) struct New {
    pub(super) path: String,
    pub(super) data: Option<Vec<u8>>,
    pub(super) perms: i32,
    /// The stored owner.
    pub(super) owner: i64,
    pub(super) sequential: bool,
}

const READ: i32 = 1;
const WRITE: i32 = 2;
const CREATE: i32 = 4;
const DELETE: i32 = 8;
const ADMIN: i32 = 16;

fn parent_of(path: &str) -> Result<String, Code> {
    let (parent, _) = path.rsplit_once('/').ok_or(Code::BAD_ARGUMENTS)?;
    Ok(if parent.is_empty() { "/".to_owned() } else { parent.to_owned() })
}

fn validate(path: &str) -> Result<(), Code> {
    let good = path == "/"
        || path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\u{1}'))
        });
    if good { Ok(()) } else { Err(Code::BAD_ARGUMENTS) }
}

fn len(data: Option<&Vec<u8>>) -> i64 {
    i64::try_from(data.map_or(0, Vec::len)).unwrap()
}

impl Model {
    pub(super) fn new() -> Self {
        let zero = Zxid::ZERO;
        let stat = StatPersisted {
            czxid: zero,
            mzxid: zero,
            ctime: 0,
            mtime: 0,
            version: 0,
            cversion: 0,
            aversion: 0,
            ephemeral_owner: 0,
            pzxid: zero,
        };
        let node = ModelNode { data: Some(Vec::new()), perms: 31, stat };
        let mut config = node.clone();
        (config.perms, config.stat.aversion) = (READ, -1);
        let nodes = ["/", "/zookeeper", "/zookeeper/quota"].map(|path| (path.to_owned(), node.clone()));
        let mut nodes = BTreeMap::from(nodes);
        nodes.insert("/zookeeper/config".to_owned(), config);
        Self { nodes, limits: BTreeSet::new() }
    }

    pub(super) fn children(&self, path: &str) -> usize {
        let is_child = |other: &&String| *other != "/" && parent_of(other).as_deref() == Ok(path);
        self.nodes.keys().filter(is_child).count()
    }

    fn existing(&self, path: &str, wanted: i32) -> Result<&ModelNode, Code> {
        let node = self.nodes.get(path).ok_or(Code::NO_NODE)?;
        if node.perms & wanted == 0 { Err(Code::NO_AUTH) } else { Ok(node) }
    }

    /// Creates a znode; its path comes back.
    pub(super) fn create(&mut self, new: &New, context: Context) -> Result<String, Code> {
        let parent = parent_of(&new.path)?;
        if new.perms < 0 {
            return Err(Code::INVALID_ACL);
        }
        let found = self.existing(&parent, CREATE)?;
        let (cversion, owner) = (found.stat.cversion, found.stat.ephemeral_owner);
        let path = if new.sequential { format!("{}{cversion:010}", new.path) } else { new.path.clone() };
        validate(&path)?;
        if self.nodes.contains_key(&path) {
            return Err(Code::NODE_EXISTS);
        }
        if owner > 0 {
            return Err(Code::NO_CHILDREN_FOR_EPHEMERALS);
        }
        let above = self.nodes.get_mut(&parent).unwrap();
        above.stat.cversion += 1;
        above.stat.pzxid = context.zxid;
        let stat = StatPersisted {
            czxid: context.zxid,
            mzxid: context.zxid,
            ctime: context.time,
            mtime: context.time,
            version: 0,
            cversion: 0,
            aversion: 0,
            ephemeral_owner: new.owner,
            pzxid: context.zxid,
        };
        self.nodes.insert(path.clone(), ModelNode { data: new.data.clone(), perms: new.perms, stat });
        self.count_created(&path, len(new.data.as_ref()));
        Ok(path)
    }

    fn count_created(&mut self, path: &str, bytes: i64) {
        if let Some((subtree, name)) = path.strip_prefix(quota::QUOTA_ROOT).and_then(|p| p.rsplit_once('/')) {
            if name == quota::LIMITS_NAME {
                self.limits.insert(subtree.to_owned());
            }
            if name == quota::STATS_NAME {
                self.recount(subtree);
            }
        }
        self.update_figures(path, 1, bytes);
    }

    fn recount(&mut self, subtree: &str) {
        let subtree = if subtree.is_empty() { "/" } else { subtree };
        let within =
            |path: &str| path == subtree || path.starts_with(&format!("{}/", subtree.trim_end_matches('/')));
        let inside: Vec<_> = self.nodes.iter().filter(|(path, _)| within(path)).collect();
        let bytes = inside.iter().map(|(_, node)| len(node.data.as_ref())).sum();
        let figures = Figures::new(i64::try_from(inside.len()).unwrap(), bytes);
        let subtree = if subtree == "/" { "" } else { subtree };
        if let Some(stats) = self.nodes.get_mut(&quota::stats_path(subtree)) {
            stats.data = Some(figures.to_text().into_bytes());
        }
    }

    fn update_figures(&mut self, path: &str, count: i64, bytes: i64) {
        let covers = |subtree: &&String| {
            !subtree.is_empty() && (path == *subtree || path.starts_with(&format!("{subtree}/")))
        };
        let Some(subtree) = self.limits.iter().filter(covers).max_by_key(|subtree| subtree.len()) else {
            return;
        };
        if let Some(stats) = self.nodes.get_mut(&quota::stats_path(subtree)) {
            let mut figures = Figures::parse(stats.data.as_deref());
            figures.add(count, bytes);
            stats.data = Some(figures.to_text().into_bytes());
        }
    }

    /// Deletes a znode.
    pub(super) fn delete(&mut self, path: &str, version: i32, context: Context) -> Result<(), Code> {
        if crate::tree::SPECIAL_PATHS.contains(&path) {
            return Err(Code::BAD_ARGUMENTS);
        }
        let parent = parent_of(path)?;
        self.existing(&parent, DELETE)?;
        let node = self.nodes.get(path).ok_or(Code::NO_NODE)?;
        if version != -1 && version != node.stat.version {
            return Err(Code::BAD_VERSION);
        }
        if self.children(path) > 0 {
            return Err(Code::NOT_EMPTY);
        }
        self.remove(path, &parent, context);
        Ok(())
    }

    fn remove(&mut self, path: &str, parent: &str, context: Context) {
        let gone = self.nodes.remove(path).unwrap();
        self.nodes.get_mut(parent).unwrap().stat.pzxid = context.zxid;
        if let Some((subtree, quota::LIMITS_NAME)) =
            path.strip_prefix(quota::QUOTA_ROOT).and_then(|p| p.rsplit_once('/'))
        {
            self.limits.remove(subtree);
        }
        self.update_figures(path, -1, -len(gone.data.as_ref()));
    }

    /// Writes data.
    pub(super) fn set_data(
        &mut self,
        path: &str,
        data: Option<&Vec<u8>>,
        version: i32,
        context: Context,
    ) -> Result<(), Code> {
        validate(path)?;
        let found = self.existing(path, WRITE)?;
        if version != -1 && version != found.stat.version {
            return Err(Code::BAD_VERSION);
        }
        let before = len(found.data.as_ref());
        let node = self.nodes.get_mut(path).unwrap();
        node.data = data.cloned();
        node.stat.version += 1;
        (node.stat.mzxid, node.stat.mtime) = (context.zxid, context.time);
        self.update_figures(path, 0, len(data) - before);
        Ok(())
    }

    /// Writes an ACL.
    pub(super) fn set_acl(&mut self, path: &str, perms: i32, version: i32) -> Result<(), Code> {
        validate(path)?;
        if perms < 0 {
            return Err(Code::INVALID_ACL);
        }
        let found = self.existing(path, ADMIN)?;
        if version != -1 && version != found.stat.aversion {
            return Err(Code::BAD_VERSION);
        }
        let node = self.nodes.get_mut(path).unwrap();
        node.perms = perms;
        node.stat.aversion += 1;
        Ok(())
    }

    /// Checks a version.
    pub(super) fn check(&self, path: &str, version: i32) -> Result<(), Code> {
        validate(path)?;
        let found = self.existing(path, READ)?;
        if version != -1 && version != found.stat.version { Err(Code::BAD_VERSION) } else { Ok(()) }
    }

    /// Ends a session: its ephemerals go.
    pub(super) fn close(&mut self, context: Context) {
        let is_its = |node: &ModelNode| node.stat.ephemeral_owner == context.session.0;
        let gone: Vec<_> =
            self.nodes.iter().filter(|(_, node)| is_its(node)).map(|(path, _)| path.clone()).collect();
        for path in gone {
            let parent = parent_of(&path).unwrap();
            self.remove(&path, &parent, context);
        }
    }
}
