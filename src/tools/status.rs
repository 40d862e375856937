//! How a server is, as `srvr` tells it.

use super::{Terminal, ToolError, dialling::client_tls};
use crate::{
    client::{Peer, ask, mode},
    config::{Check, Config},
};
use serde_json::{Map, Value};
use std::{io, path::Path, time::Duration};

/// So long for a connection, and for the answer.
pub(super) const WITHIN: Duration = Duration::from_secs(10);

/// Where clients find a server, as its `zoo.cfg` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_secure: bool,
}

impl Place {
    /// The client port, or the one with TLS where there is no other; `None` where there is neither.
    pub(super) fn of_config(path: &Path) -> Option<Self> {
        let here = |address: Option<String>| address.unwrap_or_else(|| "localhost".to_owned());
        match Config::load(path, &[]) {
            Ok(Config { client, .. }) => match (client.port, client.tls.and_then(|tls| tls.secure)) {
                (Some(port), _) => Some(Self { host: here(client.address), port, is_secure: false }),
                (None, Some(at)) => Some(Self { host: here(at.address), port: at.port, is_secure: true }),
                (None, None) => None,
            },
            // Something else is wrong with it; a server may be running with what it was before.
            Err(_) => {
                let Check { settings, .. } = Config::check(path, &[]);
                let given = |name: &str| settings.iter().find(|setting| setting.name == name);
                let port = given("clientPort")?.value.parse().ok()?;
                Some(Self { host: "localhost".to_owned(), port, is_secure: false })
            }
        }
    }

    /// `HOST:PORT`, with an IPv6 address in brackets.
    pub(super) fn parse(text: &str, is_secure: bool) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some(Self { host: host.to_owned(), port: port.parse().ok()?, is_secure })
    }

    /// What a four-letter word is answered there; TLS as the properties of a client say.
    pub(super) fn ask(&self, word: &str, properties: &[(String, String)]) -> io::Result<String> {
        let tls = client_tls(properties, self.is_secure).map_err(io::Error::other)?;
        ask(&Peer { host: self.host.clone(), port: self.port, tls }, word, WITHIN)
    }
}

/// Prints the answer, or a JSON object with its lines (names in lower case with underscores; numbers where they are some). Ends
/// with 1 where the server does not answer or does not serve.
pub(super) fn status(
    place: &Place,
    properties: &[(String, String)],
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    let Place { host, port, .. } = place;
    let (answer, error) = match place.ask("srvr", properties) {
        Ok(answer) if mode(&answer).is_some() => (answer, None),
        Ok(answer) => (String::new(), Some(answer.trim().to_owned())),
        Err(error) => (String::new(), Some(error.to_string())),
    };
    if as_json {
        let mut object = Map::from_iter([("server".to_owned(), Value::from(format!("{host}:{port}")))]);
        object.insert("serves".to_owned(), error.is_none().into());
        object.extend(answer.lines().filter_map(|line| line.split_once(": ")).map(|(name, value)| {
            let value = value.parse::<i64>().map_or_else(|_| value.into(), Value::from);
            (name.to_lowercase().replace([' ', '/'], "_"), value)
        }));
        object.extend(error.iter().map(|error| ("error".to_owned(), Value::from(error.as_str()))));
        writeln!(terminal.out, "{}", Value::Object(object))?;
    } else if let Some(error) = &error {
        writeln!(terminal.err, "{host}:{port} does not serve: {error}")?;
    } else {
        write!(terminal.out, "{answer}")?;
    }
    Ok(u8::from(error.is_some()))
}
