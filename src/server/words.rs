//! Four-letter words on the client port.

use super::{
    conn::Phase,
    frames::{Pace, take_output},
    hub::Shard,
    token::ReadGuard,
    worker::{State, Worker},
};
use crate::{session::ConnId, tree::Tree};

/// A four-letter word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Ruok,
    Srvr,
}

impl Word {
    pub(super) const fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        match &bytes {
            b"ruok" => Some(Self::Ruok),
            b"srvr" => Some(Self::Srvr),
            _ => None,
        }
    }
}

pub(super) fn run(
    worker: &Worker,
    state: &mut State,
    guard: &ReadGuard<'_, Tree, Shard>,
    id: ConnId,
    word: Word,
    _rest: &[u8],
) -> Pace {
    let text = match word {
        Word::Ruok => "imok".to_owned(),
        Word::Srvr => format!(
            "Zookeeper version: 3.9.5-oxkeeper, built on 2026-11-23 00:00 UTC\nLatency min/avg/max: 0/0.0/0\nReceived: {}\nSent: 0\nConnections: {}\nOutstanding: {}\nZxid: {}\nMode: standalone\nNode count: {}\n",
            worker.stats().received.get(),
            worker.hub.connections(),
            worker.hub.outstanding(),
            guard.tree().last_zxid(),
            guard.tree().node_count() + 1
        ),
    };
    let mut output = take_output(state, id);
    output.extend_from_slice(text.as_bytes());
    if let Some(conn) = state.conn_by_id(id) {
        conn.output = output;
        conn.phase = Phase::Closing;
        state.mark_dirty(super::conn::slot_of(id));
    }
    Pace::Wait
}
