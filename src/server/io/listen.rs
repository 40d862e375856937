//! The client port: whose address it is, and that it is ours.

use crate::config;
use crate::server::{
    ServerError,
    ports::{listen_at, listen_everywhere, preferred},
};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs},
};

/// Connections that may wait to be accepted, unless configured.
const DEFAULT_BACKLOG: u32 = 8192;

/// Listens on the client port, if there is one.
///
/// # Errors
/// The host is not known, or the port is not to be had.
pub(crate) fn listen(client: &config::Client) -> Result<Option<TcpListener>, ServerError> {
    let Some(port) = client.port else { return Ok(None) };
    listen_on("clientPortAddress", client.address.as_deref(), port, client.listen_backlog).map(Some)
}

/// Listens on the port that is for TLS alone, if there is one.
///
/// # Errors
/// As of [`listen`].
pub(crate) fn listen_secure(client: &config::Client) -> Result<Option<TcpListener>, ServerError> {
    let Some(secure) = client.tls.as_ref().and_then(|tls| tls.secure.as_ref()) else { return Ok(None) };
    let host = secure.address.as_deref();
    listen_on("secureClientPortAddress", host, secure.port, client.listen_backlog).map(Some)
}

/// Listens on a port, on all interfaces unless there is a host, which the setting `key` names.
pub(crate) fn listen_on(
    key: &'static str,
    host: Option<&str>,
    port: u16,
    backlog: Option<u32>,
) -> Result<TcpListener, ServerError> {
    let backlog = i32::try_from(backlog.unwrap_or(DEFAULT_BACKLOG)).unwrap_or(i32::MAX);
    let refused = |source| {
        let address = format!("{}:{port}", host.unwrap_or("*"));
        ServerError::Listen { address, source }
    };
    match host {
        Some(host) => {
            let address = resolve(host, port).map_err(|source| ServerError::Resolve {
                key,
                host: host.to_owned(),
                source,
            })?;
            listen_at(address, backlog).map_err(refused)
        }
        None => listen_everywhere(port, backlog).map_err(refused),
    }
}

/// An address, a host name, or an IPv6 address with the name or number of its interface behind a `%`: as Java's
/// `InetAddress.getByName` understands them.
fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    if host.is_empty() {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    if let Some(address) = decimal_address(host) {
        return Ok(SocketAddr::from((address, port)));
    }
    let host = match host.strip_prefix('[') {
        Some(rest) => bracketed(rest).ok_or(io::ErrorKind::InvalidInput)?,
        None => host,
    };
    let (bare, zone) = host.split_once('%').unwrap_or((host, ""));
    // The system would take 0x7f.1 for an address, and 010.1 for one in octal. Java does not.
    if bare.starts_with(|first: char| first.is_ascii_digit()) && !bare.contains(':') && !may_be_a_name(bare) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let addresses: Vec<SocketAddr> = (bare, port).to_socket_addrs()?.collect();
    let mut address = preferred(&addresses).ok_or(io::ErrorKind::NotFound)?;
    address.set_ip(address.ip().to_canonical());
    if let SocketAddr::V6(address) = &mut address
        && !zone.is_empty()
        // The loopback address is no link's.
        && !address.ip().is_loopback()
    {
        let index = std::fs::read_to_string(format!("/sys/class/net/{zone}/ifindex"));
        let index = zone.parse().or_else(|_| index?.trim().parse().map_err(io::Error::other))?;
        address.set_scope_id(index);
    }
    Ok(address)
}

/// What stands in brackets, which only an IPv6 address may.
fn bracketed(rest: &str) -> Option<&str> {
    let inner = rest.strip_suffix(']')?;
    let bare = inner.split_once('%').map_or(inner, |(bare, _)| bare);
    bare.parse::<Ipv6Addr>().ok().map(|_| inner)
}

/// An IPv4 address of one to four decimal numbers, the last of which fills all bytes that are left.
fn decimal_address(host: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = host.split('.').collect();
    let (last, bytes) = parts.split_last()?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if bytes.len() > 3 || !parts.iter().all(|part| digits(part)) {
        return None;
    }
    let mut address = [0; 4];
    for (to, from) in address.iter_mut().zip(bytes) {
        *to = from.parse().ok()?;
    }
    let rest = &mut address[bytes.len()..];
    let last = last.parse::<u32>().ok()?.to_be_bytes();
    let (over, fits) = last.split_at(last.len() - rest.len());
    rest.copy_from_slice(fits);
    over.iter().all(|&byte| byte == 0).then(|| address.into())
}

