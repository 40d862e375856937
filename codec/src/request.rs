//! What arrives from clients, beyond single records: the handshake in all its forms, and the two multis.

use crate::{
    ByteStr, Code, Decode, DecodeError, Encode, ErrorKind, OpCode, Reader, SessionId, Zxid,
    records::{
        CheckVersionRequest, ConnectRequest, ConnectResponse, CreateRequest, CreateTtlRequest, DeleteRequest,
        GetChildrenRequest, GetDataRequest, MultiHeader, SetDataRequest, Stat,
    },
    wire::Result,
};
use bytes::Bytes;

/// Length of a session password, in bytes.
pub const PASSWORD_LEN: usize = 16;

/// A connect request, with or without the trailing read-only byte (clients of 3.3 and some others leave it out).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The request; without the byte, `read_only` is false.
    pub request: ConnectRequest,
    /// Whether the byte was there: the answer has it then, too.
    pub has_read_only: bool,
}

impl Handshake {
    /// Decodes the body of a connection's first frame.
    ///
    /// # Errors
    /// The body is too short or a length in it is bad.
    pub fn from_slice(body: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(body);
        let protocol_version = i32::decode(&mut reader)?;
        let last_zxid_seen = Zxid::decode(&mut reader)?;
        let time_out = i32::decode(&mut reader)?;
        let session_id = SessionId::decode(&mut reader)?;
        let passwd = reader.bytes().map_err(|e| e.within("passwd"))?;
        let has_read_only = reader.remaining() > 0;
        let read_only = has_read_only && bool::decode(&mut reader)?;
        let request =
            ConnectRequest { protocol_version, last_zxid_seen, time_out, session_id, passwd, read_only };
        Ok(Self { request, has_read_only })
    }
}

/// Appends a connect response: 37 bytes, or 36 without the read-only byte.
pub fn encode_connect_response(response: &ConnectResponse, with_read_only: bool, out: &mut Vec<u8>) {
    response.encode(out);
    if !with_read_only {
        out.pop();
    }
}

/// One operation of a multi (op code 14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOp {
    /// `CREATE`, `CREATE2` or `CREATE_CONTAINER`.
    Create(OpCode, CreateRequest),
    /// `CREATE_TTL`.
    CreateTtl(CreateTtlRequest),
    /// `DELETE`.
    Delete(DeleteRequest),
    /// `SET_DATA`.
    SetData(SetDataRequest),
    /// `CHECK`.
    Check(CheckVersionRequest),
}

