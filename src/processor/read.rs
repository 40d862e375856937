//! Answering what changes nothing (`FinalRequestProcessor`): a pure function of the tree and the request.
//!
//! Invariant: a reply is appended whole, header and body, or not at all; with an error there is no body.

use crate::{
    auth::{self, AuthConfig, Identities},
    tree::{NodeRef, Tree},
};
use oxkeeper_codec::{
    ByteStr, Code, Decode, Encode, OpCode, Perms, Reader, SessionId, Zxid,
    frame::{begin_frame, end_frame},
    is_null,
    records::{
        Acl, ExistsRequest, GetAclRequest, GetAllChildrenNumberRequest, GetChildrenRequest, GetDataRequest,
        GetEphemeralsRequest, ReplyHeader, RequestHeader, SyncRequest,
    },
    request::{OpResult, ReadOp, decode_multi, decode_multi_read, encode_results},
};
use std::borrow::Cow;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The session.
    pub session: SessionId,
    /// Identities of the connection.
    pub identities: &'a Identities,
    /// How ACLs are checked.
    pub auth: &'a AuthConfig,
}

/// A watch that a read asked for: it is to be set together with the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadWatch<'a> {
    /// On the data of a znode, or on its existence.
    Data(Cow<'a, str>),
    /// On the list of children.
    Child(Cow<'a, str>),
}

/// Whether [`answer`] answers this.
pub const fn is_read(op: OpCode) -> bool {
    matches!(
        op,
        OpCode::EXISTS
            | OpCode::GET_DATA
            | OpCode::GET_ACL
            | OpCode::GET_CHILDREN
            | OpCode::GET_CHILDREN2
            | OpCode::SYNC
            | OpCode::PING
            | OpCode::MULTI_READ
            | OpCode::GET_EPHEMERALS
            | OpCode::GET_ALL_CHILDREN_NUMBER
            | OpCode::WHO_AM_I
    )
}

/// Appends a reply: the frame around the header and what `body` appends.
pub fn reply(out: &mut Vec<u8>, xid: i32, zxid: Zxid, err: Code, body: impl FnOnce(&mut Vec<u8>)) {
    let start = begin_frame(out);
    ReplyHeader { xid, zxid, err }.encode(out);
    if err == Code::OK {
        body(out);
    }
    end_frame(out, start);
}

/// Answers a read: appends the reply to `out`, and returns the watch that it leaves.
///
/// `body` is what follows the request's header. Bytes behind the record are ignored.
pub fn answer<'a>(
    tree: &Tree,
    asker: Asker<'_>,
    header: &RequestHeader,
    body: &'a [u8],
    out: &mut Vec<u8>,
) -> Option<ReadWatch<'a>> {
    let zxid = tree.last_zxid();
    let start = begin_frame(out);
    let xid = if header.op == OpCode::PING { oxkeeper_codec::codes::XID_PING } else { header.xid };
    ReplyHeader { xid, zxid, err: Code::OK }.encode(out);
    let body_start = out.len();
    let mut reading = Reading { tree, asker, out, watch: None, stopped: false };
    let result = reading.dispatch(header.op, Reader::new(body));
    let Reading { watch, stopped, .. } = reading;
    if let Err(err) = result {
        // The one error with a body: the results so far.
        let results = if stopped { out.split_off(body_start) } else { Vec::new() };
        out.truncate(start + 4);
        ReplyHeader { xid, zxid, err }.encode(out);
        out.extend_from_slice(&results);
    }
    debug_assert!(out.len() >= body_start);
    end_frame(out, start);
    watch
}

struct Reading<'t, 'a> {
    tree: &'t Tree,
    asker: Asker<'t>,
    out: &'t mut Vec<u8>,
    watch: Option<ReadWatch<'a>>,
    /// A multi-read came to what it cannot do: a write, or a null path.
    stopped: bool,
}

/// A request's record, or the error for one that does not decode.
fn decode<'a, T: Decode<'a>>(mut reader: Reader<'a>) -> Result<T, Code> {
    T::decode(&mut reader).map_err(|_| Code::MARSHALLING_ERROR)
}

