//! Epoll and non-blocking IPv4 sockets, straight from the C library: one system call per function call,
//! nothing buffered, nothing allocated.
//!
//! Descriptors are plain numbers that the caller closes. A failed call leaves its reason in `os::errno`.
#![allow(unsafe_code, reason = "the module is a boundary to the C library")]

use crate::os::{TimeSpec, errno};
use std::net::{SocketAddr, SocketAddrV4};

/// `struct epoll_event`.
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
#[derive(Clone, Copy)]
struct EpollEvent {
    events: u32,
    data: u64,
}

/// `struct sockaddr_in`.
#[repr(C)]
struct SockAddrIn {
    family: u16,
    port: u16,
    addr: u32,
    zero: [u8; 8],
}

const SOCKADDR_LEN: u32 = size_of::<SockAddrIn>() as u32;
const _: () = assert!(SOCKADDR_LEN == 16);

unsafe extern "C" {
    fn epoll_create1(flags: i32) -> i32;
    fn epoll_ctl(ep: i32, op: i32, fd: i32, event: *mut EpollEvent) -> i32;
    fn epoll_pwait2(ep: i32, events: *mut EpollEvent, max: i32, ts: *const TimeSpec, mask: *const u8) -> i32;
    fn socket(domain: i32, kind: i32, protocol: i32) -> i32;
    fn connect(fd: i32, addr: *const SockAddrIn, len: u32) -> i32;
    fn bind(fd: i32, addr: *const SockAddrIn, len: u32) -> i32;
    fn listen(fd: i32, backlog: i32) -> i32;
    fn accept4(fd: i32, addr: *mut u8, len: *mut u32, flags: i32) -> i32;
    fn read(fd: i32, buf: *mut u8, len: usize) -> isize;
    fn write(fd: i32, buf: *const u8, len: usize) -> isize;
    fn close(fd: i32) -> i32;
    fn setsockopt(fd: i32, level: i32, name: i32, value: *const u8, len: u32) -> i32;
    fn getsockopt(fd: i32, level: i32, name: i32, value: *mut u8, len: *mut u32) -> i32;
}

/// There is something to read.
pub const IN: u32 = 1;
/// There is room to write.
pub const OUT: u32 = 4;
/// The socket failed.
pub const ERR: u32 = 8;
/// The peer is gone.
pub const HUP: u32 = 16;

const EPOLL_CLOEXEC: i32 = 0o2000000;
const EPOLL_CTL_ADD: i32 = 1;
const EPOLL_CTL_DEL: i32 = 2;
const EPOLL_CTL_MOD: i32 = 3;
const AF_INET: u16 = 2;
const SOCK_STREAM: i32 = 1;
const SOCK_NONBLOCK: i32 = 0o4000;
const SOCK_CLOEXEC: i32 = 0o2000000;
const SOL_SOCKET: i32 = 1;
const SO_REUSEADDR: i32 = 2;
const SO_ERROR: i32 = 4;
const SO_LINGER: i32 = 13;
const SO_REUSEPORT: i32 = 15;
const IPPROTO_TCP: i32 = 6;
const TCP_NODELAY: i32 = 1;
const EINPROGRESS: i32 = 115;

/// An epoll instance. Each descriptor is registered with a number that comes back with its events.
pub struct Epoll {
    fd: i32,
    events: Vec<EpollEvent>,
}

impl Default for Epoll {
    fn default() -> Self {
        Self::new()
    }
}

impl Epoll {
    /// A new instance; its descriptor lives as long as the process.
    pub fn new() -> Self {
        // SAFETY: the call takes no pointer.
        let fd = unsafe { epoll_create1(EPOLL_CLOEXEC) };
        assert!(fd >= 0, "epoll_create1");
        Self { fd, events: vec![EpollEvent { events: 0, data: 0 }; 1024] }
    }

    fn control(&self, op: i32, fd: i32, mask: u32, data: u64) -> i32 {
        let mut event = EpollEvent { events: mask, data };
        // SAFETY: `event` is a live local that the call reads and does not keep.
        unsafe { epoll_ctl(self.fd, op, fd, &mut event) }
    }

    /// Watches `fd` for the events in `mask`.
    pub fn add(&self, fd: i32, mask: u32, data: u64) {
        let result = self.control(EPOLL_CTL_ADD, fd, mask, data);
        assert!(result == 0, "epoll_ctl add: {}", errno());
    }

    /// Watches `fd` for other events from now on.
    pub fn modify(&self, fd: i32, mask: u32, data: u64) {
        self.control(EPOLL_CTL_MOD, fd, mask, data);
    }

    /// Watches `fd` no longer.
    pub fn del(&self, fd: i32) {
        self.control(EPOLL_CTL_DEL, fd, 0, 0);
    }

