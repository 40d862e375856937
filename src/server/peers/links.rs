//! The quorum port: connections between a leader and its learners, one task each.
//!
//! Invariant: what waits to be sent over a link is bounded; a link that does not keep up is ended, and its learner comes
//! back for what it lacks.

use super::{PeerOptions, Sink, connect, listen, packets::Packets};
use crate::{
    topics,
    zab::{Event, Link},
};
use bytes::Bytes;
use oxkeeper_codec::{
    ServerId,
    learner::{ToLeader, ToLearner},
    packet::{PACKET_TAIL, PacketError},
};
use std::{
    cell::Cell,
    collections::BTreeMap,
    io::{self, IoSlice},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{JoinHandle, spawn_local},
    time::sleep,
};

/// What may wait to be sent over one link, in bytes.
const WAITING_MAX_BYTES: usize = 256 << 20;
/// Between two attempts to reach a leader: it may not listen yet.
const DIAL_PAUSE: Duration = Duration::from_millis(10);
/// So many pieces go into one write.
const PIECES_AT_ONCE: usize = 64;

/// See the module.
pub(super) struct Links {
    options: Arc<PeerOptions>,
    sink: Sink,
    open: BTreeMap<Link, OpenLink>,
    next: Rc<Cell<u64>>,
    dialling: Option<JoinHandle<()>>,
    listeners: Vec<JoinHandle<()>>,
    /// Links that have come about on other tasks.
    come: UnboundedReceiver<(Link, OpenLink)>,
    comes: UnboundedSender<(Link, OpenLink)>,
}

/// A link, as it is written to.
#[derive(Debug)]
struct OpenLink {
    pieces: UnboundedSender<Bytes>,
    waiting: Rc<Cell<usize>>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for OpenLink {
    fn drop(&mut self) {
        // What was said last still goes out; nothing more is read.
        self.tasks[0].abort();
    }
}

/// Which end of a link this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Leader,
    Learner,
}

impl Links {
    pub(super) fn new(options: Arc<PeerOptions>, sink: Sink) -> Self {
        let (comes, come) = unbounded_channel();
        Self {
            options,
            sink,
            open: BTreeMap::new(),
            next: Rc::new(Cell::new(1)),
            dialling: None,
            listeners: Vec::new(),
            come,
            comes,
        }
    }

    /// Looks for the leader's quorum port, again and again until it is told otherwise.
    pub(super) fn dial(&mut self, leader: ServerId) {
        let Some(ports) = self.options.members.get(&leader) else {
            (self.sink)(Event::NotDialled(leader));
            return;
        };
        let (addresses, opener) = (ports.quorum.clone(), self.opener(End::Learner));
        let timeout = self.options.connect_timeout;
        self.dialling = Some(spawn_local(async move {
            loop {
                match connect(&addresses, timeout).await {
                    Ok(stream) => return opener.open(stream),
                    Err(error) => {
                        tracing::debug!(target: topics::SERVER, %leader, %error, "the leader cannot be reached yet");
                    }
                }
                sleep(DIAL_PAUSE).await;
            }
        }));
    }

    /// Takes connections of learners.
    pub(super) async fn listen(&mut self) {
        let own =
            self.options.members.get(&self.options.me).map(|ports| ports.quorum.clone()).unwrap_or_default();
        match listen(&own, self.options.listen_on_all).await {
            Ok(listeners) => {
                for listener in listeners {
                    self.listeners.push(spawn_local(accept(listener, self.opener(End::Leader))));
                }
            }
            Err(error) => {
                tracing::error!(target: topics::SERVER, %error, "the quorum port cannot be bound: no learner can come");
            }
        }
    }

    pub(super) fn hang_up(&mut self, link: Link) {
        self.gather();
        self.open.remove(&link);
    }

    pub(super) fn hang_up_all(&mut self) {
        self.gather();
        self.open.clear();
        self.dialling.take().into_iter().chain(self.listeners.drain(..)).for_each(|task| task.abort());
    }

