//! From checked settings to a [`Config`]: units, defaults that depend on each other, and contradictions.

use std::net::IpAddr;
use std::path::PathBuf;

use super::Config;
use super::ensemble;
use super::error::{ConfigError, Refusal};
use super::members::{self, ClientAddress};
use super::model::*;
use super::rules::Text;
use super::settings::Settings;
use super::spelling;
use super::table::{
    Key,
    auth::*,
    client::*,
    ensemble::{READ_ONLY_MODE, RECONFIG_ENABLED},
    operator::*,
    storage::*,
    throttle::*,
};
use super::tls;
use super::types::{EnforcedScheme, FourLetterWord, FourLetterWords, Secret};
use crate::auth::X509;

/// Builds the configuration. `my_id` is the number in `dataDir/myid`, if there is such a file.
pub(super) fn build(mut settings: Settings, my_id: Option<i64>) -> Result<Config, Refusal> {
    let config = parts(&mut settings, my_id);
    match config {
        Some(config) if settings.errors.is_empty() => {
            assert!(config.session.min_timeout_ms <= config.session.max_timeout_ms);
            assert!(config.auth.enforced_schemes.as_ref().is_none_or(|schemes| !schemes.is_empty()));
            Ok(Config { warnings: settings.warnings, ..config })
        }
        _ => Err(settings.refusal()),
    }
}

/// All parts, without the warnings; `None` when one of them cannot be had. Each is tried, for what is wrong with it.
fn parts(settings: &mut Settings, my_id: Option<i64>) -> Option<Config> {
    let list = members::read(settings);
    let own_line = list.as_ref().and_then(|list| list.client_of(my_id));
    settings.note(check_providers);
    let client = settings.note(|settings| client(settings, own_line));
    let session = settings.note(|settings| session(settings));
    let storage = settings.note(storage);
    let batching = settings.note(|settings| batching(settings));
    let throttle = settings.note(|settings| throttle(settings));
    let connection_throttle = settings.note(|settings| connection_throttle(settings));
    let limits = settings.note(|settings| limits(settings));
    let tree = settings.note(|settings| tree(settings));
    let containers = settings.note(|settings| containers(settings));
    // What is wrong with the client ports is told once.
    let client_tls = client.as_ref().is_none_or(|client| client.tls.is_some());
    let auth = settings.note(|settings| auth(settings, client_tls));
    let operator = settings.note(operator);
    let ensemble = list.and_then(|list| ensemble::build(settings, &list, my_id));
    let quorum_tls =
        ensemble.as_ref().is_none_or(|ensemble| ensemble.as_ref().is_some_and(|member| member.tls.is_some()));
    let admin_tls = operator
        .as_ref()
        .is_none_or(|operator| operator.admin.as_ref().is_some_and(|admin| admin.tls.is_some()));
    let exporter_tls = operator.as_ref().is_none_or(|operator| {
        operator.exporter.iter().flat_map(|exporter| &exporter.ports).any(|port| port.tls.is_some())
    });
    tls::remark_unused(settings, client_tls, quorum_tls || admin_tls, exporter_tls);
    Some(Config {
        ensemble: ensemble?,
        client: client?,
        session: session?,
        storage: storage?,
        batching: batching?,
        throttle: throttle?,
        connection_throttle: connection_throttle?,
        limits: limits?,
        tree: tree?,
        containers: containers?,
        auth: auth?,
        operator: operator?,
        warnings: Vec::new(),
    })
}

fn client(settings: &Settings, own_line: Option<ClientAddress>) -> Result<Client, ConfigError> {
    let tls = tls::client(settings)?;
    let only_secure = tls.as_ref().is_some_and(|tls| tls.secure.is_some());
    let (port, address) = client_address(settings, own_line, only_secure)?
        .map_or((None, None), |ClientAddress { host, port }| (Some(port), host));
    Ok(Client {
        port,
        address,
        listen_backlog: settings.get(&LISTEN_BACKLOG)?,
        tcp_keep_alive: settings.get(&TCP_KEEP_ALIVE)?,
        max_connections_per_address: settings.get(&MAX_CLIENT_CNXNS)?,
        max_connections: settings.get(&MAX_CNXNS)?,
        sessionless_timeout_ms: settings.get(&SESSIONLESS_TIMEOUT)?,
        slow_request_ms: settings.get(&SLOW_REQUEST)?,
        io_workers: settings.given(&IO_WORKERS)?.flatten(),
        tls,
    })
}

