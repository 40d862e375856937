//! What a committed transaction changed, as far as watches care.

use oxkeeper_codec::{ByteStr, records::Acl};
use std::sync::Arc;

/// An access control list, shared by all znodes that have it.
pub type AclRef = Arc<[Acl]>;

/// What happened to a znode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was created; its parent has one child more.
    Created,
    /// It was deleted; its parent has one child less.
    Deleted,
    /// Its data was written.
    DataChanged,
}

/// One change of one znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The znode.
    pub path: ByteStr,
    /// The znode's ACL at the time: who may not READ it learns nothing of the change.
    pub acl: AclRef,
    /// The parent's ACL at the time: it governs the event about the parent's children. `None` when the list of
    /// children did not change.
    pub parent_acl: Option<AclRef>,
    /// Bytes of data that the change wrote; 0 for a deletion.
    pub data_len: usize,
}
