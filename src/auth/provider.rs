//! The providers: which schemes there are, and how a client proves an identity of theirs (`ProviderRegistry`).
//!
//! Invariant: `world`, `auth` and `super` have no provider, so no client can claim them.

use super::{
    digest::{self, DigestAlgorithm},
    identities::Identities,
    ip,
    sasl::Sasl,
    x509::X509,
};
use crate::sasl::KerberosName;
use core::net::IpAddr;
use oxkeeper_codec::{
    ByteStr, decode_lossy,
    records::{ClientInfo, Id},
};

/// What the configuration says about authentication and ACLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthConfig {
    /// The digest id that makes a connection the super user (`zookeeper.DigestAuthenticationProvider.superDigest`).
    pub super_digest: Option<String>,
    /// Whether there is a scheme `digest` (`zookeeper.DigestAuthenticationProvider.enabled`).
    pub digest_enabled: bool,
    /// The hash of that scheme (`zookeeper.DigestAuthenticationProvider.digestAlg`).
    pub digest_algorithm: DigestAlgorithm,
    /// Whether ACLs are not looked at (`zookeeper.skipACL`).
    pub skip_acl: bool,
    /// Whether there is a scheme `ensemble` (`EnsembleAuthenticationProvider`): it keeps clients of another ensemble
    /// away, and gives no identity.
    pub ensemble: bool,
    /// The names that it takes (`zookeeper.ensembleAuthName`); `None` takes all.
    pub ensemble_names: Option<Vec<String>>,
    /// Whether there is a scheme `key` (`KeyAuthenticationProvider`): a number that the one in `/key` divides.
    pub key: bool,
    /// The scheme `sasl`, if there is one (`SASLAuthenticationProvider`).
    pub sasl: Option<Sasl>,
    /// The scheme `x509`, if there is one (`X509AuthenticationProvider`).
    pub x509: Option<X509>,
    /// A connection needs an identity of one of these schemes (`zookeeper.enforce.auth.schemes`); `None` if not
    /// enforced.
    pub enforced_schemes: Option<Vec<String>>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            super_digest: None,
            digest_enabled: true,
            digest_algorithm: DigestAlgorithm::default(),
            skip_acl: false,
            ensemble: false,
            ensemble_names: None,
            key: false,
            sasl: None,
            x509: None,
            enforced_schemes: None,
        }
    }
}

/// Why an identity was not accepted. The client is answered AUTH_FAILED either way, then the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No provider for the scheme.
    #[error("there is no provider for the authentication scheme")]
    UnknownScheme,
    /// The client means another ensemble: its connection is closed without an answer.
    #[error("the client expects another ensemble")]
    WrongEnsemble,
    /// The number in `/key` does not divide the one that was offered.
    #[error("the key does not fit")]
    WrongKey,
    /// The scheme wants data, and there is none.
    #[error("the authentication data is missing")]
    MissingData,
    /// A login by SASL has packets of its own.
    #[error("SASL logs in by its own packets")]
    OwnPackets,
    /// The client has shown no certificate.
    #[error("it has shown no certificate")]
    NoCertificate,
    /// The connection has [`Identities::MAX`] of them already, or [`Identities::MAX_BYTES`] with this one.
    #[error("the connection has too many identities")]
    TooMany,
}

/// A scheme with a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    /// User and password.
    Digest,
    /// The client's address.
    Ip,
    /// The name of the ensemble; no identity.
    Ensemble,
    /// A multiple of a number in the tree.
    Key,
    /// The subject of a certificate.
    X509,
    /// A login by SASL.
    Sasl,
}

