//! Logins of clients by SASL: who may, and the exchange of one connection (`ZooKeeperSaslServer`,
//! `SaslServerCallbackHandler`).
//!
//! Promise: what follows an exchange that is over is judged with the new identity, also what was sent behind it at once.
//! A connection holds one exchange, of a bounded size; a second one ends the connection.

use super::local::Answer;
use crate::{
    auth::{self, Identities},
    config::{self, Secret},
    sasl::{DigestError, NameRules, Next, RuleError, Server, passwords},
    server::{ServerError, chance, jaas::read_jaas},
    topics,
};
use oxkeeper_codec::{Code, Encode, Zxid, records::SetSaslResponse};
use std::{collections::BTreeMap, fmt};

/// The protocol and the name that servers have towards their clients.
const PROTOCOL: &str = "zookeeper";
const REALM: &str = "zk-sasl-md5";
/// The user whose password the configuration may set.
const SUPER: &str = "super";

/// Who may log in, and what becomes of who fails.
pub(crate) struct Logins {
    passwords: BTreeMap<String, String>,
    super_password: Option<Secret>,
    rules: NameRules,
    super_users: Vec<String>,
    /// A connection stays that has failed.
    keeps_failed: bool,
    /// There are connections that nothing is served to before they have logged in.
    is_required: bool,
}

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users: Vec<&String> = self.passwords.keys().collect();
        f.debug_struct("Logins").field("users", &users).finish_non_exhaustive()
    }
}

/// Why a login failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    /// The mechanism refuses.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The name has no id.
    #[error(transparent)]
    Name(#[from] RuleError),
    /// No nonce can be had.
    #[error("the system gives no random numbers")]
    NoNonce,
    /// The connection has too many identities.
    #[error("the connection has too many identities")]
    TooMany,
}

impl Logins {
    /// Reads the JAAS file. `None`: it has nothing for clients.
    ///
    /// # Errors
    /// It cannot be read, or asks for what cannot be had.
    pub(crate) fn load(config: &config::Auth) -> Result<Option<Self>, ServerError> {
        let sasl = &config.sasl;
        let schemes = config.enforced_schemes.as_deref().unwrap_or_default();
        let is_required = schemes.contains(&config::EnforcedScheme::Sasl);
        let Some(path) = &sasl.jaas_file else {
            if sasl.provider {
                tracing::warn!(target: topics::AUTH, "no client can log in by SASL: authProvider.X is set, and java.security.auth.login.config is not");
            }
            return Ok(None);
        };
        let refused = |problem: String| ServerError::Jaas { path: path.clone(), problem };
        let jaas = read_jaas(path)?;
        let Some(modules) = jaas.section(&sasl.section) else {
            let names = jaas.names().collect::<Vec<_>>().join(", ");
            let problem = format!("it has no section {}, only {names} (sasl.serverconfig)", sasl.section);
            if is_required {
                return Err(refused(problem));
            }
            // The file may be for members alone.
            if sasl.provider {
                tracing::warn!(target: topics::AUTH, file = %path.display(), problem, "no client can log in by SASL");
            }
            return Ok(None);
        };
        let passwords = passwords(modules).map_err(|other| {
            let text = match other.name() {
                "Krb5LoginModule" => "Kerberos is not available in this version",
                _ => "there are DigestLoginModule (and Krb5LoginModule, not in this version)",
            };
            refused(format!("section {}: {}: {text}", sasl.section, other.class))
        })?;
        let rules = NameRules::new(&sasl.rules, String::new(), sasl.removes_host, sasl.removes_realm);
        tracing::info!(
            target: topics::AUTH,
            file = %path.display(),
            section = sasl.section,
            users = passwords.len(),
            "clients can log in by SASL (DIGEST-MD5)"
        );
        Ok(Some(Self {
            passwords,
            super_password: sasl.super_password.clone(),
            rules: rules.map_err(|error| refused(error.to_string()))?,
            super_users: sasl.super_users.clone(),
            keeps_failed: sasl.keeps_failed,
            is_required,
        }))
    }

    fn password(&self, user: &str) -> Option<String> {
        let listed = self.passwords.get(user)?;
        let set = self.super_password.as_ref().filter(|_| user == SUPER);
        Some(set.map_or_else(|| listed.clone(), |set| set.reveal().to_owned()))
    }

    /// One step of an exchange, which begins with the first. The answer, and why the client is not let in, if it is not.
    pub(super) fn step(
        &self,
        exchange: &mut Option<Box<Server>>,
        identities: &mut Identities,
        token: &[u8],
    ) -> (Answer, Option<LoginError>) {
        match self.advance(exchange, identities, token) {
            Ok(token) => (told(token), None),
            Err(error) if self.keeps_failed && !self.is_required => (told(None), Some(error)),
            Err(error) => {
                let code =
                    if self.is_required { Code::SESSION_CLOSED_REQUIRE_SASL_AUTH } else { Code::AUTH_FAILED };
                let nothing = SetSaslResponse { token: None }.to_vec();
                (Answer::last(code, nothing), Some(error))
            }
        }
    }

    fn advance(
        &self,
        exchange: &mut Option<Box<Server>>,
        identities: &mut Identities,
        token: &[u8],
    ) -> Result<Option<Vec<u8>>, LoginError> {
        let server = match exchange {
            Some(server) => server,
            None => {
                let nonce = chance::nonce().ok_or(LoginError::NoNonce)?;
                exchange.insert(Box::new(Server::new(PROTOCOL, REALM, nonce)))
            }
        };
        match server.step(token, |user| self.password(user))? {
            Next::Send(token) => Ok(Some(token)),
            Next::Done { token, user } => {
                let id = self.rules.id_of(&user)?;
                auth::identify_login(&id, &self.super_users, identities).ok_or(LoginError::TooMany)?;
                Ok(Some(token))
            }
        }
    }
}

/// The answer of a server that has this to say, or nothing.
pub(super) fn told(token: Option<Vec<u8>>) -> Answer {
    Answer::new(Zxid::ZERO, Ok(SetSaslResponse { token: token.map(Into::into) }.to_vec()))
}
