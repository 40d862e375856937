//! Sequential names (72 to 77).

use super::setups::PLAIN;
use super::{Case, Ctx, case, same};
use crate::client::Outcome;
use crate::requests::{m_check, m_create, m_delete};

pub(super) const CASES: &[Case] = &[
    case("sequence-numbers", &[72, 73, 74, 75], &PLAIN, numbers),
    case("sequence-in-multi", &[77], &PLAIN, in_multi),
];

fn numbers(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b072", 0)?.ok()?;
    let wanted = |name: &str| name.to_owned();
    same("first", c.create("/b072/a", 2)?.ok()?.path()?, wanted("/b072/a0000000000"))?;
    same("other prefix", c.create("/b072/b-", 3)?.ok()?.path()?, wanted("/b072/b-0000000001"))?;
    c.create("/b072/plain", 0)?.ok()?;
    c.delete("/b072/plain", -1)?.ok()?;
    c.delete("/b072/a0000000000", -1)?.ok()?;
    same("after deletes", c.create("/b072/a", 2)?.ok()?.path()?, wanted("/b072/a0000000003"))?;
    same("only the number", c.create("/b072/", 2)?.ok()?.path()?, wanted("/b072/0000000004"))?;
    c.create("/b072/x/", 2)?.err(-101)?;
    c.create("/b072/c", 0)?.ok()?;
    c.create("/b072/c", 0)?.err(-110)?;
    same("failures do not count", c.create2("/b072/a", 2)?.ok()?.path()?, wanted("/b072/a0000000006"))?;
    same("cversion", c.exists("/b072", false)?.ok()?.stat()?.cversion, 9)?;
    same("after a read", c.create("/b072/é", 2)?.ok()?.path()?, wanted("/b072/é0000000007"))
}

fn in_multi(t: &mut Ctx<'_>) -> Outcome {
    let mut c = t.session()?;
    c.create("/b077", 0)?.ok()?;
    let parts =
        [m_create("/b077/a-", 2), m_create("/b077/x", 0), m_create("/b077/a-", 2), m_delete("/b077/x", 0)];
    c.multi("a-, x, a-, delete x", &parts)?.ok()?;
    c.multi("a-, then a check that fails", &[m_create("/b077/a-", 2), m_check("/b077", 9)])?.ok()?;
    same("next", c.create("/b077/a-", 2)?.ok()?.path()?, "/b077/a-0000000003".to_owned())?;
    c.exists("/b077", false)?.ok()?;
    c.children("/b077", false)?.ok().map(|_| ())
}
