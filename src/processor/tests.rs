//! Random pipelines of requests: what is prepared while other changes are pending must be what a plain sequential
//! model says, must apply without an error, and must leave the tree that was foreseen.

mod limits;
mod model;
mod odd;
mod random;
mod world;

use crate::tree::{AclRef, Tree};
use oxkeeper_codec::{
    SessionId,
    records::{CreateTxn, TxnHeader},
    txn::{LoggedTxn, Txn},
};

/// Creates znodes that everybody may do anything with.
pub(super) fn fill(tree: &mut Tree, nodes: impl Iterator<Item = (String, Vec<u8>)>) {
    let acl = AclRef::clone(tree.get("/").unwrap().acl()).to_vec();
    for (path, data) in nodes {
        let zxid = tree.last_zxid().next();
        let data = Some(data.into());
        let txn =
            CreateTxn { path: path.into(), data, acl: acl.clone(), ephemeral: false, parent_cversion: -1 };
        let txn = Txn::Create(txn);
        let header = TxnHeader { client_id: SessionId(1), cxid: 0, zxid, time: 0, op: txn.op() };
        tree.apply(&LoggedTxn { header, txn, digest: None }, &mut None, &mut Vec::new());
    }
}