/// The client port comes from `clientPort`, or from the server's own line; both must agree (`setupClientPort`
/// in `QuorumPeerConfig`). Names are compared only as far as that needs no look-up. With `secure`, a port of TLS alone,
/// there need not be another one.
fn client_address(
    settings: &Settings,
    own_line: Option<ClientAddress>,
    secure: bool,
) -> Result<Option<ClientAddress>, ConfigError> {
    let port = settings.given(&CLIENT_PORT)?;
    let host = settings.given(&CLIENT_PORT_ADDRESS)?;
    let Some(port) = port else {
        if host.is_some() && !settings.any_refused(&["clientPort"]) {
            return Err(settings
                .find_or_default(&CLIENT_PORT_ADDRESS)
                .conflict("set, but clientPort is not"));
        }
        let reason = "without it there is no port for clients (a server.N line counts when myid names it)";
        if own_line.is_none() && !secure {
            return Err(settings.missing("clientPort", reason));
        }
        return Ok(own_line);
    };
    let address = |host: &Option<String>| host.as_ref().and_then(|host| host.parse::<IpAddr>().ok());
    let from_file = ClientAddress { host: host.filter(|host| !members::is_everywhere(host)), port };
    match own_line {
        Some(own) => {
            let both = address(&own.host).zip(address(&from_file.host));
            let differs = own.port != port || both.is_some_and(|(a, b)| a != b);
            let differs = differs || (own.host.is_none() && from_file.host.is_some());
            if differs {
                let problem = "differs from the client address in this server's server.N line";
                return Err(settings.find_or_default(&CLIENT_PORT).conflict(problem));
            }
            Ok(Some(own))
        }
        None => Ok(Some(from_file)),
    }
}

fn session(settings: &Settings) -> Result<Session, ConfigError> {
    let tick_time_ms: u32 = settings.get(&TICK_TIME)?;
    let ticks = |count: u32| tick_time_ms.saturating_mul(count).min(i32::MAX.unsigned_abs());
    let min_timeout_ms = settings.get(&MIN_SESSION_TIMEOUT)?.unwrap_or_else(|| ticks(2));
    let max_timeout_ms = settings.get(&MAX_SESSION_TIMEOUT)?.unwrap_or_else(|| ticks(20));
    if min_timeout_ms > max_timeout_ms
        && !settings.any_refused(&["tickTime", "minSessionTimeout", "maxSessionTimeout"])
    {
        let blamed =
            settings.find(MIN_SESSION_TIMEOUT.spec.name).or_else(|| settings.find("maxSessionTimeout"));
        let blamed = blamed.cloned().unwrap_or_else(|| settings.find_or_default(&MIN_SESSION_TIMEOUT));
        let problem = format!(
            "minSessionTimeout ({min_timeout_ms} ms) is above maxSessionTimeout ({max_timeout_ms} ms)"
        );
        return Err(blamed.conflict(problem));
    }
    Ok(Session { tick_time_ms, min_timeout_ms, max_timeout_ms })
}

/// The data directory alone; what reads `myid` needs it before everything else.
pub(super) fn data_dir(settings: &Settings) -> Result<PathBuf, ConfigError> {
    let reason = "the folder of snapshots and transaction logs";
    let path = settings.given(&DATA_DIR)?;
    path.map(PathBuf::from).ok_or_else(|| settings.missing("dataDir", reason))
}

