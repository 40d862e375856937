//! Connections, and ports that are listened on. Names are looked up anew each time.

use crate::{
    membership::HostPort,
    server::ports::{listen_at, listen_everywhere, preferred},
    topics,
};
use std::{
    collections::BTreeSet,
    io,
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream, lookup_host},
    task::JoinSet,
    time::{sleep, timeout},
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// An address of a member has so much time before its next one is tried as well.
const HEAD_START: Duration = Duration::from_millis(200);

/// Connects to the first of a member's addresses that answers, and says which one that is; each within `within`.
pub(super) async fn connect(addresses: &[HostPort], within: Duration) -> io::Result<(TcpStream, HostPort)> {
    let (mut attempts, mut left) = (JoinSet::new(), addresses.iter());
    let mut failed = io::Error::other("it has no address");
    loop {
        if let Some(address) = left.next() {
            attempts.spawn_local(reach(address.clone(), within));
        }
        tokio::select! {
            attempt = attempts.join_next() => match attempt {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => failed = error,
                Some(Err(error)) => failed = io::Error::other(error),
                None => return Err(failed),
            },
            () = sleep(HEAD_START), if left.len() > 0 => {}
        }
    }
}

async fn reach(address: HostPort, within: Duration) -> io::Result<(TcpStream, HostPort)> {
    let mut failed = io::Error::other("no address");
    for at in resolve(&address).await? {
        match timeout(within, TcpStream::connect(at)).await {
            Ok(Ok(stream)) => return Ok((stream, address)),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::Error::new(io::ErrorKind::TimedOut, "no answer"),
        }
    }
    Err(about(&address, &failed))
}

/// What a name means now.
async fn resolve(address: &HostPort) -> io::Result<Vec<SocketAddr>> {
    match lookup_host((address.host.as_str(), address.port)).await {
        Ok(found) => Ok(found.collect()),
        Err(error) => {
            let text = format!("the name {} cannot be resolved: {error}", address.host);
            Err(io::Error::new(error.kind(), text))
        }
    }
}

fn about(address: &HostPort, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{address}: {error}"))
}

/// Listens on these, or on their ports of all addresses.
///
/// # Errors
/// None of them is to be had.
pub(super) async fn listen(addresses: &[HostPort], on_all: bool) -> io::Result<Vec<TcpListener>> {
    let (mut listeners, mut places, mut failed) = (Vec::new(), BTreeSet::new(), None);
    for address in addresses {
        let listener = match place_of(address, on_all).await {
            // Two names of one address.
            Ok(place) if !places.insert(place) => continue,
            Ok(place) => listen_on(place, on_all),
            Err(error) => Err(error),
        };
        match listener {
            Ok(listener) => listeners.push(listener),
            Err(error) => failed = Some(about(address, &error)),
        }
    }
    match failed {
        Some(error) if listeners.is_empty() => Err(error),
        Some(error) => {
            tracing::warn!(target: topics::PEERS, %error, "one of this member's addresses cannot be listened on; the others can");
            Ok(listeners)
        }
        None => Ok(listeners),
    }
}

/// Where that is; of the host nothing matters with `on_all`.
async fn place_of(address: &HostPort, on_all: bool) -> io::Result<SocketAddr> {
    if on_all {
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port)));
    }
    Ok(preferred(&resolve(address).await?).ok_or(io::ErrorKind::AddrNotAvailable)?)
}

fn listen_on(place: SocketAddr, on_all: bool) -> io::Result<TcpListener> {
    let listener =
        if on_all { listen_everywhere(place.port(), BACKLOG)? } else { listen_at(place, BACKLOG)? };
    TcpListener::from_std(listener)
}
