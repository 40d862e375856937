//! What clients of this server have changed, for the audit log: told when the reply is made.

use super::{conn::Conn, front::Front};
use crate::{
    auth::{self, Identities},
    server::figures::{Audited, Outcome},
};
use bytes::Bytes;
use oxkeeper_codec::{
    ByteStr, Code, Decode, OpCode, Perms, Reader,
    frame::PREFIX_LEN,
    records::{
        Acl, CreateRequest, CreateTtlRequest, DeleteRequest, MultiHeader, SetAclRequest, SetDataRequest, Stat,
    },
    request::{WriteOp, decode_multi},
};

/// Length of a reply's header, in bytes.
const HEADER_LEN: usize = 16;

/// A request that is audited, as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    op: OpCode,
    body: Bytes,
    identities: Identities,
}

/// One change, without who has made it.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    operation: &'static str,
    znode: Option<ByteStr>,
    znode_type: Option<&'static str>,
    acl: Option<String>,
    outcome: Outcome,
}

impl Asked {
    /// What is to be kept of a request; `None` if it is none that is audited.
    pub(super) fn of(op: OpCode, body: &Bytes, identities: &Identities) -> Option<Box<Self>> {
        let is_audited = matches!(
            op,
            OpCode::CREATE
                | OpCode::CREATE2
                | OpCode::CREATE_CONTAINER
                | OpCode::CREATE_TTL
                | OpCode::DELETE
                | OpCode::SET_DATA
                | OpCode::SET_ACL
                | OpCode::MULTI
                | OpCode::RECONFIG
        );
        is_audited.then(|| Box::new(Self { op, body: body.clone(), identities: identities.clone() }))
    }

    /// Tells what has become of it; `frame` is the reply.
    pub(super) fn tell(&self, front: &Front, conn: &Conn, code: Code, frame: &[u8]) {
        let Some(audit) = &front.hub.audit else { return };
        let users = auth::users(&front.auth, &self.identities);
        let reply = frame.get(PREFIX_LEN + HEADER_LEN..).unwrap_or_default();
        for Line { operation, znode, znode_type, acl, outcome } in self.lines(code, reply) {
            audit.write(&Audited {
                session: conn.session,
                user: Some(&*users).filter(|users| !users.is_empty()),
                ip: Some(conn.peer.ip()),
                operation,
                znode: znode.as_deref(),
                znode_type,
                acl: acl.as_deref(),
                outcome,
            });
        }
    }

    fn lines(&self, code: Code, reply: &[u8]) -> Vec<Line> {
        let outcome = if code == Code::OK { Outcome::Success } else { Outcome::Failure };
        let reader = &mut Reader::new(&self.body);
        let line = match self.op {
            OpCode::MULTI => return self.multi(outcome, reply),
            OpCode::CREATE | OpCode::CREATE2 | OpCode::CREATE_CONTAINER => {
                CreateRequest::decode(reader).ok().map(|asked| created(asked.path, asked.flags, outcome))
            }
            OpCode::CREATE_TTL => {
                CreateTtlRequest::decode(reader).ok().map(|asked| created(asked.path, asked.flags, outcome))
            }
            OpCode::DELETE => {
                DeleteRequest::decode(reader).ok().map(|asked| line("delete", Some(asked.path), outcome))
            }
            OpCode::SET_DATA => {
                SetDataRequest::decode(reader).ok().map(|asked| line("setData", Some(asked.path), outcome))
            }
            OpCode::SET_ACL => SetAclRequest::decode(reader).ok().map(|asked| Line {
                acl: Some(shown(asked.acl.as_deref().unwrap_or_default())),
                ..line("setAcl", Some(asked.path), outcome)
            }),
            OpCode::RECONFIG => Some(line("reconfig", None, outcome)),
            _ => None,
        };
        let Some(mut line) = line else { return Vec::new() };
        if line.operation == "create"
            && outcome == Outcome::Success
            && let Ok(path) = ByteStr::decode(&mut Reader::new(reply))
        {
            // The name that a sequential one has got.
            line.znode = Some(path);
        }
        vec![line]
    }

    /// A line for each part that was done, or one for all of them.
    fn multi(&self, outcome: Outcome, reply: &[u8]) -> Vec<Line> {
        let failed = || vec![line("multiOperation", None, Outcome::Failure)];
        let (Ok(asked), true) = (decode_multi(&mut Reader::new(&self.body)), outcome == Outcome::Success)
        else {
            return failed();
        };
        let reader = &mut Reader::new(reply);
        let mut lines = Vec::new();
        for part in asked {
            let Some(created_path) = done(reader) else { return failed() };
            match part {
                WriteOp::Create(_, asked) => {
                    lines.push(created(created_path.unwrap_or(asked.path), asked.flags, outcome));
                }
                WriteOp::CreateTtl(asked) => {
                    lines.push(created(created_path.unwrap_or(asked.path), asked.flags, outcome));
                }
                WriteOp::Delete(asked) => lines.push(line("delete", Some(asked.path), outcome)),
                WriteOp::SetData(asked) => lines.push(line("setData", Some(asked.path), outcome)),
                WriteOp::Check(_) => {}
            }
        }
        lines
    }
}

