//! A transaction as text: the line of `TxnLogToolkit`, whose records are those of jute's `toString`.

use crate::tools::dates::Dates;
use bytes::Bytes;
use oxkeeper_codec::{
    Decode, DecodeError, OpCode, Reader,
    records::{Acl, MultiTxn, TxnHeader},
    txn::{LoggedTxn, Txn},
};
use std::fmt::Write;

/// The line of a transaction, without an end of line unless its record ends with one.
pub(super) fn line(body: &[u8], dates: &Dates) -> Result<String, DecodeError> {
    let body = Bytes::copy_from_slice(body);
    let LoggedTxn { header, txn, .. } = LoggedTxn::from_bytes(&body)?;
    let time = dates.of_transaction(header.time);
    let (session, cxid, zxid) = (header.client_id.0, header.cxid, header.zxid.0);
    let fields = match &txn {
        Txn::Multi(_) => multi(&body)?,
        txn => fields(txn),
    };
    Ok(format!(
        "{time} session 0x{session:x} cxid 0x{cxid:x} zxid 0x{zxid:x} {} {fields}",
        op_name(header.op)
    ))
}

/// The records of a multi as they are stored, lengths and all.
fn multi(body: &Bytes) -> Result<String, DecodeError> {
    let mut reader = Reader::shared(body);
    TxnHeader::decode(&mut reader)?;
    let parts: Vec<_> = MultiTxn::decode(&mut reader)?
        .txns
        .iter()
        .map(|txn| format!("{}:{}", op_name(txn.op), data(txn.data.as_ref())))
        .collect();
    Ok(parts.join(";"))
}

fn fields(txn: &Txn) -> String {
    match txn {
        Txn::Create(txn) | Txn::Create2(txn) => {
            let (acl, ephemeral) = (acls(&txn.acl), txn.ephemeral);
            format!("{},{},{acl},{ephemeral},{}", txn.path, data(txn.data.as_ref()), txn.parent_cversion)
        }
        Txn::CreateContainer(txn) => {
            format!("{},{},{},{}", txn.path, data(txn.data.as_ref()), acls(&txn.acl), txn.parent_cversion)
        }
        Txn::CreateTtl(txn) => {
            let (data, acl) = (data(txn.data.as_ref()), acls(&txn.acl));
            format!("{},{data},{acl},{},{}", txn.path, txn.parent_cversion, txn.ttl)
        }
        Txn::SetData(txn) | Txn::Reconfig(txn) => {
            format!("{},{},{}", txn.path, data(txn.data.as_ref()), txn.version)
        }
        Txn::Delete(txn) | Txn::DeleteContainer(txn) => format!("{}\n", quoted(&txn.path)),
        Txn::SetAcl(txn) => {
            let list: Vec<_> = txn.acl.iter().map(|acl| format!("s{{{}}}", record(acl))).collect();
            format!("{},v{{{}}},{}\n", quoted(&txn.path), list.join(","), txn.version)
        }
        Txn::Check(txn) => format!("{},{}\n", quoted(&txn.path), txn.version),
        Txn::CreateSession(txn) => format!("{}\n", txn.time_out),
        Txn::CloseSession(Some(txn)) => {
            let paths: Vec<_> = txn.paths_to_delete.iter().map(|path| quoted(path)).collect();
            format!("v{{{}}}\n", paths.join(","))
        }
        Txn::CloseSession(None) | Txn::Multi(_) => String::new(),
        Txn::Error(txn) => format!("{}\n", txn.err.0),
    }
}

/// A list of records whose ends of line are inside, as Java prints lists.
fn acls(acls: &[Acl]) -> String {
    let each: Vec<_> = acls.iter().map(|acl| format!("{}\n", record(acl))).collect();
    format!("[{}]", each.join(", "))
}

fn record(acl: &Acl) -> String {
    format!("{},s{{{},{}}}", acl.perms.0, quoted(&acl.id.scheme), quoted(&acl.id.id))
}

/// Text in a record: marked by a quote, and what would end it is in hex.
fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\0' | '\n' | '\r' | ',' | '}' | '%' => _ = write!(out, "%{:02X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out
}

fn data(data: Option<&Bytes>) -> String {
    data.map(|data| String::from_utf8_lossy(data).into_owned()).unwrap_or_default()
}

/// What the official tools call a kind of transaction (`Request.op2String`).
pub(super) fn op_name(op: OpCode) -> String {
    let name = match op {
        OpCode::CREATE => "create",
        OpCode::CREATE2 => "create2",
        OpCode::CREATE_TTL => "createTTL",
        OpCode::CREATE_CONTAINER => "createContainer",
        OpCode::DELETE => "delete",
        OpCode::DELETE_CONTAINER => "deleteContainer",
        OpCode::SET_DATA => "setData",
        OpCode::RECONFIG => "reconfig",
        OpCode::SET_ACL => "setACL",
        OpCode::CHECK => "check",
        OpCode::CREATE_SESSION => "createSession",
        OpCode::CLOSE_SESSION => "closeSession",
        OpCode::ERROR => "error",
        OpCode::MULTI => "multi",
        OpCode(other) => return format!("unknown {other}"),
    };
    name.to_owned()
}
