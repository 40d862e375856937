//! What those are called that this side logs in at.

use super::Kerberos;
use crate::sasl::Module;

/// What stands for a host in the name of a service.
const HOST_PATTERN: &str = "_HOST";

/// A service at one host, or at any (`SecurityUtils.getServerPrincipal`, `SaslServerPrincipal`).
#[derive(Debug, Clone)]
pub struct Service {
    /// With `_HOST` in the place of hosts.
    principal: String,
    /// What resolves hosts to the names that they have in principals; `None`: they are taken as they are given.
    canonical: Option<Kerberos>,
}

impl Service {
    /// All at this principal, or with `_HOST` in it (`name/_HOST`) each by its host. One that names no realm is in `realm`, else in that of
    /// the principal which `module` logs in as, else in that of the library. `canonicalizes`: hosts are what the resolver calls them.
    pub fn new(
        principal: &str,
        realm: Option<&str>,
        module: &Module,
        kerberos: &Kerberos,
        canonicalizes: bool,
    ) -> Self {
        let mut principal = principal.to_owned();
        if !principal.contains('@') {
            let own = || module.options.get("principal")?.split_once('@').map(|(_, realm)| realm);
            let realm = realm.or_else(own).map(str::to_owned);
            if let Some(realm) = realm.or_else(|| kerberos.default_realm()) {
                principal.extend(["@", &realm]);
            }
        }
        Self { principal, canonical: canonicalizes.then(|| kerberos.clone()) }
    }

    /// The principal at a host. It may ask the resolver.
    pub fn at(&self, host: &str) -> String {
        match self.principal.split_once('/') {
            Some((first, rest)) if rest.split('@').next() == Some(HOST_PATTERN) => {
                let known = self.canonical.as_ref();
                let host = known.map_or_else(|| host.to_owned(), |kerberos| kerberos.canonical_host(host));
                format!("{first}/{}{}", host.to_lowercase(), &rest[HOST_PATTERN.len()..])
            }
            _ => self.principal.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_called_by_their_hosts() {
        for (principal, expected) in [
            ("zkquorum/localhost@OXK.TEST", "zkquorum/localhost@OXK.TEST"),
            ("zkquorum/_HOST@OXK.TEST", "zkquorum/zk1.example.org@OXK.TEST"),
            ("zkquorum/_HOST", "zkquorum/zk1.example.org"),
            ("zkquorum", "zkquorum"),
        ] {
            let service = Service { principal: principal.to_owned(), canonical: None };
            assert_eq!(service.at("ZK1.example.org"), expected);
        }
    }
}
