//! Clocks, signals, limits and preallocation, straight from the C library; no sockets (see `net`).
//!
//! Times are nanoseconds in a `u64`: cheap to take and to subtract, which is done for every operation.
#![allow(unsafe_code, reason = "the module is a boundary to the C library")]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// `struct timespec` of a 64-bit Linux.
#[repr(C)]
pub(crate) struct TimeSpec {
    pub(crate) sec: i64,
    pub(crate) nsec: i64,
}

/// `struct rlimit` of a 64-bit Linux.
#[repr(C)]
struct RLimit {
    cur: u64,
    max: u64,
}

unsafe extern "C" {
    fn clock_gettime(clock: i32, ts: *mut TimeSpec) -> i32;
    fn kill(pid: i32, sig: i32) -> i32;
    fn sysconf(name: i32) -> i64;
    fn getrlimit(resource: i32, limit: *mut RLimit) -> i32;
    fn setrlimit(resource: i32, limit: *const RLimit) -> i32;
    fn fallocate(fd: i32, mode: i32, offset: i64, len: i64) -> i32;
    fn signal(sig: i32, handler: usize) -> usize;
}

const CLOCK_REALTIME: i32 = 0;
const CLOCK_MONOTONIC: i32 = 1;
const SC_CLK_TCK: i32 = 2;
const SC_PAGESIZE: i32 = 30;
const RLIMIT_NOFILE: i32 = 7;
const SIGPIPE: i32 = 13;
const SIG_IGN: usize = 1;
const EAGAIN: i32 = 11;

/// The error of the last failed call on this thread.
pub fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Whether the last failed call only had nothing to do now.
pub fn would_block() -> bool {
    errno() == EAGAIN
}

#[inline]
fn read_clock(clock: i32) -> u64 {
    let mut ts = TimeSpec { sec: 0, nsec: 0 };
    // SAFETY: `ts` is a live local that the call fills and does not keep.
    unsafe { clock_gettime(clock, &mut ts) };
    ts.sec as u64 * 1_000_000_000 + ts.nsec as u64
}

/// Monotonic nanoseconds.
#[inline]
pub fn now() -> u64 {
    read_clock(CLOCK_MONOTONIC)
}

/// Wall-clock nanoseconds.
pub fn wall() -> u64 {
    read_clock(CLOCK_REALTIME)
}

/// Seconds, as options give them, in nanoseconds.
pub fn nanos(secs: f64) -> u64 {
    (secs * 1e9) as u64
}

/// Nanoseconds in seconds, as reports give them.
pub fn secs(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Ticks per second of the times in `/proc`.
pub fn clk_tck() -> f64 {
    // SAFETY: the call takes no pointer.
    unsafe { sysconf(SC_CLK_TCK) as f64 }
}

/// Bytes per page of the sizes in `/proc`.
pub fn page_size() -> u64 {
    // SAFETY: the call takes no pointer.
    unsafe { sysconf(SC_PAGESIZE) as u64 }
}

/// Sends a signal to one process; never to a group, to all, or to init.
pub fn send_signal(pid: i32, sig: i32) -> bool {
    // SAFETY: the call takes no pointer.
    pid > 1 && unsafe { kill(pid, sig) == 0 }
}

/// A write to a closed socket then is an error and no longer the end of the process.
pub fn ignore_sigpipe() {
    // SAFETY: SIG_IGN is no function that could run in signal context.
    unsafe { signal(SIGPIPE, SIG_IGN) };
}

/// Reserves `len` bytes for `file` with `fallocate`.
pub fn preallocate(file: &File, len: u64) -> bool {
    // SAFETY: the call takes no pointer, and the descriptor is open while `file` is borrowed.
    unsafe { fallocate(file.as_raw_fd(), 0, 0, len as i64) == 0 }
}

/// Writes zeros over the first `len` bytes of `file`, so that later writes there change none of its metadata.
pub fn zero_fill(file: &File, len: u64) -> std::io::Result<()> {
    let zeros = vec![0u8; 1 << 20];
    let mut at = 0;
    while at < len {
        file.write_all_at(&zeros, at)?;
        at += zeros.len() as u64;
    }
    Ok(())
}

/// Raises the soft open-file limit to the hard one and returns it.
pub fn raise_nofile() -> u64 {
    let mut limit = RLimit { cur: 0, max: 0 };
    // SAFETY: `limit` is a live local that the calls read or fill and do not keep.
    unsafe {
        getrlimit(RLIMIT_NOFILE, &mut limit);
        limit.cur = limit.max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &mut limit);
    }
    limit.cur
}
