//! delete, setData, setACL and check (`PrepRequestProcessor.pRequest2Txn`).

use super::{Outcome, Preparation, parent_path, path};
use crate::tree::{AclRef, PreparedSet};
use bytes::Bytes;
use oxkeeper_codec::{
    Code, Perms,
    records::{
        CheckVersionRequest, CheckVersionTxn, DeleteRequest, DeleteTxn, SetAclRequest, SetAclTxn,
        SetDataRequest, SetDataTxn,
    },
    txn::Txn,
};

/// Any version will do.
const ANY: i32 = -1;

/// The version after a change, if the one before is what was expected. Wraps, as in 3.9.
const fn next_version(current: i32, expected: i32) -> Result<i32, Code> {
    if expected != ANY && expected != current {
        return Err(Code::BAD_VERSION);
    }
    Ok(current.wrapping_add(1))
}

impl Preparation<'_> {
    pub(super) fn delete(&mut self, request: &DeleteRequest) -> Outcome {
        self.check_session()?;
        let parent = path::deletable_parent_of(&request.path)?;
        let parent = self.existing(&parent_path(&request.path, parent))?;
        self.check_acl(&parent, Perms::DELETE)?;
        let record = self.existing(&request.path)?;
        next_version(record.stat.version, request.version)?;
        if record.children > 0 {
            return Err(Code::NOT_EMPTY);
        }
        self.remove(&request.path);
        Ok(Txn::Delete(DeleteTxn { path: request.path.clone() }))
    }

    pub(super) fn set_data(&mut self, request: &SetDataRequest) -> Outcome {
        self.check_session()?;
        path::validate(&request.path)?;
        let mut record = self.existing(&request.path)?;
        self.check_acl(&record, Perms::WRITE)?;
        let data_len = request.data.as_ref().map_or(0, Bytes::len);
        self.check_quota(&request.path, 0, data_len, record.data_len)?;
        let version = next_version(record.stat.version, request.version)?;
        let old_digest = self.digest_of(&record);
        record.stat.version = version;
        record.stat.mtime = self.proposal.time_ms;
        record.stat.mzxid = self.proposal.zxid;
        record.data_len = data_len;
        record.crc = self.crc(&request.path, request.data.as_ref());
        self.set = PreparedSet { id: record.id, crc: record.crc };
        self.put(&request.path, Some(record), old_digest);
        Ok(Txn::SetData(SetDataTxn { path: request.path.clone(), data: request.data.clone(), version }))
    }

    pub(super) fn set_acl(&mut self, request: &SetAclRequest) -> Outcome {
        self.check_session()?;
        path::validate(&request.path)?;
        let acl = self.fixup_acl(request.acl.as_deref())?;
        let mut record = self.existing(&request.path)?;
        self.check_acl(&record, Perms::ADMIN)?;
        let version = next_version(record.stat.aversion, request.version)?;
        let old_digest = self.digest_of(&record);
        record.stat.aversion = version;
        record.acl = AclRef::from(&acl[..]);
        self.put(&request.path, Some(record), old_digest);
        Ok(Txn::SetAcl(SetAclTxn { path: request.path.clone(), acl, version }))
    }

    pub(super) fn check_version(&self, request: &CheckVersionRequest) -> Outcome {
        self.check_session()?;
        path::validate(&request.path)?;
        let record = self.existing(&request.path)?;
        self.check_acl(&record, Perms::READ)?;
        let version = next_version(record.stat.version, request.version)?;
        Ok(Txn::Check(CheckVersionTxn { path: request.path.clone(), version }))
    }
}
