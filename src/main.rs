//! The binary: understands the arguments, sets logging up, runs what was asked for.

use oxkeeper::cli::{self, Command, ConfigSource, ExitCode, Server};
use oxkeeper::config::{Config, ConfigError, Refusal};
use oxkeeper::server::{ServerError, permission_hint, take_file_size_limit_as_error};
use oxkeeper::storage::StoreError;
use oxkeeper::tools::{Terminal, Tool, ToolError};
use oxkeeper::topics;
use oxkeeper::version;
use std::io::{BufWriter, Write};

#[global_allocator]
static MEMORY: cli::Memory = cli::Memory;

fn main() -> std::process::ExitCode {
    // A path that is no UTF-8 cannot be given here, as it cannot be written in a zoo.cfg.
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    if let Some(tool) = Tool::of(&arguments) {
        return use_tool(tool);
    }
    let code = match cli::parse(arguments) {
        Ok(Command::Server(server)) => serve(&server),
        Ok(Command::Settings(names)) => match Config::describe(&names) {
            Ok(text) => print(&text),
            Err(problem) => complain(&format!("oxkeeper: {problem}\n")),
        },
        Ok(Command::CheckConfig { path, overrides, json }) => {
            let check = Config::check(&path, &overrides);
            match (print(&cli::report(&check, json)), check.outcome) {
                (ExitCode::Finished, Err(_)) => ExitCode::InvalidInvocation,
                (printed, _) => printed,
            }
        }
        Ok(Command::Version) => print(&format!("oxkeeper {} ({})\n", version::OXKEEPER, version::FULL)),
        Ok(Command::Help) => print(cli::USAGE),
        Err(error) => complain(&format!("oxkeeper: {error}\n{}", cli::SHORT_USAGE)),
    };
    code.into()
}

/// Runs a tool, or prints what is wrong with its arguments.
fn use_tool(tool: Result<Tool, clap::Error>) -> std::process::ExitCode {
    let tool = match tool {
        Ok(tool) => tool,
        Err(error) => {
            drop(error.print());
            return u8::try_from(error.exit_code()).unwrap_or(2).into();
        }
    };
    // Tools print what there is to say. Servers for tests log to whoever asks for it.
    let _logging = std::env::var_os("RUST_LOG").map(|_| cli::init_logging(cli::LogFormat::default()));
    // Not locked: the shell shows events from another thread.
    let mut out = BufWriter::new(std::io::stdout());
    let mut err = std::io::stderr();
    let mut terminal = Terminal { input: &mut std::io::stdin().lock(), out: &mut out, err: &mut err };
    let done = tool.run(&mut terminal);
    let done = out.flush().map_err(ToolError::from).and(done);
    done.unwrap_or_else(|error| {
        if !error.is_broken_pipe() {
            drop(writeln!(err, "oxkeeper: {error}"));
        }
        error.code()
    })
    .into()
}

/// Prints to stdout; a reader that has gone away is no error worth a panic.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::Finished,
        Err(_) => ExitCode::UnexpectedError,
    }
}

/// Says on stderr what is wrong with the arguments, to whoever still reads it.
fn complain(text: &str) -> ExitCode {
    drop(std::io::stderr().write_all(text.as_bytes()));
    ExitCode::InvalidInvocation
}

fn serve(server: &Server) -> ExitCode {
    let logging = cli::init_logging(server.log_format);
    logging.end_on_panic();
    take_file_size_limit_as_error();
    tracing::info!(target: topics::SERVER, "starting oxkeeper {}", version::FULL);
    tracing::info!(target: topics::SERVER, "reading the configuration from {}", origin(&server.source));
    for option in &server.jvm_options {
        tracing::warn!(target: topics::SERVER, "{option}: for the JVM only, no effect");
    }
    let config = match server.config() {
        Ok(config) => config,
        Err(refusal) => return refused(&refusal),
    };
    for warning in &config.warnings {
        tracing::warn!(target: topics::SERVER, "configuration: {warning}");
    }
    match oxkeeper::server::run(config) {
        Ok(()) => ExitCode::Finished,
        Err(error) => {
            tracing::error!(target: topics::SERVER, "the server stopped: {error}");
            exit_code(&error)
        }
    }
}

/// Where settings come from, for people.
fn origin(source: &ConfigSource) -> String {
    match source {
        ConfigSource::Defaults => "nowhere: port 2181, data in ./data, defaults for all else".to_owned(),
        ConfigSource::File(path) => {
            std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
        }
        ConfigSource::Arguments(words) => format!("the command line: {}", words.join(" ")),
    }
}

fn refused(refusal: &Refusal) -> ExitCode {
    for warning in &refusal.warnings {
        tracing::warn!(target: topics::SERVER, "configuration: {warning}");
    }
    for error in &refusal.errors {
        let hint = match error {
            ConfigError::Unreadable { path, source, .. } => permission_hint(path, source),
            _ => String::new(),
        };
        tracing::error!(target: topics::SERVER, "configuration refused: {error}{hint}");
    }
    // Officially the list of members is looked at after the configuration was taken.
    let unlisted = |error: &ConfigError| matches!(error, ConfigError::NotListed { .. });
    if refusal.errors.iter().all(unlisted) { ExitCode::UnexpectedError } else { ExitCode::InvalidInvocation }
}

/// As `ZooKeeperServerMain` tells failures apart.
const fn exit_code(error: &ServerError) -> ExitCode {
    match error {
        ServerError::DataDir { .. }
        | ServerError::NoDatabase { .. }
        | ServerError::NoLogs { .. }
        | ServerError::Store(StoreError::WrongPlace { .. }) => ExitCode::DataDirUnavailable,
        // There it is a part of reading the configuration.
        ServerError::Resolve { .. }
        | ServerError::Tls(_)
        | ServerError::AuditLog { .. }
        | ServerError::Jaas { .. }
        | ServerError::Kerberos { .. } => ExitCode::InvalidInvocation,
        ServerError::AdminPort(_) => ExitCode::AdminServerFailed,
        ServerError::Store(_)
        | ServerError::Listen { .. }
        | ServerError::System { .. }
        | ServerError::Thread(_) => ExitCode::UnexpectedError,
    }
}
