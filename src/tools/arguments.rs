//! The tools' arguments, and which tool they ask for.

use super::{
    Terminal, ToolError,
    backup::{self, Wanted as WantedState},
    bench,
    clients::{Asked, clients},
    container,
    data_dirs::DataDirs,
    dialling::{Dialling, setting},
    init::{InitError, init},
    manual, official, purge, shell, snapshot,
    status::{Place, status},
    txnlog,
};
use crate::testing::{Wanted, control};
use clap::{CommandFactory, Parser, Subcommand};
use oxkeeper_codec::Zxid;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The tools of the binary.
#[derive(Debug, Parser)]
#[command(name = "oxkeeper", disable_version_flag = true)]
pub struct Tools {
    /// Which one.
    #[command(subcommand)]
    pub tool: Tool,
}

/// One of them.
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Show, check, mend and shorten transaction logs
    Txnlog {
        /// What to do.
        #[command(subcommand)]
        action: TxnlogAction,
    },
    /// Show, sum up, compare and check snapshots
    Snapshot {
        /// What to do.
        #[command(subcommand)]
        action: SnapshotAction,
    },
    /// Remove old snapshots, and the logs that no kept one needs; a server may be running
    Purge {
        /// So many snapshots stay, at least 3
        #[arg(short = 'n', long, default_value_t = 3)]
        keep: usize,
        /// Say what would go, and remove nothing
        #[arg(long)]
        dry_run: bool,
        /// A JSON object on a line for each file
        #[arg(long)]
        json: bool,
        /// A zoo.cfg, or a data directory
        place: PathBuf,
        /// Where the logs are, if elsewhere
        logs: Option<PathBuf>,
    },
    /// Take backups of a server, which may be running; see what there is, and whether it is good
    Backup {
        /// What to do.
        #[command(subcommand)]
        action: BackupAction,
    },
    /// Make a data directory of a backup
    Restore {
        /// As it was behind this transaction, as 0xHEX or in decimal; the last one unless given
        #[arg(long, value_parser = zxid, conflicts_with = "time")]
        zxid: Option<Zxid>,
        /// As it was at this time: 2026-11-29T23:45:00Z, or ms since 1970
        #[arg(long, value_parser = time)]
        time: Option<i64>,
        /// From this chain; the newest one that has it unless given
        #[arg(long)]
        chain: Option<u32>,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// The backups, or - for archives on the standard input
        from: PathBuf,
        /// A zoo.cfg, or a data directory; nothing may be in its version-2
        place: PathBuf,
        /// Where the logs are to be, if elsewhere
        logs: Option<PathBuf>,
    },
    /// Say how a server is; ends with 1 where it does not serve
    Status {
        /// Who is asked, instead of the server of CONFIG; with --tls in TLS
        #[arg(long, value_name = "HOST:PORT", conflicts_with = "config")]
        server: Option<String>,
        /// How it is spoken to.
        #[command(flatten)]
        dialling: Dialling,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Its zoo.cfg; localhost:2181 unless given
        config: Option<PathBuf>,
    },
    /// Say who loads a server: its clients by address, the one that asks most first
    Clients {
        /// Admin servers, with their path; the one on this machine unless given
        #[arg(long, value_name = "URL,...", value_delimiter = ',', conflicts_with = "server")]
        admin: Vec<String>,
        /// The client ports are asked instead, by the word cons (4lw.commands.whitelist); with --tls in TLS. An official port knows of
        /// its own clients alone
        #[arg(long, value_name = "HOST:PORT,...", value_delimiter = ',')]
        server: Vec<String>,
        /// How they are spoken to.
        #[command(flatten)]
        dialling: Dialling,
        /// So long between the two looks that make a rate
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
        /// A JSON object on a line for each client
        #[arg(long)]
        json: bool,
    },
    /// Load a server or an ensemble, and tell how fast it answers; ends with 1 where something was refused
    Bench {
        /// HOST:PORT, or several with commas between, perhaps with a chroot
        #[arg(long, value_name = "HOST:PORT,...", default_value = "localhost:2181")]
        server: String,
        /// So many sessions, each with one request under way
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
        clients: u16,
        /// For so long
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
        /// What is asked how often: get, set, exists, create (with a delete), sync
        #[arg(long, default_value = "get=10,set=1")]
        mix: bench::Mix,
        /// Bytes of data in a znode
        #[arg(long, default_value_t = 100)]
        size: usize,
        /// How it is spoken to.
        #[command(flatten)]
        dialling: Dialling,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Make the data directory of a new server
    Init {
        /// The number of this member
        #[arg(long)]
        myid: Option<i64>,
        /// Remove data that is there
        #[arg(long)]
        force: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// The zoo.cfg
        config: PathBuf,
    },
    /// A shell for ZooKeeper, as zkCli.sh is one
    #[command(disable_help_flag = true)]
    Cli {
        /// -server HOST:PORT and others as zkCli.sh has them, and perhaps a command; --help lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Start a container: with the environment variables of the official image or of Bitnami's
    Container {
        /// Print the zoo.cfg that the variables make, and no more
        #[arg(long)]
        print: bool,
        /// What to run instead of a server: zkCli.sh, or a program of the image
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run a server or an ensemble for a test: tells on the first line where it is, takes commands by lines, ends with its standard input
    Testing {
        /// An ensemble of so many, instead of one that is alone
        #[arg(long, conflicts_with_all = ["port", "data_dir"], value_parser = clap::value_parser!(u8).range(1..=64))]
        members: Option<u8>,
        /// Its client port, instead of a free one
        #[arg(long)]
        port: Option<u16>,
        /// Where its data is, instead of a directory that goes with it
        #[arg(long)]
        data_dir: Option<PathBuf>,
        /// A zoo.cfg with all of that, perhaps of a member
        #[arg(long, conflicts_with_all = ["members", "port", "data_dir"])]
        config: Option<PathBuf>,
        /// KEY=VALUE: a setting of zoo.cfg
        #[arg(short = 'D', value_name = "KEY=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// Print what makes a shell complete the words of `oxkeeper`
    Completions {
        /// Of which shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages, one for each command
    Man {
        /// The directory
        directory: PathBuf,
    },
    /// An official tool by the name of its class, for the scripts
    #[command(hide = true, disable_help_flag = true)]
    Official {
        /// The class.
        class: String,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// What is done with a log.
#[derive(Debug, Subcommand)]
pub enum TxnlogAction {
    /// Print each transaction on a line; ends with 1 if one is damaged
    Dump {
        /// A JSON object on a line for each transaction, data in base64
        #[arg(long)]
        json: bool,
        /// Logs
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Read logs as a start does, and say what is wrong; ends with 1 if one is damaged
    Verify {
        /// A JSON object on a line for each log
        #[arg(long)]
        json: bool,
        /// Logs
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Write a log again with right checksums: what was damaged stays as it is, and is believed
    Repair {
        /// Where to; FILE.fixed unless given. Nothing may be there
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// The log
        file: PathBuf,
    },
    /// Write what a log holds up to a transaction
    Chop {
        /// That transaction, as 0xHEX or in decimal
        #[arg(short, long, value_parser = zxid)]
        zxid: Zxid,
        /// Where to; FILE.choppedZXID unless given. Nothing may be there
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// The log
        file: PathBuf,
    },
}

/// What is done with a snapshot.
#[derive(Debug, Subcommand)]
pub enum SnapshotAction {
    /// Print all znodes and sessions
    Show {
        /// With the data, in base64
        #[arg(short, long)]
        data: bool,
        /// A JSON object on a line for each znode and session
        #[arg(long)]
        json: bool,
        /// The snapshot
        file: PathBuf,
    },
    /// Print how many znodes and bytes are below each znode
    Summary {
        /// Where to begin
        #[arg(long, default_value = "/")]
        path: String,
        /// So many levels below it; 0: all
        #[arg(long, default_value_t = 0)]
        depth: usize,
        /// A JSON object on a line for each znode
        #[arg(long)]
        json: bool,
        /// The snapshot
        file: PathBuf,
    },
    /// Print every znode and session that is not alike in both; ends with 1 if there is one
    Compare {
        /// A JSON object on a line for each difference
        #[arg(long)]
        json: bool,
        /// One snapshot
        left: PathBuf,
        /// The other one
        right: PathBuf,
    },
    /// Read snapshots to their ends; ends with 1 if one is damaged
    Verify {
        /// A JSON object on a line for each snapshot
        #[arg(long)]
        json: bool,
        /// Snapshots
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// What is done with backups.
#[derive(Debug, Subcommand)]
pub enum BackupAction {
    /// Take what is new
    Take {
        /// Begin with a snapshot, also where the last backup could be continued
        #[arg(long)]
        full: bool,
        /// When a new chain is begun, so many stay
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        keep: Option<u32>,
        /// In an archive: what is behind this transaction alone, as 0xHEX or in decimal
        #[arg(long, value_parser = zxid)]
        since: Option<Zxid>,
        /// Where the logs are, if elsewhere
        #[arg(long)]
        logs: Option<PathBuf>,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// A zoo.cfg, or a data directory
        place: PathBuf,
        /// The directory of the backups, or - for an archive (tar) on the standard output
        to: PathBuf,
    },
    /// Print what there is
    List {
        /// A JSON object on a line for each chain
        #[arg(long)]
        json: bool,
        /// The directory of the backups
        backups: PathBuf,
    },
    /// Make of backups what a server would, in memory; ends with 1 if one is damaged
    Verify {
        /// A JSON object on a line for each chain
        #[arg(long)]
        json: bool,
        /// The directory of the backups
        backups: PathBuf,
    },
}

/// Where the admin server is unless somebody says something else.
const ADMIN: &str = "http://localhost:8080/commands";

fn place(server: &str, tls: bool) -> Result<Place, ToolError> {
    Place::parse(server, tls).ok_or_else(|| ToolError::Usage(format!("{server} is not HOST:PORT")))
}

/// Who is asked for its clients.
fn asked(admin: Vec<String>, servers: &[String], dialling: &Dialling) -> Result<Vec<Asked>, ToolError> {
    if servers.is_empty() {
        if dialling.tls
            || !dialling.properties.is_empty()
            || admin.iter().any(|url| url.starts_with("https:"))
        {
            let problem = "admin servers are asked in plain text; in TLS there is --server HOST:PORT --tls";
            return Err(ToolError::Usage(problem.to_owned()));
        }
        let admin = if admin.is_empty() { vec![ADMIN.to_owned()] } else { admin };
        return Ok(admin.into_iter().map(Asked::Admin).collect());
    }
    let word = |server: &String| Ok(Asked::Word(place(server, dialling.tls)?, dialling.properties.clone()));
    servers.iter().map(word).collect()
}

/// A point in time, in ms since 1970.
fn time(text: &str) -> Result<i64, String> {
    let at = || text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
    text.parse().or_else(|_| at()).map_err(|error| error.to_string())
}

fn zxid(text: &str) -> Result<Zxid, String> {
    official::decode_long(text).map(Zxid).ok_or_else(|| "not a zxid".to_owned())
}

impl Tool {
    /// The tool that arguments ask for, or what is wrong with them; `None` where they ask for none.
    ///
    /// # Errors
    /// As clap says it; among them `--help`.
    pub fn of(arguments: &[String]) -> Option<Result<Self, clap::Error>> {
        let first = arguments.first()?;
        Tools::command().find_subcommand(first)?;
        let words = std::iter::once("oxkeeper").chain(arguments.iter().map(String::as_str));
        Some(Tools::try_parse_from(words).map(|tools| tools.tool))
    }

    /// Runs it. Returns the exit code.
    ///
    /// # Errors
    /// It ends early; what it has printed stands.
    pub fn run(self, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
        match self {
            Self::Txnlog { action } => action.run(terminal),
            Self::Snapshot { action } => action.run(terminal),
            Self::Purge { keep, dry_run, json, place, logs } => {
                let mut dirs = DataDirs::of(&place)?;
                dirs.log = logs.or(dirs.log);
                purge::purge(&dirs, keep, dry_run, json, terminal)
            }
            Self::Backup { action } => action.run(terminal),
            Self::Restore { zxid, time, chain, json, from, place, logs } => {
                let mut dirs = DataDirs::to_be(&place)?;
                dirs.log = logs.or(dirs.log);
                let wanted = match (zxid, time) {
                    (Some(zxid), _) => WantedState::Zxid(zxid),
                    (None, Some(ms)) => WantedState::Time(ms),
                    (None, None) => WantedState::Last,
                };
                backup::restore(&from, &dirs, wanted, chain, json, terminal)
            }
            Self::Status { server, dialling: Dialling { tls, properties }, json, config } => {
                let place = match (server, config) {
                    (Some(server), _) => place(&server, tls)?,
                    (None, Some(config)) => Place::of_config(&config)
                        .ok_or_else(|| ToolError::content(&config, "names no client port"))?,
                    (None, None) => Place { host: "localhost".to_owned(), port: 2181, is_secure: tls },
                };
                status(&place, &properties, json, terminal)
            }
            Self::Clients { admin, server, dialling, seconds, json } => {
                clients(&asked(admin, &server, &dialling)?, seconds, json, terminal)
            }
            Self::Bench { server, clients, seconds, mix, size, dialling, json } => {
                let load = bench::Load { servers: server, dialling, clients, seconds, mix, size };
                bench::run(&load, json, terminal)
            }
            Self::Init { myid, force, json, config } => {
                let dirs = DataDirs::of_config(&config)?;
                init(&dirs, myid, force).map_err(|error| match error {
                    InitError::Tool(error) => error,
                    there => ToolError::content(&config, there),
                })?;
                let data = dirs.data.display().to_string();
                if json {
                    let log = dirs.log.map(|dir| dir.display().to_string());
                    writeln!(terminal.out, "{}", json!({"dataDir": data, "dataLogDir": log, "myid": myid}))?;
                } else {
                    let id = myid.map_or_else(|| "no myid".to_owned(), |id| format!("myid {id}"));
                    writeln!(terminal.out, "{data} is ready, with {id}")?;
                }
                Ok(0)
            }
            Self::Cli { arguments } => shell::run(&arguments, terminal),
            Self::Container { print, arguments } => container::run(&arguments, print, terminal),
            Self::Testing { members, port, data_dir, config, settings } => {
                let wanted = Wanted { members: members.map(usize::from), port, data_dir, config, settings };
                let is_done = control(wanted, terminal.input, terminal.out)?;
                Ok(u8::from(!is_done))
            }
            Self::Completions { shell } => manual::completions(Tools::command(), shell, terminal),
            Self::Man { directory } => manual::pages(Tools::command(), &directory),
            Self::Official { class, arguments } => official::run(&class, &arguments, terminal),
        }
    }
}

impl BackupAction {
    fn run(self, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
        match self {
            Self::Take { full, keep, since, logs, json, place, to } => {
                let mut dirs = DataDirs::of(&place)?;
                dirs.log = logs.or(dirs.log);
                if to == Path::new("-") {
                    return backup::stream(&dirs, since, json, terminal);
                }
                if since.is_some() {
                    return Err(ToolError::Usage(
                        "--since is of archives; a directory is continued by itself".to_owned(),
                    ));
                }
                let keep = keep.map(|keep| usize::try_from(keep).unwrap_or(usize::MAX));
                backup::take(&dirs, &to, full, keep, json, terminal)
            }
            Self::List { json, backups } => backup::list(&backups, json, terminal),
            Self::Verify { json, backups } => backup::verify(&backups, json, terminal),
        }
    }
}

impl TxnlogAction {
    fn run(self, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
        match self {
            Self::Dump { json, files } => txnlog::dump(&files, json, terminal),
            Self::Verify { json, files } => txnlog::verify(&files, json, terminal),
            Self::Repair { output, file } => txnlog::repair(&file, output.as_deref(), terminal),
            Self::Chop { zxid, output, file } => txnlog::cut(&file, zxid, output.as_deref(), terminal),
        }
    }
}

impl SnapshotAction {
    fn run(self, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
        match self {
            Self::Show { data, json, file } => snapshot::show(&file, data, json, terminal),
            Self::Summary { path, depth, json, file } => {
                snapshot::summary(&file, &path, depth, json, terminal)
            }
            Self::Compare { json, left, right } => snapshot::compare(&left, &right, json, terminal),
            Self::Verify { json, files } => snapshot::verify(&files, json, terminal),
        }
    }
}
