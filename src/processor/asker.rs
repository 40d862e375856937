//! Who asks to read, and what he may.

use crate::{
    auth::{self, AuthConfig, Identities},
    tree::{NodeRef, Tree},
};
use oxkeeper_codec::{Code, Perms, SessionId};
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

pub(super) fn may(asker: Asker<'_>, node: &NodeRef<'_>, wanted: Perms) -> bool {
    node.is_open() || auth::check(node.acl(), wanted, asker.identities, asker.auth)
}

/// The znode, if it is there and may be read; in this order.
pub(super) fn readable<'t>(tree: &'t Tree, asker: Asker<'_>, path: &str) -> Result<NodeRef<'t>, Code> {
    let node = tree.get(path).ok_or(Code::NO_NODE)?;
    if may(asker, &node, Perms::READ) { Ok(node) } else { Err(Code::NO_AUTH) }
}
