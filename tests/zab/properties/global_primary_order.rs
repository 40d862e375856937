//! Global primary order: what was broadcast in an earlier epoch is delivered before what was broadcast in a later one.

use super::{Fact, Property, Verdict, require};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct GlobalPrimaryOrder;

impl Property for GlobalPrimaryOrder {
    fn see(&mut self, fact: &Fact<'_>) -> Verdict {
        let Fact::Delivers { member, delivered, from } = *fact else { return Ok(()) };
        let mut last = from.checked_sub(1).map_or(0, |at| delivered[at].0.epoch());
        for (zxid, _) in &delivered[from..] {
            require(zxid.epoch() >= last, || {
                format!("server {member} delivers {zxid} after epoch {last:#x}")
            })?;
            last = zxid.epoch();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{delivers, entry, refuses},
        *,
    };

    #[test]
    fn an_earlier_epoch_after_a_later_one_is_refused() {
        let delivered = [entry(1, 1), entry(3, 1), entry(2, 1)];
        refuses(GlobalPrimaryOrder, &[delivers(1, &delivered)]);
    }
}
