//! Discovery at a learner: it promises to follow no older epoch, and says what it has (Zab paper, phase 1; in the TLA+
//! specification `ConnectAndFollowerSendCEPOCH` and `FollowerProcessNEWEPOCH`).
//!
//! A history that begins with a snapshot behind where the leader wants it cut can only be replaced. No packet asks for that, but
//! official leaders and ours send SNAP to whoever ends with an epoch that has not begun (`LearnerHandler.syncFollower`). This
//! is said where it proves nothing: behind a promise that was given before, or to a leader who was elected with a later current
//! epoch than the one here. Any other is told what there is, and finds out who is ahead. (A member that waited for the leader that
//! wanted the cut would wait for ever where that leader needs it for its quorum: it falls without it, and has another epoch then.)

use super::sync::Sync;
use crate::zab::{Failure, Link, shared::Shared};
use oxkeeper_codec::{
    Zxid,
    learner::{LearnerInfo, PROTOCOL_VERSION, ToLeader, ToLearner},
};

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Discovery {
    /// The leader's port is not reached yet.
    Dialling,
    /// FOLLOWERINFO (CEPOCH) is sent; LEADERINFO (NEWEPOCH) comes.
    Registered,
    /// The epoch is being made durable; then goes ACKEPOCH.
    Promising(i64),
}

impl Discovery {
    pub(super) fn register(&mut self, shared: &mut Shared, link: Link) {
        let info = LearnerInfo {
            observer: shared.observes(),
            accepted_epoch: shared.accepted_epoch,
            sid: shared.me,
            protocol_version: PROTOCOL_VERSION,
            config_version: Some(shared.ensemble.version()),
        };
        shared.tell_leader(link, ToLeader::Info(info));
        *self = Self::Registered;
    }

    pub(super) fn heard(
        &mut self,
        shared: &mut Shared,
        link: Link,
        packet: &ToLearner,
    ) -> Result<Option<Sync>, Failure> {
        let (Self::Registered, ToLearner::LeaderInfo { epoch, .. }) = (*self, packet) else {
            return Err(Failure::unexpected("discovery", packet));
        };
        if *epoch < shared.accepted_epoch {
            return Err(Failure::OldEpoch { leader: *epoch, accepted: shared.accepted_epoch });
        }
        if *epoch > shared.accepted_epoch {
            *self = Self::Promising(*epoch);
            shared.store_accepted_epoch(*epoch);
            return Ok(None);
        }
        // The promise was given before, perhaps to this leader: it does not count twice, and what is said with it is no proof.
        Ok(Some(says_what_it_has(shared, link, *epoch, None, shared.needs_snapshot)))
    }

    pub(super) fn accepted(&self, shared: &mut Shared, link: Link) -> Option<Sync> {
        let Self::Promising(epoch) = *self else { return None };
        if shared.accepted_epoch != epoch {
            return None;
        }
        let current_epoch = i32::try_from(shared.current_epoch).unwrap_or(i32::MAX);
        let is_behind = shared.current_epoch < shared.vote.peer_epoch;
        let asks = shared.needs_snapshot && is_behind;
        Some(says_what_it_has(shared, link, epoch, Some(current_epoch), asks))
    }
}

/// ACKEPOCH, with the end of the history, or with what is answered with a snapshot.
fn says_what_it_has(
    shared: &mut Shared,
    link: Link,
    epoch: i64,
    current_epoch: Option<i32>,
    asks_for_snapshot: bool,
) -> Sync {
    let last_zxid = if asks_for_snapshot { Zxid::begin_of(epoch + 1) } else { shared.synced };
    shared.tell_leader(link, ToLeader::AckEpoch { last_zxid, current_epoch });
    Sync::expected(epoch, asks_for_snapshot)
}
