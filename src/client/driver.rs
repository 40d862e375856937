//! The thread of a session: looks for a server, hands requests on, keeps the session alive, and tells what happens (`ClientCnxn`).
//!
//! Invariants: answers come in the order of the requests; a request that was sent and not answered when the connection ends fails
//! with CONNECTION_LOSS, as nobody knows what has become of it. One that was not sent fails so when all servers were tried in vain
//! (officially at the first).

use super::{
    event::{Event, EventKind, EventState},
    failure::Failure,
    login::Exchange,
    options::{SessionOptions, SessionState},
    transport::Link,
    watches::{Unwatched, WatchKind, Watches, in_the_old_form},
};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode, Reader, SessionId, Zxid,
    codes::{XID_EVENT, XID_PING},
    records::{
        AuthPacket, ConnectRequest, ConnectResponse, GetSaslRequest, ReplyHeader, RequestHeader,
        SetSaslResponse, WatcherEvent,
    },
};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until, timeout},
};

/// The xid of a packet that says who the client is, and of its answer.
const XID_AUTH: i32 = -4;
/// The xid of watches that are brought back.
const XID_SET_WATCHES: i32 = -8;
/// So long after all servers were tried in vain.
const PAUSE: Duration = Duration::from_millis(500);
/// So long a server has for the end of a session.
const FAREWELL: Duration = Duration::from_secs(2);

/// A request, and what waits for its answer.
pub(super) struct Asked {
    pub(super) op: OpCode,
    pub(super) body: Vec<u8>,
    pub(super) deed: Deed,
    pub(super) answer: oneshot::Sender<Result<Bytes, Code>>,
}

/// What an answer changes about the watches.
pub(super) enum Deed {
    /// Nothing.
    Nothing,
    /// A watch is left, if the request succeeds.
    Watch(WatchKind, String),
    /// A watch is left, on the data or, where there is no znode, on its creation.
    WatchExistence(String),
    /// Watches are taken back; where `local`, also when the server cannot be asked.
    Unwatch { which: Unwatched, path: String, local: bool },
}

/// What the owner of the session wants.
pub(super) enum Command {
    Ask(Asked),
    Auth { scheme: String, auth: Option<Bytes> },
    Close(oneshot::Sender<()>),
}

type OnEvent = Box<dyn FnMut(&Event) + Send>;

/// A session with all that belongs to it.
pub(super) struct Driver {
    options: SessionOptions,
    commands: mpsc::UnboundedReceiver<Command>,
    state: Arc<State>,
    on_event: OnEvent,
    told: EventState,
    /// Not sent yet.
    waiting: VecDeque<Asked>,
    /// Sent, with their numbers.
    sent: VecDeque<(i32, Asked)>,
    auths: Vec<(String, Option<Bytes>)>,
    watches: Watches,
    session: SessionId,
    password: Bytes,
    last_zxid: Zxid,
    xid: i32,
    next_server: usize,
    closing: Option<oneshot::Sender<()>>,
}

/// Why there is no connection (any more).
enum End {
    /// Another server may have the session.
    Lost,
    /// The owner wants it so.
    Closed,
    /// There is no such session.
    Expired,
    /// The server does not believe who it is, or it cannot log in, for this reason.
    AuthFailed(Option<String>),
}

/// How the session is, for its owner and its thread.
#[derive(Debug)]
pub(super) struct State {
    pub(super) now: Mutex<SessionState>,
    /// Why its login failed.
    pub(super) refusal: OnceLock<String>,
}

fn refused(code: Code) -> String {
    format!("the server refuses ({})", Failure { code, path: None })
}

/// A connection that has the session.
struct Seat {
    link: Link,
    timeout: Duration,
}

impl Driver {
    pub(super) fn new(
        options: SessionOptions,
        commands: mpsc::UnboundedReceiver<Command>,
        state: Arc<State>,
        on_event: OnEvent,
    ) -> Self {
        // Clients are to spread over the servers.
        let next_server = usize::try_from(RandomState::new().hash_one(0) % 1024).unwrap_or(0);
        Self {
            options,
            commands,
            state,
            on_event,
            told: EventState::Disconnected,
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            auths: Vec::new(),
            watches: Watches::default(),
            session: SessionId(0),
            password: Bytes::from_static(&[0; 16]),
            last_zxid: Zxid::ZERO,
            xid: 0,
            next_server,
            closing: None,
        }
    }

