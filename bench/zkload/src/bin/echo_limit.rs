//! echo-limit: what the loopback and the system calls allow. Answers each request frame with a
//! precomputed reply of the size that a real server would send, keeping no tree and no sessions.
//! With --wal FILE it also appends every write to a preallocated file and makes one fdatasync for
//! each batch of ready sockets (ideal group commit). With --fault it misbehaves on purpose, to
//! show that zkload's checks can fail.
#![allow(clippy::too_many_lines, reason = "the loop is the whole program")]

use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::*};
use zkload::args::Args;
use zkload::net::*;
use zkload::os::*;
use zkload::wire::*;

static ZXID: AtomicI64 = AtomicI64::new(1);
static VERSION: AtomicI32 = AtomicI32::new(1);
static SESSION: AtomicI64 = AtomicI64::new(1);

struct C {
    fd: i32,
    up: bool,
    rbuf: Vec<u8>,
    rend: usize,
    wbuf: Vec<u8>,
    watch: Option<Vec<u8>>,
    dead: bool,
    out: bool,
    n: u64,
}

struct Srv {
    vsize: usize,
    children: usize,
    value: Vec<u8>,
    kids: Vec<u8>,
    fault: String,
    every: u64,
}

fn stat(w: &mut Vec<u8>, zxid: i64, version: i32, len: i32, children: i32) {
    put_i64(w, 1);
    put_i64(w, zxid);
    put_i64(w, 0);
    put_i64(w, 0);
    put_i32(w, version);
    put_i32(w, 0);
    put_i32(w, 0);
    put_i64(w, 0);
    put_i32(w, len);
    put_i32(w, children);
    put_i64(w, 1);
}

impl Srv {
    /// Answers one request. Returns true when it was a write.
    fn answer(&self, c: &mut C, s: usize, e: usize, events: &mut bool) -> bool {
        let w = &mut c.wbuf;
        let f = open_frame(w);
        if !c.up {
            c.up = true;
            let id = SESSION.fetch_add(1, Relaxed);
            put_i32(w, 0);
            put_i32(w, get_i32(&c.rbuf, s + 12).clamp(4000, 40000));
            put_i64(w, if self.fault == "handshake" { 0 } else { id });
            put_bytes(w, &[7u8; 16]);
            w.push(0);
            close_frame(w, f);
            return false;
        }
        let b = &c.rbuf[s..e];
        let (xid, op) = (get_i32(b, 0), get_i32(b, 4));
        c.n += 1;
        let bad = c.n.is_multiple_of(self.every) && xid != XID_PING && op != CLOSE;
        let fault = if bad { self.fault.as_str() } else { "" };
        let write = matches!(op, CREATE | DELETE | SET | MULTI | CLOSE);
        let z = if write { ZXID.fetch_add(1, Relaxed) + 1 } else { ZXID.load(Relaxed) };
        if fault == "drop" {
            w.truncate(f);
            return write;
        }
        if fault == "disconnect" {
            w.truncate(f);
            c.dead = true;
            return write;
        }
        put_i32(w, if fault == "xid" { xid + 1 } else { xid });
        put_i64(w, if fault == "zxid" { 0 } else { z });
        put_i32(w, if fault == "err" { -1 } else { 0 });
        let ver =
            if matches!(op, SET | MULTI) { VERSION.fetch_add(1, Relaxed) + 1 } else { VERSION.load(Relaxed) };
        let ver = if fault == "version" { 0 } else { ver };
        let plen = if e - s > 12 { get_i32(b, 8).max(0) as usize } else { 0 };
        match op {
            GET => {
                put_i32(w, self.vsize as i32);
                let at = w.len();
                w.extend_from_slice(&self.value);
                if self.vsize >= 8 && plen >= 8 {
                    w[at..at + 8].copy_from_slice(&b[12 + plen - 8..12 + plen]);
                }
                if fault == "content" {
                    w[at + self.vsize / 2] ^= 1;
                }
                stat(w, z, ver, self.vsize as i32, 0);
                if fault == "length" {
                    w.pop();
                }
                if b[12 + plen] != 0 {
                    c.watch = Some(b[12..12 + plen].to_vec());
                }
            }
            EXISTS => stat(w, z, ver, self.vsize as i32, 0),
            SET => {
                stat(w, z, ver, self.vsize as i32, 0);
                if fault == "length" {
                    w.pop();
                }
                *events = true;
            }
            CHILDREN2 => {
                w.extend_from_slice(&self.kids);
                stat(w, z, ver, 0, self.children as i32);
            }
            MULTI => {
                for (t, st) in [(CHECK, false), (SET, true)] {
                    put_i32(w, t);
                    w.push(0);
                    put_i32(w, 0);
                    if st {
                        stat(w, z, ver, self.vsize as i32, 0);
                    }
                }
                put_i32(w, -1);
                w.push(1);
                put_i32(w, -1);
            }
            CREATE | SYNC => {
                let p = b[12..12 + plen].to_vec();
                put_bytes(w, &p);
            }
            CLOSE => c.dead = true,
            _ => {}
        }
        close_frame(w, f);
        write
    }
}

