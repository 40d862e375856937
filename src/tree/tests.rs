//! Loading: what a snapshot of the official server may hold twice, not yet, or already.

use super::*;
use bytes::Bytes;
use oxkeeper_codec::{
    Perms,
    records::{Acl, CreateTxn, DataNode, DeleteTxn, Id, SetAclTxn, TxnHeader},
    txn::{LoggedCreate, LoggedTxn, Txn},
};
use proptest::prelude::*;

const PATHS: &[&str] = &["/a", "/a/b", "/a/b/c", "/d", "", "/zookeeper/quota/a/zookeeper_limits"];
const OWNERS: &[i64] = &[0, 0, 5, 6, CONTAINER_OWNER];

fn acl(id: &str) -> Vec<Acl> {
    vec![Acl { perms: Perms::READ, id: Id { scheme: "digest".into(), id: id.into() } }]
}

fn stat(zxid: i64, owner: i64) -> StatPersisted {
    StatPersisted {
        czxid: Zxid(zxid),
        mzxid: Zxid(zxid),
        ctime: zxid,
        mtime: zxid,
        version: 0,
        cversion: 0,
        aversion: 0,
        ephemeral_owner: owner,
        pzxid: Zxid(zxid),
    }
}

fn load_node(loader: &mut Loader, path: &str, node: &DataNode<'_>) -> Result<(), LoadError> {
    loader.node(path, node, &Preparer::new(&TreeOptions::default()).node(path, node))
}

fn loader() -> Loader {
    with_lists(Loader::careful(TreeOptions::default()))
}

fn with_lists(mut loader: Loader) -> Loader {
    for (number, id) in [(1, "a"), (2, "b"), (3, "c")] {
        loader.acl(number, acl(id));
    }
    loader
}

fn load(loader: &mut Loader, path: &str, acl: i64, owner: i64, data: &[u8]) -> Result<(), LoadError> {
    load_node(loader, path, &DataNode { data: Some(data), acl, stat: stat(1, owner) })
}

#[test]
fn a_list_that_lost_its_last_znode_while_loading_is_found_again() {
    // The znode that came twice took list 1 with it; the next one that names it was open to everybody.
    let mut loader = loader();
    for (path, number) in [("", -1), ("/a", 1), ("/a", 2), ("/b", 1)] {
        load(&mut loader, path, number, 0, b"").unwrap();
    }
    let (tree, _) = loader.finish(Zxid(1)).unwrap();
    assert_eq!(**tree.get("/b").unwrap().acl(), acl("a")[..]);
    tree.check();
}

fn apply(tree: &mut Tree, observer: &mut impl Observer, zxid: i64, txn: Txn) {
    let header = TxnHeader { client_id: SessionId(9), cxid: 0, zxid: Zxid(zxid), time: zxid, op: txn.op() };
    tree.apply(&LoggedTxn { header, txn, digest: None }, observer, &mut Vec::new());
}

fn create(path: &str, acl: Vec<Acl>, parent_cversion: i32) -> Txn {
    let data = Some(Bytes::from_static(b"new"));
    Txn::Create(CreateTxn { path: path.into(), data, acl, ephemeral: false, parent_cversion })
}

fn delete(path: &str) -> Txn {
    Txn::Delete(DeleteTxn { path: path.into() })
}

#[test]
fn a_list_that_came_after_the_table_is_given_by_the_replay() {
    let mut loader = loader();
    for (path, number) in
        [("", -1), ("/created", 77), ("/set", 78), ("/gone", 79), ("/lost", 80), ("/lost/below", 1)]
    {
        load(&mut loader, path, number, 0, b"").unwrap();
    }
    // Another number without a list, and again with one.
    load(&mut loader, "/lost/below", 81, 0, b"").unwrap();
    load(&mut loader, "/lost/below", 2, 0, b"").unwrap();
    let (mut tree, unresolved) = loader.finish(Zxid(1)).unwrap();
    for path in ["/created", "/set", "/gone", "/lost"] {
        let acl = tree.get(path).unwrap().acl();
        assert!(!acl.is_empty() && acl.iter().all(|entry| entry.perms == Perms::NONE), "{path} is closed");
    }
    apply(&mut tree, &mut (), 2, create("/created", acl("new"), 1));
    apply(&mut tree, &mut (), 3, Txn::SetAcl(SetAclTxn { path: "/set".into(), acl: acl("set"), version: 1 }));
    apply(&mut tree, &mut (), 4, delete("/gone"));
    // It takes the place of the one that is gone.
    apply(&mut tree, &mut (), 5, create("/later", acl("later"), 5));
    assert_eq!(unresolved.settle(&mut tree), ["/lost"]);
    let expected =
        [("/created", acl("new")), ("/set", acl("set")), ("/later", acl("later")), ("/lost/below", acl("b"))];
    for (path, list) in expected {
        assert_eq!(**tree.get(path).unwrap().acl(), list[..], "{path}");
    }
    assert!(tree.get("/lost").unwrap().acl().iter().all(|entry| entry.perms == Perms::NONE));
    tree.check();
}

