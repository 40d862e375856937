//! One configuration: all that take a version of the configuration take the same one.

use super::{Fact, Property, Verdict, require};
use oxkeeper::membership::Membership;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct OneConfiguration {
    versions: BTreeMap<i64, Membership>,
}

impl Property for OneConfiguration {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        let Fact::Activates { member, config } = *fact else { return Ok(()) };
        let first = self.versions.entry(config.version()).or_insert_with(|| config.clone());
        require(first == config, || {
            format!("server {member} has another one of version {:x}", config.version())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::refuses, *};
    use oxkeeper_codec::ServerId;

    #[test]
    fn another_one_of_the_same_version_is_refused() {
        let one = Membership::parse("server.1=h:1:2\nversion=5").unwrap();
        let two = Membership::parse("server.2=i:1:2\nversion=5").unwrap();
        let activates = |member, config| Fact::Activates { member: ServerId(member), config };
        refuses(OneConfiguration::default(), &[activates(1, &one), activates(2, &one), activates(3, &two)]);
    }
}