fn storage(settings: &mut Settings) -> Result<Storage, ConfigError> {
    warn_of_paths(settings);
    let data_dir = data_dir(settings)?;
    let bytes = |kib: Option<u64>| kib.map(|kib| kib.saturating_mul(1024));
    Ok(Storage {
        data_log_dir: settings.given(&DATA_LOG_DIR)?.map_or_else(|| data_dir.clone(), PathBuf::from),
        data_dir,
        create_dirs: settings.get(&DATA_DIR_AUTOCREATE)?,
        create_database: settings.get(&DB_AUTOCREATE)?,
        trust_empty_snapshot: settings.get(&TRUST_EMPTY)?,
        pre_alloc_size_bytes: bytes(settings.get(&PRE_ALLOC_SIZE)?),
        snap_count: settings.get(&SNAP_COUNT)?,
        snap_size_limit_bytes: bytes(settings.get(&SNAP_SIZE_LIMIT)?),
        txn_log_size_limit_bytes: bytes(settings.get(&TXN_LOG_SIZE_LIMIT)?),
        commit_log_count: settings.get(&COMMIT_LOG_COUNT)?,
        snapshot_size_factor: settings.get(&SNAPSHOT_SIZE_FACTOR)?,
        force_sync: settings.get(&FORCE_SYNC)?,
        fsync_warning_threshold_ms: settings.get(&FSYNC_WARNING)?,
        purge_retain_count: settings.get(&SNAP_RETAIN_COUNT)?,
        purge_interval_ms: settings.get(&PURGE_INTERVAL)?,
        snapshot_compression: settings.get(&COMPRESSION)?,
        serialize_last_processed_zxid: settings.get(&LAST_ZXID)?,
        initial_zxid: settings.given(&INITIAL_ZXID)?,
    })
}

/// The official server warns of relative paths, too (`VerifyingFileFactory`).
fn warn_of_paths(settings: &mut Settings) {
    let given =
        [DATA_DIR.spec.name, DATA_LOG_DIR.spec.name].into_iter().filter_map(|name| settings.find(name));
    let remarks: Vec<_> =
        given.filter_map(|given| Some(given.warning(spelling::path(&given.value)?))).collect();
    settings.warnings.extend(remarks);
}

fn batching(settings: &Settings) -> Result<Batching, ConfigError> {
    let flush_delay_ms = settings.get(&FLUSH_DELAY)?.unwrap_or(0);
    Ok(Batching {
        flush_delay_ms,
        max_poll_ms: settings.given(&MAX_WRITE_QUEUE_POLL)?.unwrap_or(flush_delay_ms / 3),
        max_batch_size: settings.get(&MAX_BATCH_SIZE)?,
    })
}

fn throttle(settings: &Settings) -> Result<Throttle, ConfigError> {
    Ok(Throttle {
        global_outstanding_limit: settings.get(&GLOBAL_OUTSTANDING)?,
        max_requests: settings.get(&THROTTLE_LIMIT)?,
        stall_time_ms: settings.get(&THROTTLE_STALL)?,
        drop_stale: settings.get(&THROTTLE_DROP_STALE)?,
        stale_latency_check: settings.get(&STALE_LATENCY)?,
        stale_connection_check: settings.get(&STALE_CONNECTION)?,
        shutdown_timeout_ms: settings.get(&THROTTLE_SHUTDOWN)?,
        op_wait_time_ms: settings.get(&THROTTLED_OP_WAIT)?,
        large_request_threshold_bytes: settings.get(&LARGE_THRESHOLD)?,
        large_request_max_bytes: settings.get(&LARGE_MAX_BYTES)?,
    })
}

/// With weights, the figures of the bucket count new global sessions and are multiplied (`BlueThrottle`).
fn connection_throttle(settings: &Settings) -> Result<ConnectionThrottle, ConfigError> {
    let weights = connection_weights(settings)?;
    let weighted = |count: u32| weights.map_or(count, |weights| count.saturating_mul(weights.global_session));
    Ok(ConnectionThrottle {
        tokens: settings.get(&CNXN_TOKENS)?.map(weighted),
        fill_time_ms: settings.get(&CNXN_FILL_TIME)?,
        fill_count: weighted(settings.get(&CNXN_FILL_COUNT)?),
        freeze_time_ms: settings.get(&CNXN_FREEZE_TIME)?,
        drop_increase: settings.get(&CNXN_DROP_INCREASE)?,
        drop_decrease: settings.get(&CNXN_DROP_DECREASE)?,
        decrease_ratio: settings.get(&CNXN_DECREASE_RATIO)?,
        weights,
    })
}

