//! zkload: load generator with a reply checker. See README.md.
#![allow(clippy::too_many_lines, reason = "one loop per mode, read from top to bottom")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;
use zkload::args::Args;
use zkload::hist::Hist;
use zkload::json::Obj;
use zkload::net::*;
use zkload::os::*;
use zkload::sut::{self, sample};
use zkload::wire::*;

// ---------------------------------------------------------------- violations

#[derive(Clone, Default)]
struct Viol {
    xid: u64,
    err: u64,
    zxid: u64,
    length: u64,
    content: u64,
    version: u64,
    event: u64,
    disconnect: u64,
    unanswered: u64,
    handshake: u64,
    lost: u64,
    first: Option<String>,
}
impl Viol {
    fn total(&self) -> u64 {
        self.xid
            + self.err
            + self.zxid
            + self.length
            + self.content
            + self.version
            + self.event
            + self.disconnect
            + self.unanswered
            + self.handshake
            + self.lost
    }
    fn note(&mut self, f: impl FnOnce() -> String) {
        if self.first.is_none() {
            self.first = Some(f());
        }
    }
    fn merge(&mut self, o: &Self) {
        self.xid += o.xid;
        self.err += o.err;
        self.zxid += o.zxid;
        self.length += o.length;
        self.content += o.content;
        self.version += o.version;
        self.event += o.event;
        self.disconnect += o.disconnect;
        self.unanswered += o.unanswered;
        self.handshake += o.handshake;
        self.lost += o.lost;
        if self.first.is_none() {
            self.first = o.first.clone();
        }
    }
    fn json(&self) -> String {
        let mut o = Obj::new();
        o.int("total", self.total() as i64);
        for (k, v) in [
            ("xid", self.xid),
            ("err", self.err),
            ("zxid", self.zxid),
            ("length", self.length),
            ("content", self.content),
            ("version", self.version),
            ("event", self.event),
            ("disconnect", self.disconnect),
            ("unanswered", self.unanswered),
            ("handshake", self.handshake),
            ("lost", self.lost),
        ] {
            if v > 0 {
                o.int(k, v as i64);
            }
        }
        if let Some(f) = &self.first {
            o.str("first", f);
        }
        o.end()
    }
}
macro_rules! viol {
    ($v:expr, $field:ident, $($a:tt)*) => {{ $v.$field += 1; $v.note(|| format!($($a)*)); }};
}

// ---------------------------------------------------------------- connection

const K_GET: u8 = 0;
const K_EXISTS: u8 = 1;
const K_CHILDREN: u8 = 2;
const K_SET: u8 = 3;
const K_CREATE: u8 = 4;
const K_DELETE: u8 = 5;
const K_MULTI: u8 = 6;
const K_SYNC: u8 = 7;
const K_BULK: u8 = 8;
const K_CLOSE: u8 = 9;
const KINDS: [&str; 10] =
    ["get", "exists", "children", "set", "create", "delete", "multi", "sync", "bulk", "close"];

#[derive(Clone, Copy)]
struct Pend {
    xid: i32,
    kind: u8,
    idx: u32,
    t: u64,
}

#[derive(PartialEq, Clone, Copy, Debug)]
enum Phase {
    Connecting,
    Handshake,
    Ready,
    Dead,
}

enum Msg {
    Connected,
    Reply(Pend, i32, usize, usize),
    Pong(u64),
    Event(usize, usize),
}

struct Conn {
    fd: i32,
    phase: Phase,
    rbuf: Vec<u8>,
    rpos: usize,
    rend: usize,
    wbuf: Vec<u8>,
    wpos: usize,
    armed_out: bool,
    q: VecDeque<Pend>,
    xid: i32,
    last_zxid: i64,
    session: i64,
    passwd: [u8; 16],
    timeout: i32,
    t_dial: u64,
    t_sent: u64,
    t_ping: u64,
    seq: u32,
    del_seq: u32,
    server: usize,
}

impl Conn {
    fn new() -> Self {
        Self {
            fd: -1,
            phase: Phase::Dead,
            rbuf: Vec::new(),
            rpos: 0,
            rend: 0,
            wbuf: Vec::new(),
            wpos: 0,
            armed_out: false,
            q: VecDeque::new(),
            xid: 0,
            last_zxid: 0,
            session: 0,
            passwd: [0; 16],
            timeout: 0,
            t_dial: 0,
            t_sent: 0,
            t_ping: 0,
            seq: 0,
            del_seq: 0,
            server: 0,
        }
    }
    /// Starts (or restarts, keeping the session) a connection.
    fn dial(&mut self, ep: &Epoll, id: u64, addr: &std::net::SocketAddrV4, timeout: i32) -> bool {
        self.t_dial = now();
        match dial(addr) {
            Err(_) => false,
            Ok(fd) => {
                self.fd = fd;
                self.phase = Phase::Connecting;
                self.rpos = 0;
                self.rend = 0;
                self.wbuf.clear();
                self.wpos = 0;
                self.q.clear();
                self.t_ping = 0;
                ep.add(fd, IN | OUT, id);
                self.armed_out = true;
                connect_req(&mut self.wbuf, self.last_zxid, timeout, self.session, &self.passwd);
                true
            }
        }
    }
    fn drop_fd(&mut self, ep: &Epoll, rst: bool) {
        if self.fd >= 0 {
            ep.del(self.fd);
            if rst { shut_rst(self.fd) } else { shut(self.fd) }
        }
        self.fd = -1;
        self.phase = Phase::Dead;
        self.rbuf = Vec::new();
    }
    /// Writes what it can. false: the connection is broken.
    fn flush(&mut self, ep: &Epoll, id: u64) -> bool {
        while self.wpos < self.wbuf.len() {
            let n = wr(self.fd, &self.wbuf[self.wpos..]);
            if n > 0 {
                self.wpos += n as usize;
            } else if n < 0 && would_block() {
                if !self.armed_out {
                    ep.modify(self.fd, IN | OUT, id);
                    self.armed_out = true;
                }
                return true;
            } else {
                return false;
            }
        }
        self.wbuf.clear();
        self.wpos = 0;
        if self.armed_out {
            ep.modify(self.fd, IN, id);
            self.armed_out = false;
        }
        true
    }
    /// One read. None: nothing more now; Some(0): closed.
    fn fill(&mut self) -> Option<usize> {
        if self.rpos == self.rend {
            self.rpos = 0;
            self.rend = 0;
        } else if self.rpos > 0 && self.rbuf.len() - self.rend < 4096 {
            self.rbuf.copy_within(self.rpos..self.rend, 0);
            self.rend -= self.rpos;
            self.rpos = 0;
        }
        if self.rbuf.is_empty() {
            self.rbuf.resize(2048, 0);
        }
        if self.rbuf.len() == self.rend {
            let n = self.rbuf.len() * 2;
            self.rbuf.resize(n, 0);
        }
        let n = rd(self.fd, &mut self.rbuf[self.rend..]);
        if n > 0 {
            self.rend += n as usize;
            if self.rend == self.rbuf.len() && self.rbuf.len() < 1 << 16 {
                let n = self.rbuf.len() * 2;
                self.rbuf.resize(n, 0);
            }
            Some(n as usize)
        } else if n < 0 && would_block() {
            None
        } else {
            Some(0)
        }
    }
    /// Takes the next whole message off the buffer and checks its header.
    fn next(&mut self, v: &mut Viol) -> Option<Msg> {
        let have = self.rend - self.rpos;
        if have < 4 {
            return None;
        }
        let len = get_i32(&self.rbuf, self.rpos);
        if !(0..=64 << 20).contains(&len) {
            viol!(v, length, "frame length {len}");
            self.rpos = self.rend;
            return None;
        }
        let len = len as usize;
        if have < 4 + len {
            if self.rbuf.len() - self.rpos < 4 + len {
                self.rbuf.copy_within(self.rpos..self.rend, 0);
                self.rend -= self.rpos;
                self.rpos = 0;
                if self.rbuf.len() < 4 + len {
                    self.rbuf.resize((4 + len).next_power_of_two(), 0);
                }
            }
            return None;
        }
        let s = self.rpos + 4;
        let e = s + len;
        self.rpos = e;
        if self.phase == Phase::Handshake {
            let b = &self.rbuf[s..e];
            if len < 36 {
                viol!(v, handshake, "connect response of {len} bytes");
                return None;
            }
            let (to, sid) = (get_i32(b, 4), get_i64(b, 8));
            if to <= 0 || sid == 0 {
                viol!(v, handshake, "session refused or expired (timeout {to}, id {sid:#x})");
                return None;
            }
            if self.session != 0 && self.session != sid {
                viol!(v, handshake, "session id changed on reconnect");
            }
            self.timeout = to;
            self.session = sid;
            if get_i32(b, 16) == 16 {
                self.passwd.copy_from_slice(&b[20..36]);
            } else {
                viol!(v, handshake, "password of {} bytes", get_i32(b, 16));
            }
            self.phase = Phase::Ready;
            return Some(Msg::Connected);
        }
        if len < 16 {
            viol!(v, length, "reply of {len} bytes");
            return self.next(v);
        }
        let b = &self.rbuf[s..e];
        let (xid, zxid, err) = (get_i32(b, 0), get_i64(b, 4), get_i32(b, 12));
        if xid == XID_EVENT {
            return Some(Msg::Event(s + 16, e));
        }
        if zxid < self.last_zxid {
            viol!(v, zxid, "zxid went back: {zxid:#x} after {:#x} (xid {xid})", self.last_zxid);
        } else {
            self.last_zxid = zxid;
        }
        if xid == XID_PING {
            if self.t_ping == 0 {
                viol!(v, xid, "ping reply without a ping");
                return self.next(v);
            }
            let t = self.t_ping;
            self.t_ping = 0;
            return Some(Msg::Pong(t));
        }
        match self.q.pop_front() {
            None => {
                viol!(v, xid, "reply xid {xid} with nothing outstanding");
                self.next(v)
            }
            Some(p) => {
                if p.xid != xid {
                    viol!(v, xid, "reply xid {xid}, expected {}", p.xid);
                }
                Some(Msg::Reply(p, err, s + 16, e))
            }
        }
    }
    fn push(&mut self, kind: u8, idx: u32, t: u64) -> i32 {
        self.xid += 1;
        self.q.push_back(Pend { xid: self.xid, kind, idx, t });
        self.t_sent = t;
        self.xid
    }
    fn ping_if_due(&mut self, t: u64) {
        if self.phase == Phase::Ready
            && self.t_ping == 0
            && t.saturating_sub(self.t_sent) > self.timeout as u64 * 1_000_000 / 3
        {
            header_only(&mut self.wbuf, XID_PING, PING);
            self.t_ping = t;
            self.t_sent = t;
        }
    }
}

