//! How tools speak to a server: in TLS or not, and with what.

use crate::{
    config::{Config, ConfigError},
    tls::{self, TlsError},
};
use clap::Args;
use rustls::ClientConfig;
use std::sync::Arc;

/// How a client speaks to a server.
#[derive(Debug, Args)]
pub struct Dialling {
    /// In TLS
    #[arg(long)]
    pub(super) tls: bool,
    /// KEY=VALUE: whom to trust in TLS and what to show, as ssl.trustStore.location, ssl.keyStore.location, ...
    #[arg(short = 'D', value_name = "KEY=VALUE", value_parser = property)]
    pub(super) properties: Vec<(String, String)>,
}

/// What is wrong with what TLS is to be spoken with.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiallingError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What TLS is spoken with, if it is to be, and whether names are checked.
pub(super) type ClientTls = Option<(Arc<ClientConfig>, bool)>;

/// The same for a client with these properties of the official one.
///
/// # Errors
/// A property has a value that it cannot have, or names a store that cannot be used.
pub(super) fn client_tls(
    properties: &[(String, String)],
    is_secure: bool,
) -> Result<ClientTls, DiallingError> {
    let Some(settings) = Config::dialling(properties, is_secure)? else { return Ok(None) };
    Ok(Some((tls::client(&settings)?, settings.checks_server_names)))
}

/// A setting, as KEY=VALUE.
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is needed")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A property of the official client, with or without its prefix.
fn property(text: &str) -> Result<(String, String), String> {
    let (key, value) = setting(text)?;
    let prefix = if key.starts_with("zookeeper.") { "" } else { "zookeeper." };
    Ok((format!("{prefix}{key}"), value))
}
