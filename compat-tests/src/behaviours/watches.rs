//! Watches of all kinds (135 to 156).

use super::setups::{FRESH, PLAIN};
use super::{Case, Ctx, case, same};
use crate::client::{OPEN, Outcome};
use crate::requests::watches_body;

pub(super) const CASES: &[Case] = &[
    case("event-before-reply", &[135, 136, 138], &PLAIN, own_events),
    case("one-table-for-data-and-exists", &[137, 144], &PLAIN, tables),
    case("watches-of-failed-reads", &[139], &PLAIN, failed_reads),
    case("what-fires-what", &[140, 142], &PLAIN, causes),
    case("deletion-events", &[141], &PLAIN, deletions),
    case("events-and-permissions", &[143], &PLAIN, permissions),
    case("add-watch", &[145], &PLAIN, add_watch),
    case("persistent-watches", &[146], &PLAIN, persistent),
    case("recursive-watches", &[147], &FRESH, recursive),
    case("watches-of-several-kinds", &[148], &PLAIN, kinds),
    case("remove-watches", &[149, 150], &PLAIN, remove),
    case("set-watches-data", &[151, 154], &PLAIN, set_data),
    case("set-watches-exist", &[152, 154], &PLAIN, set_exist),
    case("set-watches-children", &[153, 154], &PLAIN, set_children),
    case("set-watches-without-permission", &[154], &PLAIN, set_denied),
    case("set-watches-2", &[155], &PLAIN, set_persistent),
    case("set-watches-in-parts", &[156], &PLAIN, set_in_parts),
];

fn own_events(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let mut other = t.session()?;
    let made = c.create("/b135", 0)?.ok()?;
    c.get("/b135", true)?.ok()?;
    c.set("/b135", b"1", -1)?.after(&[(3, "/b135")])?.ok()?;
    c.set("/b135", b"2", -1)?.after(&[])?.ok()?;
    c.get("/b135", true)?.ok()?;
    other.set("/b135", b"3", -1)?.ok()?;
    let seen = c.get("/b135", false)?.after(&[(3, "/b135")])?.ok()?;
    same("data", seen.data()?, Some(b"3".to_vec()))?;
    same("zxid", seen.zxid, made.zxid + 3)
}

fn tables(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b137", 0)?.ok()?;
    c.get("/b137", true)?.ok()?;
    c.exists("/b137", true)?.ok()?;
    c.get("/b137", true)?.ok()?;
    c.children("/b137", true)?.ok()?;
    c.children2("/b137", true)?.ok()?;
    c.set("/b137", b"x", -1)?.after(&[(3, "/b137")])?.ok()?;
    c.set("/b137", b"x", -1)?.after(&[])?.ok()?;
    c.create("/b137/x", 0)?.after(&[(4, "/b137")])?.ok()?;
    c.create("/b137/y", 0)?.after(&[])?.ok().map(|_| ())
}

fn failed_reads(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.get("/b139a", true)?.err(-101)?;
    c.children("/b139a", true)?.err(-101)?;
    c.children2("/b139a", true)?.err(-101)?;
    c.create("/b139a", 0)?.after(&[])?.ok()?;
    c.exists("/b139b", true)?.err(-101)?;
    c.create("/b139b", 0)?.after(&[(1, "/b139b")])?.ok()?;
    c.create_acl("/b139c", &[(30, "world", "anyone")])?.ok()?;
    c.get("/b139c", true)?.err(-102)?;
    c.exists("/b139c", true)?.err(-102)?;
    c.check_watches("/b139c", 3)?.err(-121)?;
    c.delete("/b139c", -1)?.after(&[])?.ok()?;
    c.exists("/b139d/", true)?.err(-101)?;
    c.check_watches("/b139d/", 2)?.ok().map(|_| ())
}

