//! PKCS#12 stores, by the `p12-keystore` crate.

use super::{KeyStore, StoreError};
use p12_keystore::{LocalKeyId, Pkcs12Archive, error::Error};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

fn read(bytes: &[u8], password: &str) -> Result<Pkcs12Archive, StoreError> {
    Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| match error {
        Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) => StoreError::Password,
        Error::UnsupportedEncryptionScheme | Error::UnsupportedMacAlgorithm => StoreError::Unsupported {
            what: error.to_string(),
            instead: "write the store anew with openssl pkcs12 -export",
        },
        other => StoreError::Malformed { format: "PKCS#12", problem: other.to_string() },
    })
}

/// The first key, its certificate, and those of its issuers as far as they are there.
pub(super) fn key_store(bytes: &[u8], password: &str) -> Result<KeyStore, StoreError> {
    let archive = read(bytes, password)?;
    let key = archive.keys.first().ok_or(StoreError::NoKey)?;
    let certificates: Vec<CertificateDer<'static>> =
        archive.certs.iter().map(|bag| CertificateDer::from(bag.cert.as_der().to_vec())).collect();
    let is_of_key = |id: &Option<Vec<u8>>| match (&key.local_key_id, id) {
        (Some(LocalKeyId(key)), Some(id)) => key == id,
        _ => false,
    };
    let own = archive.certs.iter().position(|bag| is_of_key(&bag.local_key_id));
    // Without ids there may be only one certificate that is nobody's issuer; then it stands first.
    let own = own.or_else(|| (key.local_key_id.is_none() && !certificates.is_empty()).then_some(0));
    let own = own.ok_or(if certificates.is_empty() {
        StoreError::NoCertificate
    } else {
        StoreError::NoCertificateOfKey
    })?;
    let chain = chain(&certificates, own);
    Ok(KeyStore { chain, key: PrivatePkcs8KeyDer::from(key.key.as_der().to_vec()).into() })
}

/// From a certificate to its issuer and so on, each once.
fn chain(certificates: &[CertificateDer<'static>], own: usize) -> Vec<CertificateDer<'static>> {
    let all: Vec<Option<Names>> = certificates.iter().map(Names::of).collect();
    let (mut chain, mut last) = (vec![own], own);
    while let Some(Names { issuer, .. }) = &all[last] {
        let is_issuer = |names: &Option<Names>| names.as_ref().is_some_and(|names| names.subject == *issuer);
        let next = all.iter().enumerate().find(|(at, names)| !chain.contains(at) && is_issuer(names));
        let Some((next, _)) = next else { break };
        chain.push(next);
        last = next;
    }
    chain.into_iter().map(|at| certificates[at].clone()).collect()
}

/// Whose a certificate is, and who has signed it, as they are encoded.
struct Names {
    subject: Vec<u8>,
    issuer: Vec<u8>,
}

impl Names {
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let (subject, issuer) = (parsed.subject().as_raw().to_vec(), parsed.issuer().as_raw().to_vec());
        Some(Self { subject, issuer })
    }
}

/// Certificates that stand alone: those that keytool has marked, or, where it has marked none, all of a store without
/// a key.
pub(super) fn trusted(bytes: &[u8], password: &str) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let archive = read(bytes, password)?;
    let marked = archive.certs.iter().any(|bag| bag.trusted);
    let counts = |trusted: bool| if marked { trusted } else { archive.keys.is_empty() };
    let bags = archive.certs.iter().filter(|bag| counts(bag.trusted));
    Ok(bags.map(|bag| CertificateDer::from(bag.cert.as_der().to_vec())).collect())
}
