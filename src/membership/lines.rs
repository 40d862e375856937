//! Lines on their way to a [`Membership`].

use super::member::{Member, Role, split};
use super::{Groups, Membership};
use crate::properties;
use oxkeeper_codec::ServerId;
use std::collections::BTreeMap;

/// Why a text is no configuration of an ensemble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The text is not in the syntax of a properties file.
    #[error("line {line}: \\u must be followed by four hexadecimal digits")]
    Syntax {
        /// The line, from 1.
        line: usize,
    },
    /// A key that means nothing here.
    #[error("{key}: must be server.N, group.N or weight.N with a number N, or version")]
    Key {
        /// The key.
        key: String,
    },
    /// A value that its key does not take.
    #[error("{key}: bad value \"{value}\"; allowed: {allowed}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What would be taken.
        allowed: &'static str,
    },
    /// Lines that are fine alone and contradict each other.
    #[error("{key}: {problem}")]
    Conflict {
        /// The key that is to blame.
        key: String,
        /// The contradiction, in a sentence.
        problem: String,
    },
    /// Nobody could ever decide anything.
    #[error("no server.N line names a participant")]
    NoParticipant,
}

/// The lines of a configuration, each of them checked, none against another yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    members: BTreeMap<ServerId, Member>,
    groups: BTreeMap<i64, Vec<ServerId>>,
    weights: BTreeMap<ServerId, i64>,
    version: i64,
}

impl Lines {
    /// Takes one line in; it replaces an earlier one with this key.
    ///
    /// # Errors
    /// It is none of a configuration, or its value is no value.
    pub fn add(&mut self, key: &str, value: &str) -> Result<(), MembershipError> {
        let value = value.trim_matches(|c: char| c <= ' ');
        let no_key = || MembershipError::Key { key: key.to_owned() };
        let no_value =
            |allowed| MembershipError::Value { key: key.to_owned(), value: value.to_owned(), allowed };
        if key == "version" {
            self.version = i64::from_str_radix(value, 16).map_err(|_| no_value("a number in hexadecimal"))?;
            return Ok(());
        }
        let (kind, number) = key.split_once('.').ok_or_else(no_key)?;
        let number: i64 = number.parse().map_err(|_| no_key())?;
        match kind {
            "server" => {
                let member = Member::parse(value).ok_or_else(|| no_value(Member::FORM))?;
                self.members.insert(ServerId(number), member);
            }
            "group" => {
                let ids = split(value, ':').into_iter().map(|id| id.parse().map(ServerId));
                let ids =
                    ids.collect::<Result<_, _>>().map_err(|_| no_value("id:id:..., all of them numbers"))?;
                self.groups.insert(number, ids);
            }
            "weight" => {
                let weight = value.parse().ok().filter(|weight| (0..=i32::MAX.into()).contains(weight));
                let weight = weight.ok_or_else(|| no_value("a whole number from 0 to 2147483647"))?;
                self.weights.insert(ServerId(number), weight);
            }
            _ => return Err(no_key()),
        }
        Ok(())
    }

    /// Those of these members.
    pub(super) fn of(members: BTreeMap<ServerId, Member>) -> Self {
        Self { members, ..Self::default() }
    }

    /// The members so far.
    pub const fn members(&self) -> &BTreeMap<ServerId, Member> {
        &self.members
    }

    /// Joins the lines.
    ///
    /// # Errors
    /// They contradict each other.
    pub fn finish(self) -> Result<Membership, MembershipError> {
        let Self { members, groups, weights, version } = self;
        if members.values().all(|member| member.role == Role::Observer) {
            return Err(MembershipError::NoParticipant);
        }
        let hierarchical = !groups.is_empty() || !weights.is_empty();
        let groups = if hierarchical { Some(join(&members, groups, weights)?) } else { None };
        Ok(Membership { members, groups, version })
    }
}

/// Groups and weights, held against the members.
fn join(
    members: &BTreeMap<ServerId, Member>,
    groups: BTreeMap<i64, Vec<ServerId>>,
    mut weights: BTreeMap<ServerId, i64>,
) -> Result<Groups, MembershipError> {
    let votes = |id: &ServerId| members.get(id).is_some_and(|member| member.role == Role::Participant);
    let mut group_of = BTreeMap::new();
    for (number, ids) in groups {
        let conflict = |problem| MembershipError::Conflict { key: format!("group.{number}"), problem };
        for id in ids {
            if !votes(&id) {
                return Err(conflict(format!("server {id} is no participant")));
            }
            if group_of.insert(id, number).is_some() {
                return Err(conflict(format!("server {id} is in a group twice")));
            }
        }
    }
    for &id in members.keys().filter(|id| votes(id)) {
        if !group_of.contains_key(&id) {
            let problem = "is not in a group; with groups or weights, each participant is in one".to_owned();
            return Err(MembershipError::Conflict { key: format!("server.{id}"), problem });
        }
        weights.entry(id).or_insert(1);
    }
    Ok(Groups { group_of, weights })
}

/// The entries of a text.
pub(super) fn entries(text: &str) -> Result<Vec<(String, String)>, MembershipError> {
    let found = properties::parse(text).map_err(|bad| MembershipError::Syntax { line: bad.line })?;
    Ok(found.into_iter().map(|entry| (entry.key, entry.value)).collect())
}
