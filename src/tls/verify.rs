//! Whose certificates are good.
//!
//! `rustls` builds the path and checks times, purposes and signatures. What the official server adds, because the JVM
//! does: a certificate that stands in the trust store is trusted by itself, also if it says that it is an authority's.

use super::{
    TlsError,
    settings::{ClientAuth, TlsSettings},
    stores::TrustStore,
};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use std::{path::PathBuf, sync::Arc};

/// Checks those who connect.
#[derive(Debug)]
pub(super) struct Clients {
    paths: Arc<dyn ClientCertVerifier>,
    trusted: Vec<CertificateDer<'static>>,
}

impl Clients {
    /// `store`: the trust store, and where it is.
    pub(super) fn new(
        store: &(TrustStore, PathBuf),
        settings: &TlsSettings,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let roots = Arc::new(roots(store, settings)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        let builder = match settings.client_auth {
            ClientAuth::Need => builder,
            ClientAuth::Want | ClientAuth::None => builder.allow_unauthenticated(),
        };
        let paths = builder.build().map_err(|error| no_use(store, settings, error.to_string()))?;
        Ok(Self { paths, trusted: store.0.certificates.clone() })
    }
}

/// Checks those that this server connects to. Their names are looked at elsewhere.
#[derive(Debug)]
pub(super) struct Servers {
    roots: RootCertStore,
    trusted: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Servers {
    /// As of [`Clients::new`].
    pub(super) fn new(
        store: &(TrustStore, PathBuf),
        settings: &TlsSettings,
        provider: &CryptoProvider,
    ) -> Result<Self, TlsError> {
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { roots: roots(store, settings)?, trusted: store.0.certificates.clone(), algorithms })
    }
}

/// Whether a certificate that has passed is for an address or a name.
pub fn is_for(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
}

/// The certificates that can vouch for others; the first reason if there is none.
pub(super) fn roots(
    store: &(TrustStore, PathBuf),
    settings: &TlsSettings,
) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut first = None;
    for certificate in &store.0.certificates {
        if let Err(error) = roots.add(certificate.clone()) {
            first.get_or_insert_with(|| error.to_string());
        }
    }
    if roots.is_empty() {
        return Err(no_use(store, settings, first.unwrap_or_else(|| "it holds none".to_owned())));
    }
    Ok(roots)
}

fn no_use((_, path): &(TrustStore, PathBuf), settings: &TlsSettings, problem: String) -> TlsError {
    TlsError::Trust {
        setting: format!("{}trustStore.location", settings.prefix),
        path: path.clone(),
        problem,
    }
}

/// Whether a certificate that stands in the trust store passes although no path was found: no other reason counts for less.
fn stands_for_itself(trusted: &[CertificateDer<'_>], shown: &CertificateDer<'_>, error: &Error) -> bool {
    let no_path = matches!(
        error,
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::Other(_))
    );
    no_path && trusted.contains(shown)
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        self.paths.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.paths.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.paths.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.paths.verify_client_cert(end_entity, intermediates, now).or_else(|error| {
            if stands_for_itself(&self.trusted, end_entity, &error) {
                Ok(ClientCertVerified::assertion())
            } else {
                Err(error)
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.paths.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.paths.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.paths.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let path = ParsedCertificate::try_from(end_entity).and_then(|parsed| {
            let Self { roots, algorithms, .. } = self;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms.all)
        });
        match path {
            Err(error) if !stands_for_itself(&self.trusted, end_entity, &error) => Err(error),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