fn main() {
    ignore_sigpipe();
    raise_nofile();
    let argv: Vec<String> = std::env::args().skip(1).collect();
    let a = Args::parse(
        &argv,
        &["listen", "value-size", "children", "threads", "wal", "wal-mib", "fault", "fault-every"],
        &["no-sync"],
    )
    .unwrap_or_else(|e| {
        eprintln!("{e}\nusage: echo-limit --listen IP:PORT [--value-size N] [--children N] [--threads N] [--wal FILE [--no-sync]] [--fault xid|zxid|err|length|content|version|drop|disconnect|handshake|no-event|bad-event [--fault-every N]]");
        std::process::exit(2)
    });
    let addr = resolve(&a.str("listen", "127.0.0.1:2181"));
    let threads = a.num("threads", 1usize).max(1);
    let mut hs = Vec::new();
    for t in 0..threads {
        let vsize: usize = a.num("value-size", 1024);
        let children: usize = a.num("children", 10000);
        let mut kids = Vec::new();
        put_i32(&mut kids, children as i32);
        for i in 0..children {
            put_bytes(&mut kids, format!("n{i:08}").as_bytes());
        }
        let srv = Srv {
            vsize,
            children,
            value: value(0, vsize),
            kids,
            fault: a.str("fault", ""),
            every: a.num("fault-every", 1000u64).max(1),
        };
        let wal = a.get("wal").map(|p| {
            let p = if t == 0 { p.to_string() } else { format!("{p}.{t}") };
            let f = std::fs::File::create(p).expect("--wal");
            (f, a.num("wal-mib", 64u64) << 20)
        });
        let nosync = a.flag("no-sync");
        hs.push(std::thread::spawn(move || serve(srv, addr, wal, nosync)));
    }
    for h in hs {
        h.join().ok();
    }
}

