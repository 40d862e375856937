//! What was written, resolved against the table: each setting at most once, each value checked.
//!
//! Precedence, highest first: the command line, the file, the default. (The official server puts the file
//! above `-D` properties; there an operator's override is lost without a word. Where the two differ a warning
//! says so.) Within one place the later line wins. Not done here: what settings mean together; that is
//! `build`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{ConfigError, Origin, Warning};
use super::properties;
use super::rules::Rule;
use super::table::{self, Key, Row, Status};

/// A setting as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// The key as written.
    pub(super) key: String,
    /// The value, trimmed.
    pub(super) value: String,
    /// Where.
    pub(super) origin: Origin,
}

impl Given {
    fn new(key: &str, value: &str, origin: Origin) -> Self {
        Self { key: trim(key).to_owned(), value: trim(value).to_owned(), origin }
    }

    /// The error for a value that is not among the `allowed` ones.
    pub(super) fn bad_value(&self, allowed: impl Into<String>) -> ConfigError {
        let Self { key, value, origin } = self.clone();
        ConfigError::BadValue { key, origin, value, allowed: allowed.into() }
    }

    /// The error for a value that this build cannot honour.
    pub(super) fn not_supported(&self, reason: impl Into<String>) -> ConfigError {
        let Self { key, value, origin } = self.clone();
        ConfigError::NotSupported { key, origin, value, reason: reason.into() }
    }

    /// The error for a value that contradicts another one.
    pub(super) fn conflict(&self, problem: impl Into<String>) -> ConfigError {
        let Self { key, origin, .. } = self.clone();
        ConfigError::Conflict { key, origin, problem: problem.into() }
    }

    /// A remark on this setting.
    pub(super) fn warning(&self, message: impl Into<String>) -> Warning {
        Warning { key: self.key.clone(), origin: self.origin.clone(), message: message.into() }
    }
}

/// All settings that were written.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// By their name in the table.
    given: BTreeMap<&'static str, Given>,
    /// Members of families, by family (its name in the table) and by the rest of their name.
    families: BTreeMap<(&'static str, String), Given>,
    /// What an operator should know.
    pub(super) warnings: Vec<Warning>,
}

impl Settings {
    /// Adds the text of a file named `file`.
    pub(super) fn add_file(&mut self, file: &str, text: &str) -> Result<(), ConfigError> {
        entries(file, text)?.into_iter().try_for_each(|given| self.add(given))
    }

    /// Adds the text of a dynamic file: members and groups, which then must not be anywhere else.
    pub(super) fn add_dynamic_file(&mut self, file: &str, text: &str) -> Result<(), ConfigError> {
        let elsewhere = self.families.iter().find(|((family, _), _)| MEMBERS.contains(family));
        if let Some((_, given)) = elsewhere {
            return Err(given.conflict("must be in the dynamic configuration file, since there is one"));
        }
        for given in entries(file, text)? {
            match table::find(&given.key).map(|row| row.spec().name) {
                Some(name) if !MEMBERS.contains(&name) => {
                    return Err(given
                        .conflict("a dynamic configuration file has server, group and weight lines only"));
                }
                _ => self.add(given)?,
            }
        }
        Ok(())
    }

