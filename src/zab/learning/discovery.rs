//! Discovery at a learner: it promises to follow no older epoch, and says what it has (Zab paper, phase 1; in the TLA+
//! specification `ConnectAndFollowerSendCEPOCH` and `FollowerProcessNEWEPOCH`).
//!
//! A history that begins with a snapshot behind where the leader wants it cut can only be replaced. No packet asks for that, but
//! official leaders and ours send SNAP to whoever ends with an epoch that has not begun (`LearnerHandler.syncFollower`). This
//! is said to the leader of the very epoch that has wanted the cut, and to nobody who still has to find out who is ahead.

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
        let asks_for_snapshot = shared.needs_snapshot == Some(*epoch);
        let last_zxid = if asks_for_snapshot { Zxid::begin_of(*epoch + 1) } else { shared.synced };
        shared.tell_leader(link, ToLeader::AckEpoch { last_zxid, current_epoch: None });
        Ok(Some(Sync::expected(*epoch)))
    }

    pub(super) fn accepted(&self, shared: &mut Shared, link: Link) -> Option<Sync> {
        let Self::Promising(epoch) = *self else { return None };
        if shared.accepted_epoch != epoch {
            return None;
        }
        let current_epoch = i32::try_from(shared.current_epoch).unwrap_or(i32::MAX);
        let last_zxid = shared.synced;
        shared.tell_leader(link, ToLeader::AckEpoch { last_zxid, current_epoch: Some(current_epoch) });
        Some(Sync::expected(epoch))
    }
}
