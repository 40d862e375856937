//! create and its relatives (61 to 71).

use super::setups::{PLAIN, TYPED};
use super::{Case, Ctx, case, same, wait_until};
use crate::client::{OPEN, Outcome};
use crate::requests::{DATA, create_body, m_create, part, ttl_body};
use crate::wire::{Out, PATIENCE};

pub(super) const CASES: &[Case] = &[
    case("create-order-of-checks", &[61, 62], &PLAIN, order),
    case("create-order-of-checks-with-ttl", &[61, 66], &TYPED, order_with_ttl),
    case("create-flags", &[63, 64, 65], &PLAIN, flags),
    case("create-flags-with-ttl-on", &[63, 64], &TYPED, flags_with_ttl),
    case("ttl-range", &[66], &TYPED, ttl_range),
    case("create-ttl-with-other-flags", &[67], &TYPED, ttl_other_flags),
    case("create-ttl-with-other-flags-and-ttl-off", &[65, 67], &PLAIN, ttl_other_flags),
    case("create-ttl-with-other-flags-in-multi", &[67], &TYPED, ttl_other_flags_in_multi),
    case("only-the-opcode-makes-a-container", &[68], &TYPED, container_flag),
    case("null-and-empty-data", &[69], &PLAIN, null_data),
    case("children-of-ephemerals", &[70], &PLAIN, ephemeral_children),
    case("children-of-containers-and-ttl-nodes", &[70], &TYPED, typed_children),
    case("create-replies", &[71], &PLAIN, replies),
    case("create-replies-with-ttl", &[71], &TYPED, replies_with_ttl),
];

fn order(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b061", 0)?.ok()?;
    c.create_acl("/b061/shut", &[(1, "world", "anyone")])?.ok()?;
    c.create("/b061/e", 1)?.ok()?;
    c.create_with("no-slash", DATA, &[], 9)?.err(-8)?;
    c.create_with("/b061/no/x", DATA, &[], 9)?.err(-8)?;
    c.create_with("no-slash", DATA, &[], 5)?.err(-6)?;
    c.create_with("no-slash", DATA, &[], 0)?.err(-8)?;
    c.create_with("/b061/no/x", DATA, &[], 0)?.err(-114)?;
    c.create_with("/b061/no/x", DATA, &[(31, "bad", "x")], 0)?.err(-114)?;
    c.create("/b061/no/x/", 0)?.err(-101)?;
    c.create("/b061/shut/x/", 0)?.err(-101)?;
    c.create("/b061/shut/", 0)?.err(-102)?;
    c.create("/b061/shut/.", 0)?.err(-102)?;
    c.create("/b061/e/.", 0)?.err(-8)?;
    c.create("/b061/e/x", 0)?.err(-108)?;
    c.create("/b061/e", 0)?.err(-110)?;
    let mut owner = t.session()?;
    owner.auth("digest", "u:p")?.ok()?;
    owner.create_acl("/b061/mine", &[(31, "auth", "")])?.ok()?;
    owner.create("/b061/mine/x", 0)?.ok()?;
    c.create("/b061/mine/x", 0)?.err(-102)?;
    c.call("create with a null ACL", 1, &create_body("/b061/n", DATA, None, 0))?.err(-114).map(|_| ())
}

fn order_with_ttl(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.ttl("no-slash", 9, 0)?.err(-8)?;
    c.ttl("no-slash", 5, 0)?.err(-8)?;
    c.ttl("/b061t/x", 5, 0)?.err(-8)?;
    c.ttl("/b061t/x", 5, 10)?.err(-101)?;
    c.ttl("no-slash", 5, 10)?.err(-8)?;
    let body = Out::new().str("/b061t/x").buf(None).int(0).int(5).long(10).done();
    c.call("createTTL with an empty ACL", 21, &body)?.err(-114).map(|_| ())
}

fn flags(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b063", 0)?.ok()?;
    for flags in [-1, 7, 8, 255, i32::MIN, i32::MAX] {
        c.create("/b063/x", flags)?.err(-8)?;
        c.create2("/b063/x", flags)?.err(-8)?;
        c.container("/b063/x", flags)?.err(-8)?;
        c.ttl("/b063/x", flags, 10)?.err(-8)?;
    }
    for flags in [5, 6] {
        c.create("/b063/x", flags)?.err(-6)?;
        c.create2("/b063/x", flags)?.err(-6)?;
        c.container("/b063/x", flags)?.err(-6)?;
        c.ttl("/b063/x", flags, 10)?.err(-6)?;
        c.multi(&format!("create with flags {flags}"), &[m_create("/b063/x", flags)])?.err(-5)?;
    }
    c.multi("createTTL", &[part(21, &ttl_body("/b063/x", 5, 10))])?.ok()?;
    for flags in [0, 1, 2, 3, 4] {
        c.create(&format!("/b063/f{flags}"), flags)?.ok()?;
    }
    c.children("/b063", false)?.ok().map(|_| ())
}

fn flags_with_ttl(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b064", 0)?.ok()?;
    for flags in [5, 6] {
        c.create("/b064/x", flags)?.err(-8)?;
        c.create2("/b064/x", flags)?.err(-8)?;
        c.multi(&format!("create with flags {flags}"), &[m_create("/b064/x", flags)])?.err(-5)?;
    }
    for flags in [-1, 7, i32::MAX] {
        c.ttl("/b064/x", flags, 10)?.err(-8)?;
    }
    c.children("/b064", false)?.ok().map(|_| ())
}

