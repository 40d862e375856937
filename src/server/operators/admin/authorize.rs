//! Who may have a command run that gives all data away, or replaces it (`Commands.handleAuthentication`).

use crate::{
    auth::{AuthConfig, Identities, Offer, authenticate, check},
    tree::Tree,
};
use oxkeeper_codec::{
    Perms,
    records::{Acl, Id},
};
use std::net::IpAddr;

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    /// Where from.
    pub(crate) remote: IpAddr,
    /// Whom its certificate names.
    pub(crate) certified: Vec<Id>,
}

/// Why a command is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// There is no header `Authorization`.
    #[error("Auth info is missing for the command")]
    Missing,
    /// What it says proves nothing.
    #[error("Not authenticated")]
    NotAuthenticated,
    /// It proves an identity that the ACL of the root does not give everything.
    #[error("Not authorized")]
    NotAuthorized,
}

/// Whom the header proves: `scheme auth`, for `ip` and `x509` the scheme alone.
pub(super) fn identities(
    config: &AuthConfig,
    asker: &Asker,
    header: Option<&str>,
) -> Result<Identities, Refusal> {
    let header = header.ok_or(Refusal::Missing)?;
    // Blanks at the end make no part.
    let mut parts = header.trim_end_matches(' ').split(' ');
    let scheme = parts.next().unwrap_or_default();
    let (data, more) = (parts.next(), parts.next());
    if more.is_some() {
        return Err(Refusal::NotAuthenticated);
    }
    // What a connection has without a header is not what was asked for.
    let mut ids = Identities::of(if scheme == "x509" { asker.certified.clone() } else { Vec::new() });
    let offer = Offer { scheme, data: data.map(str::as_bytes), remote: asker.remote, key: None };
    match authenticate(config, offer, &mut ids) {
        Ok(()) if !ids.as_slice().is_empty() => Ok(ids),
        Ok(()) | Err(_) => Err(Refusal::NotAuthenticated),
    }
}

/// Whether these may do everything with the root.
pub(super) fn is_authorized(config: &AuthConfig, tree: &Tree, ids: &Identities) -> bool {
    let acl: Vec<Acl> = tree.get("/").map(|root| root.acl().to_vec()).unwrap_or_default();
    let each = [Perms::READ, Perms::WRITE, Perms::CREATE, Perms::DELETE, Perms::ADMIN];
    each.into_iter().all(|permission| check(&acl, permission, ids, config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proves(header: Option<&str>) -> Result<usize, Refusal> {
        let config = AuthConfig { super_digest: None, ..AuthConfig::default() };
        let asker = Asker { remote: [127, 0, 0, 1].into(), certified: Vec::new() };
        identities(&config, &asker, header).map(|ids| ids.as_slice().len())
    }

    #[test]
    fn headers_are_read_as_officially() {
        assert_eq!(proves(None), Err(Refusal::Missing));
        for good in ["ip", "ip 127.0.0.1", "digest u:p", "digest u:p "] {
            assert_eq!(proves(Some(good)), Ok(1), "{good}");
        }
        for bad in [
            "",
            "digest",
            "Digest u:p",
            "digest  u:p",
            "Basic eDp5",
            "world anyone",
            "x509",
            "super x",
            "sasl u",
        ] {
            assert_eq!(proves(Some(bad)), Err(Refusal::NotAuthenticated), "{bad}");
        }
    }
}
