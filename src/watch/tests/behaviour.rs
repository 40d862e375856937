//! One test a behaviour.

use super::*;
use ChangeKind::{Created, DataChanged, Deleted};
use WatcherKind::{Any, Children, Data, Persistent, PersistentRecursive};

/// A table with watches set by the letters of `modes`: data, child, persistent, recursive.
fn table(watches: &[(&str, &str, ConnKey)]) -> WatchTable {
    let mut table = WatchTable::default();
    for (path, modes, conn) in watches {
        for mode in modes.chars() {
            match mode {
                'd' => table.add_data(path, *conn),
                'c' => table.add_child(path, *conn),
                'p' => table.add_persistent(path, *conn),
                'r' => table.add_recursive(path, *conn),
                other => panic!("{other} is no mode"),
            }
            table.check_consistent();
        }
    }
    table
}

fn none() -> Vec<String> {
    Vec::new()
}

#[test]
fn b030_watches_vanish_with_their_connection() {
    let mut table = table(&[("/a", "dcpr", A), ("/b", "d", A), ("/a", "dr", B), ("/b", "c", C)]);
    table.remove_conn(A);
    table.check_consistent();
    assert_eq!(events(&mut table, DataChanged, "/a"), ["NODE_DATA_CHANGED /a [7]"]);
    assert_eq!(table.watch_count(), 2);
    table.remove_conn(B);
    table.remove_conn(C);
    table.remove_conn(C);
    table.check_consistent();
    assert!(table.is_empty());
    assert_eq!(table.summary(), Summary::default());
}

#[test]
fn b030_a_connection_can_leave_in_small_steps() {
    let mut table = table(&[("/a", "dcpr", A), ("/b", "d", A), ("/c", "c", A), ("/a", "dr", B)]);
    let mut steps = 1;
    while !table.remove_some(A, 1) {
        table.check_consistent();
        steps += 1;
    }
    assert_eq!((steps, table.watch_count()), (4, 1));
    assert!(table.remove_some(A, 1), "nothing is left to do");
}

#[test]
fn b137_data_and_exists_are_one_table_children_another() {
    let mut table = table(&[("/a", "ddc", A)]);
    assert_eq!(table.watch_count(), 2);
    assert_eq!(events(&mut table, DataChanged, "/a"), ["NODE_DATA_CHANGED /a [1]"]);
    assert_eq!(events(&mut table, Created, "/a/x"), ["NODE_CHILDREN_CHANGED /a [1]"]);
}

#[test]
fn b138_a_standard_watch_fires_once() {
    let mut table = table(&[("/a", "d", A), ("/a", "d", B)]);
    assert_eq!(events(&mut table, DataChanged, "/a"), ["NODE_DATA_CHANGED /a [1, 7]"]);
    assert_eq!(events(&mut table, DataChanged, "/a"), none());
    assert!(table.is_empty());
}

#[test]
fn b140_create_tells_the_node_then_the_parent() {
    let mut table = table(&[("/a", "c", A), ("/a/b", "d", B), ("/", "c", C)]);
    assert_eq!(
        events(&mut table, Created, "/a/b"),
        ["NODE_CREATED /a/b [7]", "NODE_CHILDREN_CHANGED /a [1]"]
    );
    assert_eq!(events(&mut table, Created, "/c"), [format!("NODE_CHILDREN_CHANGED / [{}]", u32::MAX)]);
}

#[test]
fn b140_events_carry_the_acl_that_governs_them() {
    let mut table = table(&[("/a", "c", A), ("/a/b", "dc", B)]);
    table.add_child("/a/b", A);
    let told = fired(&mut table, &change(Deleted, "/a/b"));
    let acls: Vec<_> = told.iter().map(|(_, path, acl, _)| format!("{path} {}", acl[0].id.id)).collect();
    assert_eq!(acls, ["/a/b node", "/a/b node", "/a parent"]);
}

#[test]
fn b140_no_children_event_where_no_child_came_or_went() {
    let mut table = table(&[("/", "c", A), ("/a", "d", A)]);
    let replayed = Change { parent_acl: None, ..change(Created, "/a") };
    assert_eq!(fired(&mut table, &replayed).len(), 1);
    assert!(table.contains("/", Children, A));
}

#[test]
fn b141_delete_tells_data_watchers_then_child_watchers_then_the_parent() {
    let mut table = table(&[("/a", "c", A), ("/a/b", "dc", A), ("/a/b", "c", B)]);
    let expected = ["NODE_DELETED /a/b [1]", "NODE_DELETED /a/b [7]", "NODE_CHILDREN_CHANGED /a [1]"];
    assert_eq!(events(&mut table, Deleted, "/a/b"), expected);
    assert!(table.is_empty(), "the child watch of A is used up though it told nothing");
}

#[test]
fn b141_a_recursive_watch_above_spares_the_child_watcher_a_second_event() {
    let mut table = table(&[("/", "r", B), ("/a", "c", A), ("/a", "c", B), ("/a", "d", C)]);
    let first = format!("NODE_DELETED /a [7, {}]", u32::MAX);
    assert_eq!(events(&mut table, Deleted, "/a"), [first.as_str(), "NODE_DELETED /a [1]"]);
}

