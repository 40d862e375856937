//! What a server has that keeps others out, or tells of them: keys, names and passwords, and the audit log.
//!
//! Promise: all of it is read before the data is, so that a start which cannot be safe ends at once, with the setting, the
//! file and the reason.

use crate::{
    config::{self, Config},
    server::{
        ServerError,
        figures::Audit,
        io::{HandshakeThread, Handshakes, KerberosThread, Logins, listen_secure},
        jaas::JaasFile,
        kerberos::OnDemand,
        peers::{PeerLogin, PeerTls},
    },
    tls::{Certificates, ServerTls},
};
use std::{net::TcpListener, sync::Arc};

/// See the module.
pub(super) struct Security {
    /// TLS for clients.
    pub(super) tls: Option<ClientTls>,
    /// Clients that may log in, and the thread that some ways of that need.
    pub(super) logins: Option<(Logins, Option<KerberosThread>)>,
    /// TLS among members.
    pub(super) peer_tls: Option<PeerTls>,
    /// Logins among members.
    pub(super) peer_login: Option<PeerLogin>,
    /// The audit log.
    pub(super) audit: Option<Audit>,
}

/// TLS for clients.
pub(super) struct ClientTls {
    tls: Arc<ServerTls>,
    pub(super) handshakes: Handshakes,
    pub(super) thread: HandshakeThread,
    /// The port for TLS alone. Clients wait in its backlog while the data is loaded.
    pub(super) listener: Option<TcpListener>,
}

impl ClientTls {
    fn new(client: &config::Client) -> Result<Option<Self>, ServerError> {
        let Some(config) = &client.tls else { return Ok(None) };
        let tls = Arc::new(ServerTls::load(config.settings.clone())?);
        let (handshakes, thread) = Handshakes::new(Arc::clone(&tls), config.max_handshakes)?;
        Ok(Some(Self { tls, handshakes, thread, listener: listen_secure(client)? }))
    }
}

impl Security {
    /// Reads the files, and binds the port for TLS.
    ///
    /// # Errors
    /// The setting that cannot be honoured.
    pub(super) fn load(config: &Config) -> Result<Self, ServerError> {
        let ensemble = config.ensemble.as_ref();
        let peer_tls = ensemble.and_then(|ensemble| ensemble.tls.as_ref());
        let peer_login = ensemble.and_then(|ensemble| ensemble.sasl.as_ref());
        let kerberos = OnDemand::new(&config.auth.kerberos);
        let jaas = config.auth.sasl.jaas_file.as_deref().map(JaasFile::read).transpose()?;
        let peer_login = match (peer_login, &jaas) {
            (Some(sasl), Some(jaas)) => Some(PeerLogin::load(sasl, jaas, &kerberos)?),
            _ => None,
        };
        let security = Self {
            tls: ClientTls::new(&config.client)?,
            logins: Logins::load(&config.auth, jaas.as_ref(), &kerberos)?,
            peer_tls: peer_tls.map(PeerTls::load).transpose()?,
            peer_login,
            audit: audit_log(config)?,
        };
        if security.logins.is_some() || security.peer_login.is_some() {
            kerberos.check()?;
        }
        Ok(security)
    }

    /// All keys and certificates.
    pub(super) fn certificates(&self) -> Vec<Arc<dyn Certificates>> {
        let of_clients = self.tls.iter().map(|tls| Arc::clone(&tls.tls) as Arc<dyn Certificates>);
        let of_members =
            self.peer_tls.iter().map(|tls| Arc::clone(&tls.certificates) as Arc<dyn Certificates>);
        of_clients.chain(of_members).collect()
    }
}

/// Opens the audit log, if there is to be one.
fn audit_log(config: &Config) -> Result<Option<Audit>, ServerError> {
    let Some(to) = &config.operator.audit else { return Ok(None) };
    let opened = Audit::open(to)
        .map_err(|source| ServerError::AuditLog { path: to.file.clone().unwrap_or_default(), source });
    opened.map(Some)
}
