//! What reads.

use super::super::{
    answer::Answer,
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
use oxkeeper_codec::{Code, decode_lossy};
use serde_json::json;

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
fn watches(name: &str, given: &Given, answer: &mut Answer<'_, '_>) -> Result<bool, Complaint> {
    if given.words.len() <= 2 {
        return Ok(given.has("w"));
    }
    let options = match name {
        "get" => "[-s] [-w]",
        _ => "[-w]",
    };
    let text =
        format!("'{name} path [watch]' has been deprecated. Please use '{name} {options} path' instead.");
    answer.warn(text)?;
    Ok(true)
}

fn list(names: &[String]) -> String {
    format!("[{}]", names.join(", "))
}

pub(super) fn ls(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    let watch = watches("ls", given, answer)?;
    let path = &given.words[1];
    if given.has("R") {
        session.get_data(path, watch)?;
        answer.say_each("paths", path)?;
        return below(session, path, watch, &mut |path| Ok(answer.say_each("paths", path)?));
    }
    let (children, stat) = session.get_children(path, watch)?;
    answer.say("children", &children[..], list(&children))?;
    answer.stat(&stat, given.has("s"))?;
    Ok(())
}

pub(super) fn get(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    let watch = watches("get", given, answer)?;
    let (data, stat) = session.get_data(&given.words[1], watch)?;
    answer.data(data.as_deref(), || {
        let data = data.as_deref().unwrap_or(b"null");
        if given.has("x") {
            print::hex_dump(data)
        } else if given.has("b") {
            STANDARD.encode(data)
        } else {
            decode_lossy(data).into_owned()
        }
    })?;
    answer.stat(&stat, given.has("s"))?;
    Ok(())
}

pub(super) fn get_acl(
    session: &Session,
    given: &Given,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    let (acl, stat) = session.get_acl(&given.words[1])?;
    answer.acl(&acl)?;
    answer.stat(&stat, given.has("s"))?;
    Ok(())
}

pub(super) fn stat(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    let watch = watches("stat", given, answer)?;
    let path = &given.words[1];
    let Some(stat) = session.exists(path, watch)? else {
        return Err(CallError::from(Failure { code: Code::NO_NODE, path: Some(path.clone()) }).into());
    };
    Ok(answer.stat(&stat, true)?)
}

pub(super) fn all_children_number(
    session: &Session,
    given: &Given,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    let count = session.all_children_number(&given.words[1])?;
    Ok(answer.say("count", count, count)?)
}

pub(super) fn ephemerals(
    session: &Session,
    given: &Given,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    let paths = session.ephemerals(given.words.get(1).map_or("/", String::as_str))?;
    Ok(answer.say("paths", &paths[..], list(&paths))?)
}

pub(super) fn sync(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    match session.sync(&given.words[1]) {
        Ok(()) => answer.say("rc", 0, "Sync is OK")?,
        Err(CallError::Failure(failure)) => {
            let rc = failure.code.0;
            answer.say("rc", rc, format_args!("Sync has failed. rc={rc}"))?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

pub(super) fn who_am_i(
    session: &Session,
    _given: &Given,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    let identities = session.who_am_i()?;
    let lines =
        identities.iter().map(|id| format!("\n{}: {}", &*id.auth_scheme, &*id.user)).collect::<String>();
    let objects = identities.iter().map(|id| json!({"scheme": &*id.auth_scheme, "id": &*id.user}));
    Ok(answer.say("identities", objects.collect::<Vec<_>>(), format_args!("Auth scheme: User{lines}"))?)
}

pub(super) fn version(
    _session: &Session,
    given: &Given,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    if given.words.len() > 1 {
        return Err(super::misused());
    }
    Ok(answer.say("version", version::FULL, format_args!("ZooKeeper CLI version: {}", version::FULL))?)
}

pub(super) fn config(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    let (data, stat) = session.get_config(given.has("w"))?;
    let text = data.map_or_else(|| "null".to_owned(), |data| decode_lossy(&data).into_owned());
    if given.has("c") {
        let text = for_clients(&text);
        answer.say("clients", &text[..], &text)?;
    } else {
        answer.say("config", &text[..], &text)?;
    }
    answer.stat(&stat, given.has("s"))?;
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