fn ttl_range(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b066", 0)?.ok()?;
    for ttl in [0, -1, i64::MIN, 1_099_511_627_776, i64::MAX] {
        c.ttl("/b066/x", 5, ttl)?.err(-8)?;
        c.ttl("/b066/x", 6, ttl)?.err(-8)?;
        c.multi(&format!("createTTL with ttl {ttl}"), &[part(21, &ttl_body("/b066/x", 5, ttl))])?.ok()?;
    }
    for ttl in [100_000, 1_099_511_627_775] {
        c.ttl(&format!("/b066/p{ttl}"), 5, ttl)?.ok()?;
        c.ttl(&format!("/b066/s{ttl}-"), 6, ttl)?.ok()?;
    }
    c.multi("createTTL with ttl 100000", &[part(21, &ttl_body("/b066/m", 5, 100_000))])?.ok()?;
    c.children("/b066", false)?.ok().map(|_| ())
}

fn ttl_other_flags(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b067", 0)?.ok()?;
    for flags in 0..=4 {
        for ttl in [0, 1, 100_000, i64::MAX] {
            c.ttl(&format!("/b067/{flags}-"), flags, ttl)?.err(-8)?;
        }
    }
    c.children2("/b067", false)?.ok().map(|_| ())
}

/// In a multi such an operation is an ordinary create, also for the official server.
fn ttl_other_flags_in_multi(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b067m", 0)?.ok()?;
    for flags in [0, 1, 2, 4, 7] {
        c.multi(
            &format!("createTTL with flags {flags}"),
            &[part(21, &ttl_body("/b067m/x", flags, 100_000))],
        )?;
        if c.exists("/b067m/x", false)?.err == 0 {
            c.delete("/b067m/x", -1)?.ok()?;
        }
    }
    Ok(())
}

fn container_flag(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b068", 0)?.ok()?;
    c.create("/b068/plain", 4)?.ok()?;
    c.create2("/b068/plain2", 4)?.ok()?;
    c.container("/b068/c0", 0)?.ok()?;
    c.container("/b068/c4", 4)?.ok()?;
    let sequential = c.container("/b068/c2-", 2)?.ok()?.path()?;
    t.mute(true);
    let containers = ["/b068/c0", "/b068/c4", sequential.as_str()];
    for parent in containers.iter().chain(&["/b068/plain", "/b068/plain2"]) {
        c.create(&format!("{parent}/x"), 0)?.ok()?;
        c.delete(&format!("{parent}/x"), -1)?.ok()?;
    }
    for path in containers {
        wait_until(path, PATIENCE, || Ok(c.exists(path, false)?.err == -101))?;
        t.note(path, "removed");
    }
    let names = c.children("/b068", false)?.ok()?.names()?;
    t.note("left", names.join(" "));
    same("left", names, vec!["plain".to_owned(), "plain2".to_owned()])
}

fn null_data(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for (path, data) in [("/b069-null", None), ("/b069-empty", Some(&b""[..]))] {
        c.create_with(path, data, OPEN, 0)?.ok()?;
        let reply = c.get(path, false)?.ok()?;
        same("data", reply.data()?, data.map(<[u8]>::to_vec))?;
        same("dataLength", reply.stat()?.length, 0)?;
    }
    c.set("/b069-null", b"", 0)?.ok()?;
    c.get("/b069-null", false)?.ok()?;
    c.call("setData null", 5, &crate::requests::set_body("/b069-empty", None, 0))?.ok()?;
    let reply = c.get("/b069-empty", false)?.ok()?;
    same("data", reply.data()?, None)
}

fn ephemeral_children(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b070e", 1)?.ok()?;
    c.create("/b070e/x", 0)?.err(-108)?;
    c.create("/b070e/x", 1)?.err(-108)?;
    c.create("/b070e/x", 2)?.err(-108)?;
    c.container("/b070e/x", 4)?.err(-108)?;
    c.container("/b070c", 4)?.ok()?;
    c.create("/b070c/x", 0)?.ok()?;
    c.create("/b070c/e", 1)?.ok().map(|_| ())
}

fn typed_children(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.container("/b070c", 4)?.ok()?;
    c.create("/b070c/x", 0)?.ok()?;
    c.ttl("/b070t", 5, 1_000_000)?.ok()?;
    c.create("/b070t/x", 0)?.ok()?;
    c.create("/b070t/e", 1)?.ok()?;
    c.ttl("/b070t/t", 5, 1_000_000)?.ok()?;
    c.ephemerals(None)?.ok().map(|_| ())
}

fn replies(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b071", 0)?.ok()?;
    same("path", c.create("/b071/a-", 2)?.ok()?.path()?, "/b071/a-0000000000".to_owned())?;
    same("path", c.create2("/b071/b-", 3)?.ok()?.path()?, "/b071/b-0000000001".to_owned())?;
    same("path", c.container("/b071/c-", 4)?.ok()?.path()?, "/b071/c-".to_owned())?;
    let reply = c.create2("/b071/d", 1)?.ok()?;
    same("owner", reply.stat()?.owner, c.welcome.session)?;
    c.create2("/b071/e", 0)?.ok().map(|_| ())
}

fn replies_with_ttl(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b071", 0)?.ok()?;
    let reply = c.ttl("/b071/t", 5, 1_000_000)?.ok()?;
    same("owner", reply.stat()?.owner, 0)?;
    let reply = c.ttl("/b071/s-", 6, 1_000_000)?.ok()?;
    same("path", reply.path()?, "/b071/s-0000000001".to_owned())
}
