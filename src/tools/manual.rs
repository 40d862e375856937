//! What shells and `man` know of the commands: made of their declaration, so that nobody has to keep it.

use super::{Terminal, ToolError};
use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::Shell;
use std::path::Path;

/// What makes a shell complete the words, those of the tools among them.
///
/// # Errors
/// Nobody takes it.
pub(super) fn completions(
    tools: Command,
    shell: Shell,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut whole(tools), "oxkeeper", &mut script);
    terminal.out.write_all(&script)?;
    Ok(0)
}

/// Writes `oxkeeper.1` and a page for each command (`oxkeeper-txnlog-dump.1`) into a directory.
///
/// # Errors
/// It cannot be written.
pub(super) fn pages(tools: Command, directory: &Path) -> Result<u8, ToolError> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(whole(tools).disable_help_subcommand(true), directory)?;
    Ok(0)
}

/// All commands: the tools, and what is taken as the official scripts have it (`cli/arguments.rs`).
fn whole(tools: Command) -> Command {
    let properties = || {
        let setting = Arg::new("setting").short('D').value_name("KEY=VALUE").action(ArgAction::Append);
        setting.help("Set KEY, with or without the prefix zookeeper. ; wins over the file")
    };
    let json = |help| Arg::new("json").long("json").action(ArgAction::SetTrue).help(help);
    let config = || Arg::new("config").value_hint(ValueHint::FilePath);
    let log_json =
        Arg::new("log-json").long("log-json").action(ArgAction::SetTrue).help("Logs as JSON lines");
    let server = Command::new("server")
        .about("Serve: the data of a zoo.cfg, or a port and a directory; without any, port 2181 and ./data")
        .args([
            log_json,
            properties(),
            config().help("A zoo.cfg; or PORT DATADIR [TICKTIME [MAXCLIENTCNXNS]]"),
        ])
        .arg(Arg::new("more").num_args(..).hide(true));
    let settings = Command::new("settings")
        .about("List settings with their values and meanings")
        .arg(Arg::new("name").num_args(..).help("Of these names; of all, where none is given"));
    let check = Command::new("check-config")
        .about("Tell what a zoo.cfg means, where each value comes from, and what is wrong with it")
        .args([json("One JSON object"), properties(), config().required(true).help("The zoo.cfg")]);
    tools
        .about("A ZooKeeper server that replaces Apache ZooKeeper in place, and its tools")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommands([server, settings, check])
}
