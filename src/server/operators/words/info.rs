//! `conf`, `dirs`, `envi`, and the hash of `hash`: what is fixed, and what the file system knows.

use super::Ports;
use crate::{
    config::Ensemble,
    membership::{Addresses, Membership},
    server::{
        owner::user_name,
        sequence::{Hub, READ_ONLY, VERSION_DIR},
    },
    version,
};
use std::{fmt::Write, path::Path};

/// The settings in use (`ZooKeeperServer.dumpConf`).
pub(super) fn conf(hub: &Hub, ports: Ports) -> String {
    let number = |port: Option<u16>| port.map_or(-1, i32::from);
    let port = hub.client_place().map_or(ports.client, |place| Some(place.port));
    let config = &hub.config;
    let dir =
        |dir: &Path| std::path::absolute(dir.join(VERSION_DIR)).unwrap_or_else(|_| dir.join(VERSION_DIR));
    let (snap, log) = (dir(&config.storage.data_dir), dir(&config.storage.data_log_dir));
    let per_address = config.client.max_connections_per_address.unwrap_or(0);
    let backlog = config.client.listen_backlog.map_or(-1, i64::from);
    let mut text = String::new();
    _ = writeln!(text, "clientPort={}\nsecureClientPort={}", number(port), number(ports.secure));
    _ = writeln!(text, "dataDir={}\ndataDirSize={}", snap.display(), size_of(&snap));
    _ = writeln!(text, "dataLogDir={}\ndataLogSize={}", log.display(), size_of(&log));
    _ = writeln!(text, "tickTime={}\nmaxClientCnxns={per_address}", config.session.tick_time_ms);
    _ = writeln!(text, "minSessionTimeout={}", config.session.min_timeout_ms);
    _ = writeln!(text, "maxSessionTimeout={}", config.session.max_timeout_ms);
    _ = writeln!(text, "clientPortListenBacklog={backlog}");
    let membership = hub.membership.lock().clone();
    match (&config.ensemble, membership) {
        (Some(ensemble), Some(membership)) => conf_of_member(hub, ensemble, &membership, &mut text),
        _ => text.push_str("serverId=0\n"),
    }
    text
}

/// What a member adds (`QuorumZooKeeperServer.dumpConf`); the last line has no end. Several addresses are joined by `|`.
fn conf_of_member(hub: &Hub, ensemble: &Ensemble, membership: &Membership, text: &mut String) {
    let ticks = |ms: u32| ms / hub.config.session.tick_time_ms.max(1);
    let member = membership.member(ensemble.my_id);
    let ports = |port: fn(&Addresses) -> u16| {
        let ports = member.iter().flat_map(|member| &member.addresses).map(|at| port(at).to_string());
        ports.collect::<Vec<_>>().join("|")
    };
    let observer = membership.observes(ensemble.my_id);
    _ = writeln!(text, "serverId={}", ensemble.my_id);
    _ = writeln!(text, "initLimit={}", ticks(ensemble.links.init_timeout_ms));
    _ = writeln!(text, "syncLimit={}", ticks(ensemble.links.sync_timeout_ms));
    _ = writeln!(text, "electionAlg=3\nelectionPort={}", ports(|at| at.election_port));
    _ = writeln!(text, "quorumPort={}\npeerType={}", ports(|at| at.quorum_port), i32::from(observer));
    if hub.mode() != Some(READ_ONLY) {
        _ = write!(text, "membership: \n{membership}");
    }
}

/// Sizes of the two directories.
pub(super) fn dirs(hub: &Hub) -> String {
    let size = |dir: &Path| size_of(&dir.join(VERSION_DIR));
    let storage = &hub.config.storage;
    format!("datadir_size: {}\nlogdir_size: {}\n", size(&storage.data_dir), size(&storage.data_log_dir))
}

/// Bytes of the files in a directory, as their lengths say: a log counts with what is reserved for it.
fn size_of(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

/// The environment: the keys of the official server that are not Java's (but for one), in its order.
pub(super) fn envi() -> String {
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (free, total) = memory_mb();
    let pairs = [
        ("zookeeper.version", version::FULL.to_owned()),
        ("host.name", text(system.nodename())),
        // Scripts look for this one; the other Java keys are left out.
        ("java.version", "none".to_owned()),
        ("os.name", text(system.sysname())),
        ("os.arch", arch(&text(system.machine()))),
        ("os.version", text(system.release())),
        ("user.name", user_name()),
        ("user.home", variable("HOME")),
        ("user.dir", std::env::current_dir().unwrap_or_default().display().to_string()),
        ("os.memory.free", format!("{free}MB")),
        ("os.memory.max", format!("{total}MB")),
        ("os.memory.total", format!("{total}MB")),
    ];
    let lines = pairs.iter().map(|(key, value)| format!("{key}={value}\n"));
    std::iter::once("Environment:\n".to_owned()).chain(lines).collect()
}

/// The machine's kind, as Java calls it.
fn arch(machine: &str) -> String {
    if machine == "x86_64" { "amd64".to_owned() } else { machine.to_owned() }
}

/// Memory of the machine in MB: what is available, and all.
fn memory_mb() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    (field("MemAvailable:"), field("MemTotal:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_has_one_java_key_for_scripts() {
        let text = envi();
        assert!(text.starts_with("Environment:\nzookeeper.version=3.9.5-"), "{text}");
        assert!(text.lines().skip(1).all(|line| line.contains('=')), "{text}");
        let java: Vec<_> = text.lines().filter(|line| line.starts_with("java")).collect();
        assert_eq!(java, ["java.version=none"]);
    }
}
