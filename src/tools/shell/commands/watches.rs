//! Watches for good, and watches that are taken back.

use super::{
    super::{
        answer::Answer,
        complaint::Complaint,
        options::{Given, Opt, flag, value},
    },
    misused,
};
use crate::client::{Session, Unwatched};

pub(super) const ADD: &[Opt] = &[value("m")];
pub(super) const ADD_USAGE: &str = "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE";
pub(super) const REMOVE: &[Opt] = &[flag("c"), flag("d"), flag("p"), flag("r"), flag("a"), flag("l")];

pub(super) fn add(session: &Session, given: &Given, _answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    let recursive = match given.value("m").map(str::to_uppercase).as_deref() {
        None | Some("PERSISTENT_RECURSIVE") => true,
        Some("PERSISTENT") => false,
        Some(_) => return Err(misused()),
    };
    match &given.words[..] {
        [_, path] => Ok(session.add_watch(path, recursive)?),
        _ => Err(misused()),
    }
}

pub(super) fn remove(
    session: &Session,
    given: &Given,
    _answer: &mut Answer<'_, '_>,
) -> Result<(), Complaint> {
    let kinds = [
        ("c", Unwatched::Children),
        ("d", Unwatched::Data),
        ("p", Unwatched::Persistent),
        ("r", Unwatched::PersistentRecursive),
    ];
    let which = kinds.iter().find(|(name, _)| given.has(name)).map_or(Unwatched::Any, |(_, which)| *which);
    Ok(session.remove_watches(&given.words[1], which, given.has("l"))?)
}