impl Provider {
    /// The provider of a scheme, whether it is switched on or not.
    pub(super) fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "digest" => Some(Self::Digest),
            "ip" => Some(Self::Ip),
            "ensemble" => Some(Self::Ensemble),
            "key" => Some(Self::Key),
            "x509" => Some(Self::X509),
            "sasl" => Some(Self::Sasl),
            _ => None,
        }
    }

    /// The provider of a scheme on this server.
    pub(super) fn configured(config: &AuthConfig, scheme: &str) -> Option<Self> {
        Self::of_scheme(scheme).filter(|provider| match provider {
            Self::Digest => config.digest_enabled,
            Self::Ip => true,
            Self::Ensemble => config.ensemble,
            Self::Key => config.key,
            Self::X509 => config.x509.is_some(),
            Self::Sasl => config.sasl.is_some(),
        })
    }

    /// Whether its identities tell who created something: an address does not.
    pub(super) const fn identifies(self) -> bool {
        matches!(self, Self::Digest | Self::Key | Self::X509 | Self::Sasl)
    }

    /// Whether it looks into an id to tell whether an ACL may name it.
    pub(super) const fn parses(self) -> bool {
        matches!(self, Self::Digest | Self::Ip | Self::X509)
    }

    /// Whether an ACL may name the id.
    pub(super) fn is_valid(self, id: &str) -> bool {
        match self {
            Self::Digest => digest::is_valid(id),
            Self::Ip => ip::is_valid(id),
            Self::Ensemble => false,
            Self::Key => true,
            Self::Sasl => KerberosName::parse(id).is_ok(),
            Self::X509 => crate::tls::is_distinguished_name(id),
        }
    }

    /// Whether the identity is one that the ACL names.
    pub(super) fn matches(self, config: &AuthConfig, id: &str, expression: &str) -> bool {
        match self {
            Self::Sasl => {
                let of_all = config.sasl.as_ref().and_then(|sasl| sasl.any_user.as_deref());
                id == "super" || id == expression || of_all == Some(expression)
            }
            Self::Digest | Self::Key | Self::X509 => id == expression,
            Self::Ensemble => false,
            Self::Ip => ip::matches(id, expression),
        }
    }
}

/// What a client offers in an auth packet, and what the server holds against it.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The scheme.
    pub scheme: &'a str,
    /// What proves the identity.
    pub data: Option<&'a [u8]>,
    /// Where the client is.
    pub remote: IpAddr,
    /// Data of the znode `/key`, if it is there.
    pub key: Option<&'a [u8]>,
}

/// Whether the number in `/key` divides the one offered; without `/key` anything does, so that it can be written.
fn key_fits(key: &[u8], offered: &[u8]) -> bool {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<i32>().ok();
    match (number(key), number(offered)) {
        (Some(key), Some(offered)) => key == 0 || offered.wrapping_rem(key) == 0,
        _ => false,
    }
}

/// Adds the identity that an auth packet proves (`ZooKeeperServer.processPacket`).
pub fn authenticate(config: &AuthConfig, offer: Offer<'_>, ids: &mut Identities) -> Result<(), AuthError> {
    let Offer { scheme, data, remote, key } = offer;
    let mut add = |id| if ids.has_room_for(&id) { Ok(ids.add(id)) } else { Err(AuthError::TooMany) };
    match Provider::configured(config, scheme).ok_or(AuthError::UnknownScheme)? {
        Provider::Ip => {
            add(ip::identity(remote))?;
        }
        Provider::Sasl => return Err(AuthError::OwnPackets),
        Provider::X509 => {
            // The handshake has proven it, or nothing can.
            if !ids.has_scheme("x509") {
                return Err(AuthError::NoCertificate);
            }
        }
        Provider::Ensemble => {
            let name = decode_lossy(data.unwrap_or_default());
            let known =
                config.ensemble_names.as_ref().is_none_or(|names| names.iter().any(|known| *known == name));
            if !name.is_empty() && !known {
                return Err(AuthError::WrongEnsemble);
            }
        }
        Provider::Key => {
            let offered = data.ok_or(AuthError::MissingData)?;
            if !key.is_none_or(|key| key_fits(key, offered)) {
                return Err(AuthError::WrongKey);
            }
            // The id is empty, so that it stays the same when the key changes.
            add(Id { scheme: ByteStr::from_static("key"), id: ByteStr::default() })?;
        }
        Provider::Digest => {
            let user_and_password = decode_lossy(data.ok_or(AuthError::MissingData)?);
            let digest = digest::generate_digest(config.digest_algorithm, &user_and_password);
            if config.super_digest.as_ref() == Some(&digest) {
                add(Identities::super_user())?;
            }
            add(Id { scheme: ByteStr::from_static("digest"), id: ByteStr::from(digest) })?;
        }
    }
    Ok(())
}

/// Whether the connection has an identity of an enforced scheme, if any is; without one every request but connect,
/// auth and sasl is refused (`AuthenticationHelper.enforceAuthentication`).
pub fn enforcement_met(config: &AuthConfig, ids: &Identities) -> bool {
    let Some(schemes) = &config.enforced_schemes else { return true };
    schemes.iter().any(|scheme| ids.has_scheme(scheme))
}

/// Whether an ACL may name an id of a scheme with a provider on this server.
pub fn is_valid_id(config: &AuthConfig, scheme: &str, id: &str) -> bool {
    Provider::configured(config, scheme).is_some_and(|provider| provider.is_valid(id))
}

