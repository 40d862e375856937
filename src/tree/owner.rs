//! What the stored `ephemeralOwner` of a znode means (`EphemeralType`).

use oxkeeper_codec::SessionId;

/// The stored owner of a container.
pub const CONTAINER_OWNER: i64 = i64::MIN;
/// The longest time to live, in ms: 40 bits.
pub const MAX_TTL_MS: i64 = 0x00ff_ffff_ffff;

const EXTENDED_MASK: u64 = 0xff00_0000_0000_0000;
const FEATURE_MASK: u64 = 0x00ff_ff00_0000_0000;

/// Kinds of znodes by their owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Nobody: an ordinary znode.
    Nobody,
    /// A session: an ephemeral.
    Session(SessionId),
    /// A container.
    Container,
    /// A znode with a time to live, in ms.
    Ttl(i64),
}

/// How stored owners are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnerRules {
    /// `extendedTypesEnabled`: without it a TTL owner counts as a session.
    pub extended_types: bool,
    /// `emulate353TTLNodes`: owners with only the top bit set are TTLs, as 3.5.3 wrote them.
    pub emulate_353: bool,
}

impl OwnerRules {
    /// What a stored owner means.
    pub const fn read(self, stored: i64) -> Owner {
        let bits = stored.cast_unsigned();
        if self.extended_types {
            if self.emulate_353 && stored < 0 && stored != CONTAINER_OWNER {
                return Owner::Ttl(stored & i64::MAX);
            }
            if bits & EXTENDED_MASK == EXTENDED_MASK && bits & FEATURE_MASK == 0 {
                return Owner::Ttl(stored & MAX_TTL_MS);
            }
        }
        match stored {
            CONTAINER_OWNER => Owner::Container,
            0 => Owner::Nobody,
            _ => Owner::Session(SessionId(stored)),
        }
    }
}

impl Owner {
    /// Of what a session creates with or without the ephemeral flag.
    pub(super) const fn of(session: SessionId, ephemeral: bool) -> Self {
        if ephemeral { Self::Session(session) } else { Self::Nobody }
    }

    /// The stored form.
    pub const fn stored(self) -> i64 {
        match self {
            Self::Nobody => 0,
            Self::Session(session) => session.0,
            Self::Container => CONTAINER_OWNER,
            Self::Ttl(ttl_ms) => EXTENDED_MASK.cast_signed() | ttl_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENDED: OwnerRules = OwnerRules { extended_types: true, emulate_353: false };

    #[test]
    fn owners_come_back() {
        for owner in [
            Owner::Nobody,
            Owner::Container,
            Owner::Session(SessionId(0x0100_0000_0000_0001)),
            Owner::Ttl(1),
            Owner::Ttl(MAX_TTL_MS),
        ] {
            assert_eq!(EXTENDED.read(owner.stored()), owner);
        }
    }

    #[test]
    fn behaviour_103_without_extended_types_a_ttl_owner_is_a_session() {
        let stored = Owner::Ttl(5000).stored();
        assert_eq!(OwnerRules::default().read(stored), Owner::Session(SessionId(stored)));
    }
}
