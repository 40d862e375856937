//! The whole tree of a server as lines, and how it is made empty again.

use super::side::Side;
use crate::client::{OPEN, Outcome};
use crate::requests::{auth_body, delete_body, read_body, set_acl_body, set_body};
use crate::session::{Answer, Session};
use crate::transcript::ACL_SET;
use crate::wire::Out;

/// Nodes that every tree has; the official server takes none of them away.
const OWN: &[&str] = &["/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"];

/// A session that may do everything.
///
/// # Errors
/// When there is none to be had.
pub fn superuser(side: &Side) -> Outcome<Session> {
    let mut session = Session::open(side.server.addr, 60_000)?;
    session.call(100, &auth_body("digest", b"super:admin"))?.ok()?;
    Ok(session)
}

/// Every node: data, all fields but times, and ACL.
///
/// # Errors
/// When a node cannot be read.
pub fn lines(side: &Side, session: &mut Session) -> Outcome<Vec<String>> {
    let mut lines = Vec::new();
    let mut left = vec!["/".to_owned()];
    while let Some(path) = left.pop() {
        for op in [4, 6] {
            let body = if op == 4 { read_body(&path, 0) } else { Out::new().str(&path).done() };
            let shown = show(side, op, &session.call(op, &body)?);
            lines.push(format!("{path} {op} -> {shown}"));
        }
        left.extend(children(session, &path)?);
    }
    Ok(lines)
}

fn children(session: &mut Session, path: &str) -> Outcome<Vec<String>> {
    let mut names = session.children(path)?;
    names.sort();
    let parent = path.trim_end_matches('/');
    Ok(names.into_iter().map(|name| format!("{parent}/{name}")).collect())
}

fn show(side: &Side, op: i32, answer: &Answer) -> String {
    // Entries of the scheme auth come out of a hash set of the official server.
    let op = if op == 6 { ACL_SET } else { op };
    let packet = Out::new().int(0).long(answer.zxid).int(answer.err).raw(&answer.body).done();
    side.log.borrow().reply(op, &packet)
}

/// Takes away all nodes that a sequence has left behind.
///
/// # Errors
/// When the server refuses.
pub fn clear(session: &mut Session) -> Outcome {
    let mut found = vec!["/".to_owned()];
    let mut at = 0;
    while let Some(path) = found.get(at).cloned() {
        at += 1;
        found.extend(children(session, &path)?);
    }
    for path in found.iter().rev() {
        if !OWN.contains(&path.as_str()) {
            session.call(2, &delete_body(path, -1))?.ok().map_err(|e| format!("delete {path}: {e}"))?;
        }
    }
    for path in OWN {
        session
            .call(7, &set_acl_body(path, Some(OPEN), -1))?
            .ok()
            .map_err(|e| format!("setACL {path}: {e}"))?;
        session.call(5, &set_body(path, Some(b""), -1))?.ok().map_err(|e| format!("setData {path}: {e}"))?;
    }
    Ok(())
}
