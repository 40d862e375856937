//! From settings and files to what `rustls` runs with.

use super::{
    TlsError, files,
    settings::{ClientAuth, TlsSettings},
    stores::KeyStore,
    suites::{self, Chosen},
    verify::{Clients, Servers},
};
use crate::topics;
use rustls::{
    ClientConfig, ServerConfig, SupportedProtocolVersion,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoClientAuth, danger::ClientCertVerifier},
};
use std::sync::Arc;

/// Tickets for a client to come back with: one that has come back gets another.
const TICKETS: usize = 1;

/// The provider, with the cipher suites that the settings leave.
fn provider(settings: &TlsSettings) -> Result<Arc<CryptoProvider>, TlsError> {
    let cipher_suites = left(settings, "ciphersuites", &settings.suites, suites::choose)?;
    Ok(Arc::new(CryptoProvider { cipher_suites, ..aws_lc_rs::default_provider() }))
}

/// The versions that the settings leave.
fn versions(settings: &TlsSettings) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    left(settings, "enabledProtocols", &settings.protocols, suites::versions)
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

/// What speaks to whoever connects.
pub(super) fn server_config(settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
    let provider = provider(settings)?;
    let (key_store, path) = files::key_store(settings)?;
    let verifier: Arc<dyn ClientCertVerifier> = match settings.client_auth {
        ClientAuth::None => Arc::new(NoClientAuth),
        ClientAuth::Want | ClientAuth::Need => {
            let trusted = files::trust_store(settings)?;
            Arc::new(Clients::new(trusted, settings, &provider)?)
        }
    };
    let setting = || format!("{}keyStore.location", settings.prefix);
    let refused = |source| TlsError::Key { setting: setting(), path: path.clone(), source };
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(settings)?)
        .map_err(refused)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(key_store.chain, key_store.key);
    let mut config = config.map_err(refused)?;
    // As officially: the client's order does not count.
    config.ignore_client_order = true;
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(refused)?;
    config.send_tls13_tickets = TICKETS;
    Ok(config)
}

/// What speaks to those that this server connects to. Whose names their certificates have is the caller's to check.
pub(super) fn client_config(settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
    let provider = provider(settings)?;
    let (KeyStore { chain, key }, path) = files::key_store(settings)?;
    let setting = || format!("{}keyStore.location", settings.prefix);
    let refused = |source| TlsError::Key { setting: setting(), path: path.clone(), source };
    let verifier = Servers::new(files::trust_store(settings)?, settings, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(settings)?)
        .map_err(refused)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(chain, key);
    let mut config = config.map_err(refused)?;
    // Each connection shows its certificate anew.
    config.resumption = Resumption::disabled();
    Ok(config)
}
