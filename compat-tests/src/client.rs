//! A client that writes down everything it sees.
//!
//! Every call records one transcript line per event and one for the reply; callers then state what they expected.
//! Nothing is decoded beyond what a case asks for, and no request is checked before it is sent.

use crate::transcript::{Log, hex};
use crate::wire::{Conn, Got, In, Out, PATIENCE};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// What a case step gives; the error is the text shown for a failed case.
pub type Outcome<T = ()> = Result<T, String>;

/// Permission, scheme and id.
pub type Acl<'a> = (i32, &'a str, &'a str);

/// Everything for everyone.
pub const OPEN: &[Acl<'static>] = &[(31, "world", "anyone")];

/// The log that all clients of a case write.
pub type SharedLog = Rc<RefCell<Log>>;

/// Session ids with passwords that are to be closed when the case is over.
pub type OpenSessions = Rc<RefCell<Vec<(i64, Vec<u8>)>>>;

/// A connect request.
#[derive(Clone, Debug)]
pub struct Hello {
    /// protocolVersion.
    pub version: i32,
    /// lastZxidSeen.
    pub zxid: i64,
    /// Wanted timeout in ms.
    pub timeout: i32,
    /// Session id, 0 for a new one.
    pub session: i64,
    /// Password.
    pub password: Option<Vec<u8>>,
    /// The readOnly byte; `None` leaves it out.
    pub read_only: Option<u8>,
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            version: 0,
            zxid: 0,
            timeout: 10_000,
            session: 0,
            password: Some(vec![0; 16]),
            read_only: Some(0),
        }
    }
}

impl Hello {
    /// The request as bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let out = Out::new().int(self.version).long(self.zxid).int(self.timeout).long(self.session);
        let out = out.buf(self.password.as_deref());
        self.read_only.map_or_else(|| out.clone().done(), |byte| out.clone().byte(byte).done())
    }
}

/// The answer to a connect request.
#[derive(Clone, Debug, Default)]
pub struct Welcome {
    /// Granted timeout in ms.
    pub timeout: i32,
    /// Session id.
    pub session: i64,
    /// Password.
    pub password: Vec<u8>,
    /// Length of the whole answer.
    pub length: usize,
}

/// A reply as it came.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Request and reply for messages.
    pub what: String,
    /// Echoed xid.
    pub xid: i32,
    /// zxid of the header.
    pub zxid: i64,
    /// Error code.
    pub err: i32,
    /// Everything behind the header.
    pub body: Vec<u8>,
    /// Watch events that came before it, as type and path.
    pub events: Vec<(i32, String)>,
}

impl Reply {
    /// Expects an error code.
    ///
    /// # Errors
    /// When it is another.
    pub fn err(self, code: i32) -> Outcome<Self> {
        if self.err == code { Ok(self) } else { Err(format!("expected error {code}: {}", self.what)) }
    }

    /// Expects success.
    ///
    /// # Errors
    /// When there is an error code.
    pub fn ok(self) -> Outcome<Self> {
        self.err(0)
    }

    /// Expects these events before the reply, as type and path.
    ///
    /// # Errors
    /// When there were others.
    pub fn after(self, events: &[(i32, &str)]) -> Outcome<Self> {
        let seen: Vec<(i32, &str)> = self.events.iter().map(|(kind, path)| (*kind, path.as_str())).collect();
        if seen == events {
            Ok(self)
        } else {
            Err(format!("expected events {events:?}: {}, saw {seen:?}", self.what))
        }
    }

    /// The first string of the body.
    ///
    /// # Errors
    /// When there is none.
    pub fn path(&self) -> Outcome<String> {
        In(&self.body).str().ok_or_else(|| format!("no string: {}", self.what))
    }

    /// The first buffer of the body.
    ///
    /// # Errors
    /// When there is none.
    pub fn data(&self) -> Outcome<Option<Vec<u8>>> {
        let bytes = In(&self.body).buf().ok_or_else(|| format!("no buffer: {}", self.what))?;
        Ok(bytes.map(<[u8]>::to_vec))
    }

    /// The first int of the body.
    ///
    /// # Errors
    /// When there is none.
    pub fn int(&self) -> Outcome<i32> {
        In(&self.body).int().ok_or_else(|| format!("no int: {}", self.what))
    }

