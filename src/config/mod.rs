//! From the text of `zoo.cfg` and the command line to one typed [`Config`] that is checked once.
//!
//! Promise: nothing else in this program reads a property, and whoever holds a `Config` need not check it
//! again. All keys of the official server are known, with and without the prefix `zookeeper.`; what this
//! build cannot honour is refused or named in [`Config::warnings`], never dropped in silence. Unknown keys
//! are warnings, and so are values that the official server would pass over, unless going on would change data or who may
//! do what. A [`Refusal`] names all that is wrong, not only the first.
//!
//! Where to look: `table` has one row for each setting and drives everything else; `rules` are the kinds of
//! values; `properties` is the file syntax; `settings` resolves what was written; `spelling` guesses what was meant;
//! `build` makes the `Config`, with `members` (is it an ensemble?) and `ensemble` (what its member is told).
//!
//! Invariants: no I/O outside `load` and `dynamic`; no log line (the caller logs the warnings); no environment variable.

mod build;
mod dynamic;
mod ensemble;
#[cfg(test)]
mod ensemble_tests;
mod error;
mod load;
mod members;
mod model;
#[cfg(test)]
mod port_tests;
mod rules;
mod secrets;
mod settings;
mod spelling;
mod table;
#[cfg(test)]
mod tests;
mod tls;
mod types;

use crate::tls::TlsSettings;
use std::path::Path;

pub use self::dynamic::DynamicFiles;
pub use self::error::{ConfigError, Origin, Refusal, Warning};
pub use self::model::{
    Admin, AuditTo, Auth, Batching, Client, ClientTls, ConnectionThrottle, ConnectionWeights, Containers,
    Election, Ensemble, Exporter, ExporterPort, HttpTls, Kerberos, Leading, Limits, Links, LocalSessions,
    MultiAddress, Observers, Operator, QuorumSasl, QuorumTls, Sasl, SecurePort, Session, Storage, Throttle,
    Tree, Written,
};
pub use self::types::{EnforcedScheme, FourLetterWord, FourLetterWords, Secret, SnapshotCompression};

pub use self::settings::Effective;

use self::settings::Settings;

/// What a configuration means, for people and for scripts.
#[derive(Debug)]
pub struct Check {
    /// Every setting that counts, in the order of the listing.
    pub settings: Vec<Effective>,
    /// What the operator should be told; or why a server would not start.
    pub outcome: Result<Vec<Warning>, Refusal>,
}

/// Everything that a server can be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The client port and its connections.
    pub client: Client,
    /// Session timeouts.
    pub session: Session,
    /// Logs and snapshots.
    pub storage: Storage,
    /// How writes share a sync.
    pub batching: Batching,
    /// Limits on requests in work.
    pub throttle: Throttle,
    /// The token bucket for new connections.
    pub connection_throttle: ConnectionThrottle,
    /// Sizes of packets, caches and buffers.
    pub limits: Limits,
    /// Rules of the tree.
    pub tree: Tree,
    /// The scan for containers and expired TTL nodes.
    pub containers: Containers,
    /// Who may do what.
    pub auth: Auth,
    /// What operators see.
    pub operator: Operator,
    /// What a member of an ensemble is told; `None` for a standalone server.
    pub ensemble: Option<Ensemble>,
    /// What the operator should be told; the caller logs it.
    pub warnings: Vec<Warning>,
}

/// The positional arguments `port dataDir [tickTime [maxClientCnxns]]`, by the keys they stand for.
const ARGUMENTS: [&str; 4] = ["clientPort", "dataDir", "tickTime", "maxClientCnxns"];

impl Config {
    /// Reads a configuration file and what belongs to it. `overrides` are `-D` settings of the command line
    /// as key and value; they win over the file.
    pub fn load(path: &Path, overrides: &[(String, String)]) -> Result<Self, Refusal> {
        load::load(path, overrides)
    }

    /// What that configuration means, and what is wrong with it.
    pub fn check(path: &Path, overrides: &[(String, String)]) -> Check {
        load::check(path, overrides)
    }

    /// With what a client speaks TLS that was given these properties of the official one (`zookeeper.ssl.…`); `None` for plain text,
    /// unless `is_secure` or `zookeeper.client.secure` asks for it.
    ///
    /// # Errors
    /// A property has a value that it cannot have.
    pub fn dialling(
        properties: &[(String, String)],
        is_secure: bool,
    ) -> Result<Option<TlsSettings>, ConfigError> {
        tls::dialling(properties, is_secure)
    }

    /// The configuration in `text`, as if it were in a file named `name` with no other files around.
    pub fn parse(name: &str, text: &str, overrides: &[(String, String)]) -> Result<Self, Refusal> {
        let mut settings = Settings::default();
        settings.add_file(name, text)?;
        Self::finish(settings, overrides)
    }

    /// The server that `oxkeeper` alone starts: port 2181, data in `./data`, no admin server (whose port others like to have, too),
    /// defaults for all else.
    pub fn default_server(overrides: &[(String, String)]) -> Result<Self, Refusal> {
        let mut settings = Settings::default();
        settings.add_all(
            [("clientPort", "2181"), ("dataDir", "./data"), ("admin.enableServer", "false")],
            &Origin::Default,
        );
        Self::finish(settings, overrides)
    }

    /// The server for `port dataDir [tickTime [maxClientCnxns]]`. As in `ServerConfig`, connections of one
    /// address are unlimited unless the fourth argument limits them: only a file has the default of 60.
    ///
    /// # Panics
    /// With more than four arguments.
    pub fn from_arguments(arguments: &[String], overrides: &[(String, String)]) -> Result<Self, Refusal> {
        assert!(arguments.len() <= ARGUMENTS.len(), "the command line has counted them");
        let mut settings = Settings::default();
        settings.add_all([("maxClientCnxns", "0")], &Origin::Default);
        let pairs = ARGUMENTS.into_iter().zip(arguments.iter().map(String::as_str));
        settings.add_all(pairs, &Origin::CommandLine);
        Self::finish(settings, overrides)
    }

    /// Whether clients are taken while this server leads (`leaderServes`); one that is alone takes them.
    pub fn leader_serves(&self) -> bool {
        self.ensemble.as_ref().is_none_or(|ensemble| ensemble.leading.serves_clients)
    }

    /// Whether new sessions stay on this server (`localSessionsEnabled`); one that is alone has none of the kind.
    pub fn opens_local_sessions(&self) -> bool {
        self.ensemble.as_ref().is_some_and(|ensemble| ensemble.local_sessions.enabled)
    }

    /// Settings with their values, defaults and meanings, for people: those of these names, or all when there is none.
    ///
    /// # Errors
    /// What to say about a name that no setting has.
    pub fn describe(names: &[String]) -> Result<String, String> {
        table::describe(names).map_err(|name| {
            let similar = spelling::similar(&name).map(|similar| format!("; did you mean {similar}?"));
            format!("no setting is called {name}{}", similar.unwrap_or_default())
        })
    }

    fn finish(mut settings: Settings, overrides: &[(String, String)]) -> Result<Self, Refusal> {
        settings.add_all(overrides.iter().map(|(key, value)| (&**key, &**value)), &Origin::CommandLine);
        build::build(settings, None)
    }
}
