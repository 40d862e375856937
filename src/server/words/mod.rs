//! Four-letter words on the client port (`FourLetterCommands`, `NIOServerCnxn.checkFourLetterWord`).
//!
//! Promise: the answers have the official form. A word that needs nothing but figures is answered at once, with
//! the tree as it is then; any other is answered by a thread of the worker's pool, which asks the other threads in
//! small steps, so no word holds up a worker or the sequencer for more than a slice of work.
//!
//! Invariants: every word ends its connection; nothing that follows it is read; an answer comes within
//! `ask::PATIENCE` or says that the server does not serve.

mod conns;
mod dump;
mod info;
mod mntr;
mod server;
mod watches;

use super::ask::{Ask, NoAnswer};
use super::{
    conn::Phase,
    frames::Pace,
    hub::{Hub, Mail, Shard},
    metrics::Count,
    stats::WorkerStats,
    token::ReadGuard,
    worker::{State, Worker},
};
use crate::{
    config::{FourLetterWord, FourLetterWords},
    session::ConnId,
    tree::Tree,
};
pub(super) use info::DigestHistory;
use std::sync::{Arc, atomic::Ordering::Relaxed};

/// What telnet sends when it is interrupted.
const TELNET_INTERRUPT: [u8; 4] = [0xff, 0xf4, 0xff, 0xfd];
/// What words say that need a server which serves.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";
/// The trace mask that nobody has set (`ZooTrace`).
pub(super) const DEFAULT_TRACE_MASK: i64 = 306;

/// What stands where a fresh connection's first length would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// A command.
    Command(FourLetterWord),
    /// Telnet was interrupted.
    Interrupt,
}

impl Word {
    /// The word in these bytes, if they are one.
    pub(super) fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        if bytes == TELNET_INTERRUPT {
            return Some(Self::Interrupt);
        }
        let name = std::str::from_utf8(&bytes).ok()?;
        FourLetterWord::from_name(name).map(Self::Command)
    }
}

/// Begins to answer a word; `rest` is what has come after it. `None`: some of it is still to come.
pub(super) fn run(
    worker: &Worker,
    state: &mut State,
    guard: &ReadGuard<'_, Tree, Shard>,
    id: ConnId,
    word: Word,
    rest: &[u8],
) -> Option<Pace> {
    let Word::Command(word) = word else { return Some(Pace::Close) };
    let Some(conn) = state.conn_by_id(id) else { return Some(Pace::Close) };
    let enabled = worker.hub.config.operator.four_letter_words.contains(word);
    let mask = rest.first_chunk().copied().map(i64::from_be_bytes);
    if enabled && word == FourLetterWord::Stmk && mask.is_none() {
        return None;
    }
    conn.stats.received += 1;
    worker.stats().received.add(1);
    worker.stats().sheet.count(Count::BytesReceived).add(4);
    if !enabled {
        finish(worker.stats(), state, id, not_listed(word));
        return Some(Pace::Wait);
    }
    tracing::debug!(peer = %conn.peer, word = word.name(), "four-letter word");
    if let Some(text) = at_once(&worker.hub, guard.tree(), word, mask) {
        finish(worker.stats(), state, id, text);
    } else {
        conn.phase = Phase::Answering;
        in_time(Arc::clone(&worker.hub), worker.index, id, word);
    }
    Some(Pace::Wait)
}

/// What stands first on a connection to a server that does not serve yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Early {
    /// No word: a handshake, or nonsense.
    NoWord,
    /// A word, and some of what belongs to it is still to come.
    Incomplete,
    /// Telnet was interrupted: the connection is closed.
    Interrupt,
    /// What is answered before it is closed.
    Answer(String),
}

