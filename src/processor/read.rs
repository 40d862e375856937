//! Answering what changes nothing (`FinalRequestProcessor`): a pure function of the tree and the request.
//!
//! Invariant: a reply is appended whole, header and body, or not at all; with an error there is no body.

pub use super::{
    asker::{Asker, ReadWatch},
    long_read::MULTI_READ_MAX_BYTES,
    pieces::BODY_MAX_BYTES,
};
use super::{
    asker::{may, readable},
    long_read::LongRead,
};
use crate::{
    auth,
    tree::{NodeRef, Tree},
};
use oxkeeper_codec::{
    Code, Decode, Encode, OpCode, Perms, Reader, Zxid,
    frame::{PREFIX_LEN, TooLong, begin_frame, end_frame},
    records::{
        Acl, ExistsRequest, GetAclRequest, GetAllChildrenNumberRequest, GetChildrenRequest, GetDataRequest,
        ReplyHeader, RequestHeader, SyncRequest,
    },
};

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

/// The error for a reply that cannot be sent, and that has no body therefore.
const TOO_LONG: Code = Code::MARSHALLING_ERROR;

/// Appends a reply: the frame around the header and what `body` appends.
pub fn reply(out: &mut Vec<u8>, xid: i32, zxid: Zxid, err: Code, body: impl FnOnce(&mut Vec<u8>)) {
    let start = begin_frame(out);
    ReplyHeader { xid, zxid, err }.encode(out);
    if err == Code::OK {
        body(out);
    }
    if end_frame(out, start) == Err(TooLong) {
        refuse_long(out, start, ReplyHeader { xid, zxid, err: TOO_LONG });
    }
}

/// Puts a reply without a body in the place of one that is too long.
fn refuse_long(out: &mut Vec<u8>, start: usize, header: ReplyHeader) {
    out.truncate(start);
    begin_frame(out);
    header.encode(out);
    // The buffer is to have no room for the next of its kind.
    out.shrink_to_fit();
    end_frame(out, start).expect("a header has 16 bytes");
}

/// What an answer leaves behind, besides the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The watch that is to be set together with the reply.
    pub watch: Option<ReadWatch<'a>>,
    /// The reply would have been too long, and says so instead.
    pub too_long: bool,
}

/// Answers a read: appends the reply to `out`.
///
/// `body` is what follows the request's header. Bytes behind the record are ignored.
pub fn answer<'a>(
    tree: &Tree,
    asker: Asker<'_>,
    header: &RequestHeader,
    body: &'a [u8],
    out: &mut Vec<u8>,
) -> Answered<'a> {
    let zxid = tree.last_zxid();
    let start = begin_frame(out);
    let xid = if header.op == OpCode::PING { oxkeeper_codec::codes::XID_PING } else { header.xid };
    ReplyHeader { xid, zxid, err: Code::OK }.encode(out);
    let body_start = out.len();
    let mut reading = Reading { tree, asker, out, watch: None, stopped: false, too_long: false };
    let result = reading.dispatch(header.op, body);
    let Reading { mut watch, stopped, mut too_long, .. } = reading;
    if let Err(err) = result {
        // The one error with a body: the results so far.
        let results = if stopped { out.split_off(body_start) } else { Vec::new() };
        out.truncate(start + PREFIX_LEN);
        ReplyHeader { xid, zxid, err }.encode(out);
        out.extend_from_slice(&results);
    }
    too_long |= end_frame(out, start) == Err(TooLong);
    if too_long {
        refuse_long(out, start, ReplyHeader { xid, zxid, err: TOO_LONG });
        watch = None;
    }
    Answered { watch, too_long }
}

/// Length of what stands before the body of a reply, in bytes: prefix and header.
pub const HEAD_LEN: usize = PREFIX_LEN + 16;

/// From this length on, in bytes, the data of a znode is worth sharing among replies.
pub const LARGE_DATA_BYTES: usize = 16 << 10;

/// The znode that a getData asks for, if its data is large and the asker may read it; and the watch that it leaves.
pub fn large_data<'t, 'a>(
    tree: &'t Tree,
    asker: Asker<'_>,
    op: OpCode,
    body: &'a [u8],
) -> Option<(NodeRef<'t>, Option<ReadWatch<'a>>)> {
    if op != OpCode::GET_DATA {
        return None;
    }
    let request = GetDataRequest::from_slice(body).ok()?;
    let node = tree.get(&request.path)?;
    let large = node.data().is_some_and(|data| data.len() >= LARGE_DATA_BYTES);
    (large && may(asker, &node, Perms::READ))
        .then(|| (node, request.watch.then_some(ReadWatch::Data(request.path))))
}

/// Appends the beginning of a reply whose body, of so many bytes, stands elsewhere. It has [`BODY_MAX_BYTES`] at most.
pub fn reply_head(out: &mut Vec<u8>, header: ReplyHeader, body_len: usize) {
    let start = begin_frame(out);
    header.encode(out);
    let len = out.len() - start - PREFIX_LEN + body_len;
    let len = i32::try_from(len).expect("the caller has looked at the length");
    out[start..start + PREFIX_LEN].copy_from_slice(&len.to_be_bytes());
}

struct Reading<'t, 'a> {
    tree: &'t Tree,
    asker: Asker<'t>,
    out: &'t mut Vec<u8>,
    watch: Option<ReadWatch<'a>>,
    /// A multi-read came to what it cannot do: a write, or a null path.
    stopped: bool,
    /// A multi-read asked for more than [`MULTI_READ_MAX_BYTES`].
    too_long: bool,
}

/// A request's record, or the error for one that does not decode.
fn decode<'a, T: Decode<'a>>(mut reader: Reader<'a>) -> Result<T, Code> {
    T::decode(&mut reader).map_err(|_| Code::MARSHALLING_ERROR)
}

impl<'t, 'a> Reading<'t, 'a> {
    fn dispatch(&mut self, op: OpCode, body: &'a [u8]) -> Result<(), Code> {
        let reader = Reader::new(body);
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
            OpCode::MULTI_READ | OpCode::GET_EPHEMERALS => self.in_steps(op, body),
            OpCode::GET_ALL_CHILDREN_NUMBER => self.count_descendants(&decode(reader)?),
            OpCode::WHO_AM_I => {
                let infos = auth::who_am_i(self.asker.auth, self.asker.identities);
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
        may(self.asker, node, wanted)
    }

    fn readable(&self, path: &str) -> Result<NodeRef<'t>, Code> {
        readable(self.tree, self.asker, path)
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

    /// What is always answered in steps: all of them, one after the other.
    fn in_steps(&mut self, op: OpCode, body: &[u8]) -> Result<(), Code> {
        let mut read = LongRead::begin(self.tree, op, body).ok_or(Code::MARSHALLING_ERROR)?;
        let ended = std::iter::repeat_with(|| read.advance(self.tree, self.asker, op));
        let ended = ended.flatten().next().expect("each step does something");
        ended.body.into_iter().for_each(|piece| self.out.extend_from_slice(&piece));
        self.too_long = ended.too_long;
        self.stopped = ended.code != Code::OK && !ended.too_long;
        if self.stopped { Err(ended.code) } else { Ok(()) }
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

#[cfg(test)]
mod tests;
