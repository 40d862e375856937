//! The end of a server: what was begun is done first.

use crate::{
    server::{
        clock,
        io::Front,
        operators::answered_by_all,
        sequence::{Hub, Message},
    },
    topics,
};
use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{RecvTimeoutError, channel},
    },
    time::Duration,
};

/// So long a leader that stops waits until what it has proposed is committed.
const LAST_COMMITS: Duration = Duration::from_millis(500);
/// Between two looks at whether the requests in work are answered.
const LOOK_UP: Duration = Duration::from_millis(1);

/// Waits until the requests that were read are answered, for as long as `request_throttler.shutdownTimeout` says
/// (`RequestThrottler.shutdown`). No more are read.
pub(super) fn drain(front: &Arc<Front>) {
    let timeout_ms = front.hub.config.throttle.shutdown_timeout_ms;
    let until = clock::now() + Duration::from_millis(timeout_ms.into());
    if timeout_ms == 0 {
        return;
    }
    front.draining.store(true, Ordering::Relaxed);
    // A worker that answers this has counted all that it has read. One that does not is stuck; so be it.
    if !answered_by_all(front) {
        return;
    }
    while front.hub.outstanding() > 0 {
        if clock::now() >= until {
            let outstanding = front.hub.outstanding();
            tracing::warn!(target: topics::SERVER, outstanding, timeout_ms, "stopping with requests that are not answered");
            return;
        }
        std::thread::sleep(LOOK_UP);
    }
}

/// A leader's last proposals are committed before it goes, as far as that can be had.
pub(super) fn finish(hub: &Hub) {
    let (finished, waits) = channel();
    hub.mailbox.send(Message::Finish(finished));
    if waits.recv_timeout(LAST_COMMITS) == Err(RecvTimeoutError::Timeout) {
        tracing::warn!(target: topics::SERVER, "stopping with proposals that no quorum has acknowledged");
    }
}
