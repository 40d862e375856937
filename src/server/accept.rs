//! Taking in connections: one task on the first worker, which gives each to the worker with the fewest.

use super::{hub::Item, worker::Worker};
use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    rc::Rc,
    time::Duration,
};
use tokio::io::unix::AsyncFd;

/// How long to wait when the system has no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections for as long as the server runs.
pub(super) async fn accept(worker: Rc<Worker>, listener: TcpListener) {
    let listener = match AsyncFd::new(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot listen: the runtime does not take the listener");
            return;
        }
    };
    loop {
        let Ok(mut ready) = listener.readable().await else { return };
        loop {
            match listener.get_ref().accept() {
                Ok((stream, peer)) => place(&worker, stream, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    break;
                }
            }
        }
        ready.clear_ready();
    }
}

/// Gives a connection to a worker, or closes it.
fn place(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr) {
    let hub = &worker.hub;
    if let Err(refused) = hub.limits.open(peer.ip()) {
        hub.stats.connections_rejected.add_shared(1);
        tracing::warn!(%peer, ?refused, "closing the connection: too many");
        return;
    }
    if let Err(error) = prepare(&stream, hub.config.client.tcp_keep_alive) {
        tracing::debug!(%peer, %error, "cannot set up the connection");
        hub.limits.close(peer.ip());
        return;
    }
    let fewest = hub.workers.iter().enumerate().min_by_key(|(_, port)| port.stats.connections.get());
    let target = fewest.map_or(0, |(index, _)| index);
    if target == worker.index {
        worker.adopt(&mut worker.state.borrow_mut(), stream, peer);
    } else {
        // The inbox belongs to that worker's lock.
        hub.pass_on(target, Item::Accepted(stream, peer));
    }
}

fn prepare(stream: &TcpStream, keep_alive: bool) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_keepalive(keep_alive)
}
