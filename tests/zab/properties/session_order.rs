//! Session order: answers to one session never show less than earlier ones did, whichever member gives them.

use super::{Fact, Property, Verdict, require};
use oxkeeper_codec::{SessionId, Zxid};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SessionOrder {
    seen: BTreeMap<SessionId, Zxid>,
}

impl Property for SessionOrder {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        let Fact::Answers { session, zxid, .. } = *fact else { return Ok(()) };
        let seen = self.seen.insert(session, zxid).unwrap_or(Zxid::ZERO);
        require(zxid >= seen, || format!("session {session} is answered with {zxid}, after {seen}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{answers, refuses},
        *,
    };

    #[test]
    fn an_answer_that_shows_less_is_refused() {
        refuses(
            SessionOrder::default(),
            &[answers(1, (0, 1), 5, false), answers(2, (0, 2), 3, false), answers(1, (2, 3), 4, false)],
        );
    }
}
