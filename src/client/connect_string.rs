//! Connect strings: `host:port,host:port/chroot` (`ConnectStringParser`).

use super::path::{PathProblem, validate};

/// The port where none is given.
const DEFAULT_PORT: u16 = 2181;

/// Who may be dialled, and below which znode all paths are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectString {
    /// Names or addresses, with their ports; at least one.
    pub servers: Vec<(String, u16)>,
    /// What stands before every path; empty for none.
    pub chroot: String,
}

/// Why this is no connect string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectStringError {
    /// There is nobody in it.
    #[error("it names no server")]
    NoServer,
    /// A port is none.
    #[error("{0:?} is not a port")]
    Port(String),
    /// The path behind the servers is none.
    #[error(transparent)]
    Chroot(#[from] PathProblem),
}

impl ConnectString {
    /// Addresses of IPv6 stand in brackets. A server without a port has 2181.
    ///
    /// # Errors
    /// It names no server, a port is none, or the chroot is no path.
    pub fn parse(text: &str) -> Result<Self, ConnectStringError> {
        let (hosts, chroot) = text.find('/').map_or((text, ""), |at| text.split_at(at));
        let chroot = if chroot.len() > 1 { chroot } else { "" };
        if !chroot.is_empty() {
            validate(chroot)?;
        }
        let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        let servers = hosts.map(server).collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() {
            return Err(ConnectStringError::NoServer);
        }
        Ok(Self { servers, chroot: chroot.to_owned() })
    }
}

impl ConnectString {
    /// The path as the server knows it.
    pub(super) fn on_server(&self, path: &str) -> String {
        match (self.chroot.as_str(), path) {
            ("", path) => path.to_owned(),
            (chroot, "/") => chroot.to_owned(),
            (chroot, path) => format!("{chroot}{path}"),
        }
    }

    /// A path of the server, as it is seen below the chroot.
    pub(super) fn off_server<'p>(&self, path: &'p str) -> &'p str {
        match path.strip_prefix(self.chroot.as_str()) {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }
}

fn server(text: &str) -> Result<(String, u16), ConnectStringError> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => text.rsplit_once(':').unwrap_or((text, "")),
    };
    let port = match port {
        "" => DEFAULT_PORT,
        given => given.parse().map_err(|_| ConnectStringError::Port(given.to_owned()))?,
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_ports_and_chroot_are_told_apart() {
        let parsed = ConnectString::parse("a:1, b,[::1]:3,[::2]/app/x").unwrap();
        let servers: Vec<(&str, u16)> = parsed.servers.iter().map(|(host, port)| (&**host, *port)).collect();
        assert_eq!(servers, [("a", 1), ("b", 2181), ("::1", 3), ("::2", 2181)]);
        assert_eq!(parsed.chroot, "/app/x");
        assert_eq!(ConnectString::parse("a/").unwrap().chroot, "");
        assert_eq!(ConnectString::parse("a:").unwrap().servers[0].1, 2181);
    }

    #[test]
    fn what_is_none_is_named() {
        let problem = |text| ConnectString::parse(text).unwrap_err().to_string();
        assert_eq!(problem(""), "it names no server");
        assert_eq!(problem("a:x"), "\"x\" is not a port");
        assert_eq!(problem("a/b/"), "Path must not end with / character");
    }

    #[test]
    fn a_chroot_is_put_in_front_and_taken_away() {
        let plain = ConnectString::parse("a").unwrap();
        assert_eq!((plain.on_server("/a").as_str(), plain.off_server("/")), ("/a", "/"));
        let app = ConnectString::parse("a/app").unwrap();
        assert_eq!((app.on_server("/").as_str(), app.on_server("/a").as_str()), ("/app", "/app/a"));
        for (path, seen) in
            [("/app", "/"), ("/app/a", "/a"), ("/apple", "/apple"), ("/zookeeper", "/zookeeper")]
        {
            assert_eq!(app.off_server(path), seen);
        }
    }
}
