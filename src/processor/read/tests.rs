//! Replies that are too long, and multi-reads.

use super::*;
use crate::{
    auth::{AuthConfig, Identities},
    processor::tests::fill,
    tree::TreeOptions,
};
use oxkeeper_codec::{
    ByteStr, SessionId,
    frame::next_frame,
    records::MultiHeader,
    request::{OpResult, encode_results},
};

/// A tree with this many bytes at `/big` and children of it with long names.
fn tree(bytes: usize, children: usize) -> Tree {
    let mut tree = Tree::new(TreeOptions::default());
    let names = (0..children).map(|n| (format!("/big/{n:0>1000}"), Vec::new()));
    fill(&mut tree, std::iter::once(("/big".to_owned(), vec![b'x'; bytes])).chain(names));
    tree
}

fn multi(ops: &[(OpCode, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for &(op, path) in ops {
        MultiHeader { op, done: false, err: -1 }.encode(&mut body);
        path.encode(&mut body);
        false.encode(&mut body);
    }
    MultiHeader { op: OpCode::ERROR, done: true, err: -1 }.encode(&mut body);
    body
}

/// The reply behind what the buffer holds already: whether it was too long, its error, and its body.
fn ask(tree: &Tree, op: OpCode, body: &[u8]) -> (bool, Code, Vec<u8>) {
    let identities = Identities::none();
    let asker = Asker { session: SessionId(1), identities: &identities, auth: &AuthConfig::default() };
    let mut out = b"before".to_vec();
    let answered = answer(tree, asker, &RequestHeader { xid: 7, op }, body, &mut out);
    assert!(out.starts_with(b"before"));
    let frame = next_frame(&out, 6, usize::MAX).unwrap().expect("a whole frame");
    assert_eq!(frame.end, out.len(), "and nothing behind it");
    let mut reader = Reader::new(&out[frame]);
    let header = ReplyHeader::decode(&mut reader).unwrap();
    assert_eq!((header.xid, header.zxid), (7, tree.last_zxid()));
    assert!(!answered.too_long || out.capacity() < 1 << 20, "the buffer is given back");
    (answered.too_long, header.err, reader.take(reader.remaining()).unwrap().to_vec())
}

#[test]
fn a_multi_read_of_more_than_64_mib_is_an_error_and_nothing_else() {
    let tree = tree(1 << 20, 0);
    let read = (OpCode::GET_DATA, "/big");
    let (too_long, err, body) = ask(&tree, OpCode::MULTI_READ, &multi(&[read; 2300]));
    assert_eq!((too_long, err, body.len()), (true, Code::MARSHALLING_ERROR, 0));
    let (too_long, err, body) = ask(&tree, OpCode::MULTI_READ, &multi(&[read; 63]));
    assert_eq!((too_long, err), (false, Code::OK));
    assert!(body.len() > 63 << 20);
}

#[test]
fn lists_of_children_count_as_they_are() {
    let tree = tree(0, 1000);
    let list = (OpCode::GET_CHILDREN, "/big");
    let (too_long, err, _) = ask(&tree, OpCode::MULTI_READ, &multi(&[list; 70]));
    assert_eq!((too_long, err), (true, Code::MARSHALLING_ERROR));
    assert!(!ask(&tree, OpCode::MULTI_READ, &multi(&[list; 60])).0);
}

#[test]
fn results_of_a_multi_read_are_those_of_the_codec() {
    let tree = tree(5, 2);
    let ops = [(OpCode::GET_DATA, "/big"), (OpCode::GET_CHILDREN, "/big"), (OpCode::GET_DATA, "/none")];
    let big = tree.get("/big").unwrap();
    let names = ["0", "1"].map(|n| ByteStr::from(format!("{n:0>1000}")));
    let expected = [
        OpResult::GetData(Some(bytes::Bytes::from_static(b"xxxxx")), big.stat()),
        OpResult::GetChildren(names.to_vec()),
        OpResult::Error(Code::NO_NODE),
    ];
    let mut bytes = Vec::new();
    encode_results(&expected, &mut bytes);
    assert_eq!(ask(&tree, OpCode::MULTI_READ, &multi(&ops)), (false, Code::OK, bytes));
}

#[test]
fn a_reply_of_2_gib_says_so_instead() {
    let mut out = b"before".to_vec();
    // Zeros that nobody touches cost no memory.
    reply(&mut out, 7, Zxid(9), Code::OK, |out| *out = vec![0; 1 << 31 | 1 << 10]);
    let header = ReplyHeader::from_slice(&out[6 + PREFIX_LEN..]).unwrap();
    assert_eq!(header, ReplyHeader { xid: 7, zxid: Zxid(9), err: Code::MARSHALLING_ERROR });
    assert_eq!(out.len(), 6 + PREFIX_LEN + 16);
}
