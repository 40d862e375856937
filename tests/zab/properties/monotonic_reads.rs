//! Monotonic reads: what a client has seen once, at whichever member, it sees in all that it reads later.

use super::{Fact, Property, Verdict, require};
use crate::disk::Entry;
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct MonotonicReads {
    /// The last one that each client has seen, and its place.
    seen: BTreeMap<usize, (usize, Entry)>,
}

impl Property for MonotonicReads {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        let Fact::Reads { client, delivered } = *fact else { return Ok(()) };
        if let Some((at, entry)) = self.seen.get(&client) {
            require(delivered.get(*at) == Some(entry), || {
                format!("client {client} has seen {} once, and sees it no more", entry.0)
            })?;
        }
        if let Some(last) = delivered.last() {
            self.seen.insert(client, (delivered.len() - 1, last.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{entry, refuses},
        *,
    };

    #[test]
    fn a_read_of_what_was_before_is_refused() {
        let all = [entry(1, 1), entry(1, 2)];
        let reads = |client, delivered| Fact::Reads { client, delivered };
        refuses(MonotonicReads::default(), &[reads(1, &all), reads(2, &all[..1]), reads(1, &all[..1])]);
    }

    #[test]
    fn a_read_of_another_history_is_refused() {
        let (one, two) = ([entry(1, 1)], [entry(2, 1), entry(2, 2)]);
        let reads = |delivered| Fact::Reads { client: 1, delivered };
        refuses(MonotonicReads::default(), &[reads(&one), reads(&two)]);
    }
}
