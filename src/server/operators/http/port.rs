//! The ports, and the thread that has them.

use super::{BLOCKING_THREADS, CONNECTIONS, HEAD_BYTES, site::Site, stalled::Stalled};
use crate::{
    auth::{self, X509},
    config,
    server::{
        ServerError,
        figures::Count,
        io::listen_on,
        operators::admin::Asker,
        ports::{begins_with_tls, check_revocation},
    },
    tls::{Certificates, ServerTls, Shows, TlsError, subject},
    topics,
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use oxkeeper_codec::records::Id;
use rustls::pki_types::CertificateDer;
use std::{
    cell::Cell,
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::watch,
    task::{LocalSet, spawn_local},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// A handshake takes no longer, where there is no idle time-out.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that may wait to be accepted (Jetty's is the system's default).
const BACKLOG: u32 = 128;
/// After the system has refused to accept one.
const PAUSE: Duration = Duration::from_millis(100);
/// A stop does not wait longer for what is being answered.
const STOP_WITHIN: Duration = Duration::from_millis(200);

/// A port, bound, with what it answers.
pub(crate) struct HttpPort {
    listener: TcpListener,
    site: Site,
    tls: Option<PortTls>,
    /// How long a connection may be silent.
    idle: Option<Duration>,
}

struct PortTls {
    tls: Arc<ServerTls>,
    /// Plain text is taken, too.
    takes_plain: bool,
}

impl PortTls {
    fn load(config: &config::HttpTls) -> Result<Self, TlsError> {
        let tls = Arc::new(ServerTls::load(config.settings.clone())?);
        Ok(Self { tls, takes_plain: config.takes_plain })
    }
}

impl HttpPort {
    /// Binds the admin server's port, and reads its keys.
    ///
    /// # Errors
    /// The setting that cannot be honoured.
    pub(crate) fn admin(config: &config::Admin, site: Site) -> Result<Self, ServerError> {
        let tls = config.tls.as_ref().map(PortTls::load).transpose()?;
        let idle = config.idle_timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let listener =
            listen_on("admin.serverAddress", config.address.as_deref(), config.port, Some(BACKLOG));
        let listener = listener.map_err(|error| ServerError::AdminPort(Box::new(error)))?;
        let address = listener.local_addr().ok();
        tracing::info!(
            target: topics::ADMIN,
            address = address.map(tracing::field::display),
            commands = config.command_url,
            tls = config.tls.is_some(),
            "the admin server's port is bound"
        );
        Ok(Self { listener, site, tls, idle })
    }

    /// Binds a port of the exporter, on this address, and reads its keys.
    ///
    /// # Errors
    /// The setting that cannot be honoured.
    pub(crate) fn exporter(
        address: Option<&str>,
        config: &config::ExporterPort,
        site: Site,
    ) -> Result<Self, ServerError> {
        let tls = config.tls.as_ref().map(PortTls::load).transpose()?;
        let listener = listen_on("metricsProvider.httpHost", address, config.port, Some(BACKLOG))?;
        let address = listener.local_addr().ok();
        tracing::info!(
            target: topics::ADMIN,
            address = address.map(tracing::field::display),
            tls = tls.is_some(),
            "metrics can be had at /metrics"
        );
        Ok(Self { listener, site, tls, idle: Some(Duration::from_secs(30)) })
    }

    /// Its keys and certificates.
    pub(crate) fn certificates(&self) -> Option<Arc<dyn Certificates>> {
        self.tls.as_ref().map(|port| Arc::clone(&port.tls) as Arc<dyn Certificates>)
    }
}

/// The thread that answers, as others have it.
pub(crate) struct Http {
    stop: watch::Sender<bool>,
}

impl Http {
    /// Ends the thread, and every connection.
    pub(crate) fn end(&self) {
        // A thread that is gone needs no telling.
        _ = self.stop.send(true);
    }
}

/// The thread that answers.
pub(crate) struct HttpThread {
    runtime: Runtime,
    ports: Vec<HttpPort>,
    stopped: watch::Receiver<bool>,
}

impl HttpThread {
    /// With its ports.
    ///
    /// # Errors
    /// The system has no more descriptors.
    pub(crate) fn new(ports: Vec<HttpPort>) -> Result<(Http, Self), ServerError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("admin-work")
            .max_blocking_threads(BLOCKING_THREADS)
            .build();
        let what = "start the thread of the admin server";
        let runtime = runtime.map_err(|source| ServerError::System { what, source })?;
        let (stop, stopped) = watch::channel(false);
        Ok((Http { stop }, Self { runtime, ports, stopped }))
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(self) {
        let Self { runtime, ports, mut stopped } = self;
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, async {
            for port in ports {
                spawn_local(accept(port));
            }
            // Without anybody who could stop it, the server is gone.
            _ = stopped.wait_for(|&stopped| stopped).await;
        });
        drop(tasks);
        runtime.shutdown_timeout(STOP_WITHIN);
    }
}

/// Takes connections in, for ever.
async fn accept(port: HttpPort) {
    let HttpPort { listener, site, tls, idle } = port;
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            return tracing::error!(target: topics::ADMIN, %error, "a port for operators cannot be watched");
        }
    };
    let port = Rc::new(Port { site, tls, idle, open: Cell::new(0) });
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(target: topics::ADMIN, %error, "no connection can be taken in");
                sleep(PAUSE).await;
                continue;
            }
        };
        if port.open.get() >= CONNECTIONS {
            tracing::debug!(target: topics::ADMIN, %peer, "refused: there are {CONNECTIONS} connections already");
            continue;
        }
        port.open.set(port.open.get() + 1);
        let port = Rc::clone(&port);
        spawn_local(async move {
            if let Err(error) = port.serve(stream, peer).await {
                tracing::debug!(target: topics::ADMIN, %peer, %error, "a connection has failed");
            }
            port.open.set(port.open.get() - 1);
        });
    }
}