#[test]
fn b142_data_and_children_are_independent() {
    let mut table = table(&[("/a", "d", A), ("/a", "c", B)]);
    assert_eq!(events(&mut table, Created, "/a/b"), ["NODE_CHILDREN_CHANGED /a [7]"]);
    table.add_child("/a", B);
    assert_eq!(events(&mut table, DataChanged, "/a"), ["NODE_DATA_CHANGED /a [1]"]);
    assert!(table.contains("/a", Children, B));
}

#[test]
fn b143_a_withheld_event_uses_the_watch_up() {
    let mut table = table(&[("/a", "d", A)]);
    table.fire(&change(DataChanged, "/a"), &mut |_| {});
    assert!(!table.contains("/a", Data, A));
}

#[test]
fn b144_a_watch_set_twice_counts_once() {
    let mut table = table(&[("/a", "dd", A), ("/a", "cc", A), ("/b", "pp", A), ("/c", "rr", A)]);
    assert_eq!(table.watch_count(), 5);
    assert_eq!(table.summary(), Summary { connections: 1, paths: 3, watches: 3 });
    assert!(table.remove("/c", PersistentRecursive, A));
    assert_eq!(events(&mut table, Created, "/c/d"), none());
}

#[test]
fn b145_any_path_can_be_watched() {
    let mut table = table(&[("", "p", A), ("x", "r", A), ("//", "d", A), ("/", "d", A), ("/a/", "c", A)]);
    assert_eq!(events(&mut table, Created, "/x"), none());
    assert_eq!(table.summary().paths, 4);
    table.remove_conn(A);
    table.check_consistent();
}

#[test]
fn b146_a_persistent_watch_sees_all_four_events_again_and_again() {
    let mut table = table(&[("/a", "p", A)]);
    for _ in 0..2 {
        assert_eq!(events(&mut table, Created, "/a"), ["NODE_CREATED /a [1]"]);
        assert_eq!(events(&mut table, DataChanged, "/a"), ["NODE_DATA_CHANGED /a [1]"]);
        assert_eq!(events(&mut table, Created, "/a/b"), ["NODE_CHILDREN_CHANGED /a [1]"]);
        assert_eq!(events(&mut table, DataChanged, "/a/b"), none());
        assert_eq!(events(&mut table, Deleted, "/a"), ["NODE_DELETED /a [1]"]);
    }
    assert_eq!(table.watch_count(), 2, "both tables count it");
}

#[test]
fn b147_a_recursive_watch_sees_the_subtree_but_no_children_events() {
    let mut table = table(&[("/a", "r", A), ("/", "r", B)]);
    for _ in 0..2 {
        assert_eq!(events(&mut table, Created, "/a/b/c"), ["NODE_CREATED /a/b/c [1, 7]"]);
        assert_eq!(events(&mut table, DataChanged, "/a"), ["NODE_DATA_CHANGED /a [1, 7]"]);
        assert_eq!(events(&mut table, Deleted, "/a/b"), ["NODE_DELETED /a/b [1, 7]"]);
        assert_eq!(events(&mut table, Created, "/ab"), ["NODE_CREATED /ab [7]"]);
        assert_eq!(events(&mut table, DataChanged, "/"), ["NODE_DATA_CHANGED / [7]"]);
    }
    assert_eq!(table.watch_count(), 2, "the data table alone");
}

#[test]
fn b147_other_watches_on_ancestors_stay_silent() {
    let mut table = table(&[("/a", "dcp", A), ("/a", "d", B), ("/a", "r", C), ("/a/b", "d", A)]);
    let expected = format!("NODE_DATA_CHANGED /a/b [1, {}]", u32::MAX);
    assert_eq!(events(&mut table, DataChanged, "/a/b"), [expected]);
    assert!(table.contains("/a", Data, B));
}

#[test]
fn b148_modes_share_a_path_and_give_one_event() {
    let mut table = table(&[("/a", "dcpr", A), ("/", "r", A)]);
    assert_eq!(table.watch_count(), 3);
    assert_eq!(events(&mut table, DataChanged, "/a"), ["NODE_DATA_CHANGED /a [1]"]);
    assert!(!table.contains("/a", Data, A));
    assert!(table.contains("/a", Persistent, A) && table.contains("/a", PersistentRecursive, A));
    assert_eq!(events(&mut table, Deleted, "/a"), ["NODE_DELETED /a [1]"]);
    assert!(!table.contains("/a", Children, A), "used up without an event of its own");
    assert!(table.contains("/a", Persistent, A));
}

