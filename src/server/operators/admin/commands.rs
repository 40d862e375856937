//! The table of commands: names, what each needs, and who answers it (`Commands`, `CommandBase`).

use super::{AdminDesk, Asked, answers, body::Body, guarded, members};
use crate::server::operators::ask::{Ask, NoAnswer};

/// How a command is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// It tells something, or has figures begin anew.
    Get,
    /// It changes something, as a short text says.
    PostText,
    /// It takes a file.
    PostFile,
}

/// Who answers a command: with nobody to ask before the data is loaded.
type Run = fn(&AdminDesk, Option<&Ask<'_>>, &Asked) -> Result<Body, NoAnswer>;

/// One command.
pub(super) struct Command {
    /// The primary name, then the others.
    names: &'static [&'static str],
    /// Whether the server has to serve.
    pub(super) needs_server: bool,
    /// Whether whoever asks must have all permissions on the root.
    pub(super) is_guarded: bool,
    /// How it is asked for.
    pub(super) method: Method,
    pub(super) run: Run,
}

impl Command {
    const fn new(names: &'static [&'static str], run: Run) -> Self {
        Self { names, needs_server: true, is_guarded: false, method: Method::Get, run }
    }

    /// The same without a server that serves.
    const fn always(self) -> Self {
        Self { needs_server: false, ..self }
    }

    /// The same for those who may do everything.
    const fn guarded(self, method: Method) -> Self {
        Self { is_guarded: true, method, ..self }
    }

    /// The primary name.
    pub(super) const fn name(&self) -> &'static str {
        self.names[0]
    }
}

/// All commands.
pub(super) const ALL: &[Command] = &[
    Command::new(&["connection_stat_reset", "crst"], answers::reset_connections),
    Command::new(&["configuration", "conf", "config"], answers::configuration),
    Command::new(&["connections", "cons"], answers::connections),
    Command::new(&["hash"], answers::digests),
    Command::new(&["dirs"], answers::dirs),
    Command::new(&["dump"], answers::dump),
    Command::new(&["environment", "env", "envi"], answers::environment).always(),
    Command::new(&["get_log_levels", "glog"], answers::log_levels).always(),
    Command::new(&["get_trace_mask", "gtmk"], answers::trace_mask).always(),
    Command::new(&["initial_configuration", "icfg"], answers::initial_configuration),
    Command::new(&["is_read_only", "isro"], answers::is_read_only),
    Command::new(&["last_snapshot", "lsnp"], answers::last_snapshot),
    Command::new(&["leader", "lead"], members::leader),
    Command::new(&["monitor", "mntr"], answers::monitor).always(),
    Command::new(&["observer_connection_stat_reset", "orst"], members::reset_observers),
    Command::new(&["restore", "rest"], guarded::restore).guarded(Method::PostFile),
    Command::new(&["ruok"], answers::ruok),
    Command::new(&["set_log_levels", "slog"], guarded::set_log_levels).guarded(Method::PostText),
    Command::new(&["set_trace_mask", "stmk"], answers::set_trace_mask).always(),
    Command::new(&["shed_connections", "shed"], guarded::shed).guarded(Method::PostText),
    Command::new(&["snapshot", "snap"], guarded::snapshot).guarded(Method::Get),
    Command::new(&["server_stats", "srvr"], answers::server_stats),
    Command::new(&["stats", "stat"], answers::stats),
    Command::new(&["stat_reset", "srst"], answers::reset_stats),
    Command::new(&["observers", "obsr"], members::observers),
    Command::new(&["system_properties", "sysp"], answers::system_properties).always(),
    Command::new(&["voting_view"], members::voting_view),
    Command::new(&["watches", "wchc"], answers::watches),
    Command::new(&["watches_by_path", "wchp"], answers::watches_by_path),
    Command::new(&["watch_summary", "wchs"], answers::watch_summary),
    Command::new(&["zabstate"], members::zab_state).always(),
];

/// The command of a name, which is spelled as in the table.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    ALL.iter().find(|command| command.names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_name_stands_once() {
        let names: Vec<&str> = ALL.iter().flat_map(|command| command.names).copied().collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(ALL.iter().all(|command| command.needs_server || !command.is_guarded));
        assert!(find("srvr").is_some_and(|command| command.name() == "server_stats"));
        assert!(find("SRVR").is_none());
    }
}
