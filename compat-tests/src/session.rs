//! A client that may have many requests under way, and knows nothing but sessions and headers.

use crate::client::{Hello, OPEN, Stat};
use crate::requests::{create_body, read_body, set_body};
use crate::wire::{Conn, Got, In, Out, PATIENCE};
use std::net::SocketAddr;
use std::time::Duration;

/// A session's connection.
#[derive(Debug)]
pub struct Session {
    /// The connection, for raw bytes.
    pub conn: Conn,
    /// Its id.
    pub id: i64,
    /// What renews it.
    pub password: Vec<u8>,
    /// What was granted, in ms.
    pub timeout_ms: i32,
    /// The newest transaction that was seen.
    pub zxid: i64,
    xid: i32,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The request's number.
    pub xid: i32,
    /// The transaction in the header.
    pub zxid: i64,
    /// The error code.
    pub err: i32,
    /// What follows the header.
    pub body: Vec<u8>,
}

/// What came instead of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The connection ended.
    Closed,
    /// Nothing came in time.
    Late,
    /// What came makes no sense.
    Nonsense(String),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed"),
            Self::Late => f.write_str("no answer came in time"),
            Self::Nonsense(what) => f.write_str(what),
        }
    }
}

impl From<Missing> for String {
    fn from(missing: Missing) -> Self {
        missing.to_string()
    }
}

impl Answer {
    /// Expects success.
    ///
    /// # Errors
    /// When there is an error code.
    pub fn ok(self) -> Result<Self, String> {
        if self.err == 0 { Ok(self) } else { Err(format!("error {} instead of success", self.err)) }
    }

    /// Reads the body.
    ///
    /// # Errors
    /// When `read` gives nothing.
    pub fn read<'a, T>(&'a self, read: impl FnOnce(&mut In<'a>) -> Option<T>) -> Result<T, String> {
        read(&mut In(&self.body)).ok_or_else(|| format!("an unexpected body: {:?}", self.body))
    }

    /// Data and what is known of a node, of a reply to getData.
    ///
    /// # Errors
    /// When the body is another.
    pub fn node(&self) -> Result<(Vec<u8>, Stat), String> {
        self.read(|from| Some((from.buf()?.unwrap_or_default().to_vec(), Stat::read_from(from)?)))
    }
}

impl Session {
    /// Opens a session with this timeout in ms.
    ///
    /// # Errors
    /// When the server does not grant one.
    pub fn open(addr: SocketAddr, timeout_ms: i32) -> Result<Self, String> {
        Self::greet(addr, &Hello { timeout: timeout_ms, ..Hello::default() })
    }

    /// Renews a session: same id, same password, and nothing older than what was seen.
    ///
    /// # Errors
    /// When the server does not know it any more, or has gone back in time.
    pub fn renew(&self, addr: SocketAddr) -> Result<Self, String> {
        let hello = Hello {
            session: self.id,
            password: Some(self.password.clone()),
            timeout: self.timeout_ms,
            zxid: self.zxid,
            ..Hello::default()
        };
        let mut renewed = Self::greet(addr, &hello)?;
        if (renewed.id, &renewed.password) != (self.id, &self.password) {
            return Err(format!("session 0x{:x} came back as 0x{:x}", self.id, renewed.id));
        }
        renewed.zxid = self.zxid;
        renewed.xid = self.xid;
        Ok(renewed)
    }

    /// Asks for a session and does not wait for it.
    ///
    /// # Errors
    /// When the server does not take the connection.
    pub fn open_unanswered(addr: SocketAddr) -> Result<Conn, String> {
        let mut conn = Conn::open(addr)?;
        conn.send_packet(&Hello::default().bytes());
        Ok(conn)
    }

    fn greet(addr: SocketAddr, hello: &Hello) -> Result<Self, String> {
        let mut conn = Conn::open(addr)?;
        conn.send_packet(&hello.bytes());
        let packet = match conn.recv(PATIENCE) {
            Got::Packet(packet) => packet,
            other => return Err(format!("hello of session 0x{:x}: {other:?}", hello.session)),
        };
        let mut from = In(&packet);
        let mut read = || Some((from.int()?, from.int()?, from.long()?, from.buf()??.to_vec()));
        let (_, timeout_ms, id, password) = read().ok_or("a short answer to the hello")?;
        if timeout_ms <= 0 {
            return Err(format!("session 0x{:x} is lost: the server does not know it", hello.session));
        }
        Ok(Self { conn, id, password, timeout_ms, zxid: 0, xid: 0 })
    }

