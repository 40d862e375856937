//! The command line of the one binary `oxkeeper`: arguments, logging set-up, exit codes.
//!
//! Promise: [`parse`] turns arguments into a [`Command`] and touches nothing; what a command does is in
//! `main`. A server is started as the official scripts start theirs: with a file, with `port dataDir
//! [tickTime [maxClientCnxns]]`, or (ours) with nothing at all; settings may be added as
//! `-Dzookeeper.KEY=VALUE`.

mod arguments;
mod check;
mod escape;
mod lines;
mod logging;
mod memory;

pub use self::arguments::{Command, ConfigSource, Server, UsageError, parse};
pub use self::check::report;
pub use self::lines::LogFormat;
pub use self::logging::{Logging, init_logging};
pub use self::memory::Memory;

/// What `--help` prints.
pub const USAGE: &str = "\
oxkeeper: a ZooKeeper server

Usage:
  oxkeeper [server] [OPTIONS]                         port 2181, data in ./data
  oxkeeper [server] [OPTIONS] FILE                    settings from a zoo.cfg
  oxkeeper [server] [OPTIONS] PORT DATADIR [TICKTIME [MAXCLIENTCNXNS]]
  oxkeeper settings [NAME...]                         list all settings, or these
  oxkeeper check-config [--json] [-DKEY=VALUE] FILE   what a zoo.cfg means, and what is wrong with it
  oxkeeper status [--json] [FILE | --server HOST:PORT]
  oxkeeper clients [--admin URL | --server HOST:PORT] who loads a server
  oxkeeper init [--myid N] [--force] FILE             make the data directory of a zoo.cfg
  oxkeeper purge [-n COUNT] [--dry-run] FILE|DATADIR  remove old snapshots and logs
  oxkeeper txnlog dump|verify|repair|chop             transaction logs
  oxkeeper snapshot show|summary|compare|verify       snapshots
  oxkeeper backup take|list|verify                    backups of a running server
  oxkeeper restore BACKUPS FILE|DATADIR               a data directory made of one, at any transaction or time
  oxkeeper cli [-server HOST:PORT] [COMMAND...]       a shell
  oxkeeper container [zkServer.sh]                    a server with the environment variables of the known images
  oxkeeper testing [--members N]                      a server or an ensemble for a test in any language
  oxkeeper bench [--server HOST:PORT] [--mix get=10,set=1]  a load, and how fast it is answered
  oxkeeper completions bash|zsh|fish                  what completes these words in a shell
  oxkeeper man DIRECTORY                              man pages
  oxkeeper --version | --help

Options:
  -DKEY=VALUE   set KEY, with or without the prefix zookeeper. ; wins over the file
  --log-json    logs as JSON lines

Options of the JVM (-Xmx1g, -XX:...) are taken, and have no effect. SIGTERM and SIGINT stop the server.
The tools have a --help of their own, and --json. They end with 0, with 1 where something is wrong or damaged, with 2 on wrong usage.
Logs go to stderr; RUST_LOG sets their level (off, error, warn, info, debug, trace; info unless set), NO_COLOR
leaves out colours.
";

/// What wrong usage shows, behind what is wrong.
pub const SHORT_USAGE: &str = "\
usage: oxkeeper [server] [OPTIONS] [FILE | PORT DATADIR [TICKTIME [MAXCLIENTCNXNS]]]
`oxkeeper --help` says more.
";

/// How the process ends; the numbers are those of the official server (`ExitCode.java`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// The server was told to stop and did.
    Finished,
    /// Anything that has no code of its own.
    UnexpectedError,
    /// Wrong arguments, or a configuration that is refused.
    InvalidInvocation,
    /// The data directory cannot be used.
    DataDirUnavailable,
    /// The admin server could not start.
    AdminServerFailed,
    /// A snapshot could not be written.
    SnapshotFailed,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(match code {
            ExitCode::Finished => 0,
            ExitCode::UnexpectedError => 1,
            ExitCode::InvalidInvocation => 2,
            ExitCode::DataDirUnavailable => 3,
            ExitCode::AdminServerFailed => 4,
            ExitCode::SnapshotFailed => 10,
        })
    }
}