/// One operation of a multi-read (op code 22); watch flags inside are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOp<'a> {
    /// `GET_DATA`.
    GetData(GetDataRequest<'a>),
    /// `GET_CHILDREN`.
    GetChildren(GetChildrenRequest<'a>),
}

/// Flags that make sense to a create (`CreateMode`).
pub const CREATE_FLAGS: std::ops::RangeInclusive<i32> = 0..=6;
/// Those of them that a create inside a multi takes: the others want a time to live, which it does not have.
const MULTI_CREATE_FLAGS: std::ops::RangeInclusive<i32> = 0..=4;

/// The flag of `CreateMode.CONTAINER`.
const CONTAINER_FLAG: i32 = 4;

impl WriteOp {
    /// Inside a multi the flags decide: without a TTL flag it is a create like any other (`Op.create`).
    fn from_create_ttl(request: CreateTtlRequest) -> Self {
        let op = match request.flags {
            5 | 6 => return Self::CreateTtl(request),
            CONTAINER_FLAG => OpCode::CREATE_CONTAINER,
            _ => OpCode::CREATE,
        };
        let CreateTtlRequest { path, data, acl, flags, .. } = request;
        Self::Create(op, CreateRequest { path, data, acl, flags })
    }

    /// The path.
    pub const fn path(&self) -> &ByteStr {
        match self {
            Self::Create(_, CreateRequest { path, .. })
            | Self::CreateTtl(CreateTtlRequest { path, .. })
            | Self::Delete(DeleteRequest { path, .. })
            | Self::SetData(SetDataRequest { path, .. })
            | Self::Check(CheckVersionRequest { path, .. }) => path,
        }
    }

    fn decode(op: OpCode, reader: &mut Reader<'_>) -> Result<Self> {
        Ok(match op {
            OpCode::CREATE | OpCode::CREATE2 | OpCode::CREATE_CONTAINER => {
                let request = CreateRequest::decode(reader)?;
                if CREATE_FLAGS.contains(&request.flags) && request.acl.is_none() {
                    return Err(reader.error(ErrorKind::UnexpectedNull).within("acl"));
                }
                if !MULTI_CREATE_FLAGS.contains(&request.flags) {
                    return Err(reader.error(ErrorKind::BadValue(request.flags.into())).within("flags"));
                }
                // The flags decide here, too; without that one the op code does (`Op.Create.getOpcode`).
                let op = if request.flags == CONTAINER_FLAG { OpCode::CREATE_CONTAINER } else { op };
                Self::Create(op, request)
            }
            OpCode::CREATE_TTL => Self::from_create_ttl(CreateTtlRequest::decode(reader)?),
            OpCode::DELETE => Self::Delete(DeleteRequest::decode(reader)?),
            OpCode::SET_DATA => Self::SetData(SetDataRequest::decode(reader)?),
            OpCode::CHECK => Self::Check(CheckVersionRequest::decode(reader)?),
            _ => return Err(reader.error(ErrorKind::BadValue(op.0.into())).within("op")),
        })
    }
}

impl<'a> ReadOp<'a> {
    /// The path.
    pub fn path(&self) -> &str {
        match self {
            Self::GetData(request) => &request.path,
            Self::GetChildren(request) => &request.path,
        }
    }

    fn decode(op: OpCode, reader: &mut Reader<'a>) -> Result<Self> {
        Ok(match op {
            OpCode::GET_DATA => Self::GetData(GetDataRequest::decode(reader)?),
            OpCode::GET_CHILDREN => Self::GetChildren(GetChildrenRequest::decode(reader)?),
            _ => return Err(reader.error(ErrorKind::BadValue(op.0.into())).within("op")),
        })
    }
}

fn decode_ops<'a, T>(
    reader: &mut Reader<'a>,
    decode: impl Fn(OpCode, &mut Reader<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut ops = Vec::new();
    loop {
        let header = MultiHeader::decode(reader)?;
        if header.done {
            return Ok(ops);
        }
        ops.push(decode(header.op, reader)?);
    }
}

/// Decodes the operations of a multi: headers and records, ended by a header that says so.
///
/// # Errors
/// The list is cut short, or holds an operation that a multi does not take (reads among them). The kind is
/// [`ErrorKind::UnexpectedNull`] at a create without an ACL (and at null paths, unless the reader takes those).
pub fn decode_multi(reader: &mut Reader<'_>) -> Result<Vec<WriteOp>> {
    let mut ops = Vec::new();
    loop {
        let header = MultiHeader::decode(reader)?;
        if header.done {
            return Ok(ops);
        }
        if ops.is_empty() && is_read(header.op) {
            return Err(begins_with_reads(header.op, reader));
        }
        ops.push(WriteOp::decode(header.op, reader)?);
    }
}

const fn is_read(op: OpCode) -> bool {
    matches!(op, OpCode::GET_DATA | OpCode::GET_CHILDREN)
}

/// What is wrong with a multi that begins with a read. The official server sees that only at the first write that it
/// has decoded, or at the end.
fn begins_with_reads(first: OpCode, reader: &mut Reader<'_>) -> DecodeError {
    let mut op = first;
    while is_read(op) {
        let next = ReadOp::decode(op, reader).and_then(|_| MultiHeader::decode(reader));
        match next {
            Ok(header) if !header.done => op = header.op,
            Ok(_) => return reader.error(ErrorKind::BadValue(op.0.into())).within("op"),
            Err(error) => return error,
        }
    }
    let mixed = |_| reader.clone().error(ErrorKind::BadValue(op.0.into())).within("op");
    WriteOp::decode(op, &mut reader.clone()).map_or_else(|error| error, mixed)
}

/// Decodes the operations of a multi-read.
///
/// # Errors
/// The list is cut short, or holds an operation that a multi-read does not take.
pub fn decode_multi_read<'a>(reader: &mut Reader<'a>) -> Result<Vec<ReadOp<'a>>> {
    decode_ops(reader, ReadOp::decode)
}

/// The result of one operation of a multi or multi-read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpResult {
    /// The created path.
    Create(ByteStr),
    /// The created path and its `Stat`: the answer to all other ways to create.
    Create2(ByteStr, Stat),
    /// Deleted.
    Delete,
    /// Written.
    SetData(Stat),
    /// The version matched.
    Check,
    /// The operation failed, or was not tried because another one did.
    Error(Code),
    /// What was read.
    GetData(Option<Bytes>, Stat),
    /// What was listed.
    GetChildren(Vec<ByteStr>),
}

impl OpResult {
    const fn op(&self) -> OpCode {
        match self {
            Self::Create(_) => OpCode::CREATE,
            Self::Create2(..) => OpCode::CREATE2,
            Self::Delete => OpCode::DELETE,
            Self::SetData(_) => OpCode::SET_DATA,
            Self::Check => OpCode::CHECK,
            Self::Error(_) => OpCode::ERROR,
            Self::GetData(..) => OpCode::GET_DATA,
            Self::GetChildren(_) => OpCode::GET_CHILDREN,
        }
    }
}

/// Appends one result, with its header.
pub fn encode_result(result: &OpResult, out: &mut Vec<u8>) {
    let err = if let OpResult::Error(code) = result { code.0 } else { 0 };
    MultiHeader { op: result.op(), done: false, err }.encode(out);
    match result {
        OpResult::Create(path) => path.encode(out),
        OpResult::Create2(path, stat) => {
            path.encode(out);
            stat.encode(out);
        }
        OpResult::SetData(stat) => stat.encode(out),
        OpResult::Error(code) => code.encode(out),
        OpResult::GetData(data, stat) => {
            data.encode(out);
            stat.encode(out);
        }
        OpResult::GetChildren(children) => children.encode(out),
        OpResult::Delete | OpResult::Check => {}
    }
}

/// Appends the body of a reply to a multi or multi-read: results and the end (`MultiResponse.serialize`).
pub fn encode_results(results: &[OpResult], out: &mut Vec<u8>) {
    for result in results {
        encode_result(result, out);
    }
    MultiHeader { op: OpCode::ERROR, done: true, err: -1 }.encode(out);
}

/// What is needed to answer a request that could not be decoded: only its number and op code.
///
/// # Errors
/// The packet is shorter than a request header: the sender is cut off.
pub fn header(body: &[u8]) -> std::result::Result<crate::records::RequestHeader, DecodeError> {
    Decode::from_slice(body)
}
