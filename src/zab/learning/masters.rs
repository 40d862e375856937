//! Whom an observer learns from, where followers serve observers (`observerMasterPort`): one voter after the other, until one
//! takes it in.
//!
//! Official observers go through the voters in a random order. Here each begins with another one by its id, which spreads them as
//! well. The leader serves no observers as a master, so nobody asks it for that. But where nobody is a master, an observer learns from the
//! leader itself: a leader may need it to be established at all, if it gets its vote with a change that was cut short.

use crate::zab::shared::Shared;
use oxkeeper_codec::ServerId;

/// So often all of them refuse before an observer learns from the leader.
const ROUNDS: u32 = 3;

/// Those that may be asked while this one leads.
fn all(shared: &Shared, leader: ServerId) -> Vec<ServerId> {
    let voters = shared.quorums().current.voters();
    voters.into_iter().filter(|&voter| voter != leader).collect()
}

/// How many there are to try; none for a follower, and for an observer that learns from the leader.
pub(super) fn count(shared: &Shared, leader: ServerId) -> usize {
    let votes = shared.quorums().is_voter(shared.me);
    let wants = shared.options.observer_masters && shared.observes() && !votes;
    if wants && shared.masterless < ROUNDS { all(shared, leader).len() } else { 0 }
}

/// The next one, if there is any.
pub(super) fn next(shared: &mut Shared, leader: ServerId) -> Option<ServerId> {
    let all = all(shared, leader);
    // Each observer begins with another one.
    let begin = usize::try_from(shared.me.0).unwrap_or(0);
    let next = begin.wrapping_add(shared.masters_tried).checked_rem(all.len())?;
    shared.masters_tried += 1;
    Some(all[next])
}