    pub(super) async fn run(mut self) {
        let mut tried = 0;
        loop {
            let end = match self.sit().await {
                Ok(seat) => {
                    tried = 0;
                    self.serve(seat).await
                }
                Err(end) => end,
            };
            if !matches!(end, End::Lost) {
                return self.end(&end);
            }
            self.be(SessionState::Connecting, EventState::Disconnected);
            self.fail_sent(Code::CONNECTION_LOSS);
            tried += 1;
            if tried % self.options.servers.servers.len() == 0 {
                self.fail_waiting(Code::CONNECTION_LOSS);
                if !self.rest().await {
                    return self.end(&End::Closed);
                }
            }
        }
    }

    /// The session is over: whoever has asked is told so, and whoever asks from now on finds nobody.
    fn end(&mut self, end: &End) {
        let (state, event, code) = match end {
            End::Lost | End::Closed => (SessionState::Closed, EventState::Closed, Code::SESSION_EXPIRED),
            End::Expired => (SessionState::Closed, EventState::Expired, Code::SESSION_EXPIRED),
            End::AuthFailed(reason) => {
                if let Some(reason) = reason {
                    // There is one end.
                    let _ = self.state.refusal.set(reason.clone());
                }
                (SessionState::AuthFailed, EventState::AuthFailed, Code::AUTH_FAILED)
            }
        };
        self.be(state, event);
        self.commands.close();
        self.fail_sent(code);
        self.fail_waiting(code);
    }

    /// Notes how the session is, and tells it once.
    fn be(&mut self, state: SessionState, event: EventState) {
        *self.state.now.lock() = state;
        if self.told != event {
            self.told = event;
            (self.on_event)(&Event { state: event, kind: EventKind::None, path: None, zxid: Zxid(-1) });
        }
    }

    fn fail_sent(&mut self, code: Code) {
        std::mem::take(&mut self.sent).into_iter().for_each(|(_, asked)| self.answer(asked, Err(code)));
    }

    fn fail_waiting(&mut self, code: Code) {
        std::mem::take(&mut self.waiting).into_iter().for_each(|asked| self.answer(asked, Err(code)));
    }

