//! The quorum port: connections between a leader and its learners, numbered, one task each (`link`).
//!
//! Invariant: a link that does not keep up is ended, and its learner comes back for what it lacks. Whoever connects is no
//! link before it has said who it is.

use super::{
    Heard, PeerOptions, PieceReader,
    link::{Conversation, End},
    listening::Listening,
    login,
    outbox::{Crowd, Outbox},
    packets::Packets,
    strangers::Strangers,
    stream::PeerStream,
    wing::Wing,
};
use crate::{
    membership::HostPort,
    server::{clock, figures::LearnerFigures},
    topics,
    zab::{Event, Link},
};
use bytes::Bytes;
use oxkeeper_codec::{
    ServerId,
    learner::{LearnerInfo, ToLeader, ToLearner},
    packet::PACKET_TAIL,
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::Notify,
    task::{AbortHandle, spawn_local},
    time::{sleep, timeout},
};

/// So many learners at one time; one that is no member makes room for one that is.
const LINKS_MAX: usize = 1000;
/// So many links say at one time that they are of the same server.
const SAME_ID_MAX: usize = 16;
/// FOLLOWERINFO or OBSERVERINFO is no longer than this, in bytes.
const FIRST_PACKET_MAX_BYTES: usize = 1024;
/// What a packet may have beside twice what a client may send, in bytes: a transaction may be longer than its request, and a
/// request has the client's identities beside it.
const PACKET_EXTRA_BYTES: usize = 128 * 1024;
/// What may wait for all learners that are no members, in bytes; the one that has taken nothing for longest makes room. It is
/// more than a learner is sent at once when it is brought up from memory.
const GUESTS_WAITING_MAX_BYTES: usize = 40 << 20;
/// So long a server that stops waits until the others have heard what it had to say.
const PARTING: Duration = Duration::from_millis(500);
/// So often an observer master is tried before the next one is.
const MASTER_ATTEMPTS: u32 = 5;
/// That a leader cannot be reached for so long is worth a line, in ms.
const NEWS_MS: i64 = 1000;

/// Where this member meets its learners: as a leader, or as the observer master that a follower may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Quorum,
    ObserverMaster,
}

/// See the module.
pub(super) struct Links {
    wing: Rc<Wing>,
    open: RefCell<BTreeMap<Link, Open>>,
    next: Cell<u64>,
    /// What waits for learners that are no members.
    guests: Rc<Crowd>,
    dialling: Cell<Option<AbortHandle>>,
    /// When the leader's port was last reached, in ms of the elapsed clock.
    reached_ms: Cell<Option<i64>>,
    /// Why observer masters could not be reached, as it was said.
    missed: RefCell<BTreeMap<ServerId, String>>,
    listening: Listening,
    /// A link has gone.
    fewer: Notify,
    /// Which port is listened on, if any is.
    door: Cell<Door>,
}

/// A link, as others have it.
struct Open {
    outbox: Rc<Outbox>,
    task: AbortHandle,
    /// A stream was sent over it: its writer may wait for room.
    streams: bool,
    /// Of which learner it is; `None`: it is the one with the leader.
    learner: Option<ServerId>,
    /// What is counted of it.
    figures: Option<Arc<LearnerFigures>>,
}

impl Links {
    pub(super) fn new(wing: &Rc<Wing>) -> Rc<Self> {
        let strangers = Strangers::new(Rc::clone(wing), "quorum", wing.options.register_timeout);
        Rc::new(Self {
            wing: Rc::clone(wing),
            open: RefCell::default(),
            next: Cell::new(1),
            listening: Listening::new(strangers),
            door: Cell::new(Door::Quorum),
            guests: Rc::default(),
            dialling: Cell::default(),
            reached_ms: Cell::default(),
            missed: RefCell::default(),
            fewer: Notify::new(),
        })
    }

    /// Looks for the leader's quorum port, again and again until it is told otherwise, or its election port is known to be
    /// out of reach as well.
    pub(super) fn dial(self: &Rc<Self>, leader: ServerId) {
        let links = Rc::clone(self);
        replace(&self.dialling, Some(spawn_local(async move { links.reach(leader).await }).abort_handle()));
    }

