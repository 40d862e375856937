//! The list of servers: whether it makes a standalone server or a member of an ensemble, and which client port it gives
//! this server.
//!
//! The official server starts standalone when at most one voting server is listed and `standaloneEnabled` is
//! not false. The lines are checked in full all the same.

use super::error::ConfigError;
use super::settings::{Given, Settings};
use super::table::ensemble::STANDALONE_ENABLED;
use crate::membership::{Lines, Member, MembershipError, Role};
use oxkeeper_codec::ServerId;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The lines of servers and groups.
pub(super) struct List {
    /// What they say.
    pub(super) lines: Lines,
    /// The `server.N` lines as they were written.
    pub(super) written: BTreeMap<ServerId, Given>,
    /// The line that makes it an ensemble; without one it is a standalone server.
    pub(super) asked_by: Option<Given>,
}

/// Where a server listens for clients, according to its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClientAddress {
    /// `None` stands for all interfaces.
    pub(super) host: Option<String>,
    /// The port.
    pub(super) port: u16,
}

impl List {
    /// The client address in the line of this server.
    pub(super) fn client_of(&self, id: Option<i64>) -> Option<ClientAddress> {
        let client = self.lines.members().get(&ServerId(id?))?.client.as_ref()?;
        Some(ClientAddress { host: client.interface().map(str::to_owned), port: client.port })
    }
}

/// Whether a host stands for all interfaces.
pub(super) fn is_everywhere(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
}

/// Reads all lines of servers and groups; `None` after what is wrong with them was noted.
pub(super) fn read(settings: &mut Settings) -> Option<List> {
    let (mut lines, mut written, mut bad) = (Lines::default(), BTreeMap::new(), Vec::new());
    for (number, given) in settings.family("group.*") {
        if lines.add(&format!("group.{number}"), &given.value).is_err() {
            bad.push(given.bad_value("group.N=id:id:..., all of them numbers"));
        }
    }
    for (number, given) in settings.family("weight.*") {
        if number.parse::<i64>().is_err() {
            bad.push(given.conflict("the name must be weight.N with a number N"));
        }
    }
    for (number, given) in settings.family("server.*") {
        match (lines.add(&format!("server.{number}"), &given.value), number.parse()) {
            (Ok(()), Ok(id)) => drop(written.insert(ServerId(id), given.clone())),
            (Err(MembershipError::Value { .. }), _) => bad.push(given.bad_value(Member::FORM)),
            _ => bad.push(given.conflict("the name must be server.N with a number N")),
        }
    }
    if bad.is_empty() {
        let asked_by = settings.note(|settings| asked_by(settings, &lines, &written))?;
        return Some(List { lines, written, asked_by });
    }
    for error in bad {
        settings.note(|_| Err::<(), _>(error));
    }
    None
}

/// The line that makes it an ensemble, if one does.
fn asked_by(
    settings: &mut Settings,
    lines: &Lines,
    written: &BTreeMap<ServerId, Given>,
) -> Result<Option<Given>, ConfigError> {
    let of = |role| lines.members().iter().filter(move |(_, member)| member.role == role);
    let mut voters = of(Role::Participant).map(|(id, _)| &written[id]);
    let observer = of(Role::Observer).map(|(id, _)| &written[id]).next();
    let alone: bool = settings.get(&STANDALONE_ENABLED)?;
    match (voters.next(), voters.next(), observer) {
        (None, _, Some(observer)) => Err(observer.conflict("observers without a participant")),
        (None, _, None) if !alone => {
            let problem = "false asks for an ensemble, and no server.N line names a participant of one";
            Err(settings.find_or_default(&STANDALONE_ENABLED).conflict(problem))
        }
        (None, _, None) => Ok(None),
        (Some(_), Some(second), _) => Ok(Some(second.clone())),
        (Some(_), None, _) if !alone => Ok(Some(settings.find_or_default(&STANDALONE_ENABLED))),
        (Some(_), None, Some(observer)) => Err(observer.conflict("observers beside a single participant")),
        (Some(only), None, None) => {
            settings.warnings.push(only.warning("only one server is listed: running standalone"));
            Ok(None)
        }
    }
}
