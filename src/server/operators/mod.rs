//! What operators ask: four-letter words, commands by HTTP, and all figures at one time.
//!
//! Promise: whoever asks gets an answer in bounded time or is told that there is none; no question holds up a worker
//! or the sequencer for more than a slice of work.

mod admin;
mod ask;
mod connections;
mod host;
mod http;
mod lop;
mod report;
mod sessions;
mod stats;
mod trace_mask;
mod upload;
mod watching;
mod words;

pub(crate) use admin::AdminDesk;
pub(crate) use ask::answered_by_all;
pub(crate) use http::{Exporter, Http, HttpPort, HttpThread, Site};
pub(crate) use trace_mask::TraceMask;
pub(crate) use words::{Desk, Ports};