    /// Looks for the observer master port of a follower, a few times.
    pub(super) fn dial_master(self: &Rc<Self>, master: ServerId) {
        let links = Rc::clone(self);
        let dialling = spawn_local(async move { links.reach_master(master).await });
        replace(&self.dialling, Some(dialling.abort_handle()));
    }

    async fn reach_master(self: &Rc<Self>, master: ServerId) {
        let PeerOptions { dial_timeout, master_pause, observer_master_port, .. } = &self.wing.options;
        for attempt in 1..=MASTER_ATTEMPTS {
            let Some(ports) = self.wing.ports_of(master) else { break };
            let error =
                match self.dial_at(&ports.meets_learners_at(*observer_master_port), *dial_timeout).await {
                    Ok(stream) => {
                        self.missed.borrow_mut().remove(&master);
                        let packets = Packets::of_member(self.packet_max_bytes());
                        return self.open(stream, packets, None);
                    }
                    Err(error) => error,
                };
            if attempt == MASTER_ATTEMPTS || self.wing.unreachable.borrow().contains(&master) {
                self.tell_missed(master, &error);
                break;
            }
            sleep(*master_pause).await;
        }
        self.wing.tell_event(Event::NotDialled(master));
    }

    async fn dial_at(&self, addresses: &[HostPort], within: Duration) -> io::Result<PeerStream> {
        let (mut stream, host) = PeerStream::dial(addresses, within, &self.wing).await?;
        login::log_in(&mut stream, &host, &self.wing, within).await?;
        Ok(stream)
    }

    /// Says so once, as long as the reason is the same.
    fn tell_missed(&self, master: ServerId, error: &io::Error) {
        let text = error.to_string();
        if self.missed.borrow().get(&master) != Some(&text) {
            tracing::warn!(target: topics::PEERS, %master, %error, "no observer is served there (observerMasterPort); trying the next member");
            self.missed.borrow_mut().insert(master, text);
        }
    }

    async fn reach(self: &Rc<Self>, leader: ServerId) {
        let PeerOptions { dial_timeout, dial_pause, .. } = &self.wing.options;
        let since_ms = self.wing.now_ms();
        let mut said = String::new();
        // Reached a moment ago, and hung up on.
        if self.reached_ms.get().is_some_and(|reached_ms| since_ms - reached_ms <= 1) {
            sleep(*dial_pause).await;
        }
        while let Some(ports) = self.wing.ports_of(leader) {
            let error = match self.dial_at(&ports.quorum, *dial_timeout).await {
                Ok(stream) => {
                    self.reached_ms.set(Some(self.wing.now_ms()));
                    let packets = Packets::of_member(self.packet_max_bytes());
                    return self.open(stream, packets, None);
                }
                Err(error) => error,
            };
            if self.wing.unreachable.borrow().contains(&leader) {
                break;
            }
            let text = error.to_string();
            if self.wing.now_ms() - since_ms >= NEWS_MS && text != said {
                tracing::warn!(target: topics::PEERS, %leader, %error, "the quorum port of the leader cannot be reached; trying again");
                said = text;
            }
            sleep(*dial_pause).await;
        }
        self.wing.tell_event(Event::NotDialled(leader));
    }

    /// Takes connections of learners.
    pub(super) fn listen(self: &Rc<Self>, door: Door) {
        self.door.set(door);
        let links = Rc::clone(self);
        let on_all = self.wing.options.listen_on_all;
        self.listening.begin(self.own_places(), None, on_all, move |stream| Rc::clone(&links).greet(stream));
    }

    fn own_places(&self) -> Vec<HostPort> {
        let port = match self.door.get() {
            Door::Quorum => None,
            Door::ObserverMaster => self.wing.options.observer_master_port,
        };
        self.wing.own_ports().meets_learners_at(port)
    }

    /// A member's port moves with it. Links stay.
    pub(super) fn follow_members(self: &Rc<Self>) {
        if self.listening.is_elsewhere_than(&self.own_places()) {
            self.listen(self.door.get());
        }
    }

