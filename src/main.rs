//! The binary: understands the arguments, sets logging up, runs what was asked for.

use oxkeeper::cli::{self, Command, ExitCode, Server};
use oxkeeper::config::Config;
use oxkeeper::server::ServerError;

fn main() -> std::process::ExitCode {
    // A path that is no UTF-8 cannot be given here, as it cannot be written in a zoo.cfg.
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let code = match cli::parse(arguments) {
        Ok(Command::Server(server)) => serve(&server),
        Ok(Command::Settings) => print(&Config::describe(&[]).unwrap_or_default()),
        Ok(Command::Version) => print(concat!("oxkeeper ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Command::Help) => print(cli::USAGE),
        Err(error) => {
            eprint!("oxkeeper: {error}\n\n{}", cli::USAGE);
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

fn serve(server: &Server) -> ExitCode {
    cli::init_logging(server.log_format);
    let config = match server.config() {
        Ok(config) => config,
        Err(refusal) => {
            for warning in &refusal.warnings {
                tracing::warn!("configuration: {warning}");
            }
            for error in &refusal.errors {
                tracing::error!("configuration refused: {error}");
            }
            return ExitCode::InvalidInvocation;
        }
    };
    for warning in &config.warnings {
        tracing::warn!("configuration: {warning}");
    }
    match oxkeeper::server::run(config) {
        Ok(()) => ExitCode::Finished,
        Err(error) => {
            tracing::error!("the server stopped: {error}");
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
