//! The table of settings: one row for each key, and nothing about a key anywhere else.
//!
//! A row holds the name, other names, what values it takes and what becomes of another one ([`Otherwise`]), the default,
//! the version that brought it, what it means, and what this build does with it ([`Status`]). Parsing, the check for unknown keys, the range in an
//! error message and the listing of `oxkeeper settings` all come from it. Rows that become a field of
//! `Config` have a name of their own ([`Key`] constants) which the builder reads them by; the others are
//! anonymous.
//!
//! Names are written without the prefix `zookeeper.`, which every key may carry. A name that ends in `.*` is
//! a family: `server.1`, `authProvider.sasl`.

pub(super) mod auth;
pub(super) mod client;
pub(super) mod ensemble;
mod java;
pub(super) mod operator;
pub(super) mod storage;
pub(super) mod throttle;
pub(super) mod tls;

use super::rules::{Otherwise, Rule};

/// What this build does with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// It does what the row says.
    Used,
    /// Checked and accepted; means something only among several servers.
    Ensemble,
    /// Checked and accepted without effect for this reason; said so when it asks for something.
    Idle(When, &'static str),
    /// Checked and accepted; concerns the Java runtime or a library that is not part of this server: said so.
    Java,
    /// Checked and accepted, but what it concerns is not there yet: said so when the operator asks for it.
    Missing(When),
    /// Refused with this reason when the operator asks for it: ignoring it would be unsafe.
    Refused(When, &'static str),
}

/// When a setting asks for a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// When it is written at all.
    Given,
    /// When it has this value (in any case).
    Is(&'static str),
}

impl When {
    /// Whether `value`, written by the operator, asks for the feature.
    pub(super) fn applies(self, value: &str) -> bool {
        match self {
            Self::Given => !value.is_empty(),
            Self::Is(word) => value.eq_ignore_ascii_case(word),
        }
    }
}

/// A row without its rule.
pub(super) struct Spec {
    /// The name in Apache's administrator guide.
    pub(super) name: &'static str,
    /// Other names of the same setting.
    pub(super) aliases: &'static [&'static str],
    /// The default, spelled as a value; or words when it depends on something else.
    pub(super) default: &'static str,
    /// The release that brought it.
    pub(super) since: &'static str,
    /// What this build does with it.
    pub(super) status: Status,
    /// What it means, in a phrase.
    pub(super) meaning: &'static str,
}

impl Spec {
    /// The name and the other names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// What all members of a family start with.
    pub(super) fn family_prefix(&self) -> Option<&'static str> {
        self.name.strip_suffix('*')
    }
}

/// A row: a setting that reads as `R` says.
pub(super) struct Key<R> {
    /// Everything but the rule.
    pub(super) spec: Spec,
    /// How values are read.
    pub(super) rule: R,
}

/// A row whose kind of value does not matter.
pub(super) trait Row: Sync {
    /// Everything but the rule.
    fn spec(&self) -> &Spec;
    /// Whether the text is a value of this setting.
    fn takes(&self, text: &str) -> bool;
    /// The allowed values, for people.
    fn allowed(&self) -> String;
    /// What becomes of a text that is no value.
    fn otherwise(&self) -> Otherwise;
    /// What to tell about a value that is taken, but not as written.
    fn adjusted(&self, text: &str) -> Option<String>;
}

impl<R: Rule> Row for Key<R> {
    fn spec(&self) -> &Spec {
        &self.spec
    }
    fn takes(&self, text: &str) -> bool {
        self.rule.parse(text).is_some()
    }
    fn allowed(&self) -> String {
        self.rule.allowed()
    }
    fn otherwise(&self) -> Otherwise {
        self.rule.otherwise()
    }
    fn adjusted(&self, text: &str) -> Option<String> {
        self.rule.adjusted(text)
    }
}

/// A part of the table under one heading.
type Part = &'static [&'static dyn Row];

/// The whole table, in the order of the listing.
pub(super) const SECTIONS: &[(&str, &[Part])] = &[
    ("clients and sessions", &[client::ROWS]),
    ("storage", &[storage::ROWS]),
    ("write batching and throttling", &[throttle::ROWS]),
    ("authentication and access", &[auth::ROWS, auth::IDLE, auth::ENSEMBLE]),
    ("TLS", &[tls::ROWS, tls::SIDES, tls::CONTEXTS, tls::ENGINE]),
    ("ensemble", &[ensemble::ROWS, ensemble::MEMBERS, ensemble::ACCEPTED]),
    ("operators", &[operator::ROWS, operator::SWITCHES, operator::ACCEPTED]),
    ("accepted, of no concern here", &[java::ACCEPTED]),
];