fn causes(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b140", 0)?.ok()?;
    c.exists("/b140/x", true)?.err(-101)?;
    c.children("/b140", true)?.ok()?;
    c.get("/b140", true)?.ok()?;
    c.create("/b140/x", 0)?.after(&[(1, "/b140/x"), (4, "/b140")])?.ok()?;
    c.get("/b140/x", true)?.ok()?;
    c.children("/b140/x", true)?.ok()?;
    c.children("/b140", true)?.ok()?;
    c.set_acl("/b140/x", OPEN, -1)?.after(&[])?.ok()?;
    c.set("/b140/x", b"n", -1)?.after(&[(3, "/b140/x")])?.ok()?;
    c.create("/b140/x/y", 0)?.after(&[(4, "/b140/x")])?.ok()?;
    c.set("/b140/x/y", b"n", -1)?.after(&[])?.ok()?;
    c.set("/b140", b"n", -1)?.after(&[(3, "/b140")])?.ok()?;
    c.create("/b140/z", 0)?.after(&[(4, "/b140")])?.ok().map(|_| ())
}

fn deletions(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let mut both = t.session()?;
    let mut data = t.session()?;
    let mut children = t.session()?;
    c.create("/b141", 0)?.ok()?;
    c.create("/b141/x", 0)?.ok()?;
    both.get("/b141/x", true)?.ok()?;
    both.children("/b141/x", true)?.ok()?;
    both.children("/b141", true)?.ok()?;
    data.exists("/b141/x", true)?.ok()?;
    children.children("/b141/x", true)?.ok()?;
    c.delete("/b141/x", -1)?.ok()?;
    both.event(2, "/b141/x")?;
    both.event(4, "/b141")?;
    both.quiet()?;
    data.event(2, "/b141/x")?;
    data.quiet()?;
    children.event(2, "/b141/x")?;
    children.quiet()
}

fn permissions(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let mut watcher = t.session()?;
    for path in ["/b143", "/b143/x", "/b143/y"] {
        c.create(path, 0)?.ok()?;
    }
    c.auth("digest", "u:p")?.ok()?;
    watcher.get("/b143/x", true)?.ok()?;
    watcher.get("/b143/y", true)?.ok()?;
    watcher.children("/b143", true)?.ok()?;
    c.set_acl("/b143/x", &[(31, "auth", "")], -1)?.ok()?;
    c.set("/b143/x", b"1", -1)?.ok()?;
    watcher.quiet()?;
    watcher.check_watches("/b143/x", 2)?.err(-121)?;
    c.set_acl("/b143/x", OPEN, -1)?.ok()?;
    c.set("/b143/x", b"2", -1)?.ok()?;
    watcher.quiet()?;
    c.set_acl("/b143", &[(31, "auth", "")], -1)?.ok()?;
    c.create("/b143/z", 0)?.ok()?;
    c.set("/b143/y", b"2", -1)?.ok()?;
    watcher.event(3, "/b143/y")?;
    watcher.quiet()?;
    watcher.exists("/b143/y", true)?.ok()?;
    c.set_acl("/b143/y", &[(31, "auth", "")], -1)?.ok()?;
    c.delete("/b143/y", -1)?.ok()?;
    watcher.quiet()
}

fn add_watch(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for path in ["/b145", "", "x", "/b145//", "/b145/\u{1}"] {
        for mode in [0, 1] {
            same("body", c.add_watch(path, mode)?.ok()?.int()?, 0)?;
        }
    }
    for mode in [-1, 2, 3, i32::MAX] {
        c.add_watch("/b145", mode)?.err(-5)?;
    }
    c.create("/b145", 0)?.ok().map(|_| ())
}

fn persistent(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.add_watch("/b146", 0)?.ok()?;
    for _ in 0..2 {
        c.create("/b146", 0)?.after(&[(1, "/b146")])?.ok()?;
        c.set("/b146", b"1", -1)?.after(&[(3, "/b146")])?.ok()?;
        c.set("/b146", b"2", -1)?.after(&[(3, "/b146")])?.ok()?;
        c.create("/b146/x", 0)?.after(&[(4, "/b146")])?.ok()?;
        c.set("/b146/x", b"", -1)?.after(&[])?.ok()?;
        c.set_acl("/b146", OPEN, -1)?.after(&[])?.ok()?;
        c.delete("/b146/x", -1)?.after(&[(4, "/b146")])?.ok()?;
        c.delete("/b146", -1)?.after(&[(2, "/b146")])?.ok()?;
    }
    Ok(())
}

