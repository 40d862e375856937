//! Thin epoll and socket layer straight on the C library.
//!
//! Each `unsafe` block is one call of the C library (or two) with pointers to live locals or slices of the
//! stated length, and nothing kept by the callee after it returns.
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "the module is the boundary to the C library"
)]

use std::net::{SocketAddr, SocketAddrV4};

#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
#[derive(Clone, Copy)]
pub struct Ev {
    pub events: u32,
    pub data: u64,
}

#[repr(C)]
struct SockAddrIn {
    family: u16,
    port: u16,
    addr: u32,
    zero: [u8; 8],
}
#[repr(C)]
struct Ts {
    sec: i64,
    nsec: i64,
}
#[repr(C)]
struct RLimit {
    cur: u64,
    max: u64,
}

unsafe extern "C" {
    fn epoll_create1(flags: i32) -> i32;
    fn epoll_ctl(ep: i32, op: i32, fd: i32, ev: *mut Ev) -> i32;
    fn epoll_pwait2(ep: i32, ev: *mut Ev, max: i32, ts: *const Ts, mask: *const u8) -> i32;
    fn socket(d: i32, t: i32, p: i32) -> i32;
    fn connect(fd: i32, a: *const SockAddrIn, l: u32) -> i32;
    fn bind(fd: i32, a: *const SockAddrIn, l: u32) -> i32;
    fn listen(fd: i32, n: i32) -> i32;
    fn accept4(fd: i32, a: *mut u8, l: *mut u32, flags: i32) -> i32;
    fn read(fd: i32, b: *mut u8, n: usize) -> isize;
    fn write(fd: i32, b: *const u8, n: usize) -> isize;
    fn close(fd: i32) -> i32;
    fn setsockopt(fd: i32, level: i32, name: i32, v: *const u8, l: u32) -> i32;
    fn getsockopt(fd: i32, level: i32, name: i32, v: *mut u8, l: *mut u32) -> i32;
    fn clock_gettime(c: i32, ts: *mut Ts) -> i32;
    fn kill(pid: i32, sig: i32) -> i32;
    fn sysconf(n: i32) -> i64;
    fn getrlimit(r: i32, l: *mut RLimit) -> i32;
    fn setrlimit(r: i32, l: *const RLimit) -> i32;
    fn fallocate(fd: i32, mode: i32, off: i64, len: i64) -> i32;
    fn signal(sig: i32, h: usize) -> usize;
}

pub const IN: u32 = 1;
pub const OUT: u32 = 4;
pub const ERR: u32 = 8;
pub const HUP: u32 = 16;

pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
pub fn would_block() -> bool {
    errno() == 11
}

/// Monotonic nanoseconds.
#[inline]
pub fn now() -> u64 {
    let mut t = Ts { sec: 0, nsec: 0 };
    unsafe { clock_gettime(1, &mut t) };
    t.sec as u64 * 1_000_000_000 + t.nsec as u64
}
/// Wall-clock nanoseconds.
pub fn wall() -> u64 {
    let mut t = Ts { sec: 0, nsec: 0 };
    unsafe { clock_gettime(0, &mut t) };
    t.sec as u64 * 1_000_000_000 + t.nsec as u64
}
pub fn clk_tck() -> f64 {
    unsafe { sysconf(2) as f64 }
}
pub fn page_size() -> u64 {
    unsafe { sysconf(30) as u64 }
}
pub fn send_signal(pid: i32, sig: i32) -> bool {
    pid > 1 && unsafe { kill(pid, sig) == 0 }
}
pub fn ignore_sigpipe() {
    unsafe { signal(13, 1) };
}
pub fn prealloc(fd: i32, len: i64) -> bool {
    unsafe { fallocate(fd, 0, 0, len) == 0 }
}
/// Raises the soft open-file limit to the hard one and returns it.
pub fn raise_nofile() -> u64 {
    let mut l = RLimit { cur: 0, max: 0 };
    unsafe {
        getrlimit(7, &mut l);
        l.cur = l.max;
        setrlimit(7, &l);
        getrlimit(7, &mut l);
    }
    l.cur
}