/// Answers before there is data (`AbstractFourLetterCommand.isZKServerRunning`).
pub(super) fn early(word: [u8; 4], rest: &[u8], enabled: FourLetterWords, trace_mask: &mut i64) -> Early {
    let word = match Word::from_bytes(word) {
        None => return Early::NoWord,
        Some(Word::Interrupt) => return Early::Interrupt,
        Some(Word::Command(word)) => word,
    };
    if !enabled.contains(word) {
        return Early::Answer(not_listed(word));
    }
    Early::Answer(match word {
        FourLetterWord::Ruok => "imok".to_owned(),
        FourLetterWord::Isro => "null".to_owned(),
        FourLetterWord::Envi => info::envi(),
        FourLetterWord::Gtmk => trace_mask.to_string(),
        FourLetterWord::Stmk => match rest.first_chunk() {
            Some(mask) => {
                *trace_mask = i64::from_be_bytes(*mask);
                trace_mask.to_string()
            }
            None => return Early::Incomplete,
        },
        // Its official command prints no line feed.
        FourLetterWord::Hash => NOT_SERVING.trim_end().to_owned(),
        _ => NOT_SERVING.to_owned(),
    })
}

fn not_listed(word: FourLetterWord) -> String {
    format!("{} is not executed because it is not in the whitelist.\n", word.name())
}

/// The answer to a word that needs nobody else's state.
fn at_once(hub: &Hub, tree: &Tree, word: FourLetterWord, mask: Option<i64>) -> Option<String> {
    match word {
        FourLetterWord::Ruok => Some("imok".to_owned()),
        FourLetterWord::Isro => Some("rw".to_owned()),
        FourLetterWord::Gtmk => Some(hub.trace_mask.load(Relaxed).to_string()),
        FourLetterWord::Stmk => mask.map(|mask| {
            hub.trace_mask.store(mask, Relaxed);
            mask.to_string()
        }),
        FourLetterWord::Srvr => Some(server::srvr(hub, tree)),
        FourLetterWord::Hash => Some(hub.digests.to_text()),
        _ => None,
    }
}

/// Has a word answered beside the traffic.
fn in_time(hub: Arc<Hub>, worker: usize, id: ConnId, word: FourLetterWord) {
    // The pool belongs to the runtime that this runs in; nobody waits for the handle.
    drop(tokio::task::spawn_blocking(move || {
        let text = answer(&Ask::new(&hub), word).unwrap_or_else(|NoAnswer| {
            tracing::warn!(word = word.name(), "a four-letter word could not be answered in time");
            NOT_SERVING.to_owned()
        });
        let own = Arc::clone(&hub);
        let send = move |state: &mut State, _: &mut Shard| {
            finish(&own.workers[worker].stats, state, id, text);
        };
        hub.post(worker, Mail::Query(Box::new(send)));
    }));
}

fn answer(ask: &Ask<'_>, word: FourLetterWord) -> Result<String, NoAnswer> {
    match word {
        FourLetterWord::Conf => Ok(info::conf(ask.hub())),
        FourLetterWord::Dirs => Ok(info::dirs(ask.hub())),
        FourLetterWord::Envi => Ok(info::envi()),
        FourLetterWord::Cons => conns::cons(ask),
        FourLetterWord::Crst => conns::crst(ask),
        FourLetterWord::Stat => server::stat(ask),
        FourLetterWord::Srst => server::srst(ask),
        FourLetterWord::Mntr => mntr::mntr(ask),
        FourLetterWord::Dump => dump::dump(ask),
        FourLetterWord::Wchs => watches::wchs(ask),
        FourLetterWord::Wchc => watches::wchc(ask),
        FourLetterWord::Wchp => watches::wchp(ask),
        // These are answered at once.
        FourLetterWord::Ruok
        | FourLetterWord::Isro
        | FourLetterWord::Gtmk
        | FourLetterWord::Stmk
        | FourLetterWord::Srvr
        | FourLetterWord::Hash => Err(NoAnswer),
    }
}

/// Sends the answer, then closes the connection. The text may be long, so it is not copied.
fn finish(stats: &WorkerStats, state: &mut State, id: ConnId, text: String) {
    let Some(conn) = state.conn_by_id(id) else { return };
    debug_assert!(conn.output.is_empty(), "nothing is sent before a word");
    conn.output = text.into_bytes();
    conn.phase = Phase::Closing;
    conn.stats.sent += 1;
    stats.sent.add(1);
    state.mark_dirty(super::conn::slot_of(id));
}
