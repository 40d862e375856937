//! The election port (`QuorumCnxManager`): one connection with each other member, kept by one task (`keeper`).
//!
//! Of two members the one with the higher id dials, and keeps that connection; when the lower one dials, it is only
//! asking to be dialled back.

use super::{
    keeper::{Call, Connection, Keeper, Seat},
    sockets::listen,
    strangers::Strangers,
    wing::Wing,
};
use crate::{topics, zab::Members};
use bytes::{Bytes, BytesMut};
use oxkeeper_codec::{
    ServerId,
    election::{Hello, Notification},
};
use std::{collections::BTreeMap, io, rc::Rc, sync::mpsc::Sender, time::Duration};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::spawn_local,
    time::sleep,
};

/// Between two attempts to bind the port.
const BIND_PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Elections {
    wing: Rc<Wing>,
    /// The other members, but observers among observers: they have nothing to tell each other.
    seats: BTreeMap<ServerId, Rc<Seat>>,
}

impl Elections {
    pub(super) fn new(wing: &Rc<Wing>) -> Rc<Self> {
        let options = &wing.options;
        let observes = |id: &ServerId| options.members.get(id).is_none_or(|ports| ports.observer);
        let is_talked_to = |id: &&ServerId| **id != options.me && !(observes(&options.me) && observes(id));
        let seats = options.members.keys().filter(is_talked_to).map(|&id| (id, Rc::default())).collect();
        Rc::new(Self { wing: Rc::clone(wing), seats })
    }

    /// Binds the port and tells how that went; then accepts, and looks for the others.
    pub(super) async fn serve(self: Rc<Self>, started: Sender<io::Result<()>>) {
        let listeners = match self.bind(&started).await {
            Ok(listeners) => listeners,
            Err(error) => return drop(started.send(Err(error))),
        };
        drop(started.send(Ok(())));
        let within = self.wing.options.silence_timeout;
        let strangers = Strangers::new(Rc::clone(&self.wing), "election", within);
        for listener in listeners {
            let elections = Rc::clone(&self);
            let greeting = move |stream| Rc::clone(&elections).greet(stream);
            spawn_local(Rc::clone(&strangers).accept(listener, greeting));
        }
        for (&peer, seat) in &self.seats {
            spawn_local(Keeper::new(Rc::clone(&self.wing), peer, Rc::clone(seat)).run());
        }
    }

    async fn bind(&self, started: &Sender<io::Result<()>>) -> io::Result<Vec<TcpListener>> {
        let options = &self.wing.options;
        let own = options.members.get(&options.me).map(|ports| &*ports.election).unwrap_or_default();
        for attempt in 1.. {
            let error = match listen(own, options.listen_on_all).await {
                Ok(listeners) => return Ok(listeners),
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
        for seat in to.iter().filter_map(|id| self.seats.get(id)) {
            seat.say.put(framed.clone());
        }
    }

    async fn greet(self: Rc<Self>, mut stream: TcpStream) -> io::Result<()> {
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
        let me = self.wing.options.me;
        match self.seats.get(&hello.sid) {
            Some(seat) if hello.sid > me => seat.call.put(Call::Came(Connection { stream, input })),
            Some(seat) => seat.call.put(Call::Asked),
            None if hello.sid == me => {
                return Err(io::Error::other(format!(
                    "it says that it is server {me}, as this one: see both files myid"
                )));
            }
            None if self.wing.options.members.contains_key(&hello.sid) => {}
            None => {
                return Err(io::Error::other(format!(
                    "it says that it is server {}, which is no member",
                    hello.sid
                )));
            }
        }
        Ok(())
    }
}
