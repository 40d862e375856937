//! The system's Kerberos, for a server whose settings ask for it.

use super::ServerError;
use crate::{config, gss::Kerberos};
use std::cell::OnceCell;

/// The system's Kerberos, loaded once somebody asks for it.
pub(super) struct OnDemand<'c> {
    settings: &'c config::Kerberos,
    loaded: OnceCell<Kerberos>,
}

impl<'c> OnDemand<'c> {
    pub(super) const fn new(settings: &'c config::Kerberos) -> Self {
        Self { settings, loaded: OnceCell::new() }
    }

    /// Where somebody logs in, there may have to be a configuration.
    ///
    /// # Errors
    /// There has to be one, and there is none.
    pub(super) fn check(&self) -> Result<(), ServerError> {
        if self.settings.is_required && self.get()?.default_realm().is_none() {
            let problem = "no default_realm is configured, and requireKerberosConfig=true".to_owned();
            return Err(ServerError::Kerberos { problem });
        }
        Ok(())
    }

    /// # Errors
    /// There is none.
    pub(super) fn get(&self) -> Result<&Kerberos, ServerError> {
        if let Some(kerberos) = self.loaded.get() {
            return Ok(kerberos);
        }
        let kerberos = Kerberos::load(self.settings.config.as_deref());
        let kerberos = kerberos.map_err(|error| ServerError::Kerberos { problem: error.to_string() })?;
        Ok(self.loaded.get_or_init(|| kerberos))
    }
}
