//! What reads.

use super::super::{
    Terminal,
    complaint::Complaint,
    options::{Given, Opt, flag},
    print,
    subtree::below,
};
use crate::{
    client::{CallError, Failure, Session},
    version,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use oxkeeper_codec::{Code, decode_lossy};

pub(super) const LS: &[Opt] = &[flag("?"), flag("s"), flag("w"), flag("R")];
pub(super) const GET: &[Opt] = &[flag("s"), flag("w"), flag("b"), flag("x")];
pub(super) const GET_ACL: &[Opt] = &[flag("s")];
pub(super) const STAT: &[Opt] = &[flag("w")];
pub(super) const CONFIG: &[Opt] = &[flag("s"), flag("w"), flag("c")];
pub(super) const GET_HELP: &str = "
 -b   Output data in base64 format
 -s   Print znode stats additionally
 -w   Watch for changes on the znode
 -x   Output data in hexdump format
";

/// Whether a watch is left: with `-w`, or with a word behind the path, as it was long ago.
fn watches(name: &str, given: &Given, terminal: &mut Terminal<'_>) -> Result<bool, Complaint> {
    if given.words.len() <= 2 {
        return Ok(given.has("w"));
    }
    let options = match name {
        "get" => "[-s] [-w]",
        _ => "[-w]",
    };
    let text =
        format!("'{name} path [watch]' has been deprecated. Please use '{name} {options} path' instead.");
    writeln!(terminal.err, "{text}")?;
    Ok(true)
}

pub(super) fn ls(session: &Session, given: &Given, terminal: &mut Terminal<'_>) -> Result<(), Complaint> {
    let watch = watches("ls", given, terminal)?;
    let path = &given.words[1];
    if given.has("R") {
        session.get_data(path, watch)?;
        writeln!(terminal.out, "{path}")?;
        return below(session, path, watch, &mut |path| Ok(writeln!(terminal.out, "{path}")?));
    }
    let (children, stat) = session.get_children(path, watch)?;
    writeln!(terminal.out, "[{}]", children.join(", "))?;
    if given.has("s") {
        print::stat(&stat, terminal.out)?;
    }
    Ok(())
}

pub(super) fn get(session: &Session, given: &Given, terminal: &mut Terminal<'_>) -> Result<(), Complaint> {
    let watch = watches("get", given, terminal)?;
    let (data, stat) = session.get_data(&given.words[1], watch)?;
    let data = data.unwrap_or(Bytes::from_static(b"null"));
    if given.has("x") {
        writeln!(terminal.out, "{}", print::hex_dump(&data))?;
    } else if given.has("b") {
        writeln!(terminal.out, "{}", STANDARD.encode(&data))?;
    } else {
        writeln!(terminal.out, "{}", decode_lossy(&data))?;
    }
    if given.has("s") {
        print::stat(&stat, terminal.out)?;
    }
    Ok(())
}

pub(super) fn get_acl(
    session: &Session,
    given: &Given,
    terminal: &mut Terminal<'_>,
) -> Result<(), Complaint> {
    let (acl, stat) = session.get_acl(&given.words[1])?;
    for entry in &acl {
        print::acl(entry, terminal.out)?;
    }
    if given.has("s") {
        print::stat(&stat, terminal.out)?;
    }
    Ok(())
}

pub(super) fn stat(session: &Session, given: &Given, terminal: &mut Terminal<'_>) -> Result<(), Complaint> {
    let watch = watches("stat", given, terminal)?;
    let path = &given.words[1];
    let Some(stat) = session.exists(path, watch)? else {
        return Err(CallError::from(Failure { code: Code::NO_NODE, path: Some(path.clone()) }).into());
    };
    Ok(print::stat(&stat, terminal.out)?)
}

pub(super) fn all_children_number(
    session: &Session,
    given: &Given,
    terminal: &mut Terminal<'_>,
) -> Result<(), Complaint> {
    Ok(writeln!(terminal.out, "{}", session.all_children_number(&given.words[1])?)?)
}

pub(super) fn ephemerals(
    session: &Session,
    given: &Given,
    terminal: &mut Terminal<'_>,
) -> Result<(), Complaint> {
    let paths = session.ephemerals(given.words.get(1).map_or("/", String::as_str))?;
    Ok(writeln!(terminal.out, "[{}]", paths.join(", "))?)
}

pub(super) fn sync(session: &Session, given: &Given, terminal: &mut Terminal<'_>) -> Result<(), Complaint> {
    match session.sync(&given.words[1]) {
        Ok(()) => writeln!(terminal.out, "Sync is OK")?,
        Err(CallError::Failure(failure)) => writeln!(terminal.out, "Sync has failed. rc={}", failure.code.0)?,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

pub(super) fn who_am_i(
    session: &Session,
    _given: &Given,
    terminal: &mut Terminal<'_>,
) -> Result<(), Complaint> {
    let identities = session.who_am_i()?;
    writeln!(terminal.out, "Auth scheme: User")?;
    for identity in identities {
        writeln!(terminal.out, "{}: {}", &*identity.auth_scheme, &*identity.user)?;
    }
    Ok(())
}

pub(super) fn version(
    _session: &Session,
    given: &Given,
    terminal: &mut Terminal<'_>,
) -> Result<(), Complaint> {
    if given.words.len() > 1 {
        return Err(super::misused());
    }
    Ok(writeln!(terminal.out, "ZooKeeper CLI version: {}", version::FULL)?)
}

pub(super) fn config(session: &Session, given: &Given, terminal: &mut Terminal<'_>) -> Result<(), Complaint> {
    let (data, stat) = session.get_config(given.has("w"))?;
    let text = data.map_or_else(|| "null".to_owned(), |data| decode_lossy(&data).into_owned());
    if given.has("c") {
        writeln!(terminal.out, "{}", for_clients(&text))?;
    } else {
        writeln!(terminal.out, "{text}")?;
    }
    if given.has("s") {
        print::stat(&stat, terminal.out)?;
    }
    Ok(())
}

/// The version and what clients connect to (`ConfigUtils.getClientConfigStr`).
fn for_clients(config: &str) -> String {
    let lines = || config.lines().filter_map(|line| line.split_once('='));
    let version = lines().find(|(key, _)| *key == "version").map_or("", |(_, value)| value);
    let address = |value: &str| Some(value.rsplit_once(';')?.1.rsplit('|').next()?.to_owned());
    let servers = lines().filter(|(key, _)| key.starts_with("server."));
    let addresses: Vec<String> = servers.filter_map(|(_, value)| address(value)).collect();
    format!("{version} {}", addresses.join(","))
}
