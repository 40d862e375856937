//! The election port (`QuorumCnxManager`): one connection with each other member, kept by one task (`keeper`).
//!
//! Of two members the one with the higher id dials, and keeps that connection; when the lower one dials, it is only
//! asking to be dialled back. Members come and go; whoever is none and asks is a guest, and is answered while it stays: it may be
//! about to join, or have been removed.

use super::{
    keeper::{Call, Connection, Keeper, Seat},
    listening::{BIND_PAUSE, Listening},
    login,
    sockets::listen,
    strangers::Strangers,
    stream::PeerStream,
    wing::Wing,
};
use crate::{membership::HostPort, topics, zab::Members};
use bytes::{Bytes, BytesMut};
use oxkeeper_codec::{
    ServerId,
    election::{Hello, Notification},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io,
    rc::Rc,
    sync::mpsc::Sender,
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::{AbortHandle, spawn_local},
    time::sleep,
};

/// So many who are no members are talked to at one time; the one that has been here longest makes room.
const GUESTS_MAX: usize = 64;

/// See the module.
pub(super) struct Elections {
    wing: Rc<Wing>,
    /// The other members, but observers among observers: they have nothing to tell each other. And guests.
    seats: RefCell<BTreeMap<ServerId, Talk>>,
    /// The port is bound, and others are looked for.
    open: Cell<bool>,
    listening: Listening,
    /// How many guests there have been.
    guests: Cell<u64>,
}

/// With whom, where, and by which task.
struct Talk {
    seat: Rc<Seat>,
    addresses: Vec<HostPort>,
    /// It is no member: which of all those it is.
    guest: Option<u64>,
    /// `None` until the port is bound.
    task: Option<AbortHandle>,
}

impl Drop for Talk {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Elections {
    pub(super) fn new(wing: &Rc<Wing>) -> Rc<Self> {
        let within = wing.options.silence_timeout;
        let elections = Self {
            wing: Rc::clone(wing),
            seats: RefCell::default(),
            open: Cell::new(false),
            listening: Listening::new(Strangers::new(Rc::clone(wing), "election", within)),
            guests: Cell::default(),
        };
        elections.seat_members();
        Rc::new(elections)
    }

    /// The members are others from now on, or elsewhere; this one, too, maybe.
    pub(super) fn follow_members(self: &Rc<Self>) {
        self.seat_members();
        let own = self.wing.own_ports().election;
        if self.listening.is_elsewhere_than(&own) {
            self.listen(own, None);
        }
    }

    /// Talks to nobody any more.
    pub(super) fn end(&self) {
        self.open.set(false);
        self.listening.close();
        self.seats.borrow_mut().clear();
    }

    fn listen(self: &Rc<Self>, own: Vec<HostPort>, bound: Option<Vec<TcpListener>>) {
        let (elections, on_all) = (Rc::clone(self), self.wing.options.listen_on_all);
        self.listening.begin(own, bound, on_all, move |stream| Rc::clone(&elections).greet(stream));
    }

    /// Whoever is no member any more, or somewhere else, is left; whoever is new is looked for.
    fn seat_members(&self) {
        let (me, members) = (self.wing.options.me, self.wing.members.borrow());
        let observes = |id: ServerId| members.get(&id).is_some_and(|ports| ports.observer);
        let is_talked_to = |id: ServerId| id != me && !(observes(me) && observes(id));
        let mut seats = self.seats.borrow_mut();
        seats.retain(|id, talk| match members.get(id) {
            Some(ports) => talk.guest.is_none() && is_talked_to(*id) && talk.addresses == ports.election,
            None => talk.guest.is_some(),
        });
        for (&id, ports) in members.iter().filter(|(id, _)| is_talked_to(**id)) {
            seats.entry(id).or_insert_with(|| {
                let talk =
                    Talk { seat: Rc::default(), addresses: ports.election.clone(), guest: None, task: None };
                if self.open.get() { self.begin(id, talk) } else { talk }
            });
        }
    }

    fn begin(&self, peer: ServerId, mut talk: Talk) -> Talk {
        let (wing, seat) = (Rc::clone(&self.wing), Rc::clone(&talk.seat));
        let keeper = Keeper::new(wing, peer, seat, talk.addresses.clone());
        let task = if talk.guest.is_some() {
            spawn_local(keeper.talk_with_guest())
        } else {
            spawn_local(keeper.run())
        };
        talk.task = Some(task.abort_handle());
        talk
    }

