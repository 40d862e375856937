//! Logins of clients by SASL: who may, and the exchange of one connection (`ZooKeeperSaslServer`,
//! `SaslServerCallbackHandler`).
//!
//! Promise: what follows an exchange that is over is judged with the new identity, also what was sent behind it at once.
//! A connection holds one exchange, of a bounded size; a second one ends the connection.

use super::{
    kerberos::{Asked, KerberosThread, Stepped, Steps, steps},
    local::Answer,
};
use crate::{
    auth::{self, Identities},
    config::{self, Secret},
    gss::{self, Acceptor, Context, GssError},
    sasl::{
        DigestError, GssapiError, GssapiNext, GssapiServer, NameRules, Next, RuleError, Server, Way, way,
    },
    server::{ServerError, chance, jaas::JaasFile, kerberos},
    session::ConnId,
    topics,
};
use oxkeeper_codec::{
    Code, Encode, Zxid,
    records::{RequestHeader, SetSaslResponse},
};
use std::{collections::BTreeMap, fmt};

/// The protocol and the name that servers have towards their clients.
const PROTOCOL: &str = "zookeeper";
const REALM: &str = "zk-sasl-md5";
/// The user whose password the configuration may set.
const SUPER: &str = "super";

/// Who may log in, and what becomes of who fails.
#[derive(Debug)]
pub(crate) struct Logins {
    mechanism: Mechanism,
    rules: NameRules,
    super_users: Vec<String>,
    /// A connection stays that has failed.
    keeps_failed: bool,
    /// There are connections that nothing is served to before they have logged in.
    is_required: bool,
}

/// How clients log in.
enum Mechanism {
    /// By names and passwords; that of the user `super` may be set elsewhere.
    Digest { passwords: BTreeMap<String, String>, super_password: Option<Secret> },
    /// By tickets, on a thread.
    Kerberos { acceptor: Acceptor, steps: Steps },
}

impl fmt::Debug for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest { passwords, .. } => {
                f.debug_struct("Digest").field("users", &passwords.keys()).finish_non_exhaustive()
            }
            Self::Kerberos { acceptor, .. } => {
                f.debug_struct("Kerberos").field("acceptor", acceptor).finish_non_exhaustive()
            }
        }
    }
}

/// The login of a connection.
#[derive(Debug)]
pub(super) enum Login {
    /// By name and password.
    Digest(Server),
    /// By a ticket.
    Kerberos(GssapiServer<Context>),
    /// A step of it is being taken, elsewhere: what follows waits.
    Away,
    /// It is over: there is not another one.
    Over,
}

