//! Sessions with their deadlines, and their ephemerals, taken down in steps.

use super::ask::{Ask, NoAnswer};
use crate::{
    node::Node,
    session::{SessionTracker, Sessions},
    tree::Tree,
};
use oxkeeper_codec::SessionId;
use std::ops::Bound;

/// Paths or sessions after which a step through them ends. One session's paths are never parted.
const PATHS_A_STEP: usize = 4096;

/// A session's time-out (ms), and its deadline (ms of the elapsed clock), unless it is ending.
pub(super) type Life = (i32, Option<i64>);

/// All sessions that a tracker has, a few at a time.
pub(super) fn listed(
    ask: &Ask<'_>,
    which: fn(&Sessions) -> &SessionTracker,
) -> Result<Vec<(SessionId, Life)>, NoAnswer> {
    in_steps(ask, move |node, _, from| {
        let all = which(node.sessions())
            .listed(from)
            .map(|(id, timeout_ms, deadline_ms)| (id, (timeout_ms, deadline_ms)));
        let some: Vec<_> = all.take(PATHS_A_STEP).collect();
        let more = some.len() == PATHS_A_STEP;
        (some, more)
    })
}

/// Takes down what belongs to sessions in steps, each from a session on: the step tells whether there is more. Whatever
/// changes meanwhile is told as it was or as it is.
fn in_steps<T: Send + 'static>(
    ask: &Ask<'_>,
    step: impl Fn(&Node, &Tree, Bound<SessionId>) -> (Vec<(SessionId, T)>, bool) + Copy + Send + 'static,
) -> Result<Vec<(SessionId, T)>, NoAnswer> {
    let (mut all, mut from) = (Vec::new(), Bound::Unbounded);
    loop {
        let (found, more) = ask.sequencer(move |node, tree| step(node, tree, from))?;
        from = found.last().map_or(from, |(last, _)| Bound::Excluded(*last));
        all.extend(found);
        if !more {
            return Ok(all);
        }
    }
}

/// Sessions with ephemerals, a few at a time.
pub(super) fn ephemerals(ask: &Ask<'_>) -> Result<Vec<(SessionId, Vec<String>)>, NoAnswer> {
    in_steps(ask, |_, tree, from| some_ephemerals(tree, from))
}

fn some_ephemerals(tree: &Tree, after: Bound<SessionId>) -> (Vec<(SessionId, Vec<String>)>, bool) {
    let mut found = Vec::new();
    let mut paths = 0;
    for session in tree.ephemeral_owners(after) {
        if paths >= PATHS_A_STEP || found.len() >= PATHS_A_STEP {
            return (found, true);
        }
        let of_session: Vec<String> = tree.ephemerals_of(session).collect();
        paths += of_session.len();
        found.push((session, of_session));
    }
    (found, false)
}
