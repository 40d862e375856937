//! Linearizable writes: what is asked after another write was answered comes behind it.

use super::{Fact, Property, Verdict, require};
use oxkeeper_codec::Zxid;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct LinearizableWrites {
    /// The last zxid of all that was answered by then, in the order of time in ms.
    answered: Vec<(i64, Zxid)>,
}

impl Property for LinearizableWrites {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        let Fact::Answers { session, asked_ms, answered_ms, zxid, writes: true } = *fact else {
            return Ok(());
        };
        let before = self.answered.partition_point(|(at_ms, _)| *at_ms < asked_ms);
        let last = before.checked_sub(1).map_or(Zxid::ZERO, |at| self.answered[at].1);
        let latest = self.answered.last().map_or(zxid, |(_, latest)| zxid.max(*latest));
        self.answered.push((answered_ms, latest));
        require(zxid > last, || format!("session {session} asked after {last} was answered, and has {zxid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{allows, answers, refuses},
        *,
    };

    #[test]
    fn a_write_before_one_that_was_answered_earlier_is_refused() {
        let facts = [answers(1, (0, 10), 5, true), answers(2, (11, 20), 4, true)];
        refuses(LinearizableWrites::default(), &facts);
    }

    #[test]
    fn writes_at_the_same_time_have_any_order() {
        let facts = [answers(1, (0, 10), 5, true), answers(2, (9, 20), 4, true)];
        allows(LinearizableWrites::default(), &facts);
    }
}
