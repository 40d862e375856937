//! The waiting room: one thread that takes in connections while the data is loaded.
//!
//! Promise: a four-letter word is answered as by an official server that does not serve yet; whoever says anything
//! else, or nothing, waits with every byte unread and is handed to the workers as if it had come just then. A client
//! that connects early notices a delay and nothing else.
//!
//! Invariants: so many guests and no more (further ones wait in the backlog of the port); nothing is read but words,
//! so a guest costs a descriptor and what the system holds for it; who leaves, or says nothing for longer than
//! `nio.sessionlessCnxnTimeout`, gives its place up, the latter with a line in the log; no answer waits for its reader.

use super::words::{Spoken, Words};
use crate::{
    server::{
        ServerError,
        clock::{self, Clock},
        figures::{Client, Closing, Warnings},
    },
    topics,
};
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    io::Errno,
};
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Most guests, however many descriptors there are.
const MOST_GUESTS: usize = 10_000;
/// Connections taken in before the guests are looked at again.
const A_BATCH: usize = 256;
/// Between two looks at a port that gave an error.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Between two looks at who has been silent for too long.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Reads after which a connection that was answered counts as empty.
const READS_TO_EMPTY: usize = 4;

// What an event is about; guests count from 2 on.
const STOP: u64 = 0;
const LISTENER: u64 = 1;
const FIRST_GUEST: u64 = 2;

/// Who may wait, and what they may ask.
pub(crate) struct House {
    /// Who answers four-letter words.
    pub(crate) words: Arc<dyn Words>,
    /// How long a connection may say nothing.
    pub(crate) silence: Duration,
    /// Connections that there are descriptors for.
    pub(crate) descriptors: u32,
    /// The server's clock, by which lines of the log are limited.
    pub(crate) clock: Clock,
}

/// What the room hands over when it closes.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    /// Who waits, in the order in which they came.
    pub(crate) waiting: Vec<(TcpStream, SocketAddr)>,
}

/// The room, while it is open.
pub(crate) struct WaitingRoom {
    /// The thread ends when this does.
    stop: UnixStream,
    thread: JoinHandle<Door>,
}

impl WaitingRoom {
    /// Takes in connections from `listener`, which does not block.
    pub(crate) fn open(listener: TcpListener, house: House) -> Result<Self, ServerError> {
        let failed = |source| ServerError::System { what: "watch the client port", source };
        let (stop, end) = UnixStream::pair().map_err(failed)?;
        let room = Room::new(listener, end, house).map_err(failed)?;
        let run = move || room.run();
        let thread = std::thread::Builder::new().name("waiting-room".to_owned()).spawn(run);
        let thread = thread.map_err(|source| ServerError::System { what: "start a thread", source })?;
        Ok(Self { stop, thread })
    }

    /// Closes it: from now on the caller takes connections in.
    pub(crate) fn close(self) -> Result<Door, ServerError> {
        drop(self.stop);
        self.thread.join().map_err(|_| ServerError::Thread("waiting-room"))
    }
}

struct Guest {
    stream: TcpStream,
    peer: SocketAddr,
    since: Instant,
    /// Whether it has said something that somebody will have to answer.
    spoke: bool,
}

/// What becomes of a guest.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Waits { spoke: bool },
    Leaves,
    Told(String),
}

/// The thread's state.
struct Room {
    epoll: OwnedFd,
    listener: TcpListener,
    _stop: UnixStream,
    house: House,
    /// What guests have logged.
    warnings: Warnings,
    /// By the order in which they came.
    guests: BTreeMap<u64, Guest>,
    next: u64,
}

