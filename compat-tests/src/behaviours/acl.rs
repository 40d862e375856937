//! ACLs and authentication (97, 118 to 133).

use super::setups::{ENFORCED, PLAIN, SUPER};
use super::{Case, Ctx, case, same};
use crate::client::{Acl, OPEN, Outcome};
use crate::requests::{create_body, read_body, set_acl_body};
use crate::wire::Out;

pub(super) const CASES: &[Case] = &[
    case("acl-null-or-empty", &[118], &PLAIN, null_acl),
    case("acl-merging", &[119, 123], &PLAIN, merging),
    case("acl-world-and-auth", &[120], &PLAIN, world_and_auth),
    case("acl-id-forms", &[121], &PLAIN, id_forms),
    case("acl-unknown-schemes", &[122], &PLAIN, unknown_schemes),
    case("acl-permission-bits", &[123, 124], &PLAIN, permissions),
    case("acl-ip", &[126], &PLAIN, ip),
    case("super-user", &[125, 128, 97], &SUPER, super_user),
    case("who-am-i", &[97, 126], &PLAIN, who_am_i),
    case("digest-ids", &[127], &PLAIN, digest_ids),
    case("auth-schemes", &[129, 39], &PLAIN, auth_schemes),
    case("sasl-without-set-up", &[130], &PLAIN, sasl),
    case("enforced-authentication", &[132], &ENFORCED, enforced),
    case("get-acl-hides-digests", &[133], &PLAIN, hidden_digests),
];

/// The digest id of the user "u" with the password "p".
const U_P: &str = "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=";

fn null_acl(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.call("create with a null ACL", 1, &create_body("/b118", None, None, 0))?.err(-114)?;
    c.create_acl("/b118", &[])?.err(-114)?;
    c.create("/b118", 0)?.ok()?;
    c.call("setACL null", 7, &set_acl_body("/b118", None, -1))?.err(-114)?;
    c.set_acl("/b118", &[], -1)?.err(-114).map(|_| ())
}

fn merging(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let entries: &[Acl<'_>] = &[
        (1, "ip", "10.0.0.1"),
        (31, "world", "anyone"),
        (1, "ip", "10.0.0.1"),
        (2, "ip", "10.0.0.1"),
        (31, "world", "anyone"),
        (1, "digest", "a:b"),
    ];
    c.create_acl("/b119", entries)?.ok()?;
    c.get_acl("/b119")?.ok()?;
    c.set_acl("/b119", &[(31, "world", "anyone"), (0, "ip", "10.0.0.1"), (-1, "digest", "a:b")], -1)?.ok()?;
    c.get_acl("/b119")?.ok().map(|_| ())
}

fn world_and_auth(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for id in ["", "anybody", "Anyone", "anyone "] {
        c.create_acl("/b120", &[(31, "world", id)])?.err(-114)?;
    }
    c.create_acl("/b120", &[(31, "auth", "")])?.err(-114)?;
    c.create_acl("/b120", &[(31, "world", "anyone"), (31, "auth", "")])?.err(-114)?;
    c.auth("digest", "u:p")?.ok()?;
    c.create_acl("/b120", &[(31, "auth", "whatever")])?.ok()?;
    c.get_acl("/b120")?.ok()?;
    c.auth("digest", "v:q")?.ok()?;
    c.set_acl("/b120", &[(1, "auth", ""), (31, "world", "anyone")], -1)?.ok()?;
    c.get_acl_set("/b120")?.ok().map(|_| ())
}

