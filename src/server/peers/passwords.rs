//! Names and passwords of members, from the JAAS file.

use crate::{
    config,
    sasl::{Jaas, passwords},
    server::ServerError,
};
use std::{collections::BTreeMap, fmt};

/// How this member logs in to others, and who may log in here.
#[derive(Clone)]
pub(crate) struct PeerLogin {
    /// By name.
    pub(super) passwords: BTreeMap<String, String>,
    /// Whoever does not log in is not let in (`quorum.auth.serverRequireSasl`).
    pub(super) is_required: bool,
    /// This member's own name and password; `None`: it does not log in (`quorum.auth.learnerRequireSasl`).
    pub(super) own: Option<(String, String)>,
}

impl fmt::Debug for PeerLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerLogin").field("is_required", &self.is_required).finish_non_exhaustive()
    }
}

impl PeerLogin {
    /// Reads the sections of the JAAS file.
    ///
    /// # Errors
    /// It cannot be read, has not got them, or asks for what cannot be had.
    pub(crate) fn load(sasl: &config::QuorumSasl, jaas: &Jaas) -> Result<Self, ServerError> {
        let refused = |problem: String| ServerError::Jaas { path: sasl.jaas_file.clone(), problem };
        let section = |name: &str| {
            let modules = jaas.section(name).filter(|modules| !modules.is_empty());
            let modules =
                modules.ok_or_else(|| refused(format!("it has no section {name}, which members need")))?;
            let passwords = passwords(modules).map_err(|other| {
                let text = "members log in with DigestLoginModule in this version";
                refused(format!("section {name}: {}: {text}", other.class))
            })?;
            Ok::<_, ServerError>((modules, passwords))
        };
        let (_, passwords) = section(&sasl.server_section)?;
        let (learner, _) = section(&sasl.learner_section)?;
        let option = |name: &str| learner.iter().find_map(|module| module.options.get(name).cloned());
        let own = match sasl.logs_in {
            false => None,
            true => Some(option("username").zip(option("password")).ok_or_else(|| {
                refused(format!("section {}: a username and a password are needed", sasl.learner_section))
            })?),
        };
        Ok(Self { passwords, is_required: sasl.is_required, own })
    }
}
