//! Two snapshots, compared level by level in how much lies below each znode (`SnapshotComparer`).

use super::{Snapshot, Sum};
use std::{
    collections::HashMap,
    fmt::{self, Display, Formatter},
};

/// A tree by its levels: that of the root is 0.
#[derive(Debug)]
pub(crate) struct Layers {
    /// Paths in the order of their characters; that of the root is empty.
    levels: Vec<Vec<(String, Sum)>>,
    children: HashMap<String, Vec<(String, Sum)>>,
}

/// A difference is told when it is above one of these.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thresholds {
    pub(crate) bytes: i32,
    pub(crate) nodes: i32,
    /// What is below is told too.
    pub(crate) filtered: bool,
    /// Each comparison is told.
    pub(crate) debug: bool,
}

impl Layers {
    pub(crate) fn of(snapshot: &Snapshot) -> Self {
        let mut layers = Self { levels: Vec::new(), children: HashMap::new() };
        for (znode, sum) in snapshot.znodes.iter().zip(snapshot.sums()) {
            let (depth, path) = (znode.depth(), znode.path.trim_end_matches('/'));
            layers.levels.resize_with(layers.levels.len().max(depth + 1), Vec::new);
            layers.levels[depth].push((path.to_owned(), sum));
            layers.children.entry(path.to_owned()).or_default();
            if let Some((parent, _)) = path.rsplit_once('/') {
                layers.children.entry(parent.to_owned()).or_default().push((path.to_owned(), sum));
            }
        }
        let by_path =
            |list: &mut Vec<(String, Sum)>| list.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
        layers.levels.iter_mut().for_each(by_path);
        layers.children.values_mut().for_each(by_path);
        layers
    }

    pub(crate) const fn depth(&self) -> usize {
        self.levels.len()
    }

    /// What a level of both trees differs in.
    pub(crate) fn level(&self, right: &Self, depth: usize, thresholds: Thresholds) -> Vec<String> {
        let of = |layers: &Self| layers.levels.get(depth).cloned().unwrap_or_default();
        compare(&of(self), &of(right), thresholds)
    }

    /// What the children of a znode differ in; `None` where neither tree has it.
    pub(crate) fn children(&self, right: &Self, path: &str, thresholds: Thresholds) -> Option<Vec<String>> {
        let (a, b) = (self.children.get(path), right.children.get(path));
        (a.is_some() || b.is_some())
            .then(|| compare(a.map_or(&[], Vec::as_slice), b.map_or(&[], Vec::as_slice), thresholds))
    }
}

impl Display for Layers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let nodes: usize = self.levels.iter().map(Vec::len).sum();
        let bytes = self.levels.first().and_then(|level| level.first()).map_or(0, |(_, sum)| sum.bytes);
        writeln!(f, "Node count: {nodes}\nTotal size: {bytes}\nMax depth: {}", self.levels.len())?;
        for (depth, level) in self.levels.iter().enumerate() {
            writeln!(f, "Count of nodes at depth {depth}: {}", level.len())?;
        }
        Ok(())
    }
}

fn compare(left: &[(String, Sum)], right: &[(String, Sum)], thresholds: Thresholds) -> Vec<String> {
    let (mut a, mut b) = (left.iter().peekable(), right.iter().peekable());
    let mut lines = Vec::new();
    loop {
        match (a.peek(), b.peek()) {
            (None, None) => return lines,
            (Some((path, sum)), None) => {
                lines.extend(thresholds.only("left", path, *sum));
                a.next();
            }
            (None, Some((path, sum))) => {
                lines.extend(thresholds.only("right", path, *sum));
                b.next();
            }
            (Some((path, sum)), Some((other, theirs))) => {
                let order = path.encode_utf16().cmp(other.encode_utf16());
                if thresholds.debug {
                    lines.push(format!("Comparing {path} to {other}"));
                    lines.push(
                        if order.is_lt() {
                            "left is less"
                        } else if order.is_gt() {
                            "right is less"
                        } else {
                            "same"
                        }
                        .to_owned(),
                    );
                }
                if order.is_lt() {
                    lines.extend(thresholds.only("left", path, *sum));
                } else if order.is_gt() {
                    lines.extend(thresholds.only("right", other, *theirs));
                } else {
                    lines.extend(thresholds.both(path, *sum, *theirs));
                }
                if order.is_le() {
                    a.next();
                }
                if order.is_ge() {
                    b.next();
                }
            }
        }
    }
}

impl Thresholds {
    fn only(self, side: &str, path: &str, sum: Sum) -> Option<String> {
        if self.passes(signed(sum.bytes), signed(sum.below)) {
            let Sum { below, bytes } = sum;
            return Some(format!(
                "Node {path} found only in {side} tree. Descendant size: {bytes}. Descendant count: {below}"
            ));
        }
        self.filtered.then(|| format!("Filtered {side} node {path} of size {}", sum.bytes))
    }

    fn both(self, path: &str, left: Sum, right: Sum) -> Option<String> {
        let (bytes, below) =
            (signed(right.bytes) - signed(left.bytes), signed(right.below) - signed(left.below));
        if self.passes(bytes.abs(), below.abs()) {
            return Some(format!(
                "Node {path} found in both trees. Delta: {bytes} bytes, {below} descendants"
            ));
        }
        self.filtered
            .then(|| format!("Filtered node {path} of left size {}, right size {}", left.bytes, right.bytes))
    }

    fn passes(self, bytes: i64, nodes: i64) -> bool {
        bytes > self.bytes.into() || nodes > self.nodes.into()
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