/// Handles readiness of one connection up to the read. false: it broke.
fn pump(c: &mut Conn, ep: &Epoll, id: u64, ev: u32) -> bool {
    if c.phase == Phase::Connecting && ev & (OUT | ERR | HUP) != 0 {
        if so_error(c.fd) != 0 {
            return false;
        }
        c.phase = Phase::Handshake;
    }
    if ev & OUT != 0 && !c.flush(ep, id) {
        return false;
    }
    if ev & (IN | ERR | HUP) != 0
        && let Some(0) = c.fill()
    {
        return false;
    }
    true
}

// ---------------------------------------------------------------- configuration

#[derive(Clone)]
struct Cfg {
    servers: Vec<std::net::SocketAddrV4>,
    conns: usize,
    pipeline: usize,
    threads: usize,
    mix: Vec<(u8, u32)>,
    mix_sum: u32,
    vsize: usize,
    znodes: usize,
    duration: f64,
    warmup: f64,
    ops: u64,
    rate: f64,
    root: String,
    timeout: i32,
    pids: Vec<i32>,
    expect_children: i64,
    count: u64,
    parents: usize,
    threads_cpu: bool,
    drain: f64,
    label: String,
}

const KEYS: &[&str] = &[
    "servers",
    "conns",
    "pipeline",
    "threads",
    "mix",
    "read-pct",
    "value-size",
    "znodes",
    "duration",
    "warmup",
    "ops",
    "rate",
    "root",
    "session-timeout",
    "server-pid",
    "expect-children",
    "count",
    "parents",
    "label",
    "rounds",
    "concurrency",
    "path",
    "since-ns",
    "limit",
    "kill-pid",
    "kill-after",
    "out",
    "drain",
];
const FLAGS: &[&str] = &["no-setup", "no-final-check", "no-close", "threads-cpu", "keep-open"];

fn cfg(a: &Args) -> Cfg {
    let mut mix = Vec::new();
    let spec = match (a.get("mix"), a.get("read-pct")) {
        (Some(m), _) => m.to_string(),
        (None, Some(r)) => {
            let r: u32 = r.parse().expect("--read-pct");
            format!("get={},set={}", r, 100 - r)
        }
        _ => "get=100".to_string(),
    };
    for part in spec.split(',') {
        let (k, w) = part.split_once('=').unwrap_or((part, "1"));
        let kind = match k {
            "get" => K_GET,
            "exists" => K_EXISTS,
            "children" => K_CHILDREN,
            "set" => K_SET,
            "create" => K_CREATE,
            "multi" => K_MULTI,
            "sync" => K_SYNC,
            _ => {
                eprintln!("unknown op {k:?} in --mix");
                std::process::exit(2)
            }
        };
        let w: u32 = w.parse().expect("--mix weight");
        if w > 0 {
            mix.push((kind, w));
        }
    }
    Cfg {
        servers: a.str("servers", "127.0.0.1:2181").split(',').map(resolve).collect(),
        conns: a.num("conns", 100),
        pipeline: a.num("pipeline", 1),
        threads: a.num::<usize>("threads", 1).max(1),
        mix_sum: mix.iter().map(|x| x.1).sum(),
        mix,
        vsize: a.num("value-size", 1024),
        znodes: a.num("znodes", 1000),
        duration: a.num("duration", 10.0),
        warmup: a.num("warmup", 2.0),
        ops: a.num("ops", 0),
        rate: a.num("rate", 0.0),
        root: a.str("root", "/zkload"),
        timeout: a.num("session-timeout", 30000),
        pids: a.str("server-pid", "").split(',').filter_map(|x| x.trim().parse().ok()).collect(),
        expect_children: a.num("expect-children", -1),
        count: a.num("count", 0),
        parents: a.num("parents", 1),
        threads_cpu: a.flag("threads-cpu"),
        drain: a.num("drain", 20.0),
        label: a.str("label", ""),
    }
}

fn npath(c: &Cfg, idx: usize) -> String {
    format!("{}/n{:08}", c.root, idx)
}
fn bulk_path(root: &str, parents: usize, idx: u64) -> String {
    format!("{}/p{:05}/n{:08}", root, idx % parents as u64, idx)
}

// ---------------------------------------------------------------- a plain blocking client

struct Simple {
    c: Conn,
    ep: Epoll,
    evs: Vec<(u64, u32)>,
    viol: Viol,
}
impl Simple {
    fn open(addr: &std::net::SocketAddrV4, timeout: i32, limit_ns: u64) -> Result<Self, String> {
        let mut s = Self { c: Conn::new(), ep: Epoll::new(), evs: Vec::new(), viol: Viol::default() };
        if !s.c.dial(&s.ep, 0, addr, timeout) {
            return Err("connect failed".into());
        }
        let end = now() + limit_ns;
        while s.c.phase != Phase::Ready {
            if !s.step(end)? {
                return Err("no connect response in time".into());
            }
            while let Some(_m) = s.c.next(&mut s.viol) {}
            if s.viol.handshake > 0 {
                return Err(s.viol.first.clone().unwrap_or_default());
            }
        }
        Ok(s)
    }
    fn step(&mut self, end: u64) -> Result<bool, String> {
        let t = now();
        if t >= end {
            return Ok(false);
        }
        self.ep.wait((end - t).min(200_000_000), &mut self.evs);
        for (_, ev) in self.evs.clone() {
            if !pump(&mut self.c, &self.ep, 0, ev) {
                return Err("connection lost".into());
            }
        }
        Ok(true)
    }
    /// Sends `n` requests (window 500) and hands each reply (index, err, body) to `f`.
    fn batch(
        &mut self,
        n: usize,
        mut enc: impl FnMut(&mut Vec<u8>, i32, usize),
        mut f: impl FnMut(usize, i32, &[u8]),
        limit_s: f64,
    ) -> Result<(), String> {
        let end = now() + (limit_s * 1e9) as u64;
        let (mut sent, mut got) = (0, 0);
        while got < n {
            while sent < n && sent - got < 500 {
                let xid = self.c.push(0, sent as u32, now());
                enc(&mut self.c.wbuf, xid, sent);
                sent += 1;
            }
            if !self.c.flush(&self.ep, 0) {
                return Err("connection lost".into());
            }
            if !self.step(end)? {
                return Err(format!("timed out after {got} of {n} replies"));
            }
            while let Some(m) = self.c.next(&mut self.viol) {
                if let Msg::Reply(p, err, s, e) = m {
                    f(p.idx as usize, err, &self.c.rbuf[s..e]);
                    got += 1;
                }
            }
        }
        if self.viol.total() > 0 {
            return Err(self.viol.first.clone().unwrap_or_default());
        }
        Ok(())
    }
    fn close(mut self) {
        let _ = self.batch(1, |w, x, _| header_only(w, x, CLOSE), |_, _, _| {}, 10.0);
        self.c.drop_fd(&self.ep, false);
    }
}

fn create_all(
    s: &mut Simple,
    paths: &[String],
    data: impl Fn(usize) -> Vec<u8>,
    ok_exists: bool,
) -> Result<(), String> {
    let mut bad: Option<String> = None;
    s.batch(
        paths.len(),
        |w, x, i| create(w, x, paths[i].as_bytes(), &data(i), 0),
        |i, err, _| {
            if err != 0 && !(ok_exists && err == -110) && bad.is_none() {
                bad = Some(format!("create {}: err {err}", paths[i]));
            }
        },
        120.0,
    )?;
    bad.map_or(Ok(()), Err)
}

