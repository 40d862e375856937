//! Four-letter words as the client port sees them: somebody else knows the answers.

use super::{
    conn::Phase,
    frames::Pace,
    front::{Front, Mail},
    wakeup::Wakeup,
};
use crate::topics;
use crate::{server::figures::Count, session::ConnId, tree::Tree};
use std::sync::Arc;

/// What stands where a fresh connection's first length would.
pub(crate) enum Spoken {
    /// No word: a handshake, or nonsense.
    NoWord,
    /// A word, and some of what belongs to it is still to come.
    Incomplete,
    /// Telnet was interrupted: the connection is closed without an answer.
    Interrupt,
    /// The answer, before the connection is closed.
    Answer(String),
    /// Who has the answer has to wait for others: not on a worker's own thread.
    Later(Box<dyn FnOnce() -> String + Send>),
}

/// Who answers four-letter words.
pub(crate) trait Words: Send + Sync {
    /// Answers before there is data. `rest`: what has come behind the word. Never [`Spoken::Later`].
    fn early(&self, word: [u8; 4], rest: &[u8]) -> Spoken;

    /// Answers once the server serves, with the tree as it is.
    fn answer(&self, front: &Arc<Front>, tree: &Tree, word: [u8; 4], rest: &[u8]) -> Spoken;
}

impl Wakeup<'_> {
    /// Begins to answer what stands first on a connection, with what has come behind it, if it is a word. To read:
    /// some of it is still to come.
    pub(super) fn word(&mut self, id: ConnId, word: [u8; 4], rest: &[u8]) -> Option<Pace> {
        let worker = self.worker;
        let spoken = worker.front.words.answer(&worker.front, self.guard.tree(), word, rest);
        match &spoken {
            Spoken::NoWord => return None,
            Spoken::Incomplete => return Some(Pace::Read),
            Spoken::Interrupt => return Some(Pace::Close),
            Spoken::Answer(_) | Spoken::Later(_) => {}
        }
        let Some(conn) = self.conn(id) else { return Some(Pace::Close) };
        tracing::debug!(target: topics::WORDS, peer = %conn.peer, word = %word.escape_ascii(), "four-letter word");
        conn.stats.received += 1;
        worker.stats().received.add(1);
        worker.stats().sheet.count(Count::BytesReceived).add(4);
        match spoken {
            Spoken::Answer(text) => self.finish_word(id, text),
            Spoken::Later(answer) => {
                conn.phase = Phase::Answering;
                let (front, index) = (Arc::clone(&worker.front), worker.index);
                // The pool belongs to the runtime that this runs in; nobody waits for the handle.
                drop(tokio::task::spawn_blocking(move || {
                    front.post(index, Mail::Answered(id, answer()));
                }));
            }
            Spoken::NoWord | Spoken::Incomplete | Spoken::Interrupt => {}
        }
        Some(Pace::Wait)
    }

    /// Sends the answer, then closes the connection. The text may be long, so it is not copied.
    pub(super) fn finish_word(&mut self, id: ConnId, text: String) {
        let Some(conn) = self.state.conns.outgoing(id) else { return };
        conn.output.share(text.into());
        conn.phase = Phase::Closing;
        conn.stats.sent += 1;
        self.stats().sent.add(1);
    }
}
