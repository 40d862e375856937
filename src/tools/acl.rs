//! ACLs as JSON.

use oxkeeper_codec::records::Acl;
use serde_json::{Value, json};

/// Objects with `perms` (bits), `scheme` and `id`.
pub(super) fn acls(acls: &[Acl]) -> Vec<Value> {
    acls.iter()
        .map(|acl| json!({"perms": acl.perms.0, "scheme": &*acl.id.scheme, "id": &*acl.id.id}))
        .collect()
}
