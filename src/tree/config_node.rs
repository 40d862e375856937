//! `/zookeeper/config`: the members of the ensemble, as clients read them.

use super::{CONFIG_PATH, NodeId, Observer, Tree, load};
use oxkeeper_codec::{Zxid, records::StatPersisted};

impl Tree {
    /// Writes the members, unless they are there already: as no transaction does it, each server for itself, where it learns of
    /// them (`ZKDatabase.initConfigInZKDatabase`). Nobody watches.
    ///
    /// `version` is that of the configuration, and the znode's `mzxid`; `time_ms` its `mtime`, in ms since 1970.
    pub fn write_config(&mut self, text: &str, version: i64, time_ms: i64, observer: &mut impl Observer) {
        let found = self.find(CONFIG_PATH);
        let Some(id) = found.or_else(|| self.add_config_node()) else { return };
        if found.is_none() {
            observer.created(id);
        }
        let node = self.node(id);
        if node.data() == Some(text.as_bytes()) && node.stat().mzxid == Zxid(version) {
            return;
        }
        observer.before_change(self, id);
        let old_len = node.data().map_or(0, <[u8]>::len);
        self.digest_remove(CONFIG_PATH, id);
        self.nodes.set_data(id, Some(text.as_bytes()));
        self.nodes.set_crc(id, None);
        let stat = &mut self.nodes.extra_mut(id).stat;
        (stat.mzxid, stat.mtime, stat.version) = (Zxid(version), time_ms, -1);
        self.digest_add(CONFIG_PATH, id);
        let len = |len: usize| i64::try_from(len).unwrap_or(i64::MAX);
        self.data_size += len(text.len()) - len(old_len);
    }

    /// Data of versions before 3.5 has no such znode.
    pub(super) fn add_config_node(&mut self) -> Option<NodeId> {
        let parent = self.find("/zookeeper")?;
        let zero = StatPersisted { aversion: -1, ..StatPersisted::created(Zxid::ZERO, 0, 0) };
        let readable = self.acls.acquire(&[load::world_readable()]);
        Some(self.insert_child(parent, CONFIG_PATH, Some(b""), readable, &zero))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::TreeOptions;

    #[test]
    fn members_are_written_once_and_count_in_no_digest() {
        let mut tree = Tree::new(TreeOptions { digest: true, ..TreeOptions::default() });
        let (digest, size) = (tree.digest(), tree.data_size());
        tree.write_config("server.1=a:1:2:participant\nversion=0", 0, 77, &mut ());
        let written = tree.get(CONFIG_PATH).expect("it is there");
        let stat = written.stat();
        assert_eq!((stat.version, stat.mtime, stat.mzxid, stat.aversion), (-1, 77, Zxid(0), -1));
        assert_eq!(written.data(), Some(&b"server.1=a:1:2:participant\nversion=0"[..]));
        tree.write_config("server.1=a:1:2:participant\nversion=0", 0, 99, &mut ());
        assert_eq!(tree.get(CONFIG_PATH).expect("still").stat().mtime, 77);
        assert_eq!((tree.digest(), tree.data_size()), (digest, size + 36));
        tree.write_config("server.1=a:1:2:participant\nversion=100000000", 1 << 32, 99, &mut ());
        assert_eq!(tree.get(CONFIG_PATH).expect("still").stat().mzxid, Zxid(1 << 32));
        assert_eq!(tree.last_zxid(), Zxid::ZERO);
    }
}
