//! How tools speak to a server: in TLS or not, with what, and who they log in as.

use super::{ToolError, error::read};
use crate::{
    config::{Config, ConfigError},
    sasl::{Jaas, Way, way},
    tls::{self, TlsError},
};
use clap::Args;
use rustls::ClientConfig;
use std::{path::Path, sync::Arc};

/// How a client speaks to a server.
#[derive(Debug, Args)]
pub struct Dialling {
    /// In TLS
    #[arg(long)]
    pub(super) tls: bool,
    /// KEY=VALUE: whom to trust in TLS and what to show, as ssl.trustStore.location, ssl.keyStore.location, ...; for sessions, the file that says
    /// who logs in: java.security.auth.login.config
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

/// The last value that is given for a property.
pub(super) fn value_of<'a>(properties: &'a [(String, String)], name: &str) -> Option<&'a str> {
    properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// User and password, where a JAAS file says them (`zookeeper.sasl.clientconfig`, else the section `Client`).
///
/// # Errors
/// The file cannot be read, or the section says something else.
pub(super) fn client_login(properties: &[(String, String)]) -> Result<Option<(String, String)>, ToolError> {
    let property = |name: &str| value_of(properties, name);
    let is_off = property("zookeeper.sasl.client") == Some("false");
    let Some(file) = property("java.security.auth.login.config").filter(|_| !is_off) else {
        return Ok(None);
    };
    let path = Path::new(file);
    let refused = |problem: String| ToolError::content(path, problem);
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let jaas = Jaas::parse(&text, |name| property(name).map(str::to_owned))
        .map_err(|error| refused(format!("line {}: {}", error.line, error.problem)))?;
    let section = property("zookeeper.sasl.clientconfig").unwrap_or("Client");
    // Officially a client without its section goes on without a login.
    let Some(modules) = jaas.section(section) else { return Ok(None) };
    let only = "tools log in with DigestLoginModule alone";
    match way(modules).map_err(|other| refused(format!("section {section}: {}: {only}", other.class)))? {
        Way::Kerberos(module) => Err(refused(format!("section {section}: {}: {only}", module.class))),
        Way::Passwords(_) => {
            let option = |name| modules.iter().find_map(|module| module.options.get(name)).cloned();
            let both = option("username").zip(option("password"));
            both.map(Some).ok_or_else(|| refused(format!("section {section} has no username and password")))
        }
    }
}

/// A setting, as KEY=VALUE.
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is needed")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A property of the official client, with or without its prefix, or of its virtual machine.
fn property(text: &str) -> Result<(String, String), String> {
    let (key, value) = setting(text)?;
    let is_whole = ["zookeeper.", "java."].iter().any(|prefix| key.starts_with(prefix));
    let prefix = if is_whole { "" } else { "zookeeper." };
    Ok((format!("{prefix}{key}"), value))
}
