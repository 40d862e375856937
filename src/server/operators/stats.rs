//! The server's figures, which begin anew (`ServerStats.reset`).

use super::ask::{Ask, NoAnswer};
use crate::server::{figures::Sheet, sequence::Standing};
use std::sync::Arc;

/// Has them begin anew, each on the thread that counts it.
pub(super) fn reset(ask: &Ask<'_>) -> Result<(), NoAnswer> {
    let hub = Arc::clone(&ask.front().hub);
    ask.workers(move |worker, state, _| {
        hub.workers[worker].stats.reset();
        state.reads.reset();
        state.over_quota.reset();
    })?;
    let hub = Arc::clone(&ask.front().hub);
    ask.sequencer(move |_, _| {
        hub.stats.sequencer.reset();
        hub.stats.writes.lock().reset();
        hub.stats.acks.lock().clear();
        if let Some(standing) = &mut *hub.standing.lock() {
            standing.proposals = Standing::NEW.proposals;
        }
    })?;
    ask.front().hub.stats.log_writer.reset();
    ask.front().hub.stats.snapshots.reset();
    ask.front().hub.stats.count_admin(Sheet::reset);
    Ok(())
}
