//! Variables of Bitnami's image (`zookeeper-env.sh` and `libzookeeper.sh` of 3.9).

use super::{Env, Plan};
use std::{fs, path::PathBuf};

/// Where its data is.
const DATA_DIR: &str = "/bitnami/zookeeper/data";
/// Variables that tell by themselves that this dialect is spoken.
const ONLY: [&str; 19] = [
    "ALLOW_ANONYMOUS_LOGIN",
    "ALLOW_EMPTY_PASSWORD",
    "BITNAMI_DEBUG",
    "ZOO_PORT_NUMBER",
    "ZOO_SERVER_ID",
    "ZOO_PEER_TYPE",
    "ZOO_MAX_CNXNS",
    "ZOO_MAX_SESSION_TIMEOUT",
    "ZOO_PRE_ALLOC_SIZE",
    "ZOO_SNAPCOUNT",
    "ZOO_HEAP_SIZE",
    "ZOO_HC_TIMEOUT",
    "ZOO_FIPS_MODE",
    "ZOO_LOG_LEVEL",
    "ZOO_RECONFIG_ENABLED",
    "ZOO_LISTEN_ALLIPS_ENABLED",
    "ZOO_AUTOPURGE_INTERVAL",
    "ZOO_AUTOPURGE_RETAIN_COUNT",
    "ZOO_SERVERS_FILE",
];
/// And what these begin with.
const PREFIXES: [&str; 8] = [
    "ZOO_ENABLE_",
    "ZOO_ADMIN_SERVER_",
    "ZOO_PROMETHEUS_",
    "ZOO_TLS_",
    "ZOO_CLIENT_",
    "ZOO_SERVER_",
    "ZOO_QUORUM_",
    "ZOO_CFG_",
];
/// Settings, their variables, and what the image has for them.
const LINES: [(&str, &str, &str); 12] = [
    ("tickTime", "ZOO_TICK_TIME", "2000"),
    ("initLimit", "ZOO_INIT_LIMIT", "10"),
    ("syncLimit", "ZOO_SYNC_LIMIT", "5"),
    ("preAllocSize", "ZOO_PRE_ALLOC_SIZE", "65536"),
    ("snapCount", "ZOO_SNAPCOUNT", "100000"),
    ("clientPort", "ZOO_PORT_NUMBER", "2181"),
    ("maxCnxns", "ZOO_MAX_CNXNS", "0"),
    ("maxClientCnxns", "ZOO_MAX_CLIENT_CNXNS", "60"),
    ("autopurge.purgeInterval", "ZOO_AUTOPURGE_INTERVAL", "0"),
    ("autopurge.snapRetainCount", "ZOO_AUTOPURGE_RETAIN_COUNT", "3"),
    ("4lw.commands.whitelist", "ZOO_4LW_COMMANDS_WHITELIST", "srvr, mntr"),
    ("maxSessionTimeout", "ZOO_MAX_SESSION_TIMEOUT", "40000"),
];

/// A variable that is of this image alone.
pub(super) fn only(env: &Env) -> Option<&str> {
    let is_one = |name: &str| ONLY.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    env.names().find(|&name| is_one(name) && name != "ZOO_CFG_EXTRA")
}

/// `yes`, `true`, `1`, in any case.
fn is_yes(env: &Env, name: &str, default: bool) -> bool {
    env.get(name).map_or(default, |value| ["yes", "true", "1"].contains(&value.to_ascii_lowercase().as_str()))
}

fn words<'e>(env: &'e Env, name: &str) -> Vec<&'e str> {
    env.or(name, "").split([' ', ',', ';']).filter(|word| !word.is_empty()).collect()
}