/// All rows.
pub(super) fn rows() -> impl Iterator<Item = &'static dyn Row> {
    SECTIONS.iter().flat_map(|(_, parts)| parts.iter().copied().flatten().copied())
}

/// A key without the prefix that it may carry.
pub(super) fn bare(key: &str) -> &str {
    key.strip_prefix("zookeeper.").unwrap_or(key)
}

/// The row of a key as written in a file or on the command line.
pub(super) fn find(key: &str) -> Option<&'static dyn Row> {
    let key = bare(key);
    let exact = |row: &&dyn Row| row.spec().name == key || row.spec().aliases.contains(&key);
    let member = |row: &&dyn Row| {
        row.spec().family_prefix().is_some_and(|p| key.len() > p.len() && key.starts_with(p))
    };
    rows().find(exact).or_else(|| rows().find(member))
}

/// The table for people: `oxkeeper settings`, or the rows of some names. The error is a name that no row has.
pub(super) fn describe(names: &[String]) -> Result<String, String> {
    let row = |name: &String| find(name).ok_or_else(|| name.clone());
    let wanted: Vec<_> = names.iter().map(row).collect::<Result<_, _>>()?;
    if !wanted.is_empty() {
        return Ok(wanted.into_iter().map(describe_row).collect());
    }
    let mut out = String::from(
        "Settings of zoo.cfg, and of the command line as -Dzookeeper.KEY=VALUE (which wins over the file).\n\
         Every name may carry the prefix \"zookeeper.\".\n",
    );
    for (title, parts) in SECTIONS {
        out.push_str(&format!("\n{title}\n"));
        parts.iter().copied().flatten().for_each(|&row| out.push_str(&describe_row(row)));
    }
    Ok(out)
}

fn describe_row(row: &dyn Row) -> String {
    let spec = row.spec();
    let names = spec.names().collect::<Vec<_>>().join(" | ");
    let (note, takes) = (note(spec.status), row.allowed());
    let otherwise = match row.otherwise() {
        // Every text is a value.
        _ if row.takes("") && row.takes("?") => "",
        Otherwise::Refused => "; anything else is refused",
        Otherwise::Default => "; anything else is passed over with a warning, and the default counts",
    };
    format!(
        "  {names} = {}\n      {}{note}\n      takes: {takes}{otherwise} (since {})\n",
        spec.default, spec.meaning, spec.since
    )
}

/// What the listing adds about the status of a setting.
fn note(status: Status) -> String {
    match status {
        Status::Used => String::new(),
        Status::Ensemble => " [ensembles only]".to_owned(),
        Status::Idle(_, reason) => format!(" [accepted, no effect: {reason}]"),
        Status::Java => " [Java only: accepted, no effect]".to_owned(),
        Status::Missing(_) => " [not available in this version: accepted, no effect]".to_owned(),
        Status::Refused(_, reason) => format!(" [refused when used: {reason}]"),
    }
}

/// Declares rows that the builder reads, each as a constant, and the list `ROWS` of them. `idle REASON` at the end of
/// one: its value has no effect here. `ensemble` there: it has none in a standalone server.
macro_rules! keys {
    ($($id:ident: $rule:ty = $name:literal $(| $alias:literal)*, $build:expr, $default:literal, $since:literal,
       $meaning:literal $(, $kind:ident $($reason:literal)?)?;)*) => {
        $(pub(in crate::config) static $id: $crate::config::table::Key<$rule> = $crate::config::table::Key {
            spec: $crate::config::table::Spec {
                name: $name,
                aliases: &[$($alias),*],
                default: $default,
                since: $since,
                status: $crate::config::table::status!($($kind $($reason)?)?),
                meaning: $meaning,
            },
            rule: $build,
        };)*
        /// The rows above.
        pub(super) static ROWS: &[&dyn $crate::config::table::Row] = &[$(&$id),*];
    };
}

/// The status of a row that the builder reads.
macro_rules! status {
    () => {
        $crate::config::table::Status::Used
    };
    (ensemble) => {
        $crate::config::table::Status::Ensemble
    };
    (idle $reason:literal) => {
        $crate::config::table::Status::Idle($crate::config::table::When::Given, $reason)
    };
}

/// Declares rows that are checked and not read, all of one status, as the list `$list`.
macro_rules! accepted {
    ($list:ident, $status:expr; $($name:expr $(=> $alias:literal)*, $build:expr, $default:literal, $since:literal,
       $meaning:literal;)*) => {
        /// Rows of one status.
        pub(super) static $list: &[&dyn $crate::config::table::Row] = &[$(&$crate::config::table::Key {
            spec: $crate::config::table::Spec {
                name: $name,
                aliases: &[$($alias),*],
                default: $default,
                since: $since,
                status: $status,
                meaning: $meaning,
            },
            rule: $build,
        }),*];
    };
}
use {accepted, keys, status};
