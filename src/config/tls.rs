//! From checked settings to what is said about TLS, on the client ports and between members.

use super::{
    error::{ConfigError, Origin},
    members,
    model::{ClientTls, HttpTls, QuorumTls, SecurePort},
    rules::Text,
    settings::Settings,
    table::{
        Key,
        auth::SSL_AUTH_PROVIDER,
        operator::{
            ADMIN_CLIENT_AUTH, ADMIN_HTTPS, ADMIN_UNIFICATION, METRICS_CLIENT_AUTH,
            METRICS_CLIENT_CERTIFICATE, METRICS_KEY_PASSWORD, METRICS_KEY_PASSWORD_PATH, METRICS_KEY_STORE,
            METRICS_KEY_TYPE, METRICS_PROTOCOLS, METRICS_SUITES, METRICS_TRUST_PASSWORD,
            METRICS_TRUST_PASSWORD_PATH, METRICS_TRUST_STORE, METRICS_TRUST_TYPE,
        },
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
pub(super) fn admin(settings: &Settings) -> Result<Option<HttpTls>, ConfigError> {
    let (forced, unified) = (settings.get(&ADMIN_HTTPS)?, settings.get(&ADMIN_UNIFICATION)?);
    if !forced && !unified {
        return Ok(None);
    }
    let stores = side(settings, &QUORUM_SIDE, false)?;
    let client_auth = if settings.get(&ADMIN_CLIENT_AUTH)? { ClientAuth::Need } else { ClientAuth::None };
    // Names are those of members: nothing is known of who administrates.
    let unasked = "admin.needClientAuth=false";
    let settings = TlsSettings { client_auth, unasked, checks_client_names: false, ..stores };
    Ok(Some(HttpTls { takes_plain: !forced, settings }))
}

/// TLS of the exporter's port, with stores of its own (`PrometheusMetricsProvider` of 3.10). They are read again when they change.
pub(super) fn exporter(settings: &Settings) -> Result<TlsSettings, ConfigError> {
    let list = |key| Ok(settings.given(key)?.unwrap_or_default());
    let key_store = store(
        settings,
        [&METRICS_KEY_STORE, &METRICS_KEY_TYPE, &METRICS_KEY_PASSWORD, &METRICS_KEY_PASSWORD_PATH],
    )?;
    let trust_store = store(
        settings,
        [&METRICS_TRUST_STORE, &METRICS_TRUST_TYPE, &METRICS_TRUST_PASSWORD, &METRICS_TRUST_PASSWORD_PATH],
    )?;
    let client_auth = if settings.get(&METRICS_CLIENT_AUTH)? {
        ClientAuth::Need
    } else if settings.given(&METRICS_CLIENT_CERTIFICATE)?.unwrap_or_else(|| trust_store.is_some()) {
        ClientAuth::Want
    } else {
        ClientAuth::None
    };
    Ok(TlsSettings {
        prefix: "metricsProvider.ssl.",
        key_store,
        trust_store,
        protocols: list(&METRICS_PROTOCOLS)?,
        suites: list(&METRICS_SUITES)?,
        client_auth,
        unasked: "metricsProvider.ssl.need.client.auth=false",
        checks_server_names: false,
        checks_client_names: false,
        allows_reverse_lookup: false,
        checks_lists: false,
        asks_responders: false,
        detection_timeout_ms: 5000,
        reloads: true,
    })
}

/// Tells of stores that nothing is done with: `client`, `quorum` and `exporter` being whether TLS is asked for there.
pub(super) fn remark_unused(settings: &mut Settings, client: bool, quorum: bool, exporter: bool) {
    let unused = [
        (
            client,
            [&CLIENT_SIDE.key_store, &CLIENT_SIDE.trust_store],
            "neither secureClientPort nor client.portUnification asks for TLS",
        ),
        (
            quorum,
            [&QUORUM_SIDE.key_store, &QUORUM_SIDE.trust_store],
            "there are no other members, or neither sslQuorum nor portUnification asks for TLS, and the admin server does not",
        ),
        (
            exporter,
            [&METRICS_KEY_STORE, &METRICS_TRUST_STORE],
            "there is no exporter, or no metricsProvider.httpsPort",
        ),
    ];
    for (_, stores, reason) in unused.into_iter().filter(|(used, ..)| !used) {
        for key in stores {
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
    Ok(TlsSettings {
        prefix: rows.prefix,
        key_store: store(
            settings,
            [&rows.key_store, &rows.key_store_type, &rows.key_store_password, &rows.key_store_password_path],
        )?,
        trust_store: store(
            settings,
            [
                &rows.trust_store,
                &rows.trust_store_type,
                &rows.trust_store_password,
                &rows.trust_store_password_path,
            ],
        )?,
        protocols,
        suites: list(settings.given(&rows.suites)?),
        client_auth: settings.get(&rows.client_auth)?,
        unasked: rows.unasked,
        checks_server_names: settings.get(&rows.server_names)?,
        checks_client_names: settings.get(&rows.client_names)?,
        allows_reverse_lookup: settings.get(&rows.reverse_lookup)?,
        checks_lists: settings.get(&rows.lists)?,
        asks_responders: settings.get(&rows.responders)?,
        detection_timeout_ms: settings.get(&rows.detection_timeout)?,
        reloads,
    })
}

/// What the rows of a store say: where it is, of which type, its password, and the file with its password.
fn store(settings: &Settings, rows: [&Key<Text>; 4]) -> Result<Option<StoreSettings>, ConfigError> {
    let [path, kind, password, password_path] = rows;
    let Some(path) = settings.given(path)?.flatten() else { return Ok(None) };
    let text = settings.given(password)?.flatten().unwrap_or_default();
    let file = settings.given(password_path)?.flatten();
    let password = file.map_or(Password::Text(text), |file| Password::File(file.into()));
    Ok(Some(StoreSettings { path: PathBuf::from(path), kind: settings.given(kind)?.flatten(), password }))
}
