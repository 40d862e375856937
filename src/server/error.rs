//! Why a server does not start.

use crate::{storage::StoreError, tls::TlsError};
use std::{error::Error, io, path::PathBuf};

/// A start that failed: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data directory is not to be had: it is not there and may not be created, is no directory, or is in use.
    #[error("the data directory {dir} cannot be used: {source}")]
    DataDir {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no data, and nobody has said that this is right.
    #[error(
        "{dir} holds no data, and db.autocreate=false: data may be missing. If the database is to begin empty, \
         create the file {initialize}"
    )]
    NoDatabase {
        /// Where the data should be.
        dir: PathBuf,
        /// The file that lets it begin empty.
        initialize: PathBuf,
    },
    /// There is a snapshot, and the directory of logs, which is another one, is empty.
    #[error(
        "{snapshot} is in {dir}, but there is no log in {log_dir}: what was written after the snapshot would be \
         missing. Is dataLogDir set anew? Set it back, or move the files log.* there. If they are lost, or it is a \
         snapshot alone that is to be restored, create the file {initialize}"
    )]
    NoLogs {
        /// The newest snapshot.
        snapshot: String,
        /// Where it is.
        dir: PathBuf,
        /// Where the logs should be.
        log_dir: PathBuf,
        /// The file that lets the logs begin empty.
        initialize: PathBuf,
    },
    /// The data cannot be read without loss.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host of a client port has no address.
    #[error("{key}={host}: cannot find its address: {source}")]
    Resolve {
        /// The setting.
        key: &'static str,
        /// As it is written.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The client port cannot be listened on.
    #[error("cannot listen on {address}: {source}{}", hint(source))]
    Listen {
        /// Address and port.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The admin server's port cannot be listened on.
    #[error("the admin server: {0}. Set another admin.serverPort, or admin.enableServer=false")]
    AdminPort(Box<Self>),
    /// The audit log cannot be written.
    #[error("audit.file={path}: cannot write it: {source}", path = path.display())]
    AuditLog {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Logins of clients cannot be had as they are configured.
    #[error("java.security.auth.login.config={path}: {problem}", path = path.display())]
    Jaas {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and on which line.
        problem: String,
    },
    /// Kerberos cannot be had as it is configured.
    #[error("Kerberos: {problem}")]
    Kerberos {
        /// What is wrong.
        problem: String,
    },
    /// TLS cannot be had as it is configured.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system refuses something that a server needs.
    #[error("cannot {what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A thread ended that should not.
    #[error("the thread {0} has failed; see the log")]
    Thread(&'static str),
}

/// What may be the matter with a port.
fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "; is another server running there? Nothing in the data directory was changed"
        }
        io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
        _ => "",
    }
}
