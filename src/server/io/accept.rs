//! Taking in connections: one task on the first worker, which gives each to the worker with the fewest.

use super::{front::Mail, limits::Refused, worker::Worker};
use crate::{
    server::{
        figures::{Client, Closing, Count},
        ports::set_up,
    },
    topics,
};
use std::{net::SocketAddr, rc::Rc, time::Duration};
use tokio::net::{TcpListener, TcpStream};

/// Where connections come in.
pub(crate) struct Entrance {
    pub(crate) listener: TcpListener,
    /// Who came while the data was loaded.
    pub(crate) waiting: Vec<(std::net::TcpStream, SocketAddr)>,
}

/// How long to wait when the system has no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for as long as the server runs, those first who have waited for it.
pub(super) async fn accept(worker: Rc<Worker>, Entrance { listener, waiting }: Entrance) {
    for (stream, peer) in waiting {
        match TcpStream::from_std(stream) {
            Ok(stream) => place(&worker, stream, canonical(peer)),
            Err(error) => worker.not_taken(Some(peer), &error),
        }
    }
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => place(&worker, stream, canonical(peer)),
            Err(error) => {
                worker.not_taken(None, &error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// An IPv4 client that came by a listener for both families has its IPv4 address everywhere.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Gives a connection to a worker, or closes it.
fn place(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
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
    let fewest = front.hub.workers.iter().enumerate().min_by_key(|(_, port)| port.stats.connections.get());
    let target = fewest.map_or(0, |(index, _)| index);
    let placed = set_up(&stream, front.hub.config.client.tcp_keep_alive).and_then(|()| {
        if target == worker.index {
            worker.adopt(stream, peer);
        } else {
            front.post(target, Mail::Accepted(stream.into_std()?, peer));
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