    /// Has a connection say who it is: it is a learner's then.
    async fn greet(self: Rc<Self>, stream: TcpStream) -> io::Result<()> {
        let mut stream = PeerStream::accepted(stream, &self.wing).await?;
        let mut packets = Packets::of_stranger(FIRST_PACKET_MAX_BYTES);
        login::let_in(&mut stream, &self.wing, packets.raw()).await?;
        let packet = loop {
            match packets.next()? {
                Some(packet) => break packet,
                None if packets.read(&mut stream).await? == 0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => {}
            }
        };
        match ToLeader::decode(&packet).map_err(io::Error::other)? {
            ToLeader::Info(info) => {
                packets.is_member(self.packet_max_bytes());
                self.admit(info.sid)?;
                self.open(stream, packets, Some(info));
                Ok(())
            }
            other => Err(io::Error::other(format!("it begins with {:?}", other.kind()))),
        }
    }

    /// Sees to it that there is room for one more learner: of no server there are many, so that no crowd keeps members out.
    fn admit(&self, sid: ServerId) -> io::Result<()> {
        let refused = |text: String| Err(io::Error::other(text));
        let open = self.open.borrow();
        if open.values().filter(|open| open.learner == Some(sid)).count() >= SAME_ID_MAX {
            return refused(format!("there are {SAME_ID_MAX} links of server {sid} already"));
        }
        if open.len() < LINKS_MAX {
            return Ok(());
        }
        let stranger = open.iter().find(|(_, open)| self.is_guest(open));
        let Some((&stranger, _)) = stranger.filter(|_| self.is_member(sid)) else {
            return refused(format!("there are {LINKS_MAX} learners already"));
        };
        drop(open);
        self.ended(stranger, Err(io::Error::other("it is no member, and makes room for one that is")));
        Ok(())
    }

    fn is_member(&self, sid: ServerId) -> bool {
        self.wing.members.borrow().contains_key(&sid)
    }

    fn is_guest(&self, open: &Open) -> bool {
        open.learner.is_some_and(|sid| !self.is_member(sid))
    }

    fn packet_max_bytes(&self) -> usize {
        self.wing.options.max_packet_bytes.saturating_mul(2).saturating_add(PACKET_EXTRA_BYTES)
    }

    /// Makes a link of a connection: of a learner, who has said who it is in `info`, or of the leader.
    fn open(self: &Rc<Self>, stream: PeerStream, packets: Packets, info: Option<LearnerInfo>) {
        let end = if info.is_some() { End::Leader } else { End::Learner };
        let PeerOptions { no_delay_to_leader, no_delay_to_learners, .. } = self.wing.options;
        let no_delay = if end == End::Leader { no_delay_to_learners } else { no_delay_to_leader };
        // A connection that is broken already shows it soon enough.
        drop(stream.socket().set_nodelay(no_delay));
        let link = Link(self.next.get());
        self.next.set(link.0 + 1);
        let learner = info.as_ref().map(|info| info.sid);
        let figures = info.as_ref().and_then(|info| {
            let peer = stream.socket().peer_addr().ok()?;
            Some(Arc::new(LearnerFigures::new(info.sid, peer, info.observer, clock::wall_ms())))
        });
        figures.iter().for_each(|figures| self.wing.options.learners.add(figures));
        match info {
            Some(info) => {
                self.wing.tell_event(Event::Arrived(link));
                self.wing.tell_event(Event::FromLearner(link, ToLeader::Info(info)));
            }
            None => self.wing.tell_event(Event::Dialled(link)),
        }
        let is_guest = learner.is_some_and(|sid| !self.is_member(sid));
        let outbox = if is_guest { Outbox::among(Rc::clone(&self.guests)) } else { Outbox::default() };
        let (links, outbox) = (Rc::clone(self), Rc::new(outbox));
        let (sent, counted) = (Rc::clone(&outbox), figures.clone());
        let conversation = async move {
            let learner = counted.as_deref();
            let conversation = Conversation { wing: &links.wing, link, end, outbox: &sent, learner };
            let ended = conversation.run(stream, packets).await;
            links.ended(link, ended);
        };
        let task = spawn_local(conversation).abort_handle();
        self.open.borrow_mut().insert(link, Open { outbox, task, streams: false, learner, figures });
    }

