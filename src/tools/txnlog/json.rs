//! A transaction as JSON.

use super::text::op_name;
use crate::tools::{acl::acls, dates::Dates};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use oxkeeper_codec::{
    DecodeError,
    txn::{LoggedTxn, Txn},
};
use serde_json::{Map, Value, json};

/// An object with `zxid`, `session` (hex), `cxid`, `time`, `time_ms`, `type`, and the fields of that type: data in base64.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    let LoggedTxn { header, txn, digest } = LoggedTxn::from_bytes(&Bytes::copy_from_slice(body))?;
    let mut object = fields_of(json!({
        "zxid": header.zxid.to_string(),
        "session": header.client_id.to_string(),
        "cxid": header.cxid,
        "time": Dates::iso(header.time),
        "time_ms": header.time,
        "type": op_name(header.op),
    }));
    object.extend(fields(&txn));
    if let Some(digest) = digest {
        object.insert("digest".to_owned(), format!("0x{:x}", digest.tree_digest).into());
    }
    Ok(object)
}

fn fields(txn: &Txn) -> Map<String, Value> {
    fields_of(match txn {
        Txn::Create(txn) | Txn::Create2(txn) => json!({
            "path": &*txn.path, "data": data(txn.data.as_ref()), "acl": acls(&txn.acl), "ephemeral": txn.ephemeral,
            "parent_cversion": txn.parent_cversion,
        }),
        Txn::CreateContainer(txn) => json!({
            "path": &*txn.path, "data": data(txn.data.as_ref()), "acl": acls(&txn.acl), "parent_cversion": txn.parent_cversion,
        }),
        Txn::CreateTtl(txn) => json!({
            "path": &*txn.path, "data": data(txn.data.as_ref()), "acl": acls(&txn.acl), "parent_cversion": txn.parent_cversion,
            "ttl_ms": txn.ttl,
        }),
        Txn::SetData(txn) | Txn::Reconfig(txn) => {
            json!({"path": &*txn.path, "data": data(txn.data.as_ref()), "version": txn.version})
        }
        Txn::Delete(txn) | Txn::DeleteContainer(txn) => json!({"path": &*txn.path}),
        Txn::SetAcl(txn) => json!({"path": &*txn.path, "acl": acls(&txn.acl), "version": txn.version}),
        Txn::Check(txn) => json!({"path": &*txn.path, "version": txn.version}),
        Txn::CreateSession(txn) => json!({"timeout_ms": txn.time_out}),
        Txn::CloseSession(txn) => {
            let paths =
                txn.as_ref().map(|txn| txn.paths_to_delete.iter().map(|path| &**path).collect::<Vec<_>>());
            json!({"ephemerals": paths})
        }
        Txn::Error(txn) => json!({"error": txn.err.0}),
        Txn::Multi(txns) => {
            let part = |txn: &Txn| {
                let mut object = fields_of(json!({"type": op_name(txn.op())}));
                object.extend(fields(txn));
                object
            };
            json!({"txns": txns.iter().map(part).collect::<Vec<_>>()})
        }
    })
}

fn fields_of(object: Value) -> Map<String, Value> {
    if let Value::Object(fields) = object { fields } else { Map::new() }
}

fn data(data: Option<&Bytes>) -> Option<String> {
    data.map(|data| BASE64.encode(data))
}
