//! A client that lives through many crashes: it writes until the connection ends, and looks afterwards what is there.

use super::model::{Model, Node, Op};
use crate::client::Stat;
use crate::random::Random;
use crate::session::{Answer, Missing, Session};
use crate::wire::{In, PATIENCE};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// Long enough for any restart here.
pub(super) const TIMEOUT_MS: i32 = 60_000;
/// Requests under way at the most.
const DEPTH: u64 = 16;

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) number: usize,
    session: Session,
    random: Random,
    /// What is acknowledged.
    pub(super) model: Model,
    /// What stands there once everything under way has happened.
    expected: Model,
    /// Under way, with their numbers: nobody knows what becomes of them.
    pending: VecDeque<(i32, Op)>,
    issued: u64,
    /// Acknowledged requests.
    pub(super) acknowledged: u64,
    /// Requests that were in doubt at a crash and turned out to have happened.
    pub(super) survived: u64,
    /// Versions of the shared node that were acknowledged, and names of shared nodes.
    pub(super) seen: BTreeMap<i32, String>,
}

impl Client {
    /// Opens a session and sets up the client's node.
    pub(super) fn new(addr: SocketAddr, number: usize, seed: u64) -> Result<Self, String> {
        let mut session = Session::open(addr, TIMEOUT_MS)?;
        session.create(&format!("/crash/c{number}"), b"", 0)?;
        session.create(&format!("/crash/c{number}/counter"), b"", 0)?;
        let random = Random::new(seed.wrapping_add(1 + u64::try_from(number).unwrap_or(0)));
        Ok(Self {
            number,
            session,
            random,
            model: Model::new(),
            expected: Model::new(),
            pending: VecDeque::new(),
            issued: 0,
            acknowledged: 0,
            survived: 0,
            seen: BTreeMap::new(),
        })
    }

    /// The newest transaction this client has seen.
    pub(super) const fn zxid(&self) -> i64 {
        self.session.zxid
    }

    /// Writes until the server is gone.
    pub(super) fn write(&mut self) -> Result<(), String> {
        let depth = usize::try_from(1 + self.random.below(DEPTH)).unwrap_or(1);
        loop {
            while self.pending.len() < depth {
                self.issued += 1;
                let op = self.expected.next_op(&mut self.random, self.number, self.issued);
                self.expected.apply(&op);
                let xid = self.session.post(op.code, &op.body);
                self.pending.push_back((xid, op));
            }
            match self.session.answer(PATIENCE) {
                Ok(answer) => {
                    self.acknowledge(&answer).map_err(|e| format!("client {}: {e}", self.number))?
                }
                Err(Missing::Closed) => return Ok(()),
                Err(other) => return Err(format!("client {}: {other}", self.number)),
            }
        }
    }

    fn acknowledge(&mut self, answer: &Answer) -> Result<(), String> {
        let (xid, op) = self.pending.pop_front().ok_or("a reply to nothing")?;
        if answer.xid != xid {
            return Err(format!("reply {} where {xid} was due", answer.xid));
        }
        self.model.apply(&op);
        self.acknowledged += 1;
        let body = &mut In(&answer.body);
        match (op.code, op.fails) {
            (14, true) => return self.failed(answer),
            (_, false) if answer.err == 0 => {}
            _ => return Err(format!("error {} to {op:?}", answer.err)),
        }
        let counter = || self.model.nodes["counter"].version;
        match op.code {
            1 => {
                let name = body.str().unwrap_or_default();
                let known = self.model.nodes.keys().any(|key| name.ends_with(&format!("/{key}")));
                if known { Ok(()) } else { Err(format!("{name} was created and is not expected")) }
            }
            5 => {
                let version = Stat::read_from(body).map(|stat| stat.version);
                if version == Some(counter()) {
                    Ok(())
                } else {
                    Err(format!("version {version:?} instead of {}", counter()))
                }
            }
            14 => self.multi(body),
            _ => Ok(()),
        }
    }

    /// A multi that had to fail: its error stands in the third part.
    fn failed(&self, answer: &Answer) -> Result<(), String> {
        let first = In(&answer.body).int();
        if answer.err == 0 && first != Some(-1) {
            return Err(format!("a multi that must fail succeeded: {:?}", answer.body));
        }
        Ok(())
    }

