//! What writes, and what says who writes.

use super::{
    super::{
        answer::Answer,
        complaint::Complaint,
        options::{Given, Opt, flag, value},
        print,
        subtree::{below, children},
    },
    misused, version,
};
use crate::client::{CreateMode, Lifetime, Reconfiguration, Session, open_acl};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use oxkeeper_codec::{Code, decode_lossy, records::Acl};

pub(super) const CREATE: &[Opt] = &[flag("e"), flag("s"), flag("c"), value("t")];
pub(super) const SET: &[Opt] = &[flag("s"), value("v"), flag("b")];
pub(super) const DELETE: &[Opt] = &[value("v")];
pub(super) const DELETE_ALL: &[Opt] = &[value("b")];
pub(super) const SET_ACL: &[Opt] = &[flag("s"), value("v"), flag("R")];
pub(super) const RECONFIG: &[Opt] =
    &[flag("s"), value("v"), value("file"), value("members"), value("add"), value("remove")];
pub(super) const RECONFIG_USAGE: &str = "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | \
     [-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]";
pub(super) const SET_HELP: &str = "
 -b         Supply data in base64 format
 -s         Print znode stats additionally
 -v <arg>   Set with an expected version
";

/// So many znodes are deleted at once, unless `-b` says how many.
const BATCH: usize = 1000;
/// The longest time to live, in ms (`EphemeralType.TTL`).
const MAX_TTL: i64 = 0x00ff_ffff_ffff;

pub(super) fn create(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    let mode = mode(given)?;
    let data = given.words.get(2).map(|text| Bytes::from(text.clone()));
    let acl = match given.words.get(3) {
        Some(text) => read_acl(text, answer)?,
        None => open_acl(),
    };
    let path = session.create(&given.words[1], data, acl, mode).inspect_err(|error| {
        // Officially these two are said twice.
        let text = match error.code() {
            Some(Code::EPHEMERAL_ON_LOCAL_SESSION) => {
                "Unable to create ephemeral node on a local session".to_owned()
            }
            Some(Code::INVALID_ACL) => error.to_string(),
            _ => return,
        };
        drop(answer.remark(text));
    })?;
    Ok(answer.tell("path", &path[..], format_args!("Created {path}"))?)
}

fn mode(given: &Given) -> Result<CreateMode, Complaint> {
    let (ephemeral, sequential, container) = (given.has("e"), given.has("s"), given.has("c"));
    if container && (ephemeral || sequential) {
        let text = "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.";
        return Err(Complaint::said(text));
    }
    let ttl = given.value("t").map(str::parse::<i64>).transpose();
    let lifetime = match ttl.map_err(|_| Complaint::said("-t argument must be a long value"))? {
        Some(_) if ephemeral => return Err(Complaint::said("TTLs cannot be used with Ephemeral znodes")),
        Some(_) if container => return Err(Complaint::said("TTLs cannot be used with Container znodes")),
        Some(ttl) if !(1..=MAX_TTL).contains(&ttl) => {
            return Err(Complaint::said(format!(
                "ttl must be positive and cannot be larger than: {MAX_TTL}"
            )));
        }
        Some(ttl) => Lifetime::Ttl(ttl),
        None if ephemeral => Lifetime::Ephemeral,
        None if container => Lifetime::Container,
        None => Lifetime::Persistent,
    };
    Ok(CreateMode { lifetime, sequential })
}

/// The entries that can be read; what is wrong with others is said.
fn read_acl(text: &str, answer: &mut Answer<'_, '_>) -> Result<Vec<Acl>, Complaint> {
    let (acl, complaints) = print::parse_acl(text);
    for complaint in complaints {
        answer.warn(format_args!("{complaint}"))?;
    }
    Ok(acl)
}

pub(super) fn set(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    let data = if given.has("b") {
        STANDARD
            .decode(&given.words[2])
            .map_err(|error| Complaint::said(format!("the data is not base64: {error}")))?
    } else {
        given.words[2].clone().into_bytes()
    };
    let stat = session.set_data(&given.words[1], data.into(), version(given)?)?;
    answer.stat(&stat, given.has("s"))?;
    Ok(())
}

