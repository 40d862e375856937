//! Loading: what a snapshot of the official server may hold twice.

use super::*;
use oxkeeper_codec::{
    Perms,
    records::{Acl, DataNode, Id},
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

fn loader() -> Loader {
    let mut loader = Loader::new(TreeOptions::default());
    for (number, id) in [(1, "a"), (2, "b"), (3, "c")] {
        loader.acl(number, acl(id));
    }
    loader
}

fn load(loader: &mut Loader, path: &str, acl: i64, owner: i64, data: &[u8]) -> Result<(), LoadError> {
    loader.node(path, &DataNode { data: Some(data), acl, stat: stat(1, owner) })
}

#[test]
fn a_list_that_lost_its_last_znode_while_loading_is_found_again() {
    // The znode that came twice took list 1 with it; the next one that names it was open to everybody.
    let mut loader = loader();
    for (path, number) in [("", -1), ("/a", 1), ("/a", 2), ("/b", 1)] {
        load(&mut loader, path, number, 0, b"").unwrap();
    }
    let tree = loader.finish(Zxid(1)).unwrap();
    assert_eq!(**tree.get("/b").unwrap().acl(), acl("a")[..]);
    tree.check();
}

#[test]
fn a_znode_that_comes_again_with_another_owner_is_listed_under_that() {
    let mut loader = loader();
    for (path, owner, data) in [("", 0, ""), ("/a", 5, "1"), ("/a/b", 0, ""), ("/a", CONTAINER_OWNER, "123")]
    {
        load(&mut loader, path, -1, owner, data.as_bytes()).unwrap();
    }
    let tree = loader.finish(Zxid(1)).unwrap();
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
        let mut loader = loader();
        load(&mut loader, "", -1, 0, b"").unwrap();
        let mut there = BTreeSet::from([""]);
        for (path, number, owner, len) in nodes {
            let (parent, _) = path.rsplit_once('/').unwrap_or_default();
            // Number 0 is not in the table; a load that fails is given up.
            if number != 0 && there.contains(parent) {
                load(&mut loader, path, number, owner, &b"12345"[..len]).unwrap();
                there.insert(path);
            }
        }
        loader.finish(Zxid(1)).unwrap().check();
    }
}
