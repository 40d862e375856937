//! Random operations on a table and on the model: the same events, the same answers, the same figures.

use super::{model::Model, *};
use proptest::prelude::*;

/// Paths that are watched; the first are also changed. Those with odd forms must not match anything else.
const PATHS: &[&str] = &["/a", "/a/b", "/a/b/c", "/ab", "/a/c", "/", "", "x", "/a/", "//", "/a//b"];
const CHANGED: usize = 5;
const KINDS: &[WatcherKind] = &[
    WatcherKind::Children,
    WatcherKind::Data,
    WatcherKind::Any,
    WatcherKind::Persistent,
    WatcherKind::PersistentRecursive,
];

#[derive(Debug, Clone)]
enum Op {
    Add(u8, &'static str, ConnKey),
    Remove(&'static str, WatcherKind, ConnKey),
    RemoveConn(ConnKey),
    Fire(Change),
}

fn op() -> impl Strategy<Value = Op> {
    let path = || prop_oneof![4 => prop::sample::select(&PATHS[..6]), 1 => prop::sample::select(PATHS)];
    let conn = || (0..6u32).prop_map(ConnKey);
    let kind = prop::sample::select(vec![ChangeKind::Created, ChangeKind::Deleted, ChangeKind::DataChanged]);
    let fire =
        (kind, prop::sample::select(&PATHS[..CHANGED])).prop_map(|(kind, path)| Op::Fire(change(kind, path)));
    prop_oneof![
        12 => (0..4u8, path(), conn()).prop_map(|(mode, path, conn)| Op::Add(mode, path, conn)),
        5 => (path(), prop::sample::select(KINDS), conn()).prop_map(|(p, k, c)| Op::Remove(p, k, c)),
        1 => conn().prop_map(Op::RemoveConn),
        4 => fire,
    ]
}

fn step(op: &Op, table: &mut WatchTable, model: &mut Model) {
    match op {
        Op::Add(0, path, conn) => (table.add_data(path, *conn), model.add_data(path, *conn)).0,
        Op::Add(1, path, conn) => (table.add_child(path, *conn), model.add_child(path, *conn)).0,
        Op::Add(2, path, conn) => (table.add_persistent(path, *conn), model.add_persistent(path, *conn)).0,
        Op::Add(_, path, conn) => (table.add_recursive(path, *conn), model.add_recursive(path, *conn)).0,
        Op::Remove(path, kind, conn) => {
            assert_eq!(table.remove(path, *kind, *conn), model.remove(path, *kind, *conn));
        }
        Op::RemoveConn(conn) => (table.remove_conn(*conn), model.remove_conn(*conn)).0,
        Op::Fire(change) => assert_eq!(fired(table, change), model.fire(change)),
    }
}

fn compare(table: &WatchTable, model: &Model) {
    table.check_consistent();
    let data = &model.data.watches;
    assert_eq!(table.watch_count(), data.len() + model.child.watches.len());
    let by_path: BTreeSet<_> =
        table.by_path().flat_map(|(path, conns)| conns.map(move |c| (path, c))).collect();
    assert_eq!(by_path, data.keys().map(|(path, conn)| (path.as_str(), *conn)).collect());
    let by_conn = table.by_connection().flat_map(|(conn, paths)| paths.map(move |path| (path, conn)));
    assert_eq!(by_conn.collect::<BTreeSet<_>>(), by_path);
    assert_eq!(table.by_connection().map(|(conn, _)| conn).collect::<BTreeSet<_>>(), model.data.listed);
    let paths: BTreeSet<_> = data.keys().map(|(path, _)| path).collect();
    let expected = Summary { connections: model.data.listed.len(), paths: paths.len(), watches: data.len() };
    assert_eq!(table.summary(), expected);
    for path in PATHS {
        for kind in KINDS {
            for conn in (0..6).map(ConnKey) {
                assert_eq!(table.contains(path, *kind, conn), model.contains(path, *kind, conn));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_table_and_the_model_agree(seed: u64, ops in prop::collection::vec(op(), 1..120)) {
        let mut table = WatchTable::new(seed);
        let mut model = Model::default();
        for op in &ops {
            step(op, &mut table, &mut model);
            compare(&table, &model);
        }
    }
}