    pub(super) fn to_leader(&mut self, link: Link, packet: &ToLeader) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        self.send(link, [Bytes::from(bytes)]);
    }

    /// Encodes once for all of them.
    pub(super) fn to_learners(&mut self, links: &[Link], packet: &ToLearner) {
        let mut head = Vec::new();
        match packet.encode_head(&mut head).cloned() {
            Some(txn) => {
                let (head, tail) = (Bytes::from(head), Bytes::from_static(&PACKET_TAIL));
                links.iter().for_each(|&link| self.send(link, [head.clone(), txn.clone(), tail.clone()]));
            }
            None => {
                let head = Bytes::from(head);
                links.iter().for_each(|&link| self.send(link, [head.clone()]));
            }
        }
    }

    pub(super) fn raw(&mut self, link: Link, bytes: Bytes) {
        self.send(link, [bytes]);
    }

    fn send<const N: usize>(&mut self, link: Link, pieces: [Bytes; N]) {
        self.gather();
        let Some(open) = self.open.get(&link) else { return };
        let len: usize = pieces.iter().map(Bytes::len).sum();
        open.waiting.set(open.waiting.get() + len);
        if open.waiting.get() > WAITING_MAX_BYTES {
            tracing::warn!(target: topics::SERVER, link = link.0, "a member does not keep up: its link is ended, and it comes back for what it lacks");
            self.open.remove(&link);
            (self.sink)(Event::Closed(link));
            return;
        }
        for piece in pieces {
            drop(open.pieces.send(piece));
        }
    }

    /// Takes over the links that have come about.
    fn gather(&mut self) {
        while let Ok((link, open)) = self.come.try_recv() {
            self.open.insert(link, open);
        }
    }

    fn opener(&self, end: End) -> Opener {
        Opener {
            end,
            next: Rc::clone(&self.next),
            comes: self.comes.clone(),
            sink: Arc::clone(&self.sink),
            max_bytes: self.options.max_packet_bytes,
        }
    }
}

async fn accept(listener: TcpListener, opener: Opener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => opener.open(stream),
            Err(error) => {
                tracing::warn!(target: topics::SERVER, %error, "the quorum port cannot accept");
                sleep(DIAL_PAUSE).await;
            }
        }
    }
}

/// Makes links of connections.
struct Opener {
    end: End,
    next: Rc<Cell<u64>>,
    comes: UnboundedSender<(Link, OpenLink)>,
    sink: Sink,
    max_bytes: usize,
}

impl Opener {
    fn open(&self, stream: TcpStream) {
        drop(stream.set_nodelay(true));
        let link = Link(self.next.get());
        self.next.set(link.0 + 1);
        let (read, write) = stream.into_split();
        let (pieces, queue) = unbounded_channel();
        let waiting = Rc::new(Cell::new(0));
        (self.sink)(if self.end == End::Leader { Event::Arrived(link) } else { Event::Dialled(link) });
        let sink = Arc::clone(&self.sink);
        let packets = Packets::new(read, self.max_bytes);
        let end = self.end;
        let reader = spawn_local(async move {
            if let Err(error) = hear(link, end, packets, &sink).await {
                tracing::warn!(target: topics::SERVER, link = link.0, %error, "a link between leader and learner is broken");
            }
            sink(Event::Closed(link));
        });
        let writer = spawn_local(say(write, queue, Rc::clone(&waiting)));
        drop(self.comes.send((link, OpenLink { pieces, waiting, tasks: [reader, writer] })));
    }
}

/// Tells what comes over a link, to its end.
async fn hear(link: Link, end: End, mut packets: Packets<OwnedReadHalf>, sink: &Sink) -> io::Result<()> {
    while let Some(packet) = packets.next().await? {
        let event = match end {
            End::Leader => ToLeader::decode(&packet).map(|packet| Event::FromLearner(link, packet)),
            End::Learner => ToLearner::decode(&packet).map(|packet| Event::FromLeader(link, packet)),
        };
        match event {
            Ok(event) => sink(event),
            Err(error @ PacketError::Unexpected(_)) => {
                tracing::warn!(target: topics::SERVER, link = link.0, %error, "a packet is passed over");
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
    Ok(())
}

/// Writes what is to be said: all that waits, in one system call where it can be.
async fn say(mut to: OwnedWriteHalf, mut queue: UnboundedReceiver<Bytes>, waiting: Rc<Cell<usize>>) {
    let mut pieces = Vec::with_capacity(PIECES_AT_ONCE);
    while queue.recv_many(&mut pieces, PIECES_AT_ONCE).await > 0 {
        let mut rest: Vec<Bytes> = std::mem::take(&mut pieces);
        while !rest.is_empty() {
            let slices: Vec<IoSlice<'_>> = rest.iter().map(|piece| IoSlice::new(piece)).collect();
            match to.write_vectored(&slices).await {
                Ok(0) | Err(_) => return,
                Ok(written) => {
                    waiting.set(waiting.get().saturating_sub(written));
                    advance(&mut rest, written);
                }
            }
        }
        pieces = rest;
    }
}

/// Takes what was written off the front.
fn advance(pieces: &mut Vec<Bytes>, mut written: usize) {
    let whole = pieces.iter().take_while(|piece| {
        let fits = piece.len() <= written;
        if fits {
            written -= piece.len();
        }
        fits
    });
    let whole = whole.count();
    pieces.drain(..whole);
    if let Some(first) = pieces.first_mut() {
        drop(first.split_to(written));
    }
}