fn ancestors(root: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut p = String::new();
    for part in root.split('/').filter(|x| !x.is_empty()) {
        p.push('/');
        p.push_str(part);
        out.push(p.clone());
    }
    out
}

fn die(m: &str) -> ! {
    eprintln!("zkload: {m}");
    println!("{{\"failed\":{}}}", zkload::json::esc(m));
    std::process::exit(1)
}

// ---------------------------------------------------------------- load worker

#[derive(Default)]
struct Shared {
    phase: AtomicUsize, // 0 warm-up, 1 measuring, 2 drain
    issued: AtomicU64,
    done: AtomicU64,
    next: AtomicU64,
    finished: AtomicUsize,
    abort: AtomicBool,
}

struct Outcome {
    hist: Vec<Option<Hist>>,
    measured: u64,
    acked_sets: u64,
    viol: Viol,
    connect: Hist,
}

struct Worker {
    cfg: Cfg,
    sh: Arc<Shared>,
    conns: Vec<Conn>,
    ep: Epoll,
    out: Outcome,
    rng: u64,
    paths: Arc<Vec<Vec<u8>>>,
    values: Arc<Vec<u8>>, // one filler value; the digits are patched in
    versions: Vec<i32>,   // conn * znodes + idx -> last version seen + 1
    track: bool,
    base: usize,
    bulk: bool,
    close: bool,
}

