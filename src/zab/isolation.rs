//! Read-only mode: a member that finds no leader for a while serves those who only read (`readonlymode.enabled`;
//! `QuorumPeer.run`).
//!
//! Invariant: only who elects can be isolated, and so all that it has is durable, and none of it is being cut or replaced. A
//! member that never had anything from a leader has nothing to show.

use super::{Action, shared::Shared};
use oxkeeper_codec::Zxid;

/// How far a member that elects is from serving without a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// It never does.
    Never,
    /// From this time on, in ms of the elapsed clock.
    From(i64),
    /// It does.
    Serves,
}

impl Isolation {
    /// An election begins.
    pub(super) fn begin(shared: &Shared, now_ms: i64) -> Self {
        let has_something = shared.current_epoch > 0 || shared.synced > Zxid::ZERO;
        match shared.options.read_only_after_ms {
            Some(after_ms) if has_something => Self::From(now_ms + after_ms),
            Some(_) | None => Self::Never,
        }
    }

    /// When [`Isolation::wake`] is due, in ms of the elapsed clock.
    pub(super) const fn deadline_ms(self) -> Option<i64> {
        match self {
            Self::From(at_ms) => Some(at_ms),
            Self::Never | Self::Serves => None,
        }
    }

    /// Time has passed.
    pub(super) fn wake(&mut self, shared: &mut Shared, now_ms: i64) {
        if let Self::From(at_ms) = *self
            && now_ms >= at_ms
        {
            *self = Self::Serves;
            shared.act(Action::ServeReadOnly);
        }
    }

    /// The election is over.
    pub(super) fn end(self, shared: &mut Shared) {
        if self == Self::Serves {
            shared.act(Action::EndReadOnly);
        }
    }
}
