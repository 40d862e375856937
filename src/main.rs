//! The binary: understands the arguments, sets logging up, runs what was asked for.

use oxkeeper::cli::{self, Command, ExitCode, Server};
use oxkeeper::config::Config;
use oxkeeper::server::ServerError;
use oxkeeper::topics;

fn main() -> std::process::ExitCode {
    // A path that is no UTF-8 cannot be given here, as it cannot be written in a zoo.cfg.
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let code = match cli::parse(arguments) {
        Ok(Command::Server(server)) => serve(&server),
        Ok(Command::Settings) => print(&Config::describe()),
        Ok(Command::Version) => print(concat!("oxkeeper ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Help) => print(cli::USAGE),
        Err(error) => {
            complain(&format!("oxkeeper: {error}\n\n{}", cli::USAGE));
            ExitCode::InvalidInvocation
        }
    };
    code.into()
}

/// Prints to stdout; a reader that has gone away is no error worth a panic.
fn print(text: &str) -> ExitCode {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::Finished,
        Err(_) => ExitCode::UnexpectedError,
    }
}

/// Prints to stderr. The exit code says the same, if nobody takes it.
fn complain(text: &str) {
    use std::io::Write;
    drop(std::io::stderr().write_all(text.as_bytes()));
}

fn serve(server: &Server) -> ExitCode {
    let logging = cli::init_logging(server.log_format);
    logging.end_on_panic();
    oxkeeper::server::take_file_size_limit_as_error();
    let config = match server.config() {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(target: topics::SERVER, "configuration refused: {error}");
            return ExitCode::InvalidInvocation;
        }
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

/// As `ZooKeeperServerMain` tells failures apart.
const fn exit_code(error: &ServerError) -> ExitCode {
    match error {
        ServerError::DataDir { .. } | ServerError::NoDatabase { .. } => ExitCode::DataDirUnavailable,
        // There it is a part of reading the configuration.
        ServerError::Resolve { .. } => ExitCode::InvalidInvocation,
        ServerError::Store(_)
        | ServerError::Listen { .. }
        | ServerError::System { .. }
        | ServerError::Thread(_) => ExitCode::UnexpectedError,
    }
}
