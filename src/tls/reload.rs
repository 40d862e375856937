//! Keys and certificates that are read again when their files change.

use super::{
    Revocation, TlsError,
    context::Material,
    files::{self, Stamp},
    settings::TlsSettings,
};
use crate::topics;
use parking_lot::Mutex;
use rustls::{ClientConfig, ServerConfig};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Keys and certificates, for those who only have them read again.
pub trait Certificates: Send + Sync {
    /// Reads the files again, because of `cause`. If they are no good, what was there before stays. Connections stay in
    /// any case.
    fn reload(&self, cause: &str);

    /// Whether that is to be done when they change.
    fn reloads(&self) -> bool;

    /// Does it if they have changed.
    fn look(&self);
}

/// Reads the files again each time that they have changed, for as long as somebody else holds them.
pub fn watch(certificates: &Weak<dyn Certificates>) {
    loop {
        std::thread::sleep(LOOK_EVERY);
        match certificates.upgrade() {
            Some(certificates) => certificates.look(),
            None => return,
        }
    }
}

/// What is made of the files.
type Make<C> = fn(&TlsSettings) -> Result<C, TlsError>;

/// TLS as its settings say, with the files as they were last read.
#[derive(Debug)]
pub struct Reloaded<C> {
    settings: TlsSettings,
    make: Make<C>,
    current: Mutex<Current<C>>,
}

/// For those who connect to this server.
pub type ServerTls = Reloaded<Accepting>;
/// For both sides of the connections among members.
pub type MemberTls = Reloaded<(Accepting, Arc<ClientConfig>)>;

/// What connections are accepted with, and what looks up certificates, if that is asked for.
#[derive(Debug, Clone)]
pub struct Accepting {
    config: Arc<ServerConfig>,
    revocation: Option<Arc<Revocation>>,
}

impl Accepting {
    fn of(material: &Material<'_>) -> Result<Self, TlsError> {
        Ok(Self { config: Arc::new(material.server()?), revocation: material.revocation()? })
    }
}

#[derive(Debug)]
struct Current<C> {
    made: C,
    stamps: Vec<Stamp>,
}

impl<C> Current<C> {
    fn load(settings: &TlsSettings, make: Make<C>) -> Result<Self, TlsError> {
        // Before they are read: what changes meanwhile is read again.
        let stamps = files::stamps(settings);
        Ok(Self { made: make(settings)?, stamps })
    }
}

impl ServerTls {
    /// Reads the stores.
    ///
    /// # Errors
    /// The setting and the file that cannot be honoured, and why.
    pub fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        Self::new(settings, |settings| Accepting::of(&Material::load(settings, false)?))
    }

    /// What a new connection is accepted with.
    pub fn accepting(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.lock().made.config)
    }

    /// What looks up the certificates that clients show.
    pub fn revocation(&self) -> Option<Arc<Revocation>> {
        self.current.lock().made.revocation.clone()
    }
}

impl MemberTls {
    /// Reads the stores.
    ///
    /// # Errors
    /// The setting and the file that cannot be honoured, and why.
    pub fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        Self::new(settings, |settings| {
            let material = Material::load(settings, true)?;
            Ok((Accepting::of(&material)?, Arc::new(material.client()?)))
        })
    }

    /// What a new connection is accepted with.
    pub fn accepting(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.lock().made.0.config)
    }

    /// What looks up the certificates that members show.
    pub fn revocation(&self) -> Option<Arc<Revocation>> {
        self.current.lock().made.0.revocation.clone()
    }

    /// What a new connection is made with.
    pub fn dialling(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current.lock().made.1)
    }
}

/// What a client connects with: the trust store is needed, and a key only where the server asks for one. The names in the
/// server's certificate are the caller's to check, with [`is_for`](super::is_for).
///
/// # Errors
/// The setting and the file that cannot be honoured, and why.
pub fn client(settings: &TlsSettings) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(Arc::new(Material::load_client(settings)?.client()?))
}

impl<C> Reloaded<C> {
    fn new(settings: TlsSettings, make: Make<C>) -> Result<Self, TlsError> {
        let current = Mutex::new(Current::load(&settings, make)?);
        Ok(Self { settings, make, current })
    }
}

impl<C: Send> Certificates for Reloaded<C> {
    fn reload(&self, cause: &str) {
        let settings = self.settings.prefix;
        match Current::load(&self.settings, self.make) {
            Ok(current) => {
                *self.current.lock() = current;
                tracing::info!(target: topics::SERVER, cause, settings, "keys and certificates are read again");
            }
            Err(error) => {
                // Said once for each change.
                self.current.lock().stamps = files::stamps(&self.settings);
                tracing::error!(target: topics::SERVER, cause, %error, "keys and certificates cannot be read again: those from before stay");
            }
        }
    }

    fn reloads(&self) -> bool {
        self.settings.reloads
    }

    fn look(&self) {
        let changed = self.current.lock().stamps != files::stamps(&self.settings);
        if changed {
            self.reload("the files have changed");
        }
    }
}