pub(super) fn plan(env: &Env) -> Result<Plan, String> {
    let mut warnings = Vec::new();
    let env = &with_files(env, &mut warnings);
    let mut plan = Plan {
        conf_dir: PathBuf::from("/opt/bitnami/zookeeper/conf"),
        data_dir: PathBuf::from(DATA_DIR),
        dirs: vec![PathBuf::from(DATA_DIR)],
        my_id: env.or("ZOO_SERVER_ID", "1").to_owned(),
        warnings,
        ..Plan::default()
    };
    check(env)?;
    plan.set("dataDir", DATA_DIR);
    if let Some(dir) = env.get("ZOO_DATA_LOG_DIR") {
        plan.set("dataLogDir", dir);
        plan.dirs.push(PathBuf::from(dir));
    }
    for (setting, variable, default) in LINES {
        plan.set(setting, env.or(variable, default));
    }
    let switch = |yes: bool| yes.to_string();
    plan.set("reconfigEnabled", switch(is_yes(env, "ZOO_RECONFIG_ENABLED", false)));
    plan.set("quorumListenOnAllIPs", switch(is_yes(env, "ZOO_LISTEN_ALLIPS_ENABLED", false)));
    plan.set("fips-mode", switch(is_yes(env, "ZOO_FIPS_MODE", true)));
    plan.set("admin.serverAddress", env.or("ZOO_ADMIN_SERVER_ADDRESS", "127.0.0.1"));
    plan.set("admin.serverPort", env.or("ZOO_ADMIN_SERVER_PORT_NUMBER", "8080"));
    plan.set("admin.enableServer", switch(is_yes(env, "ZOO_ENABLE_ADMIN_SERVER", false)));
    if let Some(role) = env.get("ZOO_PEER_TYPE") {
        plan.set("peerType", role);
    }
    servers(env, &mut plan)?;
    tls(env, &mut plan);
    if is_yes(env, "ZOO_ENABLE_PROMETHEUS_METRICS", false) {
        plan.set(
            "metricsProvider.className",
            "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
        );
        plan.set("metricsProvider.httpPort", env.or("ZOO_PROMETHEUS_METRICS_PORT_NUMBER", "7000"));
        plan.set("metricsProvider.exportJvmInfo", "true");
    }
    authentication(env, &mut plan);
    for name in env.names().filter(|&name| name != "ZOO_CFG_EXTRA") {
        if let (Some(key), Some(value)) = (name.strip_prefix("ZOO_CFG_"), env.get(name)) {
            plan.set(key.replace('_', "."), value);
        }
    }
    plan.jvm_flags = env.or("JVMFLAGS", "").split_whitespace().map(str::to_owned).collect();
    plan.log_level = env.get("ZOO_LOG_LEVEL").map(str::to_ascii_lowercase);
    Ok(plan)
}

/// `NAME_FILE` names a file with the value of `NAME`.
fn with_files(env: &Env, warnings: &mut Vec<String>) -> Env {
    let mut all = env.clone();
    for name in env.names() {
        // Stores have names that end so.
        let is_store = name.ends_with("STORE_FILE");
        let Some(target) = name.strip_suffix("_FILE").filter(|_| !is_store) else { continue };
        if !target.starts_with("ZOO_") && target != "JVMFLAGS" && target != "ALLOW_EMPTY_PASSWORD" {
            continue;
        }
        let path = env.or(name, "");
        match fs::read_to_string(path) {
            Ok(text) => drop(all.0.insert(target.to_owned(), text.trim_end_matches('\n').to_owned())),
            Err(error) => warnings.push(format!("{target} is not taken from {path}: {error}")),
        }
    }
    all
}

/// What the image refuses.
fn check(env: &Env) -> Result<(), String> {
    let is_open = is_yes(env, "ALLOW_EMPTY_PASSWORD", false) || is_yes(env, "ALLOW_ANONYMOUS_LOGIN", false);
    let (auth, quorum) =
        (is_yes(env, "ZOO_ENABLE_AUTH", false), is_yes(env, "ZOO_ENABLE_QUORUM_AUTH", false));
    if !is_open && !auth {
        return Err(
            "clients need no password: ALLOW_ANONYMOUS_LOGIN=yes (or ALLOW_EMPTY_PASSWORD=yes) allows that, \
                    ZOO_ENABLE_AUTH=yes changes it"
                .to_owned(),
        );
    }
    if quorum {
        let missing = [
            "ZOO_QUORUM_LEARNER_USER",
            "ZOO_QUORUM_LEARNER_PASSWORD",
            "ZOO_QUORUM_SERVER_USERS",
            "ZOO_QUORUM_SERVER_PASSWORDS",
        ];
        if let Some(name) = missing.into_iter().find(|name| env.get(name).is_none()) {
            return Err(format!("ZOO_ENABLE_QUORUM_AUTH needs {name}"));
        }
    }
    for (users, passwords) in [
        ("ZOO_SERVER_USERS", "ZOO_SERVER_PASSWORDS"),
        ("ZOO_QUORUM_SERVER_USERS", "ZOO_QUORUM_SERVER_PASSWORDS"),
    ] {
        let (users_len, passwords_len) = (words(env, users).len(), words(env, passwords).len());
        if users_len != passwords_len {
            return Err(format!("{users} has {users_len} words, and {passwords} {passwords_len}"));
        }
    }
    for name in ["ZOO_TLS_CLIENT_AUTH", "ZOO_TLS_QUORUM_CLIENT_AUTH"] {
        let value = env.or(name, "need");
        if !["none", "want", "need"].contains(&value) {
            return Err(format!("{name} is none, want or need, and not {value}"));
        }
    }
    let role = env.or("ZOO_PEER_TYPE", "participant");
    if !["participant", "observer"].contains(&role) {
        return Err(format!("ZOO_PEER_TYPE is participant or observer, and not {role}"));
    }
    Ok(())
}

