//! What the benchmarks of oxkeeper's parts share: transactions and trees of a given size.

use bytes::Bytes;
use oxkeeper::tree::{Tree, TreeOptions};
use oxkeeper_codec::{
    ByteStr, OpCode, Perms, SessionId, Zxid,
    records::{Acl, CreateTxn, Id, SetDataTxn, TxnHeader},
    txn::{LoggedTxn, Txn},
};

/// Bytes of data in each znode.
pub const DATA_BYTES: usize = 100;
/// Children of each parent.
pub const CHILDREN: usize = 1000;

/// Everybody may do everything.
pub fn open_acl() -> Vec<Acl> {
    vec![Acl {
        perms: Perms::ALL,
        id: Id { scheme: ByteStr::from_static("world"), id: ByteStr::from_static("anyone") },
    }]
}

fn header(zxid: i64, op: OpCode) -> TxnHeader {
    TxnHeader { client_id: SessionId(1), cxid: 1, zxid: Zxid(zxid), time: 1_700_000_000_000, op }
}

/// A transaction that creates `path`.
pub fn create(zxid: i64, path: &str, data_len: usize) -> LoggedTxn {
    let data = Some(Bytes::from(vec![7; data_len]));
    let txn = CreateTxn { path: path.into(), data, acl: open_acl(), ephemeral: false, parent_cversion: -1 };
    LoggedTxn { header: header(zxid, OpCode::CREATE), txn: Txn::Create(txn), digest: None }
}

/// A transaction that writes `path`.
pub fn set(zxid: i64, path: &str, data_len: usize) -> LoggedTxn {
    let data = Some(Bytes::from(vec![8; data_len]));
    let txn = SetDataTxn { path: path.into(), data, version: 1 };
    LoggedTxn { header: header(zxid, OpCode::SET_DATA), txn: Txn::SetData(txn), digest: None }
}

/// The path of the `n`th znode of a [`tree`].
pub fn path(n: usize) -> String {
    format!("/p{:05}/n{:08}", n / CHILDREN, n % CHILDREN)
}

/// A tree with `count` znodes below parents of [`CHILDREN`] children each.
pub fn tree(count: usize) -> Tree {
    let mut tree = Tree::new(TreeOptions::default());
    let mut changes = Vec::new();
    let mut zxid = 0;
    for n in 0..count {
        if n % CHILDREN == 0 {
            zxid += 1;
            tree.apply(&create(zxid, &format!("/p{:05}", n / CHILDREN), 0), &mut (), &mut changes);
        }
        zxid += 1;
        tree.apply(&create(zxid, &path(n), DATA_BYTES), &mut (), &mut changes);
        changes.clear();
    }
    tree
}