    /// Waits before all servers are tried again; `false` when the session is to end.
    async fn rest(&mut self) -> bool {
        let over = sleep(PAUSE);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return true,
                command = self.commands.recv() => if !self.keep(command) { return false },
            }
        }
    }

    /// Keeps what is wanted for the next server; `false` when that is the end.
    fn keep(&mut self, command: Option<Command>) -> bool {
        match command {
            Some(Command::Ask(asked)) => self.waiting.push_back(asked),
            Some(Command::Auth { scheme, auth }) => self.auths.push((scheme, auth)),
            Some(Command::Close(closed)) => {
                self.closing = Some(closed);
                return false;
            }
            None => return false,
        }
        true
    }

    /// Finds the session a server.
    async fn sit(&mut self) -> Result<Seat, End> {
        let servers = &self.options.servers.servers;
        let (host, port) = servers[self.next_server % servers.len()].clone();
        self.next_server = self.next_server.wrapping_add(1);
        let within = self.options.timeout / u32::try_from(servers.len()).unwrap_or(1);
        let tls = self.options.tls.clone();
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.last_zxid,
            time_out: i32::try_from(self.options.timeout.as_millis()).unwrap_or(i32::MAX),
            session_id: self.session,
            passwd: Some(self.password.clone()),
            read_only: self.options.read_only,
        };
        let dialled = host.clone();
        let attempt = timeout(within, async move {
            let mut link = Link::dial(&dialled, port, tls.as_ref()).await?;
            link.send(&[&request]).await?;
            let answer = link.frame().await?;
            Ok::<_, io::Error>((link, answer))
        });
        tokio::pin!(attempt);
        let (link, answer) = loop {
            tokio::select! {
                made = &mut attempt => break made.map_err(|_| End::Lost)?.map_err(|_| End::Lost)?,
                command = self.commands.recv() => if !self.keep(command) { return Err(End::Closed) },
            }
        };
        let answer = answer_of(&answer).ok_or(End::Lost)?;
        if answer.time_out <= 0 {
            return Err(End::Expired);
        }
        self.session = answer.session_id;
        self.password = answer.passwd.unwrap_or_default();
        let mut seat =
            Seat { link, timeout: Duration::from_millis(u64::from(answer.time_out.unsigned_abs())) };
        self.login(&mut seat, host).await?;
        if answer.read_only {
            self.be(SessionState::ConnectedReadOnly, EventState::ConnectedReadOnly);
        } else {
            self.be(SessionState::Connected, EventState::SyncConnected);
        }
        Ok(seat)
    }

    /// Says by SASL who it is, if that is wanted.
    async fn login(&mut self, seat: &mut Seat, host: String) -> Result<(), End> {
        let Some(login) = self.options.login.clone() else { return Ok(()) };
        let failed = |reason: &dyn fmt::Display| {
            End::AuthFailed(Some(format!("the login at {host} failed: {reason}")))
        };
        // A KDC may keep the library waiting for long.
        let late = format!("it takes longer than {} ms", seat.timeout.as_millis());
        let begun = timeout(seat.timeout, Exchange::begin(login, host.clone())).await;
        let begun = begun.map_err(|_| failed(&late))?;
        let (mut exchange, mut token) = begun.map_err(|error| failed(&error))?;
        loop {
            let answer = self.token(seat, token.into()).await?;
            let answer = answer.map_err(|code| failed(&refused(code)))?;
            let next = timeout(seat.timeout, exchange.next(&answer)).await.map_err(|_| failed(&late))?;
            match next.map_err(|error| failed(&error))? {
                Some(next) => (exchange, token) = next,
                None => return Ok(()),
            }
        }
    }

    /// One step of that. `Err`: the server refuses.
    async fn token(&mut self, seat: &mut Seat, token: Bytes) -> Result<Result<Bytes, Code>, End> {
        let header = RequestHeader { xid: 0, op: OpCode::SASL };
        let exchange = async {
            seat.link.send(&[&header, &GetSaslRequest { token: Some(token) }]).await?;
            seat.link.frame().await
        };
        let answer = timeout(seat.timeout, exchange).await.map_err(|_| End::Lost)?.map_err(|_| End::Lost)?;
        let mut reader = Reader::shared(&answer);
        let header = ReplyHeader::decode(&mut reader).map_err(|_| End::Lost)?;
        if header.err != Code::OK {
            return Ok(Err(header.err));
        }
        let response = SetSaslResponse::decode(&mut reader).map_err(|_| End::Lost)?;
        Ok(Ok(response.token.unwrap_or_default()))
    }

    /// Keeps the session there, until the connection ends.
    async fn serve(&mut self, mut seat: Seat) -> End {
        if self.take_seat(&mut seat.link).await.is_err() {
            return End::Lost;
        }
        // As officially: silence of two thirds of the time-out ends the connection, and half of that is never without a word.
        let silence = seat.timeout * 2 / 3;
        let mut heard = Instant::now();
        let mut spoken = Instant::now();
        loop {
            tokio::select! {
                frame = seat.link.frame() => {
                    heard = Instant::now();
                    let Ok(frame) = frame else { return End::Lost };
                    if let Some(end) = self.reply(&frame) {
                        return end;
                    }
                }
                command = self.commands.recv() => {
                    spoken = Instant::now();
                    match self.obey(&mut seat.link, command).await {
                        Ok(None) => {}
                        Ok(Some(end)) => return end,
                        Err(_) => return End::Lost,
                    }
                }
                () = sleep_until(spoken + silence / 2) => {
                    spoken = Instant::now();
                    let ping = RequestHeader { xid: XID_PING, op: OpCode::PING };
                    if seat.link.send(&[&ping]).await.is_err() {
                        return End::Lost;
                    }
                }
                () = sleep_until(heard + silence) => return End::Lost,
            }
        }
    }

    /// Identities, watches and requests from before.
    async fn take_seat(&mut self, link: &mut Link) -> io::Result<()> {
        for (scheme, auth) in &self.auths {
            say_who(link, scheme, auth.as_ref()).await?;
        }
        for request in self.watches.bring_back(self.last_zxid) {
            let header = |op| RequestHeader { xid: XID_SET_WATCHES, op };
            match in_the_old_form(&request) {
                Some(old) => link.send(&[&header(OpCode::SET_WATCHES), &old]).await?,
                None => link.send(&[&header(OpCode::SET_WATCHES2), &request]).await?,
            }
        }
        while let Some(asked) = self.waiting.pop_front() {
            self.send(link, asked).await?;
        }
        Ok(())
    }

    /// The number of the next request.
    fn next_xid(&mut self) -> i32 {
        self.xid = self.xid.checked_add(1).unwrap_or(1);
        self.xid
    }

    async fn send(&mut self, link: &mut Link, mut asked: Asked) -> io::Result<()> {
        let header = RequestHeader { xid: self.next_xid(), op: asked.op };
        let body = Raw(std::mem::take(&mut asked.body));
        self.sent.push_back((header.xid, asked));
        link.send(&[&header, &body]).await
    }

    async fn obey(&mut self, link: &mut Link, command: Option<Command>) -> io::Result<Option<End>> {
        match command {
            Some(Command::Ask(asked)) => self.send(link, asked).await?,
            Some(Command::Auth { scheme, auth }) => {
                say_who(link, &scheme, auth.as_ref()).await?;
                self.auths.push((scheme, auth));
            }
            Some(Command::Close(closed)) => {
                self.closing = Some(closed);
                self.farewell(link).await;
                return Ok(Some(End::Closed));
            }
            None => {
                self.farewell(link).await;
                return Ok(Some(End::Closed));
            }
        }
        Ok(None)
    }

    /// Ends the session at its server, with the answers that are still to come.
    async fn farewell(&mut self, link: &mut Link) {
        let last = self.next_xid();
        let header = RequestHeader { xid: last, op: OpCode::CLOSE_SESSION };
        drop(
            timeout(FAREWELL, async {
                link.send(&[&header]).await?;
                loop {
                    let frame = link.frame().await?;
                    if ReplyHeader::decode(&mut Reader::new(&frame)).is_ok_and(|header| header.xid == last) {
                        return Ok::<_, io::Error>(());
                    }
                    self.reply(&frame);
                }
            })
            .await,
        );
    }

    /// Takes in what the server says.
    fn reply(&mut self, frame: &Bytes) -> Option<End> {
        let mut reader = Reader::shared(frame);
        let Ok(header) = ReplyHeader::decode(&mut reader) else { return Some(End::Lost) };
        match header.xid {
            XID_PING | XID_SET_WATCHES => {}
            XID_AUTH if header.err == Code::OK => {}
            XID_AUTH => return Some(End::AuthFailed(None)),
            XID_EVENT => self.event(header.zxid, &mut reader),
            xid => {
                if header.zxid.0 > 0 {
                    self.last_zxid = header.zxid;
                }
                // Answers come in order; anything else is another protocol.
                match self.sent.pop_front() {
                    Some((expected, asked)) if expected == xid => {
                        let body = frame.slice(reader.offset()..);
                        self.answer(asked, if header.err == Code::OK { Ok(body) } else { Err(header.err) });
                    }
                    _ => return Some(End::Lost),
                }
                if header.err == Code::SESSION_CLOSED_REQUIRE_SASL_AUTH {
                    return Some(End::AuthFailed(None));
                }
            }
        }
        None
    }

    fn event(&mut self, zxid: Zxid, reader: &mut Reader<'_>) {
        let Ok(event) = WatcherEvent::decode(reader) else { return };
        let Some(kind) = EventKind::of_wire(event.event) else { return };
        if self.watches.fire(kind, &event.path) {
            self.tell(kind, &event.path, zxid);
        }
    }

    /// Tells of a znode.
    fn tell(&mut self, kind: EventKind, path: &str, zxid: Zxid) {
        let path = self.options.servers.off_server(path).to_owned();
        (self.on_event)(&Event { state: self.told, kind, path: Some(path), zxid });
    }

    /// Does what the answer brings with it, and hands it on.
    fn answer(&mut self, asked: Asked, result: Result<Bytes, Code>) {
        let mut result = result;
        match asked.deed {
            Deed::Nothing => {}
            Deed::Watch(kind, path) => {
                if result.is_ok() {
                    self.watches.add(kind, path);
                }
            }
            Deed::WatchExistence(path) => match result {
                Ok(_) => self.watches.add(WatchKind::Data, path),
                Err(Code::NO_NODE) => self.watches.add(WatchKind::Exist, path),
                Err(_) => {}
            },
            Deed::Unwatch { which, path, local } => {
                if local || result.is_ok() {
                    let removed = self.watches.remove(which, &path);
                    result = if removed.is_empty() { Err(Code::NO_WATCHER) } else { Ok(Bytes::new()) };
                    removed.into_iter().for_each(|kind| self.tell(kind, &path, Zxid(-1)));
                }
            }
        }
        drop(asked.answer.send(result));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(closed) = self.closing.take() {
            // Whoever wanted it may be gone.
            let _ = closed.send(());
        }
    }
}

async fn say_who(link: &mut Link, scheme: &str, auth: Option<&Bytes>) -> io::Result<()> {
    let header = RequestHeader { xid: XID_AUTH, op: OpCode::AUTH };
    link.send(&[&header, &AuthPacket { kind: 0, scheme: scheme.into(), auth: auth.cloned() }]).await
}

/// Length of the answer to a connect request without the byte that says whether the server is read-only, in bytes.
const ANSWER_OF_OLD: usize = 36;

/// The answer to a connect request; servers before 3.4 leave out the last byte.
fn answer_of(frame: &Bytes) -> Option<ConnectResponse> {
    if frame.len() == ANSWER_OF_OLD {
        let mut whole = frame.to_vec();
        whole.push(0);
        return ConnectResponse::decode(&mut Reader::shared(&Bytes::from(whole))).ok();
    }
    ConnectResponse::decode(&mut Reader::shared(frame)).ok()
}

/// A body that is encoded.
struct Raw(Vec<u8>);

impl Encode for Raw {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn encoded_len(&self) -> usize {
        self.0.len()
    }
}
