//! How a session says by SASL who it is (`ZooKeeperSaslClient`): DIGEST-MD5, or GSSAPI.

use crate::{
    gss::{Context, GssError, Initiator, Service},
    sasl::{self, GssapiClient},
};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};
use tokio::task::{JoinError, spawn_blocking};

/// As whom.
#[derive(Clone)]
pub enum Login {
    /// A user with a password, by DIGEST-MD5.
    Password {
        /// The user.
        user: String,
        /// Its password.
        password: String,
    },
    /// A principal, by GSSAPI.
    Kerberos {
        /// Who has the tickets.
        initiator: Initiator,
        /// What servers are called (`SaslServerPrincipal`).
        service: Service,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => {
                f.debug_struct("Password").field("user", user).finish_non_exhaustive()
            }
            Self::Kerberos { service, .. } => {
                f.debug_struct("Kerberos").field("service", service).finish_non_exhaustive()
            }
        }
    }
}

/// Why the client cannot say who it is, or does not believe who the server is.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    #[error(transparent)]
    Digest(#[from] sasl::DigestError),
    #[error("{principal}: {error}")]
    Ticket { principal: String, error: GssError },
    #[error(transparent)]
    Gssapi(#[from] sasl::GssapiError<GssError>),
    #[error("the thread for the system's Kerberos has ended: {0}")]
    Thread(#[from] JoinError),
}

/// A login under way.
pub(super) enum Exchange {
    /// It waits for the first challenge, which an empty token asks for.
    Begins(sasl::Client),
    /// It has answered the challenge, and waits for the server's proof.
    Answered(sasl::Client),
    /// It has a ticket.
    Ticket(Box<GssapiClient<Context>>),
}

impl Exchange {
    /// With the server at `host`, and the first token for it.
    pub(super) async fn begin(login: Login, host: String) -> Result<(Self, Vec<u8>), LoginError> {
        match login {
            Login::Password { user, password } => {
                let cnonce = format!("{:016x}", RandomState::new().hash_one(1));
                let client = sasl::Client::new("zookeeper", "zk-sasl-md5", user, password, cnonce);
                Ok((Self::Begins(client), Vec::new()))
            }
            Login::Kerberos { initiator, service } => {
                let begin = move || {
                    let principal = service.at(&host);
                    let begun = initiator.begin(&principal);
                    begun.map_err(|error| LoginError::Ticket { principal, error })
                };
                let client = Box::new(GssapiClient::new(spawn_blocking(begin).await??));
                Self::with_ticket(client, Vec::new()).await
            }
        }
    }

    /// Takes what the server answers. Returns the next token for it; `None`: all is said.
    pub(super) async fn next(self, answer: &[u8]) -> Result<Option<(Self, Vec<u8>)>, LoginError> {
        match self {
            Self::Begins(mut client) => {
                let token = client.answer(answer)?;
                Ok(Some((Self::Answered(client), token)))
            }
            Self::Answered(client) => {
                client.check(answer)?;
                Ok(None)
            }
            Self::Ticket(client) if client.is_over() => Ok(None),
            Self::Ticket(client) => Self::with_ticket(client, answer.to_vec()).await.map(Some),
        }
    }

    /// On another thread: the library may ask the KDC.
    async fn with_ticket(
        mut client: Box<GssapiClient<Context>>,
        challenge: Vec<u8>,
    ) -> Result<(Self, Vec<u8>), LoginError> {
        let step = move || {
            let token = client.answer(&challenge)?;
            Ok::<_, sasl::GssapiError<GssError>>((Self::Ticket(client), token))
        };
        Ok(spawn_blocking(step).await??)
    }
}
