//! The options of a command as the official shell takes them (commons-cli's `DefaultParser`): anywhere among the words, `-v 3` or
//! `-v=3` or `-v3`, several letters together, a negative number being no option, and nothing behind `--`.

/// An option of a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opt {
    /// Without its hyphen.
    pub(super) name: &'static str,
    /// Whether a value follows.
    pub(super) takes: bool,
}

/// One without a value.
pub(super) const fn flag(name: &'static str) -> Opt {
    Opt { name, takes: false }
}

/// One with a value.
pub(super) const fn value(name: &'static str) -> Opt {
    Opt { name, takes: true }
}

/// What was given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    options: Vec<(&'static str, Option<String>)>,
    /// The words that are no options; the first is the command.
    pub(super) words: Vec<String>,
}

impl Given {
    pub(super) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// The value of the option, the first one that was given.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().find(|(given, _)| *given == name)?;
        found.1.as_deref()
    }

    /// The names of the options, in the order in which they were given.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.options.iter().map(|(name, _)| *name)
    }
}

/// Tells options from words.
///
/// # Errors
/// What is wrong with them.
pub(super) fn parse(words: &[String], options: &[Opt]) -> Result<Given, String> {
    let mut given = Given::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else {
            given.words.push(word.clone());
            continue;
        };
        if name == "-" {
            given.words.extend(words.by_ref().cloned());
            break;
        }
        let before = given.options.len();
        given.options.extend(taken(name, options).ok_or_else(|| format!("Unrecognized option: {word}"))?);
        if let Some((last, value @ None)) = given.options[before..].last_mut()
            && takes_value(last, options)
        {
            let next = words.clone().next().filter(|next| is_word(next, options));
            let next = next.ok_or_else(|| format!("Missing argument for option: {last}"))?;
            *value = Some(next.clone());
            words.next();
        }
    }
    Ok(given)
}

/// The options of one word, without its hyphen: a name, `name=value`, or letters of which the last may have a value behind it.
fn taken(word: &str, options: &[Opt]) -> Option<Vec<(&'static str, Option<String>)>> {
    let word = word.strip_prefix('-').unwrap_or(word);
    let find = |name: &str| options.iter().find(|option| option.name == name);
    if let Some(option) = find(word) {
        return Some(vec![(option.name, None)]);
    }
    if let Some((name, value)) = word.split_once('=')
        && let Some(option) = find(name).filter(|option| option.takes)
    {
        return Some(vec![(option.name, Some(value.to_owned()))]);
    }
    let mut found = Vec::new();
    for (at, letter) in word.char_indices() {
        let option = find(letter.encode_utf8(&mut [0; 4]))?;
        let rest = &word[at + letter.len_utf8()..];
        if option.takes && !rest.is_empty() {
            found.push((option.name, Some(rest.to_owned())));
            break;
        }
        found.push((option.name, None));
    }
    Some(found)
}

fn takes_value(name: &str, options: &[Opt]) -> bool {
    options.iter().any(|option| option.name == name && option.takes)
}

/// Whether a word may be the value of an option.
fn is_word(word: &str, options: &[Opt]) -> bool {
    let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else { return true };
    word.parse::<f64>().is_ok() || taken(name, options).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: [Opt; 4] = [flag("s"), flag("R"), value("v"), value("file")];

    fn parsed(line: &str) -> Result<String, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let given = parse(&words, &OPTIONS)?;
        let options = given.options.iter().map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => (*name).to_owned(),
        });
        Ok(format!("{} | {}", options.collect::<Vec<_>>().join(" "), given.words.join(" ")))
    }

    #[test]
    fn options_stand_anywhere() {
        assert_eq!(parsed("set -s /a -v 3 x").unwrap(), "s v=3 | set /a x");
        assert_eq!(parsed("set /a x -v=3 -s").unwrap(), "v=3 s | set /a x");
        assert_eq!(parsed("ls -sR /a").unwrap(), "s R | ls /a");
        assert_eq!(parsed("set -v3 -file f /a").unwrap(), "v=3 file=f | set /a");
        assert_eq!(parsed("set -sv 3 /a").unwrap(), "s v=3 | set /a");
        assert_eq!(parsed("set -- -s -").unwrap(), " | set -s -");
        assert_eq!(parsed("set -v -1 - /a").unwrap(), "v=-1 | set - /a");
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parsed("ls -z /").unwrap_err(), "Unrecognized option: -z");
        assert_eq!(parsed("ls -5 /").unwrap_err(), "Unrecognized option: -5");
        assert_eq!(parsed("set /a x -v").unwrap_err(), "Missing argument for option: v");
        assert_eq!(parsed("set -v -s x").unwrap_err(), "Missing argument for option: v");
    }
}
