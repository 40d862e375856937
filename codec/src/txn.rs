//! Transactions as they are logged and proposed: header, record and digest (`SerializeUtils`, `Request.getSerializeData`).

use crate::{
    Code, Decode, DecodeError, Encode, ErrorKind, OpCode, Reader,
    records::{
        Acl, CheckVersionTxn, CloseSessionTxn, CreateContainerTxn, CreateSessionTxn, CreateTtlTxn, CreateTxn,
        CreateTxnV0, DeleteTxn, ErrorTxn, MultiTxn, RawTxn, SetAclTxn, SetDataTxn, TxnDigest, TxnHeader,
    },
    wire::Result,
};
use bytes::Bytes;

/// What a transaction does. The op code of its header decides which variant it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Txn {
    /// `CREATE`: answered with the path.
    Create(CreateTxn),
    /// `CREATE2`: answered with path and `Stat`.
    Create2(CreateTxn),
    /// `CREATE_TTL`.
    CreateTtl(CreateTtlTxn),
    /// `CREATE_CONTAINER`.
    CreateContainer(CreateContainerTxn),
    /// `DELETE`.
    Delete(DeleteTxn),
    /// `DELETE_CONTAINER`.
    DeleteContainer(DeleteTxn),
    /// `SET_DATA`.
    SetData(SetDataTxn),
    /// `RECONFIG`.
    Reconfig(SetDataTxn),
    /// `SET_ACL`.
    SetAcl(SetAclTxn),
    /// `CHECK`, only inside a multi.
    Check(CheckVersionTxn),
    /// `CREATE_SESSION`.
    CreateSession(CreateSessionTxn),
    /// `CLOSE_SESSION`; 3.5 and older write no record.
    CloseSession(Option<CloseSessionTxn>),
    /// `ERROR`: the request failed.
    Error(ErrorTxn),
    /// `MULTI`: all of them or, if one is an error, none.
    Multi(Vec<Self>),
}

impl Txn {
    /// A transaction that only says why a request failed.
    pub const fn error(err: Code) -> Self {
        Self::Error(ErrorTxn { err })
    }

    /// The op code that a header or a multi gives this record.
    pub const fn op(&self) -> OpCode {
        match self {
            Self::Create(_) => OpCode::CREATE,
            Self::Create2(_) => OpCode::CREATE2,
            Self::CreateTtl(_) => OpCode::CREATE_TTL,
            Self::CreateContainer(_) => OpCode::CREATE_CONTAINER,
            Self::Delete(_) => OpCode::DELETE,
            Self::DeleteContainer(_) => OpCode::DELETE_CONTAINER,
            Self::SetData(_) => OpCode::SET_DATA,
            Self::Reconfig(_) => OpCode::RECONFIG,
            Self::SetAcl(_) => OpCode::SET_ACL,
            Self::Check(_) => OpCode::CHECK,
            Self::CreateSession(_) => OpCode::CREATE_SESSION,
            Self::CloseSession(_) => OpCode::CLOSE_SESSION,
            Self::Error(_) => OpCode::ERROR,
            Self::Multi(_) => OpCode::MULTI,
        }
    }

    fn decode_record(op: OpCode, reader: &mut Reader<'_>) -> Result<Self> {
        Ok(match op {
            OpCode::CREATE => Self::Create(decode_create(reader)?),
            OpCode::CREATE2 => Self::Create2(decode_create(reader)?),
            OpCode::CREATE_TTL => Self::CreateTtl(Decode::decode(reader)?),
            OpCode::CREATE_CONTAINER => Self::CreateContainer(Decode::decode(reader)?),
            OpCode::DELETE => Self::Delete(Decode::decode(reader)?),
            OpCode::DELETE_CONTAINER => Self::DeleteContainer(Decode::decode(reader)?),
            OpCode::SET_DATA => Self::SetData(Decode::decode(reader)?),
            OpCode::RECONFIG => Self::Reconfig(Decode::decode(reader)?),
            OpCode::SET_ACL => Self::SetAcl(Decode::decode(reader)?),
            OpCode::CHECK => Self::Check(Decode::decode(reader)?),
            OpCode::CREATE_SESSION => Self::CreateSession(Decode::decode(reader)?),
            OpCode::CLOSE_SESSION => Self::CloseSession(decode_close(reader)?),
            OpCode::ERROR => Self::Error(Decode::decode(reader)?),
            OpCode::MULTI => Self::Multi(decode_multi(reader)?),
            _ => return Err(reader.error(ErrorKind::BadValue(op.0.into())).within("op")),
        })
    }

