//! Keeps the connection with the election port of one other member.

use super::{login, pace::Pace, slot::Slot, stream::PeerStream, wing::Wing};
use crate::{membership::HostPort, server::ports::set_up, topics, zab::Event};
use bytes::{Bytes, BytesMut};
use oxkeeper_codec::{
    ServerId,
    election::{Hello, Notification, next_notification},
};
use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    time::{sleep, timeout},
};

/// The first pause after a member could not be reached; doubled each time. After a connection that was lost there is none,
/// but when that comes again and again.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A member that is not found again within this counts as out of reach.
const FOUND_WITHIN: Duration = Duration::from_millis(200);
/// A member that was asked to dial back does so within this, or is asked again.
const DIAL_BACK_WITHIN: Duration = Duration::from_millis(500);
/// A member that asks so soon (ms) after it was dialled has asked before.
const CROSSING_MS: i64 = 100;
/// A connection that held for so long (ms) was a good one.
const GOOD_MS: i64 = 1000;
/// So many times in a row a connection is replaced before it was a good one, and no crossing of two explains it.
const SUSPICIOUS: u32 = 5;
/// Room for what comes, in bytes.
const READ_BYTES: usize = 4096;

/// What a keeper is told.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// What is to be said: the newest counts.
    pub(super) say: Slot<Bytes>,
    /// What the member wants.
    pub(super) call: Slot<Call>,
}

/// What a member wants.
#[derive(Debug)]
pub(super) enum Call {
    /// It has connected, and this is the connection to keep.
    Came(Connection),
    /// It asks to be dialled.
    Asked,
}

/// A connection, and what has come over it already.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: PeerStream,
    pub(super) input: BytesMut,
}

/// Why a connection is used no more.
enum End {
    /// It is broken.
    Lost,
    /// The member has begun anew.
    Replaced(Connection),
    /// The member asks for another one: it has none any more.
    Asked,
}

/// See the module.
pub(super) struct Keeper {
    wing: Rc<Wing>,
    peer: ServerId,
    seat: Rc<Seat>,
    addresses: Vec<HostPort>,
    /// What was told about it last.
    reachable: Cell<Option<bool>>,
    /// What was logged last, while it cannot be reached.
    trouble: RefCell<Option<String>>,
}

impl Keeper {
    pub(super) fn new(wing: Rc<Wing>, peer: ServerId, seat: Rc<Seat>, addresses: Vec<HostPort>) -> Self {
        Self { wing, peer, seat, addresses, reachable: Cell::new(None), trouble: RefCell::new(None) }
    }

    /// Talks with somebody who is no member, as long as it is there: it may be about to join.
    pub(super) async fn talk_with_guest(self) {
        let mut found = match self.peer > self.wing.options.me {
            true => match self.seat.call.take().await {
                Call::Came(connection) => Ok(connection),
                Call::Asked => return,
            },
            false => self.dial().await,
        };
        while let Ok(connection) = found {
            self.wing.tell_event(Event::Reachable(self.peer));
            found = match self.converse(connection).await {
                End::Lost => return,
                End::Asked => self.find().await,
                End::Replaced(connection) => Ok(connection),
            };
        }
    }

