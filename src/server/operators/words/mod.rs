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

use super::{
    ask::{Ask, NoAnswer},
    trace_mask::TraceMask,
};
use crate::{
    config::{FourLetterWord, FourLetterWords},
    server::{
        io::{Front, Spoken, Words},
        sequence::READ_ONLY,
    },
    tree::Tree,
};
use std::sync::Arc;

/// What telnet sends when it is interrupted.
const TELNET_INTERRUPT: [u8; 4] = [0xff, 0xf4, 0xff, 0xfd];
/// What words say that need a server which serves.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests\n";
/// The ports that clients are taken in on, as they were bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// `clientPort`.
    pub(crate) client: Option<u16>,
    /// `secureClientPort`.
    pub(crate) secure: Option<u16>,
}

/// Answers four-letter words, before there is data and once the server serves.
#[derive(Debug)]
pub(crate) struct Desk {
    enabled: FourLetterWords,
    /// The ports that clients are taken in on.
    ports: Ports,
    trace_mask: TraceMask,
}

/// A word to be answered.
struct Asked {
    word: FourLetterWord,
    /// The mask behind `stmk`.
    mask: Option<i64>,
}

impl Desk {
    /// Answers the words that are enabled, for a server on these ports.
    pub(crate) const fn new(enabled: FourLetterWords, ports: Ports, trace_mask: TraceMask) -> Self {
        Self { enabled, ports, trace_mask }
    }

    /// What is asked; or what is to be said to everything that is no whole word, or none that is enabled.
    fn asked(&self, bytes: [u8; 4], rest: &[u8]) -> Result<Asked, Spoken> {
        if bytes == TELNET_INTERRUPT {
            return Err(Spoken::Interrupt);
        }
        let word = std::str::from_utf8(&bytes).ok().and_then(FourLetterWord::from_name);
        let word = word.ok_or(Spoken::NoWord)?;
        if !self.enabled.contains(word) {
            let text = format!("{} is not executed because it is not in the whitelist.\n", word.name());
            return Err(Spoken::Answer(text));
        }
        let mask = rest.first_chunk().copied().map(i64::from_be_bytes);
        if word == FourLetterWord::Stmk && mask.is_none() {
            return Err(Spoken::Incomplete);
        }
        Ok(Asked { word, mask })
    }

    /// The answer to a word that needs no server.
    fn alone(&self, asked: &Asked) -> Option<String> {
        match (asked.word, asked.mask) {
            (FourLetterWord::Ruok, _) => Some("imok".to_owned()),
            (FourLetterWord::Gtmk, _) => Some(self.trace_mask.get().to_string()),
            (FourLetterWord::Stmk, Some(mask)) => {
                self.trace_mask.set(mask);
                Some(mask.to_string())
            }
            _ => None,
        }
    }
}

impl Words for Desk {
    /// As `AbstractFourLetterCommand.isZKServerRunning` has it.
    fn early(&self, word: [u8; 4], rest: &[u8]) -> Spoken {
        let asked = match self.asked(word, rest) {
            Ok(asked) => asked,
            Err(spoken) => return spoken,
        };
        Spoken::Answer(self.alone(&asked).unwrap_or_else(|| not_serving(asked.word)))
    }

    fn answer(&self, front: &Arc<Front>, tree: &Tree, word: [u8; 4], rest: &[u8]) -> Spoken {
        let asked = match self.asked(word, rest) {
            Ok(asked) => asked,
            Err(spoken) => return spoken,
        };
        if let Some(text) = self.alone(&asked) {
            return Spoken::Answer(text);
        }
        let (word, ports) = (asked.word, self.ports);
        let Some(mode) = front.hub.mode() else { return Spoken::Answer(not_serving(word)) };
        match word {
            FourLetterWord::Isro => Spoken::Answer(if mode == READ_ONLY { "ro" } else { "rw" }.to_owned()),
            FourLetterWord::Srvr => Spoken::Answer(server::srvr(&front.hub, tree, mode)),
            FourLetterWord::Hash => Spoken::Answer(front.hub.digests.to_text()),
            _ => {
                let front = Arc::clone(front);
                Spoken::Later(Box::new(move || in_time(&front, word, ports)))
            }
        }
    }
}

/// What is said as long as there is no data, or no leader.
fn not_serving(word: FourLetterWord) -> String {
    match word {
        FourLetterWord::Isro => "null".to_owned(),
        FourLetterWord::Envi => info::envi(),
        // Its official command prints no line feed.
        FourLetterWord::Hash => NOT_SERVING.trim_end().to_owned(),
        _ => NOT_SERVING.to_owned(),
    }
}

/// Answers beside the traffic.
fn in_time(front: &Arc<Front>, word: FourLetterWord, ports: Ports) -> String {
    ask(&Ask::new(front), word, ports).unwrap_or_else(|NoAnswer| {
        let hub = &front.hub;
        hub.stats.warnings.word_too_late(hub.clock.elapsed_ms(), word.name());
        NOT_SERVING.to_owned()
    })
}

fn ask(ask: &Ask<'_>, word: FourLetterWord, ports: Ports) -> Result<String, NoAnswer> {
    let hub = &ask.front().hub;
    match word {
        FourLetterWord::Conf => Ok(info::conf(hub, ports)),
        FourLetterWord::Dirs => Ok(info::dirs(hub)),
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
