//! Reads in steps answer what the same reads answer at once.

use super::*;
use crate::{
    auth::{AuthConfig, Identities},
    processor::{read, tests::fill},
    tree::TreeOptions,
};
use oxkeeper_codec::{
    SessionId,
    records::{DeleteTxn, RequestHeader, TxnHeader},
    txn::{LoggedTxn, Txn},
};

/// Children enough for three steps.
const MANY: usize = 2 * STEP + 5;

fn tree() -> Tree {
    let mut tree = Tree::new(TreeOptions::default());
    fill(
        &mut tree,
        std::iter::once("/p".to_owned())
            .chain((0..MANY).map(|n| format!("/p/{n}")))
            .map(|path| (path, Vec::new())),
    );
    tree
}

/// All steps of a read, with what happens to the tree between them. How many there were, and the body.
fn walk(
    tree: &mut Tree,
    op: OpCode,
    body: &[u8],
    mut between: impl FnMut(&mut Tree, usize),
) -> (usize, Code, Vec<u8>) {
    let (identities, auth) = (Identities::none(), AuthConfig::default());
    let asker = Asker { session: SessionId(1), identities: &identities, auth: &auth };
    let mut read = LongRead::begin(tree, asker, op, body).expect("it takes long");
    for steps in 1..100 {
        if let Some(ended) = read.advance(tree, asker, op) {
            return (steps, ended.code, ended.body);
        }
        between(tree, steps);
    }
    panic!("it does not end");
}

/// The body of the same read at once.
fn at_once(tree: &Tree, op: OpCode, body: &[u8]) -> Vec<u8> {
    let (identities, auth) = (Identities::none(), AuthConfig::default());
    let asker = Asker { session: SessionId(1), identities: &identities, auth: &auth };
    let mut out = Vec::new();
    let _ = read::answer(tree, asker, &RequestHeader { xid: 7, op }, body, &mut out);
    out.split_off(read::HEAD_LEN)
}

fn delete(tree: &mut Tree, path: String) {
    let zxid = tree.last_zxid().next();
    let header = TxnHeader { client_id: SessionId(1), cxid: 1, zxid, time: 1, op: OpCode::DELETE };
    let txn = Txn::Delete(DeleteTxn { path: path.into() });
    tree.apply(&LoggedTxn { header, txn, digest: None }, &mut (), &mut Vec::new());
}

fn create(tree: &mut Tree, paths: &[String]) {
    fill(tree, paths.iter().map(|path| (path.clone(), Vec::new())));
}

fn list(path: &str) -> Vec<u8> {
    GetChildrenRequest { path: path.into(), watch: false }.to_vec()
}

#[test]
fn a_long_list_takes_steps_and_is_the_same() {
    let mut tree = tree();
    for op in [OpCode::GET_CHILDREN, OpCode::GET_CHILDREN2] {
        let (steps, code, body) = walk(&mut tree, op, &list("/p"), |_, _| {});
        assert_eq!((steps, code), (3, Code::OK));
        assert!(body == at_once(&tree, op, &list("/p")), "{op:?}");
    }
}

#[test]
fn a_list_that_changes_under_way_is_that_of_the_end() {
    let mut tree = tree();
    let (steps, code, body) = walk(&mut tree, OpCode::GET_CHILDREN2, &list("/p"), |tree, step| {
        if step <= 2 {
            delete(tree, format!("/p/{step}"));
        }
    });
    assert_eq!((steps, code), (3, Code::OK), "what has changed fits into the last step");
    assert!(body == at_once(&tree, OpCode::GET_CHILDREN2, &list("/p")));
}

#[test]
fn a_list_that_never_rests_is_copied_whole_in_the_end() {
    let mut tree = tree();
    // In every block something changes in every step.
    let (steps, code, body) = walk(&mut tree, OpCode::GET_CHILDREN, &list("/p"), |tree, step| {
        for n in (step..MANY).step_by(BLOCK / 2) {
            delete(tree, format!("/p/{n}"));
            create(tree, &[format!("/p/{n}-{step}")]);
        }
    });
    assert_eq!((steps, code), (PASSES * (MANY / STEP + 1), Code::OK));
    assert!(body == at_once(&tree, OpCode::GET_CHILDREN, &list("/p")));
}

#[test]
fn a_list_that_becomes_short_and_long_again_is_that_of_the_end() {
    for left in [0, 1, LONG - 1, LONG, LONG + 1] {
        let mut tree = tree();
        let (_, code, body) = walk(&mut tree, OpCode::GET_CHILDREN, &list("/p"), |tree, step| {
            if step == 2 {
                (left..MANY).for_each(|n| delete(tree, format!("/p/{n}")));
                create(tree, &(left..MANY).map(|n| format!("/p/again-{n}")).collect::<Vec<_>>());
            }
        });
        assert_eq!(code, Code::OK);
        assert!(body == at_once(&tree, OpCode::GET_CHILDREN, &list("/p")), "{left} left");
    }
}

#[test]
fn a_parent_that_is_another_under_way_has_its_own_list() {
    let mut tree = tree();
    let (_, code, body) = walk(&mut tree, OpCode::GET_CHILDREN, &list("/p"), |tree, step| {
        if step == 1 {
            (0..MANY).for_each(|n| delete(tree, format!("/p/{n}")));
            delete(tree, "/p".to_owned());
            create(tree, &["/p".to_owned()]);
            create(tree, &(0..MANY).rev().map(|n| format!("/p/{n}")).collect::<Vec<_>>());
        }
    });
    assert_eq!(code, Code::OK);
    assert!(body == at_once(&tree, OpCode::GET_CHILDREN, &list("/p")));
}

#[test]
fn a_parent_that_goes_under_way_is_gone() {
    let mut tree = Tree::new(TreeOptions::default());
    fill(
        &mut tree,
        std::iter::once("/p".to_owned())
            .chain((0..=STEP).map(|n| format!("/p/{n}")))
            .map(|path| (path, Vec::new())),
    );
    let (_, code, body) = walk(&mut tree, OpCode::GET_CHILDREN, &list("/p"), |tree, _| {
        (0..=STEP).for_each(|n| delete(tree, format!("/p/{n}")));
        delete(tree, "/p".to_owned());
    });
    assert_eq!((code, body.len()), (Code::NO_NODE, 0));
}

#[test]
fn a_multi_read_of_long_lists_is_the_same_in_steps() {
    let mut tree = tree();
    let mut body = Vec::new();
    for path in ["/p", "/none", "/", "/p"] {
        MultiHeader { op: OpCode::GET_CHILDREN, done: false, err: -1 }.encode(&mut body);
        body.extend(list(path));
    }
    MultiHeader { op: OpCode::ERROR, done: true, err: -1 }.encode(&mut body);
    let (steps, code, result) = walk(&mut tree, OpCode::MULTI_READ, &body, |_, _| {});
    assert_eq!(code, Code::OK);
    assert!(steps > 4, "{steps} steps");
    assert!(result == at_once(&tree, OpCode::MULTI_READ, &body));
}