/// `host:2888:3888` one after the other, or `host:2888:3888::id`. A single one is no ensemble.
fn servers(env: &Env, plan: &mut Plan) -> Result<(), String> {
    let servers = words(env, "ZOO_SERVERS");
    if servers.len() < 2 {
        return Ok(());
    }
    let port = env.or("ZOO_PORT_NUMBER", "2181");
    let have_ids = servers.iter().any(|server| server.contains("::"));
    for (at, server) in servers.iter().enumerate() {
        let (address, id) = match server.rsplit_once("::") {
            Some((address, id)) => (address, id.to_owned()),
            None if have_ids => {
                return Err(format!("{server} in ZOO_SERVERS has no id: host:2888:3888::1 has one"));
            }
            None => (*server, (at + 1).to_string()),
        };
        plan.set(format!("server.{id}"), format!("{address};{port}"));
    }
    Ok(())
}

fn tls(env: &Env, plan: &mut Plan) {
    let (clients, quorum) =
        (is_yes(env, "ZOO_TLS_CLIENT_ENABLE", false), is_yes(env, "ZOO_TLS_QUORUM_ENABLE", false));
    if clients {
        plan.lines.retain(|(key, _)| key != "clientPort");
        plan.set("client.secure", "true");
        plan.set("ssl.clientAuth", env.or("ZOO_TLS_CLIENT_AUTH", "need"));
        plan.set("secureClientPort", env.or("ZOO_TLS_PORT_NUMBER", "3181"));
        stores(env, "ZOO_TLS_CLIENT", "ssl", plan);
    }
    if quorum {
        plan.set("sslQuorum", "true");
        plan.set("ssl.quorum.clientAuth", env.or("ZOO_TLS_QUORUM_CLIENT_AUTH", "need"));
        stores(env, "ZOO_TLS_QUORUM", "ssl.quorum", plan);
    }
    if clients || quorum {
        plan.set("serverCnxnFactory", "org.apache.zookeeper.server.NettyServerCnxnFactory");
    }
}

fn stores(env: &Env, variables: &str, settings: &str, plan: &mut Plan) {
    for (store, setting) in [("KEYSTORE", "keyStore"), ("TRUSTSTORE", "trustStore")] {
        for (what, part) in [("FILE", "location"), ("TYPE", "type"), ("PASSWORD", "password")] {
            if let Some(value) = env.get(&format!("{variables}_{store}_{what}")) {
                plan.set(format!("{settings}.{setting}.{part}"), value);
            }
        }
    }
}

/// SASL, by users and passwords.
fn authentication(env: &Env, plan: &mut Plan) {
    let users = |section: &str, users: &str, passwords: &str| {
        let pairs = words(env, users).into_iter().zip(words(env, passwords));
        let lines: String =
            pairs.map(|(user, password)| format!("\n    user_{user}=\"{password}\"")).collect();
        format!("{section} {{\n    {DIGEST} required{lines};\n}};\n")
    };
    let login = |section: &str, user: &str, password: &str| {
        let (user, password) = (env.or(user, ""), env.or(password, ""));
        format!(
            "{section} {{\n    {DIGEST} required\n    username=\"{user}\"\n    password=\"{password}\";\n}};\n"
        )
    };
    let mut jaas = String::new();
    if is_yes(env, "ZOO_ENABLE_AUTH", false) {
        plan.set("authProvider.1", "org.apache.zookeeper.server.auth.SASLAuthenticationProvider");
        plan.set("sessionRequireClientSASLAuth", "true");
        if env.get("ZOO_CLIENT_USER").is_some() {
            jaas += &login("Client", "ZOO_CLIENT_USER", "ZOO_CLIENT_PASSWORD");
        }
        jaas += &users("Server", "ZOO_SERVER_USERS", "ZOO_SERVER_PASSWORDS");
        let first = words(env, "ZOO_SERVER_USERS")
            .iter()
            .map(|user| format!("sasl:{user}:crdwa"))
            .collect::<Vec<_>>()
            .join(",");
        plan.warnings.push(format!(
            "the ACLs of /, /zookeeper and /zookeeper/quota are left open; Bitnami's image sets them at the first start: setAcl / {first}"
        ));
    }
    if is_yes(env, "ZOO_ENABLE_QUORUM_AUTH", false) {
        for setting in ["enableSasl", "learnerRequireSasl", "serverRequireSasl"] {
            plan.set(format!("quorum.auth.{setting}"), "true");
        }
        plan.set("quorum.auth.learner.saslLoginContext", "QuorumLearner");
        plan.set("quorum.auth.server.saslLoginContext", "QuorumServer");
        jaas += &login("QuorumLearner", "ZOO_QUORUM_LEARNER_USER", "ZOO_QUORUM_LEARNER_PASSWORD");
        jaas += &users("QuorumServer", "ZOO_QUORUM_SERVER_USERS", "ZOO_QUORUM_SERVER_PASSWORDS");
    }
    plan.jaas = (!jaas.is_empty()).then_some(jaas);
}

const DIGEST: &str = "org.apache.zookeeper.server.auth.DigestLoginModule";