fn id_forms(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b121", 0)?.ok()?;
    let mut index = 0;
    let mut try_id = |c: &mut crate::client::Client, scheme: &str, id: &str| {
        index += 1;
        Ok::<i32, String>(c.create_acl(&format!("/b121/{index}"), &[(1, scheme, id)])?.err)
    };
    for id in ["a:b", "a b:c", "é:x", " : "] {
        same(id, try_id(&mut c, "digest", id)?, 0)?;
    }
    for id in ["", "a", "a:b:c", ":", "::"] {
        same(id, try_id(&mut c, "digest", id)?, -114)?;
    }
    // Where only one part remains after splitting, the official answer is what counts.
    for id in ["a:", ":b"] {
        try_id(&mut c, "digest", id)?;
    }
    for id in ["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.1/32", "::1", "2001:db8::1", "2001:db8::/32"] {
        try_id(&mut c, "ip", id)?;
    }
    for id in
        ["", "10.0.0", "10.0.0.256", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/x", "localhost", "10.0.0.1/"]
    {
        try_id(&mut c, "ip", id)?;
    }
    Ok(())
}

fn unknown_schemes(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.auth("digest", "u:p")?.ok()?;
    for scheme in ["", "super", "sasl", "x509", "nonsense", "World", "DIGEST"] {
        c.create_acl("/b122", &[(31, scheme, "anyone")])?.err(-114)?;
        c.create_acl("/b122", &[(31, "world", "anyone"), (31, scheme, "a:b")])?.err(-114)?;
    }
    c.exists("/b122", false)?.err(-101).map(|_| ())
}

fn permissions(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for perms in [0, 1, 2, 4, 8, 16, 32, 48, -1] {
        let path = format!("/b123{perms}");
        c.create_acl(&path, &[(perms, "world", "anyone")])?.ok()?;
        let granted = |bit: i32| if perms & bit == 0 { -102 } else { 0 };
        c.get_acl(&path)?.err(granted(17))?;
        c.get(&path, false)?.err(granted(1))?;
        c.set(&path, b"x", -1)?.err(granted(2))?;
        c.create(&format!("{path}/x"), 0)?.err(granted(4))?;
        let missing = if perms & 8 == 0 { -102 } else { -101 };
        c.delete(&format!("{path}/y"), -1)?.err(missing)?;
        c.set_acl(&path, OPEN, -1)?.err(granted(16))?;
    }
    Ok(())
}

fn ip(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let ids =
        [("127.0.0.1", 0), ("127.0.0.0/8", 0), ("0.0.0.0/0", 0), ("127.0.0.0/31", 0), ("128.0.0.0/8", -102)];
    for (index, (id, code)) in ids.into_iter().chain([("10.0.0.1", -102), ("127.0.0.2", -102)]).enumerate() {
        let path = format!("/b126{index}");
        c.create_acl(&path, &[(31, "ip", id)])?.ok()?;
        c.get(&path, false)?.err(code)?;
    }
    c.auth("ip", "10.0.0.1")?.ok()?;
    c.get("/b1265", false)?.err(-102).map(|_| ())
}

fn super_user(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create_acl("/b128", &[(1, "digest", "a:b")])?.ok()?;
    c.create_acl("/b128n", &[(0, "world", "anyone")])?.ok()?;
    c.get("/b128", false)?.err(-102)?;
    c.auth("digest", "super:wrong")?.ok()?;
    c.get("/b128", false)?.err(-102)?;
    c.auth("digest", "super:admin")?.ok()?;
    c.who_am_i()?.ok()?;
    c.get("/b128", false)?.ok()?;
    c.set("/b128", b"x", -1)?.ok()?;
    c.get_acl("/b128")?.ok()?;
    c.create("/b128/x", 0)?.ok()?;
    c.delete("/b128/x", -1)?.ok()?;
    c.get("/b128n", false)?.ok()?;
    c.create_acl("/b128s", &[(31, "super", "")])?.err(-114)?;
    c.create_acl("/b128a", &[(31, "auth", "")])?.ok()?;
    c.get_acl_set("/b128a")?.ok()?;
    c.set("/zookeeper/config", b"x", -1)?.ok()?;
    c.delete("/zookeeper/config", -1)?.err(-8)?;
    c.set_acl("/b128", OPEN, -1)?.ok().map(|_| ())
}

fn who_am_i(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.who_am_i()?.ok()?;
    c.auth("digest", "u:p")?.ok()?;
    c.auth("digest", "u:other")?.ok()?;
    c.auth("digest", "v:q:r")?.ok()?;
    c.auth("digest", "u:p")?.ok()?;
    c.auth("ip", "1.2.3.4")?.ok()?;
    c.who_am_i()?.ok().map(|_| ())
}

fn digest_ids(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create_acl("/b127", &[(31, "digest", U_P)])?.ok()?;
    c.get("/b127", false)?.err(-102)?;
    c.auth("digest", "u:q")?.ok()?;
    c.get("/b127", false)?.err(-102)?;
    c.auth("digest", "u:p")?.ok()?;
    c.get("/b127", false)?.ok()?;
    for (index, text) in ["nocolon", "", ":", "a:b:c", "é:ü"].into_iter().enumerate() {
        let mut c = t.session()?;
        c.auth("digest", text)?.ok()?;
        c.who_am_i()?.ok()?;
        let path = format!("/b127{index}");
        c.create_acl(&path, &[(31, "auth", "")])?;
        c.get_acl(&path)?;
    }
    Ok(())
}

fn auth_schemes(t: &mut Ctx<'_>) -> Outcome {
    for scheme in ["nonsense", "world", "super", "auth", "", "sasl", "x509", "Digest"] {
        let mut c = t.session()?;
        let reply = c.auth(scheme, "a:b")?.err(-115)?;
        same("zxid", reply.zxid, 0)?;
        c.closed("afterwards")?;
    }
    let mut c = t.session()?;
    same("zxid", c.auth("ip", "")?.ok()?.zxid, 0)?;
    c.who_am_i()?.ok()?;
    let body = Out::new().int(7).str("digest").buf(None).done();
    c.call_as(-4, "auth of type 7 with null", 100, &body)?;
    c.probe("afterwards")?;
    Ok(())
}

fn sasl(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    for token in [Some(&b""[..]), Some(&b"token"[..])] {
        let reply = c.call(&format!("sasl {token:?}"), 102, &Out::new().buf(token).done())?.ok()?;
        same("token", reply.data()?, None)?;
        same("zxid", reply.zxid, 0)?;
    }
    c.who_am_i()?.ok()?;
    c.post(1, 102, &Out::new().buf(None).done());
    c.closed("after a null token")
}

fn enforced(t: &mut Ctx<'_>) -> Outcome {
    for (what, op, body) in
        [("getData", 4, read_body("/", 0)), ("create", 1, create_body("/x", None, Some(OPEN), 0))]
    {
        let mut c = t.session()?;
        c.call(&format!("{what} without authentication"), op, &body)?.err(-124)?;
        c.closed("afterwards")?;
    }
    let mut c = t.session()?;
    c.call_as(-2, "ping without authentication", 11, &[])?;
    c.probe("afterwards")?;
    let mut c = t.session()?;
    c.auth("digest", "u:p")?.ok()?;
    c.create("/b132", 0)?.ok()?;
    c.close().map(|_| ())
}

fn hidden_digests(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    let entries: &[Acl<'_>] =
        &[(1, "world", "anyone"), (31, "digest", U_P), (31, "ip", "10.0.0.1"), (3, "digest", "a:b")];
    c.create_acl("/b133", entries)?.ok()?;
    c.get_acl("/b133")?.ok()?;
    c.auth("digest", "u:p")?.ok()?;
    c.get_acl("/b133")?.ok().map(|_| ())
}