impl Worker {
    fn rnd(&mut self) -> u64 {
        let mut x = self.rng;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.rng = x;
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    fn put_set(&self, w: &mut Vec<u8>, xid: i32, idx: usize, op: i32) {
        let p = &self.paths[idx];
        let f = w.len();
        match op {
            SET => set(w, xid, p, &self.values, -1),
            _ => multi_check_set(w, xid, p, &self.values),
        }
        // patch the znode number into the value
        let at = match op {
            SET => f + 4 + 8 + 4 + p.len() + 4,
            _ => f + 4 + 8 + 9 + 4 + p.len() + 4 + 9 + 4 + p.len() + 4,
        };
        if self.values.len() >= 8 {
            w[at..at + 8].copy_from_slice(&p[p.len() - 8..]);
        }
    }
    /// Issues one operation on connection `i`; false when there is nothing left to issue.
    fn issue(&mut self, i: usize, t: u64) -> bool {
        let mut w = std::mem::take(&mut self.conns[i].wbuf);
        let r = self.issue_into(&mut w, i, t);
        self.conns[i].wbuf = w;
        r
    }
    fn issue_into(&mut self, w: &mut Vec<u8>, i: usize, t: u64) -> bool {
        if self.bulk {
            let k = self.sh.next.fetch_add(1, Relaxed);
            if k >= self.cfg.count {
                return false;
            }
            let xid = self.conns[i].push(K_BULK, k as u32, t);
            let p = bulk_path(&self.cfg.root, self.cfg.parents, k);
            let mut v = self.values.as_ref().clone();
            if v.len() >= 8 {
                v[..8].copy_from_slice(&p.as_bytes()[p.len() - 8..]);
            }
            create(w, xid, p.as_bytes(), &v, 0);
            return true;
        }
        if self.cfg.ops > 0 && self.sh.issued.fetch_add(1, Relaxed) >= self.cfg.ops {
            return false;
        }
        let r = self.rnd();
        let mut pick = (r >> 40) as u32 % self.cfg.mix_sum;
        let mut kind = self.cfg.mix[0].0;
        for (k, wt) in &self.cfg.mix {
            if pick < *wt {
                kind = *k;
                break;
            }
            pick -= wt;
        }
        let idx = (r & 0xff_ffff) as usize % self.cfg.znodes.max(1);
        match kind {
            K_GET | K_EXISTS => {
                let xid = self.conns[i].push(kind, idx as u32, t);
                let op = if kind == K_GET { GET } else { EXISTS };
                path_watch(w, xid, op, &self.paths[idx], false);
            }
            K_CHILDREN => {
                let xid = self.conns[i].push(kind, 0, t);
                path_watch(w, xid, CHILDREN2, self.cfg.root.as_bytes(), false);
            }
            K_SET => {
                let xid = self.conns[i].push(kind, idx as u32, t);
                self.put_set(w, xid, idx, SET);
            }
            K_MULTI => {
                let xid = self.conns[i].push(kind, idx as u32, t);
                self.put_set(w, xid, idx, MULTI);
            }
            K_SYNC => {
                let xid = self.conns[i].push(kind, 0, t);
                sync(w, xid, self.cfg.root.as_bytes());
            }
            _ => {
                // create and delete in turn; a session's requests keep their order
                let c = &mut self.conns[i];
                if c.seq == c.del_seq {
                    c.seq += 1;
                    let s = c.seq;
                    let xid = c.push(K_CREATE, s, t);
                    let p = own_path(&self.cfg.root, self.base + i, s);
                    create(w, xid, p.as_bytes(), &self.values, 0);
                } else {
                    c.del_seq = c.seq;
                    let s = c.seq;
                    let xid = c.push(K_DELETE, s, t);
                    let p = own_path(&self.cfg.root, self.base + i, s);
                    delete(w, xid, p.as_bytes());
                }
            }
        }
        true
    }
    fn seen(&mut self, i: usize, idx: usize, version: i32, wrote: bool) {
        if !self.track {
            return;
        }
        let slot = &mut self.versions[i * self.cfg.znodes + idx];
        let min = if wrote { *slot + 1 } else { *slot };
        // slot holds last seen version + 1
        if version + 1 < min {
            viol!(self.out.viol, version, "znode {idx}: version {version} after {}", *slot - 1);
        } else {
            *slot = version + 1;
        }
    }
    fn check(&mut self, i: usize, p: Pend, err: i32, s: usize, e: usize) {
        if err != 0 {
            viol!(self.out.viol, err, "{} {}: err {err}", KINDS[p.kind as usize], p.idx);
            return;
        }
        let b = &self.conns[i].rbuf[s..e];
        let n = b.len();
        let vs = self.cfg.vsize;
        match p.kind {
            K_GET => {
                if n != 4 + vs + STAT_LEN || get_i32(b, 0) as usize != vs {
                    viol!(
                        self.out.viol,
                        length,
                        "get {}: body of {n} bytes, data {}",
                        p.idx,
                        if n >= 4 { get_i32(b, 0) } else { -9 }
                    );
                    return;
                }
                let st = StatView(&b[4 + vs..]);
                let path = &self.paths[p.idx as usize];
                if st.data_len() as usize != vs {
                    viol!(self.out.viol, length, "get {}: stat.dataLength {}", p.idx, st.data_len());
                }
                if vs >= 8 && (b[4..12] != path[path.len() - 8..] || b[12..4 + vs] != self.values[8..]) {
                    viol!(self.out.viol, content, "get {}: wrong data", p.idx);
                }
                let ver = st.version();
                self.seen(i, p.idx as usize, ver, false);
            }
            K_SET => {
                if n != STAT_LEN || StatView(b).data_len() as usize != vs {
                    viol!(self.out.viol, length, "set {}: body of {n} bytes", p.idx);
                    return;
                }
                let ver = StatView(b).version();
                self.out.acked_sets += 1;
                self.seen(i, p.idx as usize, ver, true);
            }
            K_MULTI => {
                if n != 9 + 9 + STAT_LEN + 9
                    || get_i32(b, 0) != CHECK
                    || get_i32(b, 9) != SET
                    || get_i32(b, 5) != 0
                    || get_i32(b, 14) != 0
                {
                    viol!(self.out.viol, length, "multi {}: malformed result of {n} bytes", p.idx);
                    return;
                }
                let ver = StatView(&b[18..18 + STAT_LEN]).version();
                self.out.acked_sets += 1;
                self.seen(i, p.idx as usize, ver, true);
            }
            K_EXISTS => {
                if n != STAT_LEN || StatView(b).data_len() as usize != vs {
                    viol!(self.out.viol, length, "exists {}: body of {n} bytes", p.idx);
                    return;
                }
                let ver = StatView(b).version();
                self.seen(i, p.idx as usize, ver, false);
            }
            K_CHILDREN => {
                let cnt = if n >= 4 { get_i32(b, 0) } else { -1 };
                let mut o = 4;
                for _ in 0..cnt.max(0) {
                    if o + 4 > n {
                        break;
                    }
                    o += 4 + get_i32(b, o).max(0) as usize;
                }
                if o + STAT_LEN != n {
                    viol!(self.out.viol, length, "children: body of {n} bytes, parsed {o}");
                } else if self.cfg.expect_children >= 0 && cnt as i64 != self.cfg.expect_children {
                    viol!(self.out.viol, content, "children: {cnt}, expected {}", self.cfg.expect_children);
                } else if StatView(&b[o..]).num_children() != cnt {
                    viol!(
                        self.out.viol,
                        content,
                        "children: {cnt} listed, stat says {}",
                        StatView(&b[o..]).num_children()
                    );
                }
            }
            K_CREATE | K_BULK => {
                let want = if p.kind == K_BULK {
                    bulk_path(&self.cfg.root, self.cfg.parents, p.idx as u64)
                } else {
                    own_path(&self.cfg.root, self.base + i, p.idx)
                };
                if n != 4 + want.len() || &b[4..] != want.as_bytes() {
                    viol!(self.out.viol, content, "create {want}: wrong path in reply");
                }
            }
            K_SYNC => {
                if n < 4 || &b[4..] != self.cfg.root.as_bytes() {
                    viol!(self.out.viol, content, "sync: wrong path in reply");
                }
            }
            _ => {
                if n != 0 {
                    viol!(self.out.viol, length, "{}: body of {n} bytes", KINDS[p.kind as usize]);
                }
            }
        }
    }
    fn broke(&mut self, i: usize) {
        let c = &mut self.conns[i];
        if c.phase != Phase::Dead {
            viol!(
                self.out.viol,
                disconnect,
                "connection {i} lost in {:?} with {} outstanding",
                c.phase,
                c.q.len()
            );
            c.drop_fd(&self.ep, true);
        }
    }
    /// Opens every connection; at most 128 at once in the handshake.
    fn connect_all(&mut self) {
        let n = self.conns.len();
        let (mut started, mut ready) = (0, 0);
        let end = now() + 60_000_000_000;
        let mut evs = Vec::new();
        while ready < n && now() < end && self.out.viol.total() == 0 {
            while started < n && started - ready < 128 {
                let srv = (self.base + started) % self.cfg.servers.len();
                let a = self.cfg.servers[srv];
                self.conns[started].server = srv;
                if !self.conns[started].dial(&self.ep, started as u64, &a, self.cfg.timeout) {
                    viol!(self.out.viol, disconnect, "connect failed: errno {}", errno());
                    return;
                }
                started += 1;
            }
            self.ep.wait(100_000_000, &mut evs);
            for &(id, ev) in &evs {
                let i = id as usize;
                if !pump(&mut self.conns[i], &self.ep, id, ev) {
                    self.broke(i);
                    continue;
                }
                while let Some(m) = self.conns[i].next(&mut self.out.viol) {
                    if let Msg::Connected = m {
                        ready += 1;
                        let d = now() - self.conns[i].t_dial;
                        self.out.connect.add(d);
                        self.conns[i].t_sent = now();
                    }
                }
            }
            // keep early sessions alive while a large number connects
            if ready % 512 == 0 {
                self.ping_due();
            }
        }
        if ready < n {
            viol!(self.out.viol, handshake, "only {ready} of {n} sessions connected");
        }
    }
    fn ping_due(&mut self) {
        let t = now();
        for i in 0..self.conns.len() {
            let c = &mut self.conns[i];
            c.ping_if_due(t);
            if !c.wbuf.is_empty() && c.phase == Phase::Ready && !c.flush(&self.ep, i as u64) {
                self.broke(i);
            }
        }
    }
    fn run(&mut self) {
        let n = self.conns.len();
        let mut evs = Vec::new();
        let mut exhausted = false;
        let mut started = false;
        let mut drain_end = 0u64;
        let t0 = now();
        let mut sched: f64 = t0 as f64;
        let step = if self.cfg.rate > 0.0 { 1e9 / (self.cfg.rate / self.cfg.threads as f64) } else { 0.0 };
        let mut rr = 0usize;
        let mut next_ping = t0 + 500_000_000;
        loop {
            let mut phase = self.sh.phase.load(Relaxed);
            if self.sh.abort.load(Relaxed) {
                phase = 2;
            }
            let open = phase < 2 && !exhausted;
            if !started {
                started = true;
                if self.cfg.rate == 0.0 {
                    let t = now();
                    'o: for i in 0..n {
                        for _ in 0..self.cfg.pipeline {
                            if !self.issue(i, t) {
                                exhausted = true;
                                break 'o;
                            }
                        }
                    }
                    for i in 0..n {
                        if !self.conns[i].flush(&self.ep, i as u64) {
                            self.broke(i);
                        }
                    }
                }
            }
            if open && self.cfg.rate > 0.0 {
                let t = now();
                let mut touched: Vec<usize> = Vec::new();
                while sched <= t as f64 {
                    // find a connection with room
                    let mut found = None;
                    for k in 0..n {
                        let i = (rr + k) % n;
                        if self.conns[i].phase == Phase::Ready && self.conns[i].q.len() < self.cfg.pipeline {
                            found = Some(i);
                            break;
                        }
                    }
                    match found {
                        None => break,
                        Some(i) => {
                            rr = (i + 1) % n;
                            if !self.issue(i, sched as u64) {
                                exhausted = true;
                                break;
                            }
                            touched.push(i);
                            sched += step;
                        }
                    }
                }
                for i in touched {
                    if !self.conns[i].flush(&self.ep, i as u64) {
                        self.broke(i);
                    }
                }
            }
            let wait = if open && self.cfg.rate > 0.0 {
                ((sched - now() as f64).max(0.0) as u64).clamp(20_000, 50_000_000)
            } else {
                50_000_000
            };
            self.ep.wait(wait, &mut evs);
            for &(id, ev) in &evs {
                let i = id as usize;
                if self.conns[i].phase == Phase::Dead {
                    continue;
                }
                if !pump(&mut self.conns[i], &self.ep, id, ev) {
                    self.broke(i);
                    continue;
                }
                let t = now();
                while let Some(m) = self.conns[i].next(&mut self.out.viol) {
                    match m {
                        Msg::Reply(p, err, s, e) => {
                            self.check(i, p, err, s, e);
                            self.sh.done.fetch_add(1, Relaxed);
                            if phase == 1 {
                                self.out.measured += 1;
                                self.out.hist[p.kind as usize]
                                    .get_or_insert_with(Hist::new)
                                    .add(t.saturating_sub(p.t));
                            }
                        }
                        Msg::Event(..) => viol!(self.out.viol, event, "unexpected watch event"),
                        _ => {}
                    }
                }
                if open && self.cfg.rate == 0.0 {
                    let t = now();
                    while !exhausted && self.conns[i].q.len() < self.cfg.pipeline {
                        if !self.issue(i, t) {
                            exhausted = true;
                        }
                    }
                }
                if !self.conns[i].flush(&self.ep, id) {
                    self.broke(i);
                }
            }
            let t = now();
            if t > next_ping {
                next_ping = t + 500_000_000;
                self.ping_due();
                if self.conns.iter().all(|c| c.phase == Phase::Dead) {
                    break;
                }
            }
            if phase == 2 || exhausted {
                let left: usize =
                    self.conns.iter().filter(|c| c.phase != Phase::Dead).map(|c| c.q.len()).sum();
                if left == 0 {
                    break;
                }
                if drain_end == 0 {
                    drain_end = t + (self.cfg.drain * 1e9) as u64;
                } else if t > drain_end {
                    self.out.viol.unanswered += left as u64;
                    self.out.viol.note(|| format!("{left} requests unanswered after the end"));
                    break;
                }
            }
        }
        self.sh.finished.fetch_add(1, SeqCst);
    }
    fn close_all(&mut self) {
        if !self.close {
            for c in self.conns.iter_mut() {
                c.drop_fd(&self.ep, true);
            }
            return;
        }
        let n = self.conns.len();
        let mut left = 0;
        for i in 0..n {
            let c = &mut self.conns[i];
            if c.phase == Phase::Ready && c.q.is_empty() {
                let xid = c.push(K_CLOSE, 0, now());
                header_only(&mut c.wbuf, xid, CLOSE);
                if c.flush(&self.ep, i as u64) {
                    left += 1;
                }
            }
        }
        let end = now() + 30_000_000_000;
        let mut evs = Vec::new();
        while left > 0 && now() < end {
            self.ep.wait(100_000_000, &mut evs);
            for &(id, ev) in &evs {
                let c = &mut self.conns[id as usize];
                if c.phase == Phase::Dead {
                    continue;
                }
                let ok = pump(c, &self.ep, id, ev);
                let mut closed = false;
                while let Some(m) = c.next(&mut self.out.viol) {
                    if let Msg::Reply(p, err, ..) = m
                        && p.kind == K_CLOSE
                    {
                        closed = true;
                        if err != 0 {
                            viol!(self.out.viol, err, "closeSession: err {err}");
                        }
                    }
                }
                if closed || !ok {
                    if !closed {
                        viol!(self.out.viol, disconnect, "lost before the closeSession reply");
                    }
                    c.drop_fd(&self.ep, true);
                    left -= 1;
                }
            }
        }
        if left > 0 {
            viol!(self.out.viol, unanswered, "{left} closeSession requests unanswered");
        }
    }
}

fn own_path(root: &str, conn: usize, seq: u32) -> String {
    format!("{root}/c{conn:05}-{seq:08}")
}

