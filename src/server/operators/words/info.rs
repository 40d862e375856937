//! `conf`, `dirs`, `envi`, and the hash of `hash`: what is fixed, and what the file system knows.

use super::Ports;
use crate::{
    config::Ensemble,
    membership::{Addresses, Membership},
    server::{
        operators::host::{self, size_of},
        sequence::{Hub, READ_ONLY},
    },
};
use std::fmt::Write;

/// The settings in use (`ZooKeeperServer.dumpConf`).
pub(super) fn conf(hub: &Hub, ports: Ports) -> String {
    let number = |port: Option<u16>| port.map_or(-1, i32::from);
    let port = hub.client_place().map_or(ports.client, |place| Some(place.port));
    let config = &hub.config;
    let [snap, log] = host::dirs(hub);
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
    let [snap, log] = host::dirs(hub).map(|dir| size_of(&dir));
    format!("datadir_size: {snap}\nlogdir_size: {log}\n")
}

/// The environment.
pub(super) fn envi() -> String {
    let pairs = host::environment();
    let lines = pairs.iter().map(|(key, value)| format!("{key}={value}\n"));
    std::iter::once("Environment:\n".to_owned()).chain(lines).collect()
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
