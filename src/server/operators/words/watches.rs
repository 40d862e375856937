//! `wchs`, `wchc` and `wchp`: the data watches (`WatchManager.dumpWatches`).

use crate::server::operators::{
    ask::{Ask, NoAnswer},
    watching::{self, Watching},
};
use std::fmt::Write;

/// The figures.
pub(super) fn wchs(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    let Watching { connections, paths, watches } = watching::summary(ask)?;
    Ok(format!("{connections} connections watching {paths} paths\nTotal watches:{watches}\n"))
}

/// Paths by session.
pub(super) fn wchc(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    let mut text = String::new();
    for (session, paths) in watching::by_session(ask)? {
        _ = writeln!(text, "0x{:x}", session.0);
        for path in paths {
            _ = writeln!(text, "\t{path}");
        }
    }
    text.push('\n');
    Ok(text)
}

/// Sessions by path.
pub(super) fn wchp(ask: &Ask<'_>) -> Result<String, NoAnswer> {
    let mut text = String::new();
    for (path, sessions) in watching::by_path(ask)? {
        _ = writeln!(text, "{path}");
        for session in sessions {
            _ = writeln!(text, "\t0x{:x}", session.0);
        }
    }
    text.push('\n');
    Ok(text)
}
