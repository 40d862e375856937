//! Arguments become a [`Command`], or a [`UsageError`] that says which one is wrong.

use std::path::PathBuf;

use super::LogFormat;
use crate::config::{Config, Refusal};

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run a server.
    Server(Server),
    /// List the settings of these names, or all when there is none.
    Settings(Vec<String>),
    /// Say what a configuration means, and what is wrong with it.
    CheckConfig {
        /// The `zoo.cfg`.
        path: PathBuf,
        /// Settings of `-DKEY=VALUE`.
        overrides: Vec<(String, String)>,
        /// As one JSON object.
        json: bool,
    },
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
    /// Options of the virtual machine, which have no effect here.
    pub jvm_options: Vec<String>,
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
    /// The first word is no command, and no file either.
    #[error("unknown command {0}; a server is started by: oxkeeper server zoo.cfg")]
    UnknownCommand(String),
    /// An option that does not exist, or not for this command.
    #[error("unknown option {0}")]
    UnknownOption(String),
    /// `-D` without a key.
    #[error("-D needs KEY=VALUE")]
    NoKey,
    /// `check-config` without a file.
    #[error("check-config needs the path of a zoo.cfg")]
    NoFile,
    /// More words than the command takes.
    #[error("unexpected argument {0}")]
    Unexpected(String),
}

/// Understands the arguments behind the program's name. Options may stand anywhere.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, UsageError> {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let has = |words: [&str; 2]| arguments.iter().any(|argument| words.contains(&argument.as_str()));
    if has(["--help", "-h"]) {
        return Ok(Command::Help);
    }
    if has(["--version", "-V"]) {
        return Ok(Command::Version);
    }
    let (mut server, words, json) = options(&arguments)?;
    if json && words.first().is_none_or(|first| first != "check-config") {
        return Err(UsageError::UnknownOption("--json".to_owned()));
    }
    let first_option = arguments.iter().find(|argument| argument.starts_with('-'));
    let alone = |command, rest: &[String]| match rest.first().or(first_option) {
        Some(extra) => Err(UsageError::Unexpected(extra.clone())),
        None => Ok(command),
    };
    match words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("settings", names)) => alone(Command::Settings(names.to_vec()), &[]),
        Some(("check-config", [path])) => {
            Ok(Command::CheckConfig { path: path.into(), overrides: server.overrides, json })
        }
        Some(("check-config", [])) => Err(UsageError::NoFile),
        Some(("check-config", [_, extra, ..])) => Err(UsageError::Unexpected(extra.clone())),
        Some(("help", rest)) => alone(Command::Help, rest),
        Some(("version", rest)) => alone(Command::Version, rest),
        Some((first, rest)) => {
            let source = match first {
                "server" => rest,
                place if names_a_source(place) => &words,
                other => return Err(UsageError::UnknownCommand(other.to_owned())),
            };
            server.source = self::source(source)?;
            Ok(Command::Server(server))
        }
        None => Ok(Command::Server(server)),
    }
}

/// A file, or a port: what may follow `server` may stand alone.
fn names_a_source(word: &str) -> bool {
    word.contains(['/', '.']) || word.bytes().all(|byte| byte.is_ascii_digit())
}

fn source(words: &[String]) -> Result<ConfigSource, UsageError> {
    match words {
        [] => Ok(ConfigSource::Defaults),
        [path] => Ok(ConfigSource::File(PathBuf::from(path))),
        [_, _, _, _, extra, ..] => Err(UsageError::Unexpected(extra.clone())),
        _ => Ok(ConfigSource::Arguments(words.to_vec())),
    }
}

