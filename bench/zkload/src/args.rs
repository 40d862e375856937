//! `--key value` options. An unknown key is an error, so a typo cannot pass silently.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Exit status for a command line that cannot be understood.
const USAGE: i32 = 2;

/// The options of one command line; the last of two equal keys counts.
pub struct Args {
    map: BTreeMap<String, String>,
}

impl Args {
    /// Reads `--key value`, `--key=value` (for `known` keys) and `--key` (for `flags`).
    pub fn parse(argv: &[String], known: &[&str], flags: &[&str]) -> Result<Self, String> {
        let mut map = BTreeMap::new();
        let mut words = argv.iter();
        while let Some(word) = words.next() {
            let key = word.strip_prefix("--").ok_or_else(|| format!("expected --option, got {word:?}"))?;
            let (key, inline) = match key.split_once('=') {
                Some((key, value)) => (key, Some(value.to_string())),
                None => (key, None),
            };
            let value = if flags.contains(&key) {
                "1".to_string()
            } else if known.contains(&key) {
                match inline {
                    Some(value) => value,
                    None => words.next().cloned().ok_or_else(|| format!("--{key} needs a value"))?,
                }
            } else {
                return Err(format!("unknown option --{key}"));
            };
            map.insert(key.to_string(), value);
        }
        Ok(Self { map })
    }

    /// Like [`Args::parse`], but what cannot be parsed ends the process with the reason and `usage`.
    pub fn parse_or_exit(argv: &[String], known: &[&str], flags: &[&str], usage: &str) -> Self {
        Self::parse(argv, known, flags).unwrap_or_else(|reason| {
            eprintln!("{reason}");
            exit_with_usage(usage)
        })
    }

    /// The value of `key`, if it was given.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.map.get(key).map(String::as_str)
    }

    /// Whether `key` was given.
    pub fn flag(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// The value of `key`, or `default`.
    pub fn str(&self, key: &str, default: &str) -> String {
        self.get(key).unwrap_or(default).to_string()
    }

    /// The value of `key` as a number, or `default`; anything else ends the process.
    pub fn num<T: FromStr>(&self, key: &str, default: T) -> T {
        match self.get(key) {
            None => default,
            Some(text) => text.parse().unwrap_or_else(|_| {
                eprintln!("--{key}: not a number: {text:?}");
                std::process::exit(USAGE)
            }),
        }
    }
}

/// Ends the process with `usage` on standard error.
pub fn exit_with_usage(usage: &str) -> ! {
    eprintln!("{usage}");
    std::process::exit(USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        let argv: Vec<String> = line.split_whitespace().map(String::from).collect();
        Args::parse(&argv, &["rate", "root"], &["keep"])
    }

    #[test]
    fn both_spellings_and_flags_are_read() {
        let args = parse("--rate 5 --root=/a=b --keep").expect("valid");
        assert_eq!((args.num("rate", 0), args.str("root", "")), (5, "/a=b".to_string()));
        assert!(args.flag("keep") && !args.flag("rates"));
        assert_eq!(args.num("conns", 7), 7);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (line, reason) in [
            ("--rat 5", "unknown option --rat"),
            ("rate", "expected --option, got \"rate\""),
            ("--keep --rate", "--rate needs a value"),
        ] {
            assert_eq!(parse(line).err().as_deref(), Some(reason));
        }
    }
}