fn connection_weights(settings: &Settings) -> Result<Option<ConnectionWeights>, ConfigError> {
    if !settings.get(&CNXN_WEIGHTS)? {
        return Ok(None);
    }
    let local_session: u32 = settings.get(&CNXN_WEIGHT_LOCAL)?;
    Ok(Some(ConnectionWeights {
        global_session: settings.get(&CNXN_WEIGHT_GLOBAL)?.max(local_session),
        local_session,
        renewed_session: settings.get(&CNXN_WEIGHT_RENEW)?.max(local_session),
    }))
}

fn limits(settings: &Settings) -> Result<Limits, ConfigError> {
    let max_packet_bytes: u32 = settings.get(&JUTE_MAX_BUFFER)?;
    Ok(Limits {
        max_packet_bytes,
        max_packet_extra_bytes: settings
            .given(&JUTE_EXTRA_SIZE)?
            .unwrap_or_else(|| max_packet_bytes.max(1024)),
        data_cache_entries: settings.get(&RESPONSE_CACHE)?,
        children_cache_entries: settings.get(&CHILDREN_CACHE)?,
        reply_buffer_start_bytes: settings.get(&REPLY_BUFFER)?,
    })
}

fn tree(settings: &Settings) -> Result<Tree, ConfigError> {
    Ok(Tree {
        digest_enabled: settings.get(&DIGEST_ENABLED)?,
        close_session_txn_enabled: settings.get(&CLOSE_SESSION_TXN)?,
        extended_types_enabled: settings.get(&EXTENDED_TYPES)?,
        emulate_353_ttl_nodes: settings.get(&EMULATE_353_TTL)?,
        enforce_quota: settings.get(&ENFORCE_QUOTA)?,
        reconfig_enabled: settings.get(&RECONFIG_ENABLED)?,
    })
}

fn containers(settings: &Settings) -> Result<Containers, ConfigError> {
    Ok(Containers {
        check_interval_ms: settings.get(&CONTAINER_CHECK_INTERVAL)?,
        max_per_minute: settings.get(&CONTAINER_MAX_PER_MINUTE)?,
        max_never_used_ms: settings.get(&CONTAINER_NEVER_USED)?,
    })
}

fn auth(settings: &Settings, client_tls: bool) -> Result<Auth, ConfigError> {
    let digest_scheme_enabled = settings.get(&DIGEST_SCHEME)?;
    let (x509, sasl) = (x509(settings, client_tls)?, sasl(settings)?);
    let kerberos = Kerberos {
        config: settings.given(&KRB5_CONF)?.flatten().map(PathBuf::from),
        is_required: settings.get(&REQUIRE_KERBEROS)?,
    };
    let enforced_schemes = enforced_schemes(settings, digest_scheme_enabled, sasl.provider, x509.is_some())?;
    Ok(Auth {
        skip_acl: settings.get(&SKIP_ACL)?,
        eager_acl_check: settings.get(&EAGER_ACL_CHECK)?,
        digest_scheme_enabled,
        super_digest: settings.given(&SUPER_DIGEST)?.flatten(),
        digest_algorithm: settings.get(&DIGEST_ALGORITHM)?,
        use_x_forwarded_for: settings.get(&FORWARDED_FOR)?,
        ensemble_provider: has_provider(settings, "EnsembleAuthenticationProvider"),
        ensemble_names: settings.given(&ENSEMBLE_NAMES)?,
        key_provider: has_provider(settings, "KeyAuthenticationProvider"),
        x509,
        sasl,
        kerberos,
        enforced_schemes,
    })
}