#[test]
fn a_deletion_behind_which_the_snapshot_has_the_znode_again_with_children() {
    let mut loader = loader();
    let nodes = [("", 0), ("/a", 7), ("/a/b", 8), ("/a/b/c", 9)].map(|(path, zxid)| (path, stat(zxid, 0)));
    for (path, stat) in nodes {
        load_node(&mut loader, path, &DataNode { data: Some(b"later"), acl: -1, stat }).unwrap();
    }
    let (mut tree, _) = loader.finish(Zxid(1)).unwrap();
    // Two lives of it before the one that the snapshot shows.
    for zxid in [2, 4] {
        apply(&mut tree, &mut (), zxid, create("/a", acl("a"), 1));
        apply(&mut tree, &mut (), zxid + 1, delete("/a"));
    }
    for (zxid, path) in [(7, "/a"), (8, "/a/b"), (9, "/a/b/c")] {
        apply(&mut tree, &mut (), zxid, create(path, acl("a"), 1));
    }
    for (path, zxid) in [("/a", 7), ("/a/b", 8), ("/a/b/c", 9)] {
        let node = tree.get(path).unwrap();
        assert_eq!((node.stat().czxid, node.data()), (Zxid(zxid), Some(&b"new"[..])), "{path}");
    }
    assert_eq!(tree.get("/a").unwrap().num_children(), 1);
    assert_eq!(tree.node_count(), 4);
    tree.check();
}

/// The paths that a snapshot of the tree holds, with what is done to it meanwhile.
fn written(tree: &mut Tree, meanwhile: impl FnOnce(&mut Tree, &mut Snapshotter)) -> BTreeSet<String> {
    struct Paths(BTreeSet<String>);
    impl crate::storage::SnapshotVisitor for Paths {
        fn session(&mut self, _: SessionId, _: i32) {}
        fn acl(&mut self, _: i64, _: Vec<Acl>) {}
        type Preparer = ();
        fn preparer(&self) {}
        fn node(&mut self, path: &str, _: DataNode<'_>, (): ()) -> Result<(), String> {
            if self.0.insert(path.to_owned()) { Ok(()) } else { Err(format!("{path} comes twice")) }
        }
    }
    let disk = std::sync::Arc::new(crate::storage::MemoryDisk::new("/d"));
    let none = crate::storage::Compression::None;
    let mut writer = crate::storage::SnapshotWriter::create(disk.clone(), Zxid(1), none).unwrap();
    let mut sessions = Vec::new();
    crate::session::encode_sessions(std::iter::empty(), &mut sessions);
    writer.write(&sessions).unwrap();
    let mut snapshotter = Snapshotter::begin(tree);
    writer.write(&snapshotter.piece(tree, 1).bytes).unwrap();
    meanwhile(tree, &mut snapshotter);
    snapshotter.pieces(tree, 1 << 20).for_each(|piece| writer.write(&piece).unwrap());
    writer.finish(&crate::storage::SnapshotTail::default()).unwrap();
    let mut paths = Paths(BTreeSet::new());
    crate::storage::read_snapshot(&disk.content("snapshot.1").unwrap(), none, &mut paths).unwrap();
    paths.0
}

