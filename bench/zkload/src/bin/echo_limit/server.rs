//! One epoll loop over non-blocking sockets: read all that is ready, commit once, then write all replies.
//!
//! It decides nothing about what is answered. A reply to a write leaves only after the commit that holds it.

use crate::answer::{Answers, Effect, Peer};
use crate::wal::Wal;
use std::net::SocketAddrV4;
use std::sync::Arc;
use zkload::net::{Epoll, IN, OUT, accept, listen_on, rd, shut, wr};
use zkload::os::would_block;
use zkload::wire::{FRAME_LEN, get_i32};

/// Stands for the listening socket among the numbers of the connections.
const LISTENER: u64 = u64::MAX;

struct Conn {
    fd: i32,
    rbuf: Vec<u8>,
    /// How much of `rbuf` is filled.
    rend: usize,
    peer: Peer,
    /// Whether epoll tells when there is room to write.
    armed_out: bool,
}

/// The loop of one thread and all its connections.
pub(crate) struct Server {
    listener: i32,
    epoll: Epoll,
    conns: Vec<Option<Conn>>,
    free: Vec<usize>,
    /// The connections that may have something to write or to close.
    touched: Vec<usize>,
    answers: Arc<Answers>,
    wal: Option<Wal>,
}

impl Server {
    pub(crate) fn new(addr: &SocketAddrV4, answers: Arc<Answers>, wal: Option<Wal>) -> Self {
        let (listener, epoll) = (listen_on(addr), Epoll::new());
        epoll.add(listener, IN, LISTENER);
        Self { listener, epoll, conns: Vec::new(), free: Vec::new(), touched: Vec::new(), answers, wal }
    }

    /// Serves until the process ends.
    pub(crate) fn run(mut self) -> ! {
        let mut events = Vec::new();
        loop {
            self.epoll.wait(1_000_000_000, &mut events);
            self.touched.clear();
            let mut fire = false;
            for &(id, _) in &events {
                if id == LISTENER {
                    self.accept_all();
                } else {
                    fire |= self.read(id as usize);
                }
            }
            if let Some(wal) = &mut self.wal {
                wal.commit();
            }
            if fire {
                self.fire_watches();
            }
            for k in 0..self.touched.len() {
                self.write(self.touched[k]);
            }
        }
    }

    fn accept_all(&mut self) {
        while let Some(fd) = accept(self.listener) {
            let i = self.free.pop().unwrap_or_else(|| {
                self.conns.push(None);
                self.conns.len() - 1
            });
            let conn = Conn { fd, rbuf: vec![0; 4096], rend: 0, peer: Peer::default(), armed_out: false };
            self.conns[i] = Some(conn);
            self.epoll.add(fd, IN, i as u64);
        }
    }

    /// Reads once from a connection and answers what has come whole. True: a write among it fires watches.
    fn read(&mut self, i: usize) -> bool {
        let Some(c) = self.conns[i].as_mut() else { return false };
        if c.rend == c.rbuf.len() {
            c.rbuf.resize(c.rend * 2, 0);
        }
        let n = rd(c.fd, &mut c.rbuf[c.rend..]);
        if n < 0 && would_block() {
            if !c.peer.wbuf.is_empty() {
                self.touched.push(i);
            }
            return false;
        }
        self.touched.push(i);
        if n <= 0 {
            c.peer.dead = true;
            c.peer.wbuf.clear();
            return false;
        }
        c.rend += n as usize;
        if !c.peer.up && c.rend == 4 && c.rbuf[..4].iter().all(u8::is_ascii_alphabetic) {
            c.peer.wbuf.extend_from_slice(b"Mode: standalone\n"); // a four-letter word
            c.peer.dead = true;
            return false;
        }
        c.answer_frames(&self.answers, self.wal.as_mut())
    }

    fn fire_watches(&mut self) {
        for (i, c) in self.conns.iter_mut().enumerate() {
            let Some(c) = c else { continue };
            if self.answers.fire(&mut c.peer, i) {
                self.touched.push(i);
            }
        }
    }

    /// Writes what there is room for, and closes a connection that is done with.
    fn write(&mut self, i: usize) {
        let Some(c) = self.conns[i].as_mut() else { return };
        c.flush(&self.epoll, i as u64);
        if c.peer.dead && c.peer.wbuf.is_empty() {
            self.epoll.del(c.fd);
            shut(c.fd);
            self.conns[i] = None;
            self.free.push(i);
        }
    }
}

impl Conn {
    fn answer_frames(&mut self, answers: &Answers, mut wal: Option<&mut Wal>) -> bool {
        let mut fire = false;
        let mut at = 0;
        while self.rend - at >= FRAME_LEN {
            let end = at + FRAME_LEN + get_i32(&self.rbuf, at).max(0) as usize;
            if self.rend < end {
                break;
            }
            let effect = answers.answer(&mut self.peer, &self.rbuf[at + FRAME_LEN..end]);
            fire |= effect == Effect::Set;
            if let (Effect::Write | Effect::Set, Some(wal)) = (effect, &mut wal) {
                wal.append(&self.rbuf[at..end]);
            }
            at = end;
        }
        self.rbuf.copy_within(at..self.rend, 0);
        self.rend -= at;
        fire
    }

    fn flush(&mut self, epoll: &Epoll, id: u64) {
        let wbuf = &mut self.peer.wbuf;
        let mut at = 0;
        while at < wbuf.len() {
            let n = wr(self.fd, &wbuf[at..]);
            if n > 0 {
                at += n as usize;
            } else if n < 0 && would_block() {
                if !self.armed_out {
                    self.armed_out = true;
                    epoll.modify(self.fd, IN | OUT, id);
                }
                break;
            } else {
                self.peer.dead = true;
                at = wbuf.len();
            }
        }
        if at > 0 && at == wbuf.len() {
            wbuf.clear();
            if self.armed_out {
                self.armed_out = false;
                epoll.modify(self.fd, IN, id);
            }
        } else {
            wbuf.drain(..at);
        }
    }
}