/// Enforcing without a scheme, or with one that no client can pass here, is refused.
fn enforced_schemes(
    settings: &Settings,
    digest: bool,
    sasl: bool,
    x509: bool,
) -> Result<Option<Vec<EnforcedScheme>>, ConfigError> {
    if settings.get(&REQUIRE_SASL)? {
        let given = settings.find_or_default(&REQUIRE_SASL);
        return if sasl { Ok(Some(vec![EnforcedScheme::Sasl])) } else { Err(given.conflict(NO_SASL)) };
    }
    if !settings.get(&ENFORCE_AUTH)? {
        return Ok(None);
    }
    let names = settings.given(&ENFORCE_AUTH_SCHEMES)?.unwrap_or_default();
    let given = settings.find_or_default(&ENFORCE_AUTH_SCHEMES);
    if names.is_empty() {
        // The line to repair is one that was written.
        let written = settings.find(ENFORCE_AUTH_SCHEMES.spec.name).cloned();
        let blamed = written.unwrap_or_else(|| settings.find_or_default(&ENFORCE_AUTH));
        return Err(blamed.conflict("enforcing needs enforce.auth.schemes: digest, ip, sasl, x509"));
    }
    let scheme = |name: &String| match name.as_str() {
        "digest" if digest => Ok(EnforcedScheme::Digest),
        "digest" => Err(given.conflict("the digest scheme is switched off")),
        "ip" => Ok(EnforcedScheme::Ip),
        "sasl" if sasl => Ok(EnforcedScheme::Sasl),
        "sasl" => Err(given.conflict(NO_SASL)),
        "x509" if x509 => Ok(EnforcedScheme::X509),
        "x509" => Err(given.conflict("no port for clients has TLS, and authProvider.x509 is not set")),
        other => Err(given.not_supported(format!("scheme {other} is not available in this version"))),
    };
    names.iter().map(scheme).collect::<Result<_, _>>().map(Some)
}

/// What to do where the scheme is asked for and is not there.
const NO_SASL: &str = "the scheme sasl is not available: set \
                       authProvider.sasl=org.apache.zookeeper.server.auth.SASLAuthenticationProvider";

fn sasl(settings: &Settings) -> Result<Sasl, ConfigError> {
    let further = settings.family(SASL_SUPER_USERS.spec.name).map(|(_, given)| given.value.clone());
    Ok(Sasl {
        provider: has_provider(settings, "SASLAuthenticationProvider"),
        jaas_file: settings.given(&JAAS_FILE)?.flatten().map(PathBuf::from),
        section: settings.get(&SASL_SECTION)?.unwrap_or_default(),
        super_password: settings.given(&SASL_SUPER_PASSWORD)?.flatten().map(Secret::new),
        super_users: settings.given(&SASL_SUPER_USER)?.flatten().into_iter().chain(further).collect(),
        any_user: settings.given(&ANY_SASL_USER)?.flatten(),
        keeps_failed: settings.get(&ALLOW_FAILED_SASL)?,
        removes_host: settings.get(&REMOVE_HOST)?,
        removes_realm: settings.get(&REMOVE_REALM)?,
        rules: settings.get(&AUTH_TO_LOCAL)?.unwrap_or_default(),
    })
}

/// The official server has the scheme where there is a `secureClientPort`, or where its provider is named.
fn x509(settings: &Settings, client_tls: bool) -> Result<Option<X509>, ConfigError> {
    let on = client_tls || has_provider(settings, "X509AuthenticationProvider");
    let super_user = settings.given(&X509_SUPER_USER)?.flatten();
    Ok(on.then_some(X509 { super_user }))
}

/// Whether a provider of the official server is asked for by its class.
fn has_provider(settings: &Settings, class: &str) -> bool {
    settings
        .family(AUTH_PROVIDER.spec.name)
        .any(|(_, given)| given.value.strip_prefix(PROVIDERS) == Some(class))
}

const PROVIDERS: &str = "org.apache.zookeeper.server.auth.";