/// The answer of whoAmI: a digest identity shows its user only, one without a provider here (`super`) shows nothing
/// (`AuthUtil.getClientInfos`).
pub fn who_am_i(config: &AuthConfig, ids: &Identities) -> Vec<ClientInfo> {
    let shown = |id: &Id| match Provider::configured(config, &id.scheme) {
        Some(Provider::Digest) => ByteStr::from(id.id.split(':').next().unwrap_or_default()),
        Some(_) => id.id.clone(),
        None => ByteStr::default(),
    };
    ids.as_slice().iter().map(|id| ClientInfo { auth_scheme: id.scheme.clone(), user: shown(id) }).collect()
}

/// The users of the identities, parted by commas, for the audit log (`AuthUtil.getUsers`).
pub fn users(config: &AuthConfig, ids: &Identities) -> String {
    let users = who_am_i(config, ids).into_iter().map(|shown| shown.user);
    users.filter(|user| !user.trim().is_empty()).map(|user| user.to_string()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer<'a>(scheme: &'a str, data: Option<&'a [u8]>) -> Offer<'a> {
        Offer { scheme, data, remote: REMOTE, key: None }
    }

    use core::net::Ipv4Addr;

    const REMOTE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
    const BOB: &str = "digest=bob:fyVmFCwVbTJYrznoSu1koqYEYF0=";

    /// The identities after packets that are all accepted.
    fn accepted(config: &AuthConfig, packets: &[(&str, &[u8])]) -> Vec<String> {
        shown(config, packets).expect("accepted")
    }

    /// Authenticates one packet after the other and shows the identities.
    fn shown(config: &AuthConfig, packets: &[(&str, &[u8])]) -> Result<Vec<String>, AuthError> {
        let mut ids = Identities::new(REMOTE);
        for (scheme, data) in packets {
            authenticate(config, offer(scheme, Some(data)), &mut ids)?;
        }
        Ok(ids.as_slice().iter().map(|id| format!("{}={}", id.scheme, id.id)).collect())
    }

    #[test]
    fn b127_digest_ids_add_up() {
        let config = AuthConfig::default();
        let packets: &[(&str, &[u8])] =
            &[("digest", b"bob:secret"), ("digest", b"nobody"), ("digest", b"bob:secret")];
        let expected = ["ip=10.0.0.7", BOB, "digest=nobody:Nl7BemdfMnO8FsdHYa2D8s8HxZo="];
        assert_eq!(accepted(&config, packets), expected);
    }

    #[test]
    fn identities_of_a_connection_are_bounded() {
        let mut ids = Identities::new(REMOTE);
        let mut add = |n: usize| {
            let user = format!("user{n}:");
            authenticate(&AuthConfig::default(), offer("digest", Some(user.as_bytes())), &mut ids)
        };
        assert!((1..Identities::MAX).all(|n| add(n).is_ok()));
        assert_eq!(add(Identities::MAX), Err(AuthError::TooMany));
    }

    #[test]
    fn identities_of_a_connection_are_bounded_in_bytes() {
        // 500 packets of 1 MB left 488 MB with one connection.
        for len in [1_000_000, Identities::MAX_BYTES, 10_000, 1000] {
            let mut ids = Identities::new(REMOTE);
            let outcomes: Vec<_> = (0..100)
                .map(|n| format!("{n}{}:", "u".repeat(len)))
                .map(|user| {
                    authenticate(&AuthConfig::default(), offer("digest", Some(user.as_bytes())), &mut ids)
                })
                .collect();
            let bytes: usize = ids.as_slice().iter().map(|id| id.scheme.len() + id.id.len()).sum();
            assert!(bytes <= Identities::MAX_BYTES, "{bytes} bytes");
            assert!(
                bytes + 2 * len + 2000 > Identities::MAX_BYTES,
                "{bytes} bytes, and {len} more did not fit"
            );
            assert_eq!(outcomes.last(), Some(&Err(AuthError::TooMany)));
        }
    }

    #[test]
    fn b127_bytes_that_are_no_text_are_hashed_as_java_decodes_them() {
        let ids = accepted(&AuthConfig::default(), &[("digest", b"u:\xff")]);
        assert_eq!(ids[1], "digest=u:NP+S9gihaPOxs49p+sWDO0/R0ac=");
    }

    #[test]
    fn b128_the_super_digest_gives_two_ids() {
        let digest = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=";
        let config = AuthConfig { super_digest: Some(digest.into()), ..AuthConfig::default() };
        let ids = accepted(&config, &[("digest", b"super:test")]);
        assert_eq!(ids, ["ip=10.0.0.7", "super=", &format!("digest={digest}")]);
        assert_eq!(accepted(&config, &[("digest", b"bob:secret")]).len(), 2);
        assert_eq!(accepted(&AuthConfig::default(), &[("digest", b"super:test")]).len(), 2);
    }

    #[test]
    fn b128_the_super_digest_is_of_the_configured_algorithm() {
        let algorithm = DigestAlgorithm::Sha256;
        let digest = digest::generate_digest(algorithm, "super:test");
        let config =
            AuthConfig { super_digest: Some(digest), digest_algorithm: algorithm, ..AuthConfig::default() };
        assert_eq!(accepted(&config, &[("digest", b"super:test")]).len(), 3);
    }

    #[test]
    fn b129_schemes_without_provider_are_refused() {
        for scheme in ["world", "auth", "super", "sasl", "x509", "", "Digest"] {
            assert_eq!(shown(&AuthConfig::default(), &[(scheme, b"a:b")]), Err(AuthError::UnknownScheme));
        }
        let config = AuthConfig { digest_enabled: false, ..AuthConfig::default() };
        assert_eq!(shown(&config, &[("digest", b"a:b")]), Err(AuthError::UnknownScheme));
    }

    #[test]
    fn b129_scheme_ip_changes_nothing() {
        let mut ids = Identities::new(REMOTE);
        assert_eq!(authenticate(&AuthConfig::default(), offer("ip", None), &mut ids), Ok(()));
        assert_eq!(ids, Identities::new(REMOTE));
    }

    #[test]
    fn b129_digest_without_data_is_refused() {
        let mut ids = Identities::none();
        let refused = authenticate(&AuthConfig::default(), offer("digest", None), &mut ids);
        assert_eq!(refused, Err(AuthError::MissingData));
    }

    #[test]
    fn b132_one_of_the_enforced_schemes_is_enough() {
        let mut ids = Identities::new(REMOTE);
        let enforced = |schemes: &[&str]| AuthConfig {
            enforced_schemes: Some(schemes.iter().map(|s| (*s).to_owned()).collect()),
            ..AuthConfig::default()
        };
        assert!(enforcement_met(&AuthConfig::default(), &ids));
        assert!(!enforcement_met(&enforced(&["sasl", "digest"]), &ids));
        assert!(enforcement_met(&enforced(&["sasl", "ip"]), &ids));
        assert_eq!(authenticate(&AuthConfig::default(), offer("digest", Some(b"a:b")), &mut ids), Ok(()));
        assert!(enforcement_met(&enforced(&["sasl", "digest"]), &ids));
    }

    #[test]
    fn the_ensemble_scheme_keeps_others_away_and_gives_no_identity() {
        let names = Some(vec!["woo".to_owned(), "foo".to_owned()]);
        let config = AuthConfig { ensemble: true, ensemble_names: names, ..AuthConfig::default() };
        let mut ids = Identities::new(REMOTE);
        for name in [None, Some(&b""[..]), Some(b"woo"), Some(b"foo")] {
            assert_eq!(authenticate(&config, offer("ensemble", name), &mut ids), Ok(()), "{name:?}");
        }
        let other = authenticate(&config, offer("ensemble", Some(b"goo")), &mut ids);
        assert_eq!(other, Err(AuthError::WrongEnsemble));
        assert!(!ids.has_scheme("ensemble"));
        let off = authenticate(&AuthConfig::default(), offer("ensemble", Some(b"woo")), &mut ids);
        assert_eq!(off, Err(AuthError::UnknownScheme));
    }

    #[test]
    fn the_key_scheme_takes_multiples_of_the_key() {
        let config = AuthConfig { key: true, ..AuthConfig::default() };
        for (key, offered, fits) in [
            (None, "anything", true),
            (Some("7"), "14", true),
            (Some("7"), "15", false),
            (Some("0"), "5", true),
            (Some("x"), "5", false),
        ] {
            let mut ids = Identities::new(REMOTE);
            let offer = Offer { key: key.map(str::as_bytes), ..offer("key", Some(offered.as_bytes())) };
            let result = authenticate(&config, offer, &mut ids);
            assert_eq!(result.is_ok(), fits, "{key:?} {offered}");
            assert_eq!(ids.has_scheme("key"), fits);
        }
    }

    #[test]
    fn b097_who_am_i_shows_users_without_digests() {
        let mut ids = Identities::new([10, 0, 0, 7].into());
        ids.add(Identities::super_user());
        ids.add(Id { scheme: "digest".into(), id: "bob:x:y".into() });
        let shown: Vec<_> = who_am_i(&AuthConfig::default(), &ids)
            .into_iter()
            .map(|i| format!("{}={}", i.auth_scheme, i.user))
            .collect();
        assert_eq!(shown, ["ip=10.0.0.7", "super=", "digest=bob"]);
    }
}
