//! A connection with another member: plain, or TLS.
//!
//! Promise: who is on the other side of TLS has shown a certificate that is good (unless none is asked for), with a name
//! of where it is, if names are checked. The plain one costs what a socket costs.

use super::{options::PeerTls, sockets::connect, wing::Wing};
use crate::{
    membership::HostPort,
    server::ports::{begins_with_tls, check_revocation},
    tls::Shows,
};
use rustls::pki_types::{CertificateDer, ServerName};
use std::{
    io::{self, IoSlice},
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// See the module.
#[derive(Debug)]
pub(super) enum PeerStream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl PeerStream {
    /// What somebody speaks who has connected, by what it sends first if it may be either.
    ///
    /// # Errors
    /// It does not shake hands as it should, or in time.
    pub(super) async fn accepted(stream: TcpStream, wing: &Wing) -> io::Result<Self> {
        let Some(tls) = &wing.options.tls else { return Ok(Self::Plain(stream)) };
        let within = tls.detection;
        if tls.takes_plain {
            let silent = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "it says nothing"));
            if !begins_with_tls(&stream, within).await.unwrap_or_else(silent)? {
                return Ok(Self::Plain(stream));
            }
        }
        let from = stream.peer_addr()?.ip();
        let accepting = TlsAcceptor::from(tls.certificates.accepting()).accept(stream);
        let stream = in_time(within, accepting).await?;
        let chain = stream.get_ref().1.peer_certificates();
        check_lists(tls, chain, Shows::Client).await?;
        let shown = chain.and_then(|chain| chain.first());
        if tls.checks_names_of_clients
            && let Some(certificate) = shown
        {
            check_name_of_client(certificate, from, wing).await?;
        }
        Ok(Self::Tls(Box::new(stream.into())))
    }

    /// Connects to the first of a member's addresses that answers, each within `within`; the host that it is.
    ///
    /// # Errors
    /// None of them answers, or the one that does shakes no hands as it should.
    pub(super) async fn dial(
        addresses: &[HostPort],
        within: Duration,
        wing: &Wing,
    ) -> io::Result<(Self, String)> {
        let (stream, at) = connect(addresses, within).await?;
        let tls = wing.options.tls.as_ref().filter(|tls| tls.dials);
        let Some(tls) = tls else { return Ok((Self::Plain(stream), at.host.clone())) };
        let ip = stream.peer_addr()?.ip().to_canonical();
        let connecting = TlsConnector::from(tls.certificates.dialling());
        let connecting = connecting.connect(ServerName::IpAddress(ip.into()), stream);
        let stream = in_time(tls.detection, connecting).await?;
        let chain = stream.get_ref().1.peer_certificates();
        check_lists(tls, chain, Shows::Server).await?;
        let shown = chain.and_then(|chain| chain.first());
        if tls.checks_names_of_servers
            && let Some(certificate) = shown
        {
            check_name(certificate, ip, &[&at.host])?;
        }
        Ok((Self::Tls(Box::new(stream.into())), at.host.clone()))
    }

    /// The socket below.
    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// A handshake, for so long.
async fn in_time<S>(within: Duration, handshake: impl Future<Output = io::Result<S>>) -> io::Result<S> {
    let failed =
        |error: io::Error| io::Error::new(error.kind(), format!("the TLS handshake failed: {error}"));
    let late = || io::Error::new(io::ErrorKind::TimedOut, "it takes too long");
    timeout(within, handshake).await.unwrap_or_else(|_| Err(late())).map_err(failed)
}

/// Whether no certificate is taken back, if that is to be looked up.
async fn check_lists(tls: &PeerTls, chain: Option<&[CertificateDer<'_>]>, shows: Shows) -> io::Result<()> {
    let checked = check_revocation(tls.certificates.revocation(), chain, shows).await;
    checked.map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error))
}

/// Whoever comes from an address has to show that, or the name of a member that is there.
async fn check_name_of_client(certificate: &CertificateDer<'_>, from: IpAddr, wing: &Wing) -> io::Result<()> {
    let from = from.to_canonical();
    let hosts = wing.hosts();
    let mut there = Vec::new();
    for host in &hosts {
        let found = lookup_host((host.as_str(), 0)).await;
        if found.is_ok_and(|mut found| found.any(|at| at.ip().to_canonical() == from)) {
            there.push(host);
        }
    }
    check_name(certificate, from, &there)
}

/// Whether a certificate has the address, or one of the names.
fn check_name(certificate: &CertificateDer<'_>, ip: IpAddr, hosts: &[&String]) -> io::Result<()> {
    let named = |name: ServerName<'_>| crate::tls::is_for(certificate, &name);
    let by_host = |host: &&String| ServerName::try_from(host.as_str()).is_ok_and(named);
    if named(ServerName::IpAddress(ip.into())) || hosts.iter().any(by_host) {
        return Ok(());
    }
    let names = hosts.iter().map(|host| host.as_str()).collect::<Vec<_>>().join(" or ");
    let (or, names) = if names.is_empty() { ("", String::new()) } else { (" or ", names) };
    let text = format!("its certificate is not for {ip}{or}{names} (ssl.quorum.hostnameVerification)");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

impl AsyncRead for PeerStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
