//! What `zkServer-initialize.sh` does, which is no class officially but the script itself.

use crate::tools::{
    Terminal, ToolError,
    data_dirs::DataDirs,
    init::{InitError, init},
};
use std::path::Path;

/// The first argument is the configuration to take unless another one is given.
pub(super) fn run(arguments: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let (default, mut words) = match arguments.split_first() {
        Some((default, words)) => (default.as_str(), words.iter()),
        None => return Err(ToolError::Usage("initialize needs the path of a zoo.cfg".to_owned())),
    };
    let (mut config, mut my_id, mut force) = (default.to_owned(), None, false);
    while let Some(word) = words.next() {
        let (name, value) =
            word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        let mut value = || value.map(str::to_owned).or_else(|| words.next().cloned());
        match name {
            "--configfile" => config = value().unwrap_or(config),
            "--myid" => my_id = value(),
            "--force" => force = true,
            "-h" | "--help" => return usage(default, terminal),
            _ => {
                writeln!(terminal.out, "Unknown option: {word}")?;
                return usage(default, terminal);
            }
        }
    }
    let dirs = match DataDirs::of_config(Path::new(&config)) {
        Ok(dirs) => dirs,
        Err(ToolError::File { .. }) => {
            return say(1, &format!("Unable to find config file at {config}"), terminal);
        }
        Err(_) => return say(1, &format!("Unable to determine dataDir from {config}"), terminal),
    };
    let id = match my_id.as_ref().map(|id| id.parse::<i64>()) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => {
            let text = format!("{} is no myid: it has to be a number", my_id.unwrap_or_default());
            return say(1, &text, terminal);
        }
    };
    if force {
        writeln!(terminal.out, "Force enabled, data/txnlog directories will be re-initialized")?;
    }
    let advice = "(or use --force to force re-initialization)";
    match init(&dirs, id, force) {
        Ok(()) => {}
        Err(InitError::DataThere(dir)) => {
            return say(1, &format!("ZooKeeper data directory already exists at {dir} {advice}"), terminal);
        }
        Err(InitError::LogThere(dir)) => {
            return say(1, &format!("ZooKeeper txnlog directory already exists at {dir} {advice}"), terminal);
        }
        Err(InitError::Tool(error)) => return super::fail(1, error, terminal),
    }
    match id {
        Some(id) => say(0, &format!("Using myid of {id}"), terminal),
        None => {
            let file = dirs.data.join("myid");
            let text = format!(
                "No myid provided, be sure to specify it in {} if using non-standalone",
                file.display()
            );
            say(0, &text, terminal)
        }
    }
}

fn say(code: u8, text: &str, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    writeln!(terminal.out, "{text}")?;
    Ok(code)
}

fn usage(default: &str, terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let text = format!(
        "usage: zkServer-initialize.sh <parameters>
  Optional parameters:
     -h, --help                 print this text
     --configfile={default}     the zoo.cfg
     --myid=#                   the number of this member (1-255)
     --force                    remove data that is there"
    );
    say(1, &text, terminal)
}
