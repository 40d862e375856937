//! Answers that many reads in the queue have in common: a client may ask for a large znode again and again, and take
//! none of the replies.
//!
//! Invariant: what is kept here is as large as [`SHARED_BYTES`] and one answer at most; what replies hold of it lives as
//! long as they do, once for each state of a znode.

use crate::tree::{NodeId, NodeRef};
use bytes::Bytes;
use oxkeeper_codec::{Encode, records::Stat};
use std::collections::BTreeMap;

/// What is kept for later reads, in bytes.
const SHARED_BYTES: usize = 16 << 20;

/// Bodies of replies to getData.
#[derive(Debug, Default)]
pub(super) struct Shared {
    bodies: BTreeMap<NodeId, (Stat, Bytes)>,
    bytes: usize,
}

impl Shared {
    /// Data and stat of a znode as it is, encoded once for each state of it.
    pub(super) fn data(&mut self, node: &NodeRef<'_>) -> Bytes {
        let stat = node.stat();
        if let Some((known, body)) = self.bodies.get(&node.id())
            && *known == stat
        {
            return body.clone();
        }
        let mut body = Vec::new();
        node.data().encode(&mut body);
        stat.encode(&mut body);
        let body = Bytes::from(body);
        if self.bytes > SHARED_BYTES {
            self.clear();
        }
        self.bytes += body.len();
        if let Some((_, old)) = self.bodies.insert(node.id(), (stat, body.clone())) {
            self.bytes -= old.len();
        }
        body
    }

    /// Nobody waits any more.
    pub(super) fn clear(&mut self) {
        if self.bytes > 0 {
            *self = Self::default();
        }
    }
}
