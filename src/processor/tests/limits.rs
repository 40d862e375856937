//! No transaction is longer than what it is made of allows.

use crate::{
    auth::Identities,
    processor::{Known, Processor, Proposal, Rules},
    tree::{Tree, TreeOptions},
};
use oxkeeper_codec::{
    Code, Encode, OpCode, Perms, SessionId, Zxid,
    records::{Acl, CreateRequest, Id, MultiHeader, SetAclRequest},
    txn::{LoggedTxn, Txn},
};

/// A tree, what judges requests on it, and who asks.
struct World {
    tree: Tree,
    processor: Processor,
    identities: Identities,
}

impl World {
    /// The client has as many identities as there is room for.
    fn new() -> Self {
        let tree = Tree::new(TreeOptions::default());
        let processor = Processor::new(Rules::default(), &tree);
        let mut identities = Identities::new([10, 0, 0, 7].into());
        for n in 0.. {
            let id = Id { scheme: "digest".into(), id: format!("{n}{}:h", "u".repeat(2000)).into() };
            if !identities.has_room_for(&id) {
                break;
            }
            identities.add(id);
        }
        Self { tree, processor, identities }
    }

    /// Prepares a request; nothing of it stays pending.
    fn ask(&mut self, op: OpCode, body: Vec<u8>) -> LoggedTxn {
        let proposal = Proposal {
            zxid: self.tree.last_zxid().next(),
            time_ms: 1,
            session: SessionId(1),
            xid: 1,
            identities: &self.identities,
            known: Known::Everywhere,
        };
        let logged = self.processor.prepare(&self.tree, op, &body.into(), &proposal).unwrap().logged;
        self.processor = Processor::new(Rules::default(), &self.tree);
        logged
    }
}

/// `auth` so often, each time with other permissions.
fn auth(count: i32) -> Option<Vec<Acl>> {
    let entry = |n| Acl { perms: Perms(n << 5 | 31), id: Id { scheme: "auth".into(), id: "".into() } };
    Some((0..count).map(entry).collect())
}

fn create(path: &str, acl: Option<Vec<Acl>>, flags: i32) -> CreateRequest {
    CreateRequest { path: path.into(), data: None, acl, flags }
}

fn multi(creates: &[CreateRequest]) -> Vec<u8> {
    let mut body = Vec::new();
    for request in creates {
        MultiHeader { op: OpCode::CREATE, done: false, err: -1 }.encode(&mut body);
        request.encode(&mut body);
    }
    MultiHeader { op: OpCode::ERROR, done: true, err: -1 }.encode(&mut body);
    body
}

fn len(logged: &LoggedTxn) -> usize {
    let mut bytes = Vec::new();
    logged.encode(&mut bytes);
    bytes.len()
}

#[test]
fn auth_entries_of_one_request_come_to_a_mebibyte_at_most() {
    let mut world = World::new();
    let invalid = Txn::error(Code::INVALID_ACL);
    // 16 times all identities is as much as goes.
    for (count, valid) in [(1, true), (16, true), (18, false), (10_000, false)] {
        let logged = world.ask(OpCode::CREATE, create("/a", auth(count), 0).to_vec());
        assert_eq!(logged.txn != invalid, valid, "{count} entries");
        assert!(len(&logged) < 1_100_000);
        let request = SetAclRequest { path: "/".into(), acl: auth(count), version: -1 };
        assert_eq!(world.ask(OpCode::SET_ACL, request.to_vec()).txn != invalid, valid, "{count} entries");
    }
}

#[test]
fn operations_of_a_multi_share_the_mebibyte() {
    let mut world = World::new();
    for (count, valid) in [(16, true), (18, false), (10_000, false)] {
        let creates: Vec<_> = (0..count).map(|n| create(&format!("/{n}"), auth(1), 0)).collect();
        let logged = world.ask(OpCode::MULTI, multi(&creates));
        let Txn::Multi(txns) = &logged.txn else { panic!("{:?}", logged.txn) };
        assert_eq!(txns.contains(&Txn::error(Code::INVALID_ACL)), !valid, "{count} creates");
        assert!(len(&logged) < 1_300_000);
    }
}

