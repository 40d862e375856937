//! Memory that cannot be had ends the process, whoever reads what it says of that.
//!
//! The standard library says so on standard error, and then aborts. Where that is a pipe which nobody empties, it would wait
//! with the first word for good: a server that answers nobody and is not started anew.
#![expect(unsafe_code, reason = "an allocator has no safe form")]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator. Where it has no memory, and standard error takes nothing, the process is aborted at once.
#[derive(Debug)]
pub struct Memory;

// SAFETY: all memory is the system's allocator's, and goes back to it with the layout that it was asked for with.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that are asked for here.
        had(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        had(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        had(unsafe { System.realloc(memory, layout, new_size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[inline]
fn had(memory: *mut u8) -> *mut u8 {
    if memory.is_null() && !can_be_told() {
        std::process::abort();
    }
    memory
}

/// Whether standard error takes something, or is broken, which is known at once as well. Needs no memory.
#[cold]
fn can_be_told() -> bool {
    let stderr = std::io::stderr();
    let mut all = [PollFd::new(&stderr, PollFlags::OUT)];
    poll(&mut all, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}
