//! Equal digests: members that have delivered the same have made the same of it.

use super::{Fact, Property, Verdict, require};
use oxkeeper_codec::Zxid;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct EqualDigests {
    digests: BTreeMap<Zxid, u64>,
}

impl Property for EqualDigests {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        let Fact::HasState { member, zxid, digest } = *fact else { return Ok(()) };
        let other = *self.digests.entry(zxid).or_insert(digest);
        require(other == digest, || {
            format!("server {member} has {digest:#x} at {zxid}, others have {other:#x}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::refuses, *};
    use oxkeeper_codec::ServerId;

    #[test]
    fn another_digest_at_the_same_zxid_is_refused() {
        let has =
            |member, zxid, digest| Fact::HasState { member: ServerId(member), zxid: Zxid(zxid), digest };
        refuses(EqualDigests::default(), &[has(1, 1, 7), has(1, 2, 8), has(2, 1, 7), has(2, 2, 9)]);
    }
}
