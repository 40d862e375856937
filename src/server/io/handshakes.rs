//! TLS handshakes: one thread that makes them, so that no worker and none of its clients waits for one, whose signature
//! alone takes up to a millisecond.
//!
//! Promise: who comes through is handed to the worker with the fewest connections, with its identity; who does not in
//! time, or shows no certificate that is good, is turned away, counted and told. On a unified port whoever begins as a
//! TLS client does is one, and everybody else goes on in plain text.
//! Invariants: a connection under way holds a descriptor and what its handshake has buffered (64 KiB at most); nothing
//! is read beyond the handshake but what has come with its last packet.

use super::{
    front::{Front, Mail, Newcomer, Secured},
    sealed::Sealed,
};
use crate::{
    auth::{self, X509},
    server::{
        ServerError,
        figures::{Client, Closing, Count},
        ports::{begins_with_tls, check_revocation},
    },
    tls::{RevocationError, ServerTls, Shows, TlsError, subject},
};
use rustls::ServerConfig;
use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{LocalSet, spawn_local},
    time::timeout,
};

/// How long a handshake may take (`SslHandler` of Netty).
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Read at once, in bytes.
const READ_BYTES: usize = 4 << 10;

/// Certificates that are looked up at the same time.
const LOOK_UPS: usize = 16;

/// What may come through a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// Plain text alone.
    Plain,
    /// TLS alone.
    Tls,
    /// Either.
    Both,
}

/// What the thread is told.
enum Told {
    Arrival(Arrival),
    Stop,
}

/// A connection that has still to shake hands.
struct Arrival {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    speaks: Speaks,
}

/// Where connections go that may have to shake hands.
pub(crate) struct Handshakes {
    arrivals: UnboundedSender<Told>,
    /// Those under way.
    under_way: Arc<AtomicU32>,
    most: u32,
}

/// The thread that makes them.
pub(crate) struct HandshakeThread {
    arrivals: UnboundedReceiver<Told>,
    under_way: Arc<AtomicU32>,
    runtime: tokio::runtime::Runtime,
    tls: Arc<ServerTls>,
}

impl Handshakes {
    /// Both ends. `most`: so many may be under way.
    ///
    /// # Errors
    /// The system has no more descriptors.
    pub(crate) fn new(
        tls: Arc<ServerTls>,
        most: Option<u32>,
    ) -> Result<(Self, HandshakeThread), ServerError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(LOOK_UPS).build();
        let what = "start the thread of TLS handshakes";
        let runtime = runtime.map_err(|source| ServerError::System { what, source })?;
        let (sender, arrivals) = unbounded_channel();
        let under_way = Arc::new(AtomicU32::new(0));
        let most = most.unwrap_or(u32::MAX);
        let ours = Self { arrivals: sender, under_way: Arc::clone(&under_way), most };
        Ok((ours, HandshakeThread { arrivals, under_way, runtime, tls }))
    }

    /// Takes a connection in. `None`: as many as may be are under way.
    pub(super) fn begin(&self, stream: std::net::TcpStream, peer: SocketAddr, speaks: Speaks) -> Option<()> {
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        self.arrivals.send(Told::Arrival(Arrival { stream, peer, speaks })).ok()
    }

    /// Ends the thread, and every handshake that is under way.
    pub(super) fn end(&self) {
        // A thread that is gone needs no telling.
        drop(self.arrivals.send(Told::Stop));
    }
}

