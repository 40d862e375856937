//! Encoded lists of children, kept by each worker for the parents that are asked for again and again
//! (`maxGetChildrenResponseCacheSize`).
//!
//! Invariant: an entry is used only while the parent's creation, pzxid and counter are those it was made from; every
//! change of the list changes one of them.

use crate::{
    auth,
    processor::{
        long_read::{self, ListVersion},
        read::{Asker, ReadWatch, encode_names, reply},
    },
    tree::{NodeId, NodeRef, Tree},
};
use hashbrown::HashMap;
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode, Perms,
    records::{GetChildrenRequest, RequestHeader},
};

/// Bytes of all lists that one worker keeps.
const MAX_BYTES: usize = 16 << 20;

#[derive(Debug)]
struct List {
    version: ListVersion,
    bytes: Vec<u8>,
}

/// The lists of one worker.
#[derive(Debug)]
pub(super) struct ListCache {
    max_entries: usize,
    lists: HashMap<NodeId, List, foldhash::fast::FixedState>,
    bytes: usize,
    /// Lists that had to be encoded.
    pub(super) misses: u64,
}

impl ListCache {
    /// Keeps at most so many lists; `None`: none.
    pub(super) fn new(max_entries: Option<u32>) -> Self {
        let max_entries = max_entries.map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX));
        Self { max_entries, lists: HashMap::default(), bytes: 0, misses: 0 }
    }

    /// Whether lists are kept at all.
    pub(super) const fn is_on(&self) -> bool {
        self.max_entries > 0
    }

    /// Answers getChildren and getChildren2 of a parent with at least `min_children`. `None`: somebody else has to.
    pub(super) fn answer<'a>(
        &mut self,
        tree: &Tree,
        asker: Asker<'_>,
        header: &RequestHeader,
        body: &'a [u8],
        out: &mut Vec<u8>,
        min_children: usize,
    ) -> Option<Option<ReadWatch<'a>>> {
        if !matches!(header.op, OpCode::GET_CHILDREN | OpCode::GET_CHILDREN2) || !self.is_on() {
            return None;
        }
        let request = GetChildrenRequest::from_slice(body).ok()?;
        let node = tree.get(&request.path)?;
        // One that takes long to encode comes here when it is done ([`ListCache::keep`]).
        if node.num_children() < min_children
            || node.num_children() > long_read::STEP && !self.has(&node)
            || !auth::check(node.acl(), Perms::READ, asker.identities, asker.auth)
        {
            return None;
        }
        let list = self.list(&node);
        reply(out, header.xid, tree.last_zxid(), Code::OK, |out| {
            out.extend_from_slice(list);
            if header.op == OpCode::GET_CHILDREN2 {
                node.stat().encode(out);
            }
        });
        Some(request.watch.then_some(ReadWatch::Child(request.path)))
    }

    fn has(&self, node: &NodeRef<'_>) -> bool {
        self.lists.get(&node.id()).is_some_and(|list| list.version == ListVersion::of(node))
    }

    fn list(&mut self, node: &NodeRef<'_>) -> &[u8] {
        if !self.has(node) {
            let mut bytes = Vec::new();
            encode_names(node, &mut bytes);
            self.keep(node.id(), ListVersion::of(node), bytes);
        }
        self.lists.get(&node.id()).map_or(&[], |list| &list.bytes)
    }

    /// Keeps a list that had to be encoded, as it is in this version.
    pub(super) fn keep(&mut self, id: NodeId, version: ListVersion, bytes: Vec<u8>) {
        self.misses += 1;
        // What it replaces makes room first: a list that changes in a full cache is to cost the others nothing.
        if let Some(old) = self.lists.remove(&id) {
            self.bytes -= old.bytes.len();
        }
        if self.lists.len() >= self.max_entries || self.bytes + bytes.len() > MAX_BYTES {
            self.lists.clear();
            self.bytes = 0;
        }
        self.bytes += bytes.len();
        self.lists.insert(id, List { version, bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{AuthConfig, Identities},
        processor::read,
        tree::TreeOptions,
    };
    use oxkeeper_codec::{
        ByteStr, SessionId, Zxid,
        records::{CreateTxn, DeleteTxn, TxnHeader},
        txn::{LoggedTxn, Txn},
    };

    /// A tree, and a cache in front of it.
    struct Cached {
        tree: Tree,
        cache: ListCache,
        auth: AuthConfig,
    }

    impl Cached {
        fn new(max_entries: Option<u32>) -> Self {
            let tree = Tree::new(TreeOptions::default());
            Self { tree, cache: ListCache::new(max_entries), auth: AuthConfig::default() }
        }

        fn apply(&mut self, op: OpCode, txn: Txn) {
            let zxid = self.tree.last_zxid().next();
            let header = TxnHeader { client_id: SessionId(1), cxid: 1, zxid, time: zxid.0, op };
            let applied = self.tree.apply(&LoggedTxn { header, txn, digest: None }, &mut (), &mut Vec::new());
            assert_eq!(applied.code, Code::OK);
        }

        fn create(&mut self, path: &str) {
            let acl = self.tree.get("/").expect("the root").acl().to_vec();
            let path = ByteStr::from(path.to_owned());
            let txn = CreateTxn { path, data: None, acl, ephemeral: false, parent_cversion: -1 };
            self.apply(OpCode::CREATE, Txn::Create(txn));
        }

        fn delete(&mut self, path: &str) {
            self.apply(OpCode::DELETE, Txn::Delete(DeleteTxn { path: ByteStr::from(path.to_owned()) }));
        }

        /// Parents with these names, and two children each.
        fn parents(&mut self, names: &[&str]) {
            for name in names {
                self.create(name);
                self.create(&format!("{name}/1"));
                self.create(&format!("{name}/2"));
            }
        }

        /// Asks for a list in both forms. How often it had to be encoded; `None`: the cache does not answer.
        fn ask(&mut self, path: &str) -> Option<u64> {
            let identities = Identities::none();
            let asker = Asker { session: SessionId(1), identities: &identities, auth: &self.auth };
            let misses = self.cache.misses;
            for op in [OpCode::GET_CHILDREN, OpCode::GET_CHILDREN2] {
                let header = RequestHeader { xid: 7, op };
                let body = GetChildrenRequest { path: path.into(), watch: true }.to_vec();
                let (mut kept, mut fresh) = (Vec::new(), Vec::new());
                let watch = self.cache.answer(&self.tree, asker, &header, &body, &mut kept, 0)?;
                let answered = read::answer(&self.tree, asker, &header, &body, &mut fresh);
                assert_eq!((kept, watch), (fresh, answered.watch), "{op:?} of {path}");
            }
            let bytes: usize = self.cache.lists.values().map(|list| list.bytes.len()).sum();
            assert_eq!(self.cache.bytes, bytes);
            assert!(self.cache.lists.len() <= self.cache.max_entries);
            Some(self.cache.misses - misses)
        }
    }

    #[test]
    fn a_list_is_encoded_once_until_it_changes() {
        let mut cached = Cached::new(Some(10));
        cached.parents(&["/a", "/b"]);
        assert_eq!(["/a", "/b", "/a", "/b"].map(|path| cached.ask(path)), [1, 1, 0, 0].map(Some));
        cached.create("/a/3");
        assert_eq!(["/a", "/b", "/a"].map(|path| cached.ask(path)), [1, 0, 0].map(Some));
        cached.delete("/a/1");
        assert_eq!(["/a", "/b", "/a"].map(|path| cached.ask(path)), [1, 0, 0].map(Some));
        // As many children as before, with other names.
        cached.delete("/a/2");
        cached.create("/a/4");
        assert_eq!(["/a", "/b", "/a"].map(|path| cached.ask(path)), [1, 0, 0].map(Some));
    }

    #[test]
    fn a_parent_in_the_place_of_another_has_its_own_list() {
        let mut cached = Cached::new(Some(10));
        cached.parents(&["/a"]);
        assert_eq!(cached.ask("/a"), Some(1));
        let id = cached.tree.get("/a").map(|node| node.id());
        for path in ["/a/1", "/a/2", "/a"] {
            cached.delete(path);
        }
        cached.create("/c");
        assert_eq!(cached.tree.get("/c").map(|node| node.id()), id, "its place is taken again");
        assert_eq!(cached.ask("/a"), None, "no znode is somebody else's business");
        assert_eq!(cached.ask("/c"), Some(1));
    }

    #[test]
    fn each_part_of_a_version_tells_states_apart() {
        let mut cached = Cached::new(Some(10));
        cached.parents(&["/a"]);
        let is = ListVersion::of(&cached.tree.get("/a").expect("just created"));
        let was = [
            ListVersion { czxid: Zxid(0), ..is },
            ListVersion { pzxid: Zxid(0), ..is },
            ListVersion { cversion: is.cversion - 1, ..is },
            ListVersion { children: is.children - 1, ..is },
        ];
        for version in was {
            cached.ask("/a");
            cached
                .cache
                .lists
                .values_mut()
                .for_each(|list| *list = List { version, bytes: list.bytes.clone() });
            assert_eq!(cached.ask("/a"), Some(1), "{version:?}");
        }
    }

    #[test]
    fn beyond_the_limit_it_begins_anew() {
        let mut cached = Cached::new(Some(2));
        cached.parents(&["/a", "/b", "/c"]);
        assert_eq!(["/a", "/b", "/a", "/b"].map(|path| cached.ask(path)), [1, 1, 0, 0].map(Some));
        // One that changes has its place already.
        cached.create("/a/3");
        assert_eq!(["/a", "/b"].map(|path| cached.ask(path)), [1, 0].map(Some));
        assert_eq!(["/c", "/a", "/b"].map(|path| cached.ask(path)), [1, 1, 1].map(Some));
    }

    #[test]
    fn there_is_a_limit_in_bytes_too() {
        let mut cached = Cached::new(Some(1000));
        cached.parents(&["/a", "/b", "/c"]);
        // Six MiB each: there is room for two.
        for parent in ["/a", "/b", "/c"] {
            for n in 0..60 {
                cached.create(&format!("{parent}/{n}-{}", "x".repeat(100 << 10)));
            }
        }
        assert_eq!(["/a", "/b", "/a", "/b"].map(|path| cached.ask(path)), [1, 1, 0, 0].map(Some));
        assert_eq!(["/c", "/c", "/a", "/b"].map(|path| cached.ask(path)), [1, 0, 1, 1].map(Some));
    }

    #[test]
    fn without_entries_it_is_off() {
        for max_entries in [None, Some(0)] {
            let mut cached = Cached::new(max_entries);
            cached.parents(&["/a"]);
            assert_eq!(cached.ask("/a"), None);
            assert_eq!(cached.cache.misses, 0);
        }
    }
}
