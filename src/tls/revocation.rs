//! Certificates that their authority has taken back: its lists (CRLs, RFC 5280) and responders (OCSP), where certificates say
//! that they are.
//!
//! As officially (the JVM's checker with `com.sun.security.enableCRLDP`), each certificate of a path but its anchor is looked up,
//! and whoever cannot be looked up is not let in: a certificate that names no list, a list that cannot be had, is not
//! its authority's, or has run out. Responders are asked first, if they are to be, and lists count where one says nothing: for
//! the whole path then.
//! Invariants: only a path that stands by itself says where anything is fetched; a list that was had counts for
//! [`FRESH`], one that was not for [`FAILED`]; there are [`LISTS_MAX`] at most, of [`LIST_MAX_BYTES`] each.

use super::ocsp::{Question, SKEW_S, Status};
use parking_lot::Mutex;
use rustls::{
    RootCertStore,
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, UnixTime},
};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationOptionsBuilder, anchor_from_trusted_cert,
};
use x509_parser::{
    oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_OCSP,
    prelude::{
        CertificateRevocationList, DistributionPointName, FromDer, GeneralName, ParsedExtension,
        X509Certificate,
    },
};

/// So long a list is not asked for again.
const FRESH: Duration = Duration::from_secs(30);
/// And one that could not be had.
const FAILED: Duration = Duration::from_secs(5);
/// So long a list may take to come.
const FETCHED_WITHIN: Duration = Duration::from_secs(5);
/// Longest list, in bytes: that of half a million certificates.
const LIST_MAX_BYTES: u64 = 16 << 20;
/// Longest answer of a responder, in bytes.
const ANSWER_MAX_BYTES: u64 = 64 << 10;
/// Places that lists come from.
const LISTS_MAX: usize = 64;

/// Why a certificate does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// No path leads to it any more.
    #[error("its certificate is not vouched for: {0}")]
    Path(webpki::Error),
    /// A certificate of its path is taken back.
    #[error("a certificate of its path is revoked")]
    Revoked,
    /// Nobody says whether it is.
    #[error("whether its certificate is revoked cannot be found out: {0}")]
    Unknown(String),
}

/// Which side shows the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The one that has connected.
    Client,
    /// The one that was connected to.
    Server,
}

type Had = Result<Arc<List>, String>;

/// A list, and from when to when it says what is.
#[derive(Debug)]
struct List {
    list: CertRevocationList<'static>,
    /// In seconds since 1970.
    begins_s: i64,
    ends_s: Option<i64>,
}

impl List {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let no_list = |problem: String| format!("it is no list: {problem}");
        let list = OwnedCertRevocationList::from_der(bytes).map_err(|error| no_list(error.to_string()))?;
        let (_, parsed) =
            CertificateRevocationList::from_der(bytes).map_err(|error| no_list(error.to_string()))?;
        let (begins_s, ends_s) =
            (parsed.last_update().timestamp(), parsed.next_update().map(|time| time.timestamp()));
        Ok(Self { list: list.into(), begins_s, ends_s })
    }

    /// Whether it counts, as far as clocks may differ.
    fn counts(&self, now: UnixTime) -> bool {
        let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        self.begins_s - SKEW_S <= now_s && self.ends_s.is_none_or(|ends_s| now_s <= ends_s + SKEW_S)
    }
}

/// What came from one place, and when.
#[derive(Debug, Default)]
struct Place(Mutex<Option<(Instant, Had)>>);

/// Looks certificates up.
#[derive(Debug)]
pub struct Revocation {
    roots: RootCertStore,
    trusted: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
    asks_responders: bool,
    places: Mutex<HashMap<String, Arc<Place>>>,
    agent: ureq::Agent,
}

impl Revocation {
    pub(super) fn new(
        roots: RootCertStore,
        trusted: Vec<CertificateDer<'static>>,
        algorithms: WebPkiSupportedAlgorithms,
        asks_responders: bool,
    ) -> Self {
        let agent = ureq::Agent::config_builder().timeout_global(Some(FETCHED_WITHIN)).proxy(None).build();
        Self { roots, trusted, algorithms, asks_responders, places: Mutex::default(), agent: agent.into() }
    }

