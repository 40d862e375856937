//! Reads in steps answer what the same reads answer at once.

use super::*;
use crate::{
    auth::{AuthConfig, Identities},
    processor::{read, tests::fill},
    tree::TreeOptions,
};
use oxkeeper_codec::{
    ByteStr, SessionId,
    records::{CreateTxn, DeleteTxn, RequestHeader, TxnHeader},
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
    let mut read = LongRead::begin(tree, op, body).expect("it takes long");
    for steps in 1..100 {
        let before = read.looked_at();
        let ended = read.advance(tree, asker, op);
        assert!(
            read.looked_at() - before <= 2 * STEP + BLOCK,
            "a step looks at {}",
            read.looked_at() - before
        );
        if let Some(ended) = ended {
            return (steps, ended.code, whole(ended.body));
        }
        between(tree, steps);
    }
    panic!("it does not end");
}

/// Pieces as one, none of which is much longer than a step copies.
fn whole(pieces: Pieces) -> Vec<u8> {
    let pieces: Vec<Bytes> = pieces.into_iter().collect();
    assert!(pieces.iter().all(|piece| piece.len() <= 2 * STEP_BYTES));
    pieces.concat()
}

/// The body of the same read at once.
fn at_once(tree: &Tree, op: OpCode, body: &[u8]) -> Vec<u8> {
    let (identities, auth) = (Identities::none(), AuthConfig::default());
    let asker = Asker { session: SessionId(1), identities: &identities, auth: &auth };
    let mut out = Vec::new();
    let _ = read::answer(tree, asker, &RequestHeader { xid: 7, op }, body, &mut out);
    out.split_off(read::HEAD_LEN)
}

/// The result of a getEphemerals of session 1, by itself.
fn ephemerals_at_once(tree: &Tree, prefix: &str) -> Vec<u8> {
    let all = prefix.is_empty() || prefix == "/";
    let paths = tree.ephemerals_of(SessionId(1)).filter(|path| all || path.starts_with(prefix));
    paths.map(ByteStr::from).collect::<Vec<ByteStr>>().to_vec()
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
    let in_steps = PASSES * MANY.div_ceil(BLOCK) / (STEP / BLOCK);
    assert_eq!((steps, code), (in_steps + 2, Code::OK), "that often, a part of it, and the rest");
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
    assert!(result == names_of(&tree, &["/p", "/none", "/", "/p"]));
}

/// The reply to a multi-read of lists, as it is written down.
fn names_of(tree: &Tree, paths: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for path in paths {
        match tree.get(path) {
            Some(node) => {
                MultiHeader { op: OpCode::GET_CHILDREN, done: false, err: 0 }.encode(&mut out);
                read::encode_names(&node, &mut out);
            }
            None => encode_result(&OpResult::Error(Code::NO_NODE), &mut out),
        }
    }
    encode_results(&[], &mut out);
    out
}

#[test]
fn long_names_take_steps_by_their_bytes_and_a_list_beyond_a_mebibyte_stays_in_its_pieces() {
    let mut tree = Tree::new(TreeOptions::default());
    let long = "x".repeat(400);
    let children = (0..2 * LONG).map(|n| format!("/p/{n}-{long}"));
    fill(&mut tree, std::iter::once("/p".to_owned()).chain(children).map(|path| (path, Vec::new())));
    let mut body = Vec::new();
    for path in ["/p", "/", "/p"] {
        MultiHeader { op: OpCode::GET_CHILDREN, done: false, err: -1 }.encode(&mut body);
        body.extend(list(path));
    }
    MultiHeader { op: OpCode::ERROR, done: true, err: -1 }.encode(&mut body);
    let mut states = Vec::new();
    let (steps, code, result) = walk(&mut tree, OpCode::MULTI_READ, &body, |tree, step| {
        states.push(names_of(tree, &["/p"]));
        delete(tree, format!("/p/{step}-{long}"));
        create(tree, &[format!("/p/again-{step}")]);
    });
    let least = 2 * 2 * LONG * long.len() / (STEP_BYTES + BLOCK * 2 * long.len());
    assert!(steps >= least, "{steps} steps, at least {least}");
    // Each part is as of its last step, and there are others between the two.
    assert_eq!(code, Code::OK);
    let [root, footer] = [names_of(&tree, &["/"]), names_of(&tree, &[])];
    let parts = states.iter().map(|state| &state[..state.len() - footer.len()]);
    let first = parts.clone().find(|first| result.starts_with(first)).expect("the list as it was once");
    let rest = result[first.len()..].strip_prefix(&root[..root.len() - footer.len()]).expect("the root's");
    let second = rest.strip_suffix(&footer[..]).expect("the end");
    assert!(first != second && parts.into_iter().any(|part| part == second));
}

/// The session's ephemerals in steps and at once, for prefixes that are those of some, all, and none.
fn ephemerals(paths: &[String], least_steps: usize) {
    let mut tree = Tree::new(TreeOptions::default());
    let acl = tree.get("/").expect("the root").acl().to_vec();
    for (n, path) in paths.iter().enumerate() {
        for (parents, _) in path.match_indices('/').skip(1) {
            if tree.get(&path[..parents]).is_none() {
                create(&mut tree, &[path[..parents].to_owned()]);
            }
        }
        let zxid = tree.last_zxid().next();
        let header = TxnHeader { client_id: SessionId(1), cxid: 1, zxid, time: 1, op: OpCode::CREATE };
        let path = path.clone().into();
        let (acl, ephemeral) = (acl.clone(), n % 3 > 0);
        let txn = Txn::Create(CreateTxn { path, data: None, acl, ephemeral, parent_cversion: -1 });
        tree.apply(&LoggedTxn { header, txn, digest: None }, &mut None, &mut Vec::new());
    }
    for prefix in ["/", "", &paths[1][..paths[1].len() / 2], "/none"] {
        let body = GetEphemeralsRequest { prefix_path: Some(prefix.into()) }.to_vec();
        let (steps, code, result) = walk(&mut tree, OpCode::GET_EPHEMERALS, &body, |_, _| {});
        assert_eq!(code, Code::OK);
        assert!(steps >= least_steps, "{steps} steps");
        assert!(result == ephemerals_at_once(&tree, prefix), "{prefix}");
        assert!(result == at_once(&tree, OpCode::GET_EPHEMERALS, &body), "{prefix}");
    }
}

#[test]
fn ephemerals_are_the_same_in_steps_however_many_and_however_deep() {
    ephemerals(&["/a", "/b"].map(str::to_owned), 1);
    let many: Vec<String> = (0..2 * STEP).map(|n| format!("/{n}/e")).collect();
    ephemerals(&many, 2 * STEP * 2 / 3 / STEP_OF_PATHS);
    let deep = "/d".repeat(5000);
    let deep: Vec<String> = (0..60).map(|n| format!("{deep}/{n}")).collect();
    ephemerals(&deep, 2);
}

#[test]
fn ephemerals_that_nobody_has_asked_for_cost_a_step_too() {
    let mut tree = Tree::new(TreeOptions::default());
    let body = GetEphemeralsRequest { prefix_path: Some("/none".into()) }.to_vec();
    let (steps, code, result) = walk(&mut tree, OpCode::GET_EPHEMERALS, &body, |_, _| {});
    assert_eq!((steps, code, &result[..]), (1, Code::OK, &[0; 4][..]));
    assert_eq!(result, ephemerals_at_once(&tree, "/none"));
    assert_eq!(result, at_once(&tree, OpCode::GET_EPHEMERALS, &body));
}
