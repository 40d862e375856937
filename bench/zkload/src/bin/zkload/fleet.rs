//! The sessions of one thread on one epoll instance: opened together, kept alive, closed together.
//!
//! It decides nothing about requests. A session that breaks is counted once and stays dead.

use crate::options::Options;
use crate::session::{Kind, Message, Session};
use crate::violations::{Class, Violations};
use std::net::SocketAddrV4;
use zkload::hist::Hist;
use zkload::net::Epoll;
use zkload::os::{errno, now};
use zkload::wire::{CLOSE, header_only};

/// How many sessions may be in the handshake at once.
const HANDSHAKES: usize = 128;
const CONNECT_LIMIT: u64 = 60_000_000_000;
const CLOSE_LIMIT: u64 = 30_000_000_000;
const WAIT: u64 = 100_000_000;

pub(crate) struct Fleet {
    /// Session `i` is known to epoll as `i`.
    pub(crate) sessions: Vec<Session>,
    pub(crate) ep: Epoll,
    pub(crate) violations: Violations,
    /// How long each session took to be granted.
    pub(crate) connect: Hist,
    /// The number of the first session among those of all threads.
    pub(crate) first: usize,
    servers: Vec<SocketAddrV4>,
    timeout_ms: i32,
    close: bool,
}

impl Fleet {
    /// The share of thread `thread` of all sessions, none of them connected.
    pub(crate) fn new(options: &Options, thread: usize) -> Self {
        let (each, extra) = (options.conns / options.threads, options.conns % options.threads);
        let mine = each + usize::from(thread < extra);
        Self {
            sessions: (0..mine).map(|_| Session::new()).collect(),
            ep: Epoll::new(),
            violations: Violations::default(),
            connect: Hist::new(),
            first: each * thread + thread.min(extra),
            servers: options.servers.clone(),
            timeout_ms: options.timeout_ms,
            close: options.close,
        }
    }

    /// Counts a lost connection, the first time that it is found.
    pub(crate) fn broke(&mut self, i: usize) {
        let session = &mut self.sessions[i];
        if session.is_dead() {
            return;
        }
        self.violations.add(Class::Disconnect, || {
            let (phase, outstanding) = (session.phase(), session.outstanding());
            format!("connection {i} lost in {phase:?} with {outstanding} outstanding")
        });
        session.reset(&self.ep);
    }

    /// Serves what epoll reported of session `i` up to the read. False: it broke.
    #[inline]
    pub(crate) fn pump(&mut self, i: usize, events: u32) -> bool {
        let whole = self.sessions[i].pump(&self.ep, events);
        if !whole {
            self.broke(i);
        }
        whole
    }

    /// Takes the next message of session `i`.
    #[inline]
    pub(crate) fn next(&mut self, i: usize) -> Option<Message> {
        self.sessions[i].next(&mut self.violations)
    }

    /// Sends what session `i` holds ready.
    #[inline]
    pub(crate) fn flush(&mut self, i: usize) {
        if !self.sessions[i].flush(&self.ep) {
            self.broke(i);
        }
    }

    /// Opens every session; returns at the first violation.
    pub(crate) fn connect_all(&mut self) {
        let n = self.sessions.len();
        let (mut started, mut ready) = (0, 0);
        let end = now() + CONNECT_LIMIT;
        let mut events = Vec::new();
        while ready < n && now() < end && self.violations.none() {
            while started < n && started - ready < HANDSHAKES {
                if !self.dial(started) {
                    return;
                }
                started += 1;
            }
            self.ep.wait(WAIT, &mut events);
            for &(id, ready_for) in &events {
                ready += self.connected(id as usize, ready_for);
            }
            // keep early sessions alive while a large number connects
            if ready % 512 == 0 {
                self.ping_due();
            }
        }
        if ready < n {
            self.violations.add(Class::Handshake, || format!("only {ready} of {n} sessions connected"));
        }
    }

    fn dial(&mut self, i: usize) -> bool {
        let addr = self.servers[(self.first + i) % self.servers.len()];
        let begun = self.sessions[i].dial(&self.ep, i as u64, &addr, self.timeout_ms);
        if !begun {
            self.violations.add(Class::Disconnect, || format!("connect failed: errno {}", errno()));
        }
        begun
    }

    /// Serves session `i` and says how many sessions that made ready: 0 or 1.
    fn connected(&mut self, i: usize, events: u32) -> usize {
        if !self.pump(i, events) {
            return 0;
        }
        let mut granted = 0;
        while let Some(message) = self.next(i) {
            if let Message::Connected = message {
                granted += 1;
                let session = &mut self.sessions[i];
                self.connect.add(now() - session.dialled_at);
                session.sent_at = now();
            }
        }
        granted
    }

    /// Pings where that is due, and sends whatever else is ready.
    pub(crate) fn ping_due(&mut self) {
        let t = now();
        for i in 0..self.sessions.len() {
            let session = &mut self.sessions[i];
            session.ping_if_due(t);
            if !session.wbuf.is_empty() && session.is_ready() {
                self.flush(i);
            }
        }
    }

    /// Ends every session as the options say.
    pub(crate) fn end(&mut self) {
        if self.close {
            self.close_all();
            return;
        }
        for session in &mut self.sessions {
            session.reset(&self.ep);
        }
    }

    /// Closes every session that has nothing outstanding, and waits for the replies.
    fn close_all(&mut self) {
        let mut left = self.send_closes();
        let end = now() + CLOSE_LIMIT;
        let mut events = Vec::new();
        while left > 0 && now() < end {
            self.ep.wait(WAIT, &mut events);
            for &(id, ready_for) in &events {
                left -= usize::from(self.closed(id as usize, ready_for));
            }
        }
        if left > 0 {
            self.violations.add(Class::Unanswered, || format!("{left} closeSession requests unanswered"));
        }
    }

    fn send_closes(&mut self) -> usize {
        let mut sent = 0;
        for session in &mut self.sessions {
            if session.is_ready() && session.outstanding() == 0 {
                let xid = session.push(Kind::Close, 0, now());
                header_only(&mut session.wbuf, xid, CLOSE);
                sent += usize::from(session.flush(&self.ep));
            }
        }
        sent
    }

    /// Serves session `i`, which waits for the reply to its closeSession. True: that came, or will not come.
    fn closed(&mut self, i: usize, events: u32) -> bool {
        let session = &mut self.sessions[i];
        if session.is_dead() {
            return false;
        }
        let whole = session.pump(&self.ep, events);
        let mut closed = false;
        while let Some(message) = session.next(&mut self.violations) {
            if let Message::Reply { request, err, .. } = message
                && request.kind == Kind::Close
            {
                closed = true;
                if err != 0 {
                    self.violations.add(Class::Err, || format!("closeSession: err {err}"));
                }
            }
        }
        if whole && !closed {
            return false;
        }
        if !closed {
            self.violations.add(Class::Disconnect, || "lost before the closeSession reply".into());
        }
        session.reset(&self.ep);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkload::args::Args;

    #[test]
    fn threads_share_all_sessions_without_gap_or_overlap() {
        let argv = ["--conns=11", "--threads=4"].map(String::from);
        let args = Args::parse(&argv, crate::options::KEYS, &[]).expect("valid");
        let options = Options::read(&args);
        let shares: Vec<(usize, usize)> = (0..4)
            .map(|thread| Fleet::new(&options, thread))
            .map(|fleet| (fleet.first, fleet.sessions.len()))
            .collect();
        assert_eq!(shares, [(0, 3), (3, 3), (6, 3), (9, 2)]);
    }
}
