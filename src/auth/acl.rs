//! Access control lists: which are accepted, and what they grant.

use super::{
    identities::Identities,
    provider::{AuthConfig, Provider, is_valid_id},
};
use oxkeeper_codec::{
    ByteStr, Code, Perms,
    records::{Acl, Id},
};
use std::collections::BTreeSet;

/// Whether the id stands for everybody.
fn is_anyone(id: &Id) -> bool {
    id.scheme == "world" && id.id == "anyone"
}

/// What is stored of an ACL that a client has sent, or INVALID_ACL: equal entries are merged, `auth` becomes one
/// entry for each identity that tells who the client is (`PrepRequestProcessor.fixupACL`).
pub fn fixup_acl(config: &AuthConfig, acl: Option<&[Acl]>, ids: &Identities) -> Result<Vec<Acl>, Code> {
    let acl = acl.unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut fixed = Vec::with_capacity(acl.len());
    for entry in acl {
        let Id { scheme, id } = &entry.id;
        if acl.len() > 1 && !seen.insert((scheme.as_str(), id.as_str(), entry.perms)) {
            continue;
        }
        let before = fixed.len();
        if is_anyone(&entry.id) || is_valid_id(config, scheme, id) {
            fixed.push(entry.clone());
        } else if *scheme == "auth" {
            fixed.extend(identifying(config, ids).map(|id| Acl { perms: entry.perms, id: id.clone() }));
        }
        if fixed.len() == before {
            return Err(Code::INVALID_ACL);
        }
    }
    if fixed.is_empty() { Err(Code::INVALID_ACL) } else { Ok(fixed) }
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
    same_scheme.any(|id| provider.matches(&id.id, &expression.id))
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