    fn encode_record(&self, out: &mut Vec<u8>) {
        match self {
            Self::Create(txn) | Self::Create2(txn) => txn.encode(out),
            Self::CreateTtl(txn) => txn.encode(out),
            Self::CreateContainer(txn) => txn.encode(out),
            Self::Delete(txn) | Self::DeleteContainer(txn) => txn.encode(out),
            Self::SetData(txn) | Self::Reconfig(txn) => txn.encode(out),
            Self::SetAcl(txn) => txn.encode(out),
            Self::Check(txn) => txn.encode(out),
            Self::CreateSession(txn) => txn.encode(out),
            Self::CloseSession(Some(txn)) => txn.encode(out),
            Self::CloseSession(None) => {}
            Self::Error(txn) => txn.encode(out),
            Self::Multi(txns) => encode_multi(txns, out),
        }
    }
}

/// Length of a digest behind a record, in bytes.
const DIGEST_LEN: usize = <TxnDigest as Decode<'_>>::MIN_LEN;

/// A create of 3.4 and later, or of 3.3, which ends before the parent's cversion.
fn decode_create(reader: &mut Reader<'_>) -> Result<CreateTxn> {
    let mut old = reader.clone();
    match CreateTxn::decode(reader) {
        Err(DecodeError { kind: ErrorKind::UnexpectedEnd, field: "parent_cversion", .. }) => {
            let CreateTxnV0 { path, data, acl, ephemeral } = Decode::decode(&mut old)?;
            *reader = old;
            Ok(CreateTxn { path, data, acl, ephemeral, parent_cversion: -1 })
        }
        result => result,
    }
}

/// The record of 3.6 and later, or none. What follows is a digest or nothing, which tells the two apart.
fn decode_close(reader: &mut Reader<'_>) -> Result<Option<CloseSessionTxn>> {
    let mut ahead = reader.clone();
    match CloseSessionTxn::decode(&mut ahead) {
        Ok(txn) if matches!(ahead.remaining(), 0 | DIGEST_LEN) => {
            *reader = ahead;
            Ok(Some(txn))
        }
        Ok(_) | Err(_) if matches!(reader.remaining(), 0 | DIGEST_LEN) => Ok(None),
        Ok(_) => Err(ahead.error(ErrorKind::BadLength(0)).within("paths_to_delete")),
        Err(error) => Err(error),
    }
}

fn decode_multi(reader: &mut Reader<'_>) -> Result<Vec<Txn>> {
    let raw: MultiTxn = Decode::decode(reader)?;
    let decode_one = |raw: &RawTxn| {
        if matches!(raw.op, OpCode::MULTI | OpCode::CREATE_SESSION | OpCode::CLOSE_SESSION) {
            return Err(reader.error(ErrorKind::BadValue(raw.op.0.into())).within("op"));
        }
        let data = raw.data.clone().unwrap_or_default();
        Txn::decode_record(raw.op, &mut Reader::shared(&data))
    };
    raw.txns.iter().map(decode_one).collect()
}

fn encode_multi(txns: &[Txn], out: &mut Vec<u8>) {
    i32::try_from(txns.len()).expect("a multi came in one packet").encode(out);
    for txn in txns {
        txn.op().encode(out);
        // A length-prefixed record is laid out like a frame.
        let start = crate::frame::begin_frame(out);
        txn.encode_record(out);
        crate::frame::end_frame(out, start).expect("a record of a multi came in one packet");
    }
}

/// A transaction as it stands in a log entry or a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedTxn {
    /// Who, when, which number.
    pub header: TxnHeader,
    /// What it does.
    pub txn: Txn,
    /// The tree's digest once it is applied; since 3.6, if enabled.
    pub digest: Option<TxnDigest>,
}