/// Reads the next result of a multi: the path that it has created, if it is that. `None`: it failed.
fn done(reader: &mut Reader<'_>) -> Option<Option<ByteStr>> {
    let header = MultiHeader::decode(reader).ok().filter(|header| !header.done)?;
    let path = matches!(header.op, OpCode::CREATE | OpCode::CREATE2).then(|| ByteStr::decode(reader).ok());
    match header.op {
        OpCode::CREATE2 | OpCode::SET_DATA => {
            Stat::decode(reader).ok()?;
        }
        OpCode::ERROR => return None,
        _ => {}
    }
    Some(path.flatten())
}

const fn line(operation: &'static str, znode: Option<ByteStr>, outcome: Outcome) -> Line {
    Line { operation, znode, znode_type: None, acl: None, outcome }
}

fn created(path: ByteStr, flags: i32, outcome: Outcome) -> Line {
    let znode_type = match flags {
        0 => Some("persistent"),
        1 => Some("ephemeral"),
        2 => Some("persistent_sequential"),
        3 => Some("ephemeral_sequential"),
        4 => Some("container"),
        5 => Some("persistent_with_ttl"),
        6 => Some("persistent_sequential_with_ttl"),
        _ => None,
    };
    Line { znode_type, ..line("create", Some(path), outcome) }
}

/// An ACL as the official server writes it: entries with nothing between them (`ZKUtil.aclToString`).
fn shown(acl: &[Acl]) -> String {
    const LETTERS: [(Perms, char); 5] = [
        (Perms::CREATE, 'c'),
        (Perms::DELETE, 'd'),
        (Perms::READ, 'r'),
        (Perms::WRITE, 'w'),
        (Perms::ADMIN, 'a'),
    ];
    let entry = |Acl { perms, id }: &Acl| {
        let perms = LETTERS.iter().filter(|(perm, _)| perms.intersects(*perm)).map(|(_, letter)| letter);
        format!("{}:{}:{}", id.scheme, id.id, perms.collect::<String>())
    };
    acl.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxkeeper_codec::{
        Encode,
        records::Id,
        request::{OpResult, encode_results},
    };

    fn asked(op: OpCode, body: &impl Encode) -> Asked {
        let ids = Identities::new([127, 0, 0, 1].into());
        *Asked::of(op, &Bytes::from(body.to_vec()), &ids).expect("it is audited")
    }

    #[test]
    fn a_sequential_one_has_the_name_that_it_got() {
        let open = vec![Acl { perms: Perms::ALL, id: Id { scheme: "world".into(), id: "anyone".into() } }];
        let create = CreateRequest { path: "/a-".into(), data: None, acl: Some(open), flags: 3 };
        let asked = asked(OpCode::CREATE, &create);
        let done = asked.lines(Code::OK, &ByteStr::from_static("/a-0000000007").to_vec());
        assert_eq!(done, [created("/a-0000000007".into(), 3, Outcome::Success)]);
        let failed = asked.lines(Code::NO_NODE, &[]);
        assert_eq!(failed, [created("/a-".into(), 3, Outcome::Failure)]);
    }

    #[test]
    fn entries_of_an_acl_stand_side_by_side() {
        let entry = |perms, scheme: &'static str, id: &'static str| Acl {
            perms,
            id: Id { scheme: scheme.into(), id: id.into() },
        };
        let acl = [entry(Perms::ALL, "world", "anyone"), entry(Perms::READ, "digest", "x:y")];
        assert_eq!(shown(&acl), "world:anyone:cdrwadigest:x:y:r");
    }

    #[test]
    fn a_multi_that_failed_is_one_line() {
        let mut body = Vec::new();
        for op in [OpCode::DELETE, OpCode::CHECK] {
            MultiHeader { op, done: false, err: -1 }.encode(&mut body);
            DeleteRequest { path: "/x".into(), version: 0 }.encode(&mut body);
        }
        MultiHeader { op: OpCode::ERROR, done: true, err: -1 }.encode(&mut body);
        let ids = Identities::none();
        let asked = Asked::of(OpCode::MULTI, &Bytes::from(body), &ids).expect("it is audited");
        let mut reply = Vec::new();
        encode_results(&[OpResult::Delete, OpResult::Check], &mut reply);
        assert_eq!(
            asked.lines(Code::OK, &reply),
            [line("delete", Some("/x".into()), Outcome::Success)],
            "a check changes nothing"
        );
        reply.clear();
        encode_results(&[OpResult::Error(Code::OK), OpResult::Error(Code::BAD_VERSION)], &mut reply);
        assert_eq!(asked.lines(Code::OK, &reply), [line("multiOperation", None, Outcome::Failure)]);
    }
}
