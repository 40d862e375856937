//! How tools speak to a server: in TLS or not, with what, and who they log in as.

use super::{ToolError, error::read};
use crate::{
    client::Login,
    config::{Config, ConfigError},
    gss::{self, Kerberos, Service},
    sasl::{Jaas, Module, Way, way},
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

/// As whom to log in, where a JAAS file says that (`zookeeper.sasl.clientconfig`, else the section `Client`). To be called before
/// there are other threads.
///
/// # Errors
/// The file cannot be read, the section says something else, or there is no Kerberos here.
pub(super) fn client_login(properties: &[(String, String)]) -> Result<Option<Login>, ToolError> {
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
    let refused = |problem: String| refused(format!("section {section}: {problem}"));
    let only = "tools log in with DigestLoginModule or Krb5LoginModule";
    match way(modules).map_err(|other| refused(format!("{}: {only}", other.class)))? {
        Way::Kerberos(module) => by_kerberos(module, property).map(Some).map_err(refused),
        Way::Passwords(_) => {
            let option = |name| modules.iter().find_map(|module| module.options.get(name)).cloned();
            let both = option("username").zip(option("password"));
            let login = both.map(|(user, password)| Login::Password { user, password });
            login.map(Some).ok_or_else(|| refused("it has no username and password".to_owned()))
        }
    }
}

/// A login with tickets, as the official client's properties say.
fn by_kerberos<'p>(module: &Module, property: impl Fn(&str) -> Option<&'p str>) -> Result<Login, String> {
    let config = property("java.security.krb5.conf").map(Path::new);
    let kerberos = Kerberos::load(config).map_err(|error| error.to_string())?;
    let at_hosts = || format!("{}/_HOST", property("zookeeper.sasl.client.username").unwrap_or("zookeeper"));
    let principal = property("zookeeper.server.principal").map_or_else(at_hosts, str::to_owned);
    let canonicalizes = property("zookeeper.sasl.client.canonicalize.hostname")
        .is_none_or(|value| value.eq_ignore_ascii_case("true"));
    let realm = property("zookeeper.server.realm");
    let service = Service::new(&principal, realm, module, &kerberos, canonicalizes);
    Ok(Login::Kerberos { initiator: gss::initiator(&kerberos, module)?, service })
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
