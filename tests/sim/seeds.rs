//! Which seeds are run, and what a run came to: shared by the simulators.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// `PREFIX_SEED=n`: just this one; else `PREFIX_SEEDS=n` of them, from `PREFIX_FIRST=n` on.
pub(crate) fn chosen(prefix: &str, count: u64) -> Range<u64> {
    let (first, count) = match from_env(&format!("{prefix}_SEED")) {
        Some(seed) => (seed, 1),
        None => (
            from_env(&format!("{prefix}_FIRST")).unwrap_or(0),
            from_env(&format!("{prefix}_SEEDS")).unwrap_or(count),
        ),
    };
    first..first + count
}

/// What a run came to; `Err` is what was wrong.
pub(crate) fn outcome<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}