    /// Waits at most `ns` nanoseconds; fills `out` with (data, events).
    pub fn wait(&mut self, ns: u64, out: &mut Vec<(u64, u32)>) {
        out.clear();
        let ts = TimeSpec { sec: (ns / 1_000_000_000) as i64, nsec: (ns % 1_000_000_000) as i64 };
        // SAFETY: the buffer has room for the stated number of events, `ts` is a live local, and a null mask
        // leaves the signal mask as it is; nothing is kept.
        let n = unsafe {
            epoll_pwait2(self.fd, self.events.as_mut_ptr(), self.events.len() as i32, &ts, std::ptr::null())
        };
        for event in self.events.iter().take(n.max(0) as usize) {
            out.push((event.data, event.events));
        }
    }
}

/// Reads an `IPv4:port` option; anything else ends the process.
pub fn resolve(text: &str) -> SocketAddrV4 {
    match text.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(addr)) => addr,
        _ => {
            eprintln!("server address must be IPv4:port, got {text:?}");
            std::process::exit(2)
        }
    }
}

fn sockaddr(addr: &SocketAddrV4) -> SockAddrIn {
    SockAddrIn {
        family: AF_INET,
        port: addr.port().to_be(),
        addr: u32::from_ne_bytes(addr.ip().octets()),
        zero: [0; 8],
    }
}

fn stream_socket() -> i32 {
    // SAFETY: the call takes no pointer.
    unsafe { socket(i32::from(AF_INET), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) }
}

fn set_option<const N: usize>(fd: i32, level: i32, name: i32, value: [i32; N]) {
    // SAFETY: `value` is live and of the stated length, and the call does not keep it.
    unsafe { setsockopt(fd, level, name, value.as_ptr().cast(), size_of_val(&value) as u32) };
}

/// Starts a non-blocking connect. Err(errno) on immediate failure.
pub fn dial(addr: &SocketAddrV4) -> Result<i32, i32> {
    let fd = stream_socket();
    if fd < 0 {
        return Err(errno());
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, [1]);
    // SAFETY: the address is a live temporary of the stated length that the call does not keep.
    let result = unsafe { connect(fd, &sockaddr(addr), SOCKADDR_LEN) };
    if result != 0 && errno() != EINPROGRESS {
        let reason = errno();
        shut(fd);
        return Err(reason);
    }
    Ok(fd)
}

/// How a connect that has become writable ended; 0: well.
pub fn so_error(fd: i32) -> i32 {
    let mut value: i32 = 0;
    let mut len: u32 = 4;
    // SAFETY: both pointers are to live locals, `value` has the four bytes that `len` states; nothing is
    // kept.
    unsafe { getsockopt(fd, SOL_SOCKET, SO_ERROR, (&raw mut value).cast(), &mut len) };
    value
}

/// A listening socket that several threads may each open for the same address.
pub fn listen_on(addr: &SocketAddrV4) -> i32 {
    let fd = stream_socket();
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, [1]);
    set_option(fd, SOL_SOCKET, SO_REUSEPORT, [1]);
    // SAFETY: the address is a live temporary of the stated length that the call does not keep.
    let bound = unsafe { bind(fd, &sockaddr(addr), SOCKADDR_LEN) };
    assert!(bound == 0, "bind {addr}: {}", errno());
    // SAFETY: the call takes no pointer.
    let listening = unsafe { listen(fd, 4096) };
    assert!(listening == 0, "listen {addr}: {}", errno());
    fd
}

/// The next connection that waits to be accepted.
pub fn accept(fd: i32) -> Option<i32> {
    // SAFETY: null pointers say that the peer's address is not wanted.
    let conn =
        unsafe { accept4(fd, std::ptr::null_mut(), std::ptr::null_mut(), SOCK_NONBLOCK | SOCK_CLOEXEC) };
    if conn < 0 {
        return None;
    }
    set_option(conn, IPPROTO_TCP, TCP_NODELAY, [1]);
    Some(conn)
}

/// Reads what is there, at most a buffer full; 0: closed, negative: see `os::errno`.
#[inline]
pub fn rd(fd: i32, buf: &mut [u8]) -> isize {
    // SAFETY: `buf` is live, writable and of the stated length, and the call does not keep it.
    unsafe { read(fd, buf.as_mut_ptr(), buf.len()) }
}

/// Writes as much as there is room for; negative: see `os::errno`.
#[inline]
pub fn wr(fd: i32, buf: &[u8]) -> isize {
    // SAFETY: `buf` is live and of the stated length, and the call does not keep it.
    unsafe { write(fd, buf.as_ptr(), buf.len()) }
}

/// Closes a socket.
pub fn shut(fd: i32) {
    // SAFETY: the call takes no pointer; who owns the descriptor says here that it is used no more.
    unsafe { close(fd) };
}

/// Closes with a reset, so that a connect storm leaves no TIME_WAIT sockets behind.
pub fn shut_rst(fd: i32) {
    set_option(fd, SOL_SOCKET, SO_LINGER, [1, 0]);
    shut(fd);
}
