//! Arguments become a [`Command`], or a [`UsageError`] that says which one is wrong.

use std::path::PathBuf;

use super::LogFormat;
use crate::config::{Config, Refusal};

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run a server.
    Server(Server),
    /// List the settings.
    Settings,
    /// Print the version.
    Version,
    /// Print the usage.
    Help,
}

/// A server to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    /// Where its settings come from.
    pub source: ConfigSource,
    /// Settings of `-DKEY=VALUE` in their order, as key and value.
    pub overrides: Vec<(String, String)>,
    /// The form of its logs.
    pub log_format: LogFormat,
}

/// Where settings come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ConfigSource {
    /// Nowhere: the built-in defaults.
    #[default]
    Defaults,
    /// A `zoo.cfg`.
    File(PathBuf),
    /// `port dataDir [tickTime [maxClientCnxns]]`, unchecked: two to four of them.
    Arguments(Vec<String>),
}

impl Server {
    /// Reads and checks the settings.
    pub fn config(&self) -> Result<Config, Refusal> {
        match &self.source {
            ConfigSource::Defaults => Config::default_server(&self.overrides),
            ConfigSource::File(path) => Config::load(path, &self.overrides),
            ConfigSource::Arguments(arguments) => Config::from_arguments(arguments, &self.overrides),
        }
    }
}

/// Arguments that make no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// The first word is no command.
    #[error("unknown command {0}")]
    UnknownCommand(String),
    /// An option that does not exist, or not for this command.
    #[error("unknown option {0}")]
    UnknownOption(String),
    /// `-D` without a key.
    #[error("-D needs KEY=VALUE")]
    NoKey,
    /// More words than the command takes.
    #[error("unexpected argument {0}")]
    Unexpected(String),
}

/// Understands the arguments behind the program's name.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, UsageError> {
    let arguments: Vec<String> = arguments.into_iter().collect();
    if arguments.iter().any(|argument| matches!(argument.as_str(), "--help" | "-h")) {
        return Ok(Command::Help);
    }
    let Some((first, rest)) = arguments.split_first() else {
        return Ok(Command::Server(Server::default()));
    };
    match first.as_str() {
        "server" => server(rest).map(Command::Server),
        "settings" => alone(Command::Settings, rest),
        "help" => alone(Command::Help, rest),
        "--version" | "-V" | "version" => alone(Command::Version, rest),
        option if option.starts_with('-') => server(&arguments).map(Command::Server),
        other => Err(UsageError::UnknownCommand(other.to_owned())),
    }
}

fn alone(command: Command, rest: &[String]) -> Result<Command, UsageError> {
    match rest.first() {
        Some(extra) => Err(UsageError::Unexpected(extra.clone())),
        None => Ok(command),
    }
}

fn server(arguments: &[String]) -> Result<Server, UsageError> {
    let mut server = Server::default();
    let mut positional = Vec::new();
    for argument in arguments {
        if let Some(setting) = argument.strip_prefix("-D") {
            // As in Java, a property without `=` is set to nothing.
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            if key.is_empty() {
                return Err(UsageError::NoKey);
            }
            server.overrides.push((key.to_owned(), value.to_owned()));
        } else if argument == "--log-json" {
            server.log_format = LogFormat::Json;
        } else if argument.starts_with('-') {
            return Err(UsageError::UnknownOption(argument.clone()));
        } else {
            positional.push(argument.clone());
        }
    }
    server.source = match positional.as_slice() {
        [] => ConfigSource::Defaults,
        [path] => ConfigSource::File(PathBuf::from(path)),
        [_, _, _, _, extra, ..] => return Err(UsageError::Unexpected(extra.clone())),
        _ => ConfigSource::Arguments(positional),
    };
    Ok(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn check(line: &str, expected: Result<Command, UsageError>) {
        assert_eq!(parse(words(line)), expected, "for {line:?}");
    }

    fn check_server(line: &str, expected: Server) {
        check(line, Ok(Command::Server(expected)));
    }

    #[test]
    fn servers() {
        check_server("", Server::default());
        check_server("server", Server::default());
        check_server(
            "server zoo.cfg",
            Server { source: ConfigSource::File("zoo.cfg".into()), ..Server::default() },
        );
        for line in ["2181 /d", "2181 /d 2000", "2181 /d 2000 10"] {
            let source = ConfigSource::Arguments(words(line));
            check_server(&format!("server {line}"), Server { source, ..Server::default() });
        }
    }

    #[test]
    fn options() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let overrides = vec![pair("zookeeper.a", "b=c"), pair("flag", "")];
        let expected = Server { overrides, log_format: LogFormat::Json, ..Server::default() };
        check_server("-Dzookeeper.a=b=c --log-json -Dflag", expected.clone());
        check_server("server -Dzookeeper.a=b=c -Dflag --log-json", expected.clone());
        let source = ConfigSource::File("z".into());
        check_server("server -Dzookeeper.a=b=c z --log-json -Dflag", Server { source, ..expected });
    }

    #[test]
    fn other_commands() {
        check("settings", Ok(Command::Settings));
        check("--version", Ok(Command::Version));
        check("server zoo.cfg --help", Ok(Command::Help));
    }

    #[test]
    fn wrong_usage() {
        check("start", Err(UsageError::UnknownCommand("start".to_owned())));
        check("--quick", Err(UsageError::UnknownOption("--quick".to_owned())));
        check("server 1 d 3 4 5 6", Err(UsageError::Unexpected("5".to_owned())));
        check("settings now", Err(UsageError::Unexpected("now".to_owned())));
        check("server -D=x", Err(UsageError::NoKey));
    }

    #[test]
    fn a_server_knows_its_settings() {
        let Ok(Command::Server(server)) = parse(words("server 2182 /d 2000 -DsnapCount=7")) else {
            panic!("that is a server");
        };
        let config = server.config().expect("good settings");
        assert_eq!(
            (config.client.port, config.session.tick_time_ms, config.storage.snap_count),
            (2182, 2000, 7)
        );
    }
}
