//! What a sequence consists of: steps, whole before the first is taken, so that they can be left out one by one.

use crate::transcript::hex;
use crate::wire::Out;
use std::fmt;

/// A request as it is sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// For people: the operation and its arguments.
    pub what: String,
    /// Its number.
    pub xid: i32,
    /// Its op code.
    pub op: i32,
    /// A zxid in front of the body, by its distance from the start of the sequence.
    pub since: Option<i64>,
    /// What follows.
    pub body: Vec<u8>,
}

impl Request {
    /// The packet, for a sequence that began at this zxid.
    #[must_use]
    pub fn packet(&self, base: i64) -> Vec<u8> {
        let out = Out::new().int(self.xid).int(self.op);
        let out = self.since.map_or_else(|| out.clone(), |since| out.clone().long(base + since));
        out.raw(&self.body).done()
    }
}

/// How many bytes of a body are printed.
const SHOWN: usize = 160;

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = hex(&self.body[..self.body.len().min(SHOWN)]);
        write!(f, "{} (xid {} op {} body {body}", self.what, self.xid, self.op)?;
        if self.body.len() > SHOWN {
            write!(f, ".. {} bytes", self.body.len())?;
        }
        f.write_str(")")
    }
}

/// How a client comes (back).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Come {
    /// With a new session.
    New,
    /// With its session; a connection that is still open is taken over.
    Renew,
    /// With its session, over a connection of its own that is cut before.
    Return,
    /// The same with a wrong password.
    WrongPassword,
    /// With its session, having seen what has not happened yet.
    FromTheFuture,
    /// With a session that there is not.
    Stranger,
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Act {
    /// One request, and its reply.
    Ask(Request),
    /// Several requests in one write, and then all replies.
    Burst(Vec<Request>),
    /// Bytes that are no request, after which the connection ends.
    Raw(Vec<u8>),
    /// The connection is cut.
    Cut,
    /// A client connects, with this time-out and read-only byte.
    Hello(Come, i32, Option<u8>),
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// The client that takes it.
    pub who: usize,
    /// What it does.
    pub act: Act,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}: ", self.who + 1)?;
        match &self.act {
            Act::Ask(request) => write!(f, "{request}"),
            Act::Burst(requests) => {
                f.write_str("burst")?;
                requests.iter().try_for_each(|request| write!(f, "\n        {request}"))
            }
            Act::Raw(bytes) => write!(f, "raw {}", hex(&bytes[..bytes.len().min(80)])),
            Act::Cut => f.write_str("cut"),
            Act::Hello(come, timeout, byte) => write!(f, "hello {come:?} timeout {timeout} byte {byte:?}"),
        }
    }
}

impl Step {
    /// How many requests it sends.
    #[must_use]
    pub fn requests(&self) -> usize {
        match &self.act {
            Act::Burst(requests) => requests.len(),
            Act::Cut => 0,
            Act::Ask(_) | Act::Raw(_) | Act::Hello(..) => 1,
        }
    }

    /// Whether a session may end in it.
    #[must_use]
    pub fn ends_session(&self) -> bool {
        match &self.act {
            Act::Ask(request) => request.op == -11,
            Act::Burst(requests) => requests.iter().any(|request| request.op == -11),
            _ => false,
        }
    }
}
