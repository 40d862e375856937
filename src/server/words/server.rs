//! `srvr`, `stat`, `srst` and `mntr`: the server in figures (`ServerStats`, `StatCommand`).

use super::{
    super::hub::Hub,
    ask::{Ask, NoAnswer},
    conns,
};
use crate::tree::Tree;
use oxkeeper_codec::Zxid;

/// The version as clients and scripts parse it: that of the official server, this server's, and a date.
pub(in super::super) const VERSION: &str =
    concat!("3.9.5-oxkeeper-", env!("CARGO_PKG_VERSION"), ", built on 2026-11-23 00:00 UTC");

/// The server in short.
pub(super) fn srvr(hub: &Hub, tree: &Tree) -> String {
    format!("{}{}", version_line(), figures(hub, tree.last_zxid(), tree.node_count()))
}

/// The server in short, with its connections.
pub(super) fn stat(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    let clients = conns::lines(ask, true)?;
    let (zxid, nodes) = ask.sequencer(|_, tree| (tree.last_zxid(), tree.node_count()))?;
    Ok(format!("{}Clients:\n{clients}{}", version_line(), figures(ask.hub(), zxid, nodes)))
}

fn version_line() -> String {
    format!("Zookeeper version: {VERSION}\n")
}

/// What `srvr` and `stat` share. The official server counts the root twice.
fn figures(hub: &Hub, zxid: Zxid, nodes: usize) -> String {
    let latency = hub.latency();
    format!(
        "Latency min/avg/max: {}/{}/{}\nReceived: {}\nSent: {}\nConnections: {}\nOutstanding: {}\n\
         Zxid: 0x{:x}\nMode: standalone\nNode count: {}\n",
        latency.min_ms,
        average(latency.sum_ms, latency.count),
        latency.max_ms,
        hub.workers.iter().map(|worker| worker.stats.received.get()).sum::<u64>(),
        hub.workers.iter().map(|worker| worker.stats.sent.get()).sum::<u64>(),
        hub.connections(),
        hub.outstanding(),
        zxid.0,
        nodes + 1
    )
}

/// A mean with one to four decimals, rounded half up; 0.0 of nothing.
pub(in super::super) fn average(sum: u64, count: u64) -> String {
    let (sum, count) = (u128::from(sum), u128::from(count.max(1)));
    let ten_thousandths = (sum * 20_000 + count) / (count * 2);
    let text = format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

/// Has the server's figures begin anew, each on the thread that counts it.
pub(super) fn srst(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    let hub = std::sync::Arc::clone(ask.hub());
    ask.workers(move |worker, _, _| hub.workers[worker].stats.reset())?;
    Ok("Server stats reset.\n".to_owned())
}

/// Figures for monitoring.
pub(super) fn mntr(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    let nodes = ask.sequencer(|_, tree| tree.node_count())?;
    Ok(format!("zk_version\t{VERSION}\nzk_server_state\tstandalone\nzk_znode_count\t{}\n", nodes + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_have_one_to_four_decimals() {
        for (sum, count, shown) in [
            (0, 0, "0.0"),
            (12, 1, "12.0"),
            (1, 2, "0.5"),
            (1, 3, "0.3333"),
            (2, 3, "0.6667"),
            (1, 20_000, "0.0001"),
            (1, 20_001, "0.0"),
        ] {
            assert_eq!(average(sum, count), shown, "{sum}/{count}");
        }
    }

    #[test]
    fn the_version_begins_with_three_numbers() {
        let mut digits = VERSION.split(['.', '-']).take(3);
        assert!(digits.all(|part| part.parse::<u32>().is_ok()));
    }
}
