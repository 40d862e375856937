//! What one client's own part of the tree must look like after its requests, and the requests themselves.
//!
//! Each client writes below a node of its own, so its requests alone decide what stands there: names, data, versions,
//! the numbers of sequential nodes and the counts in the parent's Stat can all be foretold exactly.

use crate::client::OPEN;
use crate::random::Random;
use crate::requests::{create_body, delete_body, part, parts_end, set_body};
use std::collections::BTreeMap;

/// The node that every client sets, in a multi with one of its own.
pub(super) const HOT: &str = "/crash/hot";
/// Where all clients create sequential nodes, in the same multi.
pub(super) const SHARED: &str = "/crash/shared";
/// Nodes that a client keeps, so that reading them all stays quick.
const KEPT: usize = 30;
/// The largest data, in bytes.
const DATA_MAX: u64 = 3000;

/// A node as the client expects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) data: Vec<u8>,
    pub(super) version: i32,
    pub(super) ephemeral: bool,
}

/// The client's part of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// The children of the client's node, by name.
    pub(super) nodes: BTreeMap<String, Node>,
    /// Children that were ever created.
    pub(super) created: i32,
    /// Children that were deleted.
    pub(super) deleted: i32,
    /// How often the shared node was set.
    pub(super) hot: i32,
}

/// One change of a client's part.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Create { name: String, node: Node },
    Set { name: String, data: Vec<u8> },
    Delete { name: String },
    Hot,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Op {
    pub(super) code: i32,
    pub(super) body: Vec<u8>,
    /// All of them or none.
    pub(super) changes: Vec<Change>,
    pub(super) fails: bool,
}

impl Model {
    /// A fresh client's: one node to count in.
    pub(super) fn new() -> Self {
        let counter = Node { data: Vec::new(), version: 0, ephemeral: false };
        Self { nodes: BTreeMap::from([("counter".to_owned(), counter)]), created: 1, deleted: 0, hot: 0 }
    }

    /// Does what a request does.
    pub(super) fn apply(&mut self, op: &Op) {
        for change in op.changes.iter().filter(|_| !op.fails) {
            match change {
                Change::Create { name, node } => {
                    self.nodes.insert(name.clone(), node.clone());
                    self.created += 1;
                }
                Change::Set { name, data } => {
                    if let Some(node) = self.nodes.get_mut(name) {
                        node.data.clone_from(data);
                        node.version += 1;
                    }
                }
                Change::Delete { name } => {
                    self.nodes.remove(name);
                    self.deleted += 1;
                }
                Change::Hot => self.hot += 1,
            }
        }
    }

    /// Where this and what was found differ, for messages.
    pub(super) fn difference(&self, found: &Self) -> String {
        let names = self.nodes.keys().chain(found.nodes.keys());
        let mut lines: Vec<String> = names
            .filter(|name| self.nodes.get(*name) != found.nodes.get(*name))
            .map(|name| format!("{name}: {} <> {}", show(self.nodes.get(name)), show(found.nodes.get(name))))
            .collect();
        lines.sort();
        lines.dedup();
        lines.truncate(5);
        let counts = |model: &Self| format!("{} created, {} deleted", model.created, model.deleted);
        format!("{} <> {}; {}", counts(self), counts(found), lines.join("; "))
    }

    /// The `n`th request of client `client`, made for this state.
    pub(super) fn next_op(&self, random: &mut Random, client: usize, n: u64) -> Op {
        let own = format!("/crash/c{client}");
        let data = random_data(random, n);
        let surplus = self.nodes.len() > KEPT;
        match random.below(12) {
            _ if surplus => self.delete(random, &own),
            0..=3 => set(&own, "counter", data),
            4..=5 => create(&own, &format!("n{n}"), data, false),
            6 => create(&own, &format!("e{n}"), data, true),
            7 => sequential(&own, self.created, data),
            8 => self.delete(random, &own),
            9 => failing(&own, n, data),
            _ => multi(&own, client, n, data),
        }
    }

    /// Deletes a random node, but never the counter.
    fn delete(&self, random: &mut Random, own: &str) -> Op {
        let victims: Vec<&String> = self.nodes.keys().filter(|name| *name != "counter").collect();
        if victims.is_empty() {
            return set(own, "counter", Vec::new());
        }
        let name = victims[random.index(victims.len())].clone();
        let body = delete_body(format!("{own}/{name}"), self.nodes[&name].version);
        Op { code: 2, body, changes: vec![Change::Delete { name }], fails: false }
    }
}

fn show(node: Option<&Node>) -> String {
    node.map_or_else(
        || "nothing".to_owned(),
        |node| format!("version {} of {} bytes", node.version, node.data.len()),
    )
}

/// Data that tells which request wrote it.
fn random_data(random: &mut Random, n: u64) -> Vec<u8> {
    // Mostly short, as in life.
    let bound = if random.below(8) == 0 { DATA_MAX } else { 60 };
    let len = usize::try_from(random.below(bound)).unwrap_or(0);
    [format!("{n}:").as_bytes(), &random.bytes(len)].concat()
}

fn set(own: &str, name: &str, data: Vec<u8>) -> Op {
    let body = set_body(format!("{own}/{name}"), Some(&data), -1);
    Op { code: 5, body, changes: vec![Change::Set { name: name.to_owned(), data }], fails: false }
}

fn create(own: &str, name: &str, data: Vec<u8>, ephemeral: bool) -> Op {
    let body = create_body(format!("{own}/{name}"), Some(&data), Some(OPEN), i32::from(ephemeral));
    let node = Node { data, version: 0, ephemeral };
    Op { code: 1, body, changes: vec![Change::Create { name: name.to_owned(), node }], fails: false }
}

fn sequential(own: &str, created: i32, data: Vec<u8>) -> Op {
    let body = create_body(format!("{own}/s"), Some(&data), Some(OPEN), 2);
    let node = Node { data, version: 0, ephemeral: false };
    Op {
        code: 1,
        body,
        changes: vec![Change::Create { name: format!("s{created:010}"), node }],
        fails: false,
    }
}

/// A multi whose last part fails: nothing of it may ever be seen.
fn failing(own: &str, n: u64, data: Vec<u8>) -> Op {
    let parts = [
        part(5, &set_body(format!("{own}/counter"), Some(&data), -1)),
        part(1, &create_body(format!("{own}/f{n}"), Some(&data), Some(OPEN), 0)),
        part(13, &delete_body(format!("{own}/counter"), 1_000_000_000)),
        parts_end(),
    ];
    Op { code: 14, body: parts.concat(), changes: Vec::new(), fails: true }
}

/// A multi over what is shared and what is not.
fn multi(own: &str, client: usize, n: u64, data: Vec<u8>) -> Op {
    let tag = format!("{client}:{n}");
    let parts = [
        part(5, &set_body(HOT, Some(tag.as_bytes()), -1)),
        part(1, &create_body(format!("{SHARED}/x"), Some(tag.as_bytes()), Some(OPEN), 2)),
        part(5, &set_body(format!("{own}/counter"), Some(&data), -1)),
        parts_end(),
    ];
    let changes = vec![Change::Hot, Change::Set { name: "counter".to_owned(), data }];
    Op { code: 14, body: parts.concat(), changes, fails: false }
}