impl LoggedTxn {
    /// Decodes the body of a log entry. Data and text are slices of `body`.
    ///
    /// # Errors
    /// The content is not a transaction, or bytes are left over behind it.
    pub fn from_bytes(body: &Bytes) -> Result<Self> {
        let mut reader = Reader::shared(body);
        let header = TxnHeader::decode(&mut reader)?;
        let txn = Txn::decode_record(header.op, &mut reader)?;
        let digest = if reader.remaining() == 0 { None } else { Some(TxnDigest::decode(&mut reader)?) };
        if reader.remaining() != 0 {
            let left = i64::try_from(reader.remaining()).unwrap_or(i64::MAX);
            return Err(reader.error(ErrorKind::BadValue(left)).within("digest"));
        }
        Ok(Self { header, txn, digest })
    }

    /// What the body of a log entry says that it is, without a look at the rest; `None` where that is missing.
    pub fn peek_op(body: &[u8]) -> Option<OpCode> {
        // Behind session, number of the request, zxid and time.
        let op = body.get(28..32)?.try_into().ok()?;
        Some(OpCode(i32::from_be_bytes(op)))
    }

    /// Appends the body of a log entry.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        self.txn.encode_record(out);
        if let Some(digest) = &self.digest {
            digest.encode(out);
        }
    }
}

/// A create as it lies in a log entry: most entries of most logs are one, and nothing of it has to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCreate<'a> {
    /// Who, when, which number.
    pub header: TxnHeader,
    /// The znode.
    pub path: &'a str,
    /// Its data.
    pub data: Option<&'a [u8]>,
    /// Its ACL, encoded.
    pub acl: &'a [u8],
    /// Whether its session owns it.
    pub ephemeral: bool,
    /// The parent's stored cversion afterwards; -1 stands for "one more".
    pub parent_cversion: i32,
    /// As [`LoggedTxn::digest`].
    pub digest: Option<TxnDigest>,
}

impl<'a> LoggedCreate<'a> {
    /// Reads a `CREATE` or `CREATE2` of 3.4 and later. `None` for what is anything else, or odd in any way:
    /// [`LoggedTxn::from_bytes`] says what.
    pub fn from_body(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let header = TxnHeader::decode(&mut reader).ok()?;
        if !matches!(header.op, OpCode::CREATE | OpCode::CREATE2) {
            return None;
        }
        let path = std::str::from_utf8(reader.slice().ok()??).ok()?;
        let data = reader.slice().ok()?;
        let start = reader.offset();
        skip_acl(&mut reader).ok()?;
        let acl = &body[start..reader.offset()];
        let ephemeral = bool::decode(&mut reader).ok()?;
        let parent_cversion = i32::decode(&mut reader).ok()?;
        let digest = match reader.remaining() {
            0 => None,
            _ => Some(TxnDigest::decode(&mut reader).ok()?),
        };
        let create = Self { header, path, data, acl, ephemeral, parent_cversion, digest };
        (reader.remaining() == 0).then_some(create)
    }

    /// Its ACL. What was read by [`LoggedCreate::from_body`] has one.
    pub fn acl(&self) -> Vec<Acl> {
        Vec::decode(&mut Reader::new(self.acl)).unwrap_or_default()
    }

    /// The same transaction with all that it holds.
    pub fn to_logged(&self) -> LoggedTxn {
        let txn = CreateTxn {
            path: self.path.into(),
            data: self.data.map(Bytes::copy_from_slice),
            acl: self.acl(),
            ephemeral: self.ephemeral,
            parent_cversion: self.parent_cversion,
        };
        let txn = if self.header.op == OpCode::CREATE { Txn::Create(txn) } else { Txn::Create2(txn) };
        LoggedTxn { header: self.header.clone(), txn, digest: self.digest.clone() }
    }
}

/// Passes over a list that decodes.
fn skip_acl(reader: &mut Reader<'_>) -> Result<()> {
    let count = i32::decode(reader)?;
    for _ in 0..count {
        i32::decode(reader)?;
        for _ in 0..2 {
            if reader.slice()?.is_none() {
                return Err(reader.error(ErrorKind::UnexpectedNull));
            }
        }
    }
    Ok(())
}
