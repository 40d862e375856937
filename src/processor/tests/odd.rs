//! Requests that no client library sends; found by the differential judge of `compat-tests`.

use crate::{
    auth::{AuthConfig, Identities},
    processor::{
        Known, Processor, Proposal, Refusal, Rules,
        read::{self, Asker},
        set_watches::{Again, SetAgain},
    },
    tree::{Tree, TreeOptions},
};
use oxkeeper_codec::{Code, EventType, OpCode, SessionId, Zxid, records::RequestHeader, txn::Txn};

/// Pieces of a request.
enum Piece<'a> {
    Int(i32),
    Text(&'a str),
    Null,
}
use Piece::{Int, Null, Text};

fn bytes(pieces: &[Piece<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Int(value) => bytes.extend(value.to_be_bytes()),
            Text(text) => {
                bytes.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
                bytes.extend(text.as_bytes());
            }
            Null => bytes.extend([255; 4]),
        }
    }
    bytes
}

/// Path, null data, an open ACL and flags.
fn create<'a>(path: Piece<'a>, flags: i32) -> Vec<Piece<'a>> {
    vec![path, Null, Int(1), Int(31), Text("world"), Text("anyone"), Int(flags)]
}

fn judge(op: OpCode, body: Vec<u8>) -> Result<Txn, Refusal> {
    let tree = Tree::new(TreeOptions::default());
    let mut processor = Processor::new(Rules::default(), &tree);
    let identities = Identities::none();
    let proposal = Proposal {
        zxid: Zxid(1),
        time_ms: 1,
        session: SessionId(1),
        xid: 1,
        identities: &identities,
        known: Known::Everywhere,
    };
    processor.prepare(&tree, op, &body.into(), &proposal).map(|judged| judged.logged.txn)
}

