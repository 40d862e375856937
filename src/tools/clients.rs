//! Who loads a server: its clients by address, as it tells of its connections. Servers of either kind are asked, twice: what came
//! between the two looks is the rate.
//!
//! Invariant: connections without a session are nobody's; those that ask are among them.

use super::{
    Terminal, ToolError,
    status::{Place, WITHIN},
};
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io, thread,
    time::{Duration, Instant},
};

/// What the admin server answers is not longer, in bytes: 100,000 connections are 40 MB.
const ANSWER_MAX: u64 = 256 << 20;

/// Who is asked.
pub(super) enum Asked {
    /// `connections` of the admin server, below this address: `http://HOST:PORT/commands`.
    Admin(String),
    /// `cons` of the client port.
    Word(Place, Vec<(String, String)>),
}

/// A connection with a session.
#[derive(Debug, PartialEq, Eq)]
struct Connection {
    /// Without its port.
    client: String,
    /// Packets, with those that keep the session.
    received: u64,
    queued: u64,
    average_ms: u64,
    max_ms: u64,
}

/// By the client's address with its port, and the session.
type Look = BTreeMap<(String, i64), Connection>;

/// A client: all connections from one address.
#[derive(Debug, Default, PartialEq)]
struct Client {
    connections: usize,
    /// Packets a second, between the looks.
    rate: f64,
    received: u64,
    queued: u64,
    /// Of all packets, in ms.
    total_ms: u64,
    max_ms: u64,
}

impl Client {
    fn average_ms(&self) -> u64 {
        self.total_ms.checked_div(self.received).unwrap_or(0)
    }
}

/// Prints a line, or a JSON object, for each client, the one that asks most first. Ends with 1 where a server does not tell.
#[expect(clippy::disallowed_methods, reason = "a rate needs the time")]
pub(super) fn clients(
    asked: &[Asked],
    seconds: u32,
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    let first: Vec<(Result<Look, String>, Instant)> =
        asked.iter().map(|server| (server.look(), Instant::now())).collect();
    thread::sleep(Duration::from_secs(seconds.into()));
    let (mut all, mut code) = (BTreeMap::<String, Client>::new(), 0);
    for (server, (before, since)) in asked.iter().zip(first) {
        let looks = before.and_then(|before| Ok((before, server.look()?)));
        match looks {
            Ok((before, after)) => add(&before, after, since.elapsed().as_secs_f64(), &mut all),
            Err(problem) => {
                code = 1;
                writeln!(terminal.err, "oxkeeper: {}: {problem}", server.name())?;
            }
        }
    }
    let mut all: Vec<(String, Client)> = all.into_iter().collect();
    all.sort_by(|(_, left), (_, right)| {
        right.rate.total_cmp(&left.rate).then(right.received.cmp(&left.received))
    });
    print(&all, as_json, terminal)?;
    Ok(code)
}

/// Takes in what a server has told, the second time `seconds` after the first.
fn add(before: &Look, after: Look, seconds: f64, all: &mut BTreeMap<String, Client>) {
    for (key, connection) in after {
        let Connection { client, received, queued, average_ms, max_ms } = connection;
        // The figures may have been reset meanwhile (`crst`).
        let had = before.get(&key).map_or(0, |before| before.received);
        let came = received.checked_sub(had).unwrap_or(received);
        let sum = all.entry(client).or_default();
        sum.connections += 1;
        sum.received += received;
        sum.queued += queued;
        sum.total_ms += average_ms.saturating_mul(received);
        sum.max_ms = sum.max_ms.max(max_ms);
        sum.rate += f64::from(u32::try_from(came).unwrap_or(u32::MAX)) / seconds;
    }
}

fn print(all: &[(String, Client)], as_json: bool, terminal: &mut Terminal<'_>) -> io::Result<()> {
    let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("CLIENT".len());
    if !as_json {
        writeln!(
            terminal.out,
            "{:width$} {:>11} {:>11} {:>8} {:>7} {:>7} {:>14}",
            "CLIENT", "CONNECTIONS", "PACKETS/S", "QUEUED", "AVG MS", "MAX MS", "PACKETS"
        )?;
    }
    for (name, client) in all {
        let Client { connections, rate, received, queued, max_ms, .. } = client;
        let average_ms = client.average_ms();
        if as_json {
            let object = json!({
                "client": name, "connections": connections, "packets_per_s": (rate * 10.0).round() / 10.0,
                "outstanding_requests": queued, "avg_latency": average_ms, "max_latency": max_ms,
                "packets_received": received,
            });
            writeln!(terminal.out, "{object}")?;
        } else {
            writeln!(
                terminal.out,
                "{name:width$} {connections:>11} {rate:>11.1} {queued:>8} {average_ms:>7} {max_ms:>7} {received:>14}"
            )?;
        }
    }
    Ok(())
}

impl Asked {
    fn name(&self) -> String {
        match self {
            Self::Admin(url) => url.clone(),
            Self::Word(Place { host, port, .. }, _) => format!("{host}:{port}"),
        }
    }

    fn look(&self) -> Result<Look, String> {
        match self {
            Self::Admin(url) => of_admin(&format!("{}/connections", url.trim_end_matches('/'))),
            Self::Word(place, properties) => of_word(place, properties),
        }
    }
}

fn of_word(place: &Place, properties: &[(String, String)]) -> Result<Look, String> {
    let answer = place.ask("cons", properties).map_err(|error| error.to_string())?;
    if answer.contains("is not in the whitelist") {
        return Err(
            "cons is not in its 4lw.commands.whitelist; its admin server tells the same (--admin)".to_owned()
        );
    }
    let mut lines = answer.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    // The connection that asks is among them.
    if lines.peek().is_none() {
        return Err("it ends the connection without an answer".to_owned());
    }
    let all: Option<Vec<_>> = lines.map(of_line).collect();
    let said = || format!("it answers cons with {:?}", answer.chars().take(80).collect::<String>());
    let all = all.ok_or_else(said)?;
    Ok(all.into_iter().flatten().collect())
}