    /// Adds settings that all come from the same place; later ones win over what is there.
    pub(super) fn add_all<'a>(
        &mut self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        origin: &Origin,
    ) -> Result<(), ConfigError> {
        pairs.into_iter().try_for_each(|(key, value)| self.add(Given::new(key, value, origin.clone())))
    }

    fn add(&mut self, given: Given) -> Result<(), ConfigError> {
        let Some(row) = table::find(&given.key) else {
            self.warnings.push(given.warning("unknown key, ignored"));
            return Ok(());
        };
        check(row, &given)?;
        self.remark(row, &given);
        let name = row.spec().name;
        let older = match row.spec().family_prefix() {
            Some(prefix) => {
                let member = table::bare(&given.key)[prefix.len()..].to_owned();
                self.families.insert((name, member), given.clone())
            }
            None => self.given.insert(name, given.clone()),
        };
        self.warnings.extend(older.and_then(|older| overruled(&older, &given)));
        Ok(())
    }

    fn remark(&mut self, row: &dyn Row, given: &Given) {
        if let Some(adjusted) = row.adjusted(&given.value) {
            self.warnings.push(given.warning(adjusted));
        }
        let message = match row.spec().status {
            Status::Missing(when) if when.applies(&given.value) => {
                format!("not available in this version: {}", row.spec().meaning)
            }
            Status::Idle(when, reason) if when.applies(&given.value) => format!("no effect: {reason}"),
            Status::Java => format!("no effect, it concerns the Java server: {}", row.spec().meaning),
            _ => return,
        };
        self.warnings.push(given.warning(message));
    }

    /// The value of a setting, from the default when nobody wrote it.
    pub(super) fn get<R: Rule>(&self, key: &Key<R>) -> Result<R::Value, ConfigError> {
        match self.given(key)? {
            Some(value) => Ok(value),
            None => read(key, &default_of(key)),
        }
    }

    /// The value of a setting if somebody wrote it.
    pub(super) fn given<R: Rule>(&self, key: &Key<R>) -> Result<Option<R::Value>, ConfigError> {
        self.find(key.spec.name).map(|given| read(key, given)).transpose()
    }

    /// A setting as it was written, by its name in the table.
    pub(super) fn find(&self, name: &str) -> Option<&Given> {
        self.given.get(name)
    }

    /// A setting as it was written, or as its default would be.
    pub(super) fn find_or_default<R>(&self, key: &Key<R>) -> Given {
        self.find(key.spec.name).cloned().unwrap_or_else(|| default_of(key))
    }

    /// What was written of a family (its name in the table), each with the part of its name behind the
    /// prefix.
    pub(super) fn family<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, &'a Given)> {
        self.families
            .iter()
            .filter(move |((family, _), _)| *family == name)
            .map(|((_, n), given)| (&**n, given))
    }
}

/// The families that describe an ensemble, which a dynamic file may hold.
const MEMBERS: [&str; 3] = ["server.*", "group.*", "weight.*"];

/// The entries of a file, in its order.
fn entries(file: &str, text: &str) -> Result<Vec<Given>, ConfigError> {
    let file: Arc<str> = file.into();
    let origin = |line| Origin::File { file: Arc::clone(&file), line };
    let problem = "\\u must be followed by four hexadecimal digits";
    let found = properties::parse(text)
        .map_err(|bad| ConfigError::Syntax { origin: origin(bad.line), problem: problem.to_owned() })?;
    Ok(found.iter().map(|entry| Given::new(&entry.key, &entry.value, origin(entry.line))).collect())
}

fn default_of<R>(key: &Key<R>) -> Given {
    Given::new(key.spec.name, key.spec.default, Origin::Default)
}

fn read<R: Rule>(key: &Key<R>, given: &Given) -> Result<R::Value, ConfigError> {
    key.rule.parse(&given.value).ok_or_else(|| given.bad_value(key.rule.allowed()))
}

fn check(row: &dyn Row, given: &Given) -> Result<(), ConfigError> {
    if !row.takes(&given.value) {
        return Err(given.bad_value(row.allowed()));
    }
    match row.spec().status {
        Status::Refused(when, reason) if when.applies(&given.value) => Err(given.not_supported(reason)),
        _ => Ok(()),
    }
}

/// The remark on a value that another one replaces, unless nobody would miss it. It shows neither: it could
/// be a password.
fn overruled(older: &Given, newer: &Given) -> Option<Warning> {
    let missed = newer.value != older.value && older.origin != Origin::Default;
    missed.then(|| older.warning(format!("another value is used instead, from {}", newer.origin)))
}

/// As Java's `String.trim`: control characters and blanks off both ends.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}
