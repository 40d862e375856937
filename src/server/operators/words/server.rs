//! `srvr`, `stat` and `srst`: the server in figures (`ServerStats`, `StatCommand`).

use super::conns;
use crate::{
    server::{
        operators::{
            ask::{Ask, NoAnswer},
            stats,
        },
        sequence::{Hub, READ_ONLY},
    },
    tree::Tree,
    version,
};
use oxkeeper_codec::Zxid;

/// The server in short.
pub(super) fn srvr(hub: &Hub, tree: &Tree, mode: &str) -> String {
    format!("{}{}", head(mode), figures(hub, tree.last_zxid(), tree.node_count(), mode))
}

/// The server in short, with its connections.
pub(super) fn stat(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    let clients = conns::lines(ask, true)?;
    let (zxid, nodes) = ask.sequencer(|_, tree| (tree.last_zxid(), tree.node_count()))?;
    let hub = &ask.front().hub;
    let mode = hub.mode().ok_or(NoAnswer)?;
    Ok(format!("{}Clients:\n{clients}{}", head(mode), figures(hub, zxid, nodes, mode)))
}

/// The version; and that nobody may write, if that is so.
fn head(mode: &str) -> String {
    let read_only = "READ-ONLY mode; serving only read-only clients\n";
    let read_only = if mode == READ_ONLY { read_only } else { "" };
    format!("Zookeeper version: {}\n{read_only}", version::FULL)
}

/// What `srvr` and `stat` share. The official server counts the root twice.
fn figures(hub: &Hub, zxid: Zxid, nodes: usize, mode: &str) -> String {
    let latency = hub.latency();
    let proposals = hub.proposal_sizes();
    let proposals =
        proposals.map(|[last, min, max]| format!("Proposal sizes last/min/max: {last}/{min}/{max}\n"));
    format!(
        "Latency min/avg/max: {}/{}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\n\
         Zxid: 0x{:x}\nMode: {mode}\nNode count: {}\n{}",
        latency.min,
        latency.average(),
        latency.max,
        hub.received(),
        hub.sent(),
        hub.connections(),
        hub.outstanding(),
        hub.shown_zxid(zxid).0,
        nodes + 1,
        proposals.unwrap_or_default()
    )
}

/// Has the server's figures begin anew.
pub(super) fn srst(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    stats::reset(ask)?;
    Ok("Server stats reset.\n".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_begins_with_three_numbers() {
        let mut digits = version::FULL.split(['.', '-']).take(3);
        assert!(digits.all(|part| part.parse::<u32>().is_ok()));
    }
}
