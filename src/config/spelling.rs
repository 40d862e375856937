//! What an operator may have meant: keys that are almost one of the table's, files in an encoding that is none, and paths
//! that a shell would read differently.

use super::table;

/// The first bytes of UTF-8 files of some editors, as this syntax reads them.
const BYTE_ORDER_MARK: &str = "\u{ef}\u{bb}\u{bf}";

/// What is wrong with the encoding of a whole file.
pub(super) fn encoding(text: &str) -> Option<&'static str> {
    let utf16 = text.starts_with("\u{ff}\u{fe}") || text.starts_with("\u{fe}\u{ff}");
    utf16.then_some(
        "the file is in UTF-16, which is no properties file; save it as UTF-8 without a byte order mark",
    )
}

/// What to say about an unknown key, and the setting that it was probably meant for.
pub(super) fn unknown(key: &str) -> (Option<&'static str>, String) {
    if let Some(rest) = key.strip_prefix(BYTE_ORDER_MARK) {
        let message = "the file begins with a byte order mark, which is a part of this key, so that it is ignored; \
                       save the file without it";
        return (table::find(rest).map(|row| row.spec().name), message.to_owned());
    }
    match similar(key) {
        Some(name) => (Some(name), format!("unknown key, ignored: did you mean {name}?")),
        None => (None, "unknown key, ignored".to_owned()),
    }
}

/// The setting whose name is the most similar to `key`, if any is similar at all.
pub(super) fn similar(key: &str) -> Option<&'static str> {
    let key = table::bare(key).to_lowercase();
    let names = table::rows().flat_map(|row| row.spec().names()).filter(|name| !name.ends_with('*'));
    // One typing error in every four letters, and no more than three.
    let allowed = (key.chars().count() / 4).clamp(1, 3);
    let distances = names.map(|name| (distance(&key, &name.to_lowercase()), name));
    distances.filter(|&(distance, _)| distance <= allowed).min().map(|(_, name)| name)
}

/// How many letters have to be changed, added, left out or swapped with the next one.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    if from.len().abs_diff(to.len()) > 3 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut least = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b;
            if swapped {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

/// What may be unexpected about a path. Like the official server, this one takes it as it is written.
pub(super) fn path(path: &str) -> Option<&'static str> {
    let relative = !path.is_empty() && std::path::Path::new(path).is_relative();
    match path {
        _ if path.starts_with(['"', '\'']) => Some("the quotes are a part of the path; leave them out"),
        _ if path.contains("${") => {
            Some("${...} is not replaced here, but a part of the path; write the path itself")
        }
        _ if path.starts_with('~') => Some(
            "~ is no home directory here, but the name of one beside the working directory; write the path itself",
        ),
        _ if relative && !path.starts_with("./") => Some("relative path; write ./ in front if it is meant"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_almost_one() {
        for (key, meant) in [
            ("datadir", Some("dataDir")),
            ("clientport", Some("clientPort")),
            ("dataDri", Some("dataDir")),
            ("zookeeper.snapcount", Some("snapCount")),
            ("autopurge.purgeInterva", Some("autopurge.purgeInterval")),
            ("maxClientConnections", None),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(similar(key), meant, "{key}");
        }
    }

    #[test]
    fn a_byte_order_mark_belongs_to_the_first_key() {
        let (meant, message) = unknown("\u{ef}\u{bb}\u{bf}dataDir");
        assert_eq!(meant, Some("dataDir"));
        assert!(message.contains("byte order mark"), "{message}");
        assert!(unknown("\u{ef}\u{bb}\u{bf}#").1.contains("byte order mark"));
        assert!(encoding("\u{ff}\u{fe}d\0").is_some() && encoding("dataDir=/d").is_none());
    }

    #[test]
    fn paths_are_taken_as_written() {
        for good in ["/d", "./d", "", "/a~b", "./${"] {
            assert_eq!(path(good).is_some(), good.contains('$'), "{good}");
        }
        for (odd, word) in [
            ("\"/d\"", "quotes"),
            ("'/d'", "quotes"),
            ("~/d", "home"),
            ("${HOME}/d", "${"),
            ("d", "relative"),
        ] {
            assert!(path(odd).is_some_and(|remark| remark.contains(word)), "{odd}");
        }
    }
}
