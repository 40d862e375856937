//! What operators ask: four-letter words, and all figures at one time.
//!
//! Promise: whoever asks gets an answer in bounded time or is told that there is none; no question holds up a worker
//! or the sequencer for more than a slice of work.

mod ask;
mod lop;
mod report;
mod words;

pub(crate) use ask::answered_by_all;
pub(crate) use words::{Desk, Ports};
