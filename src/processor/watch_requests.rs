//! Requests about a connection's own watches: adding, checking, removing them, and bringing them back
//! (`FinalRequestProcessor`). They change that connection's watches and nothing else, and look at no znode.

use super::set_watches::Again;
use crate::watch::{ConnKey, WatchTable, WatcherKind};
use oxkeeper_codec::{
    Code, Decode, EventType, OpCode, Reader, is_null,
    records::{AddWatchRequest, CheckWatchesRequest},
};

/// Nothing ever happens at a null path, but it can be watched. This is its name in listings, and no znode's.
const NULL: &str = "null";

/// The path under which a watch is kept.
fn watched(path: &str) -> &str {
    if is_null(path) { NULL } else { path }
}

/// Adds a persistent watch, recursive or not.
///
/// # Errors
/// The code of the reply: the body does not decode, or its mode is none.
pub fn add_watch(watches: &mut WatchTable, conn: ConnKey, body: &[u8]) -> Result<(), Code> {
    let request = AddWatchRequest::from_slice(body).map_err(|_| Code::MARSHALLING_ERROR)?;
    let path = request.path.as_deref().unwrap_or(NULL);
    match request.mode {
        0 => watches.add_persistent(path, conn),
        1 => watches.add_recursive(path, conn),
        _ => return Err(Code::MARSHALLING_ERROR),
    }
    Ok(())
}

/// Checks or removes watches (op code `CHECK_WATCHES` or `REMOVE_WATCHES`; both requests have the same form).
///
/// # Errors
/// The code of the reply: the body does not decode, its kind is none, or there is no such watch.
pub fn check_or_remove(watches: &mut WatchTable, conn: ConnKey, op: OpCode, body: &[u8]) -> Result<(), Code> {
    let mut reader = Reader::new(body).taking_nulls();
    let request = CheckWatchesRequest::decode(&mut reader).map_err(|_| Code::MARSHALLING_ERROR)?;
    let kind = WatcherKind::from_wire(request.kind).ok_or(Code::MARSHALLING_ERROR)?;
    let path = watched(&request.path);
    let found = if op == OpCode::CHECK_WATCHES {
        watches.contains(path, kind, conn)
    } else {
        watches.remove(path, kind, conn)
    };
    if found { Ok(()) } else { Err(Code::NO_WATCHER) }
}

/// Brings a watch back; or, where something has happened since, leaves it and returns what it is told.
pub fn bring_back(watches: &mut WatchTable, conn: ConnKey, path: &str, again: Again) -> Option<EventType> {
    match again {
        Again::Told(event) => return Some(event),
        Again::Silent => {}
        Again::Data => watches.add_data(path, conn),
        Again::Child => watches.add_child(path, conn),
        Again::Persistent => watches.add_persistent(watched(path), conn),
        Again::Recursive => watches.add_recursive(watched(path), conn),
    }
    None
}