impl<'t, 'a> Reading<'t, 'a> {
    fn dispatch(&mut self, op: OpCode, reader: Reader<'a>) -> Result<(), Code> {
        match op {
            OpCode::GET_DATA => self.get_data(decode(reader)?),
            OpCode::EXISTS => self.exists(decode(reader)?),
            OpCode::GET_CHILDREN => self.get_children(decode(reader)?, false),
            OpCode::GET_CHILDREN2 => self.get_children(decode(reader)?, true),
            OpCode::GET_ACL => self.get_acl(&decode(reader)?),
            OpCode::SYNC => {
                match decode::<SyncRequest<'_>>(reader)?.path {
                    Some(path) => encode_text(&path, self.out),
                    null => null.encode(self.out),
                }
                Ok(())
            }
            OpCode::PING => Ok(()),
            OpCode::MULTI_READ => self.multi_read(reader),
            OpCode::GET_EPHEMERALS => self.get_ephemerals(&decode(reader)?),
            OpCode::GET_ALL_CHILDREN_NUMBER => self.count_descendants(&decode(reader)?),
            OpCode::WHO_AM_I => {
                let infos = auth::who_am_i(self.asker.identities);
                i32::try_from(infos.len()).unwrap_or(i32::MAX).encode(self.out);
                for info in infos {
                    encode_text(&info.auth_scheme, self.out);
                    encode_text(&info.user, self.out);
                }
                Ok(())
            }
            _ => Err(Code::UNIMPLEMENTED),
        }
    }

    fn may(&self, node: &NodeRef<'_>, wanted: Perms) -> bool {
        node.is_open() || auth::check(node.acl(), wanted, self.asker.identities, self.asker.auth)
    }

    /// The znode, if it is there and may be read; in this order.
    fn readable(&self, path: &str) -> Result<NodeRef<'t>, Code> {
        let node = self.tree.get(path).ok_or(Code::NO_NODE)?;
        if self.may(&node, Perms::READ) { Ok(node) } else { Err(Code::NO_AUTH) }
    }

    fn get_data(&mut self, request: GetDataRequest<'a>) -> Result<(), Code> {
        let node = self.readable(&request.path)?;
        node.data().encode(self.out);
        node.stat().encode(self.out);
        self.watch = request.watch.then_some(ReadWatch::Data(request.path));
        Ok(())
    }

    /// Leaves its watch also when there is no such znode.
    fn exists(&mut self, request: ExistsRequest<'a>) -> Result<(), Code> {
        if request.path.contains('\0') {
            return Err(Code::BAD_ARGUMENTS);
        }
        let node = match self.readable(&request.path) {
            Err(Code::NO_AUTH) => return Err(Code::NO_AUTH),
            found => found,
        };
        self.watch = request.watch.then_some(ReadWatch::Data(request.path));
        node?.stat().encode(self.out);
        Ok(())
    }

    fn get_children(&mut self, request: GetChildrenRequest<'a>, with_stat: bool) -> Result<(), Code> {
        let node = self.readable(&request.path)?;
        encode_names(&node, self.out);
        if with_stat {
            node.stat().encode(self.out);
        }
        self.watch = request.watch.then_some(ReadWatch::Child(request.path));
        Ok(())
    }

    fn get_acl(&mut self, request: &GetAclRequest<'_>) -> Result<(), Code> {
        let node = self.tree.get(&request.path).ok_or(Code::NO_NODE)?;
        if !self.may(&node, Perms(Perms::READ.0 | Perms::ADMIN.0)) {
            return Err(Code::NO_AUTH);
        }
        if self.may(&node, Perms::ADMIN) {
            encode_acl(node.acl(), self.out);
        } else {
            encode_acl(&auth::mask_for_reader(node.acl()), self.out);
        }
        node.stat().encode(self.out);
        Ok(())
    }

    fn count_descendants(&mut self, request: &GetAllChildrenNumberRequest<'_>) -> Result<(), Code> {
        let mut count = self.readable(&request.path)?.descendants();
        if request.path.is_empty() {
            // Under this name of the root the official server counts its other name, "/", too.
            count += 1;
        }
        i32::try_from(count).unwrap_or(i32::MAX).encode(self.out);
        Ok(())
    }

    /// The prefix is plain text, not cut at slashes.
    fn get_ephemerals(&mut self, request: &GetEphemeralsRequest<'_>) -> Result<(), Code> {
        let prefix = request.prefix_path.as_deref().unwrap_or_default();
        // What Java's `trim` takes away.
        let trimmed = prefix.trim_matches(|c| c <= ' ');
        let all = matches!(trimmed, "" | "/");
        let paths =
            self.tree.ephemerals_of(self.asker.session).filter(|path| all || path.starts_with(prefix));
        let paths: Vec<ByteStr> = paths.map(ByteStr::from).collect();
        paths.encode(self.out);
        Ok(())
    }

    /// Errors stay with their operation and do not stop the rest; a null path does, and so does a write.
    fn multi_read(&mut self, reader: Reader<'a>) -> Result<(), Code> {
        let mut reader = reader.taking_nulls();
        let as_writes = decode_multi(&mut reader.clone());
        let ops = match decode_multi_read(&mut reader) {
            Ok(ops) => ops,
            Err(_) if as_writes.is_ok() => Vec::new(),
            Err(_) => return Err(Code::MARSHALLING_ERROR),
        };
        self.stopped = as_writes.is_ok_and(|ops| !ops.is_empty()) || ops.iter().any(|op| is_null(op.path()));
        for op in ops.iter().take_while(|op| !is_null(op.path())) {
            let result = match op {
                ReadOp::GetData(request) => self.readable(&request.path).map(|node| {
                    OpResult::GetData(node.data().map(bytes::Bytes::copy_from_slice), node.stat())
                }),
                ReadOp::GetChildren(request) => {
                    let name = |node: NodeRef<'_>| {
                        ByteStr::from_bytes_lossy(bytes::Bytes::copy_from_slice(node.name()))
                    };
                    self.readable(&request.path)
                        .map(|node| OpResult::GetChildren(node.children().map(name).collect()))
                }
            };
            let result = result.unwrap_or_else(OpResult::Error);
            oxkeeper_codec::request::encode_result(&result, self.out);
        }
        encode_results(&[], self.out);
        if self.stopped { Err(Code::MARSHALLING_ERROR) } else { Ok(()) }
    }
}

