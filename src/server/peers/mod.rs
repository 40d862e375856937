//! The other members: connections of the election port (3888) and of the quorum port (2888).
//!
//! One thread with a runtime of its own. It carries out what [`crate::zab`] wants done with peers, and tells what comes
//! from them; it decides nothing of the protocol. Invariants: a connection that says nothing, or nonsense, costs a
//! descriptor for a bounded time and no other connection anything; what waits for a peer is bounded in bytes.

mod elections;
mod links;
mod packets;

use crate::zab::{Event, Link, Members};
use elections::Elections;
use links::Links;
use oxkeeper_codec::{
    ServerId,
    election::Notification,
    learner::{ToLeader, ToLearner},
};
use std::{collections::BTreeMap, io, sync::Arc, thread::JoinHandle, time::Duration};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Takes what happens, on the thread of the peers.
pub(crate) type Sink = Arc<dyn Fn(Event) + Send + Sync>;

/// Where a member can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an address.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

/// A member's ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports {
    /// For its learners.
    pub(crate) quorum: Vec<Address>,
    /// For elections.
    pub(crate) election: Vec<Address>,
}

/// What the wing is made with.
#[derive(Debug, Clone)]
pub(crate) struct PeerOptions {
    /// This member.
    pub(crate) me: ServerId,
    /// All members, this one too.
    pub(crate) members: BTreeMap<ServerId, Ports>,
    /// Listen on all addresses (`quorumListenOnAllIPs`).
    pub(crate) listen_on_all: bool,
    /// A connection to an election port is there within this (`cnxTimeout`).
    pub(crate) connect_timeout: Duration,
    /// So often the election port is tried to be bound (`electionPortBindRetry`); 0: for ever.
    pub(crate) bind_retries: u32,
    /// A packet is no longer than this, in bytes.
    pub(crate) max_packet_bytes: usize,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    /// See [`crate::zab::Action::Notify`].
    Notify(Members, Notification),
    /// See [`crate::zab::Action::Dial`].
    Dial(ServerId),
    /// See [`crate::zab::Action::Listen`].
    Listen,
    /// See [`crate::zab::Action::HangUp`].
    HangUp(Link),
    /// See [`crate::zab::Action::HangUpAll`].
    HangUpAll,
    /// See [`crate::zab::Action::ToLeader`].
    ToLeader(Link, ToLeader),
    /// See [`crate::zab::Action::ToLearners`].
    ToLearners(Vec<Link>, ToLearner),
    /// A piece of what is not a packet: a snapshot.
    Raw(Link, bytes::Bytes),
    /// The server stops.
    Stop,
}

/// The wing, as others see it.
#[derive(Debug)]
pub(crate) struct Peers {
    commands: UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

impl Peers {
    /// Binds the election port and begins to look for the others.
    ///
    /// # Errors
    /// The port is not to be had, or there is no runtime.
    pub(crate) fn start(options: PeerOptions, sink: Sink) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (commands, received) = unbounded_channel();
        let elections = runtime.block_on(Elections::bind(&options))?;
        let run = move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, serve(options, elections, received, sink));
        };
        let thread = std::thread::Builder::new().name("peers".to_owned()).spawn(run)?;
        Ok(Self { commands, thread })
    }

    /// Has something done.
    pub(crate) fn tell(&self, command: Command) {
        // Nobody hears it: the server stops.
        drop(self.commands.send(command));
    }

    /// Ends all connections.
    pub(crate) fn stop(self) -> std::thread::Result<()> {
        self.tell(Command::Stop);
        self.thread.join()
    }
}

async fn serve(
    options: PeerOptions,
    elections: elections::Bound,
    mut commands: UnboundedReceiver<Command>,
    sink: Sink,
) {
    let options = Arc::new(options);
    let elections = Elections::start(&options, elections, &sink);
    let mut links = Links::new(Arc::clone(&options), Arc::clone(&sink));
    while let Some(command) = commands.recv().await {
        match command {
            Command::Notify(to, said) => elections.notify(&to, &said),
            Command::Dial(leader) => links.dial(leader),
            Command::Listen => links.listen().await,
            Command::HangUp(link) => links.hang_up(link),
            Command::HangUpAll => links.hang_up_all(),
            Command::ToLeader(link, packet) => links.to_leader(link, &packet),
            Command::ToLearners(to, packet) => links.to_learners(&to, &packet),
            Command::Raw(link, bytes) => links.raw(link, bytes),
            Command::Stop => return,
        }
    }
}

/// What a name means now: names are looked up anew at each connect.
async fn resolve(address: &Address) -> io::Result<Vec<std::net::SocketAddr>> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await?;
    Ok(found.collect())
}

/// Connects to the first of these that answers.
async fn connect(addresses: &[Address], timeout: Duration) -> io::Result<tokio::net::TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match resolve(address).await {
            Ok(found) => {
                for at in found {
                    match tokio::time::timeout(timeout, tokio::net::TcpStream::connect(at)).await {
                        Ok(Ok(stream)) => {
                            stream.set_nodelay(true)?;
                            return Ok(stream);
                        }
                        Ok(Err(error)) => last = error,
                        Err(_) => last = io::ErrorKind::TimedOut.into(),
                    }
                }
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Listens on these, or on their ports of all addresses.
async fn listen(addresses: &[Address], on_all: bool) -> io::Result<Vec<tokio::net::TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let at = if on_all {
            vec![std::net::SocketAddr::from(([0u8; 4], address.port))]
        } else {
            resolve(address).await?
        };
        let first = at.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let socket =
            if first.is_ipv4() { tokio::net::TcpSocket::new_v4()? } else { tokio::net::TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(*first)?;
        listeners.push(socket.listen(BACKLOG)?);
    }
    Ok(listeners)
}

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;
