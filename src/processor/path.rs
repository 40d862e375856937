//! Path rules (`PathUtils.validatePath`, `PrepRequestProcessor.validatePathForCreate`).

use crate::tree::SPECIAL_PATHS;
use oxkeeper_codec::{Code, is_null};

/// The first look at a path to be created or deleted: it has a slash and no NUL. Returns the parent's path.
///
/// # Errors
/// `BAD_ARGUMENTS`; for null `MARSHALLING_ERROR`, as the official server falls over it.
pub(super) fn parent_of(path: &str) -> Result<&str, Code> {
    if is_null(path) {
        return Err(Code::MARSHALLING_ERROR);
    }
    match path.rsplit_once('/') {
        Some((parent, _)) if !path.contains('\0') => Ok(parent),
        Some(_) | None => Err(Code::BAD_ARGUMENTS),
    }
}

/// As [`parent_of`], for a path to be deleted: none of those that every tree has.
///
/// # Errors
/// As [`parent_of`].
pub(super) fn deletable_parent_of(path: &str) -> Result<&str, Code> {
    if SPECIAL_PATHS.contains(&path) {
        return Err(Code::BAD_ARGUMENTS);
    }
    parent_of(path)
}

/// The full rules: absolute, no slash at the end but the root's, no component that is empty, "." or "..", no
/// character that is refused.
///
/// # Errors
/// `BAD_ARGUMENTS`.
pub fn validate(path: &str) -> Result<(), Code> {
    if path == "/" {
        return Ok(());
    }
    let components = path.as_bytes().strip_prefix(b"/").ok_or(Code::BAD_ARGUMENTS)?;
    let bad_component = |component: &[u8]| matches!(component, b"" | b"." | b"..");
    // By bytes, as most paths are short and ASCII: beginning a search made for long texts would cost more than all of this.
    let is_plain = path.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if components.split(|&byte| byte == b'/').any(bad_component) || !is_plain && path.chars().any(is_refused)
    {
        return Err(Code::BAD_ARGUMENTS);
    }
    Ok(())
}

/// Control characters, private use and specials; and, as rules are applied to UTF-16 units there, everything
/// beyond the basic plane.
const fn is_refused(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviours_50_to_52_full_rules() {
        for good in ["/", "/a", "/a/b", "/.a", "/a.", "/...", "/\u{d7ff}", "/\u{ffef}", "/ä b"] {
            assert_eq!(validate(good), Ok(()), "{good:?}");
        }
        for bad in [
            "",
            "a",
            "a/b",
            "/a/",
            "//",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/\0",
            "/\u{1f}",
            "/\u{7f}",
            "/\u{9f}",
            "/\u{f8ff}",
            "/\u{e000}",
            "/\u{fff0}",
            "/\u{1f600}",
        ] {
            assert_eq!(validate(bad), Err(Code::BAD_ARGUMENTS), "{bad:?}");
        }
    }

    #[test]
    fn behaviours_53_to_55_first_look() {
        assert_eq!(parent_of("/t/x/"), Ok("/t/x"));
        assert_eq!(parent_of("/a"), Ok(""));
        assert_eq!(parent_of("x"), Err(Code::BAD_ARGUMENTS));
        assert_eq!(parent_of("/a\0"), Err(Code::BAD_ARGUMENTS));
        for path in SPECIAL_PATHS {
            assert_eq!(deletable_parent_of(path), Err(Code::BAD_ARGUMENTS));
        }
    }
}
