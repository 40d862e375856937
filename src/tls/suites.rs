//! TLS versions and cipher suites, by their names in Java.

use rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::aws_lc_rs::cipher_suite::*,
    version::{TLS12, TLS13},
};

/// Cipher suites in the order in which the official server takes them; the last three are not among its own.
const SUITES: [(&str, SupportedCipherSuite); 9] = [
    ("TLS_AES_256_GCM_SHA384", TLS13_AES_256_GCM_SHA384),
    ("TLS_AES_128_GCM_SHA256", TLS13_AES_128_GCM_SHA256),
    ("TLS_CHACHA20_POLY1305_SHA256", TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// What is left of names that are none here, and of those that are.
#[derive(Debug)]
pub(super) struct Chosen<T> {
    /// In the order of the names.
    pub(super) found: Vec<T>,
    /// Names that nothing stands behind.
    pub(super) unknown: Vec<String>,
}

/// The suites of these names; all, if there are none.
///
/// # Errors
/// Nothing is left, in words.
pub(super) fn choose(names: &[String]) -> Result<Chosen<SupportedCipherSuite>, String> {
    let known: Vec<&str> = SUITES.iter().map(|(name, _)| *name).collect();
    if names.is_empty() {
        return Ok(Chosen { found: SUITES.iter().map(|(_, suite)| *suite).collect(), unknown: Vec::new() });
    }
    pick(names, |name| SUITES.iter().find(|(known, _)| *known == name).map(|(_, suite)| *suite), &known)
}

/// The versions of these names; all, if there are none.
///
/// # Errors
/// Nothing is left, in words.
pub(super) fn versions(names: &[String]) -> Result<Chosen<&'static SupportedProtocolVersion>, String> {
    if names.is_empty() {
        return Ok(Chosen { found: vec![&TLS13, &TLS12], unknown: Vec::new() });
    }
    let find = |name: &str| match name {
        "TLSv1.3" => Some(&TLS13),
        "TLSv1.2" => Some(&TLS12),
        _ => None,
    };
    pick(names, find, &["TLSv1.3", "TLSv1.2"])
}

fn pick<T>(names: &[String], find: impl Fn(&str) -> Option<T>, known: &[&str]) -> Result<Chosen<T>, String> {
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match find(name) {
            Some(one) => found.push(one),
            None => unknown.push(name.clone()),
        }
    }
    match found.is_empty() {
        true => Err(format!("none of these can be had: there are {}", known.join(", "))),
        false => Ok(Chosen { found, unknown }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_cannot_be_had_is_named_and_nothing_at_all_is_refused() {
        let some = choose(&names(&["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_AES_128_GCM_SHA256"])).expect("one");
        assert_eq!((some.found.len(), some.unknown), (1, names(&["TLS_RSA_WITH_AES_128_CBC_SHA"])));
        assert!(choose(&names(&["TLS_RSA_WITH_AES_128_CBC_SHA"])).is_err());
        assert_eq!(choose(&[]).expect("all").found.len(), 9);
        let old = versions(&names(&["TLSv1.2", "TLSv1.1"])).expect("one");
        assert_eq!((old.found.len(), old.unknown), (1, names(&["TLSv1.1"])));
        assert!(versions(&names(&["TLSv1"])).is_err());
    }
}