    /// setData, create, setData: each part behind a header of nine bytes.
    fn multi(&mut self, body: &mut In<'_>) -> Result<(), String> {
        let mut read = || {
            body.take(9)?;
            let hot = Stat::read_from(body)?.version;
            body.take(9)?;
            let name = body.str()?;
            body.take(9)?;
            Some((hot, name, Stat::read_from(body)?.version))
        };
        let (hot, name, own) = read().ok_or("a short multi reply")?;
        if own != self.model.nodes["counter"].version {
            return Err(format!(
                "version {own} in a multi instead of {}",
                self.model.nodes["counter"].version
            ));
        }
        match self.seen.insert(hot, name) {
            None => Ok(()),
            Some(_) => Err(format!("version {hot} of the shared node was acknowledged twice")),
        }
    }

    /// After a crash: renews the session, and finds out which of the requests in doubt have happened. It must be the
    /// first so many of them, and all that was acknowledged.
    pub(super) fn come_back(&mut self, addr: SocketAddr) -> Result<(), String> {
        let renewed = self.session.renew(addr);
        self.session = renewed.map_err(|e| format!("client {}: {e}", self.number))?;
        let found = self.look()?;
        let mut candidate = self.model.clone();
        let in_doubt = self.pending.len();
        for happened in 0..=in_doubt {
            if candidate.nodes == found.nodes
                && (candidate.created, candidate.deleted) == (found.created, found.deleted)
            {
                self.survived += u64::try_from(happened).unwrap_or(0);
                self.model = candidate.clone();
                self.expected = candidate;
                self.pending.clear();
                return Ok(());
            }
            if let Some((_, op)) = self.pending.get(happened) {
                candidate.apply(op);
            }
        }
        Err(format!(
            "client {}: acknowledged writes are lost or mangled ({in_doubt} in doubt): {}",
            self.number,
            self.model.difference(&found)
        ))
    }

    /// Reads the client's part of the tree.
    fn look(&mut self) -> Result<Model, String> {
        let own = format!("/crash/c{}", self.number);
        let (_, parent) = self.session.get(&own).map_err(|e| format!("lost: {e}"))?;
        let mut nodes = BTreeMap::new();
        for name in self.session.children(&own)? {
            let (data, stat) = self.session.get(&format!("{own}/{name}"))?;
            let ephemeral = stat.owner != 0;
            if ephemeral && stat.owner != self.session.id {
                return Err(format!("{own}/{name} belongs to session 0x{:x}", stat.owner));
            }
            nodes.insert(name, Node { data, version: stat.version, ephemeral });
        }
        let alive = i32::try_from(nodes.len()).unwrap_or(i32::MAX);
        if parent.children != alive {
            return Err(format!("{own} counts {} children and has {alive}", parent.children));
        }
        // cversion counts creations and deletions.
        let created = (parent.cversion + alive) / 2;
        Ok(Model { nodes, created, deleted: created - alive, hot: self.model.hot })
    }

    /// How often this client has set the shared node, for certain.
    pub(super) const fn hot(&self) -> i32 {
        self.model.hot
    }

    /// What is shared: how often it was set, and the names and data of the shared nodes.
    pub(super) fn look_at_shared(&mut self) -> Result<(i32, BTreeMap<String, Vec<u8>>), String> {
        let version = self.session.get(super::model::HOT)?.1.version;
        let mut nodes = BTreeMap::new();
        for name in self.session.children(super::model::SHARED)? {
            nodes.insert(name, Vec::new());
        }
        Ok((version, nodes))
    }

    /// Ends the session; the ephemerals must go with it.
    pub(super) fn leave(mut self, addr: SocketAddr) -> Result<(), String> {
        let number = self.number;
        let found = self.look()?;
        self.session.close()?;
        let mut other = Session::open(addr, TIMEOUT_MS)?;
        for (name, _) in found.nodes.iter().filter(|(_, node)| node.ephemeral) {
            if other.exists(&format!("/crash/c{number}/{name}"))? {
                return Err(format!("{name} outlives its session"));
            }
        }
        other.close()
    }
}
