//! The list of servers: whether it makes a standalone server, and which client port it gives that server.
//!
//! The official server starts standalone when at most one voting server is listed and `standaloneEnabled` is
//! not false; this build knows only that. The lines are checked in full all the same.

use super::error::ConfigError;
use super::settings::{Given, Settings};
use super::table::ensemble::STANDALONE_ENABLED;

/// One `server.N` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// The server's number.
    pub(super) id: i64,
    /// Whether it has no vote.
    pub(super) observer: bool,
    /// The address for clients behind the semicolon.
    pub(super) client: Option<ClientAddress>,
}

/// Where a server listens for clients, according to its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientAddress {
    /// `None` stands for all interfaces.
    pub(super) host: Option<String>,
    /// The port.
    pub(super) port: u16,
}

const FORM: &str = "host:port:electionPort[:participant or :observer][;[clientHost:]clientPort], where several \
                    server addresses are parted by |";
const STANDALONE_ONLY: &str =
    "this build serves standalone only: at most one server.N line, and standaloneEnabled=true";

/// Reads all lines of servers and groups, and refuses what would need an ensemble.
pub(super) fn standalone_members(settings: &mut Settings) -> Result<Vec<(Member, Given)>, ConfigError> {
    check_groups(settings)?;
    let mut members = Vec::new();
    for (number, given) in settings.family("server.*") {
        let id = number.parse().map_err(|_| given.conflict("the name must be server.N with a number N"))?;
        members.push((member(id, given)?, given.clone()));
    }
    let (observers, voters): (Vec<_>, Vec<_>) = members.iter().partition(|(member, _)| member.observer);
    match (voters.as_slice(), observers.first()) {
        ([], Some((_, given))) => return Err(given.conflict("observers without a participant")),
        ([_, (_, given), ..], _) => return Err(given.not_supported(STANDALONE_ONLY)),
        ([_], Some((_, given))) => return Err(given.conflict("observers beside a single participant")),
        _ => {}
    }
    if !settings.get(&STANDALONE_ENABLED)? {
        return Err(settings.find_or_default(&STANDALONE_ENABLED).not_supported(STANDALONE_ONLY));
    }
    if let [(_, given)] = members.as_slice() {
        settings.warnings.push(given.warning("only one server is listed: running standalone"));
    }
    Ok(members)
}

fn check_groups(settings: &Settings) -> Result<(), ConfigError> {
    let is_id = |text: &str| text.trim().parse::<i64>().is_ok();
    for (number, given) in settings.family("group.*") {
        if !is_id(number) || !given.value.split(':').all(is_id) {
            return Err(given.bad_value("group.N=id:id:..., all of them numbers"));
        }
    }
    for (number, given) in settings.family("weight.*") {
        if !is_id(number) {
            return Err(given.conflict("the name must be weight.N with a number N"));
        }
    }
    Ok(())
}

/// One server line.
fn member(id: i64, given: &Given) -> Result<Member, ConfigError> {
    // As Java's `split`: what is empty at the end is not there.
    let mut halves = given.value.trim_end_matches(';').split(';');
    let servers = halves.next().and_then(server_side);
    let client = halves.next().map(client_side);
    match (servers, client, halves.next()) {
        (Some(observer), None, None) => Ok(Member { id, observer, client: None }),
        (Some(observer), Some(Some(client)), None) => Ok(Member { id, observer, client: Some(client) }),
        _ => Err(given.bad_value(FORM)),
    }
}

/// Whether the member is an observer; all of its addresses must agree about that.
fn server_side(text: &str) -> Option<bool> {
    let mut role = None;
    for address in text.split('|') {
        let (_, rest) = host_and_rest(address)?;
        let parts: Vec<&str> = rest.split(':').collect();
        let (ports, named) = match parts.as_slice() {
            [quorum, election] => ([port(quorum)?, port(election)?], None),
            [quorum, election, role] => ([port(quorum)?, port(election)?], Some(is_observer(role)?)),
            _ => return None,
        };
        if ports[0] == ports[1] || (named.is_some() && role.is_some() && named != role) {
            return None;
        }
        role = role.or(named);
    }
    Some(role.unwrap_or(false))
}

fn is_observer(role: &str) -> Option<bool> {
    match role.trim().to_ascii_lowercase().as_str() {
        "observer" => Some(true),
        "participant" => Some(false),
        _ => None,
    }
}

fn client_side(text: &str) -> Option<ClientAddress> {
    if let Some(port) = port(text) {
        return Some(ClientAddress { host: None, port });
    }
    let (host, rest) = host_and_rest(text)?;
    let everywhere = matches!(host, "0.0.0.0" | "::");
    Some(ClientAddress { host: if everywhere { None } else { Some(host.to_owned()) }, port: port(rest)? })
}

/// Host and what follows its colon; an IPv6 address stands in brackets.
fn host_and_rest(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once("]:"),
        None => text.split_once(':'),
    }
    .filter(|(host, _)| !host.is_empty())
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok()
}
