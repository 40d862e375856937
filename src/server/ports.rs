//! Ports that are listened on, for clients and for other members alike.

use super::clock;
use crate::tls::{Revocation, RevocationError, Shows};
use rustls::pki_types::{CertificateDer, UnixTime};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    task::spawn_blocking,
    time::{error::Elapsed, timeout},
};

/// What a TLS client begins with: the type of a record of its handshake. No word, no frame of a client and no hello or
/// packet of a member begins so.
const HANDSHAKE_RECORD: u8 = 0x16;

/// Whether what a connection sends first, within this time, is a TLS handshake. It is left unread.
pub(super) async fn begins_with_tls(
    stream: &TcpStream,
    within: Duration,
) -> Result<io::Result<bool>, Elapsed> {
    let mut first = [0];
    let peeked = timeout(within, stream.peek(&mut first)).await?;
    Ok(match peeked {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        peeked => peeked.map(|_| first == [HANDSHAKE_RECORD]),
    })
}

/// Whether none of the certificates is taken back that the other side has shown, if that is to be looked up: on a thread that
/// may wait for lists and responders.
pub(super) async fn check_revocation(
    revocation: Option<Arc<Revocation>>,
    chain: Option<&[CertificateDer<'_>]>,
    shows: Shows,
) -> Result<(), RevocationError> {
    let (Some(revocation), Some(chain)) = (revocation, chain) else { return Ok(()) };
    let chain: Vec<_> = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let checked = spawn_blocking(move || revocation.check(&chain, shows, clock::now(), UnixTime::now()));
    checked.await.unwrap_or_else(|error| Err(RevocationError::Unknown(error.to_string())))
}

/// Listens on all interfaces, of both families where there are both. `backlog`: connections that may wait to be accepted.
pub(super) fn listen_everywhere(port: u16, backlog: i32) -> io::Result<TcpListener> {
    let all = |ip| listen_at(SocketAddr::new(ip, port), backlog);
    all(Ipv6Addr::UNSPECIFIED.into()).or_else(|_| all(Ipv4Addr::UNSPECIFIED.into()))
}

/// Listens at one address.
pub(super) fn listen_at(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// The one of a host's addresses that counts: Java prefers IPv4, whatever the system lists first.
pub(super) fn preferred(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    addresses.iter().find(|address| address.is_ipv4()).or_else(|| addresses.first()).copied()
}

/// Has a connection send at once what it is given; `keep_alive`: the system looks whether the other side is still there.
pub(super) fn set_up(stream: &TcpStream, keep_alive: bool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if keep_alive { SockRef::from(stream).set_keepalive(true) } else { Ok(()) }
}
