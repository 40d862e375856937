//! Quotas: limits that stand in `/zookeeper/quota` beside what they limit (`SetQuotaCommand`, `DelQuotaCommand`, `ListQuotaCommand`,
//! `StatsTrack`).

use super::{
    answer::Answer,
    complaint::Complaint,
    options::{Given, Opt, flag, value},
    subtree::below,
};
use crate::client::{CallError, CreateMode, Lifetime, Session, open_acl};
use bytes::Bytes;
use oxkeeper_codec::{Code, decode_lossy};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(super) const SET: &[Opt] = &[value("n"), value("b"), value("N"), value("B")];
pub(super) const SET_USAGE: &str = "-n|-b|-N|-B val path";
pub(super) const DELETE: &[Opt] = &[flag("n"), flag("b"), flag("N"), flag("B")];

const ROOT: &str = "/zookeeper/quota";
const LIMITS: &str = "zookeeper_limits";
const STATS: &str = "zookeeper_stats";

/// What each option limits: its key in the data, and its name in complaints.
const KINDS: [(&str, &str, &str); 4] = [
    ("n", "count", "num quota"),
    ("b", "bytes", "bytes quota"),
    ("N", "countHardLimit", "num hard quota"),
    ("B", "byteHardLimit", "bytes hard quota"),
];

/// Limits or usage, by key; -1 for none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Track(BTreeMap<String, i64>);

impl Track {
    fn parse(data: Option<&Bytes>) -> Self {
        let text = data.map(|data| decode_lossy(data).into_owned()).unwrap_or_default();
        let pairs = text.split([',', ';']).filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            // A version before 3.7 reads no further than the second sign.
            let value = value.split('=').next()?;
            Some((key.to_owned(), value.parse().unwrap_or(-1)))
        });
        Self(pairs.collect())
    }

    fn get(&self, key: &str) -> i64 {
        self.0.get(key).copied().unwrap_or(-1)
    }

    /// By key; without those that there are none of.
    fn object(&self) -> Value {
        let there = self.0.iter().filter(|(_, value)| **value >= 0);
        there.map(|(key, value)| (key.clone(), Value::from(*value))).collect::<Map<_, _>>().into()
    }

    fn set(&mut self, key: &str, value: i64) {
        self.0.insert(key.to_owned(), value);
    }
}

/// As it stands in the data: count and bytes first, and the others so that older versions pass over them.
impl std::fmt::Display for Track {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "count={},bytes={}", self.get("count"), self.get("bytes"))?;
        let others = self.0.iter().filter(|(key, _)| !matches!(key.as_str(), "count" | "bytes"));
        for (at, (key, value)) in others.enumerate() {
            write!(f, "{}{key}={value}", if at == 0 { "=;" } else { ";" })?;
        }
        Ok(())
    }
}

fn limits_of(path: &str) -> String {
    format!("{ROOT}{path}/{LIMITS}")
}

fn stats_of(path: &str) -> String {
    format!("{ROOT}{path}/{STATS}")
}

fn track(session: &Session, path: &str) -> Result<Track, CallError> {
    Ok(Track::parse(session.get_data(path, false)?.0.as_ref()))
}

fn is_gone(error: &CallError) -> bool {
    error.code() == Some(Code::NO_NODE)
}