/// Providers of the official server that are not here are refused: ACLs would mean something else without them. One that nobody knows
/// is told, as in the official server: whoever asks for its scheme fails to authenticate.
fn check_providers(settings: &mut Settings) -> Result<(), ConfigError> {
    const BUILT_IN: &[&str] = &[
        "DigestAuthenticationProvider",
        "IPAuthenticationProvider",
        "EnsembleAuthenticationProvider",
        "KeyAuthenticationProvider",
        "X509AuthenticationProvider",
        "SASLAuthenticationProvider",
    ];
    let mut warnings = Vec::new();
    for (_, given) in settings.family(AUTH_PROVIDER.spec.name) {
        match given.value.strip_prefix(PROVIDERS) {
            Some(class) if BUILT_IN.contains(&class) => {}
            Some(_) => return Err(given.not_supported("it is not available in this version")),
            None => warnings.push(given.warning("unknown provider: its scheme is not available")),
        }
    }
    settings.warnings.extend(warnings);
    Ok(())
}

fn operator(settings: &mut Settings) -> Result<Operator, ConfigError> {
    let read_only_mode = settings.get(&READ_ONLY_MODE)?;
    let mut words = FourLetterWords::LEAST;
    if read_only_mode {
        words = words.with(FourLetterWord::Isro);
    }
    for name in settings.given(&FOUR_LETTER_WORDS)?.unwrap_or_default() {
        match FourLetterWord::from_name(&name) {
            _ if name == "*" => words = FourLetterWords::all(),
            Some(word) => words = words.with(word),
            None => {
                let given = settings.find_or_default(&FOUR_LETTER_WORDS);
                settings.warnings.push(given.warning(format!("unknown four-letter word {name}, ignored")));
            }
        }
    }
    let file = settings.given(&AUDIT_FILE)?.flatten().map(PathBuf::from);
    let audit = AuditTo { file, json: settings.get(&AUDIT_JSON)? };
    let audit = settings.get(&AUDIT)?.then_some(audit);
    let admin = settings.get(&ADMIN)?.then(|| admin(settings)).transpose()?;
    let exporter = settings.get(&METRICS)?.then(|| exporter(settings)).transpose()?;
    let written = Written { file: String::new(), properties: settings.properties() };
    Ok(Operator { four_letter_words: words, read_only_mode, audit, admin, exporter, written })
}

/// The host to listen on; `None`: all interfaces.
fn host_of(settings: &Settings, key: &Key<Text>) -> Result<Option<String>, ConfigError> {
    Ok(settings.get(key)?.filter(|host| !members::is_everywhere(host)))
}

fn admin(settings: &Settings) -> Result<Admin, ConfigError> {
    let url = settings.get(&ADMIN_URL)?.unwrap_or_default();
    let idle_ms: i32 = settings.get(&ADMIN_IDLE)?;
    Ok(Admin {
        address: host_of(settings, &ADMIN_ADDRESS)?,
        port: settings.get(&ADMIN_PORT)?,
        idle_timeout_ms: u32::try_from(idle_ms).ok().filter(|&ms| ms > 0),
        command_url: format!("/{}", url.trim_matches('/')),
        tls: tls::admin(settings)?,
        rate_interval_ms: settings.get(&ADMIN_RATE)?,
        takes_snapshots: settings.get(&ADMIN_SNAPSHOT)?,
        restores: settings.get(&ADMIN_RESTORE)?,
    })
}

fn exporter(settings: &Settings) -> Result<Exporter, ConfigError> {
    Ok(Exporter {
        address: host_of(settings, &METRICS_HOST)?,
        ports: exporter_ports(settings)?,
        shows_process: settings.get(&METRICS_PROCESS)?,
    })
}

/// Plain text unless TLS alone is asked for, as from 3.10 on; both on one port where they have the same.
fn exporter_ports(settings: &Settings) -> Result<Vec<ExporterPort>, ConfigError> {
    let plain = settings.given(&METRICS_PORT)?;
    let Some(secure) = settings.given(&METRICS_HTTPS)? else {
        return Ok(vec![ExporterPort { port: settings.get(&METRICS_PORT)?, tls: None }]);
    };
    let is_one = plain == Some(secure) && secure != 0;
    let tls = HttpTls { takes_plain: is_one, settings: tls::exporter(settings)? };
    let plain = plain.filter(|_| !is_one).map(|port| ExporterPort { port, tls: None });
    Ok(plain.into_iter().chain([ExporterPort { port: secure, tls: Some(tls) }]).collect())
}
