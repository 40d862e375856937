//! Asking the other threads for what only they know.
//!
//! Invariants: a question does a bounded piece of work where it is answered; an asker waits for [`PATIENCE`] in
//! all, and not at all once the server stops.

use crate::{
    node::Node,
    server::{
        clock,
        io::{Front, Mail, State},
        sequence::{Message, Shard},
    },
    tree::Tree,
};
use std::{
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::{Duration, Instant},
};

/// How long a word may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How often an asker looks whether the server stops.
const LOOK_UP: Duration = Duration::from_millis(50);

/// A thread has not answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoAnswer;

/// Whether every worker has answered a question, and so has taken in all that was posted before it.
pub(crate) fn answered_by_all(front: &Arc<Front>) -> bool {
    Ask::new(front).workers(|_, _, _| ()).is_ok()
}

/// What one step of a walk has found, and where the next one begins.
#[derive(Debug)]
pub(super) struct Slice<T, C> {
    /// What was found.
    pub(super) items: Vec<T>,
    /// `None`: this was the last.
    pub(crate) next: Option<C>,
}

/// Somebody who asks.
pub(super) struct Ask<'h> {
    front: &'h Arc<Front>,
    until: Instant,
}

impl<'h> Ask<'h> {
    pub(crate) fn new(front: &'h Arc<Front>) -> Self {
        Self { front, until: clock::now() + PATIENCE }
    }

    pub(crate) const fn front(&self) -> &'h Arc<Front> {
        self.front
    }

    /// Asks one worker.
    pub(crate) fn worker<T: Send + 'static>(
        &self,
        worker: usize,
        question: impl FnOnce(&mut State, &mut Shard) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let (sender, receiver) = channel();
        // An asker that has given up wants no answer.
        let query = move |state: &mut State, shard: &mut Shard| drop(sender.send(question(state, shard)));
        self.front.post(worker, Mail::Query(Box::new(query)));
        self.wait(&receiver)
    }

    /// Asks all workers at once; their answers in order.
    pub(crate) fn workers<T: Send + 'static>(
        &self,
        question: impl Fn(usize, &mut State, &mut Shard) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, NoAnswer> {
        let receivers: Vec<_> = (0..self.front.hub.workers.len())
            .map(|worker| {
                let (sender, receiver) = channel();
                let question = question.clone();
                let query = move |state: &mut State, shard: &mut Shard| {
                    drop(sender.send(question(worker, state, shard)));
                };
                self.front.post(worker, Mail::Query(Box::new(query)));
                receiver
            })
            .collect();
        receivers.iter().map(|receiver| self.wait(receiver)).collect()
    }

    /// Walks through one worker's state in steps. Between two of them the worker does its work, so what changes
    /// meanwhile may be missed or met twice.
    pub(super) fn worker_in_slices<T: Send + 'static, C: Default + Send + 'static>(
        &self,
        worker: usize,
        step: fn(&mut State, &mut Shard, C) -> Slice<T, C>,
    ) -> Result<Vec<T>, NoAnswer> {
        let mut found = Vec::new();
        let mut cursor = C::default();
        loop {
            let slice = self.worker(worker, move |state, shard| step(state, shard, cursor))?;
            found.extend(slice.items);
            let Some(next) = slice.next else { return Ok(found) };
            cursor = next;
        }
    }

    /// Asks the sequencer.
    pub(crate) fn sequencer<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Node, &Tree) -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let (sender, receiver) = channel();
        let query = move |node: &Node, tree: &Tree| drop(sender.send(question(node, tree)));
        self.front.hub.mailbox.send(Message::Query(Box::new(query)));
        self.wait(&receiver)
    }

    fn wait<T>(&self, receiver: &Receiver<T>) -> Result<T, NoAnswer> {
        loop {
            match receiver.recv_timeout(LOOK_UP) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(NoAnswer),
                Err(RecvTimeoutError::Timeout) => {
                    if self.front.hub.stopping.load(Relaxed) || clock::now() >= self.until {
                        return Err(NoAnswer);
                    }
                }
            }
        }
    }
}
