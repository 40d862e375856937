//! Encoded lists of children, kept by each worker for the parents that are asked for again and again
//! (`maxGetChildrenResponseCacheSize`).
//!
//! Invariant: an entry is used only while the parent's creation, pzxid and counter are those it was made from; every
//! change of the list changes one of them.

use super::outbox::Outbox;
use crate::{
    auth,
    processor::{
        long_read::{self, ListVersion},
        read::{self, Asker, ReadWatch, encode_names},
    },
    server::figures::bytes_of_list,
    tree::{NodeId, NodeRef, Tree},
};
use bytes::Bytes;
use hashbrown::HashMap;
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode, Perms,
    records::{GetChildrenRequest, ReplyHeader, RequestHeader},
};

/// Bytes of all lists that one worker keeps.
const MAX_BYTES: usize = 16 << 20;
/// A list of fewer bytes is copied into the reply: that costs less than to share it.
const WORTH_SHARING: usize = 16 << 10;

/// An encoded list: how many names, and they.
#[derive(Debug)]
struct List {
    version: ListVersion,
    pieces: Vec<Bytes>,
    /// Bytes of the pieces.
    len: usize,
}

/// What an answer leaves, besides the reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listed<'a> {
    /// The watch that is to be set together with the reply.
    pub(super) watch: Option<ReadWatch<'a>>,
    /// What the read counts for, in bytes.
    pub(super) bytes: Option<u64>,
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

    /// Keeps none of those that there are: the tree is another one.
    pub(super) fn forget(&mut self) {
        self.lists.clear();
        self.bytes = 0;
    }

    /// Answers getChildren and getChildren2 of a parent with at least `min_children`. `None`: somebody else has to.
    pub(super) fn answer<'a>(
        &mut self,
        tree: &Tree,
        asker: Asker<'_>,
        header: &RequestHeader,
        body: &'a [u8],
        out: &mut Outbox,
        min_children: usize,
    ) -> Option<Listed<'a>> {
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
        let list = self.list(&node)?;
        let mut stat = Vec::new();
        if header.op == OpCode::GET_CHILDREN2 {
            node.stat().encode(&mut stat);
        }
        if list.len + stat.len() > read::BODY_MAX_BYTES {
            return None;
        }
        let reply = ReplyHeader { xid: header.xid, zxid: tree.last_zxid(), err: Code::OK };
        read::reply_head(out.tail(), reply, list.len + stat.len());
        for piece in &list.pieces {
            if list.len < WORTH_SHARING {
                out.tail().extend_from_slice(piece);
            } else {
                out.share(piece.clone());
            }
        }
        out.tail().extend_from_slice(&stat);
        let bytes = bytes_of_list(request.path.as_bytes(), node.num_children(), list.len);
        Some(Listed { watch: request.watch.then_some(ReadWatch::Child(request.path)), bytes })
    }

    fn has(&self, node: &NodeRef<'_>) -> bool {
        self.lists.get(&node.id()).is_some_and(|list| list.version == ListVersion::of(node))
    }

    fn list(&mut self, node: &NodeRef<'_>) -> Option<&List> {
        if !self.has(node) {
            let mut names = Vec::new();
            encode_names(node, &mut names);
            // As long as it is, and no longer.
            self.keep(node.id(), ListVersion::of(node), vec![names.into_boxed_slice().into()]);
        }
        self.lists.get(&node.id())
    }

    /// Keeps a list that had to be encoded, as it is in this version.
    pub(super) fn keep(&mut self, id: NodeId, version: ListVersion, pieces: Vec<Bytes>) {
        self.misses += 1;
        let len = pieces.iter().map(Bytes::len).sum();
        // What it replaces makes room first: a list that changes in a full cache is to cost the others nothing.
        if let Some(old) = self.lists.remove(&id) {
            self.bytes -= old.len;
        }
        if self.lists.len() >= self.max_entries || self.bytes + len > MAX_BYTES {
            self.lists.clear();
            self.bytes = 0;
        }
        self.bytes += len;
        self.lists.insert(id, List { version, pieces, len });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::{AuthConfig, Identities},
        server::figures::read_bytes,
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
                let (mut kept, mut fresh) = (Outbox::default(), Vec::new());
                let listed = self.cache.answer(&self.tree, asker, &header, &body, &mut kept, 0)?;
                let answered = read::answer(&self.tree, asker, &header, &body, &mut fresh);
                let bytes = read_bytes(op, &body, &fresh).map(|(_, bytes)| bytes);
                assert_eq!(listed, Listed { watch: answered.watch, bytes }, "{op:?} of {path}");
                assert!(kept.taken() == fresh, "{op:?} of {path}");
            }
            let bytes: usize = self.cache.lists.values().map(|list| list.len).sum();
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
            cached.cache.lists.values_mut().for_each(|list| list.version = version);
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
