//! What the workers share: the rules of the client port, their mail, and who answers four-letter words.

use super::{
    handshakes::Handshakes, kerberos::Stepped, limits::Limits, login::Logins, sealed::Sealed, state::State,
    words::Words,
};
use crate::{
    auth::AuthConfig,
    server::sequence::{Hub, Shard},
    session::ConnId,
};
use oxkeeper_codec::records::Id;
use parking_lot::Mutex;
use std::{
    net::{SocketAddr, TcpStream},
    sync::{Arc, atomic::AtomicBool},
};

/// A question that a worker answers from its own state.
pub(super) type WorkerQuery = Box<dyn FnOnce(&mut State, &mut Shard) + Send>;

/// What a worker is told that has nothing to do with the tree.
pub(crate) enum Mail {
    /// A new connection.
    Accepted(Newcomer),
    /// A question.
    Query(WorkerQuery),
    /// What a connection gets that has asked a four-letter word; it ends then.
    Answered(ConnId, String),
    /// A step of a login.
    Stepped(Box<Stepped>),
    /// The server stops.
    Stop,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Accepted(_) => "Accepted",
            Self::Query(_) => "Query",
            Self::Answered(..) => "Answered",
            Self::Stepped(_) => "Stepped",
            Self::Stop => "Stop",
        })
    }
}

/// A connection that goes to a worker.
pub(crate) struct Newcomer {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// Its TLS, if it has some.
    pub(super) secured: Option<Secured>,
}

/// What a TLS handshake has brought.
pub(super) struct Secured {
    pub(super) sealed: Box<Sealed>,
    /// Whom the client's certificate names.
    pub(super) identities: Vec<Id>,
}

/// The client port, as all workers see it.
pub(crate) struct Front {
    pub(crate) hub: Arc<Hub>,
    pub(crate) auth: AuthConfig,
    pub(crate) limits: Limits,
    /// Who may log in by SASL; `None`: nobody.
    pub(super) logins: Option<Logins>,
    /// Where connections shake hands; `None` where no port has TLS.
    pub(super) handshakes: Option<Handshakes>,
    /// Who answers four-letter words.
    pub(crate) words: Arc<dyn Words>,
    /// Whether nothing more is read from connections: the server is about to stop.
    pub(crate) draining: AtomicBool,
    /// Mail for each worker, in no order with its inbox.
    mail: Vec<Mutex<Vec<Mail>>>,
}

impl Front {
    pub(crate) fn new(
        hub: Arc<Hub>,
        auth: AuthConfig,
        limits: Limits,
        words: Arc<dyn Words>,
        logins: Option<Logins>,
        handshakes: Option<Handshakes>,
    ) -> Self {
        let mail = hub.workers.iter().map(|_| Mutex::default()).collect();
        Self { hub, auth, limits, logins, handshakes, words, draining: AtomicBool::new(false), mail }
    }

    /// The worker with the fewest connections.
    pub(super) fn least_busy(&self) -> usize {
        let fewest = self.hub.workers.iter().enumerate().min_by_key(|(_, port)| port.stats.connections.get());
        fewest.map_or(0, |(index, _)| index)
    }

    /// Leaves mail for a worker.
    pub(crate) fn post(&self, worker: usize, mail: Mail) {
        self.mail[worker].lock().push(mail);
        self.hub.workers[worker].notify.notify_one();
    }

    /// Has no more handshakes made, and no more logins.
    pub(crate) fn end_helpers(&self) {
        if let Some(logins) = &self.logins {
            logins.end();
        }
        if let Some(handshakes) = &self.handshakes {
            handshakes.end();
        }
    }

    /// Takes a worker's mail.
    pub(super) fn mail_of(&self, worker: usize) -> Vec<Mail> {
        std::mem::take(&mut *self.mail[worker].lock())
    }
}
