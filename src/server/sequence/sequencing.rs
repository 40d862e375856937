//! The sequencer as those see it who may take its turn, and the life of its own thread.

use super::{hub::Hub, sequencer::Sequencer, turn::Turn};
use std::sync::Arc;

/// The sequencer, as those see it who may take its turn.
#[derive(Clone)]
pub(crate) struct Sequencing {
    hub: Arc<Hub>,
    turn: Arc<Turn<Sequencer>>,
}

impl Sequencing {
    pub(crate) fn new(sequencer: Sequencer) -> Self {
        Self { hub: Arc::clone(sequencer.hub()), turn: Arc::new(Turn::new(sequencer)) }
    }

    /// Works off what was left in the mailbox, unless somebody is at it already. The caller holds no lock.
    pub(crate) fn take_turn(&self) {
        self.turn.take(&self.hub.mailbox, Sequencer::short_turn);
    }

    /// The life of the sequencer's own thread: runs until it is told to stop.
    pub(crate) fn run(&self) {
        loop {
            self.hub.mailbox.wait();
            if !self.turn.wait().whole_turn() {
                return;
            }
        }
    }
}