#[test]
fn znodes_from_beyond_the_trees_own_zxid_are_in_its_next_snapshot() {
    // A fuzzy snapshot without its log: named after 1, with znodes of 20.
    let mut loader = loader();
    let paths = ["", "/a", "/b", "/b/c", "/d"];
    for path in paths {
        load_node(&mut loader, path, &DataNode { data: None, acl: -1, stat: stat(20, 0) }).unwrap();
    }
    let (mut tree, _) = loader.finish(Zxid(1)).unwrap();
    apply(&mut tree, &mut (), 2, delete("/a"));
    let expected: BTreeSet<String> = ["", "/b", "/b/c", "/d"].map(str::to_owned).into();
    let found = written(&mut tree, |tree, snapshotter| {
        // New ones: in a place that was free at the beginning, in one that becomes free, and behind all.
        for (zxid, path) in [(3, "/new"), (4, "/new/below")] {
            apply(tree, snapshotter, zxid, create(path, acl("a"), 30));
        }
        apply(tree, snapshotter, 5, delete("/d"));
        apply(tree, snapshotter, 6, create("/b/new", acl("a"), 30));
        apply(
            tree,
            snapshotter,
            7,
            Txn::SetAcl(SetAclTxn { path: "/new".into(), acl: acl("b"), version: 1 }),
        );
        apply(tree, snapshotter, 8, create("/b/c/new", acl("a"), 30));
    });
    assert_eq!(found, expected);
    tree.check();
}

#[test]
fn what_is_no_path_is_refused() {
    for path in ["a", "/a/", "//", "/a//b"] {
        let mut loader = loader();
        load(&mut loader, "", -1, 0, b"").unwrap();
        load(&mut loader, "/a", -1, 0, b"").unwrap();
        assert_eq!(load(&mut loader, path, -1, 0, b""), Err(LoadError::NoPath(path.to_owned())));
    }
}

#[test]
fn a_znode_that_comes_again_with_another_owner_is_listed_under_that() {
    let mut loader = loader();
    for (path, owner, data) in [("", 0, ""), ("/a", 5, "1"), ("/a/b", 0, ""), ("/a", CONTAINER_OWNER, "123")]
    {
        load(&mut loader, path, -1, owner, data.as_bytes()).unwrap();
    }
    let (tree, _) = loader.finish(Zxid(1)).unwrap();
    assert_eq!((tree.ephemeral_count(), tree.expirable(None).count()), (0, 1));
    tree.check();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_list_of_znodes_loads_into_a_tree_that_agrees_with_itself(
        nodes in prop::collection::vec(
            (prop::sample::select(PATHS), -1..4i64, prop::sample::select(OWNERS), 0..5usize), 0..30)
    ) {
        let (mut careful, mut hasty) = (loader(), with_lists(Loader::new(TreeOptions::default())));
        let mut refused = None;
        let mut each = |path: &str, number, owner, data: &[u8]| {
            load(&mut careful, path, number, owner, data).unwrap();
            if refused.is_none() {
                refused = load(&mut hasty, path, number, owner, data).err();
            }
        };
        each("", -1, 0, b"");
        let (mut there, mut twice) = (BTreeSet::from([""]), false);
        for (path, number, owner, len) in nodes {
            let (parent, _) = path.rsplit_once('/').unwrap_or_default();
            // Number 0 is not in the table.
            if there.contains(parent) {
                each(path, number, owner, &b"12345"[..len]);
                twice |= !there.insert(path);
            }
        }
        let (mut tree, unresolved) = careful.finish(Zxid(1)).unwrap();
        unresolved.settle(&mut tree);
        tree.check();
        // A path that comes twice is noticed, and nothing else is refused.
        let hasty = refused.map_or_else(|| hasty.finish(Zxid(1)), Err);
        match hasty {
            Err(refused) => prop_assert!(twice && refused == LoadError::Twice, "{refused}"),
            Ok((mut other, unresolved)) => {
                prop_assert!(!twice);
                unresolved.settle(&mut other);
                other.check();
                let state = |tree: &Tree| (tree.digest(), tree.data_size(), tree.node_count(), tree.acl_count());
                prop_assert_eq!(state(&other), state(&tree));
            }
        }
    }
}