fn serve(srv: Srv, addr: std::net::SocketAddrV4, wal: Option<(std::fs::File, u64)>, nosync: bool) {
    let l = listen_on(&addr);
    let mut ep = Epoll::new();
    ep.add(l, IN, u64::MAX);
    let mut cs: Vec<Option<C>> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut evs = Vec::new();
    let mut touched: Vec<usize> = Vec::new();
    let mut log: Vec<u8> = Vec::new();
    let mut wpos = 0u64;
    let mut wend = 0u64;
    let zeros = vec![0u8; 1 << 20];
    loop {
        ep.wait(1_000_000_000, &mut evs);
        touched.clear();
        let mut fire = false;
        for &(id, _) in &evs {
            if id == u64::MAX {
                while let Some(fd) = accept(l) {
                    let i = free.pop().unwrap_or_else(|| {
                        cs.push(None);
                        cs.len() - 1
                    });
                    cs[i] = Some(C {
                        fd,
                        up: false,
                        rbuf: vec![0; 4096],
                        rend: 0,
                        wbuf: Vec::new(),
                        watch: None,
                        dead: false,
                        out: false,
                        n: 0,
                    });
                    ep.add(fd, IN, i as u64);
                }
                continue;
            }
            let i = id as usize;
            let Some(c) = cs[i].as_mut() else { continue };
            if c.rend == c.rbuf.len() {
                let n = c.rbuf.len() * 2;
                c.rbuf.resize(n, 0);
            }
            let n = rd(c.fd, &mut c.rbuf[c.rend..]);
            if n <= 0 {
                if n < 0 && would_block() {
                    if !c.wbuf.is_empty() {
                        touched.push(i);
                    }
                    continue;
                }
                c.dead = true;
                c.wbuf.clear();
                touched.push(i);
                continue;
            }
            c.rend += n as usize;
            if !c.up && c.rend == 4 && c.rbuf[..4].iter().all(|x| x.is_ascii_alphabetic()) {
                c.wbuf.extend_from_slice(b"Mode: standalone\n");
                c.dead = true;
                touched.push(i);
                continue;
            }
            let mut pos = 0;
            while c.rend - pos >= 4 {
                let len = get_i32(&c.rbuf, pos).max(0) as usize;
                if c.rend - pos < 4 + len {
                    break;
                }
                let mut ev = false;
                let write = srv.answer(c, pos + 4, pos + 4 + len, &mut ev);
                fire |= ev;
                if write && wal.is_some() {
                    log.extend_from_slice(&c.rbuf[pos..pos + 4 + len]);
                }
                pos += 4 + len;
            }
            c.rbuf.copy_within(pos..c.rend, 0);
            c.rend -= pos;
            touched.push(i);
        }
        if let (Some((f, prealloc)), false) = (&wal, log.is_empty()) {
            if wpos + log.len() as u64 > wend {
                // zero-filled preallocation, so that a commit changes no file metadata; then wrap round
                if wend == 0 {
                    let mut o = 0;
                    while o < *prealloc {
                        f.write_all_at(&zeros, o).expect("wal");
                        o += zeros.len() as u64;
                    }
                    f.sync_all().expect("wal");
                    wend = *prealloc;
                }
                wpos = 0;
            }
            f.write_all_at(&log, wpos).expect("wal");
            if !nosync {
                f.sync_data().expect("wal");
            }
            wpos = (wpos + log.len() as u64 + 511) & !511;
            log.clear();
            let _ = f.as_raw_fd();
        }
        if fire {
            for (i, c) in cs.iter_mut().enumerate() {
                let Some(c) = c else { continue };
                if let Some(p) = c.watch.take() {
                    if srv.fault == "no-event" && i % 7 == 0 {
                        continue;
                    }
                    let f = open_frame(&mut c.wbuf);
                    put_i32(&mut c.wbuf, XID_EVENT);
                    put_i64(&mut c.wbuf, -1);
                    put_i32(&mut c.wbuf, 0);
                    put_i32(&mut c.wbuf, if srv.fault == "bad-event" { 2 } else { 3 });
                    put_i32(&mut c.wbuf, 3);
                    put_bytes(&mut c.wbuf, &p);
                    close_frame(&mut c.wbuf, f);
                    touched.push(i);
                }
            }
        }
        for &i in &touched {
            let Some(c) = cs[i].as_mut() else { continue };
            let mut off = 0;
            while off < c.wbuf.len() {
                let n = wr(c.fd, &c.wbuf[off..]);
                if n > 0 {
                    off += n as usize;
                } else if n < 0 && would_block() {
                    if !c.out {
                        c.out = true;
                        ep.modify(c.fd, IN | OUT, i as u64);
                    }
                    break;
                } else {
                    c.dead = true;
                    off = c.wbuf.len();
                }
            }
            if off > 0 && off == c.wbuf.len() {
                c.wbuf.clear();
                if c.out {
                    c.out = false;
                    ep.modify(c.fd, IN, i as u64);
                }
            } else {
                c.wbuf.drain(..off);
            }
            if c.dead && c.wbuf.is_empty() {
                ep.del(c.fd);
                shut(c.fd);
                cs[i] = None;
                free.push(i);
            }
        }
    }
}