fn worker(
    cfg: &Cfg,
    sh: &Arc<Shared>,
    paths: &Arc<Vec<Vec<u8>>>,
    tid: usize,
    bulk: bool,
    close: bool,
) -> Worker {
    let per = cfg.conns / cfg.threads;
    let extra = cfg.conns % cfg.threads;
    let mine = per + (tid < extra) as usize;
    let base = per * tid + tid.min(extra);
    let track = !bulk && mine * cfg.znodes <= 20_000_000;
    Worker {
        cfg: cfg.clone(),
        sh: sh.clone(),
        conns: (0..mine).map(|_| Conn::new()).collect(),
        ep: Epoll::new(),
        out: Outcome {
            hist: vec![None; KINDS.len()],
            measured: 0,
            acked_sets: 0,
            viol: Viol::default(),
            connect: Hist::new(),
        },
        rng: 0x9E37_79B9_7F4A_7C15 ^ ((tid as u64 + 1) << 32) ^ std::process::id() as u64,
        paths: paths.clone(),
        values: Arc::new(value(0, cfg.vsize)),
        versions: if track { vec![0; mine * cfg.znodes] } else { Vec::new() },
        track,
        base,
        bulk,
        close,
    }
}

/// Setup shared by load / watch / failover: the root and its znodes.
fn setup(c: &Cfg) -> Result<(), String> {
    let mut s = Simple::open(&c.servers[0], 30000, 20_000_000_000)?;
    create_all(&mut s, &ancestors(&c.root), |_| Vec::new(), true)?;
    let paths: Vec<String> = (0..c.znodes).map(|i| npath(c, i)).collect();
    create_all(&mut s, &paths, |i| value(i, c.vsize), false)?;
    s.close();
    Ok(())
}

/// Sum of the versions of all znodes: every acknowledged set must be in it.
fn sum_versions(c: &Cfg) -> Result<u64, String> {
    let mut s = Simple::open(&c.servers[0], 30000, 20_000_000_000)?;
    s.batch(1, |w, x, _| sync(w, x, b"/"), |_, _, _| {}, 20.0)?;
    let (mut sum, mut bad) = (0u64, 0u64);
    s.batch(
        c.znodes,
        |w, x, i| path_watch(w, x, EXISTS, npath(c, i).as_bytes(), false),
        |_, err, b| {
            if err == 0 && b.len() == STAT_LEN { sum += StatView(b).version() as u64 } else { bad += 1 }
        },
        60.0,
    )?;
    s.close();
    if bad > 0 {
        return Err(format!("{bad} znodes unreadable at the end"));
    }
    Ok(sum)
}

fn finish(o: &Obj, v: &Viol, out: Option<&str>) -> ! {
    let line = o.end();
    println!("{line}");
    if let Some(f) = out {
        use std::io::Write;
        let mut f = std::fs::OpenOptions::new().create(true).append(true).open(f).expect("--out");
        writeln!(f, "{line}").expect("--out");
    }
    if v.total() > 0 {
        eprintln!("zkload: {} violations; first: {}", v.total(), v.first.as_deref().unwrap_or("?"));
        std::process::exit(1)
    }
    std::process::exit(0)
}