    /// Looks for the member and talks with it, again and again.
    pub(super) async fn run(self) {
        let (mut came, mut pause, mut replaced) = (None, Duration::ZERO, 0);
        loop {
            let found = match came.take() {
                Some(connection) => Ok(connection),
                None => self.find_soon().await,
            };
            match found {
                Ok(connection) => {
                    self.found();
                    let since_ms = self.wing.now_ms();
                    let end = self.converse(connection).await;
                    if self.wing.now_ms() - since_ms >= GOOD_MS {
                        (pause, replaced) = (Duration::ZERO, 0);
                    }
                    match end {
                        End::Lost => {}
                        End::Asked => continue,
                        End::Replaced(connection) => {
                            came = Some(connection);
                            replaced += 1;
                            if replaced == SUSPICIOUS {
                                self.wing.warnings.twice(self.wing.now_ms(), self.peer);
                            }
                            continue;
                        }
                    }
                }
                Err(error) => {
                    self.missed(&error);
                    pause = pause.max(FIRST_PAUSE);
                }
            }
            if let Ok(Call::Came(connection)) = timeout(pause, self.seat.call.take()).await {
                came = Some(connection);
            }
            pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }

    /// Each new connection is told: the member may have missed what was said before.
    fn found(&self) {
        self.reachable.set(Some(true));
        self.wing.unreachable.borrow_mut().remove(&self.peer);
        self.wing.tell_event(Event::Reachable(self.peer));
        if self.trouble.take().is_some() {
            tracing::info!(target: topics::PEERS, sid = %self.peer, "the election port of a member is reached");
        }
    }

    fn missed(&self, error: &io::Error) {
        self.out_of_reach();
        let text = error.to_string();
        if self.trouble.borrow().as_ref() != Some(&text) {
            tracing::warn!(target: topics::PEERS, sid = %self.peer, %error, "the election port of a member cannot be reached; trying again");
            self.trouble.replace(Some(text));
        }
    }

    fn out_of_reach(&self) {
        if self.reachable.replace(Some(false)) != Some(false) {
            self.wing.unreachable.borrow_mut().insert(self.peer);
            self.wing.tell_event(Event::Unreachable(self.peer));
        }
    }

    /// As [`Keeper::find`]. That a connection has ended alone says nothing of the member; that it is not found soon does.
    async fn find_soon(&self) -> io::Result<Connection> {
        let mut find = std::pin::pin!(self.find());
        if let Ok(found) = timeout(FOUND_WITHIN, &mut find).await {
            return found;
        }
        self.out_of_reach();
        find.await
    }

    /// Dials the member, or has it dial.
    async fn find(&self) -> io::Result<Connection> {
        let mut dial = std::pin::pin!(self.dial());
        loop {
            tokio::select! {
                call = self.seat.call.take() => match call {
                    Call::Came(connection) => return Ok(connection),
                    // That is being done.
                    Call::Asked => {}
                },
                dialled = &mut dial => return dialled,
            }
        }
    }

    async fn dial(&self) -> io::Result<Connection> {
        let options = &self.wing.options;
        let (mut stream, host) =
            PeerStream::dial(&self.addresses, options.connect_timeout, &self.wing).await?;
        set_up(stream.socket(), options.keep_alive)?;
        stream.write_all(&self.hello()).await?;
        stream.flush().await?;
        login::log_in(&mut stream, &host, &self.wing, options.connect_timeout).await?;
        if options.me > self.peer {
            return Ok(Connection { stream, input: BytesMut::new() });
        }
        drop(stream);
        sleep(DIAL_BACK_WITHIN).await;
        Err(io::Error::new(io::ErrorKind::TimedOut, "it was reached, and does not dial back"))
    }

    /// In one piece: the official reader takes the addresses from a single read.
    fn hello(&self) -> Vec<u8> {
        let options = &self.wing.options;
        let own = self.wing.own_ports().election;
        let told = if options.multi_address { own.len() } else { 1 };
        let addresses = own.iter().take(told).map(ToString::to_string).collect();
        let mut hello = Vec::new();
        Hello { sid: options.me, addresses }.encode(&mut hello);
        hello
    }

    /// Talks until the connection is of no use any more.
    async fn converse(&self, Connection { stream, input }: Connection) -> End {
        if set_up(stream.socket(), self.wing.options.keep_alive).is_err() {
            return End::Lost;
        }
        let since_ms = self.wing.now_ms();
        let (read, write) = split(stream);
        let called = async {
            loop {
                match self.seat.call.take().await {
                    Call::Came(connection) => return End::Replaced(connection),
                    Call::Asked if self.wing.now_ms() - since_ms < CROSSING_MS => {}
                    Call::Asked => return End::Asked,
                }
            }
        };
        tokio::select! {
            () = self.hear(read, input) => End::Lost,
            () = self.speak(write) => End::Lost,
            end = called => end,
        }
    }

    /// Says the newest that is to be said. What could not be said is said over the next connection.
    async fn speak(&self, mut write: impl AsyncWrite + Unpin) {
        loop {
            let said = self.seat.say.look().await;
            let write = async {
                write.write_all(&said).await?;
                write.flush().await
            };
            let written = timeout(self.wing.options.silence_timeout, write).await;
            if !matches!(written, Ok(Ok(()))) {
                return;
            }
            self.seat.say.done(&said);
        }
    }

    async fn hear(&self, mut read: impl AsyncRead + Unpin, mut input: BytesMut) {
        let mut pace = Pace::new(self.wing.now_ms());
        while self.take_in(&mut input, &mut pace) {
            while let Some(pause) = pace.pause(self.wing.now_ms()) {
                sleep(pause).await;
            }
            self.wing.keeps_up().await;
            input.reserve(READ_BYTES);
            if !matches!(read.read_buf(&mut input).await, Ok(1..)) {
                return;
            }
        }
    }

    /// Tells what has come whole. False: the stream cannot be read on.
    fn take_in(&self, input: &mut BytesMut, pace: &mut Pace) -> bool {
        let complain = |error: &dyn std::fmt::Display| {
            self.wing.warnings.notification(self.wing.now_ms(), self.peer, error);
        };
        loop {
            match next_notification(input) {
                Ok(Some(range)) => {
                    pace.said(range.len());
                    let body = input.split_to(range.end).freeze().slice(range);
                    match Notification::decode(&body) {
                        Ok(said) => self.wing.tell_event(Event::Notified(self.peer, said)),
                        Err(error) => complain(&error),
                    }
                }
                Ok(None) => return true,
                Err(error) => {
                    complain(&format_args!("a length of {} bytes; the connection is ended", error.0));
                    return false;
                }
            }
        }
    }
}
