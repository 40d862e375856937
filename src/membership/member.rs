//! One member: the value of a `server.N` line (`QuorumPeer.QuorumServer`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a member votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It does.
    Participant,
    /// It only learns.
    Observer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Participant => "participant",
            Self::Observer => "observer",
        })
    }
}

/// A member of an ensemble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where other members reach it, at least one, sorted by host as they are written.
    pub addresses: Vec<Addresses>,
    /// Its part.
    pub role: Role,
    /// Where clients reach it, if its line says so. The host 0.0.0.0 stands for all interfaces.
    pub client: Option<HostPort>,
}

/// One host of a member, with its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// A name, or an address without brackets.
    pub host: String,
    /// Where it listens for learners while it leads.
    pub quorum_port: u16,
    /// Where it listens for votes.
    pub election_port: u16,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl HostPort {
    /// Reads what [`fmt::Display`] writes; an IPv6 address may be without its brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() { None } else { Some(Self { host: bare.to_owned(), port: port.parse().ok()? }) }
    }

    /// The host; `None` stands for all interfaces.
    pub fn interface(&self) -> Option<&str> {
        let everywhere = self.host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified());
        if everywhere { None } else { Some(&self.host) }
    }
}

/// `host:port`; an IPv6 address stands in brackets.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        write!(f, "{}:{port}", Delimited(host))
    }
}

impl Addresses {
    /// Where it listens for learners while it leads.
    pub fn quorum(&self) -> HostPort {
        HostPort { host: self.host.clone(), port: self.quorum_port }
    }

    /// Where it listens for votes.
    pub fn election(&self) -> HostPort {
        HostPort { host: self.host.clone(), port: self.election_port }
    }
}

impl Member {
    /// The form of its text, for people.
    pub const FORM: &str = "host:port:electionPort[:participant or :observer][;[clientHost:]clientPort], where several \
                            server addresses are parted by |";

    /// Reads the value of a `server.N` line.
    pub fn parse(text: &str) -> Option<Self> {
        let halves = split(text, ';');
        let (servers, client) = match halves.as_slice() {
            [servers] => (servers, None),
            [servers, client] => (servers, Some(client_side(client)?)),
            _ => return None,
        };
        let (mut addresses, mut role) = (Vec::new(), None);
        for address in split(servers, '|') {
            let (found, named) = server_side(address)?;
            if role.is_some() && named.is_some() && role != named {
                return None;
            }
            role = role.or(named);
            if !addresses.contains(&found) {
                addresses.push(found);
            }
        }
        addresses.sort_by(|a, b| a.host.cmp(&b.host));
        Some(Self { addresses, role: role.unwrap_or(Role::Participant), client })
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Addresses { host, quorum_port, election_port }) in self.addresses.iter().enumerate() {
            let bar = if number == 0 { "" } else { "|" };
            write!(f, "{bar}{}:{quorum_port}:{election_port}", Delimited(host))?;
        }
        write!(f, ":{}", self.role)?;
        self.client.iter().try_for_each(|client| write!(f, ";{client}"))
    }
}

/// A host before a colon.
struct Delimited<'a>(&'a str);

impl fmt::Display for Delimited<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host) = self;
        if host.contains(':') { write!(f, "[{host}]") } else { f.write_str(host) }
    }
}

/// One of the addresses parted by bars, with the role if it names one.
fn server_side(text: &str) -> Option<(Addresses, Option<Role>)> {
    let (host, rest) = host_and_rest(text)?;
    let parts = split(rest, ':');
    let (quorum, election, role) = match parts.as_slice() {
        [quorum, election] => (quorum, election, None),
        [quorum, election, role] => (quorum, election, Some(role_named(role)?)),
        _ => return None,
    };
    let found = Addresses { host, quorum_port: port(quorum)?, election_port: port(election)? };
    if found.quorum_port == found.election_port { None } else { Some((found, role)) }
}

fn role_named(text: &str) -> Option<Role> {
    match text.trim().to_ascii_lowercase().as_str() {
        "observer" => Some(Role::Observer),
        "participant" => Some(Role::Participant),
        _ => None,
    }
}

fn client_side(text: &str) -> Option<HostPort> {
    if let [only] = split(text, ':').as_slice() {
        return Some(HostPort { host: Ipv4Addr::UNSPECIFIED.to_string(), port: port(only)? });
    }
    let (host, rest) = host_and_rest(text)?;
    match split(rest, ':').as_slice() {
        [only] => Some(HostPort { host, port: port(only)? }),
        _ => None,
    }
}

/// Host and what follows its colon; an IPv6 address stands in brackets.
fn host_and_rest(text: &str) -> Option<(String, &str)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once("]:")?,
        None => text.split_once(':')?,
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '[' | ']' | '\\');
    if host.is_empty() || host.contains(odd) { None } else { Some((as_java_shows(host), rest)) }
}

/// The host as `InetSocketAddress.getHostString` has it: addresses of IPv6 with all their zeros, unless they are of IPv4.
fn as_java_shows(host: &str) -> String {
    let Ok(address) = host.parse::<Ipv6Addr>() else { return host.to_owned() };
    match address.to_ipv4_mapped() {
        Some(address) => address.to_string(),
        None => address.segments().map(|segment| format!("{segment:x}")).join(":"),
    }
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok()
}

/// As Java's `split`: what is empty at the end is not there.
pub(super) fn split(text: &str, at: char) -> Vec<&str> {
    text.trim_end_matches(at).split(at).collect()
}
