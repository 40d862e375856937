//! Lines that wait for the one thread that writes them, where nobody may wait for the writing: those of the log
//! (`cli/lines.rs`) and of the audit log (`server/figures/audit.rs`).
//!
//! Promise: whoever leaves a line goes on; a line that finds no room is dropped and counted. The thread takes all that
//! waits at once, and by taking again says that it has written what it took.
//!
//! Invariant: no more bytes wait than there is room for, and as many are being written.

use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub(crate) struct LineQueue {
    room_bytes: usize,
    state: Mutex<State>,
    arrived: Condvar,
    /// All is written, or lost.
    quiet: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    dropped: u64,
    woken: bool,
    /// Whether what was taken is being written.
    writing: bool,
}

/// What the thread is told besides the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Lines that found no room since the last time.
    pub(crate) dropped: u64,
    /// [`LineQueue::wake`] was called since then.
    pub(crate) woken: bool,
}

impl State {
    const fn is_quiet(&self) -> bool {
        self.bytes.is_empty() && self.dropped == 0 && !self.woken && !self.writing
    }
}

impl LineQueue {
    /// A queue where so many bytes may wait.
    pub(crate) const fn new(room_bytes: usize) -> Self {
        let state = State { bytes: Vec::new(), dropped: 0, woken: false, writing: false };
        Self { room_bytes, state: Mutex::new(state), arrived: Condvar::new(), quiet: Condvar::new() }
    }

    /// Leaves a whole line, or several that stay together.
    pub(crate) fn leave(&self, lines: &[u8]) {
        let mut state = self.state.lock();
        if state.bytes.len() + lines.len() > self.room_bytes {
            state.dropped += 1;
        } else {
            state.bytes.extend_from_slice(lines);
        }
        self.arrived.notify_one();
    }

    /// Has the thread look after something else, also where no line waits.
    pub(crate) fn wake(&self) {
        self.state.lock().woken = true;
        self.arrived.notify_one();
    }

    /// For the thread alone: all that it took is written, or lost. Waits for more, and replaces what is in `batch` by it;
    /// there may be nothing after `within`.
    pub(crate) fn take(&self, batch: &mut Vec<u8>, within: Option<Duration>) -> Taken {
        batch.clear();
        let mut state = self.state.lock();
        state.writing = false;
        if state.is_quiet() {
            self.quiet.notify_all();
            let nothing_new = |state: &mut State| state.is_quiet();
            match within {
                Some(within) => drop(self.arrived.wait_while_for(&mut state, nothing_new, within)),
                None => self.arrived.wait_while(&mut state, nothing_new),
            }
        }
        state.writing = true;
        std::mem::swap(batch, &mut state.bytes);
        Taken { dropped: std::mem::take(&mut state.dropped), woken: std::mem::take(&mut state.woken) }
    }

    /// Waits until all that was left is written or lost, for so long at most.
    pub(crate) fn flush(&self, patience: Duration) {
        let mut state = self.state.lock();
        self.quiet.wait_while_for(&mut state, |state| !state.is_quiet(), patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn what_finds_no_room_is_counted_and_told_once() {
        let queue = LineQueue::new(10);
        for line in ["1234\n", "67890\n", "6789\n", "\n"] {
            queue.leave(line.as_bytes());
        }
        let mut batch = b"of before".to_vec();
        let at_once = Some(Duration::ZERO);
        assert_eq!(queue.take(&mut batch, at_once), Taken { dropped: 2, woken: false });
        assert_eq!(batch, b"1234\n6789\n");
        queue.wake();
        assert_eq!(queue.take(&mut batch, at_once), Taken { dropped: 0, woken: true });
        assert_eq!(queue.take(&mut batch, at_once), Taken { dropped: 0, woken: false });
        assert!(batch.is_empty());
    }

    #[test]
    fn a_flush_ends_when_what_was_taken_is_written_and_not_before() {
        let queue = LineQueue::new(10);
        queue.leave(b"line\n");
        let mut batch = Vec::new();
        queue.take(&mut batch, None);
        // It is taken, and not written yet.
        let is_written = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                queue.flush(Duration::from_secs(60));
                assert!(is_written.load(Ordering::SeqCst), "it was waited for");
            });
            std::thread::sleep(Duration::from_millis(20));
            is_written.store(true, Ordering::SeqCst);
            queue.take(&mut batch, Some(Duration::from_millis(1)));
        });
    }
}
