//! Process consistency: when nothing is being written, what a member has in memory is what its disk has (ZOOKEEPER-2845, 5094).

use super::{Fact, Property, Verdict, require};
use crate::disk::Entry;
use oxkeeper_codec::Zxid;

/// So many entries at the end of both are compared each time.
const COMPARED: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ProcessConsistency;

impl Property for ProcessConsistency {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        let Fact::Rests { member, memory, log } = *fact else { return Ok(()) };
        // Entries change nowhere but at the end.
        let end = |of: &[Entry]| of.len().saturating_sub(COMPARED);
        require(memory.len() == log.len() && memory[end(memory)..] == log[end(log)..], || {
            let last = |of: &[Entry]| of.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
            let (memory, disk) = ((memory.len(), last(memory)), (log.len(), last(log)));
            format!("server {member} has {memory:?} in memory, and {disk:?} on its disk")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{entry, refuses},
        *,
    };
    use oxkeeper_codec::ServerId;

    #[test]
    fn a_memory_that_is_ahead_or_behind_is_refused() {
        let all = [entry(1, 1), entry(1, 2)];
        let rests = |memory, log| Fact::Rests { member: ServerId(1), memory, log };
        refuses(ProcessConsistency, &[rests(&all, &all), rests(&all, &all[..1])]);
        refuses(ProcessConsistency, &[rests(&all[..1], &all)]);
    }
}
