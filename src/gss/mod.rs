//! Kerberos, by the system's GSSAPI.
//!
//! Promise: who has a [`Kerberos`] can let principals in ([`Acceptor`]) and log in as one ([`Initiator`]); a [`Context`] is
//! one login, for the state machines of `sasl`.
//! Invariants: the library is loaded when it is asked for; calls may block, for files (keys, what was seen before) and,
//! where this side logs in, for the KDC: they are for threads that nobody waits for.

mod library;
mod module;
mod service;

use crate::sasl;
use library::{Credentials, Library, Name, Usage};
pub use module::{acceptor, initiator};
pub use service::Service;
use std::{fmt, fs::File, path::Path, sync::Arc};

/// Why a login fails, or none can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GssError {
    /// The library is not there.
    #[error("Kerberos needs the system's {name} (Debian: libgssapi-krb5-2, Fedora: krb5-libs): {problem}")]
    NoLibrary {
        /// What is looked for.
        name: &'static str,
        /// What the loader says.
        problem: String,
    },
    /// What it is to read in place of `/etc/krb5.conf` cannot be read.
    #[error("java.security.krb5.conf={0}")]
    Config(String),
    /// The library refuses.
    #[error("{0}")]
    Failed(String),
    /// It is some other mechanism than Kerberos.
    #[error("it is not by Kerberos")]
    OtherMechanism,
    /// The name of a principal is not text.
    #[error("the name of its principal is not text")]
    NotText,
    /// A name with a zero byte.
    #[error("a name with a zero byte")]
    Nul,
}

/// The system's Kerberos.
#[derive(Clone)]
pub struct Kerberos {
    library: Library,
}

impl fmt::Debug for Kerberos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kerberos").finish_non_exhaustive()
    }
}

impl Kerberos {
    /// Loads it. `config`: what it reads in place of `/etc/krb5.conf`. To be called before there are threads that
    /// look up names.
    ///
    /// # Errors
    /// There is none, or `config` cannot be read.
    pub fn load(config: Option<&Path>) -> Result<Self, GssError> {
        if let Some(path) = config {
            let refused = |error| GssError::Config(format!("{}: cannot read it: {error}", path.display()));
            File::open(path).map_err(refused)?;
        }
        Ok(Self { library: Library::load(config.map(AsRef::as_ref))? })
    }

    /// The realm of names that name none; `None`: the configuration has none.
    pub fn default_realm(&self) -> Option<String> {
        self.library.default_realm()
    }

    /// What the resolver has for a host, as the library's own configuration says (`dns_canonicalize_hostname`, `rdns`); itself if
    /// that is nothing.
    pub fn canonical_host(&self, host: &str) -> String {
        let found = self.library.canonical(&format!("host@{host}")).ok();
        let found = found.as_deref().and_then(|name| name.strip_prefix("host/")?.split('@').next());
        found.map_or_else(|| host.to_owned(), str::to_owned)
    }

    /// Lets in whoever has a ticket for `principal`, whose keys are in the file `keytab`, or in the system's. The file is
    /// read again at each login.
    ///
    /// # Errors
    /// The keys are not there.
    pub fn acceptor(&self, principal: &str, keytab: Option<&str>) -> Result<Acceptor, GssError> {
        let name = self.library.name(principal)?;
        let store = keytab.map(|path| ("keytab", path));
        let credentials = self.library.credentials(Some(&name), Usage::Accept, store.as_slice())?;
        Ok(Acceptor { library: self.library.clone(), credentials: Arc::new(credentials) })
    }
}

/// The side that lets in.
#[derive(Clone)]
pub struct Acceptor {
    library: Library,
    credentials: Arc<Credentials>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl Acceptor {
    /// A login that begins.
    pub fn begin(&self) -> Context {
        Context { side: Side::Accepts(Arc::clone(&self.credentials)), context: self.library.context() }
    }
}

/// Where the tickets of the side that logs in come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tickets {
    /// They are asked of the KDC with the key in this file, or in the system's, whenever they are about to run out.
    Keytab(Option<String>),
    /// They are in this cache, or in the system's, and somebody else renews them.
    Cache(Option<String>),
}

/// The side that logs in.
#[derive(Debug, Clone)]
pub struct Initiator {
    kerberos: Kerberos,
    /// As whom; `None`: whose tickets there are.
    principal: Option<String>,
    tickets: Tickets,
}

impl Initiator {
    /// Logs in as `principal`.
    pub const fn new(kerberos: Kerberos, principal: Option<String>, tickets: Tickets) -> Self {
        Self { kerberos, principal, tickets }
    }

    /// A login that begins, at the principal `target`. It asks the KDC.
    ///
    /// # Errors
    /// There is no ticket to be had.
    pub fn begin(&self, target: &str) -> Result<Context, GssError> {
        let (credentials, target) = (self.credentials()?, self.kerberos.library.name(target)?);
        Ok(Context { side: Side::LogsIn { credentials, target }, context: self.kerberos.library.context() })
    }

    /// They are had anew for each login: that is when the library looks whether tickets are about to run out.
    fn credentials(&self) -> Result<Credentials, GssError> {
        let library = &self.kerberos.library;
        let name = self.principal.as_deref().map(|principal| library.name(principal)).transpose()?;
        let mut store = Vec::new();
        // Tickets that come by a key are this process's own.
        let own = format!("MEMORY:oxkeeper:{}", self.principal.as_deref().unwrap_or_default());
        match &self.tickets {
            Tickets::Keytab(path) => {
                store.extend(path.as_deref().map(|path| ("client_keytab", path)));
                store.push(("ccache", &own));
            }
            Tickets::Cache(path) => store.extend(path.as_deref().map(|path| ("ccache", path))),
        }
        library.credentials(name.as_ref(), Usage::Initiate, &store)
    }
}

enum Side {
    Accepts(Arc<Credentials>),
    LogsIn { credentials: Credentials, target: Name },
}

/// One login.
pub struct Context {
    side: Side,
    context: library::Context,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl sasl::Context for Context {
    type Error = GssError;

    fn step(&mut self, token: &[u8]) -> Result<sasl::Step, GssError> {
        match &self.side {
            Side::Accepts(credentials) => self.context.accept(credentials, token),
            Side::LogsIn { credentials, target } => self.context.initiate(credentials, target, token),
        }
    }

    fn wrap(&mut self, plain: &[u8]) -> Result<Vec<u8>, GssError> {
        self.context.wrap(plain)
    }

    fn unwrap(&mut self, sealed: &[u8]) -> Result<Vec<u8>, GssError> {
        self.context.unwrap(sealed)
    }
}