/// The options of a server, the other words, and whether there is `--json`.
fn options(arguments: &[String]) -> Result<(Server, Vec<String>, bool), UsageError> {
    let (mut server, mut words, mut json) = (Server::default(), Vec::new(), false);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if let Some(setting) = argument.strip_prefix("-D") {
            // As in Java, a property without `=` is set to nothing.
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            if key.is_empty() {
                return Err(UsageError::NoKey);
            }
            server.overrides.push((key.to_owned(), value.to_owned()));
        } else if argument == "--log-json" {
            server.log_format = LogFormat::Json;
        } else if is_for_the_jvm(argument) {
            server.jvm_options.push(argument.clone());
            if JVM_WITH_VALUE.contains(&argument.as_str()) {
                arguments.next();
            }
        } else if argument == "--json" {
            json = true;
        } else if argument.starts_with('-') {
            return Err(UsageError::UnknownOption(argument.clone()));
        } else {
            words.push(argument.clone());
        }
    }
    Ok((server, words, json))
}

/// Options of the virtual machine whose value is the next word.
const JVM_WITH_VALUE: [&str; 4] = ["-cp", "-classpath", "--class-path", "--add-opens"];

/// Whether an option is one of the virtual machine's, as scripts and unit files for the official server have them.
fn is_for_the_jvm(option: &str) -> bool {
    const WHOLE: [&str; 8] = ["-server", "-client", "-ea", "-da", "-esa", "-dsa", "-d64", "-d32"];
    const BEGIN: [&str; 8] = [
        "-X",
        "-javaagent:",
        "-agentlib:",
        "-agentpath:",
        "-verbose",
        "--add-opens=",
        "-ea:",
        "--class-path=",
    ];
    WHOLE.contains(&option)
        || JVM_WITH_VALUE.contains(&option)
        || BEGIN.iter().any(|begin| option.starts_with(begin))
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
    fn a_configuration_is_checked() {
        let checked = |json, overrides| Ok(Command::CheckConfig { path: "a.cfg".into(), overrides, json });
        check("check-config a.cfg", checked(false, Vec::new()));
        check("check-config --json -Da=b a.cfg", checked(true, vec![("a".to_owned(), "b".to_owned())]));
        check("check-config", Err(UsageError::NoFile));
        check("check-config a.cfg b.cfg", Err(UsageError::Unexpected("b.cfg".to_owned())));
        check("server --json a.cfg", Err(UsageError::UnknownOption("--json".to_owned())));
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
    fn servers_without_the_word() {
        let file = |path: &str| Server { source: ConfigSource::File(path.into()), ..Server::default() };
        for path in ["zoo.cfg", "/etc/zookeeper/conf", "./z"] {
            check_server(path, file(path));
        }
        let source = ConfigSource::Arguments(words("2181 /d"));
        check_server("2181 /d", Server { source, ..Server::default() });
        let overrides = vec![("a".to_owned(), "b".to_owned())];
        check_server("-Da=b server zoo.cfg", Server { overrides, ..file("zoo.cfg") });
    }

    #[test]
    fn options_of_the_jvm_are_known() {
        let jvm_options = words("-Xmx1g -XX:+UseG1GC -cp -server");
        let source = ConfigSource::File("zoo.cfg".into());
        let expected = Server { source, jvm_options, ..Server::default() };
        check_server("-Xmx1g -XX:+UseG1GC -cp /lib/* -server server zoo.cfg", expected);
    }

    #[test]
    fn other_commands() {
        check("settings", Ok(Command::Settings(Vec::new())));
        check("settings snapCount tickTime", Ok(Command::Settings(words("snapCount tickTime"))));
        check("--version", Ok(Command::Version));
        check("server zoo.cfg --help", Ok(Command::Help));
    }

    #[test]
    fn wrong_usage() {
        check("start", Err(UsageError::UnknownCommand("start".to_owned())));
        check("--quick", Err(UsageError::UnknownOption("--quick".to_owned())));
        check("server 1 d 3 4 5 6", Err(UsageError::Unexpected("5".to_owned())));
        check("help me", Err(UsageError::Unexpected("me".to_owned())));
        check("-Da=b settings", Err(UsageError::Unexpected("-Da=b".to_owned())));
        check("zoo.cfg 1 2 3 4", Err(UsageError::Unexpected("4".to_owned())));
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
            (Some(2182), 2000, 7)
        );
    }
}
