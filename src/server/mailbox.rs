//! What the sequencer is told, by everybody.

use crate::{
    node::{Node, Request},
    session::ConnId,
    tree::Tree,
};
use oxkeeper_codec::{SessionId, Zxid};
use parking_lot::{Condvar, Mutex};
use std::time::Instant;

/// A question that the sequencer answers from its own state.
pub(super) type Query = Box<dyn FnOnce(&Node, &Tree) + Send>;

/// One message.
pub(super) enum Message {
    /// Requests of one poll round of one worker.
    Requests(Vec<Request>),
    /// A connection is gone.
    Disconnected {
        /// Its session.
        session: SessionId,
        /// The connection.
        conn: ConnId,
        /// When it was last heard of, in ms of the elapsed clock.
        heard_ms: i64,
    },
    /// The log is durable up to here.
    Persisted(Zxid),
    /// The log takes no more for now.
    LogFailed,
    /// The log has taken all that it was given.
    LogRecovered,
    /// The snapshot writer has room for more.
    SnapshotRoom,
    /// The snapshot is written, or given up.
    SnapshotEnded,
    /// A question.
    Query(Query),
    /// The server stops.
    Stop,
}

/// The sequencer's mailbox.
#[derive(Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    waiting: bool,
}

impl Mailbox {
    /// Leaves a message.
    pub(super) fn send(&self, message: Message) {
        let mut state = self.state.lock();
        state.messages.push(message);
        if state.waiting {
            self.arrived.notify_one();
        }
    }

    /// Takes all messages; waits for the first until `deadline`. `taken` must be empty, and gives back its capacity.
    pub(super) fn take(&self, taken: &mut Vec<Message>, deadline: Instant) {
        debug_assert!(taken.is_empty());
        let mut state = self.state.lock();
        if state.messages.is_empty() {
            state.waiting = true;
            self.arrived.wait_until(&mut state, deadline);
            state.waiting = false;
        }
        std::mem::swap(&mut state.messages, taken);
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}