pub(super) fn list(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    let path = &given.words[1];
    answer.tell("limits_path", limits_of(path), format_args!("absolute path is {}", limits_of(path)))?;
    let both = || Ok((track(session, &limits_of(path))?, track(session, &stats_of(path))?));
    match both() {
        Ok((limits, stats)) => {
            answer.say("limits", limits.object(), format_args!("Output quota for {path} {limits}"))?;
            answer.say("usage", stats.object(), format_args!("Output stat for {path} {stats}"))?;
        }
        Err(error) if is_gone(&error) => {
            answer.tell("limits", Value::Null, format_args!("quota for {path} does not exist."))?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

pub(super) fn delete(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    only_one(given)?;
    let path = &given.words[1];
    let limits = limits_of(path);
    if session.exists(&limits, false)?.is_none() {
        return Ok(answer.say("limits", Value::Null, format_args!("Quota does not exist for {path}"))?);
    }
    match take_back(session, given, path, &limits) {
        Err(error) if is_gone(&error) => answer.warn(format_args!("quota for {path} does not exist."))?,
        result => result?,
    }
    Ok(())
}

fn take_back(session: &Session, given: &Given, path: &str, limits: &str) -> Result<(), CallError> {
    if given.names().next().is_some() {
        let mut now = track(session, limits)?;
        KINDS.iter().filter(|(option, ..)| given.has(option)).for_each(|(_, key, _)| now.set(key, -1));
        session.set_data(limits, now.to_string().into(), -1)?;
        return Ok(());
    }
    let mut place = format!("{ROOT}{path}");
    for child in session.get_children(&place, false)?.0 {
        session.delete(&format!("{place}/{child}"), -1)?;
    }
    // And what is above it, up to where another quota is below.
    while place != ROOT && session.get_children(&place, false)?.0.is_empty() {
        session.delete(&place, -1)?;
        place.truncate(place.rfind('/').unwrap_or_default());
    }
    Ok(())
}

/// Options of which one excludes the others.
fn only_one(given: &Given) -> Result<(), Complaint> {
    let mut names = given.names();
    let first = names.next();
    match (first, names.find(|name| Some(*name) != first)) {
        (Some(first), Some(other)) => Err(Complaint::said(format!(
            "The option '{other}' was specified but an option from this group has already been selected: '{first}'"
        ))),
        _ => Ok(()),
    }
}

pub(super) fn set(session: &Session, given: &Given, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    only_one(given)?;
    if given.names().next().is_none() {
        return Err(Complaint::said(
            "Missing required option: [-n num soft quota, -b bytes soft quota, -N num hard quota, -B bytes hard quota]",
        ));
    }
    let Some(path) = given.words.get(1) else { return Err(Complaint::said(format!("setquota {SET_USAGE}"))) };
    if path.starts_with(ROOT) {
        answer.warn(format_args!("cannot set a quota under the path: {ROOT}"))?;
        return Ok(());
    }
    let mut wanted = Track::default();
    KINDS.iter().for_each(|(_, key, _)| wanted.set(key, -1));
    for (option, key, name) in KINDS {
        let Some(text) = given.value(option) else { continue };
        let Ok(limit) = text.parse::<i64>() else {
            answer.warn("NumberFormatException happens when parsing the option value")?;
            return Ok(());
        };
        let counts = key.starts_with("count");
        if limit < i64::from(counts) {
            let bound = if counts { "greater than zero" } else { "greater than or equal to zero" };
            answer.warn(format_args!("the {name} must be {bound}"))?;
            return Ok(());
        }
        wanted.set(key, limit);
    }
    if session.exists(path, false)?.is_none() {
        return Err(Complaint::said(format!("{path} does not exist.")));
    }
    alone(session, path)?;
    write(session, path, wanted, answer)
}

/// Whether no znode above or below has a quota: one more would count its children twice.
fn alone(session: &Session, path: &str) -> Result<(), Complaint> {
    let own = limits_of(path);
    let mut inner = None;
    let visited = below(session, &format!("{ROOT}{path}"), false, &mut |found| {
        if found.ends_with(&format!("/{LIMITS}")) && found != own {
            inner.get_or_insert_with(|| found.to_owned());
        }
        Ok(())
    });
    visited?;
    let limited = |limits: &str| limits[ROOT.len()..limits.len() - LIMITS.len() - 1].to_owned();
    if let Some(found) = inner {
        return Err(Complaint::said(format!("{path} has a child {} which has a quota", limited(&found))));
    }
    let parents = path.match_indices('/').skip(1).map(|(at, _)| &path[..at]);
    for parent in parents {
        let limits = limits_of(parent);
        if session.exists(&limits, false)?.is_some() {
            return Err(Complaint::said(format!("{path} has a parent {parent} which has a quota")));
        }
    }
    Ok(())
}

fn write(session: &Session, path: &str, wanted: Track, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    let place = format!("{ROOT}{path}");
    for (at, _) in place.match_indices('/').skip(1).chain([(place.len(), "")]) {
        make(session, &place[..at], None)?;
    }
    let (limits, stats) = (limits_of(path), stats_of(path));
    if session.exists(&limits, false)?.is_none() {
        make(session, &limits, Some(wanted.to_string()))?;
        make(session, &stats, Some("count=0,bytes=0".to_owned()))?;
        return warn(&track(session, &limits)?, &track(session, &stats)?, answer);
    }
    let mut now = track(session, &limits)?;
    wanted.0.iter().filter(|(_, limit)| **limit > -1).for_each(|(key, limit)| now.set(key, *limit));
    warn(&now, &track(session, &stats)?, answer)?;
    session.set_data(&limits, now.to_string().into(), -1)?;
    Ok(())
}

/// Creates what is not there yet.
fn make(session: &Session, path: &str, data: Option<String>) -> Result<(), CallError> {
    let mode = CreateMode { lifetime: Lifetime::Persistent, sequential: false };
    match session.exists(path, false)? {
        Some(_) => Ok(()),
        None => match session.create(path, data.map(Bytes::from), open_acl(), mode) {
            Err(error) if error.code() != Some(Code::NODE_EXISTS) => Err(error),
            _ => Ok(()),
        },
    }
}

/// Says where a limit is below what there is.
fn warn(limits: &Track, stats: &Track, answer: &mut Answer<'_, '_>) -> Result<(), Complaint> {
    for (soft, hard, what) in [("count", "countHardLimit", "count"), ("bytes", "byteHardLimit", "bytes")] {
        let used = stats.get(soft);
        let is_below = |key| (0..used).contains(&limits.get(key));
        if is_below(soft) || is_below(hard) {
            let text =
                format!("[Warning]: the {what} quota you create is less than the existing {what}:{used}");
            answer.say_each("warnings", &text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_stand_in_the_data_as_officially() {
        let shown = |text: &str| Track::parse(Some(&Bytes::from(text.to_owned()))).to_string();
        assert_eq!(shown("count=3,bytes=-1"), "count=3,bytes=-1");
        assert_eq!(
            shown("count=3,bytes=5=;byteHardLimit=7;countHardLimit=-1"),
            "count=3,bytes=5=;byteHardLimit=7;countHardLimit=-1"
        );
        assert_eq!(shown(""), "count=-1,bytes=-1");
        assert_eq!(shown("count=3"), "count=3,bytes=-1");
    }
}