/// Whether a host that begins with a digit is looked up: not what the system would read as a number.
fn may_be_a_name(host: &str) -> bool {
    let number = |part: &str| match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some(hexadecimal) => hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => part.bytes().all(|byte| byte.is_ascii_digit()),
    };
    !host.split('.').all(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::{net::TcpStream, time::Duration};

    /// Longer than a connection of the loopback takes that is taken at all.
    const NOT_TAKEN: Duration = Duration::from_secs(1);

    fn listen_with(lines: &str) -> Result<TcpListener, ServerError> {
        let config = Config::parse("zoo.cfg", &format!("dataDir=/d\n{lines}"), &[]).expect("good settings");
        listen(&config.client).map(|listener| listener.expect("there is a client port"))
    }

    /// What is said of a port that is not to be had.
    fn refusal(lines: &str) -> String {
        listen_with(lines).expect_err("it cannot be had").to_string()
    }

    /// How many of so many connections get through while nobody accepts them.
    fn waiting(lines: &str, most: usize) -> usize {
        let listener = listen_with(&format!("clientPort=0\nclientPortAddress=127.0.0.1\n{lines}"));
        let address = listener.as_ref().expect("a free port").local_addr().expect("its number");
        let connect = |_| TcpStream::connect_timeout(&address, NOT_TAKEN).ok();
        (0..most).map_while(connect).collect::<Vec<_>>().len()
    }

    #[test]
    fn as_many_connections_wait_as_configured() {
        for backlog in [1, 5] {
            // Linux lets one more in.
            assert_eq!(waiting(&format!("clientPortListenBacklog={backlog}"), 20), backlog + 1);
        }
    }

    #[test]
    fn unless_configured_a_crowd_may_wait() {
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("the system's own limit");
        let most: usize = most.trim().parse().expect("a number");
        // Programs often ask for 50 or 128.
        let crowd = most.min(300);
        for lines in ["", "clientPortListenBacklog=-1"] {
            assert_eq!(waiting(lines, crowd), crowd, "{lines}");
        }
    }

    #[test]
    fn a_port_that_is_taken_says_by_whom() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = taken.local_addr().expect("its number").port();
        let text = refusal(&format!("clientPort={port}\nclientPortAddress=127.0.0.1"));
        assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("another server"), "{text}");
        let text = refusal(&format!("clientPort={port}"));
        assert!(text.contains(&format!("*:{port}")) && text.contains("another server"), "{text}");
    }

    /// The official server's own answers, from Java 17.
    #[test]
    fn addresses_as_java_understands_them() {
        for (host, expected) in [
            ("", "127.0.0.1:7"),
            ("localhost", "127.0.0.1:7"),
            ("127.1", "127.0.0.1:7"),
            ("1", "0.0.0.1:7"),
            ("010.0.0.1", "10.0.0.1:7"),
            ("127.0.0.01", "127.0.0.1:7"),
            ("1.2.3", "1.2.0.3:7"),
            ("4294967295", "255.255.255.255:7"),
            ("[::1]", "[::1]:7"),
            ("::1", "[::1]:7"),
            ("::1%lo", "[::1]:7"),
            ("::ffff:127.0.0.1", "127.0.0.1:7"),
            ("::", "[::]:7"),
        ] {
            let address = resolve(host, 7).expect(host);
            assert_eq!(address.to_string(), expected, "{host}");
        }
        for host in [
            "[127.0.0.1]",
            "[::1",
            "::1]",
            "[localhost]",
            "[]",
            "0x7f.1",
            "1.",
            "1.2.3.256",
            "256.1.1.1",
            "0x10",
        ] {
            resolve(host, 7).expect_err(host);
        }
        // As containers are called.
        assert!(may_be_a_name("4f5c0d2e9a1b") && may_be_a_name("1a.be") && !may_be_a_name("0x7f.1"));
    }

    #[test]
    fn a_host_that_nobody_knows_is_named() {
        let text = refusal("clientPort=0\nclientPortAddress=256.1.1.1");
        assert!(text.contains("clientPortAddress") && text.contains("256.1.1.1"), "{text}");
        assert!(!text.contains("another server"), "{text}");
    }

    #[test]
    fn an_address_of_another_machine_is_no_other_server() {
        // One for documentation: no interface has it.
        let text = refusal("clientPort=0\nclientPortAddress=192.0.2.1");
        assert!(text.contains("192.0.2.1:0") && !text.contains("another server"), "{text}");
    }
}
