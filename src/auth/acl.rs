//! Access control lists: which are accepted, and what they grant.

use super::{
    identities::Identities,
    provider::{AuthConfig, Provider, is_valid_id},
};
use oxkeeper_codec::{
    ByteStr, Code, Encode, Perms,
    records::{Acl, Id},
};
use std::collections::BTreeSet;

/// Whether the id stands for everybody.
fn is_anyone(id: &Id) -> bool {
    id.scheme == "world" && id.id == "anyone"
}

/// What is stored of an ACL that a client has sent, or INVALID_ACL (MARSHALLING_ERROR where the official server falls
/// over a null): equal entries are merged, `auth` becomes one entry for each identity that tells who the client is
/// (`PrepRequestProcessor.fixupACL`).
///
/// What is stored is taken from `room`, in bytes; one that does not fit is invalid, too. (The official server stores
/// what the product of entries and identities comes to.)
pub fn fixup_acl(
    config: &AuthConfig,
    acl: Option<&[Acl]>,
    ids: &Identities,
    room: &mut usize,
) -> Result<Vec<Acl>, Code> {
    let acl = acl.unwrap_or_default();
    if falls_over_nulls(acl) {
        return Err(Code::MARSHALLING_ERROR);
    }
    let mut seen = BTreeSet::new();
    let mut fixed = Vec::with_capacity(acl.len());
    let mut push = |fixed: &mut Vec<Acl>, entry: Acl| {
        *room = room.checked_sub(entry.encoded_len()).ok_or(Code::INVALID_ACL)?;
        fixed.push(entry);
        Ok(())
    };
    for entry in acl {
        let Id { scheme, id } = &entry.id;
        if acl.len() > 1 && !seen.insert((scheme.as_str(), id.as_str(), entry.perms)) {
            continue;
        }
        let before = fixed.len();
        if is_anyone(&entry.id) || is_valid_id(config, scheme, id) {
            push(&mut fixed, entry.clone())?;
        } else if *scheme == "auth" {
            for id in identifying(config, ids) {
                push(&mut fixed, Acl { perms: entry.perms, id: id.clone() })?;
            }
        }
        if fixed.len() == before {
            let asks_for_id =
                *scheme == "world" || Provider::configured(config, scheme).is_some_and(Provider::parses);
            let null = id.is_null() && asks_for_id;
            return Err(if null { Code::MARSHALLING_ERROR } else { Code::INVALID_ACL });
        }
    }
    if fixed.is_empty() { Err(Code::INVALID_ACL) } else { Ok(fixed) }
}

/// Whether the official server falls over a null as it looks for equal entries: it compares the permissions, then the
/// schemes, then the ids, and calls a method of the later entry's.
fn falls_over_nulls(acl: &[Acl]) -> bool {
    let has_null = |entry: &Acl| entry.id.scheme.is_null() || entry.id.id.is_null();
    if !acl.iter().any(has_null) {
        return false;
    }
    let mut kept: Vec<&Acl> = Vec::new();
    for entry in acl {
        let Id { scheme, id } = &entry.id;
        let mut same_perms = kept.iter().filter(|other| other.perms == entry.perms);
        let equal = loop {
            let Some(other) = same_perms.next() else { break false };
            if scheme.is_null() {
                return true;
            }
            let same_scheme = *scheme == other.id.scheme && !other.id.scheme.is_null();
            if same_scheme && id.is_null() {
                return true;
            }
            if same_scheme && *id == other.id.id && !other.id.id.is_null() {
                break true;
            }
        };
        if !equal {
            kept.push(entry);
        }
    }
    false
}

/// The identities that tell who the client is.
fn identifying<'a>(config: &AuthConfig, ids: &'a Identities) -> impl Iterator<Item = &'a Id> {
    let tells = |id: &&Id| Provider::configured(config, &id.scheme).is_some_and(Provider::identifies);
    ids.as_slice().iter().filter(tells)
}

/// Whether an ACL grants one of the wanted permissions (`ZooKeeperServer.checkACL`). An empty one grants all.
pub fn check(acl: &[Acl], wanted: Perms, ids: &Identities, config: &AuthConfig) -> bool {
    let grants = |entry: &&Acl| entry.perms.intersects(wanted);
    match acl.first() {
        None => return true,
        Some(first) if grants(&first) && is_anyone(&first.id) => return true,
        Some(_) if config.skip_acl || ids.is_super() => return true,
        Some(_) => {}
    }
    acl.iter().filter(grants).any(|entry| is_anyone(&entry.id) || names(config, &entry.id, ids))
}

