//! Stores of one key in each form, see tests/data/tls/README.md.

use super::*;

const PASSWORD: &str = "changeit";

fn file(name: &str) -> Vec<u8> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls");
    std::fs::read(dir.join(name)).expect("a fixture")
}

fn key_store(name: &str, password: &str) -> Result<(Vec<u8>, usize), StoreError> {
    let kind = StoreKind::of(Path::new(name), None).expect("a known kind");
    let store = KeyStore::read(&file(name), kind, password)?;
    Ok((store.key.secret_der().to_vec(), store.chain.len()))
}

fn trust_store(name: &str, password: &str) -> Result<usize, StoreError> {
    let kind = StoreKind::of(Path::new(name), None).expect("a known kind");
    TrustStore::read(&file(name), kind, password).map(|store| store.certificates.len())
}

#[test]
fn the_same_key_comes_from_each() {
    let (key, chain) = key_store("plain.pem", "").expect("a key");
    assert_eq!(chain, 1);
    for name in ["plain.pem", "encrypted.pem", "openssl.p12", "keytool.jks"] {
        assert_eq!(key_store(name, PASSWORD), Ok((key.clone(), 1)), "{name}");
    }
}

#[test]
fn a_wrong_password_opens_nothing() {
    for name in ["encrypted.pem", "openssl.p12", "keytool.jks"] {
        assert_eq!(key_store(name, "wrong"), Err(StoreError::Password), "{name}");
    }
    assert_eq!(key_store("encrypted.pem", ""), Err(StoreError::NoPassword));
    for name in ["trust.p12", "keytool.jks"] {
        assert_eq!(trust_store(name, "wrong"), Err(StoreError::Password), "{name}");
    }
}

#[test]
fn certificates_that_stand_alone_vouch_for_others() {
    for name in ["trust.p12", "keytool.jks", "plain.pem"] {
        assert_eq!(trust_store(name, PASSWORD), Ok(1), "{name}");
    }
    // Without a password nobody knows whether it is whole; Java takes it.
    assert_eq!(trust_store("keytool.jks", ""), Ok(1));
    assert_eq!(trust_store("openssl.p12", PASSWORD), Err(StoreError::NoCertificate));
    assert_eq!(key_store("trust.p12", PASSWORD), Err(StoreError::NoKey));
}

#[test]
fn the_kind_is_told_by_the_type_or_by_the_name() {
    let of = |name: &str, set: Option<&str>| StoreKind::of(Path::new(name), set);
    for (name, set, kind) in [
        ("a.pem", None, StoreKind::Pem),
        ("a.jks", None, StoreKind::Java),
        ("a.p12", Some(""), StoreKind::Java),
        ("a", Some("pem"), StoreKind::Pem),
        ("a.pem", Some("PKCS12"), StoreKind::Java),
    ] {
        assert_eq!(of(name, set), Ok(kind), "{name}");
    }
    assert_eq!(of("a.pfx", None), Err(StoreError::UnknownKind));
    assert_eq!(of("a.pem", Some("BCFKS")), Err(StoreError::Kind("BCFKS".to_owned())));
    // What keytool calls .jks today is PKCS#12.
    assert!(KeyStore::read(&file("openssl.p12"), StoreKind::Java, PASSWORD).is_ok());
}

#[test]
fn what_is_cut_is_refused() {
    for name in ["encrypted.pem", "openssl.p12", "keytool.jks", "trust.p12"] {
        let whole = file(name);
        let kind = StoreKind::of(Path::new(name), None).expect("a known kind");
        for len in (0..whole.len() - 20).step_by(7) {
            assert!(KeyStore::read(&whole[..len], kind, PASSWORD).is_err(), "{name}, {len} bytes");
        }
    }
}