impl Room {
    fn new(listener: TcpListener, stop: UnixStream, house: House) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &stop, EventData::new_u64(STOP), EventFlags::RDHUP)?;
        // Only changes are told: a port that is left alone because the room is full would never be quiet.
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN | EventFlags::ET)?;
        Ok(Self {
            epoll,
            listener,
            _stop: stop,
            house,
            warnings: Warnings::default(),
            guests: BTreeMap::new(),
            next: FIRST_GUEST,
        })
    }

    fn run(mut self) -> Door {
        let mut events = Vec::with_capacity(A_BATCH);
        let mut more = false;
        let mut looked = clock::now();
        loop {
            let timeout = if more { Timespec::default() } else { TICK };
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(target: topics::CLIENTS, %error, "connections wait in the backlog until the data is loaded");
                    break;
                }
            }
            for event in &events {
                match event.data.u64() {
                    STOP => return self.hand_over(),
                    LISTENER => {}
                    guest => self.look_at(guest, event.flags),
                }
            }
            let now = clock::now();
            if now - looked >= LOOK_EVERY {
                looked = now;
                self.let_silent_go(now);
            }
            more = self.take_in(now);
        }
        self.hand_over()
    }

    fn let_silent_go(&mut self, now: Instant) {
        let Self { house, warnings, guests, .. } = self;
        let now_ms = house.clock.elapsed_ms();
        let why =
            Closing::Sessionless { limit_ms: i64::try_from(house.silence.as_millis()).unwrap_or(i64::MAX) };
        guests.retain(|_, guest| {
            let stays = guest.spoke || now - guest.since <= house.silence;
            if !stays {
                warnings.closing(now_ms, Client { peer: guest.peer, session: None }, &why);
            }
            stays
        });
        warnings.tell_left_out(now_ms, false);
    }

    fn hand_over(self) -> Door {
        self.warnings.tell_left_out(self.house.clock.elapsed_ms(), true);
        let waiting = self.guests.into_values().map(|guest| (guest.stream, guest.peer)).collect();
        Door { listener: self.listener, waiting }
    }

    fn most(&self) -> usize {
        usize::try_from(self.house.descriptors).unwrap_or(MOST_GUESTS).min(MOST_GUESTS)
    }

    /// Takes in who stands at the port. True: there may be more.
    fn take_in(&mut self, now: Instant) -> bool {
        for _ in 0..A_BATCH {
            if self.guests.len() >= self.most() {
                return false;
            }
            let (stream, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    tracing::debug!(target: topics::CLIENTS, %error, "cannot accept a connection yet");
                    return false;
                }
            };
            let data = EventData::new_u64(self.next);
            let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
            let watched = stream
                .set_nonblocking(true)
                .and_then(|()| Ok(epoll::add(&self.epoll, &stream, data, flags)?));
            match watched {
                Ok(()) => {
                    self.guests.insert(self.next, Guest { stream, peer, since: now, spoke: false });
                    self.next += 1;
                }
                Err(error) => {
                    tracing::debug!(target: topics::CLIENTS, %peer, %error, "cannot set up the connection")
                }
            }
        }
        true
    }

    fn look_at(&mut self, number: u64, flags: EventFlags) {
        let Some(guest) = self.guests.get_mut(&number) else { return };
        let mut bytes = [0; 12];
        let fate = match guest.stream.peek(&mut bytes) {
            Ok(0) => Fate::Leaves,
            Ok(len) => judge(&bytes[..len], &*self.house.words),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Fate::Waits { spoke: guest.spoke },
            Err(_) => Fate::Leaves,
        };
        let is_gone = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        match fate {
            // Whoever has hung up does not wait for a session.
            Fate::Waits { spoke } if !is_gone => guest.spoke = spoke,
            Fate::Waits { .. } | Fate::Leaves => drop(self.guests.remove(&number)),
            Fate::Told(text) => {
                tell(&guest.stream, &text);
                self.guests.remove(&number);
            }
        }
    }
}

/// What becomes of who has said this.
fn judge(bytes: &[u8], words: &dyn Words) -> Fate {
    let Some((&word, rest)) = bytes.split_first_chunk::<4>() else { return Fate::Waits { spoke: false } };
    match words.early(word, rest) {
        Spoken::NoWord => Fate::Waits { spoke: true },
        Spoken::Incomplete => Fate::Waits { spoke: false },
        // Nobody has an answer that takes long before there is data.
        Spoken::Interrupt | Spoken::Later(_) => Fate::Told(String::new()),
        Spoken::Answer(text) => Fate::Told(text),
    }
}

/// Sends an answer, which fits into what the system holds for a fresh connection.
fn tell(mut stream: &TcpStream, text: &str) {
    // Closing it over unread bytes could cost its peer the answer.
    let mut buffer = [0; 1024];
    for _ in 0..READS_TO_EMPTY {
        if !matches!(stream.read(&mut buffer), Ok(1..)) {
            break;
        }
    }
    if let Err(error) = stream.write_all(text.as_bytes()).and_then(|()| stream.shutdown(Shutdown::Write)) {
        tracing::debug!(target: topics::WORDS, %error, "a four-letter word could not be answered");
    }
}

#[cfg(test)]
mod tests;
