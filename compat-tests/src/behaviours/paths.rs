//! What is a path (49 to 60).

use super::setups::{FRESH, PLAIN, SMALL};
use super::{Case, Ctx, case, same};
use crate::client::{OPEN, Outcome};
use crate::requests::{create_body, delete_body, read_body};
use crate::wire::Out;

pub(super) const CASES: &[Case] = &[
    case("create-checks-the-path-twice", &[49, 50, 53], &PLAIN, create_twice),
    case("create-full-path-rules", &[50, 52], &PLAIN, full_rules),
    case("create-refused-characters", &[51], &PLAIN, characters),
    case("paths-that-are-not-utf-8", &[51], &PLAIN, not_utf8),
    case("delete-path-rules", &[54, 55], &PLAIN, delete_rules),
    case("set-data-and-acl-path-rules", &[56], &PLAIN, set_rules),
    case("reads-have-no-path-rules", &[57], &PLAIN, read_rules),
    case("empty-path-is-the-root", &[58], &FRESH, empty_path),
    case("nodes-under-zookeeper", &[59], &FRESH, under_zookeeper),
    case("long-and-deep-paths", &[60], &PLAIN, long_paths),
    case("packet-limit-from-jute-maxbuffer", &[1, 60], &SMALL, small_packets),
];

fn create_twice(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b049", 0)?.ok()?;
    for path in ["/b049//a", "/./a", "/../a", "/b049/no/", "/b049/no/.", "/b049x//", "a/b", "b049/a"] {
        let wanted = if path.starts_with("b049") { None } else { Some(-101) };
        let reply = c.create(path, 0)?;
        if let Some(code) = wanted {
            reply.err(code)?;
        }
    }
    for path in
        ["/b049/.", "/b049/..", "/b049/", "//", "//a", "/.", "/..", "", "x", "b049", "/b049/\0", "/b049\0/x"]
    {
        c.create(path, 0)?.err(-8)?;
    }
    c.create("/", 0)?.err(-110)?;
    c.create("/", 1)?.err(-110)?;
    c.create("/b049", 0)?.err(-110).map(|_| ())
}

fn full_rules(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b050", 0)?.ok()?;
    for name in [".a", "a.", "...", "....", ".a.", "a b", " ", "-", "a:b", "\\", "%2f", "é", "日本"] {
        c.create(&format!("/b050/{name}"), 0)?.ok()?;
    }
    for name in [".", "..", ""] {
        c.create(&format!("/b050/{name}"), 0)?.err(-8)?;
        c.create2(&format!("/b050/{name}"), 0)?.err(-8)?;
        c.container(&format!("/b050/{name}"), 4)?.err(-8)?;
    }
    c.children("/b050", false)?.ok().map(|_| ())
}

fn characters(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b051", 0)?.ok()?;
    let good = [0x20, 0x7E, 0xA0, 0xD7FF, 0xF900, 0xFDD0, 0xFFEF, 0x200B];
    let bad = [
        0x01, 0x0A, 0x1F, 0x7F, 0x85, 0x9F, 0xE000, 0xF8FF, 0xFFF0, 0xFFFD, 0xFFFF, 0x1_0000, 0x1_F600,
        0x10_FFFF,
    ];
    for code in good {
        let name = char::from_u32(code).unwrap_or('?');
        c.create(&format!("/b051/{name}"), 0)?.ok()?;
    }
    for code in bad {
        let name = char::from_u32(code).unwrap_or('?');
        c.create(&format!("/b051/{name}"), 0)?.err(-8)?;
    }
    for code in [0x00, 0x01, 0x1F] {
        let name = char::from_u32(code).unwrap_or('?');
        c.create(&format!("/b051/{name}x"), 0)?.err(-8)?;
        c.set(&format!("/b051/{name}x"), b"", -1)?.err(-8)?;
    }
    Ok(())
}

fn not_utf8(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b051u", 0)?.ok()?;
    let broken: [&[u8]; 5] = [b"\xFF", b"\xC3", b"\xED\xA0\x80", b"\xF0\x9F\x98", b"\xC0\x80"];
    for bytes in broken {
        let path = [b"/b051u/", bytes].concat();
        let body =
            Out::new().buf(Some(&path)).buf(None).int(1).int(31).str("world").str("anyone").int(0).done();
        c.call(&format!("create {bytes:02x?}"), 1, &body)?.err(-8)?;
        c.call(&format!("exists {bytes:02x?}"), 3, &Out::new().buf(Some(&path)).byte(0).done())?.err(-101)?;
    }
    Ok(())
}