pub struct Ep {
    fd: i32,
    evs: Vec<Ev>,
}
impl Default for Ep {
    fn default() -> Self {
        Self::new()
    }
}
impl Ep {
    pub fn new() -> Self {
        let fd = unsafe { epoll_create1(0o2000000) };
        assert!(fd >= 0, "epoll_create1");
        Self { fd, evs: vec![Ev { events: 0, data: 0 }; 1024] }
    }
    pub fn add(&self, fd: i32, mask: u32, data: u64) {
        let mut e = Ev { events: mask, data };
        let r = unsafe { epoll_ctl(self.fd, 1, fd, &mut e) };
        assert!(r == 0, "epoll_ctl add: {}", errno());
    }
    pub fn modify(&self, fd: i32, mask: u32, data: u64) {
        let mut e = Ev { events: mask, data };
        unsafe { epoll_ctl(self.fd, 3, fd, &mut e) };
    }
    pub fn del(&self, fd: i32) {
        let mut e = Ev { events: 0, data: 0 };
        unsafe { epoll_ctl(self.fd, 2, fd, &mut e) };
    }
    /// Waits at most `ns` nanoseconds; fills `out` with (data, events).
    pub fn wait(&mut self, ns: u64, out: &mut Vec<(u64, u32)>) {
        out.clear();
        let ts = Ts { sec: (ns / 1_000_000_000) as i64, nsec: (ns % 1_000_000_000) as i64 };
        let n = unsafe {
            epoll_pwait2(self.fd, self.evs.as_mut_ptr(), self.evs.len() as i32, &ts, std::ptr::null())
        };
        for e in self.evs.iter().take(n.max(0) as usize) {
            out.push((e.data, e.events));
        }
    }
}

fn sa(a: &SocketAddrV4) -> SockAddrIn {
    SockAddrIn { family: 2, port: a.port().to_be(), addr: u32::from_ne_bytes(a.ip().octets()), zero: [0; 8] }
}

pub fn resolve(s: &str) -> SocketAddrV4 {
    match s.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(v)) => v,
        _ => {
            eprintln!("server address must be IPv4:port, got {s:?}");
            std::process::exit(2)
        }
    }
}

/// Starts a non-blocking connect. Err(errno) on immediate failure.
pub fn dial(a: &SocketAddrV4) -> Result<i32, i32> {
    unsafe {
        let fd = socket(2, 1 | 0o4000 | 0o2000000, 0);
        if fd < 0 {
            return Err(errno());
        }
        let one: i32 = 1;
        setsockopt(fd, 6, 1, &one as *const i32 as *const u8, 4);
        let s = sa(a);
        if connect(fd, &s, 16) != 0 && errno() != 115 {
            let e = errno();
            close(fd);
            return Err(e);
        }
        Ok(fd)
    }
}
pub fn so_error(fd: i32) -> i32 {
    let mut v: i32 = 0;
    let mut l: u32 = 4;
    unsafe { getsockopt(fd, 1, 4, &mut v as *mut i32 as *mut u8, &mut l) };
    v
}
pub fn listen_on(a: &SocketAddrV4) -> i32 {
    unsafe {
        let fd = socket(2, 1 | 0o4000 | 0o2000000, 0);
        let one: i32 = 1;
        setsockopt(fd, 1, 2, &one as *const i32 as *const u8, 4);
        setsockopt(fd, 1, 15, &one as *const i32 as *const u8, 4); // SO_REUSEPORT
        let s = sa(a);
        assert!(bind(fd, &s, 16) == 0, "bind {a}: {}", errno());
        assert!(listen(fd, 4096) == 0);
        fd
    }
}
pub fn accept(fd: i32) -> Option<i32> {
    unsafe {
        let c = accept4(fd, std::ptr::null_mut(), std::ptr::null_mut(), 0o4000 | 0o2000000);
        if c < 0 {
            return None;
        }
        let one: i32 = 1;
        setsockopt(c, 6, 1, &one as *const i32 as *const u8, 4);
        Some(c)
    }
}
#[inline]
pub fn rd(fd: i32, b: &mut [u8]) -> isize {
    unsafe { read(fd, b.as_mut_ptr(), b.len()) }
}
#[inline]
pub fn wr(fd: i32, b: &[u8]) -> isize {
    unsafe { write(fd, b.as_ptr(), b.len()) }
}
pub fn shut(fd: i32) {
    unsafe { close(fd) };
}
/// Closes with a reset, so that a connect storm leaves no TIME_WAIT sockets behind.
pub fn shut_rst(fd: i32) {
    let linger: [i32; 2] = [1, 0];
    unsafe {
        setsockopt(fd, 1, 13, linger.as_ptr() as *const u8, 8);
        close(fd)
    };
}