fn cmd_load(a: &Args, bulk: bool) {
    let mut c = cfg(a);
    if bulk {
        if c.count == 0 {
            die("create-many needs --count");
        }
        c.znodes = 0;
        c.warmup = 0.0;
        c.mix = vec![(K_BULK, 1)];
        c.mix_sum = 1;
    }
    let limit = a.num("limit", if bulk { 600.0 } else { c.duration + c.warmup + 60.0 });
    if bulk {
        let mut s = Simple::open(&c.servers[0], 30000, 20_000_000_000).unwrap_or_else(|e| die(&e));
        let mut paths = ancestors(&c.root);
        create_all(&mut s, &paths, |_| Vec::new(), true).unwrap_or_else(|e| die(&e));
        paths = (0..c.parents).map(|p| format!("{}/p{:05}", c.root, p)).collect();
        create_all(&mut s, &paths, |_| Vec::new(), false).unwrap_or_else(|e| die(&e));
        s.close();
    } else if !a.flag("no-setup") && c.znodes > 0 {
        setup(&c).unwrap_or_else(|e| die(&format!("setup: {e}")));
    }
    let paths: Arc<Vec<Vec<u8>>> = Arc::new((0..c.znodes).map(|i| npath(&c, i).into_bytes()).collect());
    let sh = Arc::new(Shared::default());
    if c.warmup <= 0.0 {
        sh.phase.store(1, SeqCst); // no warm-up: the first reply counts
    }
    let barrier = Arc::new(Barrier::new(c.threads + 1));
    let results: Arc<Mutex<Vec<Outcome>>> = Arc::new(Mutex::new(Vec::new()));
    let close = !a.flag("no-close");
    let mut hs = Vec::new();
    for tid in 0..c.threads {
        let (c, sh, p, b, r) = (c.clone(), sh.clone(), paths.clone(), barrier.clone(), results.clone());
        hs.push(std::thread::spawn(move || {
            let mut w = worker(&c, &sh, &p, tid, bulk, close);
            w.connect_all();
            if w.out.viol.total() > 0 {
                w.sh.abort.store(true, SeqCst);
            }
            b.wait(); // connected
            b.wait(); // go
            w.run();
            b.wait(); // drained
            w.close_all();
            r.lock().expect("no load thread panicked").push(w.out);
        }));
    }
    barrier.wait(); // every session is connected
    let early = (sample(&c.pids, c.threads_cpu), now());
    barrier.wait();
    let hard_end = now() + (limit * 1e9) as u64;
    let wait_until = |t: u64| {
        while now() < t && sh.finished.load(SeqCst) < c.threads {
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    if c.warmup > 0.0 {
        wait_until(now() + (c.warmup * 1e9) as u64);
    }
    let (s0, t0) = if c.warmup > 0.0 { (sample(&c.pids, c.threads_cpu), now()) } else { early };
    sh.phase.store(1, SeqCst);
    if bulk || c.ops > 0 {
        wait_until(hard_end);
    } else {
        wait_until(t0 + (c.duration * 1e9) as u64);
    }
    let t1 = now();
    let s1 = sample(&c.pids, c.threads_cpu);
    sh.phase.store(2, SeqCst);
    barrier.wait();
    for h in hs {
        h.join().ok();
    }
    let rs = results.lock().expect("no load thread panicked");
    let mut viol = Viol::default();
    let mut all = Hist::new();
    let mut conn = Hist::new();
    let mut kinds: Vec<Option<Hist>> = vec![None; KINDS.len()];
    let (mut ops, mut acked) = (0, 0);
    if rs.len() != c.threads {
        viol!(viol, lost, "a load thread panicked");
    }
    for r in rs.iter() {
        viol.merge(&r.viol);
        ops += r.measured;
        acked += r.acked_sets;
        conn.merge(&r.connect);
        for (k, h) in r.hist.iter().enumerate() {
            if let Some(h) = h {
                all.merge(h);
                kinds[k].get_or_insert_with(Hist::new).merge(h);
            }
        }
    }
    let secs = (t1 - t0) as f64 / 1e9;
    if ops == 0 {
        viol!(viol, lost, "no operation completed");
    }
    if bulk && ops != c.count {
        viol!(viol, lost, "{ops} of {} creates acknowledged", c.count);
    }
    let mut o = Obj::new();
    o.str("mode", if bulk { "create-many" } else { "load" });
    o.str("label", &c.label);
    o.int("conns", c.conns as i64).int("pipeline", c.pipeline as i64).int("value_size", c.vsize as i64);
    if c.rate > 0.0 {
        o.f("target_rate", c.rate);
    }
    o.f("secs", secs).int("ops", ops as i64).f("ops_per_s", ops as f64 / secs);
    o.raw("latency", &all.json());
    let mut ks = Obj::new();
    for (k, h) in kinds.iter().enumerate() {
        if let Some(h) = h {
            ks.raw(KINDS[k], &h.json());
        }
    }
    let e = ks.end();
    o.raw("by_op", &e);
    o.raw("connect", &conn.json());
    sut::report(&mut o, &s0, &s1, secs, ops);
    if bulk && !a.flag("no-final-check") {
        match verify_bulk(&c) {
            Ok(()) => {
                o.bool("final_check", true);
            }
            Err(e) => viol!(viol, lost, "{e}"),
        }
    } else if acked > 0 && !a.flag("no-final-check") && !a.flag("no-setup") {
        match sum_versions(&c) {
            Ok(sum) if sum == acked => {
                o.bool("final_check", true);
            }
            Ok(sum) => viol!(viol, lost, "versions sum to {sum}, {acked} sets were acknowledged"),
            Err(e) => viol!(viol, lost, "final check: {e}"),
        }
    }
    o.raw("violations", &viol.json());
    finish(&o, &viol, a.get("out"))
}

/// After create-many: every parent has its exact share of children, and 1,000 sampled znodes
/// carry the right data.
fn verify_bulk(c: &Cfg) -> Result<(), String> {
    let mut s = Simple::open(&c.servers[0], 30000, 20_000_000_000)?;
    s.batch(1, |w, x, _| sync(w, x, b"/"), |_, _, _| {}, 20.0)?;
    let mut total = 0u64;
    let mut bad: Option<String> = None;
    let par = c.parents as u64;
    s.batch(
        c.parents,
        |w, x, i| path_watch(w, x, EXISTS, format!("{}/p{:05}", c.root, i).as_bytes(), false),
        |i, err, b| {
            let want = c.count / par + ((i as u64) < c.count % par) as u64;
            let got =
                if err == 0 && b.len() == STAT_LEN { StatView(b).num_children() as i64 } else { err as i64 };
            if got != want as i64 && bad.is_none() {
                bad = Some(format!("parent {i}: {got} children, expected {want}"));
            }
            total += got.max(0) as u64;
        },
        60.0,
    )?;
    let n = c.count.min(1000);
    let pick = |i: usize| (i as u64) * c.count / n;
    s.batch(
        n as usize,
        |w, x, i| path_watch(w, x, GET, bulk_path(&c.root, c.parents, pick(i)).as_bytes(), false),
        |i, err, b| {
            let want = value(pick(i) as usize, c.vsize);
            let ok = err == 0 && b.len() == 4 + c.vsize + STAT_LEN && b[4..4 + c.vsize] == want[..];
            if !ok && bad.is_none() {
                bad = Some(format!("{}: err {err} or wrong data", bulk_path(&c.root, c.parents, pick(i))));
            }
        },
        60.0,
    )?;
    s.close();
    match bad {
        Some(b) => Err(b),
        None if total != c.count => Err(format!("{total} znodes, expected {}", c.count)),
        None => Ok(()),
    }
}

// ---------------------------------------------------------------- idle sessions

fn cmd_idle(a: &Args) {
    let mut c = cfg(a);
    c.znodes = 0;
    c.threads = 1;
    let sh = Arc::new(Shared::default());
    let mut w = worker(&c, &sh, &Arc::new(Vec::new()), 0, false, !a.flag("no-close"));
    let before = sample(&c.pids, false);
    let t = now();
    w.connect_all();
    let t_conn = (now() - t) as f64 / 1e9;
    let after_conn = sample(&c.pids, false);
    let mut pongs = Hist::new();
    let mut evs = Vec::new();
    // spread the pings over the interval
    let t = now();
    let n = w.conns.len().max(1) as u64;
    for (i, cn) in w.conns.iter_mut().enumerate() {
        let iv = cn.timeout as u64 * 1_000_000 / 3;
        cn.t_sent = (t + i as u64 * iv / n).saturating_sub(iv);
    }
    let end_warm = t + (c.warmup * 1e9) as u64;
    let end = end_warm + (c.duration * 1e9) as u64;
    let mut s0: Option<(sut::Sample, u64)> = None;
    let mut next_scan = t;
    while now() < end && w.out.viol.total() == 0 {
        if s0.is_none() && now() >= end_warm {
            s0 = Some((sample(&c.pids, c.threads_cpu), now()));
            pongs = Hist::new();
        }
        if now() >= next_scan {
            next_scan = now() + 20_000_000;
            w.ping_due();
        }
        w.ep.wait(20_000_000, &mut evs);
        for &(id, ev) in &evs {
            let i = id as usize;
            if !pump(&mut w.conns[i], &w.ep, id, ev) {
                w.broke(i);
                continue;
            }
            let t = now();
            while let Some(m) = w.conns[i].next(&mut w.out.viol) {
                match m {
                    Msg::Pong(t0) => pongs.add(t - t0),
                    _ => viol!(w.out.viol, event, "unexpected message on an idle session"),
                }
            }
        }
    }
    let s1 = sample(&c.pids, c.threads_cpu);
    let (s0, t0) = s0.unwrap_or_else(|| (after_conn.clone(), t));
    let secs = (now() - t0) as f64 / 1e9;
    let alive = w.conns.iter().filter(|x| x.phase == Phase::Ready).count();
    if alive != c.conns {
        viol!(w.out.viol, disconnect, "{alive} of {} sessions alive at the end", c.conns);
    }
    let late = w.conns.iter().filter(|x| x.t_ping != 0 && now() - x.t_ping > 5_000_000_000).count();
    if late > 0 {
        viol!(w.out.viol, unanswered, "{late} pings unanswered for 5 s");
    }
    if pongs.n == 0 {
        viol!(w.out.viol, lost, "no ping was answered in the window");
    }
    w.close_all();
    let mut o = Obj::new();
    o.str("mode", "idle").str("label", &c.label).int("conns", c.conns as i64).f("secs", secs);
    o.f("connect_secs", t_conn).f("sessions_per_s", c.conns as f64 / t_conn);
    o.int("ops", pongs.n as i64).f("ops_per_s", pongs.n as f64 / secs);
    o.raw("latency", &pongs.json()).raw("connect", &w.out.connect.json());
    sut::report(&mut o, &s0, &s1, secs, pongs.n);
    o.int("server_rss_bytes_no_sessions", before.rss as i64);
    o.f("rss_bytes_per_session", (s1.rss as f64 - before.rss as f64) / c.conns as f64);
    o.raw("violations", &w.out.viol.json());
    finish(&o, &w.out.viol, a.get("out"))
}

// ---------------------------------------------------------------- connect storm

fn cmd_storm(a: &Args) {
    let mut c = cfg(a);
    c.threads = 1;
    let conc = a.num("concurrency", 64usize);
    let ep = Epoll::new();
    let mut ep = ep;
    let mut slots: Vec<Conn> = (0..conc).map(|_| Conn::new()).collect();
    let mut free: Vec<usize> = (0..conc).collect();
    let mut viol = Viol::default();
    let (mut est, mut cls) = (Hist::new(), Hist::new());
    let mut evs = Vec::new();
    let t_start = now();
    let warm_end = t_start + (c.warmup * 1e9) as u64;
    let end = warm_end + (c.duration * 1e9) as u64;
    let step = if c.rate > 0.0 { 1e9 / c.rate } else { 0.0 };
    let mut sched = t_start as f64;
    let mut s0: Option<(sut::Sample, u64)> = None;
    let mut ids = std::collections::HashSet::new();
    let mut window: Option<(sut::Sample, u64, u64)> = None;
    let mut drain = 0u64;
    loop {
        let t = now();
        if s0.is_none() && t >= warm_end {
            s0 = Some((sample(&c.pids, c.threads_cpu), now()));
            est = Hist::new();
            cls = Hist::new();
        }
        if window.is_none() && t >= end {
            window = Some((sample(&c.pids, c.threads_cpu), now(), cls.n));
            drain = t + 15_000_000_000;
        }
        if window.is_none() {
            while let Some(&i) = free.last() {
                if c.rate > 0.0 && sched > t as f64 {
                    break;
                }
                free.pop();
                let mut k = Conn::new();
                let srv = c.servers[i % c.servers.len()];
                if !k.dial(&ep, i as u64, &srv, c.timeout) {
                    viol!(viol, disconnect, "connect failed, errno {}", errno());
                    free.push(i);
                    break;
                }
                if c.rate > 0.0 {
                    k.t_dial = sched as u64;
                    sched += step;
                }
                slots[i] = k;
            }
        } else if free.len() == conc {
            break;
        } else if now() > drain {
            viol!(viol, unanswered, "{} sessions unfinished 15 s after the end", conc - free.len());
            break;
        }
        if viol.total() > 20 {
            break;
        }
        let w = if c.rate > 0.0 { 200_000 } else { 20_000_000 };
        ep.wait(w, &mut evs);
        for &(id, ev) in &evs {
            let i = id as usize;
            let k = &mut slots[i];
            if k.phase == Phase::Dead {
                continue;
            }
            let mut ok = pump(k, &ep, id, ev);
            let mut gone = false;
            while let Some(m) = k.next(&mut viol) {
                match m {
                    Msg::Connected => {
                        let t = now();
                        est.add(t.saturating_sub(k.t_dial));
                        if !ids.insert(k.session) {
                            viol!(viol, handshake, "session id {:#x} given twice", k.session);
                        }
                        let xid = k.push(K_CLOSE, 0, t);
                        header_only(&mut k.wbuf, xid, CLOSE);
                        ok = ok && k.flush(&ep, id);
                    }
                    Msg::Reply(p, err, ..) => {
                        if err != 0 {
                            viol!(viol, err, "closeSession: err {err}");
                        }
                        cls.add(now() - p.t);
                        gone = true;
                    }
                    _ => viol!(viol, event, "unexpected message"),
                }
            }
            if gone || !ok {
                if !gone {
                    viol!(viol, disconnect, "storm session lost in {:?}", k.phase);
                }
                k.drop_fd(&ep, true);
                free.push(i);
            }
        }
    }
    let (s0, t0) = s0.unwrap_or_else(|| (sample(&c.pids, false), t_start));
    let (s1, t1, n) = window.unwrap_or_else(|| (sample(&c.pids, false), now(), cls.n));
    let secs = (t1 - t0) as f64 / 1e9;
    if n == 0 {
        viol!(viol, lost, "no session was established and closed");
    }
    let mut o = Obj::new();
    o.str("mode", "storm").str("label", &c.label).int("concurrency", conc as i64).f("target_rate", c.rate);
    o.f("secs", secs).int("ops", n as i64).f("ops_per_s", n as f64 / secs);
    o.raw("latency", &est.json()).raw("close_latency", &cls.json());
    sut::report(&mut o, &s0, &s1, secs, n);
    o.raw("violations", &viol.json());
    finish(&o, &viol, a.get("out"))
}

// ---------------------------------------------------------------- watch fan-out

fn cmd_watch(a: &Args) {
    let mut c = cfg(a);
    c.threads = 1;
    c.znodes = 1;
    let rounds = a.num("rounds", 20usize);
    let limit = now() + (a.num("limit", 60.0) * 1e9) as u64;
    if !a.flag("no-setup") {
        setup(&c).unwrap_or_else(|e| die(&format!("setup: {e}")));
    }
    let path = npath(&c, 0).into_bytes();
    let val = value(0, c.vsize);
    let sh = Arc::new(Shared::default());
    let mut w = worker(&c, &sh, &Arc::new(vec![path.clone()]), 0, false, !a.flag("no-close"));
    w.connect_all();
    let mut setter = Simple::open(&c.servers[0], c.timeout, 20_000_000_000).unwrap_or_else(|e| die(&e));
    let (mut each, mut last, mut first, mut setl) = (Hist::new(), Hist::new(), Hist::new(), Hist::new());
    let n = w.conns.len();
    let mut evs = Vec::new();
    let mut version = -1;
    let warm = (c.warmup as usize).max(1); // warm-up rounds
    let mut s0: Option<(sut::Sample, u64)> = None;
    let mut delivered = 0u64;
    let mut busy = 0f64;
    let mut done_rounds = 0;
    for round in 0..rounds + warm {
        if w.out.viol.total() > 0 || now() > limit {
            break;
        }
        if round == warm {
            s0 = Some((sample(&c.pids, c.threads_cpu), now()));
            each = Hist::new();
            last = Hist::new();
            first = Hist::new();
            setl = Hist::new();
            delivered = 0;
            busy = 0.0;
        }
        // register
        let mut left = n;
        for i in 0..n {
            let k = &mut w.conns[i];
            let xid = k.push(K_GET, 0, now());
            path_watch(&mut k.wbuf, xid, GET, &path, true);
            if !k.flush(&w.ep, i as u64) {
                w.broke(i);
            }
        }
        let t_end = now() + 20_000_000_000;
        while left > 0 && now() < t_end && w.out.viol.total() == 0 {
            w.ep.wait(100_000_000, &mut evs);
            for &(id, ev) in &evs {
                let i = id as usize;
                if !pump(&mut w.conns[i], &w.ep, id, ev) {
                    w.broke(i);
                    continue;
                }
                while let Some(m) = w.conns[i].next(&mut w.out.viol) {
                    match m {
                        Msg::Reply(p, err, s, e) => {
                            w.check(i, p, err, s, e);
                            if err == 0 {
                                let v = StatView(&w.conns[i].rbuf[e - STAT_LEN..e]).version();
                                if v < version {
                                    viol!(
                                        w.out.viol,
                                        version,
                                        "read version {v} after an event for {version}"
                                    );
                                }
                            }
                            left -= 1;
                        }
                        Msg::Event(..) => viol!(w.out.viol, event, "event before any change"),
                        _ => {}
                    }
                }
            }
        }
        if left > 0 {
            viol!(w.out.viol, unanswered, "{left} watch registrations unanswered");
            break;
        }
        // fire
        let t0 = now();
        let xid = setter.c.push(K_SET, 0, t0);
        set(&mut setter.c.wbuf, xid, &path, &val, -1);
        setter.c.flush(&setter.ep, 0);
        let mut got = vec![false; n];
        let mut left = n;
        let t_end = t0 + 20_000_000_000;
        let mut t_last = t0;
        let mut set_done = false;
        while (left > 0 || !set_done) && now() < t_end && w.out.viol.total() == 0 {
            if left > 0 {
                w.ep.wait(if set_done { 50_000_000 } else { 200_000 }, &mut evs);
            } else {
                evs.clear();
            }
            let batch = std::mem::take(&mut evs);
            for &(id, ev) in &batch {
                let i = id as usize;
                if !pump(&mut w.conns[i], &w.ep, id, ev) {
                    w.broke(i);
                    continue;
                }
                let t = now();
                while let Some(m) = w.conns[i].next(&mut w.out.viol) {
                    match m {
                        Msg::Event(s, e) => {
                            let b = &w.conns[i].rbuf[s..e];
                            if b.len() != 12 + path.len()
                                || get_i32(b, 0) != 3
                                || get_i32(b, 4) != 3
                                || b[12..] != path[..]
                            {
                                viol!(
                                    w.out.viol,
                                    event,
                                    "event of {} bytes is not NodeDataChanged/SyncConnected for the path",
                                    b.len()
                                );
                            } else if got[i] {
                                viol!(w.out.viol, event, "a one-shot watch fired twice");
                            } else {
                                got[i] = true;
                                left -= 1;
                                if left == n - 1 {
                                    first.add(t - t0);
                                }
                                each.add(t - t0);
                                t_last = t;
                            }
                        }
                        Msg::Reply(..) => viol!(w.out.viol, xid, "unexpected reply"),
                        _ => {}
                    }
                }
            }
            evs = batch;
            if !set_done {
                setter.ep.wait(0, &mut setter.evs);
                for (_, ev) in setter.evs.clone() {
                    if !pump(&mut setter.c, &setter.ep, 0, ev) {
                        viol!(w.out.viol, disconnect, "setter lost");
                    }
                }
                while let Some(m) = setter.c.next(&mut w.out.viol) {
                    if let Msg::Reply(_, err, _, e) = m {
                        setl.add(now() - t0);
                        set_done = true;
                        if err != 0 {
                            viol!(w.out.viol, err, "set: err {err}");
                        } else {
                            version = StatView(&setter.c.rbuf[e - STAT_LEN..e]).version();
                        }
                    }
                }
            }
        }
        if left > 0 {
            viol!(w.out.viol, event, "{left} of {n} watch events missing after 20 s");
        }
        last.add(t_last - t0);
        busy += (t_last - t0) as f64 / 1e9;
        delivered += (n - left) as u64;
        if round >= warm {
            done_rounds += 1;
        }
    }
    let s1 = sample(&c.pids, c.threads_cpu);
    let (s0, t0) = s0.unwrap_or_else(|| (s1.clone(), now() - 1));
    let secs = (now() - t0) as f64 / 1e9;
    if delivered == 0 || done_rounds == 0 {
        viol!(w.out.viol, lost, "no measured round");
    }
    w.close_all();
    setter.close();
    let mut o = Obj::new();
    o.str("mode", "watch").str("label", &c.label).int("watchers", n as i64).int("rounds", done_rounds);
    o.f("secs", secs).int("ops", delivered as i64).f("ops_per_s", delivered as f64 / busy.max(1e-9));
    o.raw("latency", &each.json()).raw("first_event", &first.json()).raw("last_event", &last.json());
    o.raw("set_reply", &setl.json());
    sut::report(&mut o, &s0, &s1, secs, delivered);
    o.raw("violations", &w.out.viol.json());
    finish(&o, &w.out.viol, a.get("out"))
}

// ---------------------------------------------------------------- probe, leader, failover

/// Polls until a read succeeds; reports the time since --since-ns (wall clock) or since its start.
fn cmd_probe(a: &Args) {
    let c = cfg(a);
    let path = a.str("path", "/");
    let since = a.num("since-ns", wall());
    let end = now() + (a.num("limit", 60.0) * 1e9) as u64;
    let want: i64 = if a.get("value-size").is_some() { c.vsize as i64 } else { -1 };
    let mut tries = 0;
    let mut last = String::new();
    while now() < end {
        tries += 1;
        let r = Simple::open(&c.servers[0], c.timeout, 2_000_000_000).and_then(|mut s| {
            let mut res = Err("no reply".to_string());
            s.batch(
                1,
                |w, x, _| path_watch(w, x, GET, path.as_bytes(), false),
                |_, err, b| {
                    res = if err != 0 {
                        Err(format!("err {err}"))
                    } else if want >= 0 && get_i32(b, 0) as i64 != want {
                        Err(format!("value of {} bytes, expected {want}", get_i32(b, 0)))
                    } else {
                        Ok(())
                    }
                },
                5.0,
            )?;
            if res.is_ok() {
                let t = wall();
                s.close();
                return Ok(t);
            }
            res.map(|_| 0)
        });
        match r {
            Ok(t) => {
                let s = sample(&c.pids, false);
                let mut o = Obj::new();
                o.str("mode", "probe").str("label", &c.label);
                o.f("secs", (t as f64 - since as f64) / 1e9).int("tries", tries);
                if s.pids > 0 {
                    o.f("server_cpu_s", s.user + s.sys).int("server_rss_bytes", s.rss as i64);
                    o.int("server_rss_peak_bytes", s.rss_peak as i64);
                }
                o.raw("violations", &Viol::default().json());
                finish(&o, &Viol::default(), a.get("out"))
            }
            Err(e) => last = e,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    die(&format!("not serving within the limit; last: {last}"))
}

fn four_letter(addr: &std::net::SocketAddrV4, word: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut s = std::net::TcpStream::connect_timeout(&(*addr).into(), Duration::from_secs(1)).ok()?;
    s.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    s.write_all(word.as_bytes()).ok()?;
    let mut t = String::new();
    s.read_to_string(&mut t).ok()?;
    Some(t)
}

/// Prints the index of the leader (or standalone server) in --servers.
fn cmd_leader(a: &Args) {
    let c = cfg(a);
    let end = now() + (a.num("limit", 30.0) * 1e9) as u64;
    while now() < end {
        for (i, s) in c.servers.iter().enumerate() {
            if let Some(t) = four_letter(s, "srvr")
                && (t.contains("Mode: leader") || t.contains("Mode: standalone"))
            {
                println!("{i}");
                return;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    die("no leader found")
}

/// Closed-loop sets, one znode and one session per connection; kills --kill-pid after
/// --kill-after seconds and measures the time until writes are served again.
fn cmd_failover(a: &Args) {
    let mut c = cfg(a);
    c.conns = a.num("conns", c.servers.len());
    c.znodes = c.conns;
    let kill_pid: i32 = a.num("kill-pid", 0);
    let kill_after = a.num("kill-after", 3.0f64);
    setup(&c).unwrap_or_else(|e| die(&format!("setup: {e}")));
    let mut ep = Epoll::new();
    let mut viol = Viol::default();
    let n = c.conns;
    let mut k: Vec<Conn> = (0..n).map(|_| Conn::new()).collect();
    let mut retry: Vec<u64> = vec![now(); n];
    let mut acked = vec![0u64; n];
    let mut indoubt = vec![0u64; n];
    let mut recovered = vec![0u64; n];
    let mut before = Hist::new();
    let mut after = Hist::new();
    let val = |i: usize| value(i, c.vsize);
    let t_start = now();
    let end = t_start + (c.duration * 1e9) as u64;
    let mut t_kill = 0u64;
    let mut first_ok = 0u64;
    let mut last_ok = t_start;
    let mut max_gap = 0u64;
    let mut ops = 0u64;
    let mut evs = Vec::new();
    let mut reconnects = 0;
    while now() < end && viol.total() == 0 {
        let t = now();
        if t_kill == 0 && t > t_start + (kill_after * 1e9) as u64 {
            if ops == 0 {
                viol!(viol, lost, "no write was acknowledged before the kill");
                break;
            }
            t_kill = now();
            if !send_signal(kill_pid, 9) {
                die("could not kill --kill-pid");
            }
        }
        for i in 0..n {
            if k[i].phase == Phase::Dead && t >= retry[i] {
                let srv = k[i].server;
                if k[i].session == 0 && k[i].xid == 0 {
                    k[i].server = i % c.servers.len();
                } else {
                    k[i].server = (srv + 1) % c.servers.len();
                }
                let addr = c.servers[k[i].server];
                if !k[i].dial(&ep, i as u64, &addr, c.timeout) {
                    retry[i] = t + 10_000_000;
                }
            }
            // a handshake that hangs: try elsewhere
            if matches!(k[i].phase, Phase::Connecting | Phase::Handshake)
                && now().saturating_sub(k[i].t_dial) > 2_000_000_000
            {
                k[i].drop_fd(&ep, true);
                retry[i] = t;
            }
            k[i].ping_if_due(t);
            if k[i].phase == Phase::Ready && !k[i].wbuf.is_empty() {
                k[i].flush(&ep, i as u64);
            }
        }
        ep.wait(5_000_000, &mut evs);
        for &(id, ev) in &evs {
            let i = id as usize;
            if k[i].phase == Phase::Dead {
                continue;
            }
            let ok = pump(&mut k[i], &ep, id, ev);
            while let Some(m) = k[i].next(&mut viol) {
                match m {
                    Msg::Connected => {}
                    Msg::Reply(p, err, s, e) => {
                        let t = now();
                        if err != 0 || e - s != STAT_LEN {
                            viol!(viol, err, "set: err {err}");
                        } else {
                            acked[i] += 1;
                            ops += 1;
                            if t_kill == 0 {
                                before.add(t - p.t);
                            } else if p.t > t_kill {
                                after.add(t - p.t);
                                if first_ok == 0 {
                                    first_ok = t;
                                }
                                if recovered[i] == 0 {
                                    recovered[i] = t;
                                }
                            }
                            max_gap = max_gap.max(t - last_ok);
                            last_ok = t;
                        }
                    }
                    _ => {}
                }
            }
            if !ok {
                indoubt[i] += k[i].q.len() as u64;
                k[i].q.clear();
                k[i].drop_fd(&ep, true);
                reconnects += 1;
                retry[i] = now() + 10_000_000;
                continue;
            }
            if k[i].phase == Phase::Ready && k[i].q.is_empty() && now() < end {
                let xid = k[i].push(K_SET, i as u32, now());
                let p = npath(&c, i);
                set(&mut k[i].wbuf, xid, p.as_bytes(), &val(i), -1);
                k[i].flush(&ep, id);
            }
        }
    }
    // outstanding at the end are in doubt
    for i in 0..n {
        indoubt[i] += k[i].q.len() as u64;
        k[i].drop_fd(&ep, true);
    }
    if t_kill == 0 {
        viol!(viol, lost, "the kill never happened");
    }
    if first_ok == 0 {
        viol!(viol, lost, "writes were not served again");
    }
    if recovered.contains(&0) {
        viol!(viol, lost, "a session did not recover");
    }
    // every acknowledged write must be there, and no more than those in doubt besides
    let alive = (0..c.servers.len())
        .find(|i| four_letter(&c.servers[*i], "srvr").is_some_and(|t| t.contains("Mode:")));
    match alive {
        None => viol!(viol, lost, "no server answers at the end"),
        Some(s) => {
            let mut one = c.clone();
            one.servers = vec![c.servers[s]];
            let mut vers = vec![-1i64; n];
            let r = Simple::open(&one.servers[0], 30000, 20_000_000_000).and_then(|mut s| {
                s.batch(1, |w, x, _| sync(w, x, b"/"), |_, _, _| {}, 20.0)?;
                s.batch(
                    n,
                    |w, x, i| path_watch(w, x, EXISTS, npath(&c, i).as_bytes(), false),
                    |i, err, b| {
                        if err == 0 {
                            vers[i] = StatView(b).version() as i64
                        }
                    },
                    20.0,
                )?;
                s.close();
                Ok(())
            });
            if let Err(e) = r {
                viol!(viol, lost, "final read: {e}");
            }
            for i in 0..n {
                if vers[i] < acked[i] as i64 || vers[i] > (acked[i] + indoubt[i]) as i64 {
                    viol!(
                        viol,
                        lost,
                        "znode {i}: version {} with {} sets acknowledged, {} in doubt",
                        vers[i],
                        acked[i],
                        indoubt[i]
                    );
                }
            }
        }
    }
    let mut o = Obj::new();
    o.str("mode", "failover").str("label", &c.label).int("conns", n as i64);
    o.f("secs", (first_ok.saturating_sub(t_kill)) as f64 / 1e9);
    o.f(
        "all_sessions_secs",
        recovered.iter().map(|x| x.saturating_sub(t_kill)).max().unwrap_or(0) as f64 / 1e9,
    );
    o.f("max_gap_secs", max_gap as f64 / 1e9);
    o.int("ops", ops as i64)
        .int("reconnects", reconnects)
        .int("in_doubt", indoubt.iter().sum::<u64>() as i64);
    o.raw("latency", &before.json()).raw("latency_after", &after.json());
    o.raw("violations", &viol.json());
    finish(&o, &viol, a.get("out"))
}

fn main() {
    ignore_sigpipe();
    let argv: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: zkload load|create-many|watch|storm|idle|probe|leader|failover [--option value ...]; see README.md";
    let Some(cmd) = argv.first() else {
        eprintln!("{usage}");
        std::process::exit(2)
    };
    let a = Args::parse(&argv[1..], KEYS, FLAGS).unwrap_or_else(|e| {
        eprintln!("{e}\n{usage}");
        std::process::exit(2)
    });
    let lim = raise_nofile();
    if a.num::<u64>("conns", 0) + 64 > lim {
        die(&format!("{} connections need more open files than the limit {lim}", a.str("conns", "")));
    }
    match cmd.as_str() {
        "load" => cmd_load(&a, false),
        "create-many" => cmd_load(&a, true),
        "watch" => cmd_watch(&a),
        "storm" => cmd_storm(&a),
        "idle" => cmd_idle(&a),
        "probe" => cmd_probe(&a),
        "leader" => cmd_leader(&a),
        "failover" => cmd_failover(&a),
        _ => {
            eprintln!("{usage}");
            std::process::exit(2)
        }
    }
}