/// Whether an id in an ACL names one of the identities.
fn names(config: &AuthConfig, expression: &Id, ids: &Identities) -> bool {
    let Some(provider) = Provider::configured(config, &expression.scheme) else { return false };
    let mut same_scheme = ids.as_slice().iter().filter(|id| id.scheme == expression.scheme);
    same_scheme.any(|id| provider.matches(config, &id.id, &expression.id))
}

/// What getACL shows to who is not ADMIN: digest ids without their hashes. (The official server leaves what follows
/// a line break in an id; here all after the first colon is hidden.)
pub fn mask_for_reader(acl: &[Acl]) -> Vec<Acl> {
    let mask = |entry: &Acl| match entry.id.id.split_once(':') {
        Some((user, _)) if entry.id.scheme == "digest" => {
            let id = Id { scheme: entry.id.scheme.clone(), id: ByteStr::from(format!("{user}:x")) };
            Acl { perms: entry.perms, id }
        }
        _ => entry.clone(),
    };
    acl.iter().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// ACLs in short: `31 world:anyone, 1 digest:bob:h`.
    fn acl(text: &str) -> Vec<Acl> {
        let entry = |text: &str| {
            let (perms, id) = text.trim().split_once(' ').expect("perms and id");
            let (scheme, id) = id.split_once(':').expect("scheme and id");
            Acl {
                perms: Perms(perms.parse().expect("a number")),
                id: Id { scheme: scheme.into(), id: id.into() },
            }
        };
        text.split(',').filter(|text| !text.is_empty()).map(entry).collect()
    }

    fn short(acl: &[Acl]) -> String {
        let entries: Vec<_> =
            acl.iter().map(|a| format!("{} {}:{}", a.perms.0, a.id.scheme, a.id.id)).collect();
        entries.join(", ")
    }

    /// A connection from 10.0.0.7 with the identities of an ACL.
    fn ids(text: &str) -> Identities {
        let mut ids = Identities::new([10, 0, 0, 7].into());
        for entry in acl(text) {
            ids.add(entry.id);
        }
        ids
    }

    const BOB_AND_EVE: &str = "0 digest:bob:h, 0 digest:eve:h";

    fn fixed(text: &str, who: &str) -> Result<String, Code> {
        fixup(&AuthConfig::default(), Some(&acl(text)), &ids(who)).map(|acl| short(&acl))
    }

    fn fixup(config: &AuthConfig, acl: Option<&[Acl]>, ids: &Identities) -> Result<Vec<Acl>, Code> {
        fixup_acl(config, acl, ids, &mut 10_000)
    }

    #[test]
    fn auth_entries_multiply_as_far_as_there_is_room() {
        let sent: Vec<Acl> = (0..37).flat_map(|perms| acl(&format!("{perms} auth:"))).collect();
        let config = AuthConfig::default();
        let stored = fixup(&config, Some(&sent), &ids(BOB_AND_EVE)).expect("there is room");
        let len: usize = stored.iter().map(Encode::encoded_len).sum();
        for room in [0, 1, len - 1, len, len + 1] {
            let mut left = room;
            let fits = fixup_acl(&config, Some(&sent), &ids(BOB_AND_EVE), &mut left);
            assert_eq!(fits.is_ok(), room >= len, "{room} of {len}");
            assert!(fits.is_err() || left == room - len);
        }
    }

    #[test]
    fn b118_null_and_empty_are_invalid() {
        let config = AuthConfig::default();
        assert_eq!(fixup(&config, None, &ids("")), Err(Code::INVALID_ACL));
        assert_eq!(fixup(&config, Some(&[]), &ids(BOB_AND_EVE)), Err(Code::INVALID_ACL));
    }

    #[test]
    fn nulls_are_invalid_or_fallen_over() {
        let entry = |perms, scheme: Option<&str>, id: Option<&str>| {
            let text = |text: Option<&str>| text.map_or(ByteStr::null(), ByteStr::from);
            Acl { perms: Perms(perms), id: Id { scheme: text(scheme), id: text(id) } }
        };
        let fixed =
            |acl: &[Acl]| fixup(&AuthConfig::default(), Some(acl), &ids(BOB_AND_EVE)).map(|acl| acl.len());
        let anyone = entry(1, Some("world"), Some("anyone"));
        for scheme in ["world", "digest", "ip"] {
            assert_eq!(fixed(&[entry(1, Some(scheme), None)]), Err(Code::MARSHALLING_ERROR), "{scheme}");
        }
        assert_eq!(fixed(&[entry(1, Some("sasl"), None)]), Err(Code::INVALID_ACL));
        assert_eq!(fixed(&[entry(1, None, Some("anyone"))]), Err(Code::INVALID_ACL));
        assert_eq!(fixed(&[entry(1, Some("auth"), None)]), Ok(2));
        // Compared with an entry of the same permissions before it.
        assert_eq!(fixed(&[anyone.clone(), entry(1, None, None)]), Err(Code::MARSHALLING_ERROR));
        assert_eq!(fixed(&[anyone.clone(), entry(2, None, None)]), Err(Code::INVALID_ACL));
        assert_eq!(fixed(&[entry(1, None, None), anyone]), Err(Code::INVALID_ACL));
        let bad = entry(1, Some("sasl"), Some("x"));
        assert_eq!(fixed(&[bad.clone(), entry(1, Some("ip"), None)]), Err(Code::INVALID_ACL));
        assert_eq!(fixed(&[bad, entry(1, Some("sasl"), None)]), Err(Code::MARSHALLING_ERROR));
    }

    #[test]
    fn b119_equal_entries_are_merged_in_order() {
        let cases = [
            ("1 ip:1.2.3.4, 31 world:anyone, 1 ip:1.2.3.4", "1 ip:1.2.3.4, 31 world:anyone"),
            ("1 world:anyone, 2 world:anyone", "1 world:anyone, 2 world:anyone"),
            ("1 auth:a, 1 auth:b", "1 digest:bob:h, 1 digest:eve:h, 1 digest:bob:h, 1 digest:eve:h"),
            ("1 digest:bob:h, 1 auth:", "1 digest:bob:h, 1 digest:bob:h, 1 digest:eve:h"),
        ];
        for (sent, stored) in cases {
            assert_eq!(fixed(sent, BOB_AND_EVE).as_deref(), Ok(stored), "{sent}");
        }
    }

    #[test]
    fn b120_world_is_anyone_and_auth_is_who_has_authenticated() {
        assert_eq!(fixed("31 world:anyone", "").as_deref(), Ok("31 world:anyone"));
        assert_eq!(fixed("31 auth:ignored", "0 digest:bob:h").as_deref(), Ok("31 digest:bob:h"));
        for (sent, who) in [("31 world:else", BOB_AND_EVE), ("31 auth:", ""), ("31 auth:", "0 super:")] {
            assert_eq!(fixed(sent, who), Err(Code::INVALID_ACL), "{sent}");
        }
    }

    #[test]
    fn b121_ids_are_checked_by_their_scheme() {
        for sent in ["1 digest:bob:h", "1 ip:10.0.0.0/8", "1 ip:::1", "1 ip:2001:db8::/32"] {
            assert_eq!(fixed(sent, "").as_deref(), Ok(sent));
        }
        for sent in ["1 digest:bob", "1 digest:b:o:b", "1 ip:bob", "1 ip:10.0.0.0/33", "1 ip:"] {
            assert_eq!(fixed(sent, ""), Err(Code::INVALID_ACL), "{sent}");
        }
    }

    #[test]
    fn b122_one_entry_without_provider_spoils_all() {
        for scheme in ["super", "sasl", "x509", "", "World", "IP"] {
            let sent = format!("31 world:anyone, 31 {scheme}:anyone");
            assert_eq!(fixed(&sent, BOB_AND_EVE), Err(Code::INVALID_ACL), "{sent}");
        }
        let config = AuthConfig { digest_enabled: false, ..AuthConfig::default() };
        for sent in ["1 digest:bob:h", "1 auth:"] {
            assert_eq!(fixup(&config, Some(&acl(sent)), &ids(BOB_AND_EVE)), Err(Code::INVALID_ACL));
        }
    }

    #[test]
    fn b123_permission_bits_are_stored_as_given() {
        for sent in ["0 world:anyone", "-1 world:anyone", "1024 world:anyone"] {
            assert_eq!(fixed(sent, "").as_deref(), Ok(sent));
        }
    }

    fn granted(stored: &str, wanted: Perms, who: &str) -> bool {
        check(&acl(stored), wanted, &ids(who), &AuthConfig::default())
    }

    #[test]
    fn b124_an_entry_grants_what_shares_a_bit() {
        let bob = "0 digest:bob:h";
        let cases = [
            ("1 world:anyone", 1, "", true),
            ("1 world:anyone", 2, "", false),
            ("1 world:anyone", 1 | 16, "", true),
            ("16 world:anyone", 1 | 16, "", true),
            ("14 world:anyone", 1 | 16, "", false),
            ("0 world:anyone", 31, "", false),
            ("31 digest:bob:h", 1, bob, true),
            ("31 digest:bob:h", 1, "", false),
            ("31 digest:bob:other", 1, bob, false),
            ("31 digest:eve:h, 2 digest:bob:h, 1 world:anyone", 2, bob, true),
            ("2 world:anyone, 1 digest:bob:h", 1, bob, true),
            ("2 world:anyone, 1 digest:bob:h", 1, "", false),
            ("31 ip:10.0.0.0/8", 1, "", true),
            ("31 ip:11.0.0.0/8", 1, "", false),
            ("31 world:else, 31 auth:, 31 super:, 31 sasl:bob", 1, bob, false),
            ("31 sasl:bob", 1, "0 sasl:bob", false),
        ];
        for (stored, wanted, who, expected) in cases {
            assert_eq!(granted(stored, Perms(wanted), who), expected, "{stored} {wanted} {who}");
        }
    }

    #[test]
    fn b125_an_empty_acl_super_and_skip_acl_let_all_pass() {
        assert!(granted("", Perms::ALL, ""));
        assert!(granted("0 digest:bob:h", Perms::READ, "0 super:"));
        let (skips, nobody) = (AuthConfig { skip_acl: true, ..AuthConfig::default() }, Identities::none());
        assert!(check(&acl("0 digest:bob:h"), Perms::READ, &nobody, &skips));
        assert!(!granted("1 digest:bob:h", Perms::READ, ""));
    }

    #[test]
    fn b125_a_scheme_that_is_switched_off_grants_nothing() {
        let config = AuthConfig { digest_enabled: false, ..AuthConfig::default() };
        assert!(!check(&acl("31 digest:bob:h"), Perms::READ, &ids(BOB_AND_EVE), &config));
    }

    #[test]
    fn b133_readers_do_not_see_digests() {
        let stored = acl("31 digest:bob:h, 1 digest:a:b:c, 2 digest:plain, 4 ip:::1, 8 world:anyone");
        let shown = "31 digest:bob:x, 1 digest:a:x, 2 digest:plain, 4 ip:::1, 8 world:anyone";
        assert_eq!(short(&mask_for_reader(&stored)), shown);
        assert_eq!(short(&mask_for_reader(&acl("1 digest:a:b\nc:d"))), "1 digest:a:x");
    }

    fn entry() -> impl Strategy<Value = Acl> {
        let id = prop::sample::select(vec![
            "world:anyone",
            "world:x",
            "auth:",
            "digest:bob:h",
            "digest:eve:h",
            "digest:odd",
            "ip:10.0.0.0/8",
            "ip:::/0",
            "super:",
        ]);
        (prop_oneof![0..4i32, Just(31)], id).prop_map(|(perms, id)| acl(&format!("{perms} {id}")).remove(0))
    }

    proptest! {
        #[test]
        fn b119_what_is_stored_is_stored_again_unchanged(sent in prop::collection::vec(entry(), 0..6)) {
            let config = AuthConfig::default();
            if let Ok(stored) = fixup(&config, Some(&sent), &ids(BOB_AND_EVE)) {
                prop_assert!(stored.iter().all(|entry| entry.id.scheme != "auth"));
                let mut merged = stored.clone();
                merged.dedup();
                let again = fixup(&config, Some(&stored), &ids("")).expect("it was accepted before");
                prop_assert!(again.iter().all(|entry| merged.contains(entry)));
                prop_assert!(merged.iter().all(|entry| again.contains(entry)));
            }
        }

        #[test]
        fn b124_the_order_of_entries_does_not_matter(stored in prop::collection::vec(entry(), 1..6), wanted in 1..32i32) {
            let reversed: Vec<_> = stored.iter().rev().cloned().collect();
            for who in ["", "0 digest:bob:h", "0 super:"] {
                let grants = |acl: &[Acl]| check(acl, Perms(wanted), &ids(who), &AuthConfig::default());
                prop_assert_eq!(grants(&stored), grants(&reversed));
                prop_assert_eq!(grants(&stored), stored.iter().any(|entry| grants(std::slice::from_ref(entry))));
            }
        }
    }
}
