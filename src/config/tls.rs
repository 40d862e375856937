//! From checked settings to what is said about TLS, on the client ports and between members.

use super::{
    error::{ConfigError, Origin},
    members,
    model::{AdminTls, ClientTls, QuorumTls, SecurePort},
    rules::Text,
    settings::Settings,
    table::{
        Key,
        auth::SSL_AUTH_PROVIDER,
        operator::{ADMIN_CLIENT_AUTH, ADMIN_HTTPS, ADMIN_UNIFICATION},
        tls::{
            CERT_RELOAD, CLIENT_SIDE, CLIENT_UNIFICATION, FIPS_MODE, HANDSHAKES, QUORUM_RELOAD, QUORUM_SIDE,
            QUORUM_TLS, QUORUM_UNIFICATION, SECURE_ADDRESS, SECURE_PORT, Side,
        },
    },
};
use crate::tls::{ClientAuth, Password, StoreSettings, TlsSettings};
use std::path::PathBuf;

/// TLS for clients; `None` if no port has it.
pub(super) fn client(settings: &Settings) -> Result<Option<ClientTls>, ConfigError> {
    let port = settings.given(&SECURE_PORT)?;
    let address = settings.given(&SECURE_ADDRESS)?;
    if port.is_none() && address.is_some() && !settings.any_refused(&["secureClientPort"]) {
        let given = settings.find_or_default(&SECURE_ADDRESS);
        return Err(given.conflict("set, but secureClientPort is not"));
    }
    let unified = settings.get(&CLIENT_UNIFICATION)?;
    let secure =
        port.map(|port| SecurePort { port, address: address.filter(|host| !members::is_everywhere(host)) });
    if secure.is_none() && !unified {
        return Ok(None);
    }
    if settings.get(&SSL_AUTH_PROVIDER)?.is_some_and(|scheme| scheme != "x509") {
        return Err(settings.find_or_default(&SSL_AUTH_PROVIDER).bad_value("x509"));
    }
    let reloads = settings.get(&CERT_RELOAD)?;
    let limit: i32 = settings.get(&HANDSHAKES)?;
    Ok(Some(ClientTls {
        secure,
        unified,
        max_handshakes: u32::try_from(limit).ok().filter(|&limit| limit > 0),
        settings: side(settings, &CLIENT_SIDE, reloads)?,
    }))
}

/// TLS among members; `None` if they do without.
pub(super) fn quorum(settings: &Settings) -> Result<Option<QuorumTls>, ConfigError> {
    let (dials, unified) = (settings.get(&QUORUM_TLS)?, settings.get(&QUORUM_UNIFICATION)?);
    if !dials && !unified {
        return Ok(None);
    }
    Ok(Some(QuorumTls {
        dials,
        takes_plain: unified,
        checks_names: !settings.get(&FIPS_MODE)?,
        settings: side(settings, &QUORUM_SIDE, settings.get(&QUORUM_RELOAD)?)?,
    }))
}

/// TLS of the admin server, with the stores that members have (`JettyAdminServer`); `None` for plain text alone.
pub(super) fn admin(settings: &Settings) -> Result<Option<AdminTls>, ConfigError> {
    let (forced, unified) = (settings.get(&ADMIN_HTTPS)?, settings.get(&ADMIN_UNIFICATION)?);
    if !forced && !unified {
        return Ok(None);
    }
    let stores = side(settings, &QUORUM_SIDE, false)?;
    let client_auth = if settings.get(&ADMIN_CLIENT_AUTH)? { ClientAuth::Need } else { ClientAuth::None };
    // Names are those of members: nothing is known of who administrates.
    let settings = TlsSettings { client_auth, checks_client_names: false, ..stores };
    Ok(Some(AdminTls { takes_plain: !forced, settings }))
}

/// Tells of stores that nothing is done with, `client` and `quorum` being whether TLS is asked for there.
pub(super) fn remark_unused(settings: &mut Settings, client: bool, quorum: bool) {
    let unused = [
        (client, &CLIENT_SIDE, "neither secureClientPort nor client.portUnification asks for TLS"),
        (
            quorum,
            &QUORUM_SIDE,
            "there are no other members, or neither sslQuorum nor portUnification asks for TLS, and the admin server does not",
        ),
    ];
    for (_, side, reason) in unused.into_iter().filter(|(used, ..)| !used) {
        for key in [&side.key_store, &side.trust_store] {
            let given = settings.find(key.spec.name).filter(|given| !given.value.is_empty());
            let remark = given.map(|given| given.warning(format!("no effect: {reason}")));
            settings.warnings.extend(remark);
        }
    }
}

/// What a client was told by the properties of the official one (`zookeeper.ssl.…`, `zookeeper.client.secure`): TLS, and with
/// what, or plain text.
pub(super) fn dialling(
    properties: &[(String, String)],
    is_secure: bool,
) -> Result<Option<TlsSettings>, ConfigError> {
    let is =
        |key: &str| properties.iter().any(|(name, value)| name == key && value.eq_ignore_ascii_case("true"));
    if !is_secure && !is("zookeeper.client.secure") {
        return Ok(None);
    }
    let mut settings = Settings::default();
    let tls = properties.iter().filter(|(key, _)| key.starts_with("zookeeper.ssl."));
    settings.add_all(tls.map(|(key, value)| (&**key, &**value)), &Origin::CommandLine);
    if let Some(refused) = settings.errors.pop() {
        return Err(refused);
    }
    side(&settings, &CLIENT_SIDE, false).map(Some)
}

fn side(settings: &Settings, rows: &Side, reloads: bool) -> Result<TlsSettings, ConfigError> {
    let list = |list: Option<Vec<String>>| list.unwrap_or_default();
    let protocols = match list(settings.given(&rows.protocols)?) {
        none if none.is_empty() => settings.given(&rows.protocol)?.flatten().into_iter().collect(),
        some => some,
    };
    let store = |path: &Key<Text>, kind: &Key<Text>, password: &Key<Text>, password_path: &Key<Text>| {
        let Some(path) = settings.given(path)?.flatten() else { return Ok(None) };
        let text = settings.given(password)?.flatten().unwrap_or_default();
        let file = settings.given(password_path)?.flatten();
        let password = file.map_or(Password::Text(text), |file| Password::File(file.into()));
        Ok(Some(StoreSettings { path: PathBuf::from(path), kind: settings.given(kind)?.flatten(), password }))
    };
    Ok(TlsSettings {
        prefix: rows.prefix,
        key_store: store(
            &rows.key_store,
            &rows.key_store_type,
            &rows.key_store_password,
            &rows.key_store_password_path,
        )?,
        trust_store: store(
            &rows.trust_store,
            &rows.trust_store_type,
            &rows.trust_store_password,
            &rows.trust_store_password_path,
        )?,
        protocols,
        suites: list(settings.given(&rows.suites)?),
        client_auth: settings.get(&rows.client_auth)?,
        checks_server_names: settings.get(&rows.server_names)?,
        checks_client_names: settings.get(&rows.client_names)?,
        allows_reverse_lookup: settings.get(&rows.reverse_lookup)?,
        checks_lists: settings.get(&rows.lists)?,
        asks_responders: settings.get(&rows.responders)?,
        detection_timeout_ms: settings.get(&rows.detection_timeout)?,
        reloads,
    })
}
