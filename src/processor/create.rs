//! The four ways to create a znode (`PrepRequestProcessor.pRequest2TxnCreate`).

use super::{Outcome, Preparation, parent_path, path, pending::Record};
use crate::tree::{AclRef, MAX_TTL_MS, Owner};
use bytes::Bytes;
use oxkeeper_codec::{
    ByteStr, Code, Decode, OpCode, Perms, Reader,
    records::{
        Acl, AclList, CreateContainerTxn, CreateRequest, CreateTtlRequest, CreateTtlTxn, CreateTxn,
        StatPersisted,
    },
    request::{CREATE_FLAGS, WriteOp, decode_multi},
    txn::Txn,
};

/// The bits of `CreateMode`'s flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Persistent,
    Ephemeral,
    Sequential,
    EphemeralSequential,
    Container,
    Ttl,
    TtlSequential,
}

impl Mode {
    fn from_flags(flags: i32) -> Result<Self, Code> {
        debug_assert_eq!(CREATE_FLAGS, 0..=6);
        Ok(match flags {
            0 => Self::Persistent,
            1 => Self::Ephemeral,
            2 => Self::Sequential,
            3 => Self::EphemeralSequential,
            4 => Self::Container,
            5 => Self::Ttl,
            6 => Self::TtlSequential,
            _ => return Err(Code::BAD_ARGUMENTS),
        })
    }

    const fn is_sequential(self) -> bool {
        matches!(self, Self::Sequential | Self::EphemeralSequential | Self::TtlSequential)
    }

    const fn is_ephemeral(self) -> bool {
        matches!(self, Self::Ephemeral | Self::EphemeralSequential)
    }

    const fn is_ttl(self) -> bool {
        matches!(self, Self::Ttl | Self::TtlSequential)
    }
}

/// Whether a request wants an ephemeral created (`QuorumZooKeeperServer.checkUpgradeSession`). One that does not decode does not.
pub fn creates_ephemeral(op: OpCode, body: &Bytes) -> bool {
    let is_ephemeral =
        |request: &CreateRequest| Mode::from_flags(request.flags).is_ok_and(Mode::is_ephemeral);
    let mut reader = Reader::shared(body).taking_nulls();
    match op {
        OpCode::CREATE | OpCode::CREATE2 => {
            CreateRequest::decode(&mut reader).is_ok_and(|request| is_ephemeral(&request))
        }
        OpCode::MULTI => decode_multi(&mut reader).is_ok_and(|ops| {
            ops.iter().any(|op| matches!(op, WriteOp::Create(_, request) if is_ephemeral(request)))
        }),
        _ => false,
    }
}

/// What is to be created, whichever request asked.
struct New<'a> {
    op: OpCode,
    mode: Mode,
    path: &'a ByteStr,
    data: &'a Option<Bytes>,
    acl: &'a AclList,
    ttl_ms: i64,
}

impl Preparation<'_> {
    pub(super) fn create(&mut self, op: OpCode, request: &CreateRequest) -> Outcome {
        let mode = Mode::from_flags(request.flags)?;
        if mode.is_ttl() {
            // There is no ttl in this request.
            return Err(if self.rules.extended_types { Code::BAD_ARGUMENTS } else { Code::UNIMPLEMENTED });
        }
        let CreateRequest { path, data, acl, .. } = request;
        self.create_node(&New { op, mode, path, data, acl, ttl_ms: 0 })
    }

    pub(super) fn create_ttl(&mut self, request: &CreateTtlRequest) -> Outcome {
        let mode = Mode::from_flags(request.flags)?;
        // Judged by op code as well as by flag: a transaction with a bad ttl must never reach the log.
        if !mode.is_ttl() {
            return Err(Code::BAD_ARGUMENTS);
        }
        if !self.rules.extended_types {
            return Err(Code::UNIMPLEMENTED);
        }
        if !(1..=MAX_TTL_MS).contains(&request.ttl) {
            return Err(Code::BAD_ARGUMENTS);
        }
        let CreateTtlRequest { path, data, acl, ttl, .. } = request;
        self.create_node(&New { op: OpCode::CREATE_TTL, mode, path, data, acl, ttl_ms: *ttl })
    }

    fn create_node(&mut self, new: &New<'_>) -> Outcome {
        let may_create = if new.mode.is_ephemeral() { self.check_owner() } else { self.check_session() };
        may_create?;
        let parent_text = path::parent_of(new.path)?;
        let acl = self.fixup_acl(new.acl.as_deref())?;
        let parent = parent_path(new.path, parent_text);
        let mut parent_record = self.existing(&parent)?;
        self.check_acl(&parent_record, Perms::CREATE)?;
        let path = if new.mode.is_sequential() {
            ByteStr::from(format!("{}{:010}", new.path, parent_record.sequence))
        } else {
            new.path.clone()
        };
        path::validate(&path)?;
        if self.pending.get(self.tree, &path).is_some() {
            return Err(Code::NODE_EXISTS);
        }
        if parent_record.childless {
            return Err(Code::NO_CHILDREN_FOR_EPHEMERALS);
        }
        let data_len = new.data.as_ref().map_or(0, Bytes::len);
        self.check_quota(&path, 1, data_len, 0)?;

        // Applying only ever raises the counter; beyond 2^31 - 1 it stays, as in the official server.
        let parent_digest = self.digest_of(&parent_record);
        let parent_cversion = parent_record.sequence.wrapping_add(1);
        parent_record.sequence = parent_cversion;
        if parent_cversion > parent_record.stat.cversion {
            parent_record.stat.cversion = parent_cversion;
            parent_record.stat.pzxid = self.proposal.zxid;
        }
        parent_record.children += 1;
        self.put(&parent, Some(parent_record), parent_digest);
        let record = Record {
            id: None,
            stat: StatPersisted::created(
                self.proposal.zxid,
                self.proposal.time_ms,
                self.owner_of(new).stored(),
            ),
            sequence: 0,
            children: 0,
            childless: new.mode.is_ephemeral(),
            acl: AclRef::from(&acl[..]),
            data_len,
            crc: self.crc(&path, new.data.as_ref()),
        };
        self.put(&path, Some(record), 0);
        Ok(new.txn(path, acl, parent_cversion))
    }

    const fn owner_of(&self, new: &New<'_>) -> Owner {
        match new.op {
            OpCode::CREATE_CONTAINER => Owner::Container,
            OpCode::CREATE_TTL => Owner::Ttl(new.ttl_ms),
            _ if new.mode.is_ephemeral() => Owner::Session(self.proposal.session),
            _ => Owner::Nobody,
        }
    }
}

impl New<'_> {
    fn txn(&self, path: ByteStr, acl: Vec<Acl>, parent_cversion: i32) -> Txn {
        let data = self.data.clone();
        match self.op {
            OpCode::CREATE_CONTAINER => {
                Txn::CreateContainer(CreateContainerTxn { path, data, acl, parent_cversion })
            }
            OpCode::CREATE_TTL => {
                Txn::CreateTtl(CreateTtlTxn { path, data, acl, parent_cversion, ttl: self.ttl_ms })
            }
            op => {
                let txn = CreateTxn { path, data, acl, ephemeral: self.mode.is_ephemeral(), parent_cversion };
                if op == OpCode::CREATE2 { Txn::Create2(txn) } else { Txn::Create(txn) }
            }
        }
    }
}
