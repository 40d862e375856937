//! The arguments of the shell: those of `zkCli.sh`, and what a JVM would be told.

use super::super::{
    ToolError,
    dialling::{ClientTls, client_login, client_tls},
    error::read,
};
use crate::client::Login;
use std::{path::Path, time::Duration};

pub(super) const HELP: &str = "\
A shell for ZooKeeper, as zkCli.sh is one

Usage: oxkeeper cli [OPTIONS] [COMMAND [ARGUMENT]...]

With a COMMAND it does that and ends, with 0, 1 if it did not succeed, or 127 if there is no such command. Without one it takes
commands by lines; a command that there is none of shows all of them.

Options:
  -server HOST:PORT[,HOST:PORT...][/PATH]  who may be connected to, and below which znode; localhost:2181 unless given
  -timeout MS                              the time-out of the session, 30000 unless given
  -r                                       a server without a quorum will do, for reading
  -waitforconnection                       end with 1 if no server has the session within the time-out
  --json                                   an object on a line for each command and each event of a znode, errors among them
  -client-configuration FILE               properties of the official client: zookeeper.client.secure, zookeeper.ssl.*, ...
  -tls                                     in TLS
  -D KEY=VALUE                             one such property; those of java.security.auth.login.config, java.security.krb5.conf
                                           and zookeeper.server.* count, too
  -h, --help                               this text
";

/// What the shell is told.
pub(super) struct Arguments {
    pub(super) server: String,
    pub(super) timeout: Duration,
    pub(super) read_only: bool,
    pub(super) waits: bool,
    /// Answers are documents.
    pub(super) as_json: bool,
    secure: bool,
    properties: Vec<(String, String)>,
    /// One command, instead of those that are typed.
    pub(super) command: Vec<String>,
}

impl Arguments {
    /// `None` where help is asked for. Options may have two hyphens.
    pub(super) fn parse(words: &[String]) -> Result<Option<Self>, ToolError> {
        let mut parsed = Self {
            server: "localhost:2181".to_owned(),
            timeout: Duration::from_secs(30),
            read_only: false,
            waits: false,
            as_json: false,
            secure: false,
            properties: Vec::new(),
            command: Vec::new(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                parsed.command = std::iter::once(word).chain(words).cloned().collect();
                break;
            };
            let mut value = || {
                words.next().ok_or_else(|| ToolError::Usage(format!("no argument found for option {word}")))
            };
            match option {
                "h" | "help" => return Ok(None),
                "server" => parsed.server.clone_from(value()?),
                "timeout" => {
                    let ms: u64 = value()?.parse().map_err(|_| usage("-timeout needs a number of ms"))?;
                    parsed.timeout = Duration::from_millis(ms);
                }
                "r" => parsed.read_only = true,
                "json" => parsed.as_json = true,
                "waitforconnection" => parsed.waits = true,
                "client-configuration" => parsed.properties.extend(properties(Path::new(value()?))?),
                "tls" => parsed.secure = true,
                "D" => parsed.properties.extend([property(value()?)?]),
                joined if joined.starts_with('D') => parsed.properties.extend([property(&joined[1..])?]),
                _ => {
                    return Err(ToolError::Usage(format!(
                        "unknown option {word}; oxkeeper cli --help lists them"
                    )));
                }
            }
        }
        Ok(Some(parsed))
    }

    /// What TLS is spoken with, if it is to be, and whether names are checked.
    pub(super) fn tls(&self) -> Result<ClientTls, ToolError> {
        client_tls(&self.properties, self.secure).map_err(|error| usage(&error.to_string()))
    }

    /// As whom to log in, where a JAAS file says that.
    pub(super) fn login(&self) -> Result<Option<Login>, ToolError> {
        client_login(&self.properties)
    }
}

fn usage(problem: &str) -> ToolError {
    ToolError::Usage(problem.to_owned())
}

fn property(text: &str) -> Result<(String, String), ToolError> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let (key, value) = (key.trim(), value.trim());
    // As elsewhere, those of the official client may do without their prefix.
    let prefix = if key.starts_with("ssl.") || key.starts_with("client.") { "zookeeper." } else { "" };
    if key.is_empty() {
        Err(usage("-D needs KEY=VALUE"))
    } else {
        Ok((format!("{prefix}{key}"), value.to_owned()))
    }
}

/// The lines of a file of properties that are no comments.
fn properties(path: &Path) -> Result<Vec<(String, String)>, ToolError> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    lines.map(property).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::dialling::value_of;

    fn parsed(line: &str) -> Result<Option<Arguments>, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn options_come_before_the_command() {
        let arguments =
            parsed("-server a:1,b/x -timeout 500 -r -Dzookeeper.client.secure=true -D k=v ls -s /")
                .unwrap()
                .unwrap();
        assert_eq!((&*arguments.server, arguments.timeout.as_millis()), ("a:1,b/x", 500));
        assert!(arguments.read_only && !arguments.waits);
        assert_eq!(
            ["zookeeper.client.secure", "k"].map(|name| value_of(&arguments.properties, name)),
            [Some("true"), Some("v")]
        );
        assert_eq!(arguments.command, ["ls", "-s", "/"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(parsed("--help").unwrap().is_none());
        assert_eq!(parsed("-server").err().unwrap(), "no argument found for option -server");
        assert_eq!(
            parsed("-nonsense").err().unwrap(),
            "unknown option -nonsense; oxkeeper cli --help lists them"
        );
        assert_eq!(parsed("-timeout x").err().unwrap(), "-timeout needs a number of ms");
    }
}
