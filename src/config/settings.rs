//! What was written, resolved against the table: each setting at most once, each value checked.
//!
//! Precedence, highest first: the command line, the file, the default. (The official server puts the file
//! above `-D` properties; there an operator's override is lost without a word. Where the two differ a warning
//! says so.) Within one place the later line wins. A text that is no value of its setting is refused, or passed over with
//! a warning, as the table says. All that is wrong is collected, so that one start tells it. Not done here: what settings
//! mean together; that is `build`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{ConfigError, Origin, Refusal, Warning};
use super::rules::{Otherwise, Rule, shown};
use super::secrets;
use super::spelling;
use super::table::{self, Key, Row, Status};
use crate::properties;

/// A setting with the value that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its name in the table of settings, without the prefix `zookeeper.`.
    pub name: String,
    /// The value as it is written, or the default; stars for a password.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

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
    /// What is wrong with values by themselves.
    pub(super) errors: Vec<ConfigError>,
    /// What was written in place of a setting, probably: by that setting's name.
    misspelt: BTreeMap<&'static str, Given>,
    /// The file that was read first.
    file: Option<Arc<str>>,
}

impl Settings {
    /// Adds the text of a file named `file`.
    pub(super) fn add_file(&mut self, file: &str, text: &str) -> Result<(), ConfigError> {
        let file: Arc<str> = file.into();
        self.file.get_or_insert_with(|| Arc::clone(&file));
        if let Some(problem) = spelling::encoding(text) {
            let origin = Origin::File { file, line: 1 };
            return Err(ConfigError::Syntax { origin, problem: problem.to_owned() });
        }
        entries(&file, text)?.into_iter().for_each(|given| self.add(given));
        Ok(())
    }

    /// Adds the text of a dynamic file: members and groups, which then must not be anywhere else.
    pub(super) fn add_dynamic_file(&mut self, file: &str, text: &str) -> Result<(), ConfigError> {
        let elsewhere = self.families.iter().find(|((family, _), _)| MEMBERS.contains(family));
        if let Some((_, given)) = elsewhere {
            return Err(given.conflict("must be in the dynamic configuration file, since there is one"));
        }
        for given in entries(&file.into(), text)? {
            let row = table::find(&given.key);
            if row.is_none_or(|row| !MEMBERS.contains(&row.spec().name)) {
                return Err(
                    given.conflict("a dynamic configuration file has server, group and weight lines only")
                );
            }
            self.add(given);
        }
        Ok(())
    }

