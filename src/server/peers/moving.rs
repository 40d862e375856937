//! What says that a link lives while much is moving over it.

use super::{Heard, wing::Wing};
use crate::zab::Link;

/// How often it is told, in ms.
const TELL_EVERY_MS: i64 = 1000;

/// Of a snapshot or a stream under way.
pub(super) struct Moving<'a> {
    wing: &'a Wing,
    link: Link,
    told_ms: i64,
}

impl<'a> Moving<'a> {
    pub(super) fn new(wing: &'a Wing, link: Link) -> Self {
        Self { wing, link, told_ms: wing.now_ms() }
    }

    /// Another piece has moved.
    pub(super) fn on(&mut self) {
        let now_ms = self.wing.now_ms();
        if now_ms - self.told_ms >= TELL_EVERY_MS {
            self.told_ms = now_ms;
            self.wing.tell(Heard::Moving(self.link));
        }
    }
}