/// Why there is no session of TLS.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("it has said nothing")]
    Silent,
    #[error("its TLS handshake took more than {} s", HANDSHAKE_TIMEOUT.as_secs())]
    Late,
    #[error("its TLS handshake failed: {0}")]
    Failed(#[from] io::Error),
    #[error(transparent)]
    Revoked(#[from] RevocationError),
    #[error("its certificate has no identity: {0}")]
    NoIdentity(#[from] TlsError),
}

impl HandshakeThread {
    /// Runs until it is told to stop.
    pub(crate) fn run(self, front: &Arc<Front>) {
        let Self { mut arrivals, under_way, runtime, tls } = self;
        let (front, tls) = (Rc::new(Arc::clone(front)), Rc::new(tls));
        LocalSet::new().block_on(&runtime, async {
            while let Some(Told::Arrival(arrival)) = arrivals.recv().await {
                let (front, tls, under_way) = (Rc::clone(&front), Rc::clone(&tls), Arc::clone(&under_way));
                spawn_local(async move {
                    take_in(&front, &tls, arrival).await;
                    under_way.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
    }
}

/// Shakes hands, and hands over.
async fn take_in(front: &Arc<Front>, tls: &ServerTls, Arrival { stream, peer, speaks }: Arrival) {
    let outcome = async {
        let mut stream = TcpStream::from_std(stream)?;
        if speaks == Speaks::Both && !is_tls(front, &stream).await? {
            return Ok::<_, Refusal>((stream.into_std()?, None));
        }
        let shaking = shake(&mut stream, tls.accepting());
        let sealed = timeout(HANDSHAKE_TIMEOUT, shaking).await.map_err(|_| Refusal::Late)??;
        let checked = check_revocation(tls.revocation(), sealed.peer_certificates(), Shows::Client);
        timeout(HANDSHAKE_TIMEOUT, checked).await.map_err(|_| Refusal::Late)??;
        let secured = secure(front.auth.x509.as_ref(), sealed)?;
        Ok((stream.into_std()?, Some(secured)))
    };
    match outcome.await {
        Ok((stream, secured)) => {
            front.post(front.least_busy(), Mail::Accepted(Newcomer { stream, peer, secured }))
        }
        Err(refusal) => {
            turn_away(front, peer, &refusal);
            front.limits.close(peer.ip());
        }
    }
}

/// Whether a connection of a port that takes both begins as TLS does. Who says nothing is let go as on a plain port.
async fn is_tls(front: &Front, stream: &TcpStream) -> Result<bool, Refusal> {
    let limit_ms = front.hub.config.client.sessionless_timeout_ms.max(1);
    let first = begins_with_tls(stream, Duration::from_millis(limit_ms.into()));
    Ok(first.await.map_err(|_| Refusal::Silent)??)
}

/// Shakes hands. Whoever does it wrong is told what is wrong.
async fn shake(stream: &mut TcpStream, config: Arc<ServerConfig>) -> io::Result<Box<Sealed>> {
    let mut sealed = Box::new(Sealed::new(config).map_err(io::Error::other)?);
    let mut buffer = [0; READ_BYTES];
    while sealed.is_shaking() {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its client has gone in it"));
        }
        let shaken = sealed.shake(&mut buffer[..read]);
        let told = stream.write_all(&sealed.take_outgoing()).await;
        shaken.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        told?;
    }
    Ok(sealed)
}

/// Whom the certificate names.
fn secure(x509: Option<&X509>, sealed: Box<Sealed>) -> Result<Secured, Refusal> {
    let certificate = sealed.peer_certificates().and_then(|chain| chain.first());
    let identities = match (certificate, x509) {
        (Some(certificate), Some(x509)) => auth::identify(x509, &subject(certificate)?),
        _ => Vec::new(),
    };
    Ok(Secured { sealed, identities })
}

/// Counts a handshake that failed, and has the log tell of it.
fn turn_away(front: &Front, peer: SocketAddr, refusal: &Refusal) {
    let hub = &front.hub;
    // The first worker is the one that takes connections in.
    let stats = &hub.workers[0].stats;
    let text = refusal.to_string();
    let why = match refusal {
        Refusal::Silent => {
            stats.sheet.count(Count::SessionlessExpired).add(1);
            Closing::Sessionless { limit_ms: hub.config.client.sessionless_timeout_ms.into() }
        }
        Refusal::Late | Refusal::Failed(_) | Refusal::Revoked(_) | Refusal::NoIdentity(_) => {
            stats.auth_failed.add(1);
            stats.sheet.count(Count::UnsuccessfulHandshakes).add(1);
            Closing::Handshake { error: &text }
        }
    };
    hub.stats.warnings.closing(hub.clock.elapsed_ms(), Client { peer, session: None }, &why);
}