    /// Adds settings that all come from the same place; later ones win over what is there.
    pub(super) fn add_all<'a>(
        &mut self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
        origin: &Origin,
    ) {
        pairs.into_iter().for_each(|(key, value)| self.add(Given::new(key, value, origin.clone())));
    }

    fn add(&mut self, given: Given) {
        let Some(row) = table::find(&given.key) else { return self.unknown(given) };
        let value = match judge(row, &given) {
            Ok(value) => value,
            Err(error) => return self.errors.push(error),
        };
        let (name, counts) = (row.spec().name, matches!(value, Judged::Value(_)));
        let (Judged::Value(remark) | Judged::PassedOver(remark)) = value;
        self.warnings.extend(remark.map(|remark| given.warning(remark)));
        let member =
            row.spec().family_prefix().map(|prefix| table::bare(&given.key)[prefix.len()..].to_owned());
        // What is passed over has replaced what was there before all the same.
        let older = match (member, counts) {
            (Some(member), true) => self.families.insert((name, member), given.clone()),
            (Some(member), false) => self.families.remove(&(name, member)),
            (None, true) => self.given.insert(name, given.clone()),
            (None, false) => self.given.remove(name),
        };
        let instead = if counts { "another value is used instead" } else { "does not count" };
        self.warnings.extend(older.and_then(|older| overruled(&older, &given, instead)));
    }

    /// Unknown keys are ignored, as officially; what they may have been meant to be is told.
    fn unknown(&mut self, given: Given) {
        let (meant, message) = spelling::unknown(&given.key);
        self.warnings.push(given.warning(message));
        if let Some(meant) = meant {
            self.misspelt.insert(meant, given);
        }
    }

    /// The refusal of all this.
    pub(super) fn refusal(self) -> Refusal {
        assert!(!self.errors.is_empty(), "nobody refuses without a reason");
        Refusal { errors: self.errors, warnings: self.warnings }
    }

    /// What `part` makes of the settings, or `None` after its error was noted. One error for a key is enough: others
    /// follow from it.
    pub(super) fn note<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, ConfigError>) -> Option<T> {
        let error = match part(self) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        if error.key().is_none() || self.errors.iter().all(|other| other.key() != error.key()) {
            self.errors.push(error);
        }
        None
    }

    /// The error for a setting that has to be there and is not.
    pub(super) fn missing(&self, key: &'static str, reason: &'static str) -> ConfigError {
        let instead = self.misspelt.get(key);
        let instead = instead.map(|given| format!("; is {} meant for it ({})?", given.key, given.origin));
        let place = self.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        ConfigError::Missing { place, key, reason, instead: instead.unwrap_or_default() }
    }

    /// Whether one of these settings has a value that is refused: then nothing follows from their defaults.
    pub(super) fn any_refused(&self, names: &[&str]) -> bool {
        let refused = |error: &ConfigError| {
            let row = error.key().and_then(table::find);
            row.is_some_and(|row| names.contains(&row.spec().name))
        };
        self.errors.iter().any(refused)
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

    /// Every setting with the value that counts: what was written, and the defaults of what has an effect here.
    pub(super) fn effective(&self) -> Vec<Effective> {
        let shown = |name: &str, value: &str, origin: &Origin| {
            let value = if secrets::is_secret(name) && !value.is_empty() { secrets::HIDDEN } else { value };
            Effective { name: name.to_owned(), value: value.to_owned(), origin: origin.clone() }
        };
        let mut all = Vec::new();
        for row in table::rows() {
            let spec = row.spec();
            if spec.family_prefix().is_some() {
                let members = self.family(spec.name);
                all.extend(
                    members.map(|(_, given)| shown(table::bare(&given.key), &given.value, &given.origin)),
                );
            } else if let Some(given) = self.find(spec.name) {
                all.push(shown(spec.name, &given.value, &given.origin));
            } else if matches!(spec.status, Status::Used | Status::Ensemble) {
                all.push(shown(spec.name, spec.default, &Origin::Default));
            }
        }
        all
    }

    /// What was written and counts, as properties of the official server. Of passwords and digests only that they are there.
    pub(super) fn properties(&self) -> BTreeMap<String, String> {
        let families = self.families.iter().map(|((_, _), given)| (table::bare(&given.key), given));
        let all = self.given.iter().map(|(&name, given)| (name, given)).chain(families);
        let shown = |(name, given): (&str, &Given)| {
            let value = if secrets::is_secret(name) { secrets::HIDDEN } else { &given.value };
            (format!("zookeeper.{name}"), value.to_owned())
        };
        all.filter(|(_, given)| given.origin != Origin::Default).map(shown).collect()
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
fn entries(file: &Arc<str>, text: &str) -> Result<Vec<Given>, ConfigError> {
    let origin = |line| Origin::File { file: Arc::clone(file), line };
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

/// What a text is to its setting, with what to tell about it.
enum Judged {
    Value(Option<String>),
    /// It is none, and the setting counts as not written.
    PassedOver(Option<String>),
}

fn judge(row: &dyn Row, given: &Given) -> Result<Judged, ConfigError> {
    let takes = row.takes(&given.value);
    if !takes && row.otherwise() == Otherwise::Refused {
        return Err(given.bad_value(row.allowed()));
    }
    let spec = row.spec();
    let effect = match spec.status {
        Status::Refused(when, reason) if when.applies(&given.value) => {
            return Err(given.not_supported(reason));
        }
        Status::Missing(when) if when.applies(&given.value) => {
            Some(format!("not available in this version: {}", spec.meaning))
        }
        Status::Idle(when, reason) if when.applies(&given.value) => Some(format!("no effect: {reason}")),
        Status::Java => Some(format!("no effect, it concerns the Java server: {}", spec.meaning)),
        _ => None,
    };
    if takes {
        return Ok(Judged::Value(effect.or_else(|| row.adjusted(&given.value))));
    }
    let counts = match (effect, spec.status) {
        (Some(effect), _) => effect,
        (None, Status::Used | Status::Ensemble) => {
            format!("the default counts ({})", default_words(spec.default))
        }
        (None, _) => "it has no effect on this server".to_owned(),
    };
    let value = shown(&given.value);
    Ok(Judged::PassedOver(Some(format!("{value} is no value of it: {}; {counts}", row.allowed()))))
}

fn default_words(default: &str) -> &str {
    if default.is_empty() { "none" } else { default }
}

/// The remark on a value that another one replaces, unless nobody would miss it. It shows neither: it could
/// be a password.
fn overruled(older: &Given, newer: &Given, instead: &str) -> Option<Warning> {
    let missed = newer.value != older.value && older.origin != Origin::Default;
    missed.then(|| older.warning(format!("{instead}, because of {}", newer.origin)))
}

/// As Java's `String.trim`: control characters and blanks off both ends.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}