#[test]
fn text_that_is_no_utf_8_counts_as_it_is_stored() {
    let mut world = World::new();
    // Each byte becomes a character of three.
    let mut body = Vec::new();
    "/a".encode(&mut body);
    Option::<bytes::Bytes>::None.encode(&mut body);
    1.encode(&mut body);
    31.encode(&mut body);
    "digest".encode(&mut body);
    let id = [b"a:".to_vec(), vec![0xff; 400_000]].concat();
    Some(bytes::Bytes::from(id)).encode(&mut body);
    0.encode(&mut body);
    assert_eq!(world.ask(OpCode::CREATE, body).txn, Txn::error(Code::INVALID_ACL));
}

#[test]
fn short_operations_grow_by_the_number_of_a_sequential_znode_and_no_more() {
    let mut world = World::new();
    world.identities = Identities::none();
    let open = Some(vec![Acl { perms: Perms::ALL, id: Id { scheme: "world".into(), id: "anyone".into() } }]);
    let creates: Vec<_> = (0..20_000).map(|_| create("/", open.clone(), 2)).collect();
    let body = multi(&creates);
    let sent = body.len();
    let logged = world.ask(OpCode::MULTI, body);
    let Txn::Multi(txns) = &logged.txn else { panic!("{:?}", logged.txn) };
    assert!(matches!(txns[0], Txn::Create(_)), "{:?}", txns[0]);
    assert!(len(&logged) < sent + 20_000 * 12 + 100);
    assert!(len(&logged) < 2 * sent, "which official servers read");
}

#[test]
fn a_list_of_ephemerals_that_no_official_server_would_read_is_left_out() {
    // 70,000 ephemerals of 35 bytes made an entry of 2.7 MB: "Unreasonable length".
    let max_packet_bytes = 2000;
    let rules = Rules { list_closed_ephemerals: true, max_packet_bytes, ..Rules::default() };
    let open = Some(vec![Acl { perms: Perms::ALL, id: Id { scheme: "world".into(), id: "anyone".into() } }]);
    let listed = |count: usize, applied: usize| {
        let mut tree = Tree::new(TreeOptions::default());
        let mut processor = Processor::new(rules.clone(), &tree);
        let mut txns = Vec::new();
        for n in 0..=count {
            let proposal = Proposal {
                zxid: Zxid(i64::try_from(n).unwrap() + 1),
                time_ms: 1,
                session: SessionId(7),
                xid: 1,
                identities: &Identities::none(),
                known: Known::Everywhere,
            };
            let logged = if n == count {
                processor.close_session(&tree, &proposal).0
            } else {
                let body = create(&format!("/{n:034}"), open.clone(), 1).to_vec();
                processor.prepare(&tree, OpCode::CREATE, &body.into(), &proposal).unwrap().logged
            };
            if n < applied {
                tree.apply(&logged, &mut (), &mut Vec::new());
                processor.applied(&tree, logged.header.zxid);
            } else {
                txns.push(logged);
            }
        }
        let close = txns.last().unwrap().clone();
        let comes_back = |logged: &LoggedTxn| {
            let mut bytes = Vec::new();
            logged.encode(&mut bytes);
            assert_eq!(LoggedTxn::from_bytes(&bytes.into()).as_ref(), Ok(logged));
        };
        comes_back(&close);
        // It does the same, list or no list.
        for logged in &txns {
            tree.apply(logged, &mut (), &mut Vec::new());
            assert!(tree.digest_matches(logged), "the digest was foreseen: {logged:?}");
        }
        processor.applied(&tree, close.header.zxid);
        assert_eq!((tree.ephemeral_count(), tree.get("/").unwrap().num_children()), (0, 1));
        assert!(len(&close) <= max_packet_bytes + 1024, "{} bytes", len(&close));
        matches!(close.txn, Txn::CloseSession(Some(_)))
    };
    // 3,024 bytes less 44 for header and digest, less the count: 76 paths of 39 bytes.
    for applied in [0, 40, 76] {
        assert!(listed(76, applied), "{applied} of 76 applied");
        assert!(!listed(77, applied), "{applied} of 77 applied");
    }
}
