//! One of the two servers, and the clients that take the steps of a sequence there.
//!
//! Each step is sent and then collected. Collecting ends with a ping of every open connection, so that each step's
//! events are seen in that step: a server hands an event over before it answers what comes later.

use super::generate::CLIENTS;
use super::plan::{Act, Come, Request, Step};
use crate::behaviours::{close_session, wait_until};
use crate::client::{Client, Hello, OpenSessions, Outcome, Seen, SharedLog, Welcome};
use crate::sut::Server;
use crate::transcript::{ACL_SET, Log};
use crate::wire::{self, PATIENCE};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How long a reply that may never come is waited for.
const WAIT: Duration = Duration::from_secs(5);

/// A server and the clients of the sequence under way.
#[derive(Debug)]
pub struct Side {
    /// The server.
    pub server: Server,
    /// What was seen in this sequence.
    pub log: SharedLog,
    /// How often each op code was answered how, over all sequences.
    pub answers: BTreeMap<(i32, String), usize>,
    base: i64,
    open: OpenSessions,
    clients: Vec<Place>,
    /// How many identities were added in this sequence.
    identities: usize,
    /// Labels of the replies that a step waits for, with op codes.
    wanted: Vec<(String, i32)>,
}

#[derive(Debug, Default)]
struct Place {
    client: Option<Client>,
    session: Option<Welcome>,
}

impl Side {
    /// A side of this server.
    #[must_use]
    pub fn new(server: Server) -> Self {
        let log = Rc::new(RefCell::new(Log::new(0)));
        Self {
            server,
            log,
            answers: BTreeMap::new(),
            base: 0,
            open: Rc::default(),
            clients: Vec::new(),
            identities: 0,
            wanted: Vec::new(),
        }
    }

    /// Begins a sequence.
    ///
    /// # Errors
    /// When the server does not say its zxid.
    pub fn begin(&mut self) -> Outcome {
        self.base = self.server.zxid()?;
        self.log = Rc::new(RefCell::new(Log::new(self.base)));
        self.clients = (0..CLIENTS).map(|_| Place::default()).collect();
        self.identities = 0;
        Ok(())
    }

    /// Sends what a step sends.
    ///
    /// # Errors
    /// When the server does not serve.
    pub fn send(&mut self, step: &Step) -> Outcome {
        self.wanted.clear();
        match &step.act {
            Act::Ask(request) => self.post(step.who, std::slice::from_ref(request)),
            Act::Burst(requests) => self.post(step.who, requests),
            Act::Raw(bytes) => {
                let client = self.connected(step.who)?;
                client.conn.send(bytes);
                client.conn.finish_sending();
                self.wanted.push(("raw".to_owned(), 0));
                Ok(())
            }
            Act::Cut => self.cut(step.who),
            Act::Hello(come, timeout, byte) => self.hello(step.who, *come, *timeout, *byte),
        }
    }

