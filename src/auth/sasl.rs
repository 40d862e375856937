//! The scheme `sasl`: whoever has logged in (`SASLAuthenticationProvider`).
//!
//! Invariant: an identity of it comes from an exchange that is over and was successful. No auth packet can claim one.

use super::identities::Identities;
use oxkeeper_codec::{ByteStr, records::Id};

/// What the configuration says about the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sasl {
    /// An ACL id that is everybody's who has logged in (`zookeeper.letAnySaslUserDoX`).
    pub any_user: Option<String>,
}

/// The identities of a client that has logged in as `id`; `super_users`: ids that may do everything
/// (`zookeeper.superUser`). `None` if the connection would have too many, or too long ones.
pub fn identify_login(id: &str, super_users: &[String], ids: &mut Identities) -> Option<()> {
    let login = Id { scheme: ByteStr::from_static("sasl"), id: ByteStr::from(id.to_owned()) };
    if !ids.has_room_for(&login) {
        return None;
    }
    ids.add(login);
    if super_users.iter().any(|user| user == id) {
        ids.add(Identities::super_user());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_super_user_has_two_identities() {
        let mut ids = Identities::none();
        for id in ["bob", "admin"] {
            assert_eq!(identify_login(id, &["admin".to_owned()], &mut ids), Some(()));
        }
        let shown: Vec<_> = ids.as_slice().iter().map(|id| format!("{}:{}", id.scheme, id.id)).collect();
        assert_eq!(shown, ["sasl:bob", "sasl:admin", "super:"]);
    }
}
