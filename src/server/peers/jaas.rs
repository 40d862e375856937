//! How members log in to each other, from the JAAS file.

use crate::{
    config,
    gss::{self, Acceptor, Initiator, Kerberos, Service},
    sasl::{Module, Way, way},
    server::{ServerError, jaas::JaasFile, kerberos},
};
use std::{collections::BTreeMap, fmt};

/// How this member logs in to others, and who may log in here.
#[derive(Clone)]
pub(crate) struct PeerLogin {
    pub(super) lets_in: LetsIn,
    /// Whoever does not log in is not let in (`quorum.auth.serverRequireSasl`).
    pub(super) is_required: bool,
    /// How this member logs in; `None`: it does not (`quorum.auth.learnerRequireSasl`).
    pub(super) own: Option<Own>,
    /// Hosts are what the resolver calls them (`kerberos.canonicalizeHostNames`).
    pub(super) canonical: Option<Kerberos>,
}

/// Who may log in.
#[derive(Clone)]
pub(super) enum LetsIn {
    /// These, by name with their passwords.
    Passwords(BTreeMap<String, String>),
    /// Principals whose host is a member's.
    Kerberos(Acceptor),
}

/// How this member logs in.
#[derive(Clone)]
pub(super) enum Own {
    Password(String, String),
    Kerberos {
        initiator: Initiator,
        /// What others are called (`quorum.auth.kerberos.servicePrincipal`).
        service: Service,
    },
}

impl fmt::Debug for PeerLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerLogin").field("is_required", &self.is_required).finish_non_exhaustive()
    }
}

impl PeerLogin {
    /// As the sections of the JAAS file say. `kerberos`: the system's.
    ///
    /// # Errors
    /// It has not got them, or asks for what cannot be had.
    pub(crate) fn load(
        sasl: &config::QuorumSasl,
        file: &JaasFile,
        kerberos: &kerberos::OnDemand<'_>,
    ) -> Result<Self, ServerError> {
        let (server, learner) =
            (Section::of(sasl, file, &sasl.server_section)?, Section::of(sasl, file, &sasl.learner_section)?);
        let lets_in = match server.way {
            Way::Passwords(passwords) => LetsIn::Passwords(passwords),
            Way::Kerberos(module) => {
                let (acceptor, _) =
                    gss::acceptor(kerberos.get()?, module).map_err(|problem| server.refused(&problem))?;
                LetsIn::Kerberos(acceptor)
            }
        };
        let own = match &learner.way {
            _ if !sasl.logs_in => None,
            Way::Passwords(_) => Some(learner.password()?),
            Way::Kerberos(module) => {
                let kerberos = kerberos.get()?;
                let initiator = gss::initiator(kerberos, module);
                let initiator = initiator.map_err(|problem| learner.refused(&problem))?;
                let (principal, realm) = (&sasl.service_principal, sasl.realm.as_deref());
                let service = Service::new(principal, realm, module, kerberos, sasl.canonical_hosts);
                Some(Own::Kerberos { initiator, service })
            }
        };
        let canonical = if sasl.canonical_hosts { Some(kerberos.get()?.clone()) } else { None };
        Ok(Self { lets_in, is_required: sasl.is_required, own, canonical })
    }
}

/// A section of the file.
struct Section<'a> {
    file: &'a JaasFile,
    name: &'a str,
    modules: &'a [Module],
    way: Way<'a>,
}

impl<'a> Section<'a> {
    fn of(sasl: &config::QuorumSasl, file: &'a JaasFile, name: &'a str) -> Result<Self, ServerError> {
        let modules = file.jaas.section(name).filter(|modules| !modules.is_empty());
        let missing = || file.refused(format!("it has no section {name}, which members need"));
        let modules = modules.ok_or_else(missing)?;
        let way = way(modules).map_err(|other| {
            let text = "members log in with DigestLoginModule or Krb5LoginModule";
            file.refused_in(name, &format!("{}: {text}", other.class))
        })?;
        if sasl.is_fips && sasl.logs_in && matches!(way, Way::Passwords(_)) {
            let problem = "members log in with DIGEST-MD5, which fips-mode excludes: set fips-mode=false";
            return Err(file.refused_in(name, problem));
        }
        Ok(Self { file, name, modules, way })
    }

    fn refused(&self, problem: &str) -> ServerError {
        self.file.refused_in(self.name, problem)
    }

    fn password(&self) -> Result<Own, ServerError> {
        let option = |name: &str| self.modules.iter().find_map(|module| module.options.get(name).cloned());
        let own = option("username").zip(option("password"));
        let (user, password) = own.ok_or_else(|| self.refused("a username and a password are needed"))?;
        Ok(Own::Password(user, password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, is_fips: bool, logs_in: bool) -> Result<PeerLogin, String> {
        let sasl = config::QuorumSasl {
            logs_in,
            is_required: false,
            learner_section: "L".to_owned(),
            server_section: "S".to_owned(),
            is_fips,
            service_principal: "zkquorum/_HOST".to_owned(),
            realm: None,
            canonical_hosts: false,
        };
        let settings = config::Kerberos { config: None, is_required: false };
        let kerberos = kerberos::OnDemand::new(&settings);
        PeerLogin::load(&sasl, &JaasFile::of("/j", text), &kerberos).map_err(|error| error.to_string())
    }

    #[test]
    fn what_members_cannot_log_in_with_is_told() {
        let of = |class: &str| {
            format!(
                "S {{ {class} required user_m=\"s\"; }}; L {{ {class} required username=m password=s; }};"
            )
        };
        let digest = of("org.apache.zookeeper.server.auth.DigestLoginModule");
        let login = load(&digest, false, true).expect("passwords");
        assert!(matches!(login.lets_in, LetsIn::Passwords(users) if users.len() == 1));
        assert!(matches!(login.own, Some(Own::Password(user, _)) if user == "m"));
        assert!(load(&digest, true, false).expect("it lets in alone").own.is_none());
        let at = "java.security.auth.login.config=/j: ";
        let fips = "section S: members log in with DIGEST-MD5, which fips-mode excludes: set fips-mode=false";
        assert_eq!(load(&digest, true, true).expect_err("FIPS"), format!("{at}{fips}"));
        let other = "section S: x.Other: members log in with DigestLoginModule or Krb5LoginModule";
        assert_eq!(load(&of("x.Other"), false, true).expect_err("another class"), format!("{at}{other}"));
        let none = "it has no section S, which members need";
        assert_eq!(load("L { };", false, true).expect_err("no section"), format!("{at}{none}"));
        let nameless = digest.replace("username=m", "");
        let problem = "section L: a username and a password are needed";
        assert_eq!(load(&nameless, false, true).expect_err("no name"), format!("{at}{problem}"));
    }
}