struct Port {
    site: Site,
    tls: Option<PortTls>,
    idle: Option<Duration>,
    /// Connections.
    open: Cell<usize>,
}

impl Port {
    async fn serve(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let remote = peer.ip().to_canonical();
        let Some(PortTls { tls, takes_plain }) = &self.tls else {
            return self.answer(stream, Asker { remote, certified: Vec::new() }, false).await;
        };
        let patience = self.idle.unwrap_or(HANDSHAKE_TIMEOUT).min(HANDSHAKE_TIMEOUT);
        if *takes_plain && !begins_with_tls(&stream, patience).await.map_err(io::Error::other)?? {
            self.site.count(Count::InsecureAdmin);
            return self.answer(stream, Asker { remote, certified: Vec::new() }, false).await;
        }
        let accepting = TlsAcceptor::from(tls.accepting()).accept(stream);
        let stream = timeout(patience, accepting).await.map_err(io::Error::other)??;
        let chain = stream.get_ref().1.peer_certificates();
        let checked = check_revocation(tls.revocation(), chain, Shows::Client);
        timeout(patience, checked).await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        let certified = match (chain.and_then(|chain| chain.first()), self.site.x509()) {
            (Some(certificate), Some(x509)) => identify(&x509, certificate).map_err(io::Error::other)?,
            _ => Vec::new(),
        };
        self.answer(stream, Asker { remote, certified }, true).await
    }

    /// Answers requests until the connection ends.
    async fn answer(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        asker: Asker,
        is_secure: bool,
    ) -> io::Result<()> {
        let service = service_fn(|request| self.site.answer(request, asker.clone(), is_secure, self.idle));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).max_buf_size(HEAD_BYTES).header_read_timeout(self.idle);
        let connection = builder.serve_connection(TokioIo::new(Stalled::new(stream, self.idle)), service);
        connection.await.map_err(io::Error::other)
    }
}

fn identify(x509: &X509, certificate: &CertificateDer<'_>) -> Result<Vec<Id>, TlsError> {
    Ok(auth::identify(x509, &subject(certificate)?))
}