pub(super) fn delete(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    if given.words.len() > 2 {
        let text =
            "'delete path [version]' has been deprecated. Please use 'delete [-v version] path' instead.";
        answer.warn(format_args!("{text}"))?;
    }
    Ok(session.delete(&given.words[1], version(given)?)?)
}

pub(super) fn delete_all(
    session: &Session,
    given: &Given,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    let batch = given.value("b").map_or(Ok(BATCH), str::parse::<usize>);
    let batch = batch.map_err(|_| Complaint::said("-b argument must be an int value"))?;
    let mut tree = vec![given.words[1].clone()];
    let mut next = 0;
    // Whatever disappears meanwhile ends it, as officially.
    while let Some(path) = tree.get(next) {
        let below = children(session, path, false)?;
        tree.extend(below);
        next += 1;
    }
    if !session.delete_in_batches(&tree, batch) {
        answer.warn("Failed to delete some node(s) in the subtree!")?;
    }
    Ok(())
}

pub(super) fn set_acl(
    session: &Session,
    given: &Given,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    let acl = read_acl(&given.words[2], answer)?;
    let (path, version) = (&given.words[1], version(given)?);
    if !given.has("R") {
        let stat = session.set_acl(path, acl, version)?;
        answer.stat(&stat, given.has("s"))?;
        return Ok(());
    }
    session.get_data(path, false)?;
    let mut set = |path: &str| {
        if let Err(error) = session.set_acl(path, acl.clone(), version) {
            answer.say_each("failures", &error.to_string())?;
        }
        Ok(())
    };
    set(path)?;
    below(session, path, false, &mut set)
}

pub(super) fn add_auth(
    session: &Session,
    given: &Given,
    _answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    session.add_auth(&given.words[1], given.words.get(2).map(|auth| Bytes::from(auth.clone())));
    Ok(())
}

pub(super) fn close(
    session: &Session,
    _given: &Given,
    _answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    session.close();
    Ok(())
}

pub(super) fn reconfig(
    session: &Session,
    given: &Given,
    answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    let of = |name| given.value(name).map(str::to_lowercase);
    let (whole, file) = (of("members"), given.value("file"));
    let (joining, leaving) = (of("add"), of("remove"));
    let in_whole = whole.is_some() || file.is_some();
    let in_steps = joining.is_some() || leaving.is_some();
    if !in_whole && !in_steps {
        return Err(misused());
    }
    let version = given.value("v").map_or(Ok(-1), |text| i64::from_str_radix(text, 16));
    let version =
        version.map_err(|_| Complaint::said("-v must be followed by a long (configuration version)"))?;
    if in_whole && in_steps {
        return Err(Complaint::said(
            "Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental modes is not \
             allowed)",
        ));
    }
    if whole.is_some() && file.is_some() {
        return Err(Complaint::said(
            "Can't use -file and -members together (conflicting non-incremental modes)",
        ));
    }
    let members = match file {
        Some(file) => Some(members_of(file)?),
        None => whole,
    };
    let (config, stat) = session.reconfigure(Reconfiguration { joining, leaving, members, version })?;
    let config = config.unwrap_or_default();
    let config = decode_lossy(&config);
    answer.say("config", &*config, format_args!("Committed new configuration:\n{config}"))?;
    answer.stat(&stat, given.has("s"))?;
    Ok(())
}

/// The members that a file names, as the server takes them.
fn members_of(file: &str) -> Result<String, Complaint> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Complaint::said(format!("Error processing {file}: {error}")))?;
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| ["server.", "group.", "weight.", "version"].iter().any(|key| line.starts_with(key)))
        .collect();
    if lines.is_empty() {
        return Err(Complaint::said(format!("Error processing {file}: it names no server")));
    }
    Ok(lines.join("\n"))
}