#[test]
fn b149_each_kind_removes_its_own() {
    let kinds = [(1, Children), (2, Data), (4, Persistent), (5, PersistentRecursive)];
    for (number, kind) in kinds {
        assert_eq!(WatcherKind::from_wire(number), Some(kind));
        let mut table = table(&[("/a", "dcpr", A), ("/a", "dcpr", B), ("/", "d", A)]);
        assert!(table.contains("/a", kind, A));
        assert!(table.remove("/a", kind, A));
        table.check_consistent();
        assert!(!table.contains("/a", kind, A));
        assert!(!table.remove("/a", kind, A), "nothing is found a second time");
        for (_, other) in kinds.iter().filter(|(_, other)| *other != kind) {
            assert!(table.contains("/a", *other, A), "{other:?} stays when {kind:?} goes");
        }
        assert!(table.contains("/a", kind, B));
    }
}

#[test]
fn b149_any_removes_all_of_both_tables() {
    assert_eq!(WatcherKind::from_wire(3), Some(Any));
    for modes in ["d", "c", "p", "r", "dcpr"] {
        let mut table = table(&[("/a", modes, A), ("/b", modes, A)]);
        assert!(
            table.contains("/a", Any, A) && !table.contains("/a", Any, B) && !table.contains("/c", Any, A)
        );
        assert!(!table.remove("/a", Any, B));
        assert!(table.remove("/a", Any, A));
        table.check_consistent();
        assert!(!table.contains("/a", Any, A));
        assert!(table.contains("/b", Any, A));
    }
}

#[test]
fn b149_other_numbers_are_refused() {
    for number in [i32::MIN, -1, 0, 6, i32::MAX] {
        assert_eq!(WatcherKind::from_wire(number), None);
    }
}

#[test]
fn b149_a_persistent_watch_is_sought_in_the_data_table() {
    let mut table = table(&[("/a", "p", A)]);
    assert!(!table.contains("/a", Data, A) && !table.contains("/a", Children, A));
    assert!(!table.remove("/a", Data, A) && !table.remove("/a", Children, A));
    assert!(table.remove("/a", Persistent, A));
    assert!(table.is_empty());
}

#[test]
fn b155_recursive_watches_need_no_lookup_once_the_last_is_gone() {
    let mut table = table(&[("/", "rd", A), ("/a", "r", B)]);
    assert_eq!(table.recursive, 2);
    table.remove_conn(B);
    assert!(table.remove("/", PersistentRecursive, A));
    table.check_consistent();
    assert_eq!(table.recursive, 0);
    assert_eq!(events(&mut table, Created, "/a"), none());
}

#[test]
fn wchs_wchc_and_wchp_show_the_data_table() {
    let mut table = table(&[("/a", "dr", B), ("/b", "d", A), ("/a", "d", A), ("/c", "c", C)]);
    let by_path: Vec<(&str, Vec<ConnKey>)> = table.by_path().map(|(p, c)| (p, c.collect())).collect();
    assert_eq!(by_path, [("/a", vec![B, A]), ("/b", vec![A])]);
    let by_conn: Vec<_> = table.by_connection().map(|(c, p)| (c, p.collect::<BTreeSet<_>>())).collect();
    assert_eq!(by_conn, [(A, BTreeSet::from(["/a", "/b"])), (B, BTreeSet::from(["/a"]))]);
    assert_eq!(table.summary(), Summary { connections: 2, paths: 2, watches: 3 });
    assert_eq!(table.watch_count(), 4);
    table.remove_conn(B);
    assert_eq!(table.summary(), Summary { connections: 1, paths: 2, watches: 2 });
}

#[test]
fn wchs_counts_a_connection_whose_watches_have_fired_until_it_takes_one_back() {
    let mut table = table(&[("/a", "d", A)]);
    events(&mut table, DataChanged, "/a");
    assert_eq!(table.summary(), Summary { connections: 1, paths: 0, watches: 0 });
    assert_eq!(
        table.by_connection().map(|(conn, paths)| (conn, paths.count())).collect::<Vec<_>>(),
        [(A, 0)]
    );
    assert!(!table.remove("/a", Data, A));
    assert_eq!(table.summary().connections, 1);
    table.add_data("/b", A);
    assert!(table.remove("/b", Data, A));
    assert_eq!(table.summary().connections, 0);
    table.check_consistent();
}

/// Fan-in and fan-out at a size where anything beyond linear would show.
#[test]
fn many_paths_and_many_connections() {
    const MANY: u32 = 100_000;
    let mut table = WatchTable::new(42);
    for n in 0..MANY {
        table.add_data(&format!("/services/instance-{n:010}"), A);
        table.add_child("/services", ConnKey(n));
    }
    table.check_consistent();
    assert_eq!(fired(&mut table, &change(Created, "/services/x"))[0].3.len(), MANY as usize);
    (0..MANY).for_each(|n| table.add_persistent("/services", ConnKey(n)));
    (0..MANY).filter(|n| n % 2 == 0).for_each(|n| table.remove_conn(ConnKey(n)));
    table.check_consistent();
    assert_eq!(table.summary().watches, (MANY + MANY / 2) as usize);
    table.remove_conn(A);
    (0..MANY).for_each(|n| table.remove_conn(ConnKey(n)));
    table.check_consistent();
    assert!(table.is_empty());
}