    /// Whether none of the certificates is taken back that lead from `chain`'s first to an authority. May block, for lists
    /// that have to be fetched. `at` and `now` are the same time.
    ///
    /// # Errors
    /// One is, or it cannot be found out.
    pub fn check(
        &self,
        chain: &[CertificateDer<'_>],
        shows: Shows,
        at: Instant,
        now: UnixTime,
    ) -> Result<(), RevocationError> {
        let Some((first, others)) = chain.split_first() else { return Ok(()) };
        // Who stands in the trust store is trusted as it is.
        if self.trusted.contains(first) {
            return Ok(());
        }
        let parsed = EndEntityCert::try_from(first).map_err(RevocationError::Path)?;
        let path = |revocation| {
            let usage = match shows {
                Shows::Client => KeyUsage::client_auth(),
                Shows::Server => KeyUsage::server_auth(),
            };
            let Self { roots, algorithms, .. } = self;
            parsed.verify_for_usage(algorithms.all, &roots.roots, others, now, usage, revocation, None)
        };
        let stands = path(None).map_err(RevocationError::Path)?;
        let below = stands.intermediate_certificates().map(|certificate| certificate.der());
        let path_certificates: Vec<_> = std::iter::once(first.clone()).chain(below).collect();
        let mut problems = Vec::new();
        if self.asks_responders {
            let anchor = self.trusted.iter().find(|trusted| {
                let named = anchor_from_trusted_cert(trusted);
                named.is_ok_and(|named| named == *stands.anchor())
            });
            let issuers = path_certificates.iter().skip(1).chain(anchor);
            for (certificate, issuer) in path_certificates.iter().zip(issuers) {
                match self.ask(certificate, issuer, now) {
                    Ok(Status::Good) => {}
                    Ok(Status::Revoked) => return Err(RevocationError::Revoked),
                    Err(problem) => problems.push(problem),
                }
            }
            if problems.is_empty() && anchor.is_some() {
                return Ok(());
            }
        }
        let mut lists = Vec::new();
        for certificate in &path_certificates {
            let urls = places_of(certificate);
            if urls.is_empty() {
                problems.push("a certificate names no place of a list that is fetched by HTTP".to_owned());
            }
            for url in urls {
                match self.list(&url, at) {
                    Ok(list) if list.counts(now) => lists.push(list),
                    Ok(_) => problems.push(format!("{url}: the list has run out")),
                    Err(problem) => problems.push(format!("{url}: {problem}")),
                }
            }
        }
        let lists: Vec<&CertRevocationList<'_>> = lists.iter().map(|held| &held.list).collect();
        let unknown =
            |text: String| RevocationError::Unknown([problems.as_slice(), &[text]].concat().join("; "));
        let options =
            RevocationOptionsBuilder::new(&lists).map_err(|_| unknown("there is no list".to_owned()))?;
        // That was looked at above.
        let options = options.with_expiration_policy(ExpirationPolicy::Ignore).build();
        match path(Some(options)) {
            Ok(_) => Ok(()),
            Err(webpki::Error::CertRevoked) => Err(RevocationError::Revoked),
            Err(error) => Err(unknown(error.to_string())),
        }
    }

    /// The list at a place, fetched by one at a time.
    fn list(&self, url: &str, now: Instant) -> Had {
        let place = {
            let mut places = self.places.lock();
            if places.len() >= LISTS_MAX && !places.contains_key(url) {
                places.retain(|_, place| Arc::strong_count(place) > 1);
            }
            Arc::clone(places.entry(url.to_owned()).or_default())
        };
        let mut held = place.0.lock();
        if let Some((at, list)) = &*held
            && now.saturating_duration_since(*at) < if list.is_ok() { FRESH } else { FAILED }
        {
            return list.clone();
        }
        let list = self.fetch(url);
        *held = Some((now, list.clone()));
        list
    }

    /// What the first responder says that a certificate names.
    fn ask(
        &self,
        certificate: &CertificateDer<'_>,
        issuer: &CertificateDer<'_>,
        now: UnixTime,
    ) -> Result<Status, String> {
        let url =
            responder_of(certificate).ok_or("a certificate names no responder that is asked by HTTP")?;
        let question = Question::new(certificate, issuer);
        let question = question.ok_or("a certificate that cannot be asked about")?;
        let bytes = question.bytes().ok_or("a certificate that cannot be asked about")?;
        let post = self.agent.post(&url).header("Content-Type", "application/ocsp-request");
        let answer = post
            .send(&bytes[..])
            .and_then(|mut answer| answer.body_mut().with_config().limit(ANSWER_MAX_BYTES).read_to_vec());
        let answer = answer.map_err(|error| format!("{url}: it does not answer: {error}"))?;
        question.answered(&answer, &self.algorithms, now).map_err(|problem| format!("{url}: {problem}"))
    }

    fn fetch(&self, url: &str) -> Had {
        let answer = self.agent.get(url).call();
        let bytes =
            answer.and_then(|mut answer| answer.body_mut().with_config().limit(LIST_MAX_BYTES).read_to_vec());
        let bytes = bytes.map_err(|error| format!("it cannot be had: {error}"))?;
        List::parse(&bytes).map(Arc::new)
    }
}

/// Where a certificate says that its authority's lists are, by HTTP.
fn places_of(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let mut found = Vec::new();
    for extension in parsed.extensions() {
        let ParsedExtension::CRLDistributionPoints(points) = extension.parsed_extension() else { continue };
        for point in &points.points {
            let Some(DistributionPointName::FullName(names)) = &point.distribution_point else { continue };
            for name in names {
                found.extend(http(name));
            }
        }
    }
    found
}

/// Which responder a certificate names, by HTTP.
fn responder_of(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    parsed.extensions().iter().find_map(|extension| {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else { return None };
        let named = access
            .accessdescs
            .iter()
            .filter(|access| access.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP);
        named.filter_map(|access| http(&access.access_location)).next()
    })
}

/// The place, if it is one of HTTP.
fn http(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(url) if url.get(..7)?.eq_ignore_ascii_case("http://") => Some((*url).to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_counts_while_clocks_could_differ() {
        assert!(List::parse(b"nonsense").is_err_and(|problem| problem.starts_with("it is no list: ")));
        let der = include_bytes!("../../tests/data/tls/list.crl");
        let list = List::parse(der).expect("a list");
        let ends_s = list.ends_s.expect("it ends");
        let at = |s: i64| list.counts(UnixTime::since_unix_epoch(Duration::from_secs(s.unsigned_abs())));
        assert!(at(list.begins_s) && at(ends_s) && at(list.begins_s - SKEW_S) && at(ends_s + SKEW_S));
        assert!(!at(list.begins_s - SKEW_S - 1) && !at(ends_s + SKEW_S + 1));
    }
}
