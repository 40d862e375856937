//! Transactions, requests and frames: what is encoded comes back; any bytes decode or fail, and never panic.
#![allow(clippy::unwrap_used, reason = "all of it is a test")]

use bytes::Bytes;
use oxkeeper_codec::{
    ByteStr, Code, Decode, OpCode, Perms, Reader, SessionId, Zxid,
    frame::{begin_frame, end_frame, next_frame},
    records::*,
    request::{Handshake, decode_multi, decode_multi_read, header},
    txn::{LoggedCreate, LoggedTxn, Txn},
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = ByteStr> {
    prop::sample::select(vec!["", "/a", "/ä/b", "/zookeeper"]).prop_map(ByteStr::from)
}

fn data() -> impl Strategy<Value = Option<Bytes>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from))
}

fn acl() -> impl Strategy<Value = Vec<Acl>> {
    let entry = (any::<i32>(), text(), text())
        .prop_map(|(perms, scheme, id)| Acl { perms: Perms(perms), id: Id { scheme, id } });
    prop::collection::vec(entry, 0..3)
}

fn simple() -> impl Strategy<Value = Txn> {
    let create = || {
        (text(), data(), acl(), any::<bool>(), any::<i32>()).prop_map(
            |(path, data, acl, ephemeral, parent_cversion)| CreateTxn {
                path,
                data,
                acl,
                ephemeral,
                parent_cversion,
            },
        )
    };
    let set = || {
        (text(), data(), any::<i32>()).prop_map(|(path, data, version)| SetDataTxn { path, data, version })
    };
    prop_oneof![
        create().prop_map(Txn::Create),
        create().prop_map(Txn::Create2),
        (text(), data(), acl(), any::<i32>(), any::<i64>()).prop_map(
            |(path, data, acl, parent_cversion, ttl)| {
                Txn::CreateTtl(CreateTtlTxn { path, data, acl, parent_cversion, ttl })
            }
        ),
        (text(), data(), acl(), any::<i32>()).prop_map(|(path, data, acl, parent_cversion)| {
            Txn::CreateContainer(CreateContainerTxn { path, data, acl, parent_cversion })
        }),
        text().prop_map(|path| Txn::Delete(DeleteTxn { path })),
        text().prop_map(|path| Txn::DeleteContainer(DeleteTxn { path })),
        set().prop_map(Txn::SetData),
        set().prop_map(Txn::Reconfig),
        (text(), acl(), any::<i32>()).prop_map(|(path, acl, version)| Txn::SetAcl(SetAclTxn {
            path,
            acl,
            version
        })),
        (text(), any::<i32>()).prop_map(|(path, version)| Txn::Check(CheckVersionTxn { path, version })),
        any::<i32>().prop_map(|err| Txn::error(Code(err))),
    ]
}

fn txn() -> impl Strategy<Value = Txn> {
    let paths = prop::option::of(prop::collection::vec(text(), 0..3));
    prop_oneof![
        6 => simple(),
        1 => any::<i32>().prop_map(|time_out| Txn::CreateSession(CreateSessionTxn { time_out })),
        1 => paths.prop_map(|p| Txn::CloseSession(p.map(|paths_to_delete| CloseSessionTxn { paths_to_delete }))),
        2 => prop::collection::vec(simple(), 0..4).prop_map(Txn::Multi),
    ]
}

fn logged() -> impl Strategy<Value = LoggedTxn> {
    let digest = prop::option::of(any::<i64>())
        .prop_map(|d| d.map(|tree_digest| TxnDigest { version: 2, tree_digest }));
    (txn(), digest, any::<i64>(), any::<i32>(), any::<i64>(), any::<i64>()).prop_map(
        |(txn, digest, client, cxid, zxid, time)| {
            let header =
                TxnHeader { client_id: SessionId(client), cxid, zxid: Zxid(zxid), time, op: txn.op() };
            LoggedTxn { header, txn, digest }
        },
    )
}

fn encoded(logged: &LoggedTxn) -> Vec<u8> {
    let mut body = Vec::new();
    logged.encode(&mut body);
    body
}

/// What is read as a create without copies is the same in the other way.
fn agree(body: &[u8]) {
    let logged = LoggedTxn::from_bytes(&Bytes::copy_from_slice(body));
    if let Some(create) = LoggedCreate::from_body(body) {
        assert_eq!(Ok(create.to_logged()), logged);
    }
}

/// Bytes in which lengths often fit.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![6 => Just(0u8), 3 => 0..24u8, 1 => any::<u8>()];
    prop::collection::vec(byte, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_transaction_comes_back(logged in logged()) {
        let body = Bytes::from(encoded(&logged));
        let is_create = matches!(logged.txn, Txn::Create(_) | Txn::Create2(_));
        prop_assert_eq!(LoggedCreate::from_body(&body).is_some(), is_create);
        prop_assert_eq!(LoggedTxn::peek_op(&body), Some(logged.header.op));
        prop_assert_eq!(LoggedTxn::from_bytes(&body).unwrap(), logged);
        agree(&body);
    }

    #[test]
    fn a_transaction_with_a_changed_byte_decodes_or_fails(
        logged in logged(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = encoded(&logged);
        let at = at.index(body.len());
        body[at] = byte;
        agree(&body);
        body.truncate(cut.index(body.len()));
        agree(&body);
    }

    #[test]
    fn any_bytes_are_a_transaction_or_not(op in -12..23i32, rest in bytes()) {
        let mut body = vec![0; 28];
        body.extend(op.to_be_bytes());
        body.extend(&rest);
        agree(&body);
        if let Ok(logged) = LoggedTxn::from_bytes(&Bytes::from(body)) {
            let again = Bytes::from(encoded(&logged));
            prop_assert_eq!(LoggedTxn::from_bytes(&again).unwrap(), logged);
        }
    }

    #[test]
    fn any_bytes_are_a_request_or_not(body in bytes()) {
        let _ = header(&body);
        let _ = Handshake::from_slice(&body);
        let shared = Bytes::from(body.clone());
        let _ = decode_multi(&mut Reader::shared(&shared));
        let _ = decode_multi_read(&mut Reader::new(&body));
    }

    #[test]
    fn frames_are_found_again_however_they_arrive(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut stream = Vec::new();
        for body in &bodies {
            let start = begin_frame(&mut stream);
            stream.extend(body);
            end_frame(&mut stream, start).unwrap();
        }
        let arrived = cut.index(stream.len() + 1);
        let (mut at, mut found) = (0, Vec::new());
        for end in [arrived, stream.len()] {
            while let Some(body) = next_frame(&stream[..end], at, 30).unwrap() {
                at = body.end;
                found.push(stream[body].to_vec());
            }
        }
        prop_assert_eq!(found, bodies);
    }
}

#[test]
fn unknown_numbers_survive() {
    let bytes = 4711i32.to_be_bytes();
    assert_eq!(OpCode::from_slice(&bytes), Ok(OpCode(4711)));
    assert_eq!(OpCode(4711).name(), None);
    assert_eq!(format!("{:?}", OpCode(4711)), "OpCode(4711)");
}
