//! The scheme `x509`: whoever a client's certificate names (`X509AuthenticationProvider`).
//!
//! Invariant: an identity of it comes from a TLS handshake alone. No packet can claim one.

use super::identities::Identities;
use oxkeeper_codec::{ByteStr, records::Id};

/// What the configuration says about the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct X509 {
    /// The subject that may do everything (`zookeeper.X509AuthenticationProvider.superUser`).
    pub super_user: Option<String>,
}

/// The identities of a client whose certificate has passed: `subject` is its subject as RFC 2253 writes it.
pub fn identify(config: &X509, subject: &str) -> Vec<Id> {
    let mut ids = Vec::new();
    if config.super_user.as_deref() == Some(subject) {
        ids.push(Identities::super_user());
    }
    ids.push(Id { scheme: ByteStr::from_static("x509"), id: ByteStr::from(subject.to_owned()) });
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_super_user_has_two_identities() {
        let config = X509 { super_user: Some("CN=root".to_owned()) };
        let shown = |subject| {
            let ids = identify(&config, subject);
            ids.iter().map(|id| format!("{}={}", id.scheme, id.id)).collect::<Vec<_>>()
        };
        assert_eq!(shown("CN=root"), ["super=", "x509=CN=root"]);
        assert_eq!(shown("CN=kafka"), ["x509=CN=kafka"]);
    }
}
