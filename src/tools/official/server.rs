//! What `zkServer.sh` and `zkCleanup.sh` find out, which are no classes officially but the scripts themselves.

use super::{fail, purge};
use crate::{
    client::mode,
    tools::{Terminal, ToolError, data_dirs::DataDirs, status::Place},
    version,
};
use std::path::Path;

/// `[-DKEY=VALUE ...] CONFIG`: which port clients find, and in which mode the server is.
pub(super) fn status(arguments: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let Some((config, flags)) = arguments.split_last() else {
        return Err(ToolError::Usage("status needs the path of a zoo.cfg".to_owned()));
    };
    let property = |flag: &String| {
        let (key, value) = flag.strip_prefix("-D")?.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    };
    let properties: Vec<_> = flags.iter().filter_map(property).collect();
    let config = Path::new(config);
    let place = Place::of_config(config);
    if place.as_ref().is_none_or(|place| place.is_secure) {
        if DataDirs::of_config(config).is_ok_and(|dirs| dirs.data.join("myid").exists()) {
            writeln!(
                terminal.out,
                "Client port not found in static config file. Looking in dynamic config file.\n\
                 Client port not found in the server configs"
            )?;
        } else {
            writeln!(
                terminal.out,
                "myid could not be determined, will not able to locate clientPort in the server configs."
            )?;
        }
        writeln!(terminal.out, "Client port not found. Looking for secureClientPort in the static config.")?;
    }
    let Some(place) = place else {
        writeln!(
            terminal.out,
            "Unable to find either secure or unsecure client port in any configs. Terminating."
        )?;
        return Ok(1);
    };
    let Place { host, port, is_secure } = &place;
    writeln!(terminal.out, "Client port found: {port}. Client address: {host}. Client SSL: {is_secure}.")?;
    let problem = match place.ask("srvr", &properties) {
        Ok(answer) => match mode(&answer) {
            Some(mode) => {
                writeln!(terminal.out, "Mode: {mode}")?;
                return Ok(0);
            }
            None => answer.trim().to_owned(),
        },
        Err(error) => error.to_string(),
    };
    if *is_secure {
        writeln!(
            terminal.out,
            "\nNote: secureClientPort ({port}) was asked. Whom the client trusts, and the key that it shows if it has to, stand in\n  \
             CLIENT_JVMFLAGS, e.g. \"-Dzookeeper.ssl.trustStore.location=/etc/zookeeper/trust.p12\n  \
             -Dzookeeper.ssl.trustStore.password=...\".\n"
        )?;
    }
    writeln!(terminal.out, "Error contacting service. It is probably not running.")?;
    fail(1, problem, terminal)
}

/// `CONFIG`: the data directory, with all its parents made.
pub(super) fn data_dir(arguments: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let [config] = arguments else {
        return Err(ToolError::Usage("data-dir needs the path of a zoo.cfg".to_owned()));
    };
    let dirs = DataDirs::of_config(Path::new(config))?;
    std::fs::create_dir_all(&dirs.data).map_err(|source| ToolError::file("create", &dirs.data, source))?;
    writeln!(terminal.out, "{}", dirs.data.display())?;
    Ok(0)
}

/// `CONFIG -n COUNT`: as `PurgeTxnLog` for its directories.
pub(super) fn cleanup(arguments: &[String], terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    let Some((config, rest)) = arguments.split_first() else {
        return Err(ToolError::Usage("cleanup needs the path of a zoo.cfg".to_owned()));
    };
    let dirs = DataDirs::of_config(Path::new(config))?;
    let places = dirs.log.iter().chain([&dirs.data]).map(|dir| dir.display().to_string());
    let arguments: Vec<String> = places.chain(rest.iter().cloned()).collect();
    purge::run(&arguments, terminal)
}

/// The version, in the words that scripts look for.
pub(super) fn version(terminal: &mut Terminal<'_>) -> Result<u8, ToolError> {
    writeln!(terminal.out, "Apache ZooKeeper, version {}", version::FULL.replace(", built on", ""))?;
    Ok(0)
}
