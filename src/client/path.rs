//! What a client says of a path that is none, before it asks anybody (`PathUtils.validatePath`).

/// Why this is no path; the texts are those of the official client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// Nothing.
    #[error("Path length must be > 0")]
    Empty,
    /// It is relative.
    #[error("Path must start with / character")]
    NoSlash,
    /// It ends with a slash.
    #[error("Path must not end with / character")]
    EndsWithSlash,
    /// A name in it is none.
    #[error("Invalid path string \"{path}\" caused by {reason} @{at}")]
    Name {
        /// The whole of it.
        path: String,
        /// What is wrong.
        reason: &'static str,
        /// Where, in UTF-16 units.
        at: usize,
    },
}

/// Whether a request may have this path.
///
/// # Errors
/// Why not.
pub fn validate(path: &str) -> Result<(), PathProblem> {
    match path {
        "" => return Err(PathProblem::Empty),
        "/" => return Ok(()),
        _ if !path.starts_with('/') => return Err(PathProblem::NoSlash),
        _ if path.ends_with('/') => return Err(PathProblem::EndsWithSlash),
        _ => {}
    }
    let units: Vec<u16> = path.encode_utf16().collect();
    let problem = |reason, at| Err(PathProblem::Name { path: path.to_owned(), reason, at });
    let dot = u16::from(b'.');
    let slash = u16::from(b'/');
    let is_end = |at: usize| units.get(at).is_none_or(|&unit| unit == slash);
    for (at, &unit) in units.iter().enumerate().skip(1) {
        let last = units[at - 1];
        if unit == 0 {
            return problem("null character not allowed", at);
        } else if unit == slash && last == slash {
            return problem("empty node name specified", at);
        } else if unit == dot && last == dot && at >= 2 && units[at - 2] == slash && is_end(at + 1)
            || unit == dot && last == slash && is_end(at + 1)
        {
            return problem("relative paths not allowed", at);
        } else if matches!(unit, 0x01..0x20 | 0x7f..=0x9f | 0xd800..=0xf8ff | 0xfff0..=0xffff) {
            return problem("invalid character", at);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_none_is_said_to_be_that() {
        let problem = |path| validate(path).map_err(|problem| problem.to_string());
        for path in ["/", "/a", "/a/b.c", "/..a", "/a..", "/.a/b", "/\u{416}"] {
            assert_eq!(problem(path), Ok(()), "{path}");
        }
        let invalid = |path: &str, reason| Err(format!("Invalid path string \"{path}\" caused by {reason}"));
        assert_eq!(problem(""), Err("Path length must be > 0".to_owned()));
        assert_eq!(problem("a"), Err("Path must start with / character".to_owned()));
        assert_eq!(problem("/a/"), Err("Path must not end with / character".to_owned()));
        assert_eq!(problem("/a//b"), invalid("/a//b", "empty node name specified @3"));
        assert_eq!(problem("/a/./b"), invalid("/a/./b", "relative paths not allowed @3"));
        assert_eq!(problem("/a/.."), invalid("/a/..", "relative paths not allowed @4"));
        assert_eq!(problem("/a\u{1}"), invalid("/a\u{1}", "invalid character @2"));
        assert_eq!(problem("/a\0b"), invalid("/a\0b", "null character not allowed @2"));
    }
}