/// Appends text as the official server writes it to clients: each half of a surrogate pair by itself, in three bytes.
pub fn encode_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(|byte| byte < 0xf0) {
        return text.encode(out);
    }
    let mut bytes = Vec::with_capacity(text.len() * 2);
    for unit in text.encode_utf16() {
        let [high, middle, low] =
            [unit >> 12, unit >> 6 & 0x3f, unit & 0x3f].map(|bits| u8::try_from(bits).unwrap_or(0));
        match unit {
            0..=0x7f => bytes.push(low | middle << 6),
            0x80..=0x7ff => bytes.extend([0xc0 | middle, 0x80 | low]),
            _ => bytes.extend([0xe0 | high, 0x80 | middle, 0x80 | low]),
        }
    }
    Some(&bytes[..]).encode(out);
}

fn encode_acl(acl: &[Acl], out: &mut Vec<u8>) {
    i32::try_from(acl.len()).unwrap_or(i32::MAX).encode(out);
    for Acl { perms, id } in acl {
        perms.encode(out);
        encode_text(&id.scheme, out);
        encode_text(&id.id, out);
    }
}

/// Appends the names of children as a vector of text.
pub fn encode_names(node: &NodeRef<'_>, out: &mut Vec<u8>) {
    let children = node.children();
    i32::try_from(children.len()).unwrap_or(i32::MAX).encode(out);
    for child in children {
        Some(child.name()).encode(out);
    }
}