    /// A request as bytes, with the next number.
    pub fn request(&mut self, op: i32, body: &[u8]) -> Vec<u8> {
        self.xid = if self.xid == i32::MAX { 1 } else { self.xid + 1 };
        Out::new().buf(Some(&Out::new().int(self.xid).int(op).raw(body).done())).done()
    }

    /// Sends a request and gives its number.
    pub fn post(&mut self, op: i32, body: &[u8]) -> i32 {
        let bytes = self.request(op, body);
        self.conn.send(&bytes);
        self.xid
    }

    /// The next reply; events and answers to pings are passed over.
    ///
    /// # Errors
    /// When there is none.
    pub fn answer(&mut self, wait: Duration) -> Result<Answer, Missing> {
        loop {
            let packet = match self.conn.recv(wait) {
                Got::Packet(packet) => packet,
                Got::Closed { .. } => return Err(Missing::Closed),
                Got::Nothing => return Err(Missing::Late),
            };
            let mut from = In(&packet);
            let mut header = || Some((from.int()?, from.long()?, from.int()?));
            let Some((xid, zxid, err)) = header() else {
                return Err(Missing::Nonsense(format!("a short reply: {packet:?}")));
            };
            if xid < 0 {
                continue;
            }
            if zxid > 0 && zxid < self.zxid {
                let seen = self.zxid;
                return Err(Missing::Nonsense(format!("zxid 0x{zxid:x} after 0x{seen:x}: it went back")));
            }
            self.zxid = self.zxid.max(zxid);
            return Ok(Answer { xid, zxid, err, body: from.0.to_vec() });
        }
    }

    /// Sends a request and takes its reply.
    ///
    /// # Errors
    /// When there is none.
    pub fn call(&mut self, op: i32, body: &[u8]) -> Result<Answer, Missing> {
        let xid = self.post(op, body);
        let answer = self.answer(PATIENCE)?;
        if answer.xid == xid {
            Ok(answer)
        } else {
            Err(Missing::Nonsense(format!("reply {} to request {xid}", answer.xid)))
        }
    }

    /// Creates an open node.
    ///
    /// # Errors
    /// When it is not created.
    pub fn create(&mut self, path: &str, data: &[u8], flags: i32) -> Result<String, String> {
        let answer = self.call(1, &create_body(path, Some(data), Some(OPEN), flags))?;
        answer.ok().and_then(|answer| answer.read(In::str)).map_err(|e| format!("create {path}: {e}"))
    }

    /// Sets a node's data, whatever its version; gives the new one.
    ///
    /// # Errors
    /// When it is not set.
    pub fn set(&mut self, path: &str, data: &[u8]) -> Result<i32, String> {
        let answer = self.call(5, &set_body(path, Some(data), -1))?.ok();
        let stat = answer.and_then(|answer| answer.read(Stat::read_from));
        stat.map(|stat| stat.version).map_err(|e| format!("set {path}: {e}"))
    }

    /// A node's data, and what is known of it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&mut self, path: &str) -> Result<(Vec<u8>, Stat), String> {
        let answer = self.call(4, &read_body(path, 0))?;
        answer.ok().and_then(|answer| answer.node()).map_err(|e| format!("get {path}: {e}"))
    }

    /// Whether a node is there.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn exists(&mut self, path: &str) -> Result<bool, String> {
        match self.call(3, &read_body(path, 0))? {
            Answer { err: 0, .. } => Ok(true),
            Answer { err: -101, .. } => Ok(false),
            other => Err(format!("exists {path}: error {}", other.err)),
        }
    }

    /// The names of a node's children.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn children(&mut self, path: &str) -> Result<Vec<String>, String> {
        let answer = self.call(8, &read_body(path, 0))?.ok()?;
        answer.read(|from| (0..from.int()?).map(|_| from.str()).collect())
    }

    /// Ends the session.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub fn close(mut self) -> Result<(), String> {
        self.call(-11, &[])?.ok().map(drop)
    }
}