/// A line of `cons`: `/HOST:PORT[OPS](NAME=VALUE,...)`; the outer `None`: it is none. The inner one: without a session, or officially
/// without an address, since it is being closed.
#[expect(clippy::option_option, reason = "a line that is none, and one that does not count")]
fn of_line(line: &str) -> Option<Option<((String, i64), Connection)>> {
    let (peer, fields) = line.strip_suffix(')')?.split_once('(')?;
    if peer.starts_with("null[") {
        return Some(None);
    }
    let (address, _) = peer.strip_prefix('/')?.rsplit_once('[')?;
    let field = |name: &str| fields.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str| field(name).and_then(|value| value.parse().ok()).unwrap_or(0);
    let Some(session) = field("sid") else { return Some(None) };
    let session = u64::from_str_radix(session.strip_prefix("0x")?, 16).ok()?.cast_signed();
    let connection = Connection {
        client: host_of(address)?,
        received: number("recved"),
        queued: number("queued"),
        average_ms: number("avglat"),
        max_ms: number("maxlat"),
    };
    Some(Some(((address.to_owned(), session), connection)))
}

/// The host of an address, as the two forms of IPv6 have it.
fn host_of(address: &str) -> Option<String> {
    let (host, _) = address.rsplit_once(':')?;
    Some(host.trim_matches(['[', ']']).to_owned())
}

/// What `connections` answers.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    connections: Vec<Told>,
    #[serde(default)]
    secure_connections: Vec<Told>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Told {
    /// Officially none while it is being closed.
    remote_socket_address: Option<String>,
    /// Officially below 0 where an answer comes before its question is counted.
    outstanding_requests: i64,
    packets_received: u64,
    /// Of connections with a session, as the rest.
    #[serde(default)]
    session_id: i64,
    #[serde(default)]
    avg_latency: f64,
    #[serde(default)]
    max_latency: u64,
}

fn of_admin(url: &str) -> Result<Look, String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(WITHIN)).proxy(None).build().into();
    let mut answer = agent.get(url).call().map_err(|error| error.to_string())?;
    let text = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_string();
    let answer: Answer = serde_json::from_str(&text.map_err(|error| error.to_string())?)
        .map_err(|error| format!("this is no answer of an admin server: {error}"))?;
    if let Some(problem) = answer.error {
        return Err(problem);
    }
    let all = answer.connections.into_iter().chain(answer.secure_connections);
    Ok(all.filter(|told| told.session_id != 0).filter_map(Told::connection).collect())
}

impl Told {
    fn connection(self) -> Option<((String, i64), Connection)> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a latency in ms")]
        let average_ms = self.avg_latency as u64;
        let address = self.remote_socket_address?;
        let connection = Connection {
            client: host_of(&address)?,
            received: self.packets_received,
            queued: u64::try_from(self.outstanding_requests).unwrap_or(0),
            average_ms,
            max_ms: self.max_latency,
        };
        Some(((address, self.session_id), connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(client: &str, received: u64) -> Connection {
        Connection { client: client.to_owned(), received, queued: 1, average_ms: 2, max_ms: 9 }
    }

    #[test]
    fn a_line_of_cons_is_a_connection_if_it_has_a_session() {
        let line = "/127.0.0.1:4711[1](queued=1,recved=5,sent=5,sid=0x100000ed7de00,lop=PING,est=1005,to=10000,\
                    lcxid=0x91,lzxid=0x90,lresp=973387,llat=4,minlat=1,avglat=2,maxlat=9)";
        let key = ("127.0.0.1:4711".to_owned(), 0x1_0000_0ed7_de00);
        assert_eq!(of_line(line), Some(Some((key, connection("127.0.0.1", 5)))));
        let six = line.replace("/127.0.0.1", "/[0:0:0:0:0:0:0:1]");
        assert_eq!(of_line(&six).flatten().map(|(_, it)| it.client), Some("0:0:0:0:0:0:0:1".to_owned()));
        for other in ["/127.0.0.1:4711[0](queued=0,recved=1,sent=0)", "null[0](queued=0,recved=1,sent=0)"] {
            assert_eq!(of_line(other), Some(None), "{other}");
        }
        for other in
            ["", "This ZooKeeper instance is not currently serving requests", "(sid=0x1)", "/a[1](sid=x)"]
        {
            assert_eq!(of_line(other), None, "{other}");
        }
    }

    #[test]
    fn connections_of_one_address_are_one_client() {
        let look = |received: &[(&str, u64)]| -> Look {
            let one = |&(address, received): &(&str, u64)| {
                ((address.to_owned(), 7), connection(&host_of(address).expect("an address"), received))
            };
            received.iter().map(one).collect()
        };
        let before = look(&[("a:1", 10), ("a:2", 100), ("b:1", 5)]);
        // One has gone, one is new, and one was reset.
        let after = look(&[("a:1", 30), ("a:3", 4), ("b:1", 2)]);
        let mut all = BTreeMap::new();
        add(&before, after, 2.0, &mut all);
        let a = Client { connections: 2, rate: 12.0, received: 34, queued: 2, total_ms: 68, max_ms: 9 };
        let b = Client { connections: 1, rate: 1.0, received: 2, queued: 1, total_ms: 4, max_ms: 9 };
        assert_eq!(a.average_ms(), 2);
        assert_eq!(all, BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)]));
    }
}
