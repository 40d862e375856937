//! Variables of the official image (`docker-entrypoint.sh` of zookeeper:3.9.5).

use super::{Env, Plan};
use std::path::PathBuf;

/// With what each line begins that is always written: the setting, the variable, and what the image has for it.
const LINES: [(&str, &str, &str); 10] = [
    ("dataDir", "ZOO_DATA_DIR", "/data"),
    ("dataLogDir", "ZOO_DATA_LOG_DIR", "/datalog"),
    ("tickTime", "ZOO_TICK_TIME", "2000"),
    ("initLimit", "ZOO_INIT_LIMIT", "5"),
    ("syncLimit", "ZOO_SYNC_LIMIT", "2"),
    ("autopurge.snapRetainCount", "ZOO_AUTOPURGE_SNAPRETAINCOUNT", "3"),
    ("autopurge.purgeInterval", "ZOO_AUTOPURGE_PURGEINTERVAL", "0"),
    ("maxClientCnxns", "ZOO_MAX_CLIENT_CNXNS", "60"),
    ("standaloneEnabled", "ZOO_STANDALONE_ENABLED", "true"),
    ("admin.enableServer", "ZOO_ADMINSERVER_ENABLED", "true"),
];
/// Variables that Bitnami's image does not know.
const ONLY: [&str; 7] = [
    "ZOO_MY_ID",
    "ZOO_CONF_DIR",
    "ZOO_CFG_EXTRA",
    "ZOO_STANDALONE_ENABLED",
    "ZOO_ADMINSERVER_ENABLED",
    "ZOO_AUTOPURGE_SNAPRETAINCOUNT",
    "ZOO_AUTOPURGE_PURGEINTERVAL",
];

/// A variable that is of this image alone.
pub(super) fn only(env: &Env) -> Option<&str> {
    env.names().find(|name| ONLY.contains(name))
}

pub(super) fn plan(env: &Env) -> Result<Plan, String> {
    let mut plan = Plan {
        conf_dir: PathBuf::from(env.or("ZOO_CONF_DIR", "/conf")),
        data_dir: PathBuf::from(env.or("ZOO_DATA_DIR", "/data")),
        my_id: env.or("ZOO_MY_ID", "1").to_owned(),
        ..Plan::default()
    };
    plan.dirs = vec![plan.data_dir.clone(), PathBuf::from(env.or("ZOO_DATA_LOG_DIR", "/datalog"))];
    for (setting, variable, default) in LINES {
        plan.set(setting, env.or(variable, default));
    }
    let extra = env.or("ZOO_CFG_EXTRA", "").split_whitespace();
    for line in env.or("ZOO_SERVERS", "server.1=localhost:2888:3888;2181").split_whitespace().chain(extra) {
        let (key, value) = line.split_once('=').ok_or_else(|| {
            format!("{line} in ZOO_SERVERS or ZOO_CFG_EXTRA is no setting: server.1=host:2888:3888;2181, say, is one")
        })?;
        plan.set(key, value);
    }
    if let Some(words) = env.get("ZOO_4LW_COMMANDS_WHITELIST") {
        plan.set("4lw.commands.whitelist", words);
    }
    let flags =
        ["JVMFLAGS", "SERVER_JVMFLAGS"].into_iter().flat_map(|name| env.or(name, "").split_whitespace());
    plan.jvm_flags = flags.map(str::to_owned).collect();
    Ok(plan)
}
