//! The whole-state check of tests and of the simulator.

use super::{AclId, NodeId, Owner, Tree, crc_of_content, node_digest};
use std::collections::BTreeMap;

impl Tree {
    /// Compares everything that is kept twice.
    ///
    /// # Panics
    /// Something does not agree. Costs time in proportion to the tree: for tests.
    pub fn check(&self) {
        let mut digest = 0u64;
        let mut size = 0;
        let mut seen = 0;
        let mut acl_uses: BTreeMap<AclId, u64> = BTreeMap::new();
        let mut below: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut todo = vec![(NodeId::ROOT, String::new())];
        while let Some((id, path)) = todo.pop() {
            seen += 1;
            let node = self.nodes.get(id);
            assert_eq!(self.find(&path), Some(id), "{path} is in the index");
            let data = self.nodes.content(id).data().unwrap_or_default();
            digest = digest.wrapping_add(node_digest(crc_of_content(&path, data), &self.nodes.stat(id)));
            size += super::size_of_node(&path, data.len());
            *acl_uses.entry(self.nodes.acl(id)).or_default() += 1;
            self.check_owner(id, &path);
            assert!(
                !self.nodes.children(id).is_empty() || self.nodes.below(id) == 0,
                "{path} has nothing below it"
            );
            for ancestor in std::iter::successors(Some(node.parent), |&id| Some(self.nodes.get(id).parent))
                .take_while(|&ancestor| ancestor != NodeId::ROOT)
            {
                *below.entry(ancestor).or_default() += 1;
            }
            for (slot, &child) in self.nodes.children(id).iter().enumerate() {
                let child_node = self.nodes.get(child);
                assert_eq!((child_node.parent, child_node.slot as usize), (id, slot), "{path} and its child");
                let name = String::from_utf8_lossy(self.nodes.content(child).name());
                todo.push((child, format!("{path}/{name}")));
            }
        }
        assert_eq!(seen, self.nodes.len(), "every znode can be reached");
        for (id, count) in below {
            assert_eq!(self.node(id).descendants(), count, "znodes below {}", self.node(id).path());
        }
        // Figures of quotas change without the size being told, as in the official server.
        assert!(self.quotas_in_use() || size == self.data_size, "sizes: {size} and {}", self.data_size);
        if self.options.digest {
            assert_eq!(digest, self.digest, "the digest that is kept is the one that is computed");
        }
        acl_uses.remove(&AclId::OPEN);
        assert_eq!(acl_uses.len(), self.acls.len(), "each list is used, each used list is there");
        let listed = self.ephemerals.values().flatten().chain(&self.containers).chain(&self.ttls);
        for &id in listed {
            assert!(!self.nodes.get(id).is_vacant(), "a listed znode exists");
        }
    }

    fn check_owner(&self, id: NodeId, path: &str) {
        let listed = match self.node(id).owner() {
            Owner::Nobody => true,
            Owner::Container => self.containers.contains(&id),
            Owner::Ttl(_) => self.ttls.contains(&id),
            Owner::Session(session) => self.ephemerals.get(&session).is_some_and(|ids| ids.contains(&id)),
        };
        assert!(listed, "{path} is listed under its owner");
    }

    fn quotas_in_use(&self) -> bool {
        self.get(super::quota::QUOTA_ROOT).is_some_and(|quota| quota.num_children() > 0)
    }
}
