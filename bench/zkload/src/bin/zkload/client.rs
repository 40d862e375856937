//! A blocking client of one session, for what happens before and after a measurement.
//!
//! Every wait has an end. Whatever its session counts as a violation becomes the error of the call.

use crate::session::{Kind, Message, Session};
use crate::violations::{Class, Violations};
use std::net::SocketAddrV4;
use zkload::net::Epoll;
use zkload::os::{nanos, now};
use zkload::wire::{CLOSE, EXISTS, STAT_LEN, StatView, header_only, path_watch, sync};

/// How many requests of a batch are outstanding at most.
const WINDOW: usize = 500;
/// The session timeout and the time allowed for connecting, unless the caller has its own.
const TIMEOUT_MS: i32 = 30000;
const CONNECT_LIMIT_SECS: f64 = 20.0;
const SYNC_LIMIT_SECS: f64 = 20.0;
const CLOSE_LIMIT_SECS: f64 = 10.0;

pub(crate) struct Client {
    pub(crate) session: Session,
    ep: Epoll,
    events: Vec<(u64, u32)>,
    violations: Violations,
}

impl Client {
    /// Opens a session with the usual limits.
    pub(crate) fn open(addr: &SocketAddrV4) -> Result<Self, String> {
        Self::open_with(addr, TIMEOUT_MS, CONNECT_LIMIT_SECS)
    }

    /// Opens a session within `limit_secs`.
    pub(crate) fn open_with(addr: &SocketAddrV4, timeout_ms: i32, limit_secs: f64) -> Result<Self, String> {
        let mut client = Self {
            session: Session::new(),
            ep: Epoll::new(),
            events: Vec::new(),
            violations: Violations::default(),
        };
        if !client.session.dial(&client.ep, 0, addr, timeout_ms) {
            return Err("connect failed".into());
        }
        let end = now() + nanos(limit_secs);
        while !client.session.is_ready() {
            if !client.wait(end)? {
                return Err("no connect response in time".into());
            }
            while client.session.next(&mut client.violations).is_some() {}
            if client.violations.count(Class::Handshake) > 0 {
                return Err(client.first_violation());
            }
        }
        Ok(client)
    }

    fn first_violation(&self) -> String {
        self.violations.first().unwrap_or_default().to_string()
    }

    /// Waits for the socket and serves it. False: `end` has come.
    fn wait(&mut self, end: u64) -> Result<bool, String> {
        let t = now();
        if t >= end {
            return Ok(false);
        }
        if !self.poll((end - t).min(200_000_000)) {
            return Err("connection lost".into());
        }
        Ok(true)
    }

    /// Waits at most `ns` for the socket and serves it. False: the connection broke.
    pub(crate) fn poll(&mut self, ns: u64) -> bool {
        self.ep.wait(ns, &mut self.events);
        self.events.iter().all(|&(_, events)| self.session.pump(&self.ep, events))
    }

    /// Sends what the session holds ready. False: the connection broke.
    pub(crate) fn flush(&mut self) -> bool {
        self.session.flush(&self.ep)
    }

    /// Sends `n` requests that `encode` appends by xid and index, and hands each reply (index, err, body) to
    /// `f`.
    pub(crate) fn batch(
        &mut self,
        n: usize,
        limit_secs: f64,
        mut encode: impl FnMut(&mut Vec<u8>, i32, usize),
        mut f: impl FnMut(usize, i32, &[u8]),
    ) -> Result<(), String> {
        let end = now() + nanos(limit_secs);
        let (mut sent, mut got) = (0, 0);
        while got < n {
            while sent < n && sent - got < WINDOW {
                // the closures know what they asked for: the kind says nothing here
                let xid = self.session.push(Kind::Get, sent as u32, now());
                encode(&mut self.session.wbuf, xid, sent);
                sent += 1;
            }
            if !self.flush() {
                return Err("connection lost".into());
            }
            if !self.wait(end)? {
                return Err(format!("timed out after {got} of {n} replies"));
            }
            while let Some(message) = self.session.next(&mut self.violations) {
                if let Message::Reply { request, err, body } = message {
                    f(request.idx as usize, err, self.session.body(&body));
                    got += 1;
                }
            }
        }
        if self.violations.none() { Ok(()) } else { Err(self.first_violation()) }
    }

    /// Waits until this server has everything that was acknowledged by any.
    pub(crate) fn sync(&mut self) -> Result<(), String> {
        self.batch(1, SYNC_LIMIT_SECS, |w, xid, _| sync(w, xid, b"/"), |_, _, _| {})
    }

    /// Asks for the stats of `n` znodes and hands each, or the error code instead, to `f`.
    pub(crate) fn stats(
        &mut self,
        n: usize,
        limit_secs: f64,
        path: impl Fn(usize) -> String,
        mut f: impl FnMut(usize, Result<StatView<'_>, i32>),
    ) -> Result<(), String> {
        self.batch(
            n,
            limit_secs,
            |w, xid, i| path_watch(w, xid, EXISTS, path(i).as_bytes(), false),
            |i, err, body| {
                f(i, if err == 0 && body.len() == STAT_LEN { Ok(StatView(body)) } else { Err(err) })
            },
        )
    }

    /// Closes the session; a server that does not answer this is none of the caller's concern.
    pub(crate) fn close(mut self) {
        let _ = self.batch(1, CLOSE_LIMIT_SECS, |w, xid, _| header_only(w, xid, CLOSE), |_, _, _| {});
        self.session.drop_fd(&self.ep);
    }
}