/// Why a login failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    /// DIGEST-MD5 refuses.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// Kerberos refuses.
    #[error("Kerberos: {0}")]
    Kerberos(#[from] GssapiError<GssError>),
    /// There is one exchange a connection.
    #[error("the exchange is over already")]
    Over,
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
    /// As the JAAS file says, if there is one; loads the system's Kerberos if that asks for it. `None`: it has nothing for
    /// clients.
    ///
    /// # Errors
    /// It asks for what cannot be had.
    pub(crate) fn load(
        config: &config::Auth,
        jaas: Option<&JaasFile>,
        kerberos: &kerberos::OnDemand<'_>,
    ) -> Result<Option<(Self, Option<KerberosThread>)>, ServerError> {
        let sasl = &config.sasl;
        let schemes = config.enforced_schemes.as_deref().unwrap_or_default();
        let is_required = schemes.contains(&config::EnforcedScheme::Sasl);
        let Some(file) = jaas else {
            if sasl.provider {
                tracing::warn!(target: topics::AUTH, "no client can log in by SASL: authProvider.X is set, and java.security.auth.login.config is not");
            }
            return Ok(None);
        };
        let Some(modules) = file.jaas.section(&sasl.section) else {
            let names = file.jaas.names().collect::<Vec<_>>().join(", ");
            let problem = format!("it has no section {}, only {names} (sasl.serverconfig)", sasl.section);
            if is_required {
                return Err(file.refused(problem));
            }
            // The file may be for members alone.
            if sasl.provider {
                tracing::warn!(target: topics::AUTH, file = %file.path().display(), problem, "no client can log in by SASL");
            }
            return Ok(None);
        };
        let in_section = |problem: String| file.refused_in(&sasl.section, &problem);
        let way = way(modules).map_err(|other| {
            in_section(format!("{}: there are DigestLoginModule and Krb5LoginModule", other.class))
        })?;
        let (path, section) = (file.path().display(), &sasl.section);
        let (mechanism, default_realm, thread) = match way {
            Way::Passwords(passwords) => {
                let users = passwords.len();
                tracing::info!(target: topics::AUTH, file = %path, section, users, "clients can log in by SASL (DIGEST-MD5)");
                let super_password = sasl.super_password.clone();
                (Mechanism::Digest { passwords, super_password }, None, None)
            }
            Way::Kerberos(module) => {
                let kerberos = kerberos.get()?;
                let (acceptor, principal) = gss::acceptor(kerberos, module).map_err(in_section)?;
                tracing::info!(target: topics::AUTH, file = %path, section, principal, "clients can log in by SASL (GSSAPI)");
                let (steps, thread) = steps();
                (Mechanism::Kerberos { acceptor, steps }, kerberos.default_realm(), Some(thread))
            }
        };
        let rules = NameRules::new(
            &sasl.rules,
            default_realm.unwrap_or_default(),
            sasl.removes_host,
            sasl.removes_realm,
        );
        let logins = Self {
            mechanism,
            rules: rules.map_err(|error| file.refused(error.to_string()))?,
            super_users: sasl.super_users.clone(),
            keeps_failed: sasl.keeps_failed,
            is_required,
        };
        Ok(Some((logins, thread)))
    }

    /// Takes a token of a connection, whose exchange begins with the first. The answer, and why the client is not let in,
    /// if it is not; `None`: the answer comes as mail of this worker.
    pub(super) fn step(
        &self,
        (worker, conn): (usize, ConnId),
        login: &mut Option<Box<Login>>,
        identities: &mut Identities,
        header: &RequestHeader,
        token: &[u8],
    ) -> Option<(Answer, Option<LoginError>)> {
        let held = match login.take() {
            Some(held) => *held,
            None => match self.begin() {
                Ok(begun) => begun,
                Err(error) => return Some(self.answer(Err(error))),
            },
        };
        let (held, step) = match (held, &self.mechanism) {
            (Login::Digest(mut server), Mechanism::Digest { passwords, super_password }) => {
                let password = |user: &str| {
                    let listed = passwords.get(user)?;
                    let set = super_password.as_ref().filter(|_| user == SUPER);
                    Some(set.map_or_else(|| listed.clone(), |set| set.reveal().to_owned()))
                };
                let step = match server.step(token, password) {
                    Ok(Next::Send(token)) => Ok(Some(token)),
                    Ok(Next::Done { token, user }) => {
                        self.let_in(&user, &user, identities).map(|()| Some(token))
                    }
                    Err(error) => Err(error.into()),
                };
                (Login::Digest(server), Some(step))
            }
            (Login::Kerberos(exchange), Mechanism::Kerberos { steps, .. }) => {
                let (header, token) = (header.clone(), token.to_vec());
                steps.ask(Asked { worker, conn, header, exchange, token });
                (Login::Away, None)
            }
            // One step is under way at most: what follows it is not read.
            (Login::Away, _) => (Login::Away, None),
            _ => (Login::Over, Some(Err(LoginError::Over))),
        };
        *login = Some(Box::new(held));
        step.map(|step| self.answer(step))
    }

    /// The exchange of a connection that has not logged in yet.
    fn begin(&self) -> Result<Login, LoginError> {
        match &self.mechanism {
            Mechanism::Digest { .. } => {
                let nonce = chance::nonce().ok_or(LoginError::NoNonce)?;
                Ok(Login::Digest(Server::new(PROTOCOL, REALM, nonce)))
            }
            Mechanism::Kerberos { acceptor, .. } => Ok(Login::Kerberos(GssapiServer::new(acceptor.begin()))),
        }
    }

    /// What a step by Kerberos has brought, for the connection that it was taken for.
    pub(super) fn stepped(
        &self,
        login: &mut Option<Box<Login>>,
        identities: &mut Identities,
        Stepped { exchange, outcome, .. }: Stepped,
    ) -> (Answer, Option<LoginError>) {
        let (goes_on, step) = match outcome {
            Ok(GssapiNext::Send(token)) => (Some(Login::Kerberos(exchange)), Ok(Some(token))),
            Ok(GssapiNext::Done { principal, acts_as }) => {
                (Some(Login::Over), self.let_in(&principal, &acts_as, identities).map(|()| None))
            }
            // Who stays although it has failed may show another ticket, as officially.
            Err(error) => (exchange.stands().then_some(Login::Over), Err(error.into())),
        };
        *login = goes_on.map(Box::new);
        self.answer(step)
    }

    /// Ends the thread, if there is one.
    pub(super) fn end(&self) {
        if let Mechanism::Kerberos { steps, .. } = &self.mechanism {
            steps.end();
        }
    }

    fn answer(&self, step: Result<Option<Vec<u8>>, LoginError>) -> (Answer, Option<LoginError>) {
        match step {
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

    /// Adds the identity of who has logged in. Without a rule for it the official server takes what the client wants to act as,
    /// whatever that is; here it must be itself.
    fn let_in(&self, name: &str, acts_as: &str, identities: &mut Identities) -> Result<(), LoginError> {
        let id = match self.rules.id_of(name) {
            Err(RuleError::NoRule) if name == acts_as => name.to_owned(),
            made => made?,
        };
        auth::identify_login(&id, &self.super_users, identities).ok_or(LoginError::TooMany)
    }
}

/// The answer of a server that has this to say, or nothing.
pub(super) fn told(token: Option<Vec<u8>>) -> Answer {
    Answer::new(Zxid::ZERO, Ok(SetSaslResponse { token: token.map(Into::into) }.to_vec()))
}