    fn post(&mut self, who: usize, requests: &[Request]) -> Outcome {
        let base = self.base;
        let client = self.connected(who)?;
        let mut bytes = Vec::new();
        for request in requests {
            let packet = request.packet(base);
            bytes.extend(u32::try_from(packet.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(packet);
        }
        client.conn.send(&bytes);
        self.wanted.extend(requests.iter().map(|request| (request.what.clone(), request.op)));
        Ok(())
    }

    /// The client's connection; a new one when there is none, with its session if that may still live.
    fn connected(&mut self, who: usize) -> Outcome<&mut Client> {
        if self.clients[who].client.is_none() {
            let come = if self.clients[who].session.is_some() { Come::Return } else { Come::New };
            self.hello(who, come, 30_000, Some(0))?;
            if self.clients[who].client.is_none() {
                self.hello(who, Come::New, 30_000, Some(0))?;
            }
        }
        self.clients[who].client.as_mut().ok_or_else(|| format!("no session for c{}", who + 1))
    }

    /// Ends a connection and waits until the server has seen that. While it has not, the official server may take the
    /// session's next connection for this one (`ServerCnxnFactory.removeCnxnFromSessionMap` looks at the id alone), and
    /// later not find it.
    fn cut(&mut self, who: usize) -> Outcome {
        let Some(client) = self.clients[who].client.take() else { return Ok(()) };
        let listed = format!(":{}[", client.conn.local_port());
        drop(client);
        wait_until("the end of a connection is noticed", WAIT, || {
            let cons = wire::word(self.server.addr, b"cons")?;
            Ok(!String::from_utf8_lossy(&cons).contains(&listed))
        })
    }

    fn hello(&mut self, who: usize, come: Come, timeout: i32, read_only: Option<u8>) -> Outcome {
        if come != Come::Renew {
            self.cut(who)?;
        }
        let place = &mut self.clients[who];
        let mut hello = Hello { timeout, read_only, ..Hello::default() };
        let known = place.session.clone().unwrap_or_default();
        if come != Come::New {
            (hello.session, hello.password) = (known.session, Some(known.password));
        }
        match come {
            Come::WrongPassword => hello.password = Some(vec![7; 16]),
            Come::FromTheFuture => hello.zxid = self.base + 1_000_000,
            Come::Stranger => hello.session = 0x7777,
            Come::New | Come::Renew | Come::Return => {}
        }
        let name = format!("c{}", who + 1);
        let mut client = Client::connect(self.server.addr, name, self.log.clone(), self.open.clone())?;
        client.conn.send_packet(&hello.bytes());
        let welcome = client.welcomed_or_closed(&format!("{come:?}"))?;
        if let Some(mut left) = place.client.take() {
            // Taken over, or kept because the new connection was refused.
            if welcome.as_ref().is_some_and(|welcome| welcome.session != 0) {
                while left.next("taken over", 0, WAIT) == Seen::Event {}
            } else {
                place.client = Some(left);
            }
        }
        match welcome {
            Some(welcome) if welcome.session != 0 => {
                place.session = Some(welcome);
                place.client = Some(client);
            }
            Some(_) => {
                let _ = client.next("refused", 0, WAIT);
            }
            None => {}
        }
        Ok(())
    }

    /// Takes what comes of a step, and gives its lines.
    #[must_use]
    pub fn collect(&mut self, step: &Step) -> Vec<String> {
        let wanted = std::mem::take(&mut self.wanted);
        for (what, op) in wanted {
            // With several identities the entries for `auth` come out of a hash set of the official server.
            let shown = if op == 6 && self.identities > 1 { ACL_SET } else { op };
            let open = self.clients[step.who].wait_reply(&what, shown);
            if let Some(line) = self.log.borrow().lines.last() {
                let (_, seen) = line.rsplit_once(" -> ").unwrap_or_default();
                let how = match seen {
                    "closed " | "no answer" => seen.trim(),
                    _ => seen.rsplit_once("; ").map_or("OK", |(_, how)| how),
                };
                self.identities += usize::from(op == 100 && how == "OK");
                *self.answers.entry((op, how.to_owned())).or_default() += 1;
            }
            if !open {
                break;
            }
        }
        if step.ends_session() {
            self.clients[step.who].session = None;
        }
        let refused =
            self.log.borrow().lines.last().is_some_and(|line| line.ends_with("z-1 fffffffa ; UNIMPLEMENTED"));
        if refused && let Some(mut client) = self.clients[step.who].client.take() {
            // The official server closes some time after this reply, and may answer what comes between.
            let _ = client.next("refused", 0, WAIT);
        }
        for who in 0..self.clients.len() {
            if let Some(client) = &mut self.clients[who].client {
                client.post(-2, 11, &[]);
                self.clients[who].wait_reply("ping", 11);
            }
        }
        let mut lines = std::mem::take(&mut self.log.borrow_mut().lines);
        if step.ends_session() {
            // Ephemerals go in the order of a hash set of the official server.
            let is_event =
                |line: &String| line.split_once(" -> ").is_some_and(|(label, _)| label.ends_with(" event"));
            let (mut events, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(is_event);
            events.sort();
            lines = [others, events].concat();
        }
        lines
    }

    /// What `mntr` and `wchs` count.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn counts(&self) -> Outcome<Vec<String>> {
        let mut counts = Vec::new();
        let text = wire::word(self.server.addr, b"mntr")?;
        for line in String::from_utf8_lossy(&text).lines() {
            let name = line.split('\t').next().unwrap_or_default();
            let counted =
                ["zk_znode_count", "zk_watch_count", "zk_ephemerals_count", "zk_approximate_data_size"];
            if counted.contains(&name) {
                counts.push(line.to_owned());
            }
        }
        // Each server has an order of its own for them.
        counts.sort();
        let text = wire::word(self.server.addr, b"wchs")?;
        counts.extend(String::from_utf8_lossy(&text).lines().map(str::to_owned));
        counts.extend(self.watched()?);
        Ok(counts)
    }

    /// What `wchp` lists: paths with the sessions that watch them.
    fn watched(&self) -> Outcome<Vec<String>> {
        let text = wire::word(self.server.addr, b"wchp")?;
        let mut paths: Vec<(String, Vec<String>)> = Vec::new();
        for line in String::from_utf8_lossy(&text).lines() {
            let session = line.strip_prefix("\t0x").and_then(|hex| i64::from_str_radix(hex, 16).ok());
            match (session, paths.last_mut()) {
                (Some(session), Some((_, sessions))) => sessions.push(self.log.borrow().session(session)),
                _ => paths.push((line.to_owned(), Vec::new())),
            }
        }
        for (_, sessions) in &mut paths {
            sessions.sort();
        }
        paths.sort();
        Ok(paths.into_iter().map(|(path, sessions)| format!("{path} watched by {sessions:?}")).collect())
    }

    /// Drops all connections, and starts the server again on what it has stored.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Outcome {
        self.clients.clear();
        self.server.stop();
        self.server.launch()
    }

    /// Drops all connections and closes all sessions of the sequence, in their order.
    pub fn end(&mut self) {
        self.clients.clear();
        for (id, password) in self.open.take() {
            close_session(&self.server, id, password);
        }
    }
}

impl Place {
    /// Takes events and one reply; false when the connection is of no further use.
    fn wait_reply(&mut self, what: &str, op: i32) -> bool {
        let Some(client) = &mut self.client else { return false };
        let wait = if op == 11 { PATIENCE } else { WAIT };
        loop {
            match client.next(what, op, wait) {
                Seen::Event => {}
                Seen::Reply(_) => return true,
                Seen::Closed | Seen::Nothing => {
                    self.client = None;
                    return false;
                }
            }
        }
    }
}