fn delete_rules(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b054", 0)?.ok()?;
    for path in ["/b054/", "/b054/x/", "/b054//", "/b054/.", "/./x", "a/b"] {
        c.delete(path, -1)?.err(-101)?;
    }
    for path in ["", "x", "/b054\0", "/b054/\0"] {
        c.delete(path, -1)?.err(-8)?;
    }
    for path in ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"] {
        c.delete(path, -1)?.err(-8)?;
        c.multi(&format!("with delete {path}"), &[crate::requests::m_delete(path, -1)])?.ok()?;
    }
    c.delete("/b054", -1)?.ok().map(|_| ())
}

fn set_rules(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b056", 0)?.ok()?;
    for path in ["/b056/", "/b056/.", "/b056//x", "", "x", "/./b056", "/b056/\u{1}", "/b056/\u{1F600}"] {
        c.set(path, b"x", -1)?.err(-8)?;
        c.set_acl(path, OPEN, -1)?.err(-8)?;
        c.multi(&format!("with check {path:?}"), &[crate::requests::m_check(path, -1)])?.ok()?;
    }
    c.set("/b056", b"x", 0)?.ok().map(|_| ())
}

fn read_rules(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b057", 0)?.ok()?;
    for path in ["/b057/", "/b057/.", "//b057", "b057", "x", "/b057//x", "/b057\0"] {
        c.exists(path, false)?.err(if path.contains('\0') { -8 } else { -101 })?;
        c.get(path, false)?.err(-101)?;
        c.children(path, false)?.err(-101)?;
        c.children2(path, false)?.err(-101)?;
        c.get_acl(path)?.err(-101)?;
        c.descendants(path)?.err(-101)?;
    }
    c.sync("/b057//\0")?.ok()?;
    c.call("exists \\0 and watch", 3, &read_body("/b057\0", 1))?.err(-8)?;
    c.call("checkWatches \\0", 17, &delete_body("/b057\0", 2))?;
    c.ephemerals(Some("\0"))?.ok().map(|_| ())
}

fn empty_path(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.exists("", false)?.ok()?;
    c.get("", false)?.ok()?;
    c.children("", false)?.ok()?;
    c.children2("", false)?.ok()?;
    c.get_acl("")?.ok()?;
    c.descendants("")?.ok()?;
    c.get("/", false)?.ok()?;
    c.set("", b"", -1)?.err(-8)?;
    c.delete("", -1)?.err(-8).map(|_| ())
}

fn under_zookeeper(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/zookeeper/b059", 0)?.ok()?;
    c.create("/zookeeper/b059/x", 0)?.ok()?;
    c.delete("/zookeeper/b059/x", -1)?.ok()?;
    c.delete("/zookeeper/b059", -1)?.ok()?;
    c.set("/zookeeper", b"hello", -1)?.ok()?;
    c.get("/zookeeper", false)?.ok()?;
    c.set("/", b"root", 0)?.ok()?;
    c.get("/", false)?.ok()?;
    c.create("/zookeeper/config/x", 0)?.err(-102).map(|_| ())
}

fn long_paths(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b060", 0)?.ok()?;
    let long = format!("/b060/{}", "n".repeat(100_000));
    c.create(&long, 0)?.ok()?;
    c.set(&long, b"x", 0)?.ok()?;
    c.delete(&long, 1)?.ok()?;
    let mut deep = "/b060".to_owned();
    for _ in 0..200 {
        deep.push_str("/d");
        c.create_with(&deep, None, OPEN, 0)?.ok()?;
    }
    same("descendants", c.descendants("/b060")?.ok()?.int()?, 200)
}

fn small_packets(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let overhead = create_body("/b060s", Some(b""), Some(OPEN), 0).len() + 8;
    let fits = vec![b'x'; 4096 - overhead];
    c.call("create in a packet of 4096 bytes", 1, &create_body("/b060s", Some(&fits), Some(OPEN), 0))?
        .ok()?;
    c.get("/b060s", false)?.ok()?;
    let too_big = vec![b'x'; 4097 - overhead];
    c.post(5, 1, &create_body("/b060t", Some(&too_big), Some(OPEN), 0));
    c.closed("packet of 4097 bytes")?;
    let mut c = t.session()?;
    for child in 0..60 {
        c.create_with(&format!("/b060s/{}{child}", "n".repeat(80)), None, OPEN, 0)?.ok()?;
    }
    // The limit is for what comes in; answers may be longer.
    c.children("/b060s", false)?.ok().map(|_| ())
}