#[test]
fn parents_are_found_whatever_order_znodes_come_in() {
    // More than are put into the index at once, below parents that are behind each other, far apart, and new.
    let mut loader = Loader::new(TreeOptions::default());
    load(&mut loader, "", -1, 0, b"").unwrap();
    for i in 0..300 {
        load(&mut loader, &format!("/p{i}"), -1, 0, b"").unwrap();
    }
    for i in 0..80_000 {
        load(&mut loader, &format!("/p{}/n{i}", i % 300), -1, 0, b"").unwrap();
        if i % 1000 == 0 {
            load(&mut loader, &format!("/p{}/n{i}/below", i % 300), -1, 0, b"").unwrap();
        }
    }
    let refused = load(&mut loader, "/p7/none/below", -1, 0, b"").unwrap_err();
    assert_eq!(refused, LoadError::NoParent("/p7/none/below".into()));
    let (tree, _) = loader.finish(Zxid(1)).unwrap();
    assert_eq!(tree.node_count(), 1 + 300 + 80_000 + 80);
    tree.check();
}

#[test]
fn a_replay_with_what_is_known_ahead_ends_in_the_same_tree() {
    let create = |path: &str, ephemeral| {
        let (path, data, acl) = (path.into(), Some(Bytes::from_static(b"data")), acl("a"));
        CreateTxn { path, data, acl, ephemeral, parent_cversion: -1 }
    };
    let one = |path| Txn::Create(create(path, false));
    let txns = [
        one("/a"),
        one("/a/b"),
        Txn::Create2(create("/a/e", true)),
        one("/"),
        one("/a"),
        one("/nowhere/c"),
        one("/\u{e4}\u{1f600}"),
        one("/zookeeper/quota/a"),
        one("/zookeeper/quota/a/zookeeper_stats"),
        one("/zookeeper/quota/a/zookeeper_limits"),
        one("/a/counted"),
        Txn::Multi(vec![one("/a/b/m"), one("/a/b/n")]),
        delete("/a/b/m"),
        one("/a/b/m"),
    ];
    for digest in [true, false] {
        let options = TreeOptions { digest, ..TreeOptions::default() };
        let (mut applied, mut replayed) = (Tree::new(options), Tree::new(options));
        let (preparer, mut replay) = (Preparer::new(&options), Replay::default());
        let logged: Vec<LoggedTxn> = (1..)
            .zip(&txns)
            .map(|(zxid, txn)| {
                let header = TxnHeader {
                    client_id: SessionId(5),
                    cxid: 1,
                    zxid: Zxid(zxid),
                    time: zxid,
                    op: txn.op(),
                };
                LoggedTxn { header, txn: txn.clone(), digest: None }
            })
            .collect();
        let mut bodies = vec![Vec::new(); logged.len()];
        logged.iter().zip(&mut bodies).for_each(|(logged, body)| logged.encode(body));
        // All are looked up at once, although some are what others need or make.
        let creates: Vec<_> = bodies.iter().map(|body| LoggedCreate::from_body(body)).collect();
        let mut prepared: Vec<_> = creates
            .iter()
            .zip(&logged)
            .map(|(create, logged)| match create {
                Some(create) => preparer.create(create),
                None => preparer.txn(logged),
            })
            .collect();
        let pairs = creates.iter().zip(&mut prepared);
        replay.expect(&replayed, pairs.filter_map(|(create, prepared)| Some((create.as_ref()?, prepared))));
        for ((logged, create), prepared) in logged.iter().zip(&creates).zip(prepared) {
            applied.apply(logged, &mut (), &mut Vec::new());
            match create {
                Some(create) => replay.create(&mut replayed, create, prepared),
                None => replay.txn(&mut replayed, logged, prepared),
            }
            let state =
                |tree: &Tree| (tree.digest(), tree.data_size(), tree.node_count(), tree.ephemeral_count());
            assert_eq!(state(&applied), state(&replayed), "after {logged:?}");
        }
        let content = |tree: &Tree| {
            let node = |path: &str| tree.get(path).map(|node| (node.stat(), node.data().map(<[u8]>::to_vec)));
            ["/", "/a", "/a/b/m", "/a/e", "/\u{e4}\u{1f600}", "/zookeeper/quota/a/zookeeper_stats"].map(node)
        };
        assert_eq!(content(&applied), content(&replayed));
        replayed.check();
    }
}

#[test]
fn room_that_was_made_for_too_many_is_given_back() {
    let mut loader = loader();
    load(&mut loader, "", -1, 0, b"").unwrap();
    for i in 0..5000 {
        load(&mut loader, &format!("/n{i}"), -1, 0, b"").unwrap();
        loader.progress(1, 1_000_000);
    }
    let (mut tree, _) = loader.finish(Zxid(1)).unwrap();
    tree.check();
    tree.shrink();
    tree.check();
}