fn recursive(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b147", 0)?.ok()?;
    c.add_watch("/b147/r", 1)?.ok()?;
    c.create("/b147/r", 0)?.after(&[(1, "/b147/r")])?.ok()?;
    c.create("/b147/r/x", 0)?.after(&[(1, "/b147/r/x")])?.ok()?;
    c.create("/b147/r/x/y", 0)?.after(&[(1, "/b147/r/x/y")])?.ok()?;
    c.create("/b147/rx", 0)?.after(&[])?.ok()?;
    c.set("/b147/r", b"", -1)?.after(&[(3, "/b147/r")])?.ok()?;
    c.set("/b147/r/x/y", b"", -1)?.after(&[(3, "/b147/r/x/y")])?.ok()?;
    c.set("/b147", b"", -1)?.after(&[])?.ok()?;
    c.delete("/b147/r/x/y", -1)?.after(&[(2, "/b147/r/x/y")])?.ok()?;
    c.delete("/b147/r/x", -1)?.after(&[(2, "/b147/r/x")])?.ok()?;
    let mut root = t.session()?;
    root.add_watch("/", 1)?.ok()?;
    c.create("/b147/new", 0)?.after(&[])?.ok()?;
    root.event(1, "/b147/new")?;
    c.set("/", b"", -1)?.after(&[])?.ok()?;
    root.event(3, "/")?;
    root.quiet()
}

fn kinds(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b148", 0)?.ok()?;
    c.get("/b148", true)?.ok()?;
    c.children("/b148", true)?.ok()?;
    c.add_watch("/b148", 0)?.ok()?;
    c.add_watch("/b148", 1)?.ok()?;
    c.set("/b148", b"1", -1)?.after(&[(3, "/b148")])?.ok()?;
    c.set("/b148", b"2", -1)?.after(&[(3, "/b148")])?.ok()?;
    c.create("/b148/x", 0)?.after(&[(1, "/b148/x"), (4, "/b148")])?.ok()?;
    c.create("/b148/y", 0)?.after(&[(1, "/b148/y"), (4, "/b148")])?.ok()?;
    c.get("/b148/x", true)?.ok()?;
    c.children("/b148/x", true)?.ok()?;
    c.delete("/b148/x", -1)?;
    c.delete("/b148/y", -1)?;
    for kind in 1..=5 {
        c.check_watches("/b148", kind)?;
    }
    c.delete("/b148", -1)?.ok().map(|_| ())
}

fn remove(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b149", 0)?.ok()?;
    for kind in [0, 6, -1, i32::MAX] {
        c.check_watches("/b149", kind)?.err(-5)?;
        c.remove_watches("/b149", kind)?.err(-5)?;
    }
    for kind in 1..=5 {
        c.check_watches("/b149", kind)?.err(-121)?;
        c.remove_watches("/b149", kind)?.err(-121)?;
    }
    // Which type finds which watch.
    for set in 1..=5 {
        for ask in 1..=5 {
            match set {
                1 => c.children("/b149", true)?.ok()?,
                2 | 3 => c.get("/b149", true)?.ok()?,
                _ => c.add_watch("/b149", set - 4)?.ok()?,
            };
            let found = ask == 3 || ask == set || (set == 3 && ask == 2);
            c.check_watches("/b149", ask)?.err(if found { 0 } else { -121 })?;
            c.remove_watches("/b149", ask)?.after(&[])?.err(if found { 0 } else { -121 })?;
            c.remove_watches("/b149", 3)?.after(&[])?.err(if found { -121 } else { 0 })?;
        }
    }
    c.get("/b149", true)?.ok()?;
    c.children("/b149", true)?.ok()?;
    c.add_watch("/b149", 0)?.ok()?;
    c.add_watch("/b149", 1)?.ok()?;
    c.remove_watches("/b149", 4)?.ok()?;
    c.set("/b149", b"x", -1)?.after(&[(3, "/b149")])?.ok()?;
    c.remove_watches("/b149", 5)?.ok()?;
    c.remove_watches("/b149", 2)?.err(-121)?;
    c.remove_watches("/b149", 1)?.ok()?;
    c.create("/b149/x", 0)?.after(&[])?.ok().map(|_| ())
}