    /// The strings of the body, sorted.
    ///
    /// # Errors
    /// When it holds no list.
    pub fn names(&self) -> Outcome<Vec<String>> {
        let mut body = In(&self.body);
        let count = body.int().ok_or_else(|| format!("no list: {}", self.what))?;
        let names: Option<Vec<String>> = (0..count).map(|_| body.str()).collect();
        let mut names = names.ok_or_else(|| format!("short list: {}", self.what))?;
        names.sort();
        Ok(names)
    }

    /// The Stat at the end of the body.
    ///
    /// # Errors
    /// When the body is too short for one.
    pub fn stat(&self) -> Outcome<Stat> {
        let at = self.body.len().checked_sub(68).ok_or_else(|| format!("no stat: {}", self.what))?;
        Stat::read(&self.body[at..]).ok_or_else(|| format!("no stat: {}", self.what))
    }
}

/// What came next on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A watch event.
    Event,
    /// A reply with this xid.
    Reply(i32),
    /// The end.
    Closed,
    /// Nothing within the time.
    Nothing,
}

/// The fields of a node as the wire shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// zxid of the creation.
    pub czxid: i64,
    /// zxid of the last change of data.
    pub mzxid: i64,
    /// Time of the creation.
    pub ctime: i64,
    /// Time of the last change of data.
    pub mtime: i64,
    /// Changes of data.
    pub version: i32,
    /// Changes of children.
    pub cversion: i32,
    /// Changes of the ACL.
    pub aversion: i32,
    /// Session of an ephemeral.
    pub owner: i64,
    /// Length of the data.
    pub length: i32,
    /// Number of children.
    pub children: i32,
    /// zxid of the last change of children.
    pub pzxid: i64,
}

impl Stat {
    fn read(bytes: &[u8]) -> Option<Self> {
        Self::read_from(&mut In(bytes))
    }

    /// Takes one from the front.
    #[must_use]
    pub fn read_from(from: &mut In<'_>) -> Option<Self> {
        Some(Self {
            czxid: from.long()?,
            mzxid: from.long()?,
            ctime: from.long()?,
            mtime: from.long()?,
            version: from.int()?,
            cversion: from.int()?,
            aversion: from.int()?,
            owner: from.long()?,
            length: from.int()?,
            children: from.int()?,
            pzxid: from.long()?,
        })
    }
}

/// One connection of a case.
#[derive(Debug)]
pub struct Client {
    /// The connection itself, for raw bytes.
    pub conn: Conn,
    /// What the server said at the start.
    pub welcome: Welcome,
    name: String,
    log: SharedLog,
    open: OpenSessions,
    xid: i32,
}

impl Client {
    /// Connects without saying anything.
    ///
    /// # Errors
    /// When the server does not take the connection.
    pub fn connect(addr: SocketAddr, name: String, log: SharedLog, open: OpenSessions) -> Outcome<Self> {
        Ok(Self { conn: Conn::open(addr)?, welcome: Welcome::default(), name, log, open, xid: 0 })
    }

    /// Adds a line about this connection.
    pub fn note(&self, label: &str, seen: &str) {
        self.log.borrow_mut().add(&format!("{} {label}", self.name), seen);
    }