/// The error of a request that takes a zxid; `None` if it takes none.
fn error(op: OpCode, pieces: &[Piece<'_>]) -> Option<Code> {
    match judge(op, bytes(pieces)) {
        Ok(Txn::Error(txn)) => Some(txn.err),
        Ok(other) => panic!("{other:?}"),
        Err(Refusal::Undecodable) => None,
    }
}

#[test]
fn a_null_path_is_fallen_over_where_it_is_looked_at() {
    assert_eq!(error(OpCode::CREATE, &create(Null, 0)), Some(Code::MARSHALLING_ERROR));
    assert_eq!(error(OpCode::CREATE, &create(Null, 7)), Some(Code::BAD_ARGUMENTS), "the flags come first");
    assert_eq!(error(OpCode::CREATE2, &create(Null, 5)), Some(Code::UNIMPLEMENTED));
    assert_eq!(error(OpCode::DELETE, &[Null, Int(-1)]), Some(Code::MARSHALLING_ERROR));
    assert_eq!(error(OpCode::SET_DATA, &[Null, Null, Int(-1)]), Some(Code::BAD_ARGUMENTS));
    assert_eq!(error(OpCode::SET_ACL, &[Null, Int(0), Int(-1)]), Some(Code::BAD_ARGUMENTS));
    assert_eq!(error(OpCode::CREATE, &[Null, Int(100)]), None, "what follows does not decode");
}

fn multi(parts: &[(OpCode, Vec<Piece<'_>>)]) -> Result<Txn, Refusal> {
    let mut body = Vec::new();
    for (op, pieces) in parts {
        body.extend(bytes(&[Int(op.0)]));
        body.extend([0, 255, 255, 255, 255]);
        body.extend(bytes(pieces));
    }
    body.extend([255, 255, 255, 255, 1, 255, 255, 255, 255]);
    judge(OpCode::MULTI, body)
}

#[test]
fn nulls_in_a_multi() {
    let refused = Ok(Txn::error(Code::MARSHALLING_ERROR));
    assert_eq!(
        multi(&[(OpCode::CREATE, create(Text("/a"), 0)), (OpCode::DELETE, vec![Null, Int(-1)])]),
        refused
    );
    let no_acl = || vec![Text("/a"), Null, Null, Int(0)];
    assert_eq!(multi(&[(OpCode::CREATE, no_acl())]), Err(Refusal::Undecodable), "no zxid is taken");
    let null_id = vec![Text("/b"), Null, Int(1), Int(31), Text("world"), Null, Int(0)];
    assert_eq!(multi(&[(OpCode::CREATE, create(Text("/a"), 0)), (OpCode::CREATE, null_id)]), refused);
    assert_eq!(
        multi(&[(OpCode::DELETE, vec![Null, Int(0)]), (OpCode::CREATE, no_acl())]),
        Err(Refusal::Undecodable)
    );
}

#[test]
fn a_multi_that_begins_with_reads_is_decoded_up_to_its_first_write() {
    let body = |tail: Vec<u8>| {
        let read = [bytes(&[Int(4)]), vec![0, 255, 255, 255, 255], bytes(&[Text("/")]), vec![0]].concat();
        [read, tail].concat()
    };
    let end = vec![255, 255, 255, 255, 1, 255, 255, 255, 255];
    let part = |pieces: &[Piece<'_>]| [bytes(&[Int(1)]), vec![0, 255, 255, 255, 255], bytes(pieces)].concat();
    let refused = Ok(Txn::error(Code::MARSHALLING_ERROR));
    assert_eq!(judge(OpCode::MULTI, body(end)), refused);
    assert_eq!(judge(OpCode::MULTI, body(part(&create(Text("/a"), 0)))), refused);
    let no_acl = [Text("/a"), Null, Null, Int(0)];
    assert_eq!(judge(OpCode::MULTI, body(part(&no_acl))), Err(Refusal::Undecodable));
}

#[test]
fn the_flag_of_a_container_decides_inside_a_multi() {
    let Ok(Txn::Multi(txns)) = multi(&[(OpCode::CREATE, create(Text("/a"), 4))]) else {
        panic!("it is good")
    };
    assert!(matches!(txns[..], [Txn::CreateContainer(_)]));
    // The op code says container, the flag ephemeral: for what follows it is one.
    let parts =
        [(OpCode::CREATE_CONTAINER, create(Text("/a"), 1)), (OpCode::CREATE, create(Text("/a/b"), 0))];
    let Ok(Txn::Multi(txns)) = multi(&parts) else { panic!("it decodes") };
    assert_eq!(txns[1], Txn::error(Code::NO_CHILDREN_FOR_EPHEMERALS));
}

fn read(op: OpCode, body: &[u8]) -> Vec<u8> {
    let tree = Tree::new(TreeOptions::default());
    let rules = Rules::default();
    let identities = Identities::none();
    let asker = Asker { session: SessionId(1), identities: &identities, auth: &rules.auth };
    let mut out = Vec::new();
    let _ = read::answer(&tree, asker, &RequestHeader { xid: 1, op }, body, &mut out);
    out.split_off(16)
}

#[test]
fn a_multi_read_keeps_what_it_had_before_a_null_path() {
    let header = |op: i32| [&op.to_be_bytes()[..], &[0, 255, 255, 255, 255]].concat();
    let end = [255, 255, 255, 255, 1, 255, 255, 255, 255];
    let get = |path| [header(4), bytes(&[path]), vec![0]].concat();
    let body = [get(Text("/none")), get(Null), end.to_vec()].concat();
    let results = [&header(-1)[..4], &[0], &bytes(&[Int(-101), Int(-101)]), &end].concat();
    assert_eq!(read(OpCode::MULTI_READ, &body), [bytes(&[Int(-5)]), results].concat());
}

#[test]
fn characters_beyond_the_basic_plane_are_sent_as_surrogates() {
    let body = bytes(&[Text("/\u{e4}\u{1f600}")]);
    let sent = b"\0\0\0\0\0\0\0\x09/\xc3\xa4\xed\xa0\xbd\xed\xb8\x80";
    assert_eq!(read(OpCode::SYNC, &body), sent);
}

#[test]
fn watches_are_set_again_up_to_a_null() {
    let tree = Tree::new(TreeOptions::default());
    let zxid = [Int(0), Int(9)];
    let lists = [Int(2), Text("/none"), Text("/"), Int(2), Text("/none"), Null, Int(0)];
    let mut again = SetAgain::new(OpCode::SET_WATCHES, &[bytes(&zxid), bytes(&lists)].concat());
    let (identities, auth) = (Identities::none(), AuthConfig::default());
    let asker = Asker { session: SessionId(1), identities: &identities, auth: &auth };
    let watches: Vec<_> = std::iter::from_fn(|| again.next(&tree, asker)).collect();
    let told = Again::Told(EventType::NODE_DELETED);
    let expected = [("/none".into(), told), ("/".into(), Again::Data), ("/none".into(), Again::Data)];
    assert_eq!((&watches[..], again.code()), (&expected[..], Code::MARSHALLING_ERROR));
}
