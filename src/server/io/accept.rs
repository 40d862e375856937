//! Taking in connections: one task on the first worker, which gives each to the worker with the fewest.

use super::{
    front::{Mail, Newcomer},
    handshakes::Speaks,
    limits::Refused,
    listen::listen,
    worker::Worker,
};
use crate::{
    config,
    server::{
        figures::{Client, Closing, Count},
        ports::set_up,
        sequence::Hub,
    },
    topics,
};
use std::{convert::Infallible, future::pending, io, net::SocketAddr, rc::Rc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{spawn_blocking, spawn_local},
    time::sleep,
};

/// Where connections come in.
pub(crate) struct Entrance {
    /// The client port, if there is one.
    pub(crate) plain: Option<TcpListener>,
    /// The port for TLS alone, if there is one.
    pub(crate) secure: Option<TcpListener>,
    /// Who came while the data was loaded.
    pub(crate) waiting: Vec<(std::net::TcpStream, SocketAddr)>,
}

/// How long to wait when the system has no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two attempts to bind the port after it has moved.
const BIND_PAUSE: Duration = Duration::from_secs(1);

/// Accepts connections for as long as the server runs, those first who have waited for it; at another place, when the
/// configuration of the ensemble says so. Connections stay.
pub(super) async fn accept(worker: Rc<Worker>, Entrance { plain, secure, waiting }: Entrance) {
    let hub = &worker.front.hub;
    let mut client = hub.config.client.clone();
    let unified = client.tls.as_ref().is_some_and(|tls| tls.unified);
    let speaks = if unified { Speaks::Both } else { Speaks::Plain };
    for (stream, peer) in waiting {
        match TcpStream::from_std(stream) {
            Ok(stream) => place(&worker, stream, canonical(peer), speaks),
            Err(error) => worker.not_taken(Some(peer), &error),
        }
    }
    if let Some(secure) = secure {
        let worker = Rc::clone(&worker);
        spawn_local(async move { take_in(&worker, &secure, Speaks::Tls).await });
    }
    let mut listener = plain;
    loop {
        let taking_in = async {
            match &listener {
                Some(listener) => take_in(&worker, listener, speaks).await,
                None => pending().await,
            }
        };
        tokio::select! {
            never = taking_in => match never {},
            moved = moved(hub, &client) => client = moved,
        }
        // It may be the same place under another name.
        drop(listener);
        let bound;
        (client, bound) = bind(hub, client).await;
        listener = Some(bound);
    }
}

async fn take_in(worker: &Rc<Worker>, listener: &TcpListener, speaks: Speaks) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => place(worker, stream, canonical(peer), speaks),
            Err(error) => {
                worker.not_taken(None, &error);
                sleep(PAUSE).await;
            }
        }
    }
}

/// Waits until the client port is to be elsewhere.
async fn moved(hub: &Hub, client: &config::Client) -> config::Client {
    loop {
        hub.membership_changed.notified().await;
        let Some(place) = hub.client_place() else { continue };
        let moved = config::Client {
            port: Some(place.port),
            address: place.interface().map(str::to_owned),
            ..client.clone()
        };
        if moved != *client {
            return moved;
        }
    }
}

/// Binds it, for as long as that takes, or until it is to be elsewhere again.
async fn bind(hub: &Hub, mut client: config::Client) -> (config::Client, TcpListener) {
    let mut failed = false;
    loop {
        let wanted = client.clone();
        // A name may take its time.
        let bound = spawn_blocking(move || listen(&wanted)).await.map_err(io::Error::other);
        let bound = bound.and_then(|bound| {
            let bound = bound.map_err(io::Error::other)?;
            TcpListener::from_std(bound.ok_or(io::ErrorKind::InvalidInput)?)
        });
        let error = match bound {
            Ok(listener) => {
                let address = listener.local_addr().map(|address| address.to_string()).unwrap_or_default();
                tracing::info!(target: topics::CLIENTS, %address, "the client port has moved with the configuration");
                return (client, listener);
            }
            Err(error) => error,
        };
        if !std::mem::replace(&mut failed, true) {
            tracing::error!(target: topics::CLIENTS, %error, "the client port has moved with the configuration and cannot be bound: no client can come; trying again every second");
        }
        tokio::select! {
            () = sleep(BIND_PAUSE) => {}
            moved = moved(hub, &client) => (client, failed) = (moved, false),
        }
    }
}

/// An IPv4 client that came by a listener for both families has its IPv4 address everywhere.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Gives a connection to a worker, or closes it.
fn place(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, speaks: Speaks) {
    let front = &worker.front;
    if let Err(refused) = front.limits.open(peer.ip()) {
        worker.stats().sheet.count(Count::ConnectionsRejected).add(1);
        let why = match refused {
            Refused::PerAddress(max) => Closing::PerAddress(max),
            Refused::Total(max) => Closing::Total(max),
            Refused::Descriptors(max) => Closing::Descriptors(max),
        };
        let now_ms = front.hub.clock.elapsed_ms();
        front.hub.stats.warnings.closing(now_ms, Client { peer, session: None }, &why);
        return;
    }
    tracing::debug!(target: topics::CLIENTS, %peer, "a connection is taken in");
    let target = front.least_busy();
    let placed = set_up(&stream, front.hub.config.client.tcp_keep_alive).and_then(|()| {
        match &front.handshakes {
            Some(handshakes) if speaks != Speaks::Plain => {
                if handshakes.begin(stream.into_std()?, peer, speaks).is_none() {
                    worker.stats().sheet.count(Count::HandshakesExceeded).add(1);
                    let now_ms = front.hub.clock.elapsed_ms();
                    let client = Client { peer, session: None };
                    front.hub.stats.warnings.closing(now_ms, client, &Closing::Handshakes);
                    front.limits.close(peer.ip());
                }
            }
            _ if target == worker.index => worker.adopt(stream, peer, None),
            _ => {
                let stream = stream.into_std()?;
                front.post(target, Mail::Accepted(Newcomer { stream, peer, secured: None }));
            }
        }
        Ok(())
    });
    if let Err(error) = placed {
        tracing::debug!(target: topics::CLIENTS, %peer, %error, "cannot set up the connection");
        front.limits.close(peer.ip());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_client_has_an_ipv4_address() {
        for (seen, shown) in
            [("[::ffff:10.0.0.1]:7", "10.0.0.1:7"), ("10.0.0.1:7", "10.0.0.1:7"), ("[::1]:7", "[::1]:7")]
        {
            let seen: SocketAddr = seen.parse().expect("an address");
            assert_eq!(canonical(seen).to_string(), shown);
        }
    }
}