    /// Sends a connect request and records the answer.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn hello(&mut self, what: &str, hello: &Hello) -> Outcome<Welcome> {
        self.conn.send_packet(&hello.bytes());
        self.welcomed(what)
    }

    /// Takes the answer to a connect request that was sent before.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn welcomed(&mut self, what: &str) -> Outcome<Welcome> {
        let packet = self.packet(what)?;
        self.learn(what, &packet)
    }

    /// Takes the answer to a connect request, or the end of the connection instead.
    ///
    /// # Errors
    /// When neither comes.
    pub fn welcomed_or_closed(&mut self, what: &str) -> Outcome<Option<Welcome>> {
        match self.conn.recv(PATIENCE) {
            Got::Packet(packet) => self.learn(what, &packet).map(Some),
            Got::Closed { left } => {
                self.note(&format!("hello {what}"), &format!("closed {}", hex(&left)));
                Ok(None)
            }
            Got::Nothing => Err(format!("{} {what}: no answer to the hello", self.name)),
        }
    }

    fn learn(&mut self, what: &str, packet: &[u8]) -> Outcome<Welcome> {
        let mut from = In(packet);
        let _ = from.int();
        let mut read = || Some((from.int()?, from.long()?, from.buf()??.to_vec()));
        let (timeout, session, password) = read().ok_or_else(|| format!("short hello {}", hex(packet)))?;
        self.log.borrow_mut().learn_session(session);
        let seen = self.log.borrow().hello(packet);
        self.note(&format!("hello {what}"), &seen);
        self.welcome = Welcome { timeout, session, password, length: packet.len() };
        let mut open = self.open.borrow_mut();
        if session != 0 && !open.iter().any(|(id, _)| *id == session) {
            open.push((session, self.welcome.password.clone()));
        }
        Ok(self.welcome.clone())
    }

    fn packet(&mut self, what: &str) -> Outcome<Vec<u8>> {
        match self.conn.recv(PATIENCE) {
            Got::Packet(packet) => Ok(packet),
            other => Err(format!("{} {what}: wanted a packet, got {other:?}", self.name)),
        }
    }

    /// Sends a request with the next xid and takes its reply.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn call(&mut self, what: &str, op: i32, body: &[u8]) -> Outcome<Reply> {
        self.xid += 1;
        self.call_as(self.xid, what, op, body)
    }

    /// Sends a request with a given xid and takes its reply.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn call_as(&mut self, xid: i32, what: &str, op: i32, body: &[u8]) -> Outcome<Reply> {
        self.post(xid, op, body);
        self.reply(what, op)
    }

    /// Sends a request without waiting.
    pub fn post(&mut self, xid: i32, op: i32, body: &[u8]) {
        let packet = Out::new().int(xid).int(op).raw(body).done();
        self.conn.send_packet(&packet);
    }

    /// Takes the next reply, recording events that come before it.
    ///
    /// # Errors
    /// When no reply comes.
    pub fn reply(&mut self, what: &str, op: i32) -> Outcome<Reply> {
        let mut events = Vec::new();
        loop {
            let packet = self.packet(what)?;
            let mut from = In(&packet);
            let mut read = || Some((from.int()?, from.long()?, from.int()?));
            let (xid, zxid, err) =
                read().ok_or_else(|| format!("short reply to {what}: {}", hex(&packet)))?;
            if xid == -1 && packet.len() > 16 {
                events.push(self.saw_event(&packet)?);
                continue;
            }
            let seen = self.log.borrow().reply(op, &packet);
            self.note(what, &seen);
            let what = format!("{} {what} -> {seen}", self.name);
            return Ok(Reply { what, xid, zxid, err, body: packet[16..].to_vec(), events });
        }
    }

    /// Sends a request and records whatever comes of it: a reply, a close, or nothing within the time.
    pub fn attempt(&mut self, what: &str, op: i32, body: &[u8], wait: Duration) -> Option<i32> {
        self.xid += 1;
        self.post(self.xid, op, body);
        match self.conn.recv(wait) {
            Got::Packet(packet) => {
                let seen = self.log.borrow().reply(op, &packet);
                self.note(what, &seen);
                In(packet.get(12..).unwrap_or_default()).int()
            }
            Got::Closed { .. } => {
                self.note(what, "closed");
                None
            }
            Got::Nothing => {
                self.note(what, "no answer");
                None
            }
        }
    }

    /// Takes whatever comes next and records it as the reply to an op code, an event, or the end.
    pub fn next(&mut self, what: &str, op: i32, wait: Duration) -> Seen {
        let packet = match self.conn.recv(wait) {
            Got::Packet(packet) => packet,
            Got::Closed { left } => {
                self.note(what, &format!("closed {}", hex(&left)));
                return Seen::Closed;
            }
            Got::Nothing => {
                self.note(what, "no answer");
                return Seen::Nothing;
            }
        };
        let xid = In(&packet).int().unwrap_or_default();
        if xid == -1 && packet.len() > 16 {
            let seen = self.log.borrow().event(&packet);
            self.note("event", &seen);
            return Seen::Event;
        }
        let seen = self.log.borrow().reply(op, &packet);
        self.note(what, &seen);
        Seen::Reply(xid)
    }

    fn saw_event(&mut self, packet: &[u8]) -> Outcome<(i32, String)> {
        let seen = self.log.borrow().event(packet);
        self.note("event", &seen);
        let mut from = In(&packet[16..]);
        let kind = from.int();
        let _ = from.int();
        kind.zip(from.str()).ok_or_else(|| format!("short event {}", hex(packet)))
    }

    /// Expects a watch event next.
    ///
    /// # Errors
    /// When something else comes, or nothing.
    pub fn event(&mut self, kind: i32, path: &str) -> Outcome {
        let packet = self.packet(&format!("event {kind} {path}"))?;
        if In(&packet).int() != Some(-1) {
            return Err(format!("{}: wanted event {kind} {path}, got {}", self.name, hex(&packet)));
        }
        let seen = self.saw_event(&packet)?;
        if seen == (kind, path.to_owned()) {
            Ok(())
        } else {
            Err(format!("{}: wanted event {kind} {path}, got {seen:?}", self.name))
        }
    }

    /// Expects these watch events next, in whatever order.
    ///
    /// # Errors
    /// When others come, or too few.
    pub fn events_in_any_order(&mut self, wanted: &[(i32, &str)]) -> Outcome {
        let (mut seen, mut lines) = (Vec::new(), Vec::new());
        for _ in wanted {
            let packet = self.packet("event")?;
            lines.push(self.log.borrow().event(&packet));
            let mut from = In(packet.get(16..).unwrap_or_default());
            let kind = from.int().unwrap_or_default();
            let _ = from.int();
            seen.push((kind, from.str().unwrap_or_default()));
        }
        lines.sort();
        seen.sort();
        lines.iter().for_each(|line| self.note("event (sorted)", line));
        let mut wanted: Vec<(i32, String)> =
            wanted.iter().map(|(kind, path)| (*kind, (*path).to_owned())).collect();
        wanted.sort();
        if seen == wanted { Ok(()) } else { Err(format!("{}: wanted {wanted:?}, got {seen:?}", self.name)) }
    }

    /// Records whether the connection is still served.
    ///
    /// # Errors
    /// When something else comes than an answer to a ping or the end.
    pub fn probe(&mut self, what: &str) -> Outcome<bool> {
        self.post(-2, 11, &[]);
        let open = match self.conn.recv(PATIENCE) {
            Got::Closed { left } if left.is_empty() => false,
            Got::Packet(packet) if In(&packet).int() == Some(-2) => true,
            other => return Err(format!("{} {what}: {other:?}", self.name)),
        };
        self.note(what, if open { "open" } else { "closed" });
        Ok(open)
    }

    /// Expects that no event is under way: a ping comes back with nothing before it.
    ///
    /// # Errors
    /// When an event comes first, or no answer.
    pub fn quiet(&mut self) -> Outcome {
        self.ping()?.after(&[]).map(|_| ())
    }

    /// Expects the server to close without sending anything more.
    ///
    /// # Errors
    /// When it sends something or stays open.
    pub fn closed(&mut self, what: &str) -> Outcome {
        self.closed_within(what, PATIENCE)
    }

    /// Expects the server to close within a time without sending anything more.
    ///
    /// # Errors
    /// When it sends something or stays open.
    pub fn closed_within(&mut self, what: &str, wait: Duration) -> Outcome {
        match self.conn.recv(wait) {
            Got::Closed { left } if left.is_empty() => {
                self.note(what, "closed");
                Ok(())
            }
            other => Err(format!("{} {what}: wanted a close, got {other:?}", self.name)),
        }
    }

    /// Forgets to close the session when the case is over (it is gone already).
    pub fn forget(&self) {
        self.open.borrow_mut().retain(|(id, _)| *id != self.welcome.session);
    }

    /// The hello that renews this session.
    #[must_use]
    pub fn renewal(&self) -> Hello {
        Hello {
            session: self.welcome.session,
            password: Some(self.welcome.password.clone()),
            ..Hello::default()
        }
    }
}
