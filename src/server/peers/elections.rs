//! The election port (`QuorumCnxManager`): one connection with each other voter, kept by one task.
//!
//! Of two members the one with the higher id dials, and keeps that connection; when the lower one dials, it is only
//! asking to be dialled back. Invariant: a hello has a deadline and a length; whoever misses them is gone, and nobody
//! waited for it.

use super::{Address, PeerOptions, Sink, connect, listen};
use crate::{
    topics,
    zab::{Event, Members},
};
use bytes::{Bytes, BytesMut};
use oxkeeper_codec::{
    ServerId,
    election::{Hello, Notification, next_notification},
};
use std::{cell::Cell, collections::BTreeMap, io, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::spawn_local,
    time::{sleep, timeout},
};

/// Whoever connects has to say who it is within this.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// So many may be connected and have not said who they are.
const STRANGERS_MAX: usize = 64;
/// Between two attempts to bind the port.
const BIND_PAUSE: Duration = Duration::from_secs(1);
/// The first pause after a member could not be reached; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A member that was asked to dial back does so within this, or is asked again.
const DIAL_BACK_WITHIN: Duration = Duration::from_millis(500);

/// The listeners.
pub(super) type Bound = Vec<TcpListener>;

/// What a keeper is told.
#[derive(Debug)]
enum Told {
    /// This is to be sent: the newest counts.
    Say(Bytes),
    /// The member has connected, and its connection is the one to keep.
    Came(TcpStream),
    /// The member asks to be dialled.
    Asked,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Elections {
    keepers: BTreeMap<ServerId, UnboundedSender<Told>>,
}

impl Elections {
    /// Binds the election port.
    pub(super) async fn bind(options: &PeerOptions) -> io::Result<Bound> {
        let own = options.members.get(&options.me).map(|ports| ports.election.clone()).unwrap_or_default();
        let mut tries = 1;
        loop {
            match listen(&own, options.listen_on_all).await {
                Err(error) if options.bind_retries == 0 || tries < options.bind_retries => {
                    tracing::error!(target: topics::SERVER, %error, tries, "the election port cannot be bound; trying again");
                    tries += 1;
                    sleep(BIND_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// Begins to accept, and to look for each other member.
    pub(super) fn start(options: &Arc<PeerOptions>, bound: Bound, sink: &Sink) -> Self {
        let others = options.members.iter().filter(|(id, _)| **id != options.me);
        let keepers = others.map(|(&peer, ports)| {
            let (tell, told) = unbounded_channel();
            let keeper = Keeper {
                peer,
                addresses: ports.election.clone(),
                options: Arc::clone(options),
                sink: Arc::clone(sink),
                told,
                reachable: None,
            };
            spawn_local(keeper.run());
            (peer, tell)
        });
        let keepers: BTreeMap<_, _> = keepers.collect();
        let strangers = Rc::new(Cell::new(0));
        for listener in bound {
            spawn_local(accept(listener, options.me, keepers.clone(), Rc::clone(&strangers)));
        }
        Self { keepers }
    }

    /// Says something to these.
    pub(super) fn notify(&self, to: &Members, said: &Notification) {
        let mut framed = Vec::new();
        if said.encode_framed(&mut framed).is_err() {
            return;
        }
        let framed = Bytes::from(framed);
        for keeper in to.iter().filter_map(|id| self.keepers.get(id)) {
            drop(keeper.send(Told::Say(framed.clone())));
        }
    }
}

async fn accept(
    listener: TcpListener,
    me: ServerId,
    keepers: BTreeMap<ServerId, UnboundedSender<Told>>,
    strangers: Rc<Cell<usize>>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) if strangers.get() < STRANGERS_MAX => {
                let (keepers, strangers) = (keepers.clone(), Rc::clone(&strangers));
                spawn_local(async move {
                    strangers.set(strangers.get() + 1);
                    match timeout(HELLO_WITHIN, hello(stream)).await {
                        Ok(Ok((stream, hello))) => greeted(me, &keepers, stream, &hello),
                        Ok(Err(error)) => {
                            tracing::warn!(target: topics::SERVER, %from, %error, "no hello of a member on the election port");
                        }
                        Err(_) => {
                            tracing::warn!(target: topics::SERVER, %from, "no hello in time on the election port")
                        }
                    }
                    strangers.set(strangers.get() - 1);
                });
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(target: topics::SERVER, %error, "the election port cannot accept");
                sleep(FIRST_PAUSE).await;
            }
        }
    }
}

async fn hello(mut stream: TcpStream) -> io::Result<(TcpStream, Hello)> {
    stream.set_nodelay(true)?;
    let mut input = Vec::with_capacity(64);
    loop {
        match Hello::decode(&input) {
            Ok(Some((hello, len))) if len == input.len() => return Ok((stream, hello)),
            Ok(Some(_)) => return Err(io::Error::other("something before an answer")),
            Ok(None) => {
                if stream.read_buf(&mut input).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

fn greeted(
    me: ServerId,
    keepers: &BTreeMap<ServerId, UnboundedSender<Told>>,
    stream: TcpStream,
    hello: &Hello,
) {
    match keepers.get(&hello.sid) {
        Some(keeper) if hello.sid > me => drop(keeper.send(Told::Came(stream))),
        Some(keeper) => drop(keeper.send(Told::Asked)),
        None if hello.sid == me => {
            tracing::error!(target: topics::SERVER, sid = %me, "another process says that it is this member; check myid");
        }
        None => {
            tracing::warn!(target: topics::SERVER, sid = %hello.sid, "a server that is no member has connected to the election port")
        }
    }
}

/// Keeps the connection with one other member.
struct Keeper {
    peer: ServerId,
    addresses: Vec<Address>,
    options: Arc<PeerOptions>,
    sink: Sink,
    told: UnboundedReceiver<Told>,
    /// What was told about it last.
    reachable: Option<bool>,
}

impl Keeper {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.find().await {
                Found::Stream(stream) => {
                    pause = FIRST_PAUSE;
                    self.tell_reachable(true);
                    if !self.converse(stream).await {
                        return;
                    }
                    self.tell_reachable(false);
                }
                Found::Nobody => {
                    self.tell_reachable(false);
                    match timeout(pause, self.wait()).await {
                        Ok(false) => return,
                        Ok(true) | Err(_) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Found::Stop => return,
            }
        }
    }

    fn tell_reachable(&mut self, reachable: bool) {
        if self.reachable != Some(reachable) {
            self.reachable = Some(reachable);
            let event = if reachable { Event::Reachable(self.peer) } else { Event::Unreachable(self.peer) };
            (self.sink)(event);
        }
    }

    /// Waits until there is a reason to try again. False: the server stops.
    async fn wait(&mut self) -> bool {
        loop {
            match self.told.recv().await {
                // It is told again what was to be said once it is reached.
                Some(Told::Say(_)) => {}
                Some(Told::Came(_) | Told::Asked) => return true,
                None => return false,
            }
        }
    }

    async fn find(&mut self) -> Found {
        let dial = greet(&self.addresses, &self.options, self.peer);
        tokio::pin!(dial);
        let mut asked = false;
        loop {
            tokio::select! {
                told = self.told.recv() => match told {
                    Some(Told::Came(stream)) => return Found::Stream(stream),
                    Some(Told::Say(_) | Told::Asked) => {}
                    None => return Found::Stop,
                },
                dialled = &mut dial, if !asked => match dialled {
                    Ok(stream) if self.options.me > self.peer => return Found::Stream(stream),
                    // It dials back.
                    Ok(_) => asked = true,
                    Err(error) => {
                        tracing::debug!(target: topics::SERVER, sid = %self.peer, %error, "a member cannot be reached");
                        return Found::Nobody;
                    }
                },
                () = sleep(DIAL_BACK_WITHIN), if asked => return Found::Nobody,
            }
        }
    }

    /// Talks until the connection ends. False: the server stops.
    async fn converse(&mut self, mut stream: TcpStream) -> bool {
        let mut input = BytesMut::with_capacity(1024);
        loop {
            tokio::select! {
                told = self.told.recv() => match told {
                    Some(Told::Say(framed)) => {
                        if timeout(self.options.connect_timeout, stream.write_all(&framed)).await.is_err() {
                            return true;
                        }
                    }
                    // The other side has begun anew.
                    Some(Told::Came(newer)) => {
                        stream = newer;
                        input.clear();
                        (self.sink)(Event::Reachable(self.peer));
                    }
                    Some(Told::Asked) => return true,
                    None => return false,
                },
                read = stream.read_buf(&mut input) => match read {
                    Ok(0) | Err(_) => return true,
                    Ok(_) => {
                        if !self.take_in(&mut input) {
                            return true;
                        }
                    }
                },
            }
        }
    }

    /// Tells what has come whole. False: the stream cannot be read on.
    fn take_in(&self, input: &mut BytesMut) -> bool {
        loop {
            match next_notification(input) {
                Ok(Some(range)) => {
                    let body = input.split_to(range.end).freeze().slice(range);
                    match Notification::decode(&body) {
                        Ok(said) => (self.sink)(Event::Notified(self.peer, said)),
                        Err(error) => {
                            tracing::warn!(target: topics::SERVER, sid = %self.peer, %error, len = body.len(), "a notification is passed over");
                        }
                    }
                }
                Ok(None) => return true,
                Err(error) => {
                    tracing::warn!(target: topics::SERVER, sid = %self.peer, ?error, "what comes on the election port is no notification");
                    return false;
                }
            }
        }
    }
}

enum Found {
    Stream(TcpStream),
    Nobody,
    Stop,
}

async fn greet(addresses: &[Address], options: &PeerOptions, peer: ServerId) -> io::Result<TcpStream> {
    let _ = peer;
    let mut stream = connect(addresses, options.connect_timeout).await?;
    let own = options.members.get(&options.me).map(|ports| ports.election.as_slice()).unwrap_or_default();
    let addresses = own.iter().map(|address| format!("{}:{}", address.host, address.port)).collect();
    let mut hello = Vec::new();
    Hello { sid: options.me, addresses }.encode(&mut hello);
    // In one piece: the official reader takes the address from a single read.
    stream.write_all(&hello).await?;
    Ok(stream)
}