    /// A link has ended by itself.
    fn ended(&self, link: Link, how: io::Result<()>) {
        let link_number = link.0;
        match how {
            Ok(()) => {
                tracing::debug!(target: topics::PEERS, link = link_number, "a link was ended by the other side")
            }
            Err(error) => self.wing.warnings.broken(self.wing.now_ms(), link_number, &error),
        }
        self.hang_up(link);
        self.wing.tell_event(Event::Closed(link));
    }

    /// Forgets a link: nothing of it is heard any more.
    pub(super) fn hang_up(&self, link: Link) {
        let Some(open) = self.open.borrow_mut().remove(&link) else { return };
        let Open { outbox, task, streams, figures, .. } = open;
        figures.iter().for_each(|figures| self.wing.options.learners.remove(figures));
        task.abort();
        // The task goes later.
        outbox.clear();
        if streams {
            self.wing.tell(Heard::Room);
        }
        self.fewer.notify_one();
    }

    /// Meets nobody new.
    fn close(&self) {
        replace(&self.dialling, None);
        self.listening.close();
    }

    /// Says what there is to say, and parts. Whoever takes too long over that is left.
    pub(super) async fn part(&self) {
        self.close();
        self.open.borrow().values().for_each(|open| open.outbox.finish());
        let all_gone = async {
            while !self.open.borrow().is_empty() {
                self.fewer.notified().await;
            }
        };
        drop(timeout(PARTING, all_gone).await);
    }

    pub(super) fn hang_up_all(&self) {
        self.close();
        let open: Vec<Link> = self.open.borrow().keys().copied().collect();
        open.into_iter().for_each(|link| self.hang_up(link));
    }

    pub(super) fn to_leader(&self, link: Link, packet: &ToLeader) {
        let mut bytes = Vec::new();
        packet.encode(&mut bytes);
        self.send(link, [Bytes::from(bytes)]);
    }

    /// Encodes once for all of them.
    pub(super) fn to_learners(&self, links: &[Link], packet: &ToLearner) {
        let mut head = Vec::new();
        let txn = packet.encode_head(&mut head).cloned();
        let head = Bytes::from(head);
        match txn {
            Some(txn) => {
                let tail = Bytes::from_static(&PACKET_TAIL);
                links.iter().for_each(|&link| self.send(link, [head.clone(), txn.clone(), tail.clone()]));
            }
            None => links.iter().for_each(|&link| self.send(link, [head.clone()])),
        }
    }

    fn send<const N: usize>(&self, link: Link, pieces: [Bytes; N]) {
        let fits = self.open.borrow().get(&link).is_none_or(|open| {
            let fits = open.outbox.push(pieces);
            if let Some(figures) = &open.figures {
                figures.sent.add(1);
                open.outbox.count(figures);
            }
            fits
        });
        if !fits {
            self.does_not_keep_up(link);
        }
        while self.guests.waiting() > GUESTS_WAITING_MAX_BYTES
            && let Some(slowest) = self.slowest_guest()
        {
            self.does_not_keep_up(slowest);
        }
    }

    /// Of those who are no members, and for whom something waits, the one that has taken nothing for longest.
    fn slowest_guest(&self) -> Option<Link> {
        let open = self.open.borrow();
        let guests = open.iter().filter(|(_, open)| self.is_guest(open) && open.outbox.waiting() > 0);
        guests.min_by_key(|(_, open)| open.outbox.last_taken()).map(|(&link, _)| link)
    }

    fn does_not_keep_up(&self, link: Link) {
        let why = "it does not keep up; a learner comes back for what it lacks";
        self.ended(link, Err(io::Error::new(io::ErrorKind::QuotaExceeded, why)));
    }

    /// The listener takes more.
    pub(super) fn resume(&self) {
        self.wing.resumed.notify_waiters();
    }

    /// Sends all of a stream.
    pub(super) fn stream(&self, link: Link, stream: PieceReader) {
        match self.open.borrow_mut().get_mut(&link) {
            Some(open) => {
                open.outbox.push_stream(stream);
                open.streams = true;
            }
            // The writer finds out when it sends, which it may wait to do.
            None => {
                drop(stream);
                self.wing.tell(Heard::Room);
            }
        }
    }
}

/// Ends what is under way there, and puts another in its place.
fn replace(task: &Cell<Option<AbortHandle>>, other: Option<AbortHandle>) {
    if let Some(old) = task.replace(other) {
        old.abort();
    }
}
