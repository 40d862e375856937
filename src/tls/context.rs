//! From settings and files to what `rustls` runs with.

use super::{
    Revocation, TlsError, files,
    settings::{ClientAuth, TlsSettings},
    stores::{KeyStore, TrustStore},
    suites::{self, Chosen},
    verify::{Clients, Servers, roots},
};
use crate::topics;
use rustls::{
    ClientConfig, ServerConfig, SupportedProtocolVersion,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoClientAuth, danger::ClientCertVerifier},
};
use std::{path::PathBuf, sync::Arc};

/// Tickets for a client to come back with: one that has come back gets another.
const TICKETS: usize = 1;

/// What both sides of connections are made of, read once.
pub(super) struct Material<'s> {
    settings: &'s TlsSettings,
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    /// The own key, and where it is; a client may do without.
    own: Option<(KeyStore, PathBuf)>,
    /// Who vouches for others, and where that stands; `None` where nobody is asked for a certificate.
    trusted: Option<(TrustStore, PathBuf)>,
}

impl<'s> Material<'s> {
    /// Reads the stores of a server. `dials`: it connects to others, too.
    pub(super) fn load(settings: &'s TlsSettings, dials: bool) -> Result<Self, TlsError> {
        let asks = dials || settings.client_auth != ClientAuth::None;
        Self::read(settings, Some(files::key_store(settings)?), asks)
    }

    /// Reads those of somebody who only connects to others: a key is not needed.
    pub(super) fn load_client(settings: &'s TlsSettings) -> Result<Self, TlsError> {
        if settings.trust_store.is_none() {
            return Err(TlsError::NobodyBelieved { prefix: settings.prefix });
        }
        let own = settings.key_store.as_ref().map(|_| files::key_store(settings)).transpose()?;
        Self::read(settings, own, true)
    }

    fn read(
        settings: &'s TlsSettings,
        own: Option<(KeyStore, PathBuf)>,
        asks: bool,
    ) -> Result<Self, TlsError> {
        let cipher_suites = left(settings, "ciphersuites", &settings.suites, suites::choose)?;
        Ok(Self {
            settings,
            provider: Arc::new(CryptoProvider { cipher_suites, ..aws_lc_rs::default_provider() }),
            own,
            trusted: asks.then(|| files::trust_store(settings)).transpose()?,
            versions: left(settings, "enabledProtocols", &settings.protocols, suites::versions)?,
        })
    }

    /// The key store is no good.
    fn refused(&self, source: rustls::Error) -> TlsError {
        let setting = format!("{}keyStore.location", self.settings.prefix);
        let path = self.own.as_ref().map(|(_, path)| path.clone()).unwrap_or_default();
        TlsError::Key { setting, path, source }
    }

    fn trusted(&self) -> Result<&(TrustStore, PathBuf), TlsError> {
        let TlsSettings { prefix, unasked, .. } = self.settings;
        self.trusted.as_ref().ok_or(TlsError::NoTrustStore { prefix, unasked })
    }

    /// What speaks to whoever connects.
    pub(super) fn server(&self) -> Result<ServerConfig, TlsError> {
        let refused = |source| self.refused(source);
        let verifier: Arc<dyn ClientCertVerifier> = match self.settings.client_auth {
            ClientAuth::None => Arc::new(NoClientAuth),
            ClientAuth::Want | ClientAuth::Need => {
                Arc::new(Clients::new(self.trusted()?, self.settings, &self.provider)?)
            }
        };
        let (KeyStore { chain, key }, _) =
            self.own.as_ref().ok_or(TlsError::NoKeyStore { prefix: self.settings.prefix })?;
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&self.versions)
            .map_err(refused)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key());
        let mut config = config.map_err(refused)?;
        // As officially: the client's order does not count.
        config.ignore_client_order = true;
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(refused)?;
        config.send_tls13_tickets = TICKETS;
        Ok(config)
    }

    /// What looks up the certificates of others, if that is asked for.
    pub(super) fn revocation(&self) -> Result<Option<Arc<Revocation>>, TlsError> {
        match &self.trusted {
            Some(store) if self.settings.checks_lists || self.settings.asks_responders => {
                let algorithms = self.provider.signature_verification_algorithms;
                let trusted = store.0.certificates.clone();
                let roots = roots(store, self.settings)?;
                let asks = self.settings.asks_responders;
                Ok(Some(Arc::new(Revocation::new(roots, trusted, algorithms, asks))))
            }
            _ => Ok(None),
        }
    }

    /// What speaks to those that this server connects to. Whose names their certificates have is the caller's to check.
    pub(super) fn client(&self) -> Result<ClientConfig, TlsError> {
        let refused = |source| self.refused(source);
        let verifier = Servers::new(self.trusted()?, self.settings, &self.provider)?;
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&self.versions)
            .map_err(refused)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.own {
            Some((KeyStore { chain, key }, _)) => {
                config.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(refused)?
            }
            None => config.with_no_client_auth(),
        };
        // Each connection shows its certificate anew.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// What a list of names leaves. The log tells of those that are none.
fn left<T>(
    settings: &TlsSettings,
    key: &str,
    names: &[String],
    choose: impl FnOnce(&[String]) -> Result<Chosen<T>, String>,
) -> Result<Vec<T>, TlsError> {
    let setting = format!("{}{key}", settings.prefix);
    let value = names.join(",");
    let Chosen { found, unknown } =
        choose(names).map_err(|problem| TlsError::Value { setting: setting.clone(), value, problem })?;
    if !unknown.is_empty() {
        let names = unknown.join(",");
        tracing::warn!(target: topics::SERVER, setting, names, "these cannot be had, and are left out");
    }
    Ok(found)
}