    /// Binds the port and tells how that went; then accepts, and looks for the others.
    pub(super) async fn serve(self: Rc<Self>, started: Sender<io::Result<()>>) {
        let (own, listeners) = match self.bind(&started).await {
            Ok(bound) => bound,
            Err(error) => return drop(started.send(Err(error))),
        };
        drop(started.send(Ok(())));
        self.listen(own, Some(listeners));
        self.open.set(true);
        let mut seats = self.seats.borrow_mut();
        // What is to be said waits in the seats.
        *seats =
            std::mem::take(&mut *seats).into_iter().map(|(id, talk)| (id, self.begin(id, talk))).collect();
        drop(seats);
        // It may have moved meanwhile.
        self.follow_members();
    }

    async fn bind(&self, started: &Sender<io::Result<()>>) -> io::Result<(Vec<HostPort>, Vec<TcpListener>)> {
        let options = &self.wing.options;
        for attempt in 1.. {
            let own = self.wing.own_ports().election;
            let error = match listen(&own, options.listen_on_all).await {
                Ok(listeners) => return Ok((own, listeners)),
                Err(error) => error,
            };
            match options.bind_attempts {
                Some(most) if attempt >= most => return Err(error),
                Some(_) => {}
                // Nobody waits for ever.
                None => drop(started.send(Ok(()))),
            }
            if attempt == 1 {
                tracing::error!(target: topics::PEERS, %error, "the election port cannot be bound; trying again every second");
            }
            sleep(BIND_PAUSE).await;
        }
        unreachable!("attempts have no end")
    }

    /// Says something to these.
    pub(super) fn notify(&self, to: &Members, said: &Notification) {
        let mut framed = Vec::new();
        said.encode_framed(&mut framed).expect("the text of the members was in a file or a packet");
        let framed = Bytes::from(framed);
        let seats = self.seats.borrow();
        for talk in to.iter().filter_map(|id| seats.get(id)) {
            talk.seat.say.put(framed.clone());
        }
    }

    async fn greet(self: Rc<Self>, stream: TcpStream) -> io::Result<()> {
        let mut stream = PeerStream::accepted(stream, &self.wing).await?;
        let mut input = BytesMut::with_capacity(256);
        let hello = loop {
            match Hello::decode(&input).map_err(io::Error::other)? {
                Some((hello, len)) => {
                    // What the member says stands right behind it.
                    drop(input.split_to(len));
                    break hello;
                }
                None if stream.read_buf(&mut input).await? == 0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => {}
            }
        };
        login::let_in(&mut stream, &self.wing, &mut input).await?;
        let me = self.wing.options.me;
        if hello.sid == me {
            let text = format!("it says that it is server {me}, as this one: see both files myid");
            return Err(io::Error::other(text));
        }
        if let Some(seat) = self.seat_of(&hello)? {
            seat.call.put(if hello.sid > me {
                Call::Came(Connection { stream, input })
            } else {
                Call::Asked
            });
        }
        Ok(())
    }

    /// Where somebody is talked to; `None`: it has nothing to tell.
    fn seat_of(&self, hello: &Hello) -> io::Result<Option<Rc<Seat>>> {
        let mut seats = self.seats.borrow_mut();
        seats.retain(|_, talk| {
            talk.guest.is_none() || talk.task.as_ref().is_some_and(|task| !task.is_finished())
        });
        if let Some(talk) = seats.get(&hello.sid) {
            return Ok(Some(Rc::clone(&talk.seat)));
        }
        if self.wing.members.borrow().contains_key(&hello.sid) {
            return Ok(None);
        }
        let addresses: Vec<HostPort> =
            hello.addresses.iter().filter_map(|text| HostPort::parse(text)).collect();
        if addresses.is_empty() && hello.sid < self.wing.options.me {
            let text =
                format!("it says that it is server {}, which is no member, and not where it is", hello.sid);
            return Err(io::Error::other(text));
        }
        let guests =
            seats.iter().filter_map(|(&id, talk)| Some((talk.guest?, id))).collect::<BTreeMap<_, _>>();
        if let Some((_, longest)) = guests.first_key_value()
            && guests.len() >= GUESTS_MAX
        {
            seats.remove(longest);
        }
        let number = self.guests.get();
        self.guests.set(number + 1);
        let talk = Talk { seat: Rc::default(), addresses, guest: Some(number), task: None };
        let seat = Rc::clone(&talk.seat);
        seats.insert(hello.sid, self.begin(hello.sid, talk));
        Ok(Some(seat))
    }
}