fn set_data(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let zxid = c.create("/b151-same", 0)?.ok()?.zxid;
    c.create("/b151-new", 0)?.ok()?;
    let lists = [&["/b151-same", "/b151-new", "/b151-no", "x//"][..], &[], &[]];
    let events = [(3, "/b151-new"), (2, "/b151-no"), (2, "x//")];
    c.set_watches("data", zxid, lists)?.after(&events)?.ok()?;
    c.set("/b151-same", b"x", -1)?.after(&[(3, "/b151-same")])?.ok()?;
    c.set("/b151-new", b"x", -1)?.after(&[])?.ok().map(|_| ())
}

fn set_exist(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let zxid = c.create("/b152", 0)?.ok()?.zxid;
    let lists = [&[][..], &["/b152", "/b152/x", "x//"], &[]];
    c.set_watches("exist", zxid + 1000, lists)?.after(&[(1, "/b152")])?.ok()?;
    c.create("/b152/x", 0)?.after(&[(1, "/b152/x")])?.ok()?;
    c.check_watches("x//", 2)?.ok()?;
    c.check_watches("/b152", 3)?.err(-121).map(|_| ())
}

fn set_children(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b153-new", 0)?.ok()?;
    let zxid = c.create("/b153-same", 0)?.ok()?.zxid;
    c.create("/b153-new/x", 0)?.ok()?;
    c.set("/b153-same", b"x", -1)?.ok()?;
    let lists = [&[][..], &[], &["/b153-same", "/b153-new", "/b153-no"]];
    c.set_watches("children", zxid, lists)?.after(&[(4, "/b153-new"), (2, "/b153-no")])?.ok()?;
    c.create("/b153-same/x", 0)?.after(&[(4, "/b153-same")])?.ok()?;
    c.create("/b153-new/y", 0)?.after(&[])?.ok().map(|_| ())
}

fn set_denied(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let zxid = c.create_acl("/b154", &[(30, "world", "anyone")])?.ok()?.zxid;
    let list: &[&str] = &["/b154"];
    c.set_watches("of a node it may not read, late", 0, [list, list, list])?.ok()?;
    c.set_watches("of a node it may not read", zxid, [list, &[], list])?.after(&[])?.ok()?;
    c.check_watches("/b154", 2)?.ok()?;
    c.set("/b154", b"x", -1)?.ok()?;
    c.quiet()
}

fn set_persistent(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b155", 0)?.ok()?;
    c.create("/b155/p", 0)?.ok()?;
    let body = watches_body(0, &[&[], &[], &[], &["/b155/p", "/b155/no"], &["/b155"]]);
    c.call_as(-8, "setWatches2", 105, &body)?.after(&[])?.ok()?;
    c.check_watches("/b155", 5)?.ok()?;
    c.check_watches("/b155/p", 4)?.ok()?;
    c.check_watches("/b155/no", 4)?.ok()?;
    c.set("/b155/p", b"x", -1)?.after(&[(3, "/b155/p")])?.ok()?;
    c.create("/b155/no", 0)?.ok()?;
    let body = watches_body(0, &[&["/b155"], &["/b155/none"], &["/b155"], &[], &[]]);
    c.call_as(-8, "setWatches2 with old lists", 105, &body)?.ok()?;
    c.set("/b155", b"x", -1)?.after(&[(3, "/b155")])?.ok().map(|_| ())
}

fn set_in_parts(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let zxid = c.create("/b156", 0)?.ok()?.zxid;
    let paths: Vec<String> = (0..2000).map(|n| format!("/b156/{}{n:05}", "n".repeat(60))).collect();
    let list: Vec<&str> = paths.iter().map(String::as_str).collect();
    c.set_watches("first part", zxid, [&[], &list[..1000], &[]])?.after(&[])?.ok()?;
    c.set_watches("second part", zxid, [&["/b156"], &list[1000..], &[]])?.after(&[])?.ok()?;
    c.create(list[3], 0)?.after(&[(1, list[3])])?.ok()?;
    c.create(list[1500], 0)?.after(&[(1, list[1500])])?.ok()?;
    c.set("/b156", b"x", -1)?.after(&[(3, "/b156")])?.ok().map(|_| ())
}
