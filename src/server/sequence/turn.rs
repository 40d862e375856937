//! A state that one thread at a time works on, whoever has the next message for it: on few cores a hop to another
//! thread costs more than the work itself.
//!
//! [`Mail`] holds the messages and a thread that looks after them; [`Turn`] holds the state. A sender either calls
//! that thread ([`Mail::send`]), or leaves its message and takes a turn itself ([`Mail::leave`], [`Turn::take`]).
//!
//! A long message is the thread's business ([`Mail::send_long`]).
//!
//! Invariants: no sender waits for its turn; a message that was left while somebody else had the turn is seen by
//! that one, because it looks again after it has let go; the thread wakes up when the last turn said it should.
//! `tests/loom` runs this file in every interleaving.

use super::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// Turns that a sender takes one after another before the thread goes on in its place.
const TURNS_IN_A_ROW: usize = 4;

/// Messages, and the thread that looks after them.
pub(crate) struct Mail<M> {
    state: Mutex<Letters<M>>,
    arrived: Condvar,
}

struct Letters<M> {
    messages: Vec<M>,
    /// When the thread has to look even if nothing arrives.
    look_at: Option<Instant>,
    /// The thread is to look at once.
    called: bool,
    /// Some of it is for the thread alone.
    for_thread: bool,
    /// Whether the thread waits.
    waiting: bool,
}

impl<M> Default for Mail<M> {
    fn default() -> Self {
        let letters =
            Letters { messages: Vec::new(), look_at: None, called: true, for_thread: false, waiting: false };
        Self { state: Mutex::new(letters), arrived: Condvar::new() }
    }
}

impl<M> std::fmt::Debug for Mail<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").finish_non_exhaustive()
    }
}

impl<M> Mail<M> {
    /// Leaves a message and wakes the thread.
    pub(crate) fn send(&self, message: M) {
        let mut state = self.state.lock();
        state.messages.push(message);
        self.wake(&state);
    }

    /// Leaves a message that takes long and wakes the thread, which alone takes it: whoever took a turn for it would keep
    /// its own clients waiting. What comes behind it waits for it.
    pub(crate) fn send_long(&self, message: M) {
        let mut state = self.state.lock();
        state.messages.push(message);
        state.for_thread = true;
        self.wake(&state);
    }

    /// Leaves a message. The caller takes a turn after it.
    pub(crate) fn leave(&self, message: M) {
        self.state.lock().messages.push(message);
    }

    /// Takes all messages; a guest none, if some are for the thread alone. `taken` must be empty, and gives back its
    /// capacity.
    pub(crate) fn take(&self, whose: Whose, taken: &mut Vec<M>) {
        debug_assert!(taken.is_empty());
        let mut state = self.state.lock();
        if whose == Whose::Guest && state.for_thread {
            return;
        }
        state.for_thread = false;
        std::mem::swap(&mut state.messages, taken);
    }

    /// The thread waits for a message, or until it has to look.
    pub(crate) fn wait(&self) {
        let mut state = self.state.lock();
        while state.messages.is_empty() && !state.called {
            state.waiting = true;
            let until = state.look_at;
            let (woken, timed_out) = self.arrived.wait_until(state, until);
            state = woken;
            state.waiting = false;
            if timed_out {
                break;
            }
        }
        state.called = false;
    }

    /// When the thread has to look even if nothing arrives. Said by whoever has the turn.
    pub(crate) fn look_at(&self, at: Instant) {
        let mut state = self.state.lock();
        let sooner = state.look_at.is_none_or(|before| at < before);
        state.look_at = Some(at);
        if sooner {
            self.wake(&state);
        }
    }

    /// The thread is to look at once.
    fn call(&self) {
        let mut state = self.state.lock();
        state.called = true;
        self.wake(&state);
    }

    fn wake(&self, state: &MutexGuard<'_, Letters<M>>) {
        if state.waiting {
            self.arrived.notify_one();
        }
    }

    /// Whether nothing is left that a guest could take.
    fn has_nothing_for_guests(&self) -> bool {
        let state = self.state.lock();
        state.messages.is_empty() || state.for_thread
    }
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The thread's.
    Thread,
    /// A sender's.
    Guest,
}

/// What a turn leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing that could be done now.
    Nothing,
    /// Work for another turn.
    Work,
}

/// The state.
#[derive(Debug)]
pub(super) struct Turn<S>(Mutex<S>);

impl<S> Turn<S> {
    pub(crate) fn new(state: S) -> Self {
        Self(Mutex::new(state))
    }

    /// Waits for the turn: for the thread.
    pub(crate) fn wait(&self) -> MutexGuard<'_, S> {
        self.0.lock()
    }

    /// Takes turns until no messages are left, unless somebody else is at it. `work` takes them out of `mail`.
    pub(crate) fn take<M>(&self, mail: &Mail<M>, mut work: impl FnMut(&mut S) -> Left) {
        for _ in 0..TURNS_IN_A_ROW {
            let Some(mut state) = self.0.try_lock() else { return };
            let left = work(&mut state);
            drop(state);
            if left == Left::Nothing && mail.has_nothing_for_guests() {
                return;
            }
        }
        mail.call();
    }
}
