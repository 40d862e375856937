//! A snapshot, znode by znode (`SnapshotFormatter`).

use super::{Snapshot, Znode};
use crate::tools::{Terminal, ToolError, acl::acls, dates::Dates};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use oxkeeper_codec::Zxid;
use serde_json::{Value, json};
use std::path::Path;

/// The official text.
pub(crate) fn details(
    snapshot: &Snapshot,
    with_data: bool,
    terminal: &mut Terminal<'_>,
) -> Result<(), ToolError> {
    let (out, dates) = (&mut *terminal.out, Dates::of_system());
    // The root counts twice: it has two names there.
    writeln!(out, "ZNode Details (count={}):", snapshot.znodes.len() + 1)?;
    for znode in &snapshot.znodes {
        let hex = |zxid: Zxid| format!("{:#016x}", zxid.0);
        let stat = &znode.stat;
        writeln!(out, "----\n{}", znode.path)?;
        writeln!(out, "  cZxid = {}\n  ctime = {}", hex(stat.czxid), dates.of_znode(stat.ctime))?;
        writeln!(out, "  mZxid = {}\n  mtime = {}", hex(stat.mzxid), dates.of_znode(stat.mtime))?;
        writeln!(out, "  pZxid = {}\n  cversion = {}", hex(stat.pzxid), stat.cversion)?;
        writeln!(out, "  dataVersion = {}\n  aclVersion = {}", stat.version, stat.aversion)?;
        writeln!(out, "  ephemeralOwner = {:#016x}", stat.ephemeral_owner)?;
        if with_data {
            writeln!(out, "  data = {}", BASE64.encode(znode.data.as_deref().unwrap_or_default()))?;
        } else {
            writeln!(out, "  dataLength = {}", znode.data_len())?;
        }
    }
    writeln!(out, "----\nSession Details (sid, timeout, ephemeralCount):")?;
    let ephemerals = snapshot.ephemerals();
    for (id, timeout_ms) in &snapshot.sessions {
        writeln!(out, "{id:#016x}, {timeout_ms}, {}", ephemerals.get(id).unwrap_or(&0))?;
    }
    writeln!(out, "----\nLast zxid: {}", snapshot.last_zxid())?;
    Ok(())
}

/// The official text and, where there is one, the digest; or a JSON object on a line for each znode and each session.
pub(crate) fn show(
    file: &Path,
    with_data: bool,
    as_json: bool,
    terminal: &mut Terminal<'_>,
) -> Result<u8, ToolError> {
    let snapshot = Snapshot::load(file)?;
    if !as_json {
        details(&snapshot, with_data, terminal)?;
        if let Some(digest) = snapshot.tail.digest {
            writeln!(terminal.out, "Digest: 0x{:x} at {}", digest.digest, digest.zxid)?;
        }
        return Ok(0);
    }
    for znode in &snapshot.znodes {
        writeln!(terminal.out, "{}", object(&snapshot, znode, with_data))?;
    }
    let ephemerals = snapshot.ephemerals();
    for (id, timeout_ms) in &snapshot.sessions {
        let count = ephemerals.get(id).unwrap_or(&0);
        let object = json!({"session": format!("0x{id:x}"), "timeout_ms": timeout_ms, "ephemerals": count});
        writeln!(terminal.out, "{object}")?;
    }
    Ok(0)
}

fn object(snapshot: &Snapshot, znode: &Znode, with_data: bool) -> Value {
    let stat = &znode.stat;
    let acl = snapshot.acls.get(&znode.acl).map(|list| acls(list));
    let mut object = json!({
        "path": znode.path, "czxid": stat.czxid.to_string(), "mzxid": stat.mzxid.to_string(), "pzxid": stat.pzxid.to_string(),
        "ctime": Dates::iso(stat.ctime), "mtime": Dates::iso(stat.mtime), "version": stat.version, "cversion": stat.cversion,
        "aversion": stat.aversion, "ephemeral_owner": format!("0x{:x}", stat.ephemeral_owner), "data_length": znode.data_len(),
        "acl": acl,
    });
    if with_data {
        object["data"] = znode.data.as_ref().map(|data| BASE64.encode(data)).into();
    }
    object
}
