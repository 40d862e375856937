//! What log lines are about: their targets, which `RUST_LOG` may name. They stay when files move.
//!
//! Every line names one of these; `docs/logging.md` lists them.

/// Start and stop, the process, and its settings.
pub const SERVER: &str = "oxkeeper::server";
/// Connections of clients: who is taken in, refused, closed, and why.
pub const CLIENTS: &str = "oxkeeper::clients";
/// Sessions: opened, renewed, expired, ended.
pub const SESSIONS: &str = "oxkeeper::sessions";
/// Who clients are: authentications.
pub const AUTH: &str = "oxkeeper::auth";
/// The audit log, where it has no file of its own.
pub const AUDIT: &str = "oxkeeper::audit";
/// Requests: over a quota, over a limit, of an unknown kind.
pub const REQUESTS: &str = "oxkeeper::requests";
/// Four-letter words.
pub const WORDS: &str = "oxkeeper::words";
/// What operators ask by HTTP: admin commands, and metrics.
pub const ADMIN: &str = "oxkeeper::admin";
/// The data as it is loaded, written, and purged: transaction logs and snapshots.
pub const DATA: &str = "oxkeeper::data";
/// The log itself: what of it was lost.
pub const LOG: &str = "oxkeeper::log";
/// Other members of the ensemble: elections, and links between a leader and its learners.
pub const PEERS: &str = "oxkeeper::peers";
