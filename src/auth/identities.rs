//! The identities of one connection.
//!
//! Invariants: no identity is there twice; the order is the order of arrival (the official server keeps a set, whose
//! order is unspecified).

use super::ip;
use core::net::IpAddr;
use oxkeeper_codec::{ByteStr, Encode, records::Id};
use std::sync::Arc;

/// What a connection has proven to be. Clones share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identities(Arc<Vec<Id>>);

impl Identities {
    /// What one connection may have: each is looked at in every check of an ACL, and compared with each new one.
    /// (The official server sets no bound; no client is known to need a tenth of this.)
    pub const MAX: usize = 1000;
    /// What all of them may be together, in bytes: each request that waits its turn holds them, and an `auth` entry of
    /// an ACL stores them.
    pub const MAX_BYTES: usize = 64 << 10;

    /// A connection from an address: it has that identity from the start.
    pub fn new(remote: IpAddr) -> Self {
        Self(Arc::new(vec![ip::identity(remote)]))
    }

    /// Nobody: a request that no client has made.
    pub fn none() -> Self {
        Self(Arc::new(Vec::new()))
    }

    /// Those that another member vouches for.
    pub fn of(ids: Vec<Id>) -> Self {
        Self(Arc::new(ids))
    }

    /// The one identity that every ACL lets pass.
    pub const fn super_user() -> Id {
        Id { scheme: ByteStr::from_static("super"), id: ByteStr::from_static("") }
    }

    /// Adds an identity; false if it is there already.
    pub fn add(&mut self, id: Id) -> bool {
        if self.0.contains(&id) {
            return false;
        }
        Arc::make_mut(&mut self.0).push(id);
        true
    }

    /// All of them, oldest first.
    pub fn as_slice(&self) -> &[Id] {
        &self.0
    }

    /// Whether there is room for another.
    pub fn has_room_for(&self, id: &Id) -> bool {
        let bytes: usize = self.0.iter().chain([id]).map(Encode::encoded_len).sum();
        self.0.len() < Self::MAX && bytes <= Self::MAX_BYTES
    }

    /// Whether one of them is of a scheme.
    pub fn has_scheme(&self, scheme: &str) -> bool {
        self.0.iter().any(|id| id.scheme == *scheme)
    }

    /// Whether every ACL lets this connection pass.
    pub fn is_super(&self) -> bool {
        self.has_scheme("super")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(scheme: &'static str, id: &'static str) -> Id {
        Id { scheme: scheme.into(), id: id.into() }
    }

    #[test]
    fn b126_every_connection_has_its_address_from_the_start() {
        let ids = Identities::new([10, 0, 0, 7].into());
        assert_eq!(ids.as_slice(), [id("ip", "10.0.0.7")]);
        assert!(!ids.is_super());
    }

    #[test]
    fn b127_identities_add_up_in_order_without_duplicates() {
        let mut ids = Identities::new([10, 0, 0, 7].into());
        let before = ids.clone();
        assert!(ids.add(id("digest", "b:1")));
        assert!(ids.add(id("digest", "a:1")));
        assert!(!ids.add(id("digest", "b:1")));
        assert_eq!(ids.as_slice(), [id("ip", "10.0.0.7"), id("digest", "b:1"), id("digest", "a:1")]);
        assert_eq!(before.as_slice().len(), 1, "what others hold does not change");
        assert_eq!(Identities::none().as_slice(), []);
    }
}
