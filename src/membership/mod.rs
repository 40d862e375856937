//! Who the members of an ensemble are: the text that `zoo.cfg`, its dynamic file, NEWLEADER, notifications, `conf` and
//! `/zookeeper/config` have in common (`QuorumMaj`, `QuorumHierarchical`).
//!
//! Promise: what the official server takes is taken, and written as it writes it; reading what was written gives the same
//! again. Invariant of a [`Membership`]: it has a participant; with groups, each participant is in exactly one, and
//! nobody else is in any.
//!
//! Refused, though the official server takes it: an empty host, or one with blanks, brackets or backslashes; weights below 0 or
//! beyond an `int`; in groups, ids that have no vote (there they weigh and can never answer).
//!
//! Not done here: looking up names, files, and what a standalone server is.

mod change;
mod hash_order;
mod lines;
mod member;
#[cfg(test)]
mod tests;

pub use lines::{Lines, MembershipError};
pub use member::{Addresses, HostPort, Member, Role};

use hash_order::hash_order;
use oxkeeper_codec::ServerId;
use std::collections::BTreeMap;
use std::fmt;

/// The members of an ensemble, and who of them decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    members: BTreeMap<ServerId, Member>,
    groups: Option<Groups>,
    version: i64,
}

/// Groups of participants, each of which decides by weight.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Groups {
    /// The group of each participant.
    group_of: BTreeMap<ServerId, i64>,
    /// Of each participant, and whatever else was written.
    weights: BTreeMap<ServerId, i64>,
}

impl Membership {
    /// Reads the text of a configuration: lines `server.N`, `group.N`, `weight.N` and `version`, in the syntax of
    /// `java.util.Properties`; of a key that is there twice, the last line counts.
    ///
    /// # Errors
    /// The first line that cannot be read, or what the lines contradict each other in.
    pub fn parse(text: &str) -> Result<Self, MembershipError> {
        let mut lines = Lines::default();
        for (key, value) in lines::entries(text)? {
            lines.add(&key, &value)?;
        }
        lines.finish()
    }

    /// All members, by id.
    pub fn members(&self) -> impl Iterator<Item = (ServerId, &Member)> {
        self.members.iter().map(|(&id, member)| (id, member))
    }

    /// One of them.
    pub fn member(&self, id: ServerId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// Those with a vote, whatever it weighs, by id.
    pub fn participants(&self) -> impl Iterator<Item = ServerId> {
        self.members().filter(|(_, member)| member.role == Role::Participant).map(|(id, _)| id)
    }

    /// The groups by number, each participant with what its vote weighs; `None` when the majority of the participants
    /// decides. There are groups where a line says `group` or `weight`.
    pub fn groups(&self) -> Option<Vec<BTreeMap<ServerId, i64>>> {
        let groups = self.groups.as_ref()?;
        let mut found: BTreeMap<i64, BTreeMap<ServerId, i64>> = BTreeMap::new();
        for (&id, &group) in &groups.group_of {
            found.entry(group).or_default().insert(id, groups.weights[&id]);
        }
        Some(found.into_values().collect())
    }

    /// 0 until it is changed at run time, then the zxid of the change.
    pub const fn version(&self) -> i64 {
        self.version
    }

    /// The same members in another version.
    #[must_use]
    pub fn with_version(self, version: i64) -> Self {
        Self { version, ..self }
    }

    /// Whether it is the same but for the version.
    pub fn has_same_members(&self, other: &Self) -> bool {
        self.members == other.members && self.groups == other.groups
    }

    /// Whether this member observes; one that is not listed does not.
    pub fn observes(&self, id: ServerId) -> bool {
        self.member(id).is_some_and(|member| member.role == Role::Observer)
    }

    /// All but the version, for a line of a log.
    pub fn one_line(&self) -> String {
        self.lines().join(", ")
    }

    /// What stands beside the dynamic file while a change is under way: the lines sorted, with the version.
    pub fn next_file(&self) -> String {
        sorted(self.lines().into_iter().chain([format!("version={:x}", self.version)]))
    }

    /// What a dynamic file holds: the lines sorted, without the version, which its name ends in.
    pub fn dynamic_file(&self) -> String {
        sorted(self.lines())
    }

    /// All lines but the version's, in the order of the official server's tables.
    fn lines(&self) -> Vec<String> {
        let ids = |ids: &mut dyn Iterator<Item = &ServerId>| hash_order(ids.map(|id| id.0).collect());
        let servers = ids(&mut self.members.keys());
        let mut lines: Vec<String> =
            servers.into_iter().map(|id| format!("server.{id}={}", self.members[&ServerId(id)])).collect();
        let Some(groups) = &self.groups else { return lines };
        let mut written: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for id in ids(&mut groups.group_of.keys()) {
            written.entry(groups.group_of[&ServerId(id)]).or_default().push(id.to_string());
        }
        let numbers = hash_order(written.keys().copied().collect()).into_iter();
        lines.extend(numbers.map(|number| format!("group.{number}={}", written[&number].join(":"))));
        let weighed = ids(&mut groups.weights.keys()).into_iter();
        lines.extend(weighed.map(|id| format!("weight.{id}={}", groups.weights[&ServerId(id)])));
        lines
    }
}

fn sorted(lines: impl IntoIterator<Item = String>) -> String {
    let mut lines: Vec<String> = lines.into_iter().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// As the official server writes it: no line end after the last line, which is the version in hexadecimal.
impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))?;
        write!(f, "version={:x}", self.version)
    }
}
